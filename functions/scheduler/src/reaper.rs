//! The reaper: walks the ledger and the rows that have not ended, and settles every difference that a
//! death between two steps can leave.
//!
//! | found | settled by |
//! |---|---|
//! | an entry without a row, past its deadline | a refund |
//! | an ACTIVE entry, the row QUEUED | starting the run |
//! | an ACTIVE entry, the row final | a release, or a refund where the launcher refused |
//! | a QUEUED entry too old or cancelled | a refund, then EXPIRED or CANCELLED |
//! | RUNNING, unclaimed past its start deadline | the next attempt; after the third FAILED |
//! | RUNNING, claimed, the execution gone | ending its statements, then FAILED or CANCELLED, then a release |
//! | a row that has not ended, its entry closed or of a later admission | the end that closed the entry |
//! | a run of a slot whose record says that it has none | the record follows the run |
//! | an open record of a slot whose run has ended | the run's end, after the retry that it may be worth |

mod pass;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common::jobs::ExecutionState;
use common::port::PortError;
use common::quota::{Change, Entry, EntryState, Outcome};
use common::run::{Ending, FailureKind, Run, RunId, RunStatus};
use common::schedule::SlotKey;
use common::state::{Item, LedgerRow, Transition};
use common::submit::{launch, start};
use common::tenant::TenantId;
use common::warehouse::JobState;

use crate::{Context, queue, slots};

pub(crate) use pass::any_below;
pub use pass::{Report, pass};

/// How often a run is launched before it is given up.
const MOST_LAUNCHES: u32 = 3;

async fn settle_runs(
    context: &Context,
    row: &LedgerRow,
    report: &mut Report,
) -> Result<(), PortError> {
    let tenant = &row.tenant_id;
    let mut unfinished: HashMap<RunId, Run> = context
        .gate
        .runs
        .unfinished(tenant)
        .await?
        .into_iter()
        .map(|run| (run.run_id, run))
        .collect();
    let scheduled: Vec<SlotKey> = unfinished.values().filter_map(slots::key).collect();
    let is_open = |e: &&Entry| matches!(e.state, EntryState::Queued | EntryState::Active);
    for entry in row.account.entries.iter().filter(is_open) {
        let run = unfinished.remove(&entry.run_id);
        report.seen += 1;
        if let Err(error) = settle_entry(context, tenant, entry, run).await {
            tracing::error!(tenant.id = %tenant, run.id = %entry.run_id, %error, "run not settled");
            report.failed += 1;
        }
    }
    if !unfinished.is_empty() {
        settle_unheld(context, tenant, unfinished, report).await?;
    }
    slots::catch_up(context, tenant, &scheduled).await
}

/// Rows that have not ended and whose entries are not open.
async fn settle_unheld(
    context: &Context,
    tenant: &TenantId,
    unfinished: HashMap<RunId, Run>,
    report: &mut Report,
) -> Result<(), PortError> {
    let is_open = |e: &&Entry| matches!(e.state, EntryState::Queued | EntryState::Active);
    // These may have been admitted since the ledger was read, so it is asked again: an entry is there
    // before its row and closed only after it was decided how the row ends.
    let fresh = context.gate.ledger.row(tenant).await?;
    let entries = fresh.map(|row| row.account.entries).unwrap_or_default();
    for run in unfinished.into_values() {
        if !entries.iter().filter(is_open).any(|e| e.run_id == run.run_id) {
            report.seen += 1;
            settle_closed(context, &run).await?;
        }
    }
    Ok(())
}

async fn settle_entry(
    context: &Context,
    tenant: &TenantId,
    entry: &Entry,
    unfinished: Option<Run>,
) -> Result<(), PortError> {
    let run = match unfinished {
        Some(run) => Some(run),
        None => context.gate.runs.get(tenant, entry.run_id).await?,
    };
    let Some(run) = run else { return settle_unrecorded(context, tenant, entry).await };
    match (entry.state, run.status) {
        (_, RunStatus::Queued) if run.attempt < entry.attempt => {
            settle_readmitted(context, entry, &run).await
        }
        (EntryState::Active, RunStatus::Queued) => start(&context.gate, tenant, entry).await,
        (EntryState::Active, RunStatus::Running) if run.claimed_at.is_none() => {
            settle_unclaimed(context, entry, &run).await
        }
        (EntryState::Active, RunStatus::Running) => settle_claimed(context, entry, &run).await,
        (EntryState::Queued, RunStatus::Queued) => settle_queued(context, entry, &run).await,
        (_, status) if status.is_final() => {
            slots::try_settle(context, &run).await;
            free(context, entry, &run).await
        }
        (state, status) => {
            // The run has moved on since the ledger was read; the next pass sees both as they are.
            tracing::debug!(tenant.id = %tenant, run.id = %run.run_id, ?state, %status, "moved on");
            Ok(())
        }
    }
}

