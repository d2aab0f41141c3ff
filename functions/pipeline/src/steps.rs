//! One step: its tries, the waits between them, and the log of each.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use common::pipeline::{Action, Step};
use common::port::PortError;
use common::run::{CheckResult, FailureKind, Run, StepLog, StepStatus};
use common::warehouse::{JobId, JobOptions, Param};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::guard::{Forbidden, Guard};
use crate::record::{Lost, Recorder};
use crate::retry;
use crate::roots::Refused;

mod check;
mod load;
mod settle;
mod sql;

/// What every step of a run works with.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) recorder: Recorder<'a>,
    pub(crate) run: &'a Run,
    pub(crate) guard: &'a Guard<'a>,
    pub(crate) params: &'a BTreeMap<String, Param>,
    pub(crate) halt: &'a CancellationToken,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Completed {
        rows: u64,
        bytes: u64,
    },
    Failed {
        kind: FailureKind,
        message: String,
    },
    /// The run was stopped while it ran; nothing of it runs any more.
    Halted,
    /// What became of its statement cannot be found out.
    Unsettled,
}

/// What one try did.
#[derive(Debug, Default)]
struct Done {
    rows: u64,
    bytes: u64,
    checks: Vec<CheckResult>,
    /// Why the run cannot go on, though every statement did: a blocking check.
    blocked: Option<String>,
}

/// Why one try did not.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    Root(#[from] Refused),
    #[error("{0}")]
    Data(String),
    #[error("took longer than the {0} s it may")]
    Timeout(u64),
    #[error("was stopped")]
    Halted,
    #[error("may still run in the warehouse, which does not answer: {0}")]
    Unsettled(PortError),
    #[error("panicked: a defect of Headgate")]
    Panic,
}

impl TryError {
    /// The word for logs.
    fn kind(&self) -> &'static str {
        match self {
            Self::Port(PortError::NotFound(_)) => "NOT_FOUND",
            Self::Port(PortError::AlreadyExists(_)) => "ALREADY_EXISTS",
            Self::Port(PortError::Conflict(_)) => "CONFLICT",
            Self::Port(PortError::PermissionDenied(_)) => "PERMISSION_DENIED",
            Self::Port(PortError::InvalidQuery(_)) => "INVALID_QUERY",
            Self::Port(PortError::RateLimited(_)) => "RATE_LIMITED",
            Self::Port(PortError::Unavailable(_)) => "UNAVAILABLE",
            Self::Port(PortError::Other { .. }) => "OTHER",
            Self::Forbidden(_) | Self::Root(_) => "GUARD",
            Self::Data(_) => "DATA",
            Self::Timeout(_) => "TIMEOUT",
            Self::Halted => "CANCELLED",
            Self::Unsettled(_) => "UNSETTLED",
            Self::Panic => "BUG",
        }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Port(error) => error.retryable(),
            Self::Timeout(_) => true,
            Self::Forbidden(_)
            | Self::Root(_)
            | Self::Data(_)
            | Self::Halted
            | Self::Unsettled(_)
            | Self::Panic => false,
        }
    }

    fn end(&self) -> StepEnd {
        let kind = match self {
            Self::Halted => return StepEnd::Halted,
            Self::Unsettled(_) => return StepEnd::Unsettled,
            Self::Forbidden(_) | Self::Root(_) => FailureKind::Guard,
            Self::Panic => FailureKind::Bug,
            Self::Port(_) | Self::Data(_) | Self::Timeout(_) => FailureKind::Step,
        };
        StepEnd::Failed { kind, message: self.to_string() }
    }
}

