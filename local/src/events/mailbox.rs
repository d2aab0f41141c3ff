//! Accepted run requests, kept in the data folder's database until they are handled.

use std::sync::Arc;

use chrono::TimeDelta;
use common::clock::Clock;
use common::events::RunRequested;
use common::port::PortError;
use rusqlite::params;

use crate::db::{Db, failed};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS event_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, deliveries INTEGER NOT NULL, due_at INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS messages_by_time ON event_messages (due_at, id);";
const PUT: &str = "INSERT INTO event_messages (request, deliveries, due_at) VALUES (?1, 0, ?2)";
const DUE: &str = "SELECT id, request, deliveries FROM (
         SELECT *, ROW_NUMBER() OVER (PARTITION BY request ->> 'tenant_id' ORDER BY due_at, id) AS turn
         FROM event_messages WHERE due_at <= ?1)
     ORDER BY turn, due_at, id LIMIT ?2";
const DONE: &str = "DELETE FROM event_messages WHERE id = ?1";
const LATER: &str = "UPDATE event_messages SET deliveries = ?2, due_at = ?3 WHERE id = ?1";

/// The messages of one data folder. One process at a time delivers them.
pub struct Mailbox {
    db: Arc<Db>,
    clock: Clock,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// What it asks.
    pub request: RunRequested,
    /// How often it was delivered before, each time without success.
    pub deliveries: u32,
}

impl Mailbox {
    /// Makes the table where it is not there.
    pub fn open(db: Arc<Db>, clock: Clock) -> Result<Self, PortError> {
        db.write(|tx| tx.execute_batch(TABLE).map_err(failed))?;
        Ok(Self { db, clock })
    }

    /// Keeps requests: all of them, or none where it fails.
    pub fn put(&self, requests: &[&RunRequested]) -> Result<(), PortError> {
        let at = self.clock.now().timestamp_micros();
        self.db.write(|tx| {
            let mut put = tx.prepare_cached(PUT).map_err(failed)?;
            for request in requests {
                let json = serde_json::to_string(request)
                    .map_err(|e| PortError::other("a run request as JSON", e))?;
                put.execute(params![json, at]).map_err(failed)?;
            }
            Ok(())
        })
    }

    /// Those whose time has come, at most `limit`: each tenant's first, then each tenant's second, and so on. What cannot be read is logged and dropped.
    pub fn due(&self, limit: u32) -> Result<Vec<Message>, PortError> {
        let at = self.clock.now().timestamp_micros();
        self.db.write(|tx| {
            let mut due = tx.prepare_cached(DUE).map_err(failed)?;
            let rows = due
                .query_map(params![at, limit], |row| {
                    Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
                })
                .map_err(failed)?;
            let mut messages = Vec::new();
            for row in rows {
                let (id, json, deliveries) = row.map_err(failed)?;
                match serde_json::from_str(&json) {
                    Ok(request) => messages.push(Message { id, request, deliveries }),
                    // Of a release that wrote another form: it would be in the way of all others.
                    Err(error) => {
                        tracing::error!(%error, json, "a kept run request cannot be read");
                        tx.execute(DONE, [id]).map_err(failed)?;
                    }
                }
            }
            Ok(messages)
        })
    }

    /// Forgets a message that is handled.
    pub fn done(&self, id: i64) -> Result<(), PortError> {
        self.change(DONE, params![id])
    }

    /// Lets a message wait.
    pub fn later(&self, id: i64, deliveries: u32, wait: TimeDelta) -> Result<(), PortError> {
        let due_at = (self.clock.now() + wait).timestamp_micros();
        self.change(LATER, params![id, deliveries, due_at])
    }

    fn change(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), PortError> {
        self.db.write(|tx| {
            let mut statement = tx.prepare_cached(sql).map_err(failed)?;
            statement.execute(values).map(|_| ()).map_err(failed)
        })
    }
}
