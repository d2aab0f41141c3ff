//! The answers of triggering, and reading what became of runs.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use common::run::RunId;
use serde_json::{Value, json};

use crate::export;
use crate::world::{Tenant, World, billing};

fn ids(list: &Value) -> Vec<RunId> {
    let runs = list["runs"].as_array().unwrap().iter();
    runs.map(|run| run["pipeline_logging_id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn list(world: &World, tenant: &Tenant, query: &str) -> Value {
    let answer = world.send(tenant.get(&format!("{}?{query}", tenant.runs()))).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn the_answers_are_the_promised_ones() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.trigger(&acme).await);
    }
    let id = |n: usize| answers[n].body["pipeline_logging_id"].clone();
    assert_eq!(answers[0].status, 200);
    assert_eq!(
        answers[0].body,
        json!({
            "pipeline_logging_id": id(0),
            "tenant_id": "acme",
            "status": "RUNNING",
            "message": "Pipeline triggered successfully",
        })
    );
    for (n, position) in [(1, 1), (2, 2)] {
        assert_eq!(answers[n].status, 202);
        assert_eq!(
            answers[n].body,
            json!({
                "pipeline_logging_id": id(n),
                "tenant_id": "acme",
                "status": "QUEUED",
                "position": position,
                "message": "Pipeline queued",
            })
        );
    }
    assert_eq!(world.launcher.all().len(), 1, "what waits is not launched");

    world.finish(answers[0].run_id()).await;
    assert_eq!(world.status(&acme, answers[1].run_id()).await, "RUNNING");
    let last = world.read(&acme, answers[2].run_id()).await;
    assert_eq!((&last["status"], &last["position"]), (&json!("QUEUED"), &json!(1)), "it moved up");
}

#[tokio::test]
async fn the_list_is_newest_first_and_filtered() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let focus = async || {
        let path = "/api/v1/pipelines/run/acme/focus/cost/daily";
        world.send(acme.post(path, &json!({"path": "/data/focus.csv"}))).await.run_id()
    };
    let first = world.accepted(&acme).await;
    world.finish(first).await;
    world.pass(TimeDelta::seconds(1));
    let second = focus().await;
    world.set_time("2025-11-18T00:00:00Z");
    let third = world.accepted(&acme).await;
    world.set_time("2025-11-18T23:59:59.999999Z");
    let fourth = focus().await;

    for (query, expected) in [
        ("", vec![fourth, third, second, first]),
        ("status=COMPLETED", vec![first]),
        ("status=RUNNING", vec![second]),
        ("status=QUEUED", vec![fourth, third]),
        ("status=FAILED", vec![]),
        ("pipeline_id=acme-gcp-cost-billing", vec![third, first]),
        ("pipeline_id=acme-focus-cost-daily", vec![fourth, second]),
        ("pipeline_id=acme-gcp-cost", vec![]),
        ("from=2025-11-18", vec![fourth, third]),
        ("to=2025-11-17", vec![second, first]),
        ("from=2025-11-17&to=2025-11-17", vec![second, first]),
        ("from=2025-11-18&to=2025-11-18&pipeline_id=acme-gcp-cost-billing", vec![third]),
        ("from=2025-11-19", vec![]),
        ("from=2025-11-18&to=2025-11-17", vec![]),
    ] {
        let answer = list(&world, &acme, query).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(answer["next_cursor"], Value::Null, "{query}");
    }
}

#[tokio::test]
async fn pages_repeat_nothing_and_miss_nothing_while_runs_arrive() {
    let world = World::new();
    let acme = world.onboard("acme", "ENTERPRISE").await;
    for n in 0..20 {
        world.accepted(&acme).await;
        // Several are made in one microsecond.
        if n % 3 == 0 {
            world.pass(TimeDelta::microseconds(1));
        }
    }
    let there: BTreeSet<_> = world.runs(&acme).await.iter().map(|run| run.run_id).collect();
    assert_eq!(there.len(), 20);

    for limit in [1, 3, 19, 20, 21] {
        let expected: Vec<RunId> = world.runs(&acme).await.iter().map(|run| run.run_id).collect();
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let answer = list(&world, &acme, &format!("limit={limit}{cursor}")).await;
            seen.extend(ids(&answer));
            pages += 1;
            // In between, one more comes and one that was listed changes.
            world.pass(TimeDelta::microseconds(1));
            world.accepted(&acme).await;
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "limit {limit}");
        assert_eq!(pages, expected.len().div_ceil(limit), "limit {limit}");
    }
}

