//! The state on BigQuery: the tables of `configs/tables`, each change one statement.

use crate::clock::Clock;
use crate::gcp::bigquery::Client;

/// Tenants, ledger, runs, schedules and slots of one deployment.
pub struct State {
    client: Client,
    clock: Clock,
}

impl State {
    /// A state in the project of the client.
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock }
    }
}
