//! Files read into typed rows: strict, and a record that does not fit is named with its line and reason.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{Column, DataType, Format, Load, Value};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::values::{array_of, schema_of};

mod csv;
mod json;
mod parquet;

pub(super) use json::json_value;

/// Rows handed on at a time.
const BATCH: usize = 8192;
/// How many bad records an error shows.
const SHOWN: usize = 5;

/// One record, or why it is bad.
type Record = Result<Vec<Value>, Bad>;

/// A record that does not fit.
struct Bad {
    line: u64,
    reason: String,
}

/// Reads records of one format.
trait Records: Send {
    /// The next record; `None` at the end, `Err` where the file itself cannot be read.
    fn next(&mut self) -> Result<Option<Record>, PortError>;
}

enum Input {
    Records(Box<dyn Records>),
    Batches(parquet::Batches),
}

/// A file being loaded.
pub(super) struct Reader {
    columns: Vec<Column>,
    schema: SchemaRef,
    input: Input,
    allowed: u64,
    bad: Vec<String>,
    done: bool,
}

impl Reader {
    /// Opens the file; answers its size too.
    pub(super) fn open(load: &Load) -> Result<(Self, u64), PortError> {
        if load.uri.contains("://") {
            let message =
                format!("{}: the embedded warehouse loads files by their path only", load.uri);
            return Err(PortError::InvalidQuery(message));
        }
        let file = File::open(&load.uri).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => PortError::NotFound(format!("the file {}", load.uri)),
            std::io::ErrorKind::PermissionDenied => {
                PortError::PermissionDenied(format!("reading {}", load.uri))
            }
            _ => PortError::other(format!("opening {}", load.uri), e),
        })?;
        let about =
            file.metadata().map_err(|e| PortError::other(format!("reading {}", load.uri), e))?;
        if !about.is_file() {
            return Err(PortError::InvalidQuery(format!("{} is not a file", load.uri)));
        }
        let columns = load.columns.clone();
        let input = match &load.format {
            Format::Csv { header, delimiter, null_marker } => {
                let options = csv::Options {
                    header: *header,
                    delimiter: *delimiter,
                    null_marker: null_marker.clone(),
                };
                let lines = BufReader::new(file);
                Input::Records(Box::new(csv::Csv::open(
                    lines,
                    options,
                    columns.clone(),
                    &load.uri,
                )?))
            }
            Format::Ndjson => {
                Input::Records(Box::new(json::Ndjson::new(BufReader::new(file), columns.clone())))
            }
            Format::Parquet => {
                Input::Batches(parquet::Batches::open(file, &columns, Path::new(&load.uri))?)
            }
        };
        let schema = schema_of(&columns);
        let allowed = load.max_bad_records;
        let reader = Self { columns, schema, input, allowed, bad: Vec::new(), done: false };
        Ok((reader, about.len()))
    }

    /// The next rows; `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, PortError> {
        let records = match &mut self.input {
            Input::Batches(batches) => return batches.next(),
            Input::Records(records) => records,
        };
        if self.done {
            return Ok(None);
        }
        let mut cells: Vec<Vec<Value>> = vec![Vec::new(); self.columns.len()];
        let mut rows = 0;
        while rows < BATCH {
            match records.next()? {
                None => {
                    self.done = true;
                    break;
                }
                Some(Ok(values)) => {
                    for (column, value) in cells.iter_mut().zip(values) {
                        column.push(value);
                    }
                    rows += 1;
                }
                Some(Err(Bad { line, reason })) => {
                    self.bad.push(format!("line {line}: {reason}"));
                    if self.bad.len() as u64 > self.allowed && self.bad.len() >= SHOWN {
                        return Err(self.too_many());
                    }
                }
            }
        }
        if self.bad.len() as u64 > self.allowed && self.done {
            return Err(self.too_many());
        }
        if rows == 0 {
            return Ok(None);
        }
        let broken = |e: String| PortError::other("rows of a file", e);
        let mut arrays = Vec::with_capacity(cells.len());
        for (values, column) in cells.iter().zip(&self.columns) {
            arrays.push(array_of(values, &column.data_type()).map_err(broken)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        batch.map(Some).map_err(|e| broken(e.to_string()))
    }

    fn too_many(&self) -> PortError {
        let shown: Vec<&str> = self.bad.iter().take(SHOWN).map(String::as_str).collect();
        PortError::InvalidQuery(format!(
            "more than {} bad records: {}",
            self.allowed,
            shown.join("; ")
        ))
    }

    /// The records left out.
    pub(super) fn into_bad(self) -> Vec<String> {
        self.bad
    }
}

/// Checks that a column's value may be NULL.
fn required(value: Value, column: &Column) -> Result<Value, String> {
    use common::warehouse::Mode;
    match (value, column.mode) {
        (Value::Null, Mode::Required) => Err(format!("{}: NULL in a REQUIRED column", column.name)),
        (Value::Null, Mode::Repeated) => Ok(Value::Array(Vec::new())),
        (value, _) => Ok(value),
    }
}

/// A text cell as the column's value; the message names column, value and rule.
fn text_value(text: &str, column: &Column) -> Result<Value, String> {
    let kind = column.data_type();
    if matches!(kind, DataType::Array(_) | DataType::Struct(_)) {
        return Err(format!("{}: {kind} cannot be read from text", column.name));
    }
    super::sql::functions::cast::parse_text(text, &kind)
        .map_err(|e| format!("{}: {e}", column.name))
}