/// An admission without a row. The row's insert is refused after the entry's deadline, so once that and the
/// time an insert may take have passed, a second look is final.
async fn settle_unrecorded(
    context: &Context,
    tenant: &TenantId,
    entry: &Entry,
) -> Result<(), PortError> {
    let gate = &context.gate;
    if gate.clock.now() < entry.deadline + gate.policy.record_within
        || gate.runs.get(tenant, entry.run_id).await?.is_some()
    {
        return Ok(());
    }
    let refund = Change::Refund { run_id: entry.run_id, attempt: entry.attempt, from: entry.state };
    gate.apply(tenant, refund).await.map(|_| ())
}

async fn settle_queued(context: &Context, entry: &Entry, run: &Run) -> Result<(), PortError> {
    let gate = &context.gate;
    let at = gate.clock.now();
    let Some(ending) = queued_ending(context, run, at) else { return Ok(()) };
    let refund =
        Change::Refund { run_id: run.run_id, attempt: entry.attempt, from: EntryState::Queued };
    if gate.apply(&run.tenant_id, refund).await?.outcome == Outcome::Refunded {
        end(context, run, Transition::EndQueued { ending, at }).await?;
    }
    Ok(())
}

/// The admission that the row belongs to was given back and its id was admitted anew before the row had
/// ended: the row ends as it was to, and the new admission, which has no row of its own, goes with it.
async fn settle_readmitted(context: &Context, entry: &Entry, run: &Run) -> Result<(), PortError> {
    settle_closed(context, run).await?;
    free(context, entry, run).await
}

fn queued_ending(context: &Context, run: &Run, at: DateTime<Utc>) -> Option<Ending> {
    if run.cancel_requested_at.is_some() {
        return Some(Ending::of(RunStatus::Cancelled, None, "cancelled while queued"));
    }
    let expired = at >= run.created_at + context.gate.policy.queued_for;
    expired.then(|| Ending::of(RunStatus::Expired, None, "waited too long for a free slot"))
}

async fn settle_unclaimed(context: &Context, entry: &Entry, run: &Run) -> Result<(), PortError> {
    let gate = &context.gate;
    let at = gate.clock.now();
    let give_up = |ending| Transition::EndUnclaimed {
        attempt: run.attempt,
        ending,
        at,
        launch_refused: false,
    };
    if run.attempt > entry.attempt {
        // Another pass has moved it on since the ledger was read.
        return Ok(());
    }
    if run.cancel_requested_at.is_some() {
        // Nothing can claim it any more, so it has ended, whatever was launched.
        let ending = Ending::of(RunStatus::Cancelled, None, "cancelled before it began");
        return end_and_free(context, entry, run, give_up(ending)).await;
    }
    if entry.attempt == run.attempt && run.start_by.is_none_or(|by| at < by) {
        return Ok(());
    }
    if entry.attempt == run.attempt && entry.attempt >= MOST_LAUNCHES {
        let message = format!("no execution began in {MOST_LAUNCHES} launches");
        let ending = Ending::of(RunStatus::Failed, Some(FailureKind::Start), message);
        return end_and_free(context, entry, run, give_up(ending)).await;
    }
    let start_by = at + gate.policy.start_within;
    let to = if entry.attempt == run.attempt {
        let extend =
            Change::Extend { run_id: run.run_id, attempt: entry.attempt, deadline: start_by };
        match gate.apply(&run.tenant_id, extend).await?.outcome {
            Outcome::Extended(entry) => entry.attempt,
            _ => return Ok(()),
        }
    } else {
        entry.attempt
    };
    let relaunch = Transition::Relaunch { from: run.attempt, to, start_by };
    if gate.runs.transition(&run.tenant_id, run.run_id, &relaunch).await? {
        let next = Run { attempt: to, ..run.clone() };
        launch(gate, &next).await?;
    }
    Ok(())
}

