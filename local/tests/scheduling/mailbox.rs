//! Run requests between their publication and their handling.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use common::events::RunRequested;
use common::port::PortError;
use common::run::{FailureKind, RunStatus};
use common::schedule::{ConfigId, Retry, Schedule, SlotKey, SlotRecord, SlotState};
use common::state::{Advance, Begun, Created, ScheduleChange, Schedules, Slots};
use common::tenant::TenantId;
use local::events;
use local::events::mailbox::Mailbox;
use local::node::DataDir;

use crate::retries::end;
use crate::scheduled::{daily, deliver, put, run_of, tick, told};
use crate::world::World;

/// The tenant's tables cannot be reached.
struct Away;

fn away<T>() -> Result<T, PortError> {
    Err(PortError::Unavailable("the tables are away".to_owned()))
}

/// A defect.
struct Broken;

#[async_trait]
impl Slots for Away {
    async fn begin_attempt(&self, _: &SlotRecord) -> Result<Begun, PortError> {
        away()
    }

    async fn settle_attempt(
        &self,
        _: &SlotKey,
        _: SlotState,
        _: Option<&str>,
        _: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        away()
    }

    async fn attempts(
        &self,
        _: &TenantId,
        _: ConfigId,
        _: DateTime<Utc>,
    ) -> Result<Vec<SlotRecord>, PortError> {
        away()
    }

    async fn open_attempts(&self, _: &TenantId) -> Result<Vec<SlotRecord>, PortError> {
        away()
    }

    async fn newest_attempts(
        &self,
        _: &TenantId,
        _: ConfigId,
        _: u32,
    ) -> Result<Vec<SlotRecord>, PortError> {
        away()
    }
}

#[async_trait]
impl Schedules for Broken {
    async fn create_schedule(&self, _: &Schedule, _: u32) -> Result<Created, PortError> {
        away()
    }

    async fn schedule(&self, _: ConfigId) -> Result<Option<Schedule>, PortError> {
        panic!("a defect")
    }

    async fn schedules_of(&self, _: &TenantId) -> Result<Vec<Schedule>, PortError> {
        away()
    }

    async fn change_schedule(&self, _: &ScheduleChange) -> Result<bool, PortError> {
        away()
    }

    async fn delete_schedule(&self, _: &TenantId, _: ConfigId) -> Result<bool, PortError> {
        away()
    }

    async fn due(&self, _: DateTime<Utc>) -> Result<Vec<Schedule>, PortError> {
        away()
    }

    async fn advance(&self, _: &[Advance], _: DateTime<Utc>) -> Result<usize, PortError> {
        away()
    }

    async fn plan_retry(&self, _: ConfigId, _: &Retry) -> Result<(), PortError> {
        away()
    }

    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        away()
    }
}

/// A published slot that nobody has handled.
async fn published() -> (World, Schedule) {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let schedule = daily(&world, &acme, 1);
    put(&world, &schedule).await;
    world.set_time("2025-11-17T11:00:05Z");
    scheduler::tick::tick(&world.scheduler).await.unwrap();
    (world, schedule)
}

#[tokio::test]
async fn what_was_published_outlives_the_process() {
    let (world, schedule) = published().await;
    let db = DataDir::open(world.folder()).unwrap().db().unwrap();
    let reopened = Mailbox::open(db, world.clock.clone()).unwrap();
    assert_eq!(reopened.due(10).unwrap(), world.mailbox.due(10).unwrap());
    events::empty(&reopened, &world.trigger).await.unwrap();
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
    assert_eq!(world.mailbox.due(10).unwrap(), []);
}

#[tokio::test]
async fn what_fails_is_delivered_again_later_and_given_up_in_the_end() {
    let (world, schedule) = published().await;
    let broken = trigger::State { slots: Arc::new(Away), ..world.trigger.clone() };
    let mut deliveries = 0;
    let mut waited = TimeDelta::zero();
    loop {
        events::empty(&world.mailbox, &broken).await.unwrap();
        deliveries += 1;
        assert_eq!(world.mailbox.due(10).unwrap(), [], "not at once");
        if deliveries == 100 {
            break;
        }
        let before = waited;
        while world.mailbox.due(10).unwrap().is_empty() {
            world.pass(TimeDelta::seconds(10));
            waited += TimeDelta::seconds(10);
        }
        let wait = [10, 20, 40, 80, 160, 320, 600][deliveries.min(7) - 1];
        assert_eq!(waited - before, TimeDelta::seconds(wait), "after {deliveries} deliveries");
    }
    world.pass(TimeDelta::days(30));
    deliver(&world).await;
    assert_eq!(told(&world, &schedule).await, [""; 0], "an operator can resubmit the slot");
}

#[tokio::test]
async fn a_handling_that_panics_is_tried_again_like_one_that_fails() {
    let (world, schedule) = published().await;
    let broken = trigger::State { schedules: Arc::new(Broken), ..world.trigger.clone() };
    events::empty(&world.mailbox, &broken).await.unwrap();
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 PENDING"]);
    world.pass(TimeDelta::seconds(10));
    deliver(&world).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
}

#[tokio::test]
async fn a_tenant_with_many_requests_holds_up_no_other() {
    let (world, schedule) = published().await;
    let own = world.mailbox.due(1).unwrap().remove(0);
    let minute = |n| RunRequested {
        slot: schedule.created_at + TimeDelta::minutes(n),
        ..own.request.clone()
    };
    let many: Vec<RunRequested> = (0..300).map(minute).collect();
    world.mailbox.done(own.id).unwrap();
    world.mailbox.put(&many.iter().collect::<Vec<_>>()).unwrap();
    let beta = world.onboard("beta", "STARTER").await;
    let other = RunRequested { tenant_id: beta.tenant_id(), ..own.request };
    world.mailbox.put(&[&other]).unwrap();
    let first: Vec<_> = world.mailbox.due(2).unwrap();
    assert_eq!(first[0].request, many[0]);
    assert_eq!(first[1].request, other);
}

#[tokio::test]
async fn a_slot_that_cannot_be_settled_holds_no_place() {
    for way in ["told", "queue", "reaper"] {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        let schedule = daily(&world, &acme, 1);
        put(&world, &schedule).await;
        world.set_time("2025-11-17T11:00:05Z");
        tick(&world).await;
        let run = run_of(&schedule, "2025-11-17T11:00:00Z", 1);
        end(&world, run, RunStatus::Failed, Some(FailureKind::Step), 0).await;
        let away = scheduler::Context { slots: Arc::new(Away), ..world.scheduler.clone() };
        let attempt = world.launcher.of(run).unwrap().launch.attempt;
        let (tenant_id, run_id) = (acme.tenant_id(), run);
        let event = common::events::Event::RunFinished { tenant_id, run_id, attempt };
        match way {
            "told" => scheduler::queue::handle(&away, &event).await.unwrap(),
            "queue" => drop(scheduler::queue::process(&away).await.unwrap()),
            _ => drop(scheduler::reaper::pass(&away).await.unwrap()),
        }
        assert_eq!(world.usage(&acme).await["pipelines_running"], 0, "{way}");
        assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"], "{way}");
        world.reap().await;
        assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED"], "{way}");
    }
}
