//! One `Idempotency-Key`, one run.

use std::sync::Arc;

use chrono::TimeDelta;
use common::quota::Change;
use common::run::RunId;
use serde_json::json;

use crate::world::{World, billing};

/// What a key's run id is derived with; part of every such id, so never changed.
const ROUTE: &str = "POST /api/v1/pipelines/run";

#[tokio::test]
async fn the_same_request_again_is_the_same_run() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let body = json!({"date": "2025-11-01", "end_date": "2025-11-02"});
    let first = world.send(acme.keyed("k-1", &body)).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.run_id(), RunId::of_key(&acme.tenant_id(), ROUTE, "k-1"));
    let turned = json!({"end_date": "2025-11-02", "date": "2025-11-01"});
    let mut other_user = acme.keyed("k-1", &body);
    other_user.headers_mut().insert("x-user-id", "bob".parse().unwrap());
    for request in [acme.keyed("k-1", &body), acme.keyed("k-1", &turned), other_user] {
        let again = world.send(request).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 1);
    assert_eq!((world.runs(&acme).await.len(), world.launcher.all().len()), (1, 1));

    let queued = world.send(acme.keyed("k-2", &body)).await;
    assert_eq!((queued.status, &queued.body["position"]), (202, &json!(1)));
    let again = world.send(acme.keyed("k-2", &body)).await;
    assert_eq!((again.status, &again.body), (202, &queued.body));
    assert_ne!(queued.run_id(), first.run_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_at_once_are_one_run() {
    let world = Arc::new(World::new());
    let acme = Arc::new(world.onboard("acme", "PROFESSIONAL").await);
    for round in 0..10 {
        let asked = (0..20).map(|_| {
            let (world, acme) = (world.clone(), acme.clone());
            tokio::spawn(async move {
                world.send(acme.keyed(&format!("round-{round}"), &billing())).await
            })
        });
        let answers = futures::future::join_all(asked).await;
        let run = RunId::of_key(&acme.tenant_id(), ROUTE, &format!("round-{round}"));
        let mut accepted = 0;
        for answer in answers {
            let answer = answer.unwrap();
            if answer.status == 409 {
                assert_eq!(answer.problem(), "in-progress");
                assert!(answer.retry_after() >= 1);
            } else {
                assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
                assert_eq!(answer.run_id(), run);
                accepted += 1;
            }
        }
        assert!(accepted >= 1);
        assert_eq!(world.usage(&acme).await["pipelines_run_today"], round + 1);
        assert_eq!(world.runs(&acme).await.len(), round + 1);
        assert_eq!(world.launcher.all().len(), (round + 1).min(3), "one launch a slot");
    }
}

#[tokio::test]
async fn while_another_request_records_it_says_so() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let run_id = RunId::of_key(&acme.tenant_id(), ROUTE, "k-1");
    let gate = world.gate();
    let now = world.clock.now();
    let admit = Change::Admit {
        run_id,
        day: now.date_naive(),
        priority: 100,
        token: gate.chance.uuid(),
        deadline: now + gate.policy.record_within,
    };
    // Another request was let in, and died before it recorded the run.
    gate.apply(&acme.tenant_id(), admit).await.unwrap();
    let answer = world.send(acme.keyed("k-1", &billing())).await;
    assert_eq!((answer.status, answer.problem()), (409, "in-progress"), "{}", answer.body);
    assert!(answer.retry_after() >= 1);
    assert_eq!((world.runs(&acme).await.len(), world.launcher.all().len()), (0, 0));

    world.pass(gate.policy.record_within * 2 + TimeDelta::seconds(1));
    world.reap().await;
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 0, "its count is given back");
    let answer = world.send(acme.keyed("k-1", &billing())).await;
    assert_eq!((answer.status, answer.run_id()), (200, run_id), "{}", answer.body);
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 1);
    assert_eq!(world.launcher.all().len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let beta = world.onboard("beta", "STARTER").await;
    let first = world.send(acme.keyed("k-1", &billing())).await;
    let mut other_template = acme.keyed("k-1", &json!({"path": "/data/focus.csv"}));
    *other_template.uri_mut() = "/api/v1/pipelines/run/acme/focus/cost/daily".parse().unwrap();
    let others = [
        acme.keyed("k-1", &json!({"date": "2025-11-02"})),
        acme.keyed("k-1", &json!({"date": "2025-11-01", "end_date": "2025-11-02"})),
        other_template,
    ];
    for request in others {
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.problem()), (422, "idempotency-mismatch"));
    }
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 1);

    let other = world.send(beta.keyed("k-1", &json!({"date": "2025-11-02"}))).await;
    assert_eq!(other.status, 200, "another tenant's key is another key: {}", other.body);
    assert_ne!(other.run_id(), first.run_id());
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 1);
    assert_eq!(world.usage(&beta).await["pipelines_run_today"], 1);
}

#[tokio::test]
async fn an_answer_is_given_from_the_row_for_good() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let replay = async |key: &str, status: &str| {
        let answer = world.send(acme.keyed(key, &billing())).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!(status)), "{key}");
        assert_eq!(answer.run_id(), RunId::of_key(&acme.tenant_id(), ROUTE, key));
    };
    replay("completed", "RUNNING").await;
    let queued = world.send(acme.keyed("cancelled", &billing())).await;
    assert_eq!(world.cancel(&acme, queued.run_id()).await.status, 200);
    world.finish(RunId::of_key(&acme.tenant_id(), ROUTE, "completed")).await;
    for _ in 0..5 {
        let run = world.accepted(&acme).await;
        world.finish(run).await;
    }
    assert_eq!(world.trigger(&acme).await.status, 429, "the day is used");
    for days in [0, 1, 2, 60] {
        world.pass(TimeDelta::days(days));
        world.reap().await;
        replay("completed", "COMPLETED").await;
        replay("cancelled", "CANCELLED").await;
    }
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 0);
    assert_eq!(world.runs(&acme).await.len(), 7);
}
