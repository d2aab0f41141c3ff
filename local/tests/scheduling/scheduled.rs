//! Schedules in a world, and what becomes of their slots.

use chrono::{DateTime, Utc};
use common::pipeline::TemplateId;
use common::run::RunId;
use common::schedule::{
    CatchUp, ConfigId, CronSchedule, RetryPolicy, Schedule, SlotKey, SlotRecord,
};
use common::state::{Created, Schedules, Slots};
use common::tenant::UserId;
use local::events;
use serde_json::json;
use uuid::Uuid;

use crate::world::{Tenant, World};

/// An instant.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The tenant's `n`th billing schedule: the day before each slot's, at noon in Vienna.
pub(crate) fn daily(world: &World, tenant: &Tenant, n: u128) -> Schedule {
    let now = world.clock.now();
    let mut schedule = Schedule {
        config_id: ConfigId(Uuid::new_v5(&Uuid::from_u128(n), tenant.id.as_bytes())),
        tenant_id: tenant.tenant_id(),
        template: TemplateId::new("gcp", "cost", "billing").unwrap(),
        cron: CronSchedule::parse("0 12 * * *").unwrap(),
        zone: "Europe/Vienna".parse().unwrap(),
        parameters: json!({"date": "{{ slot_date - 1 day }}"}).as_object().unwrap().clone(),
        is_active: true,
        next_run_time: None,
        priority: 100,
        catchup: CatchUp::Last,
        max_catchup: 24,
        retry: RetryPolicy::default(),
        retries: Vec::new(),
        created_by: UserId::parse("zoë").unwrap(),
        fingerprint: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    schedule.next_run_time = schedule.next_after(now);
    schedule
}

/// Records a schedule.
pub(crate) async fn put(world: &World, schedule: &Schedule) {
    let made = world.state.create_schedule(schedule, 100).await.unwrap();
    assert_eq!(made, Created::Made);
}

/// One tick, and every message that is due is handled.
pub(crate) async fn tick(world: &World) -> scheduler::tick::Ticked {
    let ticked = scheduler::tick::tick(&world.scheduler).await.unwrap();
    deliver(world).await;
    ticked
}

/// Every message that is due is handled.
pub(crate) async fn deliver(world: &World) {
    events::empty(&world.mailbox, &world.trigger).await.unwrap();
}

/// An attempt of a slot.
pub(crate) fn key(schedule: &Schedule, slot: &str, attempt: u32) -> SlotKey {
    SlotKey {
        tenant_id: schedule.tenant_id.clone(),
        config_id: schedule.config_id,
        slot: at(slot),
        attempt,
    }
}

/// The run of an attempt.
pub(crate) fn run_of(schedule: &Schedule, slot: &str, attempt: u32) -> RunId {
    key(schedule, slot, attempt).run_id()
}

/// The schedule's records, newest first.
pub(crate) async fn records(world: &World, schedule: &Schedule) -> Vec<SlotRecord> {
    let (tenant, config) = (&schedule.tenant_id, schedule.config_id);
    world.state.newest_attempts(tenant, config, 1_000).await.unwrap()
}

/// The records as slot, attempt and state, oldest first.
pub(crate) async fn told(world: &World, schedule: &Schedule) -> Vec<String> {
    let line = |record: &SlotRecord| {
        let SlotKey { slot, attempt, .. } = &record.key;
        format!("{} {attempt} {}", slot.format("%d %H:%M"), record.state)
    };
    records(world, schedule).await.iter().rev().map(line).collect()
}

/// The schedule as it is stored.
pub(crate) async fn stored(world: &World, schedule: &Schedule) -> Schedule {
    world.state.schedule(schedule.config_id).await.unwrap().unwrap()
}
