//! Exports: a query's rows into one file, written beside its place and moved there whole.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use common::port::PortError;
use common::warehouse::{Column, DataType, Export, Format, JobOptions, Query, Value, Written};
use datafusion::arrow::array::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use futures::TryStreamExt;

use super::catalog::GRACE;
use super::jobs::Running;
use super::values::{schema_of, value_at};
use super::write::{cancelled, columns, ended, within};
use super::{EmbeddedWarehouse, catalog, sql};

impl EmbeddedWarehouse {
    pub(super) async fn write_export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
        running: &Running,
    ) -> Result<Written, PortError> {
        if export.uri.contains("://") {
            let message = format!("{}: the embedded warehouse exports to a path only", export.uri);
            return Err(PortError::InvalidQuery(message));
        }
        let prepared = self.prepare(query)?;
        within(job, prepared.bytes)?;
        let columns = columns(&prepared.columns)?;
        let number = self.db.write(catalog::next_number)?;
        let mut file =
            Draft::open(Path::new(&export.uri), number, &export.format, columns, self.clock.now())?;
        let mut rows = sql::stream(&self.session, &prepared).await?;
        let mut written = Written { bytes: prepared.bytes, ..Written::default() };
        while let Some(batch) = rows.try_next().await.map_err(sql::refusal::executed)? {
            file.push(&batch)?;
            written.rows += batch.num_rows() as u64;
        }
        let draft = file.finish()?;
        let now = self.clock.now();
        // A death between the move and the commit leaves the new file and no record: the next attempt
        // writes it again.
        self.db.write(|tx| {
            if running.stopped() {
                return Err(cancelled(&job.id));
            }
            ended(catalog::job(tx, &job.id)?, &job.id)?;
            draft.publish()?;
            catalog::job_done(tx, &job.id, &written, now)
        })?;
        Ok(written)
    }
}

