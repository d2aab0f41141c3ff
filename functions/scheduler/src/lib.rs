//! What makes runs go on by themselves: the queue, which fills freed slots, and the reaper, which settles
//! what a dead process left behind.

use std::sync::Arc;

use common::submit::Gate;
use common::warehouse::Warehouse;

pub mod queue;
pub mod reaper;

/// What the scheduler stands on.
#[derive(Clone)]
pub struct Context {
    /// The ledger, the runs and the launcher.
    pub gate: Gate,
    /// Where a dead run's statements may still be under way.
    pub warehouse: Arc<dyn Warehouse>,
}
