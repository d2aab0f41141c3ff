//! The queue: a run that ended frees its slot, and the head of a queue takes it: of its tenant's, or where the
//! deployment is bounded, of the queue whose turn it is.

use std::collections::HashMap;

use chrono::TimeDelta;
use common::events::Event;
use common::port::PortError;
use common::quota::{Change, Entry, EntryState, Outcome};
use common::run::{Run, RunId};
use common::state::{Item, LedgerRow};
use common::submit::{Gate, start};
use common::tenant::TenantId;
use futures::StreamExt;
use serde::Serialize;

use crate::reaper::any_below;
use crate::{Context, slots};

/// Handles `run.finished`: releases and starts in one batch. Delivered twice it changes nothing more.
pub async fn handle(context: &Context, event: &Event) -> Result<(), PortError> {
    match event {
        Event::RunFinished { tenant_id, run_id, attempt } => {
            // An event is a hint: only a row that is final frees a slot.
            let run = context.gate.runs.get(tenant_id, *run_id).await?;
            let Some(run) = run.filter(|run| run.status.is_final()) else {
                tracing::warn!(tenant.id = %tenant_id, run.id = %run_id, "run.finished of no ended run");
                return Ok(());
            };
            slots::try_settle(context, &run).await;
            let release = Change::Release { run_id: *run_id, attempt: *attempt };
            let release = Item { tenant_id: tenant_id.clone(), change: release };
            release_and_start(context, release).await
        }
        Event::RunRequested(requested) => {
            let config = requested.config_id;
            let what =
                format!("a run request of schedule {config}; it belongs to /internal/run-requests");
            Err(PortError::InvalidQuery(what))
        }
    }
}

/// Applies what frees a slot, and starts in the same batch who gets it.
pub(crate) async fn release_and_start(context: &Context, release: Item) -> Result<(), PortError> {
    let gate = &context.gate;
    if gate.policy.max_running.is_none() {
        let start = start_item(gate, &release.tenant_id);
        return decide_and_start(gate, vec![release, start]).await.map(|_| ());
    }
    // In one batch with the release, so that no arrival takes the slot before those who wait.
    let mut items = vec![release];
    items.extend(starts_of_all(gate).await?);
    decide_and_start(gate, items).await?;
    // Who was queued since the ledger was read found the slot still held. Once nobody is found to wait, an arrival
    // finds the slot itself.
    while start_all(context).await? > 0 {}
    Ok(())
}

/// What a pass over the queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Processed {
    /// Ended runs whose place was still held, as nobody had told of their end.
    pub released: usize,
    /// Queued runs that were started.
    pub started: usize,
}

/// Tenants whose ended runs are looked for side by side.
const TENANTS_AT_ONCE: usize = 8;
/// No tenant is looked at after this: a request is given up after 60 s, and what was found is to be applied.
const LOOK_FOR: TimeDelta = TimeDelta::seconds(40);

/// Does what missed events would have done: releases every ended run, and starts who waits, in one batch.
pub async fn process(context: &Context) -> Result<Processed, PortError> {
    let began = context.gate.clock.now();
    let mut rows = context.gate.ledger.rows().await?;
    let starting = starts(&context.gate, &rows);
    let waited = oldest_wait(&context.gate, &rows).unwrap_or_else(TimeDelta::zero);
    let oldest_wait_seconds = waited.num_seconds();
    // From any of them on, so that passes come to all however many there are.
    let first = any_below(context, rows.len());
    rows.rotate_left(first);
    let in_time = |_: &LedgerRow| std::future::ready(context.gate.clock.now() - began < LOOK_FOR);
    let mut looked = futures::stream::iter(rows)
        .take_while(in_time)
        .map(|row| missed(context, row))
        .buffer_unordered(TENANTS_AT_ONCE);
    let mut items = Vec::new();
    while let Some(missed) = looked.next().await {
        items.extend(missed);
    }
    let released = items.len();
    items.extend(starting);
    let started = decide_and_start(&context.gate, items).await?;
    tracing::info!(released, started, oldest_wait_seconds, "the queue was passed over");
    Ok(Processed { released, started })
}

