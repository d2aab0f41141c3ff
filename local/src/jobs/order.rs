//! What `headgate serve --isolate` and its children say to each other.
//!
//! | where | what | means |
//! |---|---|---|
//! | the child's stdin, first line | an [`Order`] as JSON | work on this |
//! | the child's stdin, a later line | [`STOP`] | stop the work and leave |
//! | the child's stdin, its end | nothing | the parent is dead: leave at once |
//! | the child's stdout, each line | an event as JSON | publish it |
//!
//! The child's exit code is the job's; its stderr is the parent's.

use common::run::RunId;
use common::tenant::TenantId;
use pipeline::{Assignment, Roots};
use serde::{Deserialize, Serialize};

/// The line that asks a child to stop.
pub const STOP: &str = "stop";

/// What one child is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order<S> {
    /// Whose run.
    pub tenant_id: TenantId,
    /// Which run.
    pub run_id: RunId,
    /// The attempt it was launched for.
    pub attempt: u32,
    /// The execution's id.
    pub execution: String,
    /// What its parent was started with.
    pub setting: S,
}

/// What children take over from their parent.
///
/// Values and not places: a file that was edited since must not make a child work on other steps than its
/// parent admitted, and ends the statements of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The templates' files: path below the folder of configurations, and text.
    pub templates: Vec<(String, String)>,
    /// Where `load` steps may read.
    pub roots: Roots,
    /// Where `export` steps may write.
    pub export_roots: Roots,
    /// Where `notify` steps may send; the key that signs is the data folder's.
    pub notify_hosts: Vec<String>,
}

impl<S> Order<S> {
    /// Puts an assignment into words.
    pub fn new(assignment: Assignment, setting: S) -> Self {
        let Assignment { tenant_id, run_id, attempt, execution } = assignment;
        Self { tenant_id, run_id, attempt, execution, setting }
    }

    /// The assignment, and the setting it comes with.
    pub fn into_parts(self) -> (Assignment, S) {
        let Self { tenant_id, run_id, attempt, execution, setting } = self;
        (Assignment { tenant_id, run_id, attempt, execution }, setting)
    }
}
