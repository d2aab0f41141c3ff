//! The event port: what one function tells the next.
//!
//! To add an adapter: implement [`EventPublisher`] so that an event is delivered at least once. Receivers
//! treat every event as a hint that the ledger and the rows confirm, and one that comes twice changes nothing more. A
//! lost `run.finished` makes work late; a `run.requested` that was accepted is kept until it is handled.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::port::PortError;
use crate::run::RunId;
use crate::schedule::ConfigId;
use crate::tenant::{TenantId, UserId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// A run's row is final: its slot can be released.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// Whose run.
        tenant_id: TenantId,
        /// Which run.
        run_id: RunId,
        /// The attempt that ended.
        attempt: u32,
    },
    /// A slot of a schedule is due: its run is asked for.
    #[serde(rename = "run.requested")]
    RunRequested(RunRequested),
}

/// An attempt of a slot that is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequested {
    /// Whose schedule.
    pub tenant_id: TenantId,
    /// Its creator, for whom the run is recorded.
    pub user_id: UserId,
    /// The schedule.
    pub config_id: ConfigId,
    /// When the slot was due.
    pub slot: DateTime<Utc>,
    /// Its date when it fired: a later change of the schedule's zone does not move it.
    pub date: NaiveDate,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// Carries events to their handlers.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Returns when all of the events are accepted for delivery; an error leaves unknown which were.
    async fn publish(&self, events: &[Event]) -> Result<(), PortError>;
}
