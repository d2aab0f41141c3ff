//! One step: its tries, the waits between them, and the log of each.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use common::pipeline::{Action, Step};
use common::run::{CheckResult, Ending, FailureKind, Run, StepLog, StepStatus};
use common::warehouse::{JobId, JobOptions, Param};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::guard::Guard;
use crate::record::{Lost, Recorder};
use crate::retry;

mod check;
mod error;
mod export;
mod load;
mod notify;
mod settle;
mod sql;

use error::TryError;

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
    /// A notification that did not get through, which is no failure of the run.
    Undelivered,
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
    /// What the log tells of a try that ended well: the records that a load left out.
    note: Option<String>,
    /// Why the run cannot go on, though every statement did: a blocking check.
    blocked: Option<String>,
}

impl Job<'_> {
    /// Runs a step until a try ends well, fails for good, or is the last. `so_far` is how the run would end
    /// without it.
    pub(crate) async fn step(self, step: &Step, so_far: &Ending) -> Result<StepEnd, Lost> {
        let context = self.recorder.context;
        let mut try_number = 1;
        loop {
            let id = self.run.run_id.job(&step.id, self.recorder.assignment.attempt, try_number);
            let started_at = context.clock.now();
            // A panic is caught here, so that the other steps and the run's ending go on.
            let work = AssertUnwindSafe(self.attempt(step, &id, so_far)).catch_unwind();
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
                job_id: step.action.is_job().then(|| id.to_string()),
                error_kind: error_kind.map(str::to_owned),
                message,
            };
            let error = match result {
                Ok(done) => {
                    self.recorder.checks(&done.checks).await?;
                    let log = match &done.blocked {
                        None => log(StepStatus::Completed, None, done.note),
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
                return Ok(match (&step.action, error.end()) {
                    // Its own log tells; the run has done its work all the same.
                    (Action::Notify(_), StepEnd::Failed { .. }) => StepEnd::Undelivered,
                    (_, end) => end,
                });
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
        if !step.action.is_job() {
            return TryError::Panic;
        }
        match self.end(id).await {
            Ok(_) => TryError::Panic,
            Err(unsettled) => unsettled,
        }
    }

    async fn attempt(&self, step: &Step, id: &JobId, so_far: &Ending) -> Result<Done, TryError> {
        if self.halt.is_cancelled() {
            return Err(TryError::Halted);
        }
        match &step.action {
            Action::Sql(sql) => self.sql(sql, &self.options(step, id, sql.max_bytes)).await,
            Action::Load(load) => self.load(load, &self.options(step, id, load.max_bytes)).await,
            Action::Export(export) => {
                self.export(export, &self.options(step, id, export.max_bytes)).await
            }
            Action::Check(checks) => {
                let options = self.options(step, id, checks.max_bytes);
                self.checks(step, checks, &options).await
            }
            Action::Notify(notify) => self.within(step, self.notify(step, notify, so_far)).await,
        }
    }

    /// Drops the work where it takes too long or the run is stopped.
    async fn within(
        &self,
        step: &Step,
        work: impl Future<Output = Result<Done, TryError>>,
    ) -> Result<Done, TryError> {
        tokio::select! {
            done = work => done,
            () = tokio::time::sleep(step.timeout) => Err(TryError::Timeout(step.timeout.as_secs())),
            () = self.halt.cancelled() => Err(TryError::Halted),
        }
    }

    fn options(&self, step: &Step, id: &JobId, max_bytes: Option<u64>) -> JobOptions {
        let labels = [
            ("service", "pipeline".to_owned()),
            ("tenant", self.run.tenant_id.to_string()),
            ("run_id", self.run.run_id.to_string()),
            ("statement", step.id.clone()),
        ];
        JobOptions {
            id: id.clone(),
            labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            maximum_bytes: Some(self.guard.most(max_bytes)),
            timeout: step.timeout,
        }
    }
}
