//! The one SQLite file of a data folder: connections, transactions, and how a table definition is laid out.
//!
//! Several processes share the file (`serve` beside `query`), so every write begins `IMMEDIATE` and waits
//! for its turn. `synchronous=FULL`: what was acknowledged is on the disk.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::port::PortError;
use common::warehouse::{Column, ColumnType, Mode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

/// How long a writer waits for another process's transaction; they last milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the data folder's database.
///
/// Calls run on the caller's thread: a transaction here is shorter than handing it to another thread, and a
/// simulation on one thread stays deterministic.
pub struct Db(Mutex<Connection>);

impl Db {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self, PortError> {
        Self::prepare(Connection::open(path).map_err(failed)?)
    }

    /// Opens a file that is there, and changes neither its bytes nor those of its log.
    pub fn open_read_only(path: &Path) -> Result<Self, PortError> {
        // Not SQLite's own read-only flag: closing such a connection leaves files of the log behind.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        // What a killed server left in the log stays there for the next one; an empty log goes as it came.
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            connection.set_db_config(keep, true).map_err(failed)?;
        }
        Ok(Self(Mutex::new(connection)))
    }

    /// A database that lives as long as the value.
    pub fn in_memory() -> Result<Self, PortError> {
        Self::prepare(Connection::open_in_memory().map_err(failed)?)
    }

    fn prepare(connection: Connection) -> Result<Self, PortError> {
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
            )
            .map_err(failed)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Reads one consistent snapshot.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// Runs `work` in one transaction: all of it is kept, or none where it fails.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(behavior).map_err(failed)?;
        let answer = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(answer)
    }
}

/// An SQLite error as the port's: busy is worth another try, a broken unique key says so.
pub fn failed(error: rusqlite::Error) -> PortError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            PortError::Unavailable("the data folder's database is busy".to_owned())
        }
        Some(ErrorCode::ConstraintViolation) => PortError::AlreadyExists(error.to_string()),
        _ => PortError::other("the data folder's database", error),
    }
}

/// The statement that makes a table of these columns.
///
/// INT64 and BOOL are integers, TIMESTAMP is microseconds since 1970, FLOAT64 is real, arrays and records are
/// JSON text, everything else is its text.
pub fn create_table(name: &str, columns: &[Column], constraint: &str) -> String {
    let columns: Vec<String> = columns.iter().map(column_definition).collect();
    let constraint = if constraint.is_empty() { String::new() } else { format!(", {constraint}") };
    format!("CREATE TABLE IF NOT EXISTS \"{name}\" ({}{constraint})", columns.join(", "))
}

/// A column as SQLite lays it out.
pub fn column_definition(column: &Column) -> String {
    let kind = match (column.mode, column.kind) {
        (Mode::Repeated, _) | (_, ColumnType::Record) => "TEXT",
        (_, ColumnType::Int64 | ColumnType::Bool | ColumnType::Timestamp) => "INTEGER",
        (_, ColumnType::Float64) => "REAL",
        _ => "TEXT",
    };
    let required = if column.mode == Mode::Required { " NOT NULL" } else { "" };
    format!("\"{}\" {kind}{required}", column.name)
}