impl Job<'_> {
    /// Runs a step until a try ends well, fails for good, or is the last.
    pub(crate) async fn step(self, step: &Step) -> Result<StepEnd, Lost> {
        let context = self.recorder.context;
        let mut try_number = 1;
        loop {
            let id = self.run.run_id.job(&step.id, self.recorder.assignment.attempt, try_number);
            let started_at = context.clock.now();
            // A panic is caught here, so that the other steps and the run's ending go on.
            let work = AssertUnwindSafe(self.attempt(step, &id)).catch_unwind();
            let result = match work.await {
                Ok(result) => result,
                Err(_) => Err(self.after_panic(step, &id).await),
            };
            let log = |status, error_kind: Option<&str>, message: Option<String>| StepLog {
                run_id: self.run.run_id,
                tenant_id: self.run.tenant_id.clone(),
                user_id: self.run.user_id.clone(),
                step_id: step.id.clone(),
                step_type: step.action.kind().to_owned(),
                attempt: self.recorder.assignment.attempt,
                try_number,
                status,
                started_at,
                ended_at: context.clock.now(),
                rows: 0,
                bytes: 0,
                job_id: match &step.action {
                    Action::Sql(_) | Action::Load(_) => Some(id.to_string()),
                    Action::Check(_) => None,
                },
                error_kind: error_kind.map(str::to_owned),
                message,
            };
            let error = match result {
                Ok(done) => {
                    self.recorder.checks(&done.checks).await?;
                    let log = match &done.blocked {
                        None => log(StepStatus::Completed, None, None),
                        Some(reason) => {
                            log(StepStatus::Failed, Some("DATA_QUALITY"), Some(reason.clone()))
                        }
                    };
                    let log = StepLog { rows: done.rows, bytes: done.bytes, ..log };
                    self.recorder.step(&log).await?;
                    tracing::info!(
                        tenant.id = %self.run.tenant_id,
                        run.id = %self.run.run_id,
                        step.id = step.id,
                        try_number,
                        rows = done.rows,
                        duration_ms = (log.ended_at - started_at).num_milliseconds(),
                        blocked = done.blocked,
                        "a step has ended"
                    );
                    return Ok(match done.blocked {
                        None => StepEnd::Completed { rows: done.rows, bytes: done.bytes },
                        Some(message) => {
                            StepEnd::Failed { kind: FailureKind::DataQuality, message }
                        }
                    });
                }
                Err(error) => error,
            };
            let status = match error {
                TryError::Halted => StepStatus::Cancelled,
                _ => StepStatus::Failed,
            };
            tracing::warn!(
                tenant.id = %self.run.tenant_id,
                run.id = %self.run.run_id,
                step.id = step.id,
                try_number,
                %error,
                "a try of a step did not end well"
            );
            self.recorder.step(&log(status, Some(error.kind()), Some(error.to_string()))).await?;
            if !error.may_pass() || try_number >= step.retries.max_attempts {
                return Ok(error.end());
            }
            let wait = retry::delay(&step.retries, try_number, &context.chance);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.halt.cancelled() => return Ok(StepEnd::Halted),
            }
            try_number += 1;
        }
    }

    /// What a panicked try comes to, once nothing of it runs any more.
    async fn after_panic(&self, step: &Step, id: &JobId) -> TryError {
        match &step.action {
            Action::Check(_) => TryError::Panic,
            Action::Sql(_) | Action::Load(_) => match self.end(id).await {
                Ok(_) => TryError::Panic,
                Err(unsettled) => unsettled,
            },
        }
    }

    async fn attempt(&self, step: &Step, id: &JobId) -> Result<Done, TryError> {
        if self.halt.is_cancelled() {
            return Err(TryError::Halted);
        }
        match &step.action {
            Action::Sql(sql) => self.sql(sql, &self.options(step, id)).await,
            Action::Load(load) => self.load(load, &self.options(step, id)).await,
            Action::Check(checks) => {
                let work = self.checks(step, checks);
                tokio::select! {
                    done = work => done,
                    () = tokio::time::sleep(step.timeout) => {
                        Err(TryError::Timeout(step.timeout.as_secs()))
                    }
                    () = self.halt.cancelled() => Err(TryError::Halted),
                }
            }
        }
    }

    fn options(&self, step: &Step, id: &JobId) -> JobOptions {
        let labels = [
            ("service", "pipeline".to_owned()),
            ("tenant", self.run.tenant_id.to_string()),
            ("run_id", self.run.run_id.to_string()),
            ("statement", step.id.clone()),
        ];
        JobOptions {
            id: id.clone(),
            labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            maximum_bytes: Some(self.guard.max_bytes),
            timeout: step.timeout,
        }
    }
}
