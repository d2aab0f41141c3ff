//! A range of days: each day one run within the plan, and the same request again goes on where it stopped.

mod input;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use common::run::RunId;
use common::warehouse::{Query, Warehouse};
use serde_json::{Value, json};

use crate::export;
use crate::refusal::stored;
use crate::world::{Tenant, World};

fn path(tenant: &Tenant) -> String {
    format!("/api/v1/pipelines/backfill/{}/gcp/cost/billing", tenant.id)
}

/// The first `days` days of November.
fn range(days: u32) -> Value {
    json!({"from": "2025-11-01", "to": format!("2025-11-{days:02}")})
}

fn dates(days: impl IntoIterator<Item = u32>) -> Vec<String> {
    days.into_iter().map(|day| format!("2025-11-{day:02}")).collect()
}

fn keyed(tenant: &Tenant, key: &str, body: &Value) -> Request<Body> {
    let mut request = tenant.post(&path(tenant), body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

/// A backfill that is answered 200; with what every answer holds, held to it.
async fn backfill(world: &World, tenant: &Tenant, body: &Value) -> Value {
    answered(world, tenant.post(&path(tenant), body)).await
}

async fn answered(world: &World, request: Request<Body>) -> Value {
    let answer = world.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body["message"].as_str().is_some_and(|text| !text.is_empty()));
    answer.body
}

/// `(date, status, existed)` of the days that are listed.
fn listed(answer: &Value) -> Vec<(String, String, bool)> {
    let runs = answer["runs"].as_array().unwrap().iter();
    let text = |run: &Value, name: &str| run[name].as_str().unwrap_or("none").to_owned();
    runs.map(|run| (text(run, "date"), text(run, "status"), run["existed"].as_bool().unwrap()))
        .collect()
}

fn days_of(answer: &Value) -> Vec<String> {
    listed(answer).into_iter().map(|(date, _, _)| date).collect()
}

fn ids(answer: &Value) -> Vec<RunId> {
    let runs = answer["runs"].as_array().unwrap().iter();
    runs.map(|run| run["pipeline_logging_id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn today(world: &World, tenant: &Tenant) -> u64 {
    world.usage(tenant).await["pipelines_run_today"].as_u64().unwrap()
}

#[tokio::test]
async fn a_day_lets_in_what_the_plan_allows_and_the_next_day_goes_on() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let preview = backfill(
        &world,
        &acme,
        &json!({"from": "2025-11-01", "to": "2025-11-10", "dry_run": true}),
    )
    .await;
    let first = backfill(&world, &acme, &range(10)).await;
    let runs = (1..=6).map(|day| {
        let mut run = json!({
            "date": format!("2025-11-{day:02}"),
            "pipeline_logging_id": preview["runs"][day - 1]["pipeline_logging_id"],
            "status": if day == 1 { "RUNNING" } else { "QUEUED" },
            "existed": false,
        });
        if day > 1 {
            run["position"] = json!(day - 1);
        }
        run
    });
    assert_eq!(
        first,
        json!({
            "tenant_id": "acme",
            "pipeline_id": "acme-gcp-cost-billing",
            "from": "2025-11-01",
            "to": "2025-11-10",
            "dry_run": false,
            "runs": runs.collect::<Vec<_>>(),
            "not_admitted": dates(7..=10),
            "limit": {
                "limit": "daily_limit",
                "pipelines_run_today": 6,
                "daily_limit": 6,
                "pipelines_run_this_month": 6,
                "monthly_limit": 180,
                "pipelines_running": 1,
                "concurrent_limit": 1,
                "pipelines_queued": 5,
                "max_queued": 10,
            },
            "retry_at": "2025-11-18T00:00:00Z",
            "message": "daily_limit is 6 and 6 are used; from 2025-11-18T00:00:00Z on the same request goes on \
                        where it stopped",
        })
    );

    let before = stored(&world, &[&acme]).await;
    let again = backfill(&world, &acme, &range(10)).await;
    assert_eq!(ids(&again), ids(&first));
    assert!(listed(&again).iter().all(|(_, _, existed)| *existed), "{again}");
    for member in ["not_admitted", "limit", "retry_at"] {
        assert_eq!(again[member], first[member], "{member}");
    }
    assert_eq!(again["runs"][5]["position"], 5);
    assert_eq!(stored(&world, &[&acme]).await, before, "the same again changes nothing");

    for run in ids(&first) {
        world.finish(run).await;
    }
    world.set_time("2025-11-18T00:00:00Z");
    let next = backfill(&world, &acme, &range(10)).await;
    assert_eq!(ids(&next), ids(&preview), "the ids that the days had from the first");
    let expected = (1..=10).map(|day| {
        let status = match day {
            ..7 => "COMPLETED",
            7 => "RUNNING",
            _ => "QUEUED",
        };
        (format!("2025-11-{day:02}"), status.to_owned(), day < 7)
    });
    assert_eq!(listed(&next), expected.collect::<Vec<_>>());
    assert_eq!((&next["not_admitted"], &next["limit"]), (&json!([]), &Value::Null));
    assert_eq!(next["message"], "Backfill admitted");
    assert_eq!(today(&world, &acme).await, 4);

    let done = backfill(&world, &acme, &range(10)).await;
    assert_eq!(done["message"], "Every day had its run already");
    assert_eq!((today(&world, &acme).await, world.runs(&acme).await.len()), (4, 10));
    let run = world.runs(&acme).await.into_iter().find(|run| run.run_id == ids(&next)[9]).unwrap();
    assert_eq!(run.parameters["date"]["value"], "2025-11-10");
    assert_eq!(run.parameters["end_date"]["value"], "2025-11-10", "the other day follows");
    assert_eq!(run.user_id.as_str(), "alice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_equal_requests_at_once_make_one_run_a_day() {
    let world = Arc::new(World::new());
    let acme = Arc::new(world.onboard("acme", "PROFESSIONAL").await);
    for round in 1..=3 {
        let asked = (0..20).map(|_| {
            let (world, acme) = (world.clone(), acme.clone());
            let key = format!("round-{round}");
            tokio::spawn(async move { world.send(keyed(&acme, &key, &range(5))).await })
        });
        let mut made = BTreeMap::<String, u32>::new();
        for answer in futures::future::join_all(asked).await {
            let answer = answer.unwrap();
            if answer.status == 409 {
                assert_eq!(answer.problem(), "in-progress");
                continue;
            }
            assert_eq!(answer.status, 200, "{}", answer.body);
            for (date, _, existed) in listed(&answer.body) {
                *made.entry(date).or_default() += u32::from(!existed);
            }
        }
        assert!(made.values().all(|made| *made == 1), "one request made each day's run: {made:?}");
        let settled = answered(&world, keyed(&acme, &format!("round-{round}"), &range(5))).await;
        assert_eq!(days_of(&settled), dates(1..=5));
        assert_eq!(today(&world, &acme).await, 5 * round);
        assert_eq!(world.runs(&acme).await.len() as u64, 5 * round);
    }
    assert_eq!(world.launcher.all().len(), 3, "one launch a slot");
}

#[tokio::test]
async fn other_parameters_keys_and_names_are_other_runs() {
    let world = World::new();
    let acme = world.onboard("acme", "ENTERPRISE").await;
    let beta = world.onboard("beta", "ENTERPRISE").await;
    let with = |more: Value| {
        let mut body = range(3);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let end = json!({"parameters": {"end_date": "2025-11-30"}});
    let last = json!({"parameters": {"date": "2025-11-01"}, "date_parameter": "end_date"});
    let requests = [
        (&acme, acme.post(&path(&acme), &range(3))),
        (&acme, acme.post(&path(&acme), &with(end.clone()))),
        (&acme, acme.post(&path(&acme), &with(last))),
        (&acme, keyed(&acme, "k-1", &range(3))),
        (&acme, keyed(&acme, "k-2", &range(3))),
        (&acme, keyed(&acme, "k-2", &with(end))),
        (&beta, beta.post(&path(&beta), &range(3))),
    ];
    let mut seen = std::collections::BTreeSet::new();
    let total = requests.len();
    for (tenant, request) in requests {
        let asked = today(&world, tenant).await;
        let answer = answered(&world, request).await;
        assert_eq!(days_of(&answer), dates(1..=3));
        seen.extend(ids(&answer));
        assert_eq!(today(&world, tenant).await, asked + 3);
    }
    assert_eq!(seen.len(), 3 * total);
    // The same said otherwise is the same.
    for (body, new) in [
        (with(json!({"parameters": {}, "date_parameter": "date", "dry_run": false})), 0),
        (json!({"from": "2025-11-02", "to": "2025-11-04"}), 1),
    ] {
        let answer = backfill(&world, &acme, &body).await;
        assert_eq!(
            listed(&answer).iter().filter(|(_, _, existed)| !existed).count(),
            new,
            "{body}"
        );
    }
}

#[tokio::test]
async fn every_limit_ends_the_admitting_and_says_which() {
    // Limits that differ, how many of ten days are let in and start, which limit, and when to ask again. Two
    // runs were counted the day before.
    for (limits, admitted, running, limit, retry_at) in [
        (json!({}), 6, 1, "daily_limit", "2025-11-18T00:00:00Z"),
        (json!({"concurrent_limit": 4}), 6, 4, "daily_limit", "2025-11-18T00:00:00Z"),
        (json!({"monthly_limit": 6}), 4, 1, "monthly_limit", "2025-12-01T00:00:00Z"),
        (json!({"max_queued": 2}), 3, 1, "max_queued", "2025-11-17T10:01:00Z"),
        (json!({"max_queued": 0}), 1, 1, "max_queued", "2025-11-17T10:01:00Z"),
        (
            json!({"daily_limit": 2, "monthly_limit": 2}),
            0,
            0,
            "monthly_limit",
            "2025-12-01T00:00:00Z",
        ),
    ] {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        let now = world.clock.now().to_rfc3339();
        world.set_time("2025-11-16T12:00:00Z");
        for _ in 0..2 {
            let run = world.accepted(&acme).await;
            world.finish(run).await;
        }
        world.set_time(&now);
        world.change(&acme, json!({ "limits": limits })).await;
        let answer = backfill(&world, &acme, &range(10)).await;
        assert_eq!(days_of(&answer), dates(1..=admitted), "{limits}");
        assert_eq!(answer["not_admitted"], json!(dates(admitted + 1..=10)), "{limits}");
        let said = (&answer["limit"]["limit"], &answer["retry_at"]);
        assert_eq!(said, (&json!(limit), &json!(retry_at)), "{limits}");
        assert_eq!(world.launcher.all().len(), 2 + running, "{limits}");
        assert_eq!(today(&world, &acme).await, u64::from(admitted), "{limits}");
    }
}

#[tokio::test]
async fn a_trigger_goes_before_the_backfilled_days_that_wait() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let days = ids(&backfill(&world, &acme, &range(4)).await);
    let asked = world.trigger(&acme).await;
    assert_eq!((asked.status, &asked.body["position"]), (202, &json!(1)), "{}", asked.body);
    world.finish(days[0]).await;
    assert_eq!(world.status(&acme, asked.run_id()).await, "RUNNING");
    world.finish(asked.run_id()).await;
    assert_eq!(world.status(&acme, days[1]).await, "RUNNING", "then the oldest day");
}

#[tokio::test]
async fn a_day_is_answered_from_its_run_and_another_key_runs_it_again() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let first = backfill(&world, &acme, &range(3)).await;
    let runs = ids(&first);
    assert_eq!(world.work(runs[0]).await, pipeline::Exit::Template, "there is no export to read");
    assert_eq!(world.cancel(&acme, runs[2]).await.status, 200);
    world.finish(runs[1]).await;
    for days in [0, 60] {
        world.pass(chrono::TimeDelta::days(days));
        world.reap().await;
        let again = backfill(&world, &acme, &range(3)).await;
        assert_eq!(ids(&again), runs);
        let statuses: Vec<_> = listed(&again).into_iter().map(|(_, status, _)| status).collect();
        assert_eq!(statuses, ["FAILED", "COMPLETED", "CANCELLED"]);
    }
    assert_eq!(today(&world, &acme).await, 0);
    let anew = answered(&world, keyed(&acme, "again", &range(3))).await;
    assert!(listed(&anew).iter().all(|(_, _, existed)| !existed), "{anew}");
    assert_eq!((today(&world, &acme).await, world.runs(&acme).await.len()), (3, 6));
}

#[tokio::test]
async fn three_days_apart_leave_the_table_of_one_run_over_them() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let beta = world.onboard("beta", "PROFESSIONAL").await;
    for tenant in ["acme", "beta"] {
        export::load_until(&*world.warehouse, tenant, 3).await;
    }
    let days = ids(&backfill(&world, &acme, &range(3)).await);
    // In whatever order they run.
    for run in [days[2], days[0], days[1]] {
        assert_eq!(world.work(run).await, pipeline::Exit::Done);
        assert_eq!(world.status(&acme, run).await, "COMPLETED");
    }
    let whole = json!({"date": "2025-11-01", "end_date": "2025-11-03"});
    let run = world.send(beta.post(&beta.billing(), &whole)).await.run_id();
    assert_eq!(world.work(run).await, pipeline::Exit::Done);
    let (apart, at_once) = (table(&world, "acme").await, table(&world, "beta").await);
    assert_eq!(apart, at_once);
    let counted = apart.iter().filter(|row| row.starts_with("2025-11-02")).count();
    assert!(counted > 0 && counted < apart.len(), "{counted} of {}", apart.len());
}

async fn table(world: &World, tenant: &str) -> Vec<String> {
    let sql = format!("SELECT * FROM {tenant}.gcp_cost_daily");
    let query = Query { sql, params: BTreeMap::new(), default_dataset: None };
    let rows = world.warehouse.query(&query, None).await.unwrap().rows;
    let text = |row: &Vec<common::warehouse::Value>| {
        row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    };
    let mut rows: Vec<String> = rows.iter().map(text).collect();
    rows.sort_unstable();
    rows
}
