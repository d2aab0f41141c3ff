//! The run's row and logs in memory, and who is told of its end.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::events::{Event, EventPublisher};
use common::port::PortError;
use common::run::{CheckResult, Run, RunId, RunStatus, StepLog};
use common::state::{Inserted, Page, RunFilter, Runs, Transition};
use common::tenant::TenantId;

use super::Scene;

#[async_trait]
impl Runs for Scene {
    async fn insert(&self, _: &Run, _: DateTime<Utc>) -> Result<Inserted, PortError> {
        unreachable!("the job records no run")
    }

    async fn get(&self, _: &TenantId, _: RunId) -> Result<Option<Run>, PortError> {
        Ok(Some(self.run()))
    }

    async fn list(&self, _: &TenantId, _: &RunFilter, _: Page) -> Result<Vec<Run>, PortError> {
        unreachable!("the job lists no runs")
    }

    async fn unfinished(&self, _: &TenantId) -> Result<Vec<Run>, PortError> {
        unreachable!("the job lists no runs")
    }

    async fn transition(
        &self,
        _: &TenantId,
        _: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        let mut stage = self.stage();
        let lost = std::mem::take(&mut stage.lose_answer);
        let run = &mut stage.run;
        let running = run.status == RunStatus::Running;
        let changed = match transition {
            Transition::Claim { attempt, execution, at } => {
                let free = run.claimed_at.is_none() && run.cancel_requested_at.is_none();
                let claimed = running && free && run.attempt == *attempt;
                if claimed {
                    run.claimed_at = Some(*at);
                    run.execution = Some(execution.clone());
                }
                claimed
            }
            Transition::EndClaimed { attempt, ending, at } => {
                let ended = running && run.claimed_at.is_some() && run.attempt == *attempt;
                if ended {
                    run.status = ending.status;
                    run.ending = Some(ending.clone());
                    run.ended_at = Some(*at);
                }
                ended
            }
            other => unreachable!("the job does not {other:?}"),
        };
        if lost { Err(PortError::Unavailable("no connection".to_owned())) } else { Ok(changed) }
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        self.stage().log.push(step.clone());
        Ok(())
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        self.stage().checks.extend_from_slice(checks);
        Ok(())
    }

    async fn details(
        &self,
        _: &TenantId,
        _: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        unreachable!("the job reads no logs")
    }
}

#[async_trait]
impl EventPublisher for Scene {
    async fn publish(&self, _: &[Event]) -> Result<(), PortError> {
        self.stage().told += 1;
        Ok(())
    }
}
