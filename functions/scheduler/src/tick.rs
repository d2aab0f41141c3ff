//! The tick: publishes the run requests of every slot and retry that is due, then advances their schedules.
//!
//! Published first, advanced second: a death in between, or a second tick at the same time, publishes again what
//! was published, and the run's id makes the repetition harmless. However many schedules are due, a tick reads
//! them in one statement and advances them in one.

use chrono::{DateTime, Utc};
use common::events::{Event, RunRequested};
use common::port::PortError;
use common::schedule::Schedule;
use common::state::Advance;
use serde::Serialize;

use crate::Context;

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Ticked {
    /// Schedules that were due.
    pub due: usize,
    /// Run requests published, retries among them.
    pub published: usize,
    /// Schedules whose missed slots were left out, as their catch-up policy says.
    pub skipped: usize,
    /// Schedules that this tick advanced; another tick, or an edit, came first for the others.
    pub advanced: usize,
}

/// One tick. Ticks may overlap, and a lost one is made up for by the next.
pub async fn tick(context: &Context) -> Result<Ticked, PortError> {
    let now = context.gate.clock.now();
    let mut ticked = Ticked::default();
    let (mut events, mut advances) = (Vec::new(), Vec::new());
    for schedule in context.schedules.due(now).await? {
        ticked.due += 1;
        let slots = schedule.due_slots(now);
        ticked.skipped += usize::from(slots.skipped);
        let retries = schedule.retries.iter().filter(|retry| retry.due_at <= now);
        let retries: Vec<_> = retries.map(|retry| (retry.slot, retry.attempt)).collect();
        let first = slots.run.iter().map(|slot| (*slot, 1));
        let attempts = first.chain(retries.iter().copied());
        events.extend(attempts.map(|(slot, attempt)| request(&schedule, slot, attempt)));
        advances.push(Advance {
            config_id: schedule.config_id,
            read: (schedule.revision, schedule.next_run_time),
            next_run_time: slots.next,
            published: retries,
        });
    }
    if !events.is_empty() {
        context.events.publish(&events).await?;
    }
    ticked.published = events.len();
    ticked.advanced = context.schedules.advance(&advances, now).await?;
    Ok(ticked)
}

/// The request of an attempt of a slot.
pub(crate) fn request(schedule: &Schedule, slot: DateTime<Utc>, attempt: u32) -> Event {
    Event::RunRequested(RunRequested {
        tenant_id: schedule.tenant_id.clone(),
        user_id: schedule.created_by.clone(),
        config_id: schedule.config_id,
        slot,
        attempt,
    })
}
