//! What the data folder holds: datasets, tables, their files and the jobs that wrote them, in SQLite.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use common::port::PortError;
use common::warehouse::{
    DatasetName, Ensured, JobId, JobState, TableDefinition, TableRef, WriteMode, Written,
};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::db::failed;

/// How long a file outlives its listing: a reader in another process may still have it open.
pub(super) const GRACE: TimeDelta = TimeDelta::hours(1);

const LAYOUT: &str = "
CREATE TABLE IF NOT EXISTS warehouse_datasets (name TEXT PRIMARY KEY, labels TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS warehouse_tables (
    dataset TEXT NOT NULL REFERENCES warehouse_datasets (name),
    name TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (dataset, name));
CREATE TABLE IF NOT EXISTS warehouse_files (
    path TEXT PRIMARY KEY, dataset TEXT NOT NULL, name TEXT NOT NULL, rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL, day TEXT, created_at INTEGER NOT NULL, dropped_at INTEGER,
    FOREIGN KEY (dataset, name) REFERENCES warehouse_tables (dataset, name));
CREATE INDEX IF NOT EXISTS warehouse_files_of_table ON warehouse_files (dataset, name, dropped_at);
CREATE TABLE IF NOT EXISTS warehouse_jobs (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, result TEXT NOT NULL, ended_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS warehouse_counter (only INTEGER PRIMARY KEY CHECK (only = 1), next INTEGER NOT NULL);
INSERT OR IGNORE INTO warehouse_counter VALUES (1, 1);
";

/// One listed Parquet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredFile {
    /// Where it is, below the data folder.
    pub(super) path: String,
    /// Its rows.
    pub(super) rows: u64,
    /// Its size.
    pub(super) bytes: u64,
    /// The partition it holds; `None` for rows without one and for tables without partitions.
    pub(super) day: Option<NaiveDate>,
}

fn corrupt(what: &str, error: impl std::fmt::Display) -> PortError {
    PortError::other(format!("the catalog's {what}"), error.to_string())
}

fn count(n: i64) -> u64 {
    n.unsigned_abs()
}

fn stored(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Makes the catalog's tables.
pub(super) fn prepare(tx: &Transaction<'_>) -> Result<(), PortError> {
    tx.execute_batch(LAYOUT).map_err(failed)
}

/// A number that no other write in this folder has.
pub(super) fn next_number(tx: &Transaction<'_>) -> Result<u64, PortError> {
    let sql = "UPDATE warehouse_counter SET next = next + 1 RETURNING next";
    tx.query_row(sql, [], |row| row.get(0)).map(count).map_err(failed)
}

/// The dataset's labels.
pub(super) fn labels(
    tx: &Transaction<'_>,
    dataset: &DatasetName,
) -> Result<Option<BTreeMap<String, String>>, PortError> {
    let sql = "SELECT labels FROM warehouse_datasets WHERE name = ?1";
    let text: Option<String> =
        tx.query_row(sql, [dataset.as_str()], |row| row.get(0)).optional().map_err(failed)?;
    text.map(|t| serde_json::from_str(&t).map_err(|e| corrupt("labels", e))).transpose()
}

/// Makes the dataset.
pub(super) fn ensure_dataset(
    tx: &Transaction<'_>,
    dataset: &DatasetName,
    wanted: &BTreeMap<String, String>,
) -> Result<Ensured, PortError> {
    match labels(tx, dataset)? {
        Some(found) if found == *wanted => return Ok(Ensured::Existed),
        Some(_) => {
            let message = format!("the dataset {dataset} exists with other labels");
            return Err(PortError::Conflict(message));
        }
        None => {}
    }
    let text = serde_json::to_string(wanted).map_err(|e| corrupt("labels", e))?;
    let sql = "INSERT INTO warehouse_datasets (name, labels) VALUES (?1, ?2)";
    tx.execute(sql, params![dataset.as_str(), text]).map_err(failed)?;
    Ok(Ensured::Created)
}

/// The table's definition.
pub(super) fn definition(
    tx: &Transaction<'_>,
    table: &TableRef,
) -> Result<Option<TableDefinition>, PortError> {
    let sql = "SELECT definition FROM warehouse_tables WHERE dataset = ?1 AND name = ?2";
    let text: Option<String> = tx
        .query_row(sql, [table.dataset.as_str(), &table.table], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    text.map(|t| serde_json::from_str(&t).map_err(|e| corrupt("definition", e))).transpose()
}

/// The tables of a dataset whose names begin so, by name.
pub(super) fn beginning(
    tx: &Transaction<'_>,
    dataset: &DatasetName,
    prefix: &str,
) -> Result<Vec<TableRef>, PortError> {
    let sql = "SELECT name FROM warehouse_tables \
               WHERE dataset = ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name";
    let mut statement = tx.prepare(sql).map_err(failed)?;
    let names = statement
        .query_map([dataset.as_str(), prefix], |row| row.get::<_, String>(0))
        .map_err(failed)?;
    names
        .map(|name| dataset.table(&name.map_err(failed)?).map_err(|e| corrupt("name", e)))
        .collect()
}

/// Makes the table.
pub(super) fn ensure_table(
    tx: &Transaction<'_>,
    table: &TableRef,
    wanted: &TableDefinition,
) -> Result<Ensured, PortError> {
    if labels(tx, &table.dataset)?.is_none() {
        return Err(PortError::NotFound(format!("the dataset {}", table.dataset)));
    }
    if definition(tx, table)?.is_some() {
        return Ok(Ensured::Existed);
    }
    let text = serde_json::to_string(wanted).map_err(|e| corrupt("definition", e))?;
    let sql = "INSERT INTO warehouse_tables (dataset, name, definition) VALUES (?1, ?2, ?3)";
    tx.execute(sql, params![table.dataset.as_str(), table.table, text]).map_err(failed)?;
    Ok(Ensured::Created)
}

/// The table's files, in the order they were listed.
pub(super) fn files(tx: &Transaction<'_>, table: &TableRef) -> Result<Vec<StoredFile>, PortError> {
    let sql = "SELECT path, rows, bytes, day FROM warehouse_files
        WHERE dataset = ?1 AND name = ?2 AND dropped_at IS NULL ORDER BY rowid";
    let mut statement = tx.prepare_cached(sql).map_err(failed)?;
    let rows = statement
        .query_map([table.dataset.as_str(), &table.table], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<String>>(3)?))
        })
        .map_err(failed)?;
    let mut files = Vec::new();
    for row in rows {
        let (path, rows, bytes, day) = row.map_err(failed)?;
        let day = day.map(|d| d.parse()).transpose().map_err(|e| corrupt("partition", e))?;
        files.push(StoredFile { path, rows: count(rows), bytes: count(bytes), day });
    }
    Ok(files)
}

