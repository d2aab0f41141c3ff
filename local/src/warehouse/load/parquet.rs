//! Parquet: columns by name, their types widened where no value changes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{Column, Mode};
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType as ArrowType, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::warehouse::values::schema_of;

/// A Parquet file.
pub(super) struct Batches {
    reader: ParquetRecordBatchReader,
    places: Vec<usize>,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Batches {
    /// Finds the wanted columns in the file.
    pub(super) fn open(file: File, columns: &[Column], name: &Path) -> Result<Self, PortError> {
        let wrong = |e: String| PortError::InvalidQuery(format!("{}: {e}", name.display()));
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(e.to_string()))?;
        let stored = Arc::clone(builder.schema());
        let schema = schema_of(columns);
        let mut places = Vec::with_capacity(columns.len());
        for (column, wanted) in columns.iter().zip(schema.fields()) {
            let found =
                stored.fields().iter().position(|f| f.name().eq_ignore_ascii_case(&column.name));
            let at = found.ok_or_else(|| wrong(format!("no column {}", column.name)))?;
            let from = stored.field(at).data_type();
            if !widens(from, wanted.data_type()) {
                return Err(wrong(format!(
                    "{}: {from} is not a {}",
                    column.name,
                    column.data_type()
                )));
            }
            places.push(at);
        }
        let reader = builder.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Self { reader, places, columns: columns.to_vec(), schema })
    }

    /// The next rows.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, PortError> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let wrong = |e: String| PortError::InvalidQuery(format!("a Parquet file: {e}"));
        let batch = batch.map_err(|e| wrong(e.to_string()))?;
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let mut arrays = Vec::with_capacity(self.places.len());
        for ((at, column), field) in self.places.iter().zip(&self.columns).zip(self.schema.fields())
        {
            let array = cast_with_options(batch.column(*at), field.data_type(), &options)
                .map_err(|e| wrong(format!("{}: {e}", column.name)))?;
            if column.mode == Mode::Required && array.logical_null_count() > 0 {
                return Err(wrong(format!("{}: NULL in a REQUIRED column", column.name)));
            }
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        batch.map(Some).map_err(|e| wrong(e.to_string()))
    }
}

/// Whether every value of `from` is one of `to`.
fn widens(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType as A;
    use datafusion::arrow::datatypes::TimeUnit;
    if from == to {
        return true;
    }
    match (from, to) {
        (A::Int8 | A::Int16 | A::Int32 | A::UInt8 | A::UInt16 | A::UInt32, A::Int64)
        | (A::Float32, A::Float64)
        | (A::Utf8 | A::LargeUtf8, A::Utf8View)
        | (A::Binary | A::LargeBinary, A::BinaryView) => true,
        (A::Decimal128(precision, scale), A::Decimal128(38, 9)) => {
            (0..=9).contains(scale) && i16::from(*precision) - i16::from(*scale) <= 29
        }
        // Nanoseconds would be cut.
        (A::Timestamp(unit, Some(_)), A::Timestamp(_, Some(_)))
        | (A::Timestamp(unit, None), A::Timestamp(_, None)) => *unit != TimeUnit::Nanosecond,
        (A::List(from) | A::LargeList(from), A::List(to)) => {
            widens(from.data_type(), to.data_type())
        }
        (A::Struct(from), A::Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(f, t)| f.name() == t.name() && widens(f.data_type(), t.data_type()))
        }
        _ => false,
    }
}