fn io(
    what: &str,
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> PortError {
    PortError::other(format!("{what} {}", path.display()), error)
}

/// A file in the making; dropped unpublished it is deleted.
struct Draft {
    place: PathBuf,
    /// Beside its place: a move within one folder is atomic.
    path: PathBuf,
    columns: Vec<Column>,
    output: Output,
}

enum Output {
    Csv { file: BufWriter<File>, style: Csv },
    Ndjson(BufWriter<File>),
    Parquet(Box<ArrowWriter<File>>),
    Finished,
}

impl Draft {
    fn open(
        place: &Path,
        number: u64,
        format: &Format,
        columns: Vec<Column>,
        now: DateTime<Utc>,
    ) -> Result<Self, PortError> {
        let wrong =
            |message: String| PortError::InvalidQuery(format!("{}: {message}", place.display()));
        let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(wrong("is no file's path".to_owned()));
        };
        if place.is_dir() {
            return Err(wrong("is a folder".to_owned()));
        }
        writable(format, &columns).map_err(wrong)?;
        fs::create_dir_all(folder).map_err(|e| io("making", folder, e))?;
        sweep(folder, now);
        let path = folder.join(format!(".{}.{number}.partial", name.to_string_lossy()));
        let file = File::create_new(&path).map_err(|e| match e.kind() {
            // Of another data folder: the next try has another number.
            ErrorKind::AlreadyExists => {
                PortError::Conflict(format!("{} is in the making", path.display()))
            }
            _ => io("making", &path, e),
        })?;
        let mut draft = Self { place: place.to_owned(), path, columns, output: Output::Finished };
        draft.output = match format {
            Format::Csv { header, delimiter, null_marker } => {
                let style = Csv { delimiter: char::from(*delimiter), null: null_marker.clone() };
                let mut file = BufWriter::new(file);
                if *header {
                    let names: Vec<_> = draft.columns.iter().map(|c| style.text(&c.name)).collect();
                    draft.written(writeln!(file, "{}", style.line(&names)))?;
                }
                Output::Csv { file, style }
            }
            Format::Ndjson => Output::Ndjson(BufWriter::new(file)),
            Format::Parquet => {
                let writer = ArrowWriter::try_new(file, schema_of(&draft.columns), None)
                    .map_err(|e| io("writing", &draft.path, e))?;
                Output::Parquet(Box::new(writer))
            }
        };
        Ok(draft)
    }

    fn written(&self, result: std::io::Result<()>) -> Result<(), PortError> {
        result.map_err(|e| io("writing", &self.path, e))
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<(), PortError> {
        let kinds: Vec<DataType> = self.columns.iter().map(Column::data_type).collect();
        let row = |at: usize| -> Result<Vec<Value>, PortError> {
            batch
                .columns()
                .iter()
                .zip(&kinds)
                .map(|(c, kind)| value_at(c.as_ref(), at, kind))
                .collect()
        };
        match &mut self.output {
            Output::Csv { file, style } => (0..batch.num_rows()).try_for_each(|at| {
                let fields: Vec<_> = row(at)?.iter().map(|value| style.field(value)).collect();
                writeln!(file, "{}", style.line(&fields)).map_err(|e| io("writing", &self.path, e))
            }),
            Output::Ndjson(file) => (0..batch.num_rows()).try_for_each(|at| {
                let names = self.columns.iter().map(|c| c.name.clone());
                let fields = names.zip(row(at)?.iter().map(Value::to_json)).collect();
                let object = serde_json::Value::Object(fields);
                writeln!(file, "{object}").map_err(|e| io("writing", &self.path, e))
            }),
            Output::Parquet(writer) => {
                let batch =
                    RecordBatch::try_new(schema_of(&self.columns), batch.columns().to_vec())
                        .map_err(|e| PortError::other("rows of an export", e))?;
                writer.write(&batch).map_err(|e| io("writing", &self.path, e))
            }
            Output::Finished => Ok(()),
        }
    }

    /// Closes and syncs the file.
    fn finish(mut self) -> Result<Self, PortError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| io("writing", &self.path, e);
        let file = match std::mem::replace(&mut self.output, Output::Finished) {
            Output::Csv { file, .. } | Output::Ndjson(file) => {
                Some(file.into_inner().map_err(|e| failed(e.into_error().into()))?)
            }
            Output::Parquet(writer) => Some(writer.into_inner().map_err(|e| failed(e.into()))?),
            Output::Finished => None,
        };
        if let Some(file) = file {
            file.sync_all().map_err(|e| failed(e.into()))?;
        }
        Ok(self)
    }

    /// Moves the finished file to its place.
    fn publish(&self) -> Result<(), PortError> {
        fs::rename(&self.path, &self.place).map_err(|e| io("making", &self.place, e))?;
        let folder = self.place.parent().unwrap_or(&self.place);
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io("syncing", folder, e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it was moved there is none.
        drop(fs::remove_file(&self.path));
    }
}

/// Deletes what killed processes left in the folder; what is younger may be in the making.
fn sweep(folder: &Path, now: DateTime<Utc>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let found = entry.file_name().to_string_lossy().into_owned();
        let name = found.strip_prefix('.').and_then(|rest| rest.strip_suffix(".partial"));
        let number = name.and_then(|name| name.rsplit_once('.')).map(|(_, number)| number);
        let ours = number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let changed = entry.metadata().and_then(|m| m.modified()).map(DateTime::<Utc>::from);
        if ours && changed.is_ok_and(|changed| now - changed > GRACE) {
            // One that stays is met again by the next export.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// What a format can hold without loss. BYTES are no text here, and a JSON value would be read back as a text.
fn writable(format: &Format, columns: &[Column]) -> Result<(), String> {
    match columns.iter().find(|column| !holds(format, &column.data_type())) {
        None => Ok(()),
        Some(column) => Err(format!(
            "the column {} is {}, which {} cannot hold here: select it as STRING, or export Parquet",
            column.name,
            column.data_type(),
            if matches!(format, Format::Csv { .. }) { "CSV" } else { "NDJSON" },
        )),
    }
}

fn holds(format: &Format, kind: &DataType) -> bool {
    match (format, kind) {
        (Format::Parquet, _) => true,
        (_, DataType::Bytes)
        | (Format::Ndjson, DataType::Json)
        | (Format::Csv { .. }, DataType::Struct(_) | DataType::Array(_)) => false,
        (Format::Ndjson, DataType::Struct(fields)) => fields.iter().all(|(_, k)| holds(format, k)),
        (Format::Ndjson, DataType::Array(element)) => holds(format, element),
        (Format::Csv { .. } | Format::Ndjson, _) => true,
    }
}

/// How CSV is written: RFC 4180, and NULL told from an empty text by quotes.
struct Csv {
    delimiter: char,
    null: Option<String>,
}

impl Csv {
    fn line(&self, fields: &[String]) -> String {
        fields.join(self.delimiter.encode_utf8(&mut [0; 4]))
    }

    fn field(&self, value: &Value) -> String {
        match value {
            Value::Null => self.null.clone().unwrap_or_default(),
            value => self.text(&value.to_string()),
        }
    }

    /// Quoted where it could be read as something else.
    fn text(&self, text: &str) -> String {
        let special = text.is_empty()
            || self.null.as_deref() == Some(text)
            || text.starts_with('\u{feff}')
            || text.contains([self.delimiter, '"', '\r', '\n']);
        if special { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_cannot_hold_is_refused_at_any_depth() {
        let csv = Format::Csv { header: true, delimiter: b',', null_marker: None };
        let array = |kind| DataType::Array(Box::new(kind));
        let record = |kind| DataType::Struct(vec![("f".to_owned(), kind)]);
        for (format, kind, expected) in [
            (&csv, DataType::Json, true),
            (&csv, DataType::Bytes, false),
            (&csv, array(DataType::Int64), false),
            (&csv, record(DataType::Int64), false),
            (&Format::Ndjson, record(array(DataType::Numeric)), true),
            (&Format::Ndjson, array(record(DataType::Bytes)), false),
            (&Format::Ndjson, record(DataType::Json), false),
            (&Format::Parquet, record(array(DataType::Bytes)), true),
        ] {
            assert_eq!(holds(format, &kind), expected, "{format:?} {kind}");
        }
    }
}
