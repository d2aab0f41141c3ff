//! The queue: a run that ended frees its slot, and the head of a queue takes it: of its tenant's, or where the
//! deployment is bounded, of the queue whose turn it is.

use common::events::Event;
use common::port::PortError;
use common::quota::{Change, Entry, EntryState, Outcome};
use common::state::Item;
use common::submit::{Gate, start};
use common::tenant::TenantId;

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
            slots::settle(context, &run).await?;
            let release = Change::Release { run_id: *run_id, attempt: *attempt };
            let release = Item { tenant_id: tenant_id.clone(), change: release };
            release_and_start(context, release).await
        }
        Event::RunRequested(requested) => {
            // For the gate, which another function keeps.
            tracing::error!(config.id = %requested.config_id, "a run request came to the queue");
            Ok(())
        }
    }
}

async fn release_and_start(context: &Context, release: Item) -> Result<(), PortError> {
    let gate = &context.gate;
    if gate.policy.max_running.is_none() {
        let start = start_item(gate, &release.tenant_id);
        return decide_and_start(gate, vec![release, start]).await.map(|_| ());
    }
    // In one batch with the release, so that no arrival takes the slot before those who wait.
    let mut items = vec![release];
    items.extend(starts_of_all(gate).await?);
    if decide_and_start(gate, items).await? == 0 {
        // Who was queued since the ledger was read found the slot still held.
        process(context).await?;
    }
    Ok(())
}

/// Fills every free slot that has somebody waiting; answers how many runs it started.
pub async fn process(context: &Context) -> Result<usize, PortError> {
    let items = starts_of_all(&context.gate).await?;
    if items.is_empty() {
        return Ok(0);
    }
    decide_and_start(&context.gate, items).await
}

/// A start for every tenant that has somebody waiting.
async fn starts_of_all(gate: &Gate) -> Result<Vec<Item>, PortError> {
    let rows = gate.ledger.rows().await?;
    let waits = |state: EntryState| state == EntryState::Queued;
    let waiting = rows.iter().filter(|row| row.account.entries.iter().any(|e| waits(e.state)));
    Ok(waiting.map(|row| start_item(gate, &row.tenant_id)).collect())
}

fn start_item(gate: &Gate, tenant: &TenantId) -> Item {
    let deadline = gate.clock.now() + gate.policy.start_within;
    Item { tenant_id: tenant.clone(), change: Change::Start { up_to: u32::MAX, deadline } }
}

async fn decide_and_start(gate: &Gate, items: Vec<Item>) -> Result<usize, PortError> {
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