/// Drops the files that a write replaces.
pub(super) fn drop_replaced(
    tx: &Transaction<'_>,
    table: &TableRef,
    mode: &WriteMode,
    now: DateTime<Utc>,
) -> Result<(), PortError> {
    let (from, to) = match mode {
        // These drop the files they wrote anew by name.
        WriteMode::Append | WriteMode::AppendNew { .. } | WriteMode::Merge { .. } => return Ok(()),
        WriteMode::Replace => (None, None),
        WriteMode::OverwritePartition { from, to } => {
            (Some(from.to_string()), Some(to.to_string()))
        }
    };
    let sql = "UPDATE warehouse_files SET dropped_at = ?3
        WHERE dataset = ?1 AND name = ?2 AND dropped_at IS NULL
          AND (?4 IS NULL OR day BETWEEN ?4 AND ?5)";
    let values = params![table.dataset.as_str(), table.table, now.timestamp_micros(), from, to];
    tx.execute(sql, values).map_err(failed)?;
    Ok(())
}

/// Drops these files of a table.
pub(super) fn drop_files(
    tx: &Transaction<'_>,
    paths: &[String],
    now: DateTime<Utc>,
) -> Result<(), PortError> {
    for path in paths {
        let sql = "UPDATE warehouse_files SET dropped_at = ?2 WHERE path = ?1";
        tx.execute(sql, params![path, now.timestamp_micros()]).map_err(failed)?;
    }
    Ok(())
}

/// Lists new files.
pub(super) fn list(
    tx: &Transaction<'_>,
    table: &TableRef,
    files: &[StoredFile],
    now: DateTime<Utc>,
) -> Result<(), PortError> {
    let sql = "INSERT INTO warehouse_files (path, dataset, name, rows, bytes, day, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for file in files {
        let day = file.day.map(|d| d.to_string());
        let (rows, bytes) = (stored(file.rows), stored(file.bytes));
        let (dataset, at) = (table.dataset.as_str(), now.timestamp_micros());
        tx.execute(sql, params![file.path, dataset, table.table, rows, bytes, day, at])
            .map_err(failed)?;
    }
    Ok(())
}

/// Forgets files that were dropped long ago and answers their paths, to be deleted first by nobody: a path
/// without a listing is swept by age as well.
pub(super) fn forget_dropped(
    tx: &Transaction<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, PortError> {
    let before = (now - GRACE).timestamp_micros();
    let sql = "DELETE FROM warehouse_files WHERE dropped_at < ?1 RETURNING path";
    let mut statement = tx.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([before], |row| row.get(0)).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// Every listed path, dropped ones included.
pub(super) fn listed(tx: &Transaction<'_>) -> Result<Vec<PathBuf>, PortError> {
    let mut statement = tx.prepare_cached("SELECT path FROM warehouse_files").map_err(failed)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
    rows.map(|path| path.map(PathBuf::from).map_err(failed)).collect()
}

/// What became of a job, as far as it has ended.
pub(super) fn job(tx: &Transaction<'_>, id: &JobId) -> Result<JobState, PortError> {
    let sql = "SELECT state, result FROM warehouse_jobs WHERE id = ?1";
    let found: Option<(String, String)> = tx
        .query_row(sql, [&id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(failed)?;
    let Some((state, result)) = found else { return Ok(JobState::Unknown) };
    match state.as_str() {
        DONE => {
            let (rows, bytes, bad_records) =
                serde_json::from_str(&result).map_err(|e| corrupt("job", e))?;
            Ok(JobState::Done(Written { rows, bytes, bad_records }))
        }
        FAILED => Ok(JobState::Failed(result)),
        other => Err(corrupt("job", format!("the state {other}"))),
    }
}

const DONE: &str = "DONE";
const FAILED: &str = "FAILED";

/// Records that a job took effect; part of the transaction that makes its effect.
pub(super) fn job_done(
    tx: &Transaction<'_>,
    id: &JobId,
    written: &Written,
    now: DateTime<Utc>,
) -> Result<(), PortError> {
    let result = (written.rows, written.bytes, &written.bad_records);
    let result = serde_json::to_string(&result).map_err(|e| corrupt("job", e))?;
    let sql = "INSERT INTO warehouse_jobs (id, state, result, ended_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, params![id.0, DONE, result, now.timestamp_micros()]).map_err(failed)?;
    Ok(())
}

/// Records that a job will never take effect, unless it has ended already.
pub(super) fn job_failed(
    tx: &Transaction<'_>,
    id: &JobId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), PortError> {
    let sql = "INSERT OR IGNORE INTO warehouse_jobs (id, state, result, ended_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, params![id.0, FAILED, reason, now.timestamp_micros()]).map_err(failed)?;
    Ok(())
}
