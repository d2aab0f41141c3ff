//! The ledger's verbs: one changes it, two read it.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::port::PortError;
use crate::quota::{Account, Change, Counts, Outcome};
use crate::tenant::{Subscription, TenantId};
use crate::warehouse::Ensured;

/// One change of one tenant's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose row.
    pub tenant_id: TenantId,
    /// What is asked.
    pub change: Change,
}

/// Changes that are decided together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In order of arrival; [`Change::rank`] orders them further.
    pub items: Vec<Item>,
    /// The moment they are decided at.
    pub now: DateTime<Utc>,
    /// The UTC day whose counts are answered.
    pub day: NaiveDate,
    /// Slots of the whole deployment, best effort; `None` for no bound. Where it binds, the batch's starts get the
    /// free ones in the order of [`crate::quota::share`].
    pub max_running: Option<u32>,
}

/// What one item led to, with what it was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// The subscription it was read with; `None` where the tenant has none.
    pub subscription: Option<Subscription>,
    /// The counts after the batch.
    pub counts: Counts,
}

/// A tenant's ledger row with the subscription that bounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Whose row.
    pub tenant_id: TenantId,
    /// The entries and counts.
    pub account: Account,
    /// The subscription; `None` where the tenant has none.
    pub subscription: Option<Subscription>,
}

/// Counts and slots: who may run.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Makes the tenant's row, once.
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError>;

    /// Decides a batch atomically and answers in the items' order. Two batches that touch one tenant never
    /// overlap. An error leaves unknown whether the batch took effect; sending it again is harmless.
    /// An item of a tenant without a row is `NotFound` and nothing of the batch takes effect.
    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError>;

    /// One tenant's row.
    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError>;

    /// The rows of all tenants that have an entry, closed ones included for as long as they are remembered.
    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError>;
}
