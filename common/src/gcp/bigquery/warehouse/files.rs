//! Loads from, and extracts into, Cloud Storage.

use google_cloud_bigquery_v2::model::{
    ErrorProto, JobConfigurationExtract, JobConfigurationLoad, JobStatistics, TableReference,
    TableSchema,
};

use super::table;
use crate::port::PortError;
use crate::warehouse::{Export, Format, Load, Target, WriteMode, Written};

fn cloud(uri: &str) -> Result<(), PortError> {
    if uri.starts_with("gs://") {
        return Ok(());
    }
    let text = format!("'{uri}' is not in Cloud Storage: give a gs:// URI");
    Err(PortError::InvalidQuery(text))
}

/// The load job of a file. BigQuery itself replaces and appends; the other modes are statements, for which the file has
/// to be a table first.
pub(super) fn load(
    load: &Load,
    target: &Target,
    into: TableReference,
) -> Result<JobConfigurationLoad, PortError> {
    cloud(&load.uri)?;
    let disposition = match &target.mode {
        WriteMode::Replace => "WRITE_TRUNCATE",
        WriteMode::Append => "WRITE_APPEND",
        WriteMode::OverwritePartition { .. }
        | WriteMode::AppendNew { .. }
        | WriteMode::Merge { .. } => {
            let text = "on BigQuery a file is loaded with the mode replace or append: load it into a table of its own, \
                        and write that by an sql step";
            return Err(PortError::InvalidQuery(text.to_owned()));
        }
    };
    let bad = i32::try_from(load.max_bad_records).map_err(|_| {
        PortError::InvalidQuery(format!(
            "max_bad_records {}: at most {}",
            load.max_bad_records,
            i32::MAX
        ))
    })?;
    let mut of = JobConfigurationLoad::new()
        .set_source_uris([load.uri.clone()])
        .set_destination_table(into)
        .set_schema(TableSchema::new().set_fields(load.columns.iter().map(table::field)))
        .set_create_disposition("CREATE_IF_NEEDED")
        .set_write_disposition(disposition)
        .set_max_bad_records(bad);
    if let Some(partitioning) = table::partitioning(target) {
        of = of.set_time_partitioning(partitioning);
    }
    if let Some(clustering) = table::clustering(target) {
        of = of.set_clustering(clustering);
    }
    Ok(match &load.format {
        Format::Csv { header, delimiter, null_marker } => {
            let of = of
                .set_source_format("CSV")
                .set_field_delimiter(char::from(*delimiter).to_string())
                .set_allow_quoted_newlines(true)
                .set_skip_leading_rows(i32::from(*header));
            let of = if *header { of.set_source_column_match("NAME") } else { of };
            match null_marker {
                Some(marker) => of.set_null_markers([String::new(), marker.clone()]),
                None => of,
            }
        }
        Format::Ndjson => of.set_source_format("NEWLINE_DELIMITED_JSON"),
        Format::Parquet => of.set_source_format("PARQUET"),
    })
}

/// The extract job of a table of results into one file.
pub(super) fn extract(
    export: &Export,
    from: TableReference,
) -> Result<JobConfigurationExtract, PortError> {
    cloud(&export.uri)?;
    let of = JobConfigurationExtract::new()
        .set_source_table(from)
        .set_destination_uris([export.uri.clone()]);
    Ok(match &export.format {
        Format::Csv { null_marker: Some(marker), .. } => {
            let text =
                format!("on BigQuery a CSV file's NULL is an empty field: leave out '{marker}'");
            return Err(PortError::InvalidQuery(text));
        }
        Format::Csv { header, delimiter, null_marker: None } => of
            .set_destination_format("CSV")
            .set_field_delimiter(char::from(*delimiter).to_string())
            .set_print_header(*header),
        Format::Ndjson => of.set_destination_format("NEWLINE_DELIMITED_JSON"),
        Format::Parquet => of.set_destination_format("PARQUET"),
    })
}

/// What a job did, by its statistics.
pub(super) fn written(of: &JobStatistics, errors: &[ErrorProto]) -> Written {
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let mut written = Written { bytes: number(of.total_bytes_processed), ..Written::default() };
    if let Some(query) = &of.query {
        let by_kind = query.dml_stats.as_ref();
        let inserted = by_kind.map_or(0, |stats| number(stats.inserted_row_count));
        let updated = by_kind.map_or(0, |stats| number(stats.updated_row_count));
        // Rows that an overwritten range loses were not written.
        written.rows = if by_kind.is_some() {
            inserted + updated
        } else {
            number(query.num_dml_affected_rows)
        };
    }
    if let Some(load) = &of.load {
        written.rows = number(load.output_rows);
        written.bytes = number(load.input_file_bytes);
        written.bad_records =
            errors.iter().map(|error| format!("{}: {}", error.location, error.message)).collect();
    }
    written
}
