//! Backfills that leave nothing behind: refused whole, or only asked about.

use axum::body::Body;
use serde_json::{Value, json};

use super::{backfill, dates, days_of, ids, listed, path, range};
use crate::refusal::{Case, files, refused, stored, used};
use crate::world::World;

const INVALID: &str = "invalid-parameters";

/// A body, and for each error that it is answered with its field and a part of its rule.
type Wrong = (Value, Vec<(&'static str, &'static str)>);

fn wrong() -> Vec<Wrong> {
    let (from, to) = ("2025-11-01", "2025-11-30");
    let not_a_day = "YYYY-MM-DD";
    vec![
        (json!({}), vec![("from", "is required"), ("to", "is required")]),
        (json!({"from": from}), vec![("to", "is required")]),
        (json!({"from": from, "to": null}), vec![("to", not_a_day)]),
        (json!({"from": 20_251_101, "to": [to]}), vec![("from", not_a_day), ("to", not_a_day)]),
        (json!({"from": "2025-11-31", "to": to}), vec![("from", not_a_day)]),
        (json!({"from": "2025-11-1", "to": to}), vec![("from", not_a_day)]),
        (json!({"from": "+2025-11-01", "to": to}), vec![("from", not_a_day)]),
        (
            json!({"from": "0000-01-01", "to": "0000-01-02"}),
            vec![("from", not_a_day), ("to", not_a_day)],
        ),
        (json!({"from": from, "to": "12025-11-30"}), vec![("to", not_a_day)]),
        (json!({"from": from, "to": "2025-11-30T00:00:00Z"}), vec![("to", not_a_day)]),
        (json!({"from": from, "to": "2025-11-30' OR 1=1 --"}), vec![("to", not_a_day)]),
        (json!({"from": to, "to": from}), vec![("to", "must not be before from (2025-11-30)")]),
        (json!({"from": "2024-01-01", "to": "2025-01-01"}), vec![("to", "at most 366 days")]),
        (json!({"from": from, "to": to, "dry_run": null}), vec![("dry_run", "true or false")]),
        (json!({"from": from, "to": to, "dry_run": "yes"}), vec![("dry_run", "true or false")]),
        (json!({"from": from, "to": to, "parameters": [1]}), vec![("parameters", "a JSON object")]),
        (
            json!({"from": from, "to": to, "parameters": null}),
            vec![("parameters", "a JSON object")],
        ),
        (
            json!({"from": from, "to": to, "parameters": {"date": from}}),
            vec![("parameters.date", "must be left out")],
        ),
        (
            json!({"from": from, "to": to, "parameters": {"tenant_id": "beta"}}),
            vec![("parameters.tenant_id", "comes from the API key")],
        ),
        (
            json!({"from": from, "to": to, "parameters": {"region": "eu", "end_date": 1}}),
            vec![("parameters.region", "takes date, end_date"), ("parameters.end_date", not_a_day)],
        ),
        (
            json!({"from": from, "to": to, "date_parameter": "day"}),
            vec![
                (
                    "date_parameter",
                    "a DATE parameter of gcp/cost/billing, which has date, end_date",
                ),
                ("parameters.date", "required"),
            ],
        ),
        (
            json!({"from": from, "to": to, "date_parameter": null, "parameters": {"date": from}}),
            vec![("date_parameter", "which has date, end_date")],
        ),
        (
            json!({"from": from, "to": to, "date_parameter": "end_date"}),
            vec![("parameters.date", "required")],
        ),
        // Good for the first day, and refused for one of the others.
        (
            json!({"from": from, "to": to, "parameters": {"end_date": "2025-11-29"}}),
            vec![("parameters.end_date", "not before date (2025-11-30)")],
        ),
        (
            json!({"from": from, "to": to, "date_parameter": "end_date", "parameters": {"date": "2024-10-31"}}),
            vec![("from", "at most 366 days")],
        ),
        (
            json!({"from": from, "to": to, "date_parameter": "end_date", "parameters": {"date": "2024-11-25"}}),
            vec![(
                "to",
                "2024-11-25) on, both included; send the range in parts; the run of 2025-11-26",
            )],
        ),
        (
            json!({
                "from": "tomorrow", "to": 1, "dry_run": 1, "date_parameter": "end_date",
                "parameters": {"date": "2024-13-01", "end_date": "2025-11-01", "x": "y".repeat(1_000)},
            }),
            vec![
                ("from", not_a_day),
                ("to", not_a_day),
                ("dry_run", "true or false"),
                ("parameters.end_date", "must be left out"),
                ("parameters.date", not_a_day),
                ("parameters.x", "takes date, end_date"),
            ],
        ),
        (json!({"from": from, "to": to, "form": from}), vec![("form", "is not known here")]),
    ]
}

