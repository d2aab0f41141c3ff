//! Writes what the run did: claims, logs and endings, retried until they are known to be written.

use std::future::Future;

use common::pipeline::Template;
use common::pipeline::graph::Skipped;
use common::port::PortError;
use common::run::{CheckResult, Ending, Run, StepLog, StepStatus};
use common::state::Transition;

use crate::{Assignment, Context, retry};

/// The state could not be read or written: the execution leaves without an ending.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Lost(#[from] pub(crate) PortError);

/// An execution's hand on the state.
#[derive(Clone, Copy)]
pub(crate) struct Recorder<'a> {
    pub(crate) context: &'a Context,
    pub(crate) assignment: &'a Assignment,
}

impl Recorder<'_> {
    /// Claims the run and answers its row; `None` where it is not this execution's.
    pub(crate) async fn claim(&self) -> Result<Option<Run>, Lost> {
        let Assignment { attempt, execution, .. } = self.assignment;
        let at = self.context.clock.now();
        let claim = Transition::Claim { attempt: *attempt, execution: execution.clone(), at };
        let claimed = self.transition(&claim).await?;
        // A claim whose answer was lost is refused when it is repeated, though it is ours: the row tells.
        let row = self.row().await?;
        Ok(row.filter(|run| {
            let ours = run.claimed_at.is_some() && run.execution.as_ref() == Some(execution);
            claimed || (ours && run.attempt == *attempt && !run.status.is_final())
        }))
    }

    /// The run's row.
    pub(crate) async fn row(&self) -> Result<Option<Run>, Lost> {
        let Assignment { tenant_id, run_id, .. } = self.assignment;
        self.persist(|| self.context.runs.get(tenant_id, *run_id)).await
    }

    /// Writes the ending. Where the run has one already, that one stands.
    pub(crate) async fn end(&self, ending: Ending) -> Result<(), Lost> {
        let Assignment { tenant_id, run_id, attempt, .. } = self.assignment;
        let at = self.context.clock.now();
        let end = Transition::EndClaimed { attempt: *attempt, ending: ending.clone(), at };
        let written = self.transition(&end).await?;
        ending.log(tenant_id, *run_id, written);
        Ok(())
    }

    pub(crate) async fn step(&self, log: &StepLog) -> Result<(), Lost> {
        self.persist(|| self.context.runs.log_step(log)).await
    }

    pub(crate) async fn checks(&self, results: &[CheckResult]) -> Result<(), Lost> {
        if results.is_empty() {
            return Ok(());
        }
        self.persist(|| self.context.runs.log_checks(results)).await
    }

    /// Logs steps that will not run, for `reason` where they would have.
    pub(crate) async fn skip(
        &self,
        run: &Run,
        unstarted: &[(usize, Skipped)],
        template: &Template,
        reason: &str,
    ) -> Result<(), Lost> {
        for &(node, why) in unstarted {
            let step = &template.steps[node];
            let message = match why {
                Skipped::Stopped if reason.is_empty() => {
                    "not started: the run was stopped".to_owned()
                }
                Skipped::Failure | Skipped::Stopped => format!("not started: {reason}"),
                Skipped::NotNeeded => "not needed: nothing has failed that it is for".to_owned(),
            };
            let now = self.context.clock.now();
            let log = StepLog {
                run_id: run.run_id,
                tenant_id: run.tenant_id.clone(),
                user_id: run.user_id.clone(),
                step_id: step.id.clone(),
                step_type: step.action.kind().to_owned(),
                attempt: self.assignment.attempt,
                try_number: 1,
                status: StepStatus::Skipped,
                started_at: now,
                ended_at: now,
                rows: 0,
                bytes: 0,
                job_id: None,
                error_kind: None,
                message: Some(message),
            };
            self.step(&log).await?;
        }
        Ok(())
    }

    async fn transition(&self, transition: &Transition) -> Result<bool, Lost> {
        let Assignment { tenant_id, run_id, .. } = self.assignment;
        self.persist(|| self.context.runs.transition(tenant_id, *run_id, transition)).await
    }

    /// Asks again while the error may pass.
    async fn persist<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, Lost>
    where
        F: Future<Output = Result<T, PortError>>,
    {
        let mut failed = 0;
        loop {
            match ask().await {
                Err(error) if error.retryable() && failed + 1 < retry::PATIENCE.max_attempts => {
                    failed += 1;
                    tracing::warn!(run.id = %self.assignment.run_id, %error, failed, "asking the state again");
                    tokio::time::sleep(retry::delay(
                        &retry::PATIENCE,
                        failed,
                        &self.context.chance,
                    ))
                    .await;
                }
                answer => return Ok(answer?),
            }
        }
    }
}
