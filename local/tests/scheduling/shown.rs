//! Schedules as they are shown: when they fire in their zone, and what became of their slots.

use chrono::TimeDelta;
use common::run::{FailureKind, RunStatus};
use common::schedule::{SlotRecord, SlotState};
use common::state::Slots;
use common::tenant::UserId;
use serde_json::{Value, json};

use crate::asked::{list, make, path, read, removal, with};
use crate::retries::end;
use crate::scheduled::{at, daily, key, put, tick};
use crate::world::World;

#[tokio::test]
async fn five_fire_times_follow_the_zone_over_its_changes() {
    let cases = [
        (
            "30 2 * * *",
            "2026-03-27T12:00:00Z",
            [
                "2026-03-28T02:30:00+01:00",
                // 02:30 does not exist that day.
                "2026-03-29T03:00:00+02:00",
                "2026-03-30T02:30:00+02:00",
                "2026-03-31T02:30:00+02:00",
                "2026-04-01T02:30:00+02:00",
            ],
        ),
        (
            "30 2 * * *",
            "2026-10-23T12:00:00Z",
            [
                "2026-10-24T02:30:00+02:00",
                // The first of two.
                "2026-10-25T02:30:00+02:00",
                "2026-10-26T02:30:00+01:00",
                "2026-10-27T02:30:00+01:00",
                "2026-10-28T02:30:00+01:00",
            ],
        ),
        (
            "0 * * * *",
            "2026-10-24T22:30:00Z",
            [
                "2026-10-25T01:00:00+02:00",
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T03:00:00+01:00",
                "2026-10-25T04:00:00+01:00",
                "2026-10-25T05:00:00+01:00",
            ],
        ),
    ];
    for (cron, now, times) in cases {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        world.set_time(now);
        for is_active in [true, false] {
            let body = with(json!({"schedule_cron": cron, "is_active": is_active}));
            let made = make(&world, &acme, &body).await;
            assert_eq!(made["next_run_times"], json!(times), "{cron} {now}");
            let next: chrono::DateTime<chrono::Utc> = at(made["next_run_time"].as_str().unwrap());
            assert_eq!(next, at(times[0]), "{cron} {now}");
        }
    }
}

#[tokio::test]
async fn a_due_slot_is_the_next_and_not_among_those_that_come() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let made = make(&world, &acme, &with(json!({}))).await;
    world.set_time("2025-11-17T11:00:00Z");
    let due = read(&world, &acme, &made).await;
    assert_eq!(due["next_run_time"], "2025-11-17T11:00:00Z");
    assert_eq!(due["next_run_times"][0], "2025-11-18T12:00:00+01:00");
    tick(&world).await;
    let ticked = read(&world, &acme, &made).await;
    assert_eq!(ticked["next_run_time"], "2025-11-18T11:00:00Z");
    assert_eq!(ticked["next_run_times"], due["next_run_times"]);
    assert_eq!(ticked["updated_at"], made["updated_at"], "a tick is no change of its owner's");
}

#[tokio::test]
async fn one_that_never_fires_again_says_so() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let mut schedule = daily(&world, &acme, 1);
    schedule.next_run_time = None;
    put(&world, &schedule).await;
    world.set_time("2200-06-01T00:00:00Z");
    let [shown] = &list(&world, &acme).await[..] else { panic!("one schedule") };
    assert_eq!((&shown["next_run_time"], &shown["next_run_times"]), (&json!(null), &json!([])));
}

#[tokio::test]
async fn the_newest_twenty_slots_are_shown_with_the_runs_they_have() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let schedule = daily(&world, &acme, 1);
    put(&world, &schedule).await;
    put(&world, &daily(&world, &acme, 2)).await;
    let states = [
        SlotState::Pending,
        SlotState::Submitted,
        SlotState::SkippedQuota,
        SlotState::Refused,
        SlotState::Completed,
        SlotState::Failed,
        SlotState::Cancelled,
        SlotState::TimedOut,
        SlotState::Expired,
    ];
    for day in 0..25 {
        let slot = at("2025-10-01T10:00:00Z") + TimeDelta::days(day);
        let key = key(&schedule, &slot.to_rfc3339(), 1);
        let updated_at = slot + TimeDelta::seconds(1);
        let (user_id, state, reason) = (UserId::parse("zoë").unwrap(), SlotState::Pending, None);
        let record = SlotRecord {
            date: schedule.date(key.slot),
            key: key.clone(),
            user_id,
            state,
            reason,
            updated_at,
        };
        world.state.begin_attempt(&record).await.unwrap();
        let state = states[usize::try_from(day).unwrap() % states.len()];
        if state != SlotState::Pending {
            let at = updated_at + TimeDelta::seconds(1);
            assert!(world.state.settle_attempt(&key, state, Some("said"), at).await.unwrap());
        }
    }
    let made = json!({"config_id": schedule.config_id.to_string()});
    let details = read(&world, &acme, &made).await;
    let slots = details["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 20);
    for (nth, slot) in slots.iter().enumerate() {
        let day = 24 - nth;
        let due = at("2025-10-01T10:00:00Z") + TimeDelta::days(i64::try_from(day).unwrap());
        let state = states[day % states.len()];
        let key = key(&schedule, &due.to_rfc3339(), 1);
        let run = if state.has_run() { json!(key.run_id().to_string()) } else { Value::Null };
        let pending = state == SlotState::Pending;
        let updated_at = due + TimeDelta::seconds(if pending { 1 } else { 2 });
        let expected = json!({
            "slot": due,
            "attempt": 1,
            "state": state.as_str(),
            "pipeline_logging_id": run,
            "reason": if pending { Value::Null } else { json!("said") },
            "updated_at": updated_at,
        });
        assert_eq!(slot, &expected, "{nth}");
    }
    let other = json!({"config_id": daily(&world, &acme, 2).config_id.to_string()});
    assert_eq!(read(&world, &acme, &other).await["slots"], json!([]));
}

#[tokio::test]
async fn a_retry_is_shown_while_it_waits_and_runs_outlive_their_schedule() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let body = with(json!({"retry_count": 1, "retry_backoff_seconds": 60}));
    let made = make(&world, &acme, &body).await;
    world.set_time("2025-11-17T11:00:10Z");
    tick(&world).await;
    let run = world.runs(&acme).await[0].run_id;
    end(&world, run, RunStatus::Failed, Some(FailureKind::Step), 1).await;
    let failed = read(&world, &acme, &made).await;
    let waits = json!([
        {
            "slot": "2025-11-17T11:00:00Z", "date": "2025-11-17", "attempt": 2,
            "due_at": "2025-11-17T11:01:10Z",
        },
    ]);
    assert_eq!(failed["retries"], waits);
    assert_eq!(failed["slots"][0]["state"], "FAILED");
    assert_eq!(failed["slots"][0]["reason"], "ended by the test");

    assert_eq!(world.send(removal(&acme, &made)).await.status, 204);
    for request in [removal(&acme, &made), acme.get(&format!("{}/x", path(&acme)))] {
        assert_eq!(world.send(request).await.status, 404);
    }
    world.set_time("2025-11-18T12:00:00Z");
    assert_eq!(tick(&world).await.due, 0);
    assert_eq!(world.status(&acme, run).await, "FAILED");
    let config = made["config_id"].as_str().unwrap().parse().unwrap();
    let records = world.state.newest_attempts(&acme.tenant_id(), config, 5).await.unwrap();
    assert_eq!(records.len(), 1);
}
