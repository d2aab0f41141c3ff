//! The queue: a run that ended frees its slot, and the head of its tenant's queue takes it.

use common::events::Event;
use common::port::PortError;
use common::quota::{Change, EntryState, Outcome};
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
            let items = vec![
                Item { tenant_id: tenant_id.clone(), change: release },
                start_item(&context.gate, tenant_id),
            ];
            decide_and_start(&context.gate, items).await.map(|_| ())
        }
        Event::RunRequested(requested) => {
            // For the gate, which another function keeps.
            tracing::error!(config.id = %requested.config_id, "a run request came to the queue");
            Ok(())
        }
    }
}

/// Fills every free slot that has somebody waiting; answers how many runs it started.
pub async fn process(context: &Context) -> Result<usize, PortError> {
    let rows = context.gate.ledger.rows().await?;
    let waits = |state: EntryState| state == EntryState::Queued;
    let items: Vec<Item> = rows
        .iter()
        .filter(|row| row.account.entries.iter().any(|e| waits(e.state)))
        .map(|row| start_item(&context.gate, &row.tenant_id))
        .collect();
    if items.is_empty() {
        return Ok(0);
    }
    decide_and_start(&context.gate, items).await
}

fn start_item(gate: &Gate, tenant: &TenantId) -> Item {
    let deadline = gate.clock.now() + gate.policy.start_within;
    Item { tenant_id: tenant.clone(), change: Change::Start { up_to: u32::MAX, deadline } }
}

async fn decide_and_start(gate: &Gate, items: Vec<Item>) -> Result<usize, PortError> {
    let tenants: Vec<TenantId> = items.iter().map(|item| item.tenant_id.clone()).collect();
    let answers = gate.apply_all(items).await?;
    let mut count = 0;
    for (tenant, answer) in tenants.iter().zip(answers) {
        if let Outcome::Started(entries) = answer.outcome {
            for entry in entries {
                match start(gate, tenant, &entry).await {
                    Ok(()) => count += 1,
                    // Its entry is ACTIVE: the reaper goes on from there.
                    Err(error) => {
                        tracing::warn!(tenant.id = %tenant, run.id = %entry.run_id, %error, "not started yet");
                    }
                }
            }
        }
    }
    Ok(count)
}
