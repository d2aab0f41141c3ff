//! Cancelling: queued runs at once, running ones when their execution has stopped, ended ones not at all.

use chrono::TimeDelta;
use common::run::RunId;
use serde_json::{Value, json};

use crate::world::{Tenant, World};

/// A tenant of one slot with one run in it and one behind it.
async fn one_slot() -> (World, Tenant, RunId, RunId) {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let (running, queued) = (world.accepted(&acme).await, world.accepted(&acme).await);
    (world, acme, running, queued)
}

fn usage(today: u32, running: u32, queued: u32) -> Value {
    json!({
        "pipelines_run_today": today,
        "pipelines_run_this_month": today,
        "pipelines_running": running,
        "pipelines_queued": queued,
    })
}

#[tokio::test]
async fn a_queued_run_is_cancelled_at_once_and_does_not_count() {
    let (world, acme, running, queued) = one_slot().await;
    assert_eq!(world.usage(&acme).await, usage(2, 1, 1));
    world.pass(TimeDelta::seconds(1));
    for time in ["first", "second"] {
        let answer = world.cancel(&acme, queued).await;
        assert_eq!(answer.status, 200, "{time}: {}", answer.body);
        assert_eq!(
            answer.body,
            json!({
                "pipeline_logging_id": queued,
                "tenant_id": "acme",
                "status": "CANCELLED",
                "message": "Pipeline cancelled",
            })
        );
        assert_eq!(world.usage(&acme).await, usage(1, 1, 0), "{time}");
    }
    let read = world.read(&acme, queued).await;
    assert_eq!((&read["started_at"], &read["position"]), (&Value::Null, &Value::Null));
    assert_eq!(read["ended_at"], "2025-11-17T10:00:01Z");
    world.finish(running).await;
    world.reap().await;
    assert_eq!(world.status(&acme, queued).await, "CANCELLED", "it stays cancelled");
    assert_eq!(world.launcher.all().len(), 1);
}

#[tokio::test]
async fn the_place_of_a_cancelled_run_can_be_used_again() {
    let (world, acme, ..) = one_slot().await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(world.accepted(&acme).await);
    }
    assert_eq!(world.trigger(&acme).await.status, 429, "six a day");
    assert_eq!(world.cancel(&acme, waiting[0]).await.status, 200);
    let answer = world.trigger(&acme).await;
    assert_eq!((answer.status, &answer.body["position"]), (202, &json!(5)), "{}", answer.body);
    assert_eq!(world.trigger(&acme).await.status, 429);
}

#[tokio::test]
async fn a_running_run_is_cancelled_when_its_execution_has_stopped() {
    for claimed in [false, true] {
        let (world, acme, running, queued) = one_slot().await;
        if claimed {
            world.claim(running).await;
        }
        world.pass(TimeDelta::seconds(2));
        for _ in 0..2 {
            let answer = world.cancel(&acme, running).await;
            assert_eq!(answer.status, 202, "{}", answer.body);
            assert_eq!(
                answer.body,
                json!({
                    "pipeline_logging_id": running,
                    "tenant_id": "acme",
                    "status": "RUNNING",
                    "message": "Pipeline is being cancelled",
                })
            );
        }
        let execution = world.launcher.of(running).unwrap();
        assert!(execution.stop.is_cancelled(), "the execution is told to stop");
        let read = world.read(&acme, running).await;
        assert_eq!(read["cancel_requested_at"], "2025-11-17T10:00:02Z");
        if claimed {
            world.reap().await;
            assert_eq!(world.status(&acme, running).await, "RUNNING", "it has not stopped yet");
            assert_eq!(world.status(&acme, queued).await, "QUEUED", "so its slot is not free");
            world.launcher.end(&execution.id);
        } else {
            world.work(running).await;
            assert_eq!(world.read(&acme, running).await["steps"], json!([]), "it begins nothing");
        }
        let report = world.reap().await;
        let read = world.read(&acme, running).await;
        assert_eq!((&read["status"], &read["failure_kind"]), (&json!("CANCELLED"), &Value::Null));
        assert_eq!((world.status(&acme, queued).await.as_str(), report.started), ("RUNNING", 1));
        assert_eq!(world.usage(&acme).await, usage(2, 1, 0), "it had begun, so it counts");
        assert_eq!(world.cancel(&acme, running).await.status, 200, "asked again, it is cancelled");
    }
}

#[tokio::test]
async fn an_ended_run_stays_as_it_ended() {
    let (world, acme, running, queued) = one_slot().await;
    world.finish(running).await;
    for _ in 0..2 {
        let answer = world.cancel(&acme, running).await;
        assert_eq!((answer.status, answer.problem()), (409, "run-ended"));
        assert_eq!(answer.body["run_status"], "COMPLETED");
    }
    let read = world.read(&acme, running).await;
    assert_eq!(
        (&read["status"], &read["cancel_requested_at"]),
        (&json!("COMPLETED"), &Value::Null)
    );
    world.work(queued).await;
    let answer = world.cancel(&acme, queued).await;
    assert_eq!((answer.status, &answer.body["run_status"]), (409, &json!("FAILED")));
}