/// How long the run that has waited longest has waited; `None` where nobody waits.
pub(crate) fn oldest_wait(gate: &Gate, rows: &[LedgerRow]) -> Option<TimeDelta> {
    let entries = rows.iter().flat_map(|row| &row.account.entries);
    let queued = entries.filter(|entry| entry.state == EntryState::Queued);
    // While an entry waits its deadline is the one of its admission.
    let admitted = queued.map(|entry| entry.deadline - gate.policy.record_within).min()?;
    Some((gate.clock.now() - admitted).max(TimeDelta::zero()))
}

/// Fills every free slot that has somebody waiting; answers how many runs it started.
pub async fn start_all(context: &Context) -> Result<usize, PortError> {
    let items = starts_of_all(&context.gate).await?;
    decide_and_start(&context.gate, items).await
}

/// What frees the slots of a tenant's runs that have ended; nothing where they cannot be looked for.
async fn missed(context: &Context, row: LedgerRow) -> Vec<Item> {
    releases(context, &row).await.unwrap_or_else(|error| {
        tracing::error!(tenant.id = %row.tenant_id, %error, "ends not looked for");
        Vec::new()
    })
}

/// What frees the slots of a tenant's runs that have ended.
async fn releases(context: &Context, row: &LedgerRow) -> Result<Vec<Item>, PortError> {
    let active = row.account.entries.iter().filter(|entry| entry.state == EntryState::Active);
    let active: HashMap<RunId, &Entry> = active.map(|entry| (entry.run_id, entry)).collect();
    if active.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<RunId> = active.keys().copied().collect();
    let mut items = Vec::new();
    for run in context.gate.runs.get_all(&row.tenant_id, &ids).await? {
        if let (true, Some(entry)) = (run.status.is_final(), active.get(&run.run_id)) {
            slots::try_settle(context, &run).await;
            let change = freeing(entry, &run);
            items.push(Item { tenant_id: row.tenant_id.clone(), change });
        }
    }
    Ok(items)
}

/// What frees the slot of a run whose row is final. One that never started, or that the launcher refused, does not
/// count.
pub(crate) fn freeing(entry: &Entry, run: &Run) -> Change {
    let (run_id, attempt) = (entry.run_id, entry.attempt);
    match entry.state {
        EntryState::Active if run.launch_refused || run.started_at.is_none() => {
            Change::Refund { run_id, attempt, from: EntryState::Active }
        }
        EntryState::Queued => Change::Refund { run_id, attempt, from: EntryState::Queued },
        EntryState::Active | EntryState::Done | EntryState::Refunded => {
            Change::Release { run_id, attempt }
        }
    }
}

/// A start for every tenant that has somebody waiting.
async fn starts_of_all(gate: &Gate) -> Result<Vec<Item>, PortError> {
    Ok(starts(gate, &gate.ledger.rows().await?))
}

fn starts(gate: &Gate, rows: &[LedgerRow]) -> Vec<Item> {
    let waits = |state: EntryState| state == EntryState::Queued;
    let waiting = rows.iter().filter(|row| row.account.entries.iter().any(|e| waits(e.state)));
    waiting.map(|row| start_item(gate, &row.tenant_id)).collect()
}

fn start_item(gate: &Gate, tenant: &TenantId) -> Item {
    let deadline = gate.clock.now() + gate.policy.start_within;
    Item { tenant_id: tenant.clone(), change: Change::Start { up_to: u32::MAX, deadline } }
}

async fn decide_and_start(gate: &Gate, items: Vec<Item>) -> Result<usize, PortError> {
    if items.is_empty() {
        return Ok(0);
    }
    let tenants: Vec<TenantId> = items.iter().map(|item| item.tenant_id.clone()).collect();
    let answers = gate.apply_all(items).await?;
    let mut started: Vec<(TenantId, Entry)> = Vec::new();
    for (tenant, answer) in tenants.into_iter().zip(answers) {
        if let Outcome::Started(entries) = answer.outcome {
            started.extend(entries.into_iter().map(|entry| (tenant.clone(), entry)));
        }
    }
    started.sort_by_key(|(_, entry)| entry.turn);
    let mut count = 0;
    for (tenant, entry) in started {
        match start(gate, &tenant, &entry).await {
            Ok(()) => count += 1,
            // Its entry is ACTIVE: the reaper goes on from there.
            Err(error) => {
                tracing::warn!(tenant.id = %tenant, run.id = %entry.run_id, %error, "not started yet");
            }
        }
    }
    Ok(count)
}
