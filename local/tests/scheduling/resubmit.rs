//! Operators run slots that came to nothing; what refuses a slot; poison.

use axum::body::Body;
use axum::http::Request;
use common::events::{Event, RunRequested};
use common::http::push::Push;
use common::run::{Ending, FailureKind, RunId, RunStatus};
use common::schedule::Schedule;
use common::state::{Runs, Transition};
use local::admin;
use serde_json::{Value, json};

use crate::scheduled::{at, daily, deliver, put, records, run_of, tick, told};
use crate::world::{ADMIN, Answer, Tenant, World};

const SLOT: &str = "2025-11-17T11:00:00Z";

async fn ready() -> (World, Tenant, Schedule) {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let schedule = daily(&world, &acme, 1);
    put(&world, &schedule).await;
    world.set_time("2025-11-17T11:00:05Z");
    (world, acme, schedule)
}

async fn post(world: &World, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header(admin::HEADER, key);
    }
    world.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn resubmit(world: &World, schedule: &Schedule, slot: &str) -> Answer {
    let path = format!("/api/v1/scheduler/resubmit/{}", schedule.config_id);
    post(world, &path, Some(ADMIN), &json!({"slot": slot})).await
}

async fn push(world: &World, body: &Value) -> u16 {
    post(world, "/internal/run-requests", Some(ADMIN), body).await.status
}

fn requested(schedule: &Schedule, slot: &str, attempt: u32) -> Value {
    let event = Event::RunRequested(RunRequested {
        tenant_id: schedule.tenant_id.clone(),
        user_id: schedule.created_by.clone(),
        config_id: schedule.config_id,
        slot: at(slot),
        date: schedule.date(at(slot)),
        attempt,
    });
    serde_json::to_value(Push::of(&event, "17").unwrap()).unwrap()
}

async fn end(world: &World, run: RunId, status: RunStatus) {
    world.claim(run).await;
    let launch = world.launcher.of(run).unwrap().launch;
    let kind = (status == RunStatus::Failed).then_some(FailureKind::Step);
    let ending = Ending::of(status, kind, "ended by the test");
    let end = Transition::EndClaimed { attempt: launch.attempt, ending, at: world.clock.now() };
    assert!(world.state.transition(&launch.tenant_id, run, &end).await.unwrap());
}

#[tokio::test]
async fn over_quota_a_slot_is_recorded_as_skipped_and_an_operator_can_have_it_run() {
    let (world, acme, schedule) = ready().await;
    world.change(&acme, json!({"limits": {"daily_limit": 1, "monthly_limit": 2}})).await;
    world.accepted(&acme).await;
    tick(&world).await;
    let skipped = &records(&world, &schedule).await[0];
    assert_eq!(skipped.state.as_str(), "SKIPPED_QUOTA");
    assert_eq!(skipped.reason.as_deref(), Some("daily_limit is 1 and 1 are used"));
    // Delivered late, when there is room again, it stays skipped: the slot was given up, and recorded so.
    world.change(&acme, json!({"limits": {"daily_limit": 2}})).await;
    assert_eq!(push(&world, &requested(&schedule, SLOT, 1)).await, 204);
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SKIPPED_QUOTA"]);

    for _ in 0..2 {
        let answer = resubmit(&world, &schedule, SLOT).await;
        assert_eq!((answer.status, &answer.body["attempt"]), (202, &json!(1)), "{}", answer.body);
        assert_eq!(answer.run_id(), run_of(&schedule, SLOT, 1));
    }
    deliver(&world).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
    let answer = resubmit(&world, &schedule, SLOT).await;
    assert_eq!((answer.status, answer.problem()), (409, "slot-taken"));
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 2);
}

