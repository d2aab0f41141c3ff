//! `GET /api/v1/scheduler/status`, and the routes that the deployment calls.

use common::run::RunStatus;
use serde_json::{Value, json};

use crate::retries::end;
use crate::scheduled::{daily, deliver, put, run_of, told};
use crate::world::World;

async fn status(world: &World) -> Value {
    world.operate("GET", "/api/v1/scheduler/status", &Value::Null).await
}

async fn call(world: &World, route: &str) -> Value {
    world.operate("POST", &format!("/api/v1/scheduler/{route}"), &Value::Null).await
}

#[tokio::test]
async fn the_routes_run_a_slot_and_the_status_tells_where_it_stands() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    world.change(&acme, json!({"limits": {"concurrent_limit": 1}})).await;
    let (one, two) = (daily(&world, &acme, 1), daily(&world, &acme, 2));
    for schedule in [&one, &two] {
        put(&world, schedule).await;
    }
    let at_rest = json!({
        "due": 0, "queued": 0, "running": 0, "oldest_wait_seconds": null, "last_tick": null,
        "lag_seconds": 0,
    });
    assert_eq!(status(&world).await, at_rest);

    world.set_time("2025-11-17T11:00:40Z");
    let due = status(&world).await;
    assert_eq!((&due["due"], &due["lag_seconds"]), (&json!(2), &json!(40)));
    let ticked = call(&world, "trigger").await;
    assert_eq!(ticked, json!({"due": 2, "published": 2, "skipped": 0, "advanced": 2}));
    deliver(&world).await;
    world.set_time("2025-11-17T11:02:40Z");
    let running = json!({
        "due": 0, "queued": 1, "running": 1, "oldest_wait_seconds": 120,
        "last_tick": "2025-11-17T11:00:40Z", "lag_seconds": 0,
    });
    assert_eq!(status(&world).await, running);
    assert_eq!(call(&world, "process-queue").await, json!({"released": 0, "started": 0}));

    let slot = "2025-11-17T11:00:00Z";
    let (one, two) = match world.launcher.of(run_of(&one, slot, 1)) {
        Some(_) => (one, two),
        None => (two, one),
    };
    world.finish(run_of(&one, slot, 1)).await;
    let cleanup = call(&world, "cleanup-orphaned-pipelines").await;
    assert_eq!((&cleanup["seen"], &cleanup["failed"]), (&json!(1), &json!(0)));
    world.finish(run_of(&two, slot, 1)).await;
    for schedule in [&one, &two] {
        assert_eq!(told(&world, schedule).await, ["17 11:00 1 COMPLETED"]);
    }
    let rest = status(&world).await;
    assert_eq!((&rest["queued"], &rest["running"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn the_queue_does_what_a_lost_event_would_have_done() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let schedule = daily(&world, &acme, 1);
    put(&world, &schedule).await;
    world.set_time("2025-11-17T11:00:01Z");
    call(&world, "trigger").await;
    deliver(&world).await;
    let waiting = world.accepted(&acme).await;
    assert_eq!(world.status(&acme, waiting).await, "QUEUED");
    let run = run_of(&schedule, "2025-11-17T11:00:00Z", 1);
    end(&world, run, RunStatus::Completed, None, 0).await;
    assert_eq!(call(&world, "process-queue").await, json!({"released": 1, "started": 1}));
    assert_eq!(told(&world, &schedule).await, ["17 11:00 1 COMPLETED"]);
    assert_eq!(world.status(&acme, waiting).await, "RUNNING");
    assert_eq!(call(&world, "process-queue").await, json!({"released": 0, "started": 0}));
}
