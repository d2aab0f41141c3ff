//! The state on BigQuery: the tables of `configs/tables`, each change one statement.

mod group;
mod ledger;

use group::Group;

use crate::clock::Clock;
use crate::gcp::bigquery::{Client, Record};
use crate::plan::Limits;
use crate::port::PortError;
use crate::state::{Answer, Batch};
use crate::tenant::Subscription;

/// Tenants, ledger, runs, schedules and slots of one deployment.
pub struct State {
    client: Client,
    clock: Clock,
    ledger: Group<Batch, Vec<Answer>>,
}

impl State {
    /// A state in the project of the client.
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, ledger: Group::default() }
    }
}

/// The subscription that a row holds the columns of.
fn subscription(row: &Record<'_>) -> Result<Subscription, PortError> {
    Ok(Subscription {
        subscription_id: row.get("subscription_id")?,
        tenant_id: row.get("tenant_id")?,
        plan_name: row.get("plan_name")?,
        status: row.parse("status")?,
        limits: Limits {
            daily_limit: row.get("daily_limit")?,
            monthly_limit: row.get("monthly_limit")?,
            concurrent_limit: row.get("concurrent_limit")?,
            max_queued: row.get("max_queued")?,
            max_bytes: row.get("max_bytes")?,
            max_parallel: row.get("max_parallel")?,
        },
        updated_at: row.get("updated_at")?,
    })
}
