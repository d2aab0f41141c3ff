//! Starting: a run that holds a slot gets an execution.

use super::Gate;
use crate::jobs::Launch;
use crate::port::PortError;
use crate::quota::{Change, Entry, EntryState};
use crate::run::{Ending, FailureKind, Run, RunStatus};
use crate::state::Transition;
use crate::tenant::TenantId;

/// What became of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launched {
    /// An execution was started.
    Started,
    /// Unknown, or not now: the reaper launches again what nobody claims.
    Later,
    /// The launcher refused for good: the run is FAILED and given back.
    Refused,
}

/// Launches a RUNNING run's current attempt.
pub async fn launch(gate: &Gate, run: &Run) -> Result<Launched, PortError> {
    let order = Launch {
        tenant_id: run.tenant_id.clone(),
        run_id: run.run_id,
        attempt: run.attempt,
        timeout: run.timeout,
    };
    let (tenant, run_id, attempt) = (&run.tenant_id, run.run_id, run.attempt);
    match gate.jobs.launch(&order).await {
        Ok(execution) => {
            // The execution writes its own id when it claims; this one lets the reaper ask sooner.
            let noted = Transition::Launched { attempt, execution };
            if let Err(error) = gate.runs.transition(tenant, run_id, &noted).await {
                tracing::warn!(tenant.id = %tenant, run.id = %run_id, %error, "execution not noted");
            }
            Ok(Launched::Started)
        }
        Err(error) if error.retryable() => {
            tracing::warn!(tenant.id = %tenant, run.id = %run_id, %error, "launch postponed");
            Ok(Launched::Later)
        }
        Err(error) => {
            tracing::error!(tenant.id = %tenant, run.id = %run_id, %error, "launch refused");
            let message = format!("the run could not be launched: {error}");
            let ending = Ending::of(RunStatus::Failed, Some(FailureKind::Start), message);
            let refused = Transition::EndUnclaimed {
                attempt,
                ending,
                at: gate.clock.now(),
                launch_refused: true,
            };
            if !gate.end(tenant, run_id, &refused).await? {
                return Ok(Launched::Later);
            }
            let refund = Change::Refund { run_id, attempt, from: EntryState::Active };
            gate.apply(tenant, refund).await?;
            Ok(Launched::Refused)
        }
    }
}

/// Brings the row of a run whose entry is ACTIVE from QUEUED to RUNNING and launches it. Whoever finds the
/// difference may call this: only one caller's transition takes effect.
pub async fn start(gate: &Gate, tenant: &TenantId, entry: &Entry) -> Result<(), PortError> {
    let at = gate.clock.now();
    let started =
        Transition::Start { at, start_by: at + gate.policy.start_within, attempt: entry.attempt };
    if !gate.runs.transition(tenant, entry.run_id, &started).await? {
        return Ok(());
    }
    match gate.runs.get(tenant, entry.run_id).await? {
        // A run whose end was asked for is ended by the reaper: no execution could claim it. One of a later
        // attempt was launched by the reaper meanwhile.
        Some(run) if run.cancel_requested_at.is_none() && run.attempt == entry.attempt => {
            launch(gate, &run).await.map(|_| ())
        }
        _ => Ok(()),
    }
}