#[tokio::test]
async fn a_slot_whose_run_failed_gets_a_new_attempt_and_a_completed_one_none() {
    let (world, acme, schedule) = ready().await;
    tick(&world).await;
    // The end is not recorded with the slot yet: the operator's request finds it.
    end(&world, run_of(&schedule, SLOT, 1), RunStatus::Failed).await;
    for _ in 0..3 {
        let answer = resubmit(&world, &schedule, SLOT).await;
        assert_eq!((answer.status, &answer.body["attempt"]), (202, &json!(2)), "{}", answer.body);
    }
    deliver(&world).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED", "17 11:00 2 SUBMITTED"]);
    // The plan lets one run at once, and nobody told of the end of the first.
    world.reap().await;
    end(&world, run_of(&schedule, SLOT, 2), RunStatus::Completed).await;
    let answer = resubmit(&world, &schedule, SLOT).await;
    assert_eq!((answer.status, answer.problem()), (409, "slot-taken"));
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED", "17 11:00 2 COMPLETED"]);
    assert_eq!(world.runs(&acme).await.len(), 2);
}

#[tokio::test]
async fn a_lost_request_leaves_a_slot_that_can_be_run_and_no_other_can() {
    let (world, _, schedule) = ready().await;
    world.set_time("2025-11-18T11:00:05Z");
    // Published and lost: no record, but a slot of the schedule, and past.
    for (slot, status) in [
        (SLOT, 202),
        ("2025-11-17T12:00:00+01:00", 202),
        ("2025-11-17T11:00:01Z", 422),
        ("2025-11-19T11:00:00Z", 422),
        // Before it was made.
        ("2025-11-16T11:00:00Z", 422),
        ("yesterday", 422),
    ] {
        let answer = resubmit(&world, &schedule, slot).await;
        assert_eq!(answer.status, status, "{slot}: {}", answer.body);
        if status == 422 {
            assert_eq!(answer.body["errors"][0]["field"], "slot");
        }
    }
    deliver(&world).await;
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 SUBMITTED"]);
    for id in ["00000000-0000-0000-0000-000000000001", "nonsense"] {
        let path = format!("/api/v1/scheduler/resubmit/{id}");
        let answer = post(&world, &path, Some(ADMIN), &json!({"slot": SLOT})).await;
        assert_eq!((answer.status, answer.problem()), (404, "not-found"));
    }
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_its_reason_and_acknowledged() {
    let (world, acme, schedule) = ready().await;
    let made = |n| {
        let created_at = at("2025-11-17T10:00:00Z");
        Schedule { created_at, ..daily(&world, &acme, n) }
    };
    let variants: [(Schedule, &str); 4] = [
        (
            Schedule { template: "gcp/cost/gone".parse().unwrap(), ..made(2) },
            "there is no template gcp/cost/gone",
        ),
        (
            Schedule {
                parameters: json!({"date": "soon"}).as_object().unwrap().clone(),
                ..made(3)
            },
            "parameter date: a calendar date as YYYY-MM-DD, not \"soon\"",
        ),
        (
            Schedule {
                parameters: json!({"date": "{{ tomorrow }}"}).as_object().unwrap().clone(),
                ..made(4)
            },
            "parameter date: a date, or one relative to the slot such as {{ slot_date }} or \
             {{ slot_date - 1 day }}, not \"{{ tomorrow }}\"",
        ),
        // Removed and made anew under the same id, after the slot.
        (daily(&world, &acme, 6), "the schedule is gone"),
    ];
    for (schedule, reason) in &variants {
        put(&world, schedule).await;
        assert_eq!(push(&world, &requested(schedule, SLOT, 1)).await, 204);
        let record = &records(&world, schedule).await[0];
        assert_eq!((record.state.as_str(), record.reason.as_deref()), ("REFUSED", Some(*reason)));
    }
    // A schedule that was removed after its slot was published.
    let gone = daily(&world, &acme, 5);
    assert_eq!(push(&world, &requested(&gone, SLOT, 1)).await, 204);
    assert_eq!(records(&world, &gone).await[0].reason.as_deref(), Some("the schedule is gone"));
    world.change(&acme, json!({"status": "SUSPENDED"})).await;
    assert_eq!(push(&world, &requested(&schedule, SLOT, 1)).await, 204);
    let reason = records(&world, &schedule).await[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("the tenant's subscription is not active"));
    assert_eq!(world.runs(&acme).await, []);
}

#[tokio::test]
async fn poison_is_acknowledged_and_changes_nothing() {
    let (world, acme, schedule) = ready().await;
    let finished = Event::RunFinished {
        tenant_id: acme.tenant_id(),
        run_id: run_of(&schedule, SLOT, 1),
        attempt: 1,
    };
    let mut stranger = requested(&schedule, SLOT, 1);
    stranger["message"]["data"] = "eyJ0eXBlIjoicnVuLnJlcXVlc3RlZCJ9".into();
    for body in [
        json!({}),
        json!({"message": {}}),
        json!({"message": {"data": "%", "messageId": "1"}}),
        json!([1, 2]),
        stranger,
        serde_json::to_value(Push::of(&finished, "1").unwrap()).unwrap(),
    ] {
        assert_eq!(push(&world, &body).await, 204, "{body}");
    }
    let events = "/internal/run-events";
    let poison = json!({"message": {"data": "%"}});
    assert_eq!(post(&world, events, Some(ADMIN), &poison).await.status, 204);
    // What came to the wrong door is not lost: it is delivered again, and kept in the end.
    let astray = requested(&schedule, SLOT, 1);
    assert_eq!(post(&world, events, Some(ADMIN), &astray).await.status, 500);
    let unread = Request::post("/internal/run-requests").header(admin::HEADER, ADMIN);
    let unread = unread.body(Body::from(astray.to_string())).unwrap();
    assert_eq!(world.send(unread).await.status, 415, "nobody has said that it is JSON");
    assert_eq!(records(&world, &schedule).await, []);
    assert_eq!(world.runs(&acme).await, []);
}

#[tokio::test]
async fn nobody_but_the_named_identity_calls_these_routes() {
    let (world, _, schedule) = ready().await;
    let resubmit = format!("/api/v1/scheduler/resubmit/{}", schedule.config_id);
    let push = requested(&schedule, SLOT, 1);
    let slot = json!({"slot": SLOT});
    for (path, body) in [
        ("/internal/run-requests", &push),
        ("/internal/run-events", &push),
        ("/api/v1/scheduler/trigger", &json!({})),
        ("/api/v1/scheduler/process-queue", &json!({})),
        ("/api/v1/scheduler/cleanup-orphaned-pipelines", &json!({})),
        (resubmit.as_str(), &slot),
    ] {
        for key in [None, Some("wrong")] {
            let answer = post(&world, path, key, body).await;
            assert_eq!((answer.status, answer.problem()), (401, "unauthenticated"), "{path}");
        }
    }
    let status = Request::get("/api/v1/scheduler/status").body(Body::empty()).unwrap();
    assert_eq!(world.send(status).await.status, 401);
    assert_eq!(records(&world, &schedule).await, []);
    assert_eq!(world.mailbox.due(10).unwrap(), []);
}

#[tokio::test]
async fn an_early_attempt_waits_for_the_end_of_the_one_before_and_a_late_one_is_nothing() {
    let (world, acme, schedule) = ready().await;
    tick(&world).await;
    assert_eq!(push(&world, &requested(&schedule, SLOT, 2)).await, 503, "the first is open");
    end(&world, run_of(&schedule, SLOT, 1), RunStatus::Failed).await;
    assert_eq!(push(&world, &requested(&schedule, SLOT, 2)).await, 503, "its end is not recorded");
    world.reap().await;
    assert_eq!(push(&world, &requested(&schedule, SLOT, 2)).await, 204);
    world.finish(run_of(&schedule, SLOT, 2)).await;
    for attempt in [1, 2, 3] {
        assert_eq!(push(&world, &requested(&schedule, SLOT, attempt)).await, 204);
    }
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 FAILED", "17 11:00 2 COMPLETED"]);
    assert_eq!(world.runs(&acme).await.len(), 2);
}
