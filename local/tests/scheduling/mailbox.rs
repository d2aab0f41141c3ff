//! Run requests between their publication and their handling.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use common::port::PortError;
use common::schedule::{ConfigId, SlotKey, SlotRecord, SlotState};
use common::state::{Begun, Slots};
use common::tenant::TenantId;
use local::events;
use local::events::mailbox::Mailbox;
use local::node::DataDir;

use crate::scheduled::{daily, deliver, put, told};
use crate::world::World;

/// The tenant's tables cannot be reached.
struct Away;

fn away<T>() -> Result<T, PortError> {
    Err(PortError::Unavailable("the tables are away".to_owned()))
}

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

/// A published slot that nobody has handled.
async fn published() -> (World, common::schedule::Schedule) {
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
