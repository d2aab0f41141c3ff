//! Slots that no tick saw in time.

use std::sync::Arc;

use chrono::TimeDelta;
use common::pipeline::Catalog;
use common::schedule::{CatchUp, Schedule};
use common::state::{ScheduleChange, Schedules};
use local::events;

use crate::scheduled::{at, daily, put, stored, tick, told};
use crate::world::{Tenant, World};

/// Stopped for five slots, from the 18th to the 22nd; the world begins on Monday the 17th, ten in the morning.
async fn stopped(catchup: CatchUp, max_catchup: u32) -> (World, Tenant, Schedule) {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let schedule = Schedule { catchup, max_catchup, ..daily(&world, &acme, 1) };
    put(&world, &schedule).await;
    world.set_time("2025-11-17T11:00:10Z");
    assert_eq!(tick(&world).await.published, 1);
    world.set_time("2025-11-22T13:30:00Z");
    (world, acme, schedule)
}

/// The dates that the tenant's runs were given, oldest first.
async fn dates(world: &World, tenant: &Tenant) -> Vec<String> {
    let mut runs = world.runs(tenant).await;
    runs.sort_by_key(|run| run.slot.map(|slot| slot.slot));
    runs.iter().map(|run| run.parameters["date"]["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn five_missed_slots_run_as_the_policy_says_each_with_its_own_date() {
    let cases: [(CatchUp, u32, &[&str]); 4] = [
        (CatchUp::None, 24, &[]),
        (CatchUp::Last, 24, &["2025-11-21"]),
        (CatchUp::All, 24, &["2025-11-17", "2025-11-18", "2025-11-19", "2025-11-20", "2025-11-21"]),
        (CatchUp::All, 2, &["2025-11-20", "2025-11-21"]),
    ];
    for (catchup, max_catchup, missed) in cases {
        let (world, acme, schedule) = stopped(catchup, max_catchup).await;
        let ticked = tick(&world).await;
        assert_eq!((ticked.due, ticked.published, ticked.advanced), (1, missed.len(), 1));
        assert_eq!(ticked.skipped, usize::from(missed.len() < 5), "{catchup}");
        let expected: Vec<&str> = ["2025-11-16"].iter().chain(missed).copied().collect();
        assert_eq!(dates(&world, &acme).await, expected, "{catchup}");
        let next = stored(&world, &schedule).await.next_run_time;
        assert_eq!(next, Some(at("2025-11-23T11:00:00Z")), "{catchup}");
        assert_eq!(tick(&world).await.due, 0);
        // On time again, every policy runs the slot.
        world.set_time("2025-11-23T11:01:00Z");
        assert_eq!(tick(&world).await.published, 1, "{catchup}");
    }
}

#[tokio::test]
async fn a_paused_schedule_catches_up_when_it_is_resumed() {
    let (world, acme, schedule) = stopped(CatchUp::All, 24).await;
    let set = async |is_active| {
        let schedule = Schedule { is_active, ..stored(&world, &schedule).await };
        let change = ScheduleChange { schedule, refire: false };
        assert!(world.state.change_schedule(&change).await.unwrap());
    };
    set(false).await;
    assert_eq!(tick(&world).await.due, 0);
    world.pass(TimeDelta::days(1));
    set(true).await;
    assert_eq!(tick(&world).await.published, 6);
    assert_eq!(dates(&world, &acme).await.len(), 7);
}

#[tokio::test]
async fn a_suspended_tenant_catches_up_when_it_is_active_again() {
    let (world, acme, schedule) = stopped(CatchUp::Last, 24).await;
    world.change(&acme, serde_json::json!({"status": "SUSPENDED"})).await;
    assert_eq!(tick(&world).await.due, 0);
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
    world.change(&acme, serde_json::json!({"status": "ACTIVE"})).await;
    assert_eq!(tick(&world).await.published, 1);
    assert_eq!(dates(&world, &acme).await, ["2025-11-16", "2025-11-21"]);
}

#[tokio::test]
async fn where_the_plan_lets_in_fewer_the_newest_slots_run() {
    let (world, acme, schedule) = stopped(CatchUp::All, 24).await;
    world.change(&acme, serde_json::json!({"limits": {"daily_limit": 2}})).await;
    tick(&world).await;
    let expected = [
        "17 11:00 1 SUBMITTED",
        "18 11:00 1 SKIPPED_QUOTA",
        "19 11:00 1 SKIPPED_QUOTA",
        "20 11:00 1 SKIPPED_QUOTA",
        "21 11:00 1 SUBMITTED",
        "22 11:00 1 SUBMITTED",
    ];
    assert_eq!(told(&world, &schedule).await, expected);
}

/// A template that takes yesterday in a zone unless it is told a date.
const YESTERDAY: &str = "
description: One statement.
parameters:
  date: {type: DATE, default: yesterday, timezone: Asia/Kolkata, description: The day.}
steps:
  - id: only
    type: sql
    query: SELECT @date AS day
    target: {table: days}
    mode: replace
";

#[tokio::test]
async fn a_template_that_means_yesterday_means_the_day_before_the_slot() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let schedule = Schedule {
        parameters: serde_json::Map::new(),
        template: "example/etl/day".parse().unwrap(),
        catchup: CatchUp::All,
        ..daily(&world, &acme, 1)
    };
    put(&world, &schedule).await;
    let mut trigger = world.trigger.clone();
    let catalog = Catalog::from_files([("example/etl/day.yml", YESTERDAY)]).unwrap();
    trigger.gate.templates = Arc::new(catalog);
    world.set_time("2025-11-19T20:00:00Z");
    scheduler::tick::tick(&world.scheduler).await.unwrap();
    events::empty(&world.mailbox, &trigger).await.unwrap();
    assert_eq!(dates(&world, &acme).await, ["2025-11-16", "2025-11-17", "2025-11-18"]);
}
