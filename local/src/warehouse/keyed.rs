//! Writes that go by keys: the new rows are gathered, the table's files are looked through for their keys, and
//! only files that hold a row to be replaced are written anew.

use std::collections::HashMap;
use std::fs::File;

use common::port::PortError;
use common::warehouse::{Column, TableRef};
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::catalog::StoredFile;
use super::files::FileWriter;
use super::sql::operators::plainly_ordered;
use super::values::{schema_of, value_at};

/// What becomes of a row of the table whose keys a new row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matched {
    /// It stays, and the new row is left out.
    Stays,
    /// The new row takes its place.
    Replaced,
}

/// New rows on their way into a table, by their keys.
pub(super) struct Incoming {
    table: TableRef,
    columns: Vec<Column>,
    /// The places of the keys among the columns.
    keys: Vec<usize>,
    matched: Matched,
    converter: RowConverter,
    batches: Vec<RecordBatch>,
    /// For each key: the new row that has it, and whether the table has it too.
    known: HashMap<Box<[u8]>, New>,
}

/// Where a new row stands.
struct New {
    batch: usize,
    row: usize,
    in_table: bool,
}

/// What a write by keys does to the table's files.
pub(super) struct Fold {
    /// Rows added or changed.
    pub(super) rows: u64,
    /// The files whose rows the writer holds now.
    pub(super) dropped: Vec<String>,
}

impl Incoming {
    /// Finds the keys among the table's columns.
    pub(super) fn new(
        table: &TableRef,
        columns: &[Column],
        keys: &[String],
        matched: Matched,
    ) -> Result<Self, PortError> {
        let wrong = |message: String| PortError::InvalidQuery(format!("{table}: {message}"));
        if keys.is_empty() {
            return Err(wrong("a write by keys needs one".to_owned()));
        }
        let schema = schema_of(columns);
        let mut places = Vec::with_capacity(keys.len());
        let mut fields = Vec::with_capacity(keys.len());
        for key in keys {
            let at = columns.iter().position(|c| c.name.eq_ignore_ascii_case(key));
            let at = at.ok_or_else(|| wrong(format!("the key {key} is no column")))?;
            let kind = columns[at].data_type();
            if !plainly_ordered(&kind) {
                return Err(wrong(format!(
                    "the key {key} is {kind}: a key is INT64, NUMERIC, BOOL, STRING, BYTES, DATE, DATETIME, TIME or TIMESTAMP"
                )));
            }
            places.push(at);
            fields.push(SortField::new(schema.field(at).data_type().clone()));
        }
        let converter = RowConverter::new(fields).map_err(|e| PortError::other("keys", e))?;
        Ok(Self {
            table: table.clone(),
            columns: columns.to_vec(),
            keys: places,
            matched,
            converter,
            batches: Vec::new(),
            known: HashMap::new(),
        })
    }

    /// Takes new rows; their columns are the table's.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<(), PortError> {
        for &at in &self.keys {
            if batch.column(at).logical_null_count() > 0 {
                return Err(PortError::InvalidQuery(format!(
                    "{}: NULL in the key {} of a new row",
                    self.table, self.columns[at].name
                )));
            }
        }
        let index = self.batches.len();
        for (row, key) in self.keys_of(&batch)?.into_iter().enumerate() {
            let new = New { batch: index, row, in_table: false };
            if self.known.insert(key, new).is_some() {
                return Err(self.twice("two new rows have", &batch, row));
            }
        }
        self.batches.push(batch);
        Ok(())
    }

    /// Looks through the table's files and hands the writer what is to be written: the new rows, and the rows
    /// that stay of files in which others are replaced. `pause` is awaited between parts, so that a cancellation
    /// comes through.
    pub(super) async fn fold(
        mut self,
        root: &std::path::Path,
        files: &[StoredFile],
        writer: &mut FileWriter,
    ) -> Result<Fold, PortError> {
        let mut dropped = Vec::new();
        for file in files {
            let mut kept = Vec::new();
            let mut replaces = false;
            let path = root.join(&file.path);
            let broken = |e: Box<dyn std::error::Error + Send + Sync>| {
                PortError::other(format!("reading {}", path.display()), e)
            };
            let opened = File::open(&path).map_err(|e| broken(e.into()))?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(opened)
                .and_then(ParquetRecordBatchReaderBuilder::build)
                .map_err(|e| broken(e.into()))?;
            for batch in reader {
                let batch = batch.map_err(|e| broken(e.into()))?;
                let stays = self.stays(&batch)?;
                replaces |= stays.false_count() > 0;
                if self.matched == Matched::Replaced {
                    let part = filter_record_batch(&batch, &stays)
                        .map_err(|e| PortError::other("rows that stay", e))?;
                    kept.push(part);
                }
                tokio::task::yield_now().await;
            }
            if replaces {
                for part in kept {
                    writer.push(&part, |_| Ok(()))?;
                }
                dropped.push(file.path.clone());
            }
        }
        let mut rows = 0;
        for part in self.new_rows()? {
            rows += part.num_rows() as u64;
            writer.push(&part, |_| Ok(()))?;
        }
        Ok(Fold { rows, dropped })
    }

    /// Which rows of the table stay as they are.
    fn stays(&mut self, batch: &RecordBatch) -> Result<BooleanArray, PortError> {
        let keys = self.keys_of(batch)?;
        let mut stays = Vec::with_capacity(keys.len());
        for (at, key) in keys.into_iter().enumerate() {
            let Some(row) = self.known.get_mut(&key) else {
                stays.push(true);
                continue;
            };
            let again = std::mem::replace(&mut row.in_table, true);
            match self.matched {
                Matched::Stays => stays.push(true),
                Matched::Replaced if again => {
                    return Err(self.twice("the table holds two rows with", batch, at));
                }
                Matched::Replaced => stays.push(false),
            }
        }
        Ok(stays.into())
    }

    /// The new rows that are written.
    fn new_rows(&self) -> Result<Vec<RecordBatch>, PortError> {
        if self.matched == Matched::Replaced {
            return Ok(self.batches.clone());
        }
        let mut wanted: Vec<Vec<bool>> =
            self.batches.iter().map(|batch| vec![true; batch.num_rows()]).collect();
        for row in self.known.values().filter(|row| row.in_table) {
            wanted[row.batch][row.row] = false;
        }
        let parts = self.batches.iter().zip(wanted);
        parts
            .map(|(batch, wanted)| filter_record_batch(batch, &wanted.into()))
            .collect::<Result<_, _>>()
            .map_err(|e| PortError::other("new rows", e))
    }

    /// Each row's keys as bytes that are equal where the keys are.
    fn keys_of(&self, batch: &RecordBatch) -> Result<Vec<Box<[u8]>>, PortError> {
        let columns: Vec<ArrayRef> = self.keys.iter().map(|&at| batch.column(at).clone()).collect();
        let rows = self
            .converter
            .convert_columns(&columns)
            .map_err(|e| PortError::other(format!("keys of {}", self.table), e))?;
        Ok(rows.iter().map(|row| row.as_ref().into()).collect())
    }

    fn twice(&self, what: &str, batch: &RecordBatch, row: usize) -> PortError {
        let shown = |&at: &usize| {
            let column = &self.columns[at];
            let value = value_at(batch.column(at).as_ref(), row, &column.data_type());
            format!("{} {}", column.name, value.map_or_else(|e| e.to_string(), |v| v.to_string()))
        };
        let key: Vec<String> = self.keys.iter().map(shown).collect();
        PortError::InvalidQuery(format!("{}: {what} the key {}", self.table, key.join(", ")))
    }
}
