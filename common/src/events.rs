//! The event port: what one function tells the next.
//!
//! To add an adapter: implement [`EventPublisher`] so that an event is delivered at least once. Receivers
//! treat every event as a hint that the ledger and the rows confirm; a lost one makes work late, not wrong.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::port::PortError;
use crate::run::RunId;
use crate::tenant::TenantId;

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
}

/// Carries events to their handlers.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Returns when the event is accepted for delivery.
    async fn publish(&self, event: &Event) -> Result<(), PortError>;
}
