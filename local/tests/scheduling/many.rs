//! Two thousand schedules of a hundred tenants, due in the same minute.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::events::{Event, EventPublisher, RunRequested};
use common::port::PortError;
use common::schedule::{ConfigId, Retry, Schedule, SlotState};
use common::state::{Advance, Created, ScheduleChange, Schedules, Slots};
use common::tenant::TenantId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use scheduler::tick::{Ticked, tick};
use tokio::sync::Barrier;

use crate::scheduled::{at, daily, put};
use crate::world::{Tenant, World};

const EACH: u128 = 20;
const SLOT: &str = "2025-11-17T11:00:00Z";

/// So many tenants with twenty daily schedules each, and all of them are due.
async fn due(tenants: usize) -> (World, Vec<Tenant>) {
    let world = World::new();
    let mut all = Vec::new();
    for n in 0..tenants {
        let tenant = world.onboard(&format!("tenant_{n:03}"), "PROFESSIONAL").await;
        for n in 0..EACH {
            put(&world, &daily(&world, &tenant, n)).await;
        }
        all.push(tenant);
    }
    world.set_time("2025-11-17T11:00:07Z");
    (world, all)
}

/// Counts calls, lets two ticks meet between reading and publishing, and dies before the next `dying` advances.
struct Watched {
    inner: Arc<dyn Schedules>,
    calls: AtomicUsize,
    meeting: Option<Barrier>,
    dying: AtomicUsize,
}

impl Watched {
    fn over(world: &World, meeting: Option<usize>, dying: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: world.state.clone(),
            calls: AtomicUsize::new(0),
            meeting: meeting.map(Barrier::new),
            dying: AtomicUsize::new(dying),
        })
    }
}

#[async_trait]
impl Schedules for Watched {
    async fn create_schedule(&self, schedule: &Schedule, most: u32) -> Result<Created, PortError> {
        self.inner.create_schedule(schedule, most).await
    }

    async fn schedule(&self, config_id: ConfigId) -> Result<Option<Schedule>, PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.schedule(config_id).await
    }

    async fn schedules_of(&self, tenant: &TenantId) -> Result<Vec<Schedule>, PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.schedules_of(tenant).await
    }

    async fn change_schedule(&self, change: &ScheduleChange) -> Result<bool, PortError> {
        self.inner.change_schedule(change).await
    }

    async fn delete_schedule(&self, tenant: &TenantId, id: ConfigId) -> Result<bool, PortError> {
        self.inner.delete_schedule(tenant, id).await
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Schedule>, PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let due = self.inner.due(now).await;
        if let Some(meeting) = &self.meeting {
            meeting.wait().await;
        }
        due
    }

    async fn advance(&self, advances: &[Advance], at: DateTime<Utc>) -> Result<usize, PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let dying = self.dying.load(Ordering::Relaxed);
        if dying > 0 {
            self.dying.store(dying - 1, Ordering::Relaxed);
            return Err(PortError::Unavailable("the tick died".to_owned()));
        }
        self.inner.advance(advances, at).await
    }

    async fn plan_retry(&self, config_id: ConfigId, retry: &Retry) -> Result<(), PortError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.plan_retry(config_id, retry).await
    }

    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        self.inner.last_tick().await
    }
}

struct Counted(Arc<dyn EventPublisher>, AtomicUsize);

#[async_trait]
impl EventPublisher for Counted {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.publish(events).await
    }
}

fn context(world: &World, schedules: &Arc<Watched>) -> scheduler::Context {
    scheduler::Context { schedules: schedules.clone(), ..world.scheduler.clone() }
}

/// What waits in the mailbox, and leaves it.
fn taken(world: &World) -> Vec<RunRequested> {
    let messages = world.mailbox.due(100_000).unwrap();
    messages
        .into_iter()
        .map(|message| {
            world.mailbox.done(message.id).unwrap();
            message.request
        })
        .collect()
}

/// Each tenant has one run for each of its schedules' slot, and each slot says so.
async fn check(world: &World, tenants: &[Tenant]) {
    for tenant in tenants {
        let runs = world.runs(tenant).await;
        let slots: HashSet<_> = runs.iter().map(|run| run.slot.unwrap().config_id).collect();
        assert_eq!((runs.len(), slots.len()), (20, 20), "{}", tenant.id);
        assert!(runs.iter().all(|run| run.slot.unwrap().slot == at(SLOT)));
        let open = world.state.open_attempts(&tenant.tenant_id()).await.unwrap();
        assert_eq!(open.len(), 20, "{}", tenant.id);
        assert!(open.iter().all(|record| record.state == SlotState::Submitted));
        assert_eq!(world.usage(tenant).await["pipelines_run_today"], 20, "{}", tenant.id);
    }
}

#[tokio::test]
async fn a_tick_costs_as_many_statements_for_two_thousand_schedules_as_for_twenty() {
    let mut counts = Vec::new();
    for tenants in [1, 100] {
        let (world, _) = due(tenants).await;
        let schedules = Watched::over(&world, None, 0);
        let events = Arc::new(Counted(world.scheduler.events.clone(), AtomicUsize::new(0)));
        let context = scheduler::Context { events: events.clone(), ..context(&world, &schedules) };
        let ticked = tick(&context).await.unwrap();
        let all = tenants * 20;
        assert_eq!(ticked, Ticked { due: all, published: all, skipped: 0, advanced: all });
        assert_eq!(tick(&context).await.unwrap(), Ticked::default(), "one tick claims all");
        counts.push((schedules.calls.load(Ordering::Relaxed), events.1.load(Ordering::Relaxed)));
    }
    assert_eq!(counts, [(4, 1), (4, 1)], "two ticks read and advance once each; one publishes");
}

#[tokio::test]
async fn every_slot_has_one_run_however_ticks_and_deliveries_go_wrong() {
    let (world, tenants) = due(100).await;
    // The first tick dies between publishing and advancing.
    let dying = Watched::over(&world, None, 1);
    tick(&context(&world, &dying)).await.unwrap_err();
    assert_eq!(world.scheduler.schedules.due(world.clock.now()).await.unwrap().len(), 2_000);
    // Two ticks at once read the same.
    let meeting = Watched::over(&world, Some(2), 0);
    let context = context(&world, &meeting);
    let (one, two) = tokio::join!(tick(&context), tick(&context));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.published, two.published), (2_000, 2_000));
    assert_eq!(one.advanced + two.advanced, 2_000, "each schedule is advanced once");

    // Three ticks published: every request is there three times.
    let mut messages = taken(&world);
    assert_eq!(messages.len(), 6_000);
    messages.shuffle(&mut StdRng::seed_from_u64(5));
    for request in &messages {
        trigger::requests::handle(&world.trigger, request).await.unwrap();
    }
    check(&world, &tenants).await;
    assert_eq!(tick(&world.scheduler).await.unwrap().due, 0);
}
