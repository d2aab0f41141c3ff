//! Runs that failed, and the attempts after them.

use chrono::TimeDelta;
use common::events::Event;
use common::run::{Ending, FailureKind, RunId, RunStatus};
use common::schedule::{RetryPolicy, Schedule};
use common::state::{Runs, ScheduleChange, Schedules, Transition};
use scheduler::queue;

use crate::scheduled::{daily, put, run_of, stored, tick, told};
use crate::world::{Tenant, World};

const SLOT: &str = "2025-11-17T11:00:00Z";

/// A daily schedule whose slot of today has a run.
async fn started(retry: RetryPolicy) -> (World, Tenant, Schedule) {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let schedule = Schedule { retry, ..daily(&world, &acme, 1) };
    put(&world, &schedule).await;
    world.set_time("2025-11-17T11:00:05Z");
    assert_eq!(tick(&world).await.published, 1);
    (world, acme, schedule)
}

/// The run's execution claims it and ends it so; what it tells comes as often as is said.
pub(crate) async fn end(
    world: &World,
    run: RunId,
    status: RunStatus,
    kind: Option<FailureKind>,
    told: u32,
) {
    world.claim(run).await;
    let launch = world.launcher.of(run).unwrap().launch;
    let ending = Ending::of(status, kind, "ended by the test");
    let end = Transition::EndClaimed { attempt: launch.attempt, ending, at: world.clock.now() };
    assert!(world.state.transition(&launch.tenant_id, run, &end).await.unwrap());
    for _ in 0..told {
        let (tenant_id, attempt) = (launch.tenant_id.clone(), launch.attempt);
        let event = Event::RunFinished { tenant_id, run_id: run, attempt };
        queue::handle(&world.scheduler, &event).await.unwrap();
    }
}

async fn fail(world: &World, schedule: &Schedule, attempt: u32) {
    let run = run_of(schedule, SLOT, attempt);
    end(world, run, RunStatus::Failed, Some(FailureKind::Step), 2).await;
}

#[tokio::test]
async fn a_failed_run_is_tried_again_with_its_own_run_and_only_as_often_as_the_policy_says() {
    let (world, acme, schedule) = started(RetryPolicy { count: 2, backoff_seconds: 300 }).await;
    for (attempt, wait) in [(1, 300), (2, 600)] {
        fail(&world, &schedule, attempt).await;
        let waiting = stored(&world, &schedule).await.retries;
        assert_eq!(waiting.len(), 1, "told twice, planned once");
        assert_eq!(waiting[0].attempt, attempt + 1);
        world.pass(TimeDelta::seconds(wait - 1));
        assert_eq!(tick(&world).await.published, 0, "before its time");
        world.pass(TimeDelta::seconds(1));
        assert_eq!(tick(&world).await.published, 1);
        assert_eq!(tick(&world).await.published, 0, "it waits no more");
    }
    fail(&world, &schedule, 3).await;
    assert_eq!(stored(&world, &schedule).await.retries, []);
    let expected = ["17 11:00 1 FAILED", "17 11:00 2 FAILED", "17 11:00 3 FAILED"];
    assert_eq!(told(&world, &schedule).await, expected);
    let runs = world.runs(&acme).await;
    let dates: Vec<_> = runs.iter().map(|run| run.parameters["date"]["value"].clone()).collect();
    assert_eq!(dates, ["2025-11-16", "2025-11-16", "2025-11-16"], "the slot's, not the retry's");
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 3, "each counts");
}

#[tokio::test]
async fn only_what_may_go_better_is_tried_again() {
    use FailureKind::{DataQuality, Guard, Lost, Start, Step, Template};
    for (status, kind, again) in [
        (RunStatus::Failed, Some(Step), true),
        (RunStatus::Failed, Some(DataQuality), true),
        (RunStatus::Failed, Some(Lost), true),
        (RunStatus::Failed, Some(Start), true),
        (RunStatus::TimedOut, None, true),
        (RunStatus::Failed, Some(Guard), false),
        (RunStatus::Failed, Some(Template), false),
        (RunStatus::Cancelled, None, false),
        (RunStatus::Completed, None, false),
    ] {
        let (world, _, schedule) = started(RetryPolicy { count: 1, backoff_seconds: 0 }).await;
        end(&world, run_of(&schedule, SLOT, 1), status, kind, 1).await;
        let ticked = tick(&world).await;
        assert_eq!(ticked.published, usize::from(again), "{status} {kind:?}");
        assert_eq!(told(&world, &schedule).await[0], format!("17 11:00 1 {status}"));
    }
}

