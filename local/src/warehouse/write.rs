//! Writes: rows into new files, then one transaction that lists them, drops what they replace and ends the job.

use std::sync::Arc;

use chrono::NaiveDate;
use common::port::PortError;
use common::warehouse::{
    Column, ColumnType, DataType, Fields, JobId, JobOptions, JobState, Load, Mode, PartitionKind,
    Query, TableDefinition, TableRef, Target, TimePartitioning, WriteMode, Written,
};
use datafusion::arrow::array::{Array, RecordBatch};
use futures::TryStreamExt;

use super::EmbeddedWarehouse;
use super::catalog;
use super::catalog::StoredFile;
use super::files::FileWriter;
use super::jobs::Running;
use super::keyed::{Incoming, Matched};
use super::load::Reader;
use super::sql;
use super::values::schema_of;

/// A target with the columns it has or will have.
struct Destination<'t> {
    target: &'t Target,
    definition: TableDefinition,
    /// Where each of the table's columns stands among the written ones.
    places: Vec<usize>,
}

/// New rows on their way into new files.
enum Sink {
    /// As they come.
    Rows(FileWriter),
    /// By their keys, against the files that the table had when the write began.
    Keyed { writer: FileWriter, incoming: Box<Incoming>, before: Vec<StoredFile> },
}

impl EmbeddedWarehouse {
    pub(super) async fn write_query(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
        running: &Running,
    ) -> Result<Written, PortError> {
        // Listed before the statement is bound: what changes from here on is a conflict at the commit.
        let before = self.looked_through(target)?;
        let prepared = self.prepare(query)?;
        let bytes = prepared.bytes + bytes_of(&before);
        within(job, bytes)?;
        let columns = columns(&prepared.columns)?;
        let destination = self.destination(target, &columns)?;
        let mut sink = self.sink(&destination, before)?;
        let mut rows = sql::stream(&self.session, &prepared).await?;
        let mut written = Written { bytes, ..Written::default() };
        while let Some(batch) = rows.try_next().await.map_err(sql::refusal::executed)? {
            written.rows += push(&mut sink, &destination, &batch)?;
        }
        self.commit(&destination, sink, &mut written, job, running).await?;
        Ok(written)
    }

    pub(super) async fn write_file(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
        running: &Running,
    ) -> Result<Written, PortError> {
        let before = self.looked_through(target)?;
        let (mut reader, bytes) = Reader::open(load)?;
        let bytes = bytes + bytes_of(&before);
        within(job, bytes)?;
        let destination = self.destination(target, &load.columns)?;
        let mut sink = self.sink(&destination, before)?;
        let mut written = Written { bytes, ..Written::default() };
        while let Some(batch) = reader.next_batch()? {
            written.rows += push(&mut sink, &destination, &batch)?;
            // Between batches a cancellation or the timeout may come through.
            tokio::task::yield_now().await;
        }
        written.bad_records = reader.into_bad();
        self.commit(&destination, sink, &mut written, job, running).await?;
        Ok(written)
    }

    /// The files of the target that a write by keys looks through; other writes read none.
    fn looked_through(&self, target: &Target) -> Result<Vec<StoredFile>, PortError> {
        match target.mode {
            WriteMode::Replace | WriteMode::Append | WriteMode::OverwritePartition { .. } => {
                Ok(Vec::new())
            }
            WriteMode::AppendNew { .. } | WriteMode::Merge { .. } => {
                self.db.read(|tx| catalog::files(tx, &target.table))
            }
        }
    }