#[tokio::test]
async fn a_run_is_read_with_its_steps_tries_checks_and_timings() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    export::load(&*world.warehouse, "acme").await;
    let run = world.accepted(&acme).await;
    let before = world.read(&acme, run).await;
    assert_eq!((&before["steps"], &before["checks"]), (&json!([]), &json!([])));
    assert_eq!((&before["ended_at"], &before["duration_ms"]), (&Value::Null, &Value::Null));

    world.pass(TimeDelta::milliseconds(1_500));
    assert_eq!(world.work(run).await, pipeline::Exit::Done);
    let read = world.read(&acme, run).await;
    for (member, expected) in [
        ("pipeline_logging_id", json!(run)),
        ("tenant_id", json!("acme")),
        ("pipeline_id", json!("acme-gcp-cost-billing")),
        ("user_id", json!("alice")),
        ("status", json!("COMPLETED")),
        ("failure_kind", json!(null)),
        ("attempt", json!(1)),
        ("created_at", json!("2025-11-17T10:00:00Z")),
        ("started_at", json!("2025-11-17T10:00:00Z")),
        ("ended_at", json!("2025-11-17T10:00:01.500Z")),
        ("duration_ms", json!(1_500)),
        ("cancel_requested_at", json!(null)),
        ("position", json!(null)),
    ] {
        assert_eq!(read[member], expected, "{member}: {read}");
    }
    assert_eq!(read["parameters"]["end_date"], "2025-11-01", "the default is filled in");
    let rows = read["rows_written"].as_u64().unwrap();
    assert!(rows > 0 && read["bytes_processed"].as_u64().unwrap() > 0, "{read}");

    let steps = read["steps"].as_array().unwrap();
    let said =
        |step: &Value| format!("{} {} {}", step["step_id"], step["step_type"], step["status"]);
    assert_eq!(
        steps.iter().map(said).collect::<Vec<_>>(),
        [r#""daily_cost" "sql" "COMPLETED""#, r#""verify" "check" "COMPLETED""#]
    );
    for step in steps {
        assert_eq!((&step["attempt"], &step["try_number"]), (&json!(1), &json!(1)), "{step}");
        assert_eq!(step["started_at"], "2025-11-17T10:00:01.500Z", "{step}");
        assert_eq!(step["duration_ms"], 0, "no time passed meanwhile: {step}");
    }
    assert_eq!(steps[0]["rows_written"], rows);
    let checks = read["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 7, "{read}");
    for check in checks {
        assert_eq!((&check["step_id"], &check["passed"]), (&json!("verify"), &json!(true)));
        for member in ["check_id", "check_type", "severity", "observed", "threshold", "checked_at"]
        {
            assert!(check[member].as_str().is_some_and(|text| !text.is_empty()), "{check}");
        }
    }
}

#[tokio::test]
async fn a_run_that_failed_says_where_and_why() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let run = world.accepted(&acme).await;
    let next = world.accepted(&acme).await;
    assert_eq!(world.work(run).await, pipeline::Exit::Template, "there is no export to read");
    let read = world.read(&acme, run).await;
    assert_eq!((&read["status"], &read["rows_written"]), (&json!("FAILED"), &json!(0)), "{read}");
    assert!(read["failure_kind"].is_string(), "{read}");
    assert!(read["message"].as_str().unwrap().contains("gcp_billing_export"), "{read}");
    let steps = read["steps"].as_array().unwrap();
    let status = |id: &str| &steps.iter().find(|s| s["step_id"] == id).unwrap()["status"];
    assert_eq!((status("daily_cost"), status("verify")), (&json!("FAILED"), &json!("SKIPPED")));
    assert!(steps[0]["error_kind"].is_string() && steps[0]["message"].is_string(), "{read}");
    assert_eq!(world.status(&acme, next).await, "RUNNING", "its slot went to the next");
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 2, "a failed run counts");
}

#[tokio::test]
async fn another_tenants_run_is_not_there() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let beta = world.onboard("beta", "STARTER").await;
    let run = world.accepted(&beta).await;
    let cancel = |path: String| acme.post(&format!("{path}/cancel"), &json!({}));
    for (path, status, kind) in
        [(acme.run(run), 404, "not-found"), (beta.run(run), 403, "forbidden")]
    {
        for request in [acme.get(&path), cancel(path)] {
            let answer = world.send(request).await;
            assert_eq!((answer.status, answer.problem()), (status, kind), "{}", answer.body);
        }
    }
    assert_eq!(ids(&list(&world, &acme, "").await), vec![]);
    let read = world.read(&beta, run).await;
    assert_eq!((&read["status"], &read["cancel_requested_at"]), (&json!("RUNNING"), &Value::Null));
    assert_eq!(world.send(beta.post(&beta.billing(), &billing())).await.status, 202);
}
