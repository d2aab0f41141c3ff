//! Cancelling: asked for here, done by whoever holds the run.

use super::Gate;
use crate::port::PortError;
use crate::quota::{Change, EntryState, Outcome};
use crate::run::{Ending, Run, RunId, RunStatus};
use crate::state::Transition;
use crate::tenant::TenantId;

/// What became of a request to cancel.
#[derive(Debug)]
pub enum Cancelled {
    /// The tenant has no such run.
    Unknown,
    /// It had ended before.
    Ended(Box<Run>),
    /// It has ended now (it was queued), or will when its execution has stopped.
    Accepted(Box<Run>),
}

/// Asks for the end of a run.
///
/// The request is noted before anything else, so that a death in between leaves a run that is being
/// cancelled, not one that was half forgotten.
pub async fn cancel(gate: &Gate, tenant: &TenantId, run_id: RunId) -> Result<Cancelled, PortError> {
    let Some(run) = gate.runs.get(tenant, run_id).await? else { return Ok(Cancelled::Unknown) };
    if run.status.is_final() {
        return Ok(Cancelled::Ended(Box::new(run)));
    }
    let at = gate.clock.now();
    gate.runs.transition(tenant, run_id, &Transition::RequestCancel { at }).await?;
    if run.status == RunStatus::Queued {
        let refund = Change::Refund { run_id, attempt: run.attempt, from: EntryState::Queued };
        // Refused by the ledger, it holds a slot already: then it is running, and cancelled as such.
        if gate.apply(tenant, refund).await?.outcome == Outcome::Refunded {
            let ending = Ending::of(RunStatus::Cancelled, None, "cancelled while queued");
            gate.end(tenant, run_id, &Transition::EndQueued { ending, at }).await?;
        }
    }
    let Some(run) = gate.runs.get(tenant, run_id).await? else { return Ok(Cancelled::Unknown) };
    if let (RunStatus::Running, Some(execution)) = (run.status, &run.execution)
        && let Err(error) = gate.jobs.cancel(execution).await
    {
        tracing::warn!(tenant.id = %tenant, run.id = %run_id, %error, "execution not told to stop");
    }
    Ok(Cancelled::Accepted(Box::new(run)))
}