    fn destination<'t>(
        &self,
        target: &'t Target,
        columns: &[Column],
    ) -> Result<Destination<'t>, PortError> {
        let table = &target.table;
        if self.state_tables.iter().any(|s| s.is(table)) {
            let message = format!("{table} belongs to the state and is not written by SQL");
            return Err(PortError::PermissionDenied(message));
        }
        let dataset = self.db.read(|tx| catalog::labels(tx, &table.dataset))?;
        if dataset.is_none() || table.project.is_some() {
            let mut parent = table.clone();
            parent.table.clear();
            let parent = parent.to_string();
            let message = format!("the dataset {}", parent.trim_end_matches('.'));
            return Err(PortError::NotFound(message));
        }
        let existing = self.db.read(|tx| catalog::definition(tx, table))?;
        let definition = match existing {
            Some(definition) => definition,
            None => created(target, columns)?,
        };
        if definition.view.is_some() {
            return Err(PortError::InvalidQuery(format!("{table} is a view and is not written")));
        }
        if matches!(target.mode, WriteMode::OverwritePartition { .. })
            && definition.time_partitioning.is_none()
        {
            let message =
                format!("{table} has no partitions to overwrite; name a partition column");
            return Err(PortError::InvalidQuery(message));
        }
        let places = fit(&definition.schema.fields, columns, table)?;
        Ok(Destination { target, definition, places })
    }

    fn sink(
        &self,
        destination: &Destination<'_>,
        before: Vec<StoredFile>,
    ) -> Result<Sink, PortError> {
        let Target { table, mode, .. } = destination.target;
        let (keys, matched) = match mode {
            WriteMode::Replace | WriteMode::Append | WriteMode::OverwritePartition { .. } => {
                return self.writer(destination).map(Sink::Rows);
            }
            WriteMode::AppendNew { keys } => (keys, Matched::Stays),
            WriteMode::Merge { keys } => (keys, Matched::Replaced),
        };
        let columns = &destination.definition.schema.fields;
        let incoming = Box::new(Incoming::new(table, columns, keys, matched)?);
        Ok(Sink::Keyed { writer: self.writer(destination)?, incoming, before })
    }

    fn writer(&self, destination: &Destination<'_>) -> Result<FileWriter, PortError> {
        let number = self.db.write(catalog::next_number)?;
        let columns = &destination.definition.schema.fields;
        let field = destination.definition.time_partitioning.as_ref().map(|p| &p.field);
        let partition =
            field.and_then(|f| columns.iter().position(|c| c.name.eq_ignore_ascii_case(f)));
        let table = &destination.target.table;
        FileWriter::new(&self.root, table, number, schema_of(columns), partition)
    }

    /// The one moment a write takes effect.
    async fn commit(
        &self,
        destination: &Destination<'_>,
        sink: Sink,
        written: &mut Written,
        job: &JobOptions,
        running: &Running,
    ) -> Result<(), PortError> {
        let (mut writer, keyed) = match sink {
            Sink::Rows(writer) => (writer, None),
            Sink::Keyed { mut writer, incoming, before } => {
                let fold = incoming.fold(&self.root, &before, &mut writer).await?;
                written.rows = fold.rows;
                (writer, Some((before, fold.dropped)))
            }
        };
        let files = writer.finish()?;
        let Target { table, mode, .. } = destination.target;
        let now = self.clock.now();
        self.db.write(|tx| {
            if running.stopped() {
                return Err(cancelled(&job.id));
            }
            ended(catalog::job(tx, &job.id)?, &job.id)?;
            catalog::ensure_table(tx, table, &destination.definition)?;
            // Another first write may have made the table meanwhile.
            if catalog::definition(tx, table)?.as_ref() != Some(&destination.definition) {
                return Err(PortError::Conflict(format!("{table} was made by another write")));
            }
            if !writer.all_there() {
                return Err(PortError::Conflict(format!(
                    "files of {table} were swept before the commit"
                )));
            }
            if let Some((before, dropped)) = &keyed {
                if catalog::files(tx, table)? != *before {
                    let message = format!("{table} was changed by another write meanwhile");
                    return Err(PortError::Conflict(message));
                }
                catalog::drop_files(tx, dropped, now)?;
            }
            catalog::drop_replaced(tx, table, mode, now)?;
            catalog::list(tx, table, &files, now)?;
            catalog::job_done(tx, &job.id, written, now)
        })?;
        writer.keep();
        Ok(())
    }
}