#[tokio::test]
async fn everything_wrong_is_named_at_once_and_nothing_is_admitted() {
    let (world, acme, beta) = used().await;
    let mut requests: Vec<Case> = Vec::new();
    for (body, expected) in wrong() {
        let answer = world.send(acme.post(&path(&acme), &body)).await;
        let errors = answer.body["errors"].as_array().unwrap();
        let found: Vec<&str> = errors.iter().map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(found.len(), expected.len(), "{body}: {}", answer.body);
        for (field, rule) in &expected {
            let error = errors.iter().find(|e| e["field"] == *field);
            let error = error.unwrap_or_else(|| panic!("{body}: {field} in {found:?}"));
            assert!(error["rule"].as_str().unwrap().contains(rule), "{body}: {error}");
        }
        requests.push((acme.post(&path(&acme), &body), 422, INVALID, expected[0].0));
    }
    requests.push((acme.post(&path(&acme), &json!(7)), 422, INVALID, "body"));
    refused(&world, &[&acme, &beta], requests).await;
}

#[tokio::test]
async fn who_may_not_backfill_leaves_nothing_behind() {
    let (world, acme, beta) = used().await;
    let body = range(3);
    let template = |name: &str| format!("/api/v1/pipelines/backfill/acme/{name}");
    let post = |path: &str| acme.request("POST", path).header("content-type", "application/json");
    let text = || Body::from(body.to_string());
    let mut nobody = acme.post(&path(&acme), &body);
    nobody.headers_mut().remove("x-user-id");
    let mut stranger = acme.post(&path(&acme), &body);
    stranger.headers_mut().remove("x-api-key");
    let spaced = post(&path(&acme)).header("idempotency-key", "two words").body(text()).unwrap();
    let empty = post(&path(&acme)).body(Body::empty()).unwrap();
    let untyped = acme.request("POST", &path(&acme)).body(text()).unwrap();
    let cases: Vec<Case> = vec![
        (acme.post(&path(&beta), &body), 403, "forbidden", "another tenant"),
        (acme.post(&path(&beta), &json!({})), 403, "forbidden", "another tenant"),
        (nobody, 400, "malformed-request", "X-User-ID"),
        (stranger, 401, "unauthenticated", ""),
        (spaced, 400, "malformed-request", "Idempotency-Key"),
        (empty, 400, "malformed-request", "empty"),
        (untyped, 415, "unsupported-media-type", "application/json"),
        (acme.post(&template("gcp/cost/billings"), &body), 404, "not-found", "gcp/cost/billings"),
        (acme.post(&template("gcp/../billing"), &body), 404, "not-found", "there is no template"),
        (
            acme.post(&template("focus/cost/daily"), &body),
            422,
            INVALID,
            "focus/cost/daily, which has none",
        ),
        (acme.get(&path(&acme)), 405, "method-not-allowed", ""),
    ];
    refused(&world, &[&acme, &beta], cases).await;

    world.change(&acme, json!({"status": "SUSPENDED"})).await;
    // By the ledger's row while the key's own is remembered, and by the key's row then.
    for seconds in [0, 31] {
        world.pass(chrono::TimeDelta::seconds(seconds));
        let mut dry = body.clone();
        dry["dry_run"] = json!(true);
        let cases = [body.clone(), dry].map(|body| {
            (acme.post(&path(&acme), &body), 403, "subscription-inactive", "subscription")
        });
        refused(&world, &[&acme, &beta], cases.into()).await;
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let made = backfill(&world, &acme, &range(2)).await;
    let (rows, bytes) = (stored(&world, &[&acme]).await, files(world.folder()));
    let mut body = range(30);
    body["dry_run"] = json!(true);
    let preview = backfill(&world, &acme, &body).await;
    assert_eq!((stored(&world, &[&acme]).await, files(world.folder())), (rows, bytes));

    assert_eq!(days_of(&preview), dates(1..=30));
    assert_eq!(ids(&preview)[..2], ids(&made));
    let (there, missing) = (&listed(&preview)[..2], &listed(&preview)[2..]);
    assert!(there.iter().all(|(_, _, existed)| *existed), "{preview}");
    assert!(missing.iter().all(|(_, status, existed)| status == "none" && !existed), "{preview}");
    assert_eq!(
        (&preview["runs"][1]["position"], &preview["runs"][2]["status"]),
        (&json!(1), &json!(null))
    );
    for (member, expected) in [
        ("dry_run", json!(true)),
        ("not_admitted", json!([])),
        ("limit", json!(null)),
        ("retry_at", json!(null)),
    ] {
        assert_eq!(preview[member], expected, "{member}");
    }
    assert_eq!(
        preview["quota"],
        json!({
            "would_admit_today": 4,
            "would_admit_this_month": 28,
            "pipelines_run_today": 2,
            "daily_limit": 6,
            "pipelines_run_this_month": 2,
            "monthly_limit": 180,
            "pipelines_running": 1,
            "concurrent_limit": 1,
            "pipelines_queued": 1,
            "max_queued": 10,
        })
    );
    // On the 17th, thirteen days of the month follow.
    for (limits, today, month) in [
        (json!({"daily_limit": 2, "monthly_limit": 100}), 0, 26),
        (json!({"daily_limit": 20, "monthly_limit": 20}), 18, 18),
        (json!({"daily_limit": 2, "monthly_limit": 2}), 0, 0),
    ] {
        world.change(&acme, json!({ "limits": limits })).await;
        let quota = backfill(&world, &acme, &body).await["quota"].clone();
        assert_eq!(quota["would_admit_today"], today, "{limits}: {quota}");
        assert_eq!(quota["would_admit_this_month"], month, "{limits}: {quota}");
    }
}
