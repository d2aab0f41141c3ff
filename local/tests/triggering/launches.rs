//! A launcher that refuses, for good or until later.

use chrono::TimeDelta;
use common::run::RunId;
use serde_json::{Value, json};

use crate::launcher::Mood;
use crate::world::{Tenant, World};

async fn starter() -> (World, Tenant) {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    (world, acme)
}

async fn counted(world: &World, tenant: &Tenant) -> (Value, Value) {
    let usage = world.usage(tenant).await;
    (usage["pipelines_run_today"].clone(), usage["pipelines_running"].clone())
}

async fn assert_refused(world: &World, tenant: &Tenant, run: RunId) {
    let read = world.read(tenant, run).await;
    assert_eq!((&read["status"], &read["failure_kind"]), (&json!("FAILED"), &json!("START")));
    assert!(read["message"].as_str().unwrap().contains("could not be launched"), "{read}");
    let row = world.runs(tenant).await.into_iter().find(|row| row.run_id == run).unwrap();
    assert!(row.launch_refused);
}

#[tokio::test]
async fn a_refusal_for_good_is_told_and_does_not_count() {
    let (world, acme) = starter().await;
    *world.launcher.mood.lock().unwrap() = Mood::Refuses;
    for _ in 0..10 {
        world.pass(TimeDelta::seconds(1));
        let answer = world.trigger(&acme).await;
        assert_eq!((answer.status, answer.problem()), (500, "internal"), "{}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        let run = world.runs(&acme).await[0].run_id;
        assert!(detail.contains(&run.to_string()) && detail.contains("does not count"), "{detail}");
        assert!(!detail.contains("run.jobs.run"), "the backend's words stay inside: {detail}");
        assert_refused(&world, &acme, run).await;
        assert_eq!(counted(&world, &acme).await, (json!(0), json!(0)));
    }
    *world.launcher.mood.lock().unwrap() = Mood::Accepts;
    assert_eq!(world.trigger(&acme).await.status, 200, "ten refusals used no day and no slot");
}

#[tokio::test]
async fn a_queued_run_that_is_refused_makes_room() {
    let (world, acme) = starter().await;
    let running = world.accepted(&acme).await;
    let (second, third) = (world.accepted(&acme).await, world.accepted(&acme).await);
    *world.launcher.mood.lock().unwrap() = Mood::Refuses;
    world.finish(running).await;
    assert_refused(&world, &acme, second).await;
    assert_eq!(counted(&world, &acme).await, (json!(2), json!(0)));
    *world.launcher.mood.lock().unwrap() = Mood::Accepts;
    assert_eq!(world.reap().await.started, 1);
    assert_eq!(world.status(&acme, third).await, "RUNNING");
    world.finish(third).await;
    assert_eq!(counted(&world, &acme).await, (json!(2), json!(0)));
}

#[tokio::test]
async fn a_busy_launcher_is_asked_again_later() {
    let (world, acme) = starter().await;
    *world.launcher.mood.lock().unwrap() = Mood::Busy;
    let answer = world.trigger(&acme).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("RUNNING")));
    let run = answer.run_id();
    world.reap().await;
    assert!(world.launcher.all().is_empty());
    assert_eq!(world.status(&acme, run).await, "RUNNING", "it keeps its slot");

    *world.launcher.mood.lock().unwrap() = Mood::Accepts;
    world.reap().await;
    assert!(
        world.launcher.all().is_empty(),
        "an execution may be on its way until its time is over"
    );
    world.pass(world.gate().policy.start_within);
    world.reap().await;
    assert_eq!(world.launcher.of(run).unwrap().launch.attempt, 2);
    world.finish(run).await;
    let read = world.read(&acme, run).await;
    assert_eq!((&read["status"], &read["attempt"]), (&json!("COMPLETED"), &json!(2)));
    assert_eq!(counted(&world, &acme).await, (json!(1), json!(0)), "counted once");
}

#[tokio::test]
async fn a_launcher_that_stays_busy_is_given_up() {
    let (world, acme) = starter().await;
    *world.launcher.mood.lock().unwrap() = Mood::Busy;
    let run = world.accepted(&acme).await;
    for _ in 0..3 {
        assert_eq!(world.status(&acme, run).await, "RUNNING");
        world.pass(world.gate().policy.start_within);
        world.reap().await;
    }
    let read = world.read(&acme, run).await;
    assert_eq!((&read["status"], &read["failure_kind"]), (&json!("FAILED"), &json!("START")));
    assert_eq!(read["message"], "no execution began in 3 launches");
    assert_eq!(world.usage(&acme).await["pipelines_running"], 0, "its slot is free");
    *world.launcher.mood.lock().unwrap() = Mood::Accepts;
    assert_eq!(world.trigger(&acme).await.status, 200);
}
