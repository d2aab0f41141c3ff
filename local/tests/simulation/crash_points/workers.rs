//! The executions: the real job, and what its statements have come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::run::{FailureKind, RunStatus};
use common::warehouse::JobState;
use pipeline::{Assignment, Roots, Webhooks, execute};
use tokio_util::sync::CancellationToken;

use super::points::Process;
use super::{Alive, Batch, TENANTS};
use crate::executions::Phase;

/// How a run ended, and why.
type End = (&'static str, Option<&'static str>);

impl Batch {
    /// Every execution that was launched comes up as a worker.
    pub(super) fn start_workers(&mut self) {
        for (index, execution) in self.world().executions.in_phase(Phase::Fresh) {
            self.world().executions.set(index, Phase::Working);
            let context = pipeline::Context {
                warehouse: self.statements.clone(),
                runs: self.world().gate.runs.clone(),
                events: self.world().scheduler.events.clone(),
                catalog: self.world().gate.templates.clone(),
                roots: Arc::new(Roots::default()),
                export_roots: Arc::new(Roots::default()),
                webhooks: Arc::new(Webhooks::none()),
                clock: self.world().gate.clock.clone(),
                chance: self.world().gate.chance.clone(),
            };
            let assignment = Assignment {
                tenant_id: execution.launch.tenant_id,
                run_id: execution.launch.run_id,
                attempt: execution.launch.attempt,
                execution: execution.id,
            };
            let stop = CancellationToken::new();
            let told = stop.clone();
            let task = Box::pin(async move {
                execute(&context, &assignment, told).await;
            });
            let execution = Some((index, stop));
            self.alive.push(Alive { process: Process::Worker, task, execution });
        }
    }

    /// Statements whose worker has died go on.
    pub(super) async fn land_some(&mut self) {
        let running = |state: &JobState| *state == JobState::Running;
        let jobs = self.statements.jobs.lock().unwrap().clone();
        let running: Vec<_> = jobs.iter().filter(|(_, job)| running(&job.state)).collect();
        if !running.is_empty() {
            let (id, _) = running[self.driver.pick(running.len())];
            self.statements.land(id).await;
        }
    }

    /// No statement of a run took effect twice, none is missing of one that COMPLETED, and one execution sent them.
    pub(super) fn check_work(&self) -> BTreeMap<End, usize> {
        let mut ends = BTreeMap::new();
        let jobs = self.statements.jobs.lock().unwrap();
        for tenant in TENANTS {
            for run in self.world().all_runs(tenant) {
                let of_run = jobs.iter().filter(|(_, job)| job.run_id == run.run_id);
                let mut landed: BTreeMap<&str, u32> = BTreeMap::new();
                for (id, job) in of_run {
                    let attempt = format!("-a{}-", run.attempt);
                    assert!(id.contains(&attempt), "{id}: of another attempt than {}", run.attempt);
                    assert!(job.state != JobState::Running, "{id} was left running");
                    if matches!(job.state, JobState::Done(_)) {
                        *landed.entry(&job.step).or_default() += 1;
                    }
                }
                assert!(landed.values().all(|times| *times == 1), "{}: {landed:?}", run.run_id);
                if run.status == RunStatus::Completed {
                    assert!(landed.keys().eq(&["only", "then"]), "{}: {landed:?}", run.run_id);
                }
                let kind = run.ending.as_ref().and_then(|ending| ending.failure_kind);
                assert_eq!(run.status == RunStatus::Failed, kind.is_some(), "{}", run.run_id);
                *ends.entry((run.status.as_str(), kind.map(FailureKind::as_str))).or_default() += 1;
            }
        }
        ends
    }
}
