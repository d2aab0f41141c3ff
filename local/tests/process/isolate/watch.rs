//! A reader beside the server, on connections of its own: quick enough to look at a run many times.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::clock::Clock;
use common::port::PortError;
use common::warehouse::{Query, Value, Warehouse};
use local::node::DataDir;
use local::warehouse::EmbeddedWarehouse;
use rusqlite::Connection;

/// Reads a data folder that is served.
pub(crate) struct Watch {
    warehouse: Arc<EmbeddedWarehouse>,
    db: Connection,
}

impl Watch {
    pub(crate) fn open(data: &Path) -> Self {
        let warehouse = Arc::new(DataDir::open(data).unwrap().warehouse(&Clock::system()).unwrap());
        let db = Connection::open(data.join("headgate.db")).unwrap();
        // Who asks whether somebody writes does not wait for the answer.
        db.busy_timeout(Duration::ZERO).unwrap();
        Self { warehouse, db }
    }

    /// The warehouse, to be read on another thread.
    pub(crate) fn warehouse(&self) -> Arc<EmbeddedWarehouse> {
        Arc::clone(&self.warehouse)
    }

    /// The rows of a query; `None` where a table that it names is not there.
    pub(crate) async fn rows(&self, sql: &str) -> Option<Vec<Vec<Value>>> {
        rows(&self.warehouse, sql).await
    }

    /// Whether an execution works on the run, or has.
    pub(crate) fn is_claimed(&self, run_id: &str) -> bool {
        self.has("x_meta_pipeline_runs", "claimed_at IS NOT NULL", run_id)
    }

    /// Whether a statement of the run has taken effect.
    pub(crate) fn is_written(&self, run_id: &str) -> bool {
        let sql =
            "SELECT EXISTS (SELECT * FROM warehouse_jobs WHERE id LIKE ?1 AND state = 'DONE')";
        let ids = format!("run-{}-%", run_id.replace('-', ""));
        self.db.query_row(sql, [ids], |row| row.get(0)).unwrap()
    }

    /// Whether a step of the run is logged.
    pub(crate) fn is_logged(&self, run_id: &str) -> bool {
        self.has("x_meta_step_logs", "TRUE", run_id)
    }

    /// Whether the run's row is final.
    pub(crate) fn is_ended(&self, run_id: &str) -> bool {
        self.has("x_meta_pipeline_runs", "ended_at IS NOT NULL", run_id)
    }

    /// How many runs have ended.
    pub(crate) fn ended(&self) -> u32 {
        let sql = "SELECT COUNT(*) FROM x_meta_pipeline_runs WHERE ended_at IS NOT NULL";
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// How long a run took from its claim to its end.
    pub(crate) fn worked(&self, run_id: &str) -> Duration {
        let sql =
            "SELECT ended_at - claimed_at FROM x_meta_pipeline_runs WHERE pipeline_logging_id = ?1";
        let micros: i64 = self.db.query_row(sql, [run_id], |row| row.get(0)).unwrap();
        Duration::from_micros(micros.unsigned_abs())
    }

    /// Whether nobody is in the middle of a transaction that writes.
    pub(crate) fn can_be_written(&self) -> bool {
        self.db.execute_batch("BEGIN IMMEDIATE; ROLLBACK;").is_ok()
    }

    fn has(&self, table: &str, what: &str, run_id: &str) -> bool {
        let sql = format!(
            "SELECT EXISTS (SELECT * FROM {table} WHERE pipeline_logging_id = ?1 AND {what})"
        );
        self.db.query_row(&sql, [run_id], |row| row.get(0)).unwrap()
    }
}

/// The rows of a query; `None` where a table that it names is not there.
pub(crate) async fn rows(warehouse: &EmbeddedWarehouse, sql: &str) -> Option<Vec<Vec<Value>>> {
    let query = Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset: None };
    match warehouse.query(&query, None).await {
        Ok(rows) => Some(rows.rows),
        Err(PortError::InvalidQuery(why)) if why.contains("not found") => None,
        Err(PortError::NotFound(_)) => None,
        Err(error) => panic!("{sql}: {error}"),
    }
}