fn bytes_of(files: &[StoredFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Refuses a job id that has ended.
pub(super) fn ended(state: JobState, id: &JobId) -> Result<(), PortError> {
    match state {
        JobState::Unknown | JobState::Running => Ok(()),
        JobState::Done(_) => {
            Err(PortError::Conflict(format!("the job {id} ended in another process")))
        }
        JobState::Failed(reason) => {
            Err(PortError::AlreadyExists(format!("the job {id}, which failed ({reason}),")))
        }
    }
}

/// What a cancelled job answers.
pub(super) fn cancelled(id: &JobId) -> PortError {
    PortError::other(format!("the job {id}"), "cancelled")
}

pub(super) fn within(job: &JobOptions, bytes: u64) -> Result<(), PortError> {
    match job.maximum_bytes {
        Some(limit) if bytes > limit => Err(PortError::InvalidQuery(format!(
            "the statement reads {bytes} bytes, more than the {limit} bytes allowed"
        ))),
        _ => Ok(()),
    }
}

/// A result's columns as a table's; each must have a name of its own.
pub(super) fn columns(result: &[(String, DataType)]) -> Result<Vec<Column>, PortError> {
    let mut columns: Vec<Column> = Vec::with_capacity(result.len());
    for (name, kind) in result {
        if columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
            let message = format!("the result has two columns {name}: give one an alias");
            return Err(PortError::InvalidQuery(message));
        }
        columns.push(column(name, kind));
    }
    Ok(columns)
}

fn column(name: &str, kind: &DataType) -> Column {
    let (kind, mode) = match kind {
        DataType::Array(element) => (&**element, Mode::Repeated),
        other => (other, Mode::Nullable),
    };
    let (plain, fields) = match kind {
        DataType::Int64 => (ColumnType::Int64, &[][..]),
        DataType::Float64 => (ColumnType::Float64, &[][..]),
        DataType::Numeric => (ColumnType::Numeric, &[][..]),
        DataType::Bool => (ColumnType::Bool, &[][..]),
        DataType::String | DataType::Array(_) => (ColumnType::String, &[][..]),
        DataType::Bytes => (ColumnType::Bytes, &[][..]),
        DataType::Date => (ColumnType::Date, &[][..]),
        DataType::Datetime => (ColumnType::Datetime, &[][..]),
        DataType::Time => (ColumnType::Time, &[][..]),
        DataType::Timestamp => (ColumnType::Timestamp, &[][..]),
        DataType::Json => (ColumnType::Json, &[][..]),
        DataType::Struct(fields) => (ColumnType::Record, &fields[..]),
    };
    let fields = fields.iter().map(|(name, kind)| column(name, kind)).collect();
    Column { mode, fields, ..Column::new(name, plain) }
}

fn created(target: &Target, columns: &[Column]) -> Result<TableDefinition, PortError> {
    let mut definition = TableDefinition::of(columns.to_vec());
    if let Some(field) = &target.partition_by {
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(field));
        let partitions = |c: &Column| {
            matches!(c.kind, ColumnType::Date | ColumnType::Timestamp) && c.mode != Mode::Repeated
        };
        if !found.is_some_and(partitions) {
            return Err(PortError::InvalidQuery(format!(
                "{} is partitioned by {field}, which is no DATE or TIMESTAMP column of the result",
                target.table
            )));
        }
        definition.time_partitioning =
            Some(TimePartitioning { kind: PartitionKind::Day, field: field.clone() });
    }
    for field in &target.cluster_by {
        if !columns.iter().any(|c| c.name.eq_ignore_ascii_case(field)) {
            let table = &target.table;
            let message =
                format!("{table} is clustered by {field}, which the result does not have");
            return Err(PortError::InvalidQuery(message));
        }
    }
    if !target.cluster_by.is_empty() {
        definition.clustering = Some(Fields { fields: target.cluster_by.clone() });
    }
    Ok(definition)
}

/// Where each of the table's columns stands among the written ones; names and types must agree.
fn fit(table: &[Column], written: &[Column], name: &TableRef) -> Result<Vec<usize>, PortError> {
    let wrong = |message: String| PortError::InvalidQuery(format!("{name}: {message}"));
    let same = |a: &Column, b: &Column| a.name.eq_ignore_ascii_case(&b.name);
    if let Some(extra) = written.iter().find(|w| !table.iter().any(|t| same(t, w))) {
        return Err(wrong(format!("the table has no column {}", extra.name)));
    }
    let place = |column: &Column| {
        let at = written.iter().position(|w| same(w, column));
        let at = at.ok_or_else(|| wrong(format!("the column {} is not written", column.name)))?;
        let (has, gets) = (column.data_type(), written[at].data_type());
        if has == gets {
            return Ok(at);
        }
        Err(wrong(format!("the column {} is {has}, not {gets}: CAST it", column.name)))
    };
    table.iter().map(place).collect()
}

fn push(
    sink: &mut Sink,
    destination: &Destination<'_>,
    batch: &RecordBatch,
) -> Result<u64, PortError> {
    let table = &destination.target.table;
    let columns = &destination.definition.schema.fields;
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, at) in columns.iter().zip(&destination.places) {
        let array = Arc::clone(batch.column(*at));
        if column.mode == Mode::Required && array.logical_null_count() > 0 {
            let message = format!("{table}: NULL in the REQUIRED column {}", column.name);
            return Err(PortError::InvalidQuery(message));
        }
        arrays.push(array);
    }
    let batch = RecordBatch::try_new(schema_of(columns), arrays)
        .map_err(|e| PortError::other(format!("rows of {table}"), e))?;
    let rows = batch.num_rows() as u64;
    match sink {
        Sink::Rows(writer) => writer.push(&batch, |day| allowed(destination, day))?,
        Sink::Keyed { incoming, .. } => incoming.push(batch)?,
    }
    Ok(rows)
}

/// Whether a row of this day may be written.
fn allowed(destination: &Destination<'_>, day: Option<NaiveDate>) -> Result<(), PortError> {
    let Target { table, mode, .. } = destination.target;
    let WriteMode::OverwritePartition { from, to } = mode else { return Ok(()) };
    if day.is_some_and(|day| (*from..=*to).contains(&day)) {
        return Ok(());
    }
    let day = day.map_or_else(|| "NULL".to_owned(), |d| d.to_string());
    let partitioning = destination.definition.time_partitioning.as_ref();
    let field = partitioning.map_or("", |p| p.field.as_str());
    Err(PortError::InvalidQuery(format!(
        "a row of the result has {field} {day}, outside {from} to {to} that {table} is overwritten in"
    )))
}