async fn settle_claimed(context: &Context, entry: &Entry, run: &Run) -> Result<(), PortError> {
    let gate = &context.gate;
    let state = match &run.execution {
        Some(execution) => gate.jobs.state(execution).await?,
        None => ExecutionState::Ended,
    };
    match (state, &run.execution) {
        // Whoever noted the request may have died before telling the execution.
        (ExecutionState::Running, Some(execution)) if run.cancel_requested_at.is_some() => {
            return gate.jobs.cancel(execution).await;
        }
        (ExecutionState::Running, _) => return Ok(()),
        (ExecutionState::Ended, _) => {}
    }
    end_statements(context, run).await?;
    let ending = if run.cancel_requested_at.is_some() {
        Ending::of(RunStatus::Cancelled, None, "cancelled while running")
    } else {
        let message = "the execution ended without saying how; trigger the run again";
        Ending::of(RunStatus::Failed, Some(FailureKind::Lost), message)
    };
    let at = gate.clock.now();
    end_and_free(context, entry, run, Transition::EndClaimed { attempt: run.attempt, ending, at })
        .await
}

/// Cancels and awaits every statement the dead execution may have begun: none lands after the run's end. A check's
/// queries write nothing; they end by their own timeout.
async fn end_statements(context: &Context, run: &Run) -> Result<(), PortError> {
    let Some(template) = context.gate.templates.by_id(&run.pipeline) else { return Ok(()) };
    for step in &template.steps {
        for try_number in 1..=step.retries.max_attempts {
            let job = run.run_id.job(&step.id, run.attempt, try_number);
            match context.warehouse.cancel(&job).await {
                Ok(JobState::Running) => {
                    return Err(PortError::Unavailable(format!("job {job} has not ended yet")));
                }
                Ok(JobState::Unknown | JobState::Done(_) | JobState::Failed(_))
                | Err(PortError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// A row that has not ended although its entry is closed: somebody died between the two.
async fn settle_closed(context: &Context, run: &Run) -> Result<(), PortError> {
    let at = context.gate.clock.now();
    let transition = match run.status {
        RunStatus::Queued => {
            let ending = queued_ending(context, run, at).unwrap_or_else(|| {
                Ending::of(RunStatus::Expired, None, "its place in the queue was given back")
            });
            Transition::EndQueued { ending, at }
        }
        RunStatus::Running if run.claimed_at.is_none() => {
            let message = "its slot was given back before it began";
            let ending = Ending::of(RunStatus::Failed, Some(FailureKind::Start), message);
            Transition::EndUnclaimed { attempt: run.attempt, ending, at, launch_refused: true }
        }
        status => {
            // It ended since the rows were read, or works on without a slot, which no step here leads to.
            tracing::warn!(tenant.id = %run.tenant_id, run.id = %run.run_id, %status, "no slot held");
            return Ok(());
        }
    };
    end(context, run, transition).await
}

async fn end(context: &Context, run: &Run, transition: Transition) -> Result<(), PortError> {
    context.gate.end(&run.tenant_id, run.run_id, &transition).await.map(|_| ())
}

async fn end_and_free(
    context: &Context,
    entry: &Entry,
    run: &Run,
    transition: Transition,
) -> Result<(), PortError> {
    if context.gate.end(&run.tenant_id, run.run_id, &transition).await? {
        free(context, entry, run).await?;
    }
    Ok(())
}

/// Frees the slot of a run whose row is final. Under a bound it goes to whose turn it is in the same batch, so that no
/// arrival of another tenant takes it; without one only the tenant's own queue can, at the end of the pass.
async fn free(context: &Context, entry: &Entry, run: &Run) -> Result<(), PortError> {
    let change = queue::freeing(entry, run);
    if context.gate.policy.max_running.is_none() {
        return context.gate.apply(&run.tenant_id, change).await.map(|_| ());
    }
    queue::release_and_start(context, Item { tenant_id: run.tenant_id.clone(), change }).await
}
