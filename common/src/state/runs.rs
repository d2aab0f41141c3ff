//! The verbs of runs, their steps and their checks.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::port::PortError;
use crate::run::{CheckResult, Ending, Run, RunId, RunStatus, StepLog};
use crate::tenant::TenantId;

/// Whether a run was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It has a row now.
    Recorded,
    /// `record_before` has passed: it has no row and never will.
    TooLate,
}

/// A change of a run's row. Each names the state it leaves; where the row is in another, nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// QUEUED, of this attempt, to RUNNING: the ledger gave that admission of it a slot.
    Start {
        /// When.
        at: DateTime<Utc>,
        /// By when an execution has to claim it.
        start_by: DateTime<Utc>,
        /// The ledger entry's attempt.
        attempt: u32,
    },
    /// Notes the execution that was launched for an attempt that nobody has claimed.
    Launched {
        /// The attempt.
        attempt: u32,
        /// The launcher's id for it.
        execution: String,
    },
    /// RUNNING and unclaimed: the next attempt may claim it, the one before no more.
    Relaunch {
        /// The attempt that did not start.
        from: u32,
        /// The next one.
        to: u32,
        /// By when it has to claim.
        start_by: DateTime<Utc>,
    },
    /// RUNNING, unclaimed, of this attempt, with no cancellation asked: this execution does the work.
    Claim {
        /// The attempt.
        attempt: u32,
        /// The execution that claims.
        execution: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Not final: notes that somebody asked for the end. The first request counts.
    RequestCancel {
        /// When.
        at: DateTime<Utc>,
    },
    /// QUEUED to its end.
    EndQueued {
        /// The end.
        ending: Ending,
        /// When.
        at: DateTime<Utc>,
    },
    /// RUNNING and unclaimed, of this attempt, to its end.
    EndUnclaimed {
        /// The attempt.
        attempt: u32,
        /// The end.
        ending: Ending,
        /// When.
        at: DateTime<Utc>,
        /// Whether it ends because it certainly was not launched.
        launch_refused: bool,
    },
    /// RUNNING, claimed by this attempt, to its end.
    EndClaimed {
        /// The attempt.
        attempt: u32,
        /// The end.
        ending: Ending,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Transition {
    /// The end that it brings.
    pub fn ending(&self) -> Option<&Ending> {
        match self {
            Self::EndQueued { ending, .. }
            | Self::EndUnclaimed { ending, .. }
            | Self::EndClaimed { ending, .. } => Some(ending),
            Self::Start { .. }
            | Self::Launched { .. }
            | Self::Relaunch { .. }
            | Self::Claim { .. }
            | Self::RequestCancel { .. } => None,
        }
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this status.
    pub status: Option<RunStatus>,
    /// Only of this pipeline id.
    pub pipeline_id: Option<String>,
    /// Only those created on this UTC day or later.
    pub from: Option<NaiveDate>,
    /// Only those created on this UTC day or before.
    pub to: Option<NaiveDate>,
}

/// A part of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this run in the list.
    pub after: Option<(DateTime<Utc>, RunId)>,
    /// At most so many.
    pub limit: u32,
}

/// Runs, their steps and their checks, each in its tenant's tables.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Records a run unless `record_before` has passed. A run that has a row is `AlreadyExists`.
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError>;

    /// A run's row.
    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError>;

    /// Those of these runs that have a row, in any order. Where a call is a round trip, an adapter answers with
    /// one statement.
    async fn get_all(&self, tenant: &TenantId, runs: &[RunId]) -> Result<Vec<Run>, PortError> {
        let mut found = Vec::new();
        for run_id in runs {
            found.extend(self.get(tenant, *run_id).await?);
        }
        Ok(found)
    }

    /// A tenant's runs, newest first by (`created_at`, `run_id`).
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError>;

    /// A tenant's runs that have not ended.
    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError>;

    /// Changes a row, if it is in the state that the transition leaves; answers whether it was.
    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError>;

    /// Adds one try of a step; sent again it is not added twice.
    async fn log_step(&self, step: &StepLog) -> Result<(), PortError>;

    /// Adds the results of checks; sent again they are not added twice.
    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError>;

    /// What a run did so far: tries of steps by start, checks by time.
    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError>;
}
