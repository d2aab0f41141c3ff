//! The state on BigQuery: the tables of `configs/tables`, each change one statement.

mod group;
mod ledger;
mod runs;
mod schedules;
mod slots;
mod tenants;

use std::collections::HashMap;
use std::sync::Arc;

use group::Group;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::gcp::bigquery::{Client, Record};
use crate::plan::{Limits, steps_at_once};
use crate::port::PortError;
use crate::state::{Answer, Batch, Inserted};
use crate::tenant::{Subscription, TenantId};

/// Tenants, ledger, runs, schedules and slots of one deployment.
pub struct State {
    client: Client,
    clock: Clock,
    ledger: Group<Batch, Vec<Answer>>,
    /// What each tenant's runs are recorded by.
    recordings: std::sync::Mutex<HashMap<TenantId, Arc<Group<runs::Recording, Inserted>>>>,
    /// Retries that are to wait.
    retries: Group<schedules::Planned, ()>,
    /// The right to change schedules.
    schedules: Arc<Mutex<()>>,
    /// The right to change keys, profiles and subscriptions: an instance changes one row of theirs at a time.
    tenants: Mutex<()>,
}

impl State {
    /// A state in the project of the client.
    pub fn new(client: Client, clock: Clock) -> Self {
        Self {
            client,
            clock,
            ledger: Group::default(),
            recordings: std::sync::Mutex::default(),
            retries: Group::default(),
            schedules: Arc::default(),
            tenants: Mutex::default(),
        }
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
            max_parallel: row.get::<Option<u32>>("max_parallel")?.unwrap_or_else(steps_at_once),
        },
        updated_at: row.get("updated_at")?,
    })
}
