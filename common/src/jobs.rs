//! The job launcher port: starts an execution of a run, asks after it, ends it.
//!
//! To add an adapter: implement [`JobLauncher`]. A launch is not idempotent and is never repeated by the
//! adapter; an execution proves itself by claiming the run, so one launched twice works once.

use std::time::Duration;

use async_trait::async_trait;

use crate::port::PortError;
use crate::run::RunId;
use crate::tenant::TenantId;

/// What an execution is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Whose run.
    pub tenant_id: TenantId,
    /// Which run.
    pub run_id: RunId,
    /// The attempt that it may claim.
    pub attempt: u32,
    /// After this the execution is ended from outside.
    pub timeout: Duration,
}

/// Whether an execution is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionState {
    /// It may still do something.
    Running,
    /// It does nothing any more.
    Ended,
}

/// Starts executions of the pipeline job.
#[async_trait]
pub trait JobLauncher: Send + Sync {
    /// Starts an execution and answers its id. A retryable error leaves unknown whether it was started;
    /// any other means that it certainly was not.
    async fn launch(&self, launch: &Launch) -> Result<String, PortError>;

    /// Asks after an execution; one that nobody knows has `Ended`.
    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError>;

    /// Asks an execution to stop; does not wait.
    async fn cancel(&self, execution: &str) -> Result<(), PortError>;
}
