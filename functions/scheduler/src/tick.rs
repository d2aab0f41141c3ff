//! The tick: publishes the run requests of every slot and retry that is due, then advances their schedules.
//!
//! Published first, advanced second: a death in between, or a second tick at the same time, publishes again what
//! was published, and the run's id makes the repetition harmless. However many schedules are due, a tick reads
//! them in one statement and advances them in one, or in one for each ten thousand requests.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use common::events::{Event, RunRequested};
use common::port::PortError;
use common::schedule::Schedule;
use common::state::Advance;
use serde::Serialize;

use crate::Context;

/// Requests of one batch: more come only where very many slots were missed.
const MOST_EVENTS: usize = 10_000;
/// No batch is begun after this: a request is given up after 60 s, and what was published is to be advanced too.
const TICK_FOR: TimeDelta = TimeDelta::seconds(20);

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

/// One tick. Ticks may overlap, and a lost one is made up for by the next; so is what is left when a tick after long
/// silence has run out of time.
pub async fn tick(context: &Context) -> Result<Ticked, PortError> {
    let clock = &context.gate.clock;
    let began = clock.now();
    let mut ticked = Ticked::default();
    let mut batch = Batch::default();
    let due = context.schedules.due(began).await?;
    let lag = lag(&due, began);
    for schedule in due {
        ticked.due += 1;
        batch.add(&schedule, began, &mut ticked);
        if batch.events.len() >= MOST_EVENTS {
            std::mem::take(&mut batch).send(context, &mut ticked).await?;
            if clock.now() - began >= TICK_FOR {
                return Ok(ticked.noted(lag));
            }
        }
    }
    batch.send(context, &mut ticked).await?;
    Ok(ticked.noted(lag))
}

/// How long the oldest slot or retry of these has been due.
pub(crate) fn lag(due: &[Schedule], now: DateTime<Utc>) -> TimeDelta {
    let oldest = due.iter().flat_map(|schedule| {
        let retries = schedule.retries.iter().map(|retry| retry.due_at);
        schedule.next_run_time.into_iter().chain(retries)
    });
    oldest.min().map_or(TimeDelta::zero(), |at| (now - at).max(TimeDelta::zero()))
}

impl Ticked {
    fn noted(self, lag: TimeDelta) -> Self {
        let Self { due, published, skipped, advanced } = self;
        let lag_seconds = lag.num_seconds();
        tracing::info!(due, published, skipped, advanced, lag_seconds, "the tick has ended");
        self
    }
}

/// Requests that are published together, and the schedules that are advanced then.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    advances: Vec<Advance>,
}

impl Batch {
    fn add(&mut self, schedule: &Schedule, now: DateTime<Utc>, ticked: &mut Ticked) {
        let slots = schedule.due_slots(now);
        ticked.skipped += usize::from(slots.skipped);
        // The newest first: where a plan lets fewer in, it is the slot of today that runs.
        let first = slots.run.iter().rev().map(|slot| (*slot, schedule.date(*slot), 1));
        let retries = schedule.retries.iter().filter(|retry| retry.due_at <= now);
        let retries: Vec<_> =
            retries.map(|retry| (retry.slot, retry.date, retry.attempt)).collect();
        let attempts = first.chain(retries.iter().copied());
        let request = |(slot, date, attempt)| request(schedule, slot, date, attempt);
        self.events.extend(attempts.map(request));
        self.advances.push(Advance {
            config_id: schedule.config_id,
            read: (schedule.revision, schedule.next_run_time),
            next_run_time: slots.next,
            published: retries.iter().map(|(slot, _, attempt)| (*slot, *attempt)).collect(),
        });
    }

    async fn send(self, context: &Context, ticked: &mut Ticked) -> Result<(), PortError> {
        if !self.events.is_empty() {
            context.events.publish(&self.events).await?;
        }
        ticked.published += self.events.len();
        ticked.advanced +=
            context.schedules.advance(&self.advances, context.gate.clock.now()).await?;
        Ok(())
    }
}

/// The request of an attempt of a slot.
pub(crate) fn request(
    schedule: &Schedule,
    slot: DateTime<Utc>,
    date: NaiveDate,
    attempt: u32,
) -> Event {
    Event::RunRequested(RunRequested {
        tenant_id: schedule.tenant_id.clone(),
        user_id: schedule.created_by.clone(),
        config_id: schedule.config_id,
        slot,
        date,
        attempt,
    })
}
