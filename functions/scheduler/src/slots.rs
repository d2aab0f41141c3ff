//! Slots after their runs: the record follows the run, and a failed one gets its retry.

use std::collections::HashMap;

use common::port::PortError;
use common::run::{Run, RunId, RunSlot};
use common::schedule::{Retry, SlotKey, SlotState, is_retried};
use common::tenant::TenantId;

use crate::Context;

/// [`settle`] for somebody who frees the run's place, which waits for nothing: what fails is left to the reaper,
/// which finds the open record.
pub(crate) async fn try_settle(context: &Context, run: &Run) {
    if let Err(error) = settle(context, run).await {
        tracing::error!(tenant.id = %run.tenant_id, run.id = %run.run_id, %error, "slot not settled yet");
    }
}

/// Brings the end of a scheduled run into its slot's record, after the retry that it may be worth: a death in
/// between leaves an open record, which the next call finds. Called again it changes nothing more.
pub async fn settle(context: &Context, run: &Run) -> Result<(), PortError> {
    let (Some(slot), Some(ending)) = (run.slot, &run.ending) else { return Ok(()) };
    let RunSlot { config_id, slot, attempt } = slot;
    let records = context.slots.attempts(&run.tenant_id, config_id, slot).await?;
    // Recorded only after the retry was planned: it is not planned twice.
    let of_attempt = records.iter().find(|record| record.key.attempt == attempt);
    let state = SlotState::of(run.status);
    let Some(record) = of_attempt.filter(|record| record.state != state) else { return Ok(()) };
    let now = context.gate.clock.now();
    if is_retried(run.status, ending.failure_kind)
        && let Some(schedule) = context.schedules.schedule(config_id).await?
        // One that was made anew under the same id has no part in the slots before it.
        && schedule.created_at <= slot
        && let Some(due_at) = schedule.retry.next(attempt, now)
    {
        let retry = Retry { slot, date: record.date, attempt: attempt + 1, due_at };
        context.schedules.plan_retry(config_id, &retry).await?;
    }
    context.slots.settle_attempt(&record.key, state, ending.message.as_deref(), now).await?;
    Ok(())
}

/// The slot that a run is of.
pub(crate) fn key(run: &Run) -> Option<SlotKey> {
    let RunSlot { config_id, slot, attempt } = run.slot?;
    Some(SlotKey { tenant_id: run.tenant_id.clone(), config_id, slot, attempt })
}

/// Settles whatever a tenant's open records have missed of their runs, and the records of `unfinished` runs that
/// are not open: there a delivery was refused beside one that was let in and died. A record that agrees with its run
/// is not written.
pub(crate) async fn catch_up(
    context: &Context,
    tenant: &TenantId,
    unfinished: &[SlotKey],
) -> Result<(), PortError> {
    let open = context.slots.open_attempts(tenant).await?;
    let mut keys: HashMap<RunId, (SlotKey, bool)> =
        unfinished.iter().map(|key| (key.run_id(), (key.clone(), false))).collect();
    keys.extend(open.into_iter().map(|record| {
        let says_so = record.state == SlotState::Submitted;
        (record.key.run_id(), (record.key, says_so))
    }));
    if keys.is_empty() {
        return Ok(());
    }
    let ids: Vec<RunId> = keys.keys().copied().collect();
    for run in context.gate.runs.get_all(tenant, &ids).await? {
        if run.status.is_final() {
            try_settle(context, &run).await;
        } else if let Some((key, false)) = keys.get(&run.run_id) {
            // Its request died between the run and the record.
            let now = context.gate.clock.now();
            context.slots.settle_attempt(key, SlotState::Submitted, None, now).await?;
        }
    }
    Ok(())
}