#[tokio::test]
async fn an_end_that_nobody_told_of_is_found_by_the_reaper() {
    let (world, _, schedule) = started(RetryPolicy { count: 1, backoff_seconds: 60 }).await;
    let run = run_of(&schedule, SLOT, 1);
    end(&world, run, RunStatus::Failed, Some(FailureKind::Step), 0).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
    world.reap().await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED"]);
    world.pass(TimeDelta::seconds(60));
    assert_eq!(tick(&world).await.published, 1);
    world.finish(run_of(&schedule, SLOT, 2)).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED", "17 11:00 2 COMPLETED"]);
}

#[tokio::test]
async fn a_retry_of_a_schedule_that_is_gone_or_paused_does_not_run() {
    for gone in [true, false] {
        let (world, acme, schedule) = started(RetryPolicy { count: 1, backoff_seconds: 60 }).await;
        fail(&world, &schedule, 1).await;
        if gone {
            let id = schedule.config_id;
            assert!(world.state.delete_schedule(&acme.tenant_id(), id).await.unwrap());
        } else {
            let schedule = Schedule { is_active: false, ..stored(&world, &schedule).await };
            let paused = ScheduleChange { schedule, refire: false };
            assert!(world.state.change_schedule(&paused).await.unwrap());
        }
        world.pass(TimeDelta::hours(1));
        assert_eq!(tick(&world).await.published, 0);
        assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED"]);
    }
}

#[tokio::test]
async fn a_run_that_expires_in_the_queue_ends_its_slot() {
    let (world, acme, schedule) = started(RetryPolicy { count: 3, backoff_seconds: 0 }).await;
    world.change(&acme, serde_json::json!({"limits": {"concurrent_limit": 1}})).await;
    let other = daily(&world, &acme, 2);
    let other = Schedule { cron: "1 12 * * *".parse().unwrap(), ..other };
    let other = Schedule { next_run_time: other.next_after(world.clock.now()), ..other };
    put(&world, &other).await;
    world.set_time("2025-11-17T11:01:05Z");
    tick(&world).await;
    let queued = run_of(&other, "2025-11-17T11:01:00Z", 1);
    let run = Runs::get(&*world.state, &acme.tenant_id(), queued).await.unwrap().unwrap();
    assert_eq!(run.status, RunStatus::Queued);
    world.claim(run_of(&schedule, SLOT, 1)).await;
    world.pass(world.gate().policy.queued_for);
    world.reap().await;
    assert_eq!(told(&world, &other).await, ["17 11:01 1 EXPIRED"]);
    assert_eq!(stored(&world, &other).await.retries, []);
}

#[tokio::test]
async fn a_slot_keeps_its_date_whatever_becomes_of_the_zone() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let schedule = Schedule {
        cron: "30 23 * * *".parse().unwrap(),
        zone: "UTC".parse().unwrap(),
        retry: RetryPolicy { count: 1, backoff_seconds: 0 },
        ..daily(&world, &acme, 1)
    };
    let schedule = Schedule { next_run_time: schedule.next_after(world.clock.now()), ..schedule };
    put(&world, &schedule).await;
    world.set_time("2025-11-17T23:30:05Z");
    tick(&world).await;
    let slot = "2025-11-17T23:30:00Z";
    end(&world, run_of(&schedule, slot, 1), RunStatus::Failed, Some(FailureKind::Step), 1).await;
    let now = stored(&world, &schedule).await;
    let moved = Schedule { zone: "Asia/Tokyo".parse().unwrap(), ..now };
    let change = ScheduleChange { schedule: moved, refire: true };
    assert!(world.state.change_schedule(&change).await.unwrap());
    assert_eq!(tick(&world).await.published, 1);
    let runs = world.runs(&acme).await;
    let dates: Vec<_> = runs.iter().map(|run| run.parameters["date"]["value"].clone()).collect();
    assert_eq!(dates, ["2025-11-16", "2025-11-16"]);
}
