//! `headgate load DATASET.TABLE FILE --schema SCHEMA.json`: a file into a table, after the habits of `bq load`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::port::PortError;
use common::warehouse::{
    Column, Format, InvalidName, JobId, JobOptions, Load, TableRef, Target, Warehouse, WriteMode,
    Written,
};

/// A load may run for as long as a large file takes.
const TIMEOUT: Duration = Duration::from_hours(6);

/// What is loaded where.
#[derive(Debug, Clone)]
pub struct Options {
    /// `dataset.table`; the dataset exists.
    pub table: String,
    /// `.csv`, `.ndjson`, `.jsonl`, `.json` (one object a line) or `.parquet`.
    pub file: PathBuf,
    /// BigQuery's schema JSON: an array of columns.
    pub schema: PathBuf,
    /// Replaces the table's rows instead of adding to them.
    pub replace: bool,
    /// An unquoted CSV field that means NULL, beside the empty one.
    pub null_marker: Option<String>,
    /// How many bad records may be left out.
    pub max_bad_records: u64,
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The table's name is none.
    #[error(transparent)]
    Table(#[from] InvalidName),
    /// The file's ending says no format.
    #[error("{0}: the file's ending is none of .csv, .ndjson, .jsonl, .json, .parquet")]
    Ending(PathBuf),
    /// The schema cannot be read.
    #[error("the schema {path}: {reason}; it is a JSON array of columns with name, type and mode")]
    Schema {
        /// The schema's file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The warehouse refused.
    #[error(transparent)]
    Warehouse(#[from] PortError),
}

/// Loads one file; `id` is the job's.
pub async fn run(
    warehouse: &dyn Warehouse,
    options: &Options,
    id: JobId,
) -> Result<Written, LoadError> {
    let table: TableRef = options.table.parse()?;
    let format = format_of(options)?;
    let unreadable = |reason: String| LoadError::Schema { path: options.schema.clone(), reason };
    let schema = std::fs::read_to_string(&options.schema).map_err(|e| unreadable(e.to_string()))?;
    let columns: Vec<Column> =
        serde_json::from_str(&schema).map_err(|e| unreadable(e.to_string()))?;
    let absolute = std::path::absolute(&options.file)
        .map_err(|source| LoadError::File { path: options.file.clone(), source })?;
    let load = Load {
        uri: absolute.to_string_lossy().into_owned(),
        format,
        columns,
        max_bad_records: options.max_bad_records,
    };
    let mode = if options.replace { WriteMode::Replace } else { WriteMode::Append };
    let target = Target { table, partition_by: None, cluster_by: Vec::new(), mode };
    let labels = BTreeMap::from([("service".to_owned(), "load".to_owned())]);
    let job = JobOptions { id, labels, maximum_bytes: None, timeout: TIMEOUT };
    Ok(warehouse.load(&load, &target, &job).await?)
}

fn format_of(options: &Options) -> Result<Format, LoadError> {
    let ending = Path::extension(&options.file).map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("csv") => {
            let null_marker = options.null_marker.clone();
            Ok(Format::Csv { header: true, delimiter: b',', null_marker })
        }
        Some("ndjson" | "jsonl" | "json") => Ok(Format::Ndjson),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(LoadError::Ending(options.file.clone())),
    }
}
