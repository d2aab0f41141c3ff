//! Bodies, parameters, paths, queries, methods and headers that are not allowed.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::refusal::{Case, refused, used};
use crate::world::{Tenant, billing};

const RUN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const MALFORMED: &str = "malformed-request";
const INVALID: &str = "invalid-parameters";

fn sent(tenant: &Tenant, content_type: Option<&str>, body: &[u8]) -> Request<Body> {
    let request = tenant.request("POST", &tenant.billing());
    let request = match content_type {
        Some(value) => request.header("content-type", value),
        None => request,
    };
    request.body(body.to_vec().into()).unwrap()
}

#[tokio::test]
async fn a_body_is_a_json_object() {
    let (world, acme, beta) = used().await;
    let json = Some("application/json");
    let good = billing().to_string();
    let good = good.as_bytes();
    let deep = format!("{{\"date\": {}", "[".repeat(20_000));
    let large = format!("{{\"date\": \"{}\"}}", "x".repeat(1_000_000));
    let cases: Vec<Case> = vec![
        (sent(&acme, json, b"{"), 400, MALFORMED, "\"line\":1"),
        (sent(&acme, json, b"{\"date\": }"), 400, MALFORMED, "\"column\":10"),
        (sent(&acme, json, b"{'date': '2025-11-17'}"), 400, MALFORMED, "not JSON"),
        (sent(&acme, json, b"{\"date\": \"2025-11-17\"} x"), 400, MALFORMED, "not JSON"),
        (sent(&acme, json, &[b'"', 0xff, b'"']), 400, MALFORMED, "not JSON"),
        (sent(&acme, json, b"\0"), 400, MALFORMED, "not JSON"),
        (sent(&acme, json, deep.as_bytes()), 400, MALFORMED, "not JSON"),
        (sent(&acme, json, b""), 400, MALFORMED, "empty"),
        (sent(&acme, json, b" \n "), 400, MALFORMED, "empty"),
        (sent(&acme, json, &[b'['; 20_000]), 422, INVALID, "body"),
        (sent(&acme, json, b"[]"), 422, INVALID, "body"),
        (sent(&acme, json, b"\"2025-11-17\""), 422, INVALID, "body"),
        (sent(&acme, json, b"20251117"), 422, INVALID, "body"),
        (sent(&acme, json, b"null"), 422, INVALID, "body"),
        (sent(&acme, json, large.as_bytes()), 413, "payload-too-large", "\"limit\":65536"),
        (sent(&acme, None, large.as_bytes()), 413, "payload-too-large", "\"limit\":65536"),
        (sent(&acme, None, good), 415, "unsupported-media-type", "application/json"),
        (sent(&acme, Some(""), good), 415, "unsupported-media-type", "application/json"),
        (sent(&acme, Some("text/plain"), good), 415, "unsupported-media-type", "application/json"),
        (
            sent(&acme, Some("multipart/form-data; boundary=json"), good),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (sent(&acme, None, b""), 422, INVALID, "date"),
    ];
    refused(&world, &[&acme, &beta], cases).await;
}

#[tokio::test]
async fn parameters_are_those_that_the_template_takes() {
    let (world, acme, beta) = used().await;
    let day = "2025-11-17";
    // The parameters, the field that is named, its value in the answer, and a part of the rule.
    let cases: Vec<(Value, &str, Option<Value>, &str)> = vec![
        (json!({}), "date", None, "required, of type DATE"),
        (json!({"date": 20_251_117}), "date", Some(json!(20_251_117)), "YYYY-MM-DD"),
        (json!({"date": null}), "date", Some(json!(null)), "YYYY-MM-DD"),
        (json!({"date": true}), "date", Some(json!(true)), "YYYY-MM-DD"),
        (json!({"date": [day]}), "date", Some(json!([day])), "YYYY-MM-DD"),
        (json!({"date": {"day": 1}}), "date", Some(json!({"day": 1})), "YYYY-MM-DD"),
        (json!({"date": ""}), "date", Some(json!("")), "YYYY-MM-DD"),
        (json!({"date": "2025-02-30"}), "date", Some(json!("2025-02-30")), "YYYY-MM-DD"),
        (json!({"date": "@date"}), "date", Some(json!("@date")), "YYYY-MM-DD"),
        (
            json!({"date": "2025-11-17' OR 1=1 --"}),
            "date",
            Some(json!("2025-11-17' OR 1=1 --")),
            "YYYY-MM-DD",
        ),
        (
            json!({"date": "2025-11-17'; DROP TABLE acme.gcp_cost_daily; --"}),
            "date",
            Some(json!("2025-11-17'; DROP TABLE acme.gcp_cost_daily; --")),
            "YYYY-MM-DD",
        ),
        (json!({"date": day, "region": "eu"}), "region", Some(json!("eu")), "takes date, end_date"),
        (json!({"date": day, "Date": day}), "Date", Some(json!(day)), "not a parameter"),
        (
            json!({"date": day, "tenant_id": "beta"}),
            "tenant_id",
            Some(json!("beta")),
            "comes from the API key",
        ),
        (
            json!({"date": day, "tenant_id": "acme"}),
            "tenant_id",
            Some(json!("acme")),
            "comes from the API key",
        ),
        (
            json!({"date": day, "end_date": "2025-11-16"}),
            "end_date",
            Some(json!("2025-11-16")),
            "not before date (2025-11-17)",
        ),
        (
            json!({"date": day, "end_date": "2026-11-18"}),
            "end_date",
            Some(json!("2026-11-18")),
            "at most 366 days",
        ),
    ];
    let mut requests: Vec<Case> = Vec::new();
    for (body, field, value, rule) in &cases {
        let request = || acme.post(&acme.billing(), body);
        let answer = world.send(request()).await;
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{body}: {}", answer.body);
        assert_eq!(errors[0]["field"], *field, "{body}");
        assert_eq!(errors[0].get("value"), value.as_ref(), "{body}");
        assert!(errors[0]["rule"].as_str().unwrap().contains(rule), "{body}: {}", errors[0]);
        requests.push((request(), 422, INVALID, field));
    }
    let all = json!({"date": 1, "end_date": 2, "x": "y".repeat(5_000)});
    let answer = world.send(acme.post(&acme.billing(), &all)).await;
    let fields: Vec<_> = answer.body["errors"].as_array().unwrap().iter().collect();
    assert_eq!(fields.len(), 3, "all that is wrong is answered at once: {}", answer.body);
    requests.push((acme.post(&acme.billing(), &all), 422, INVALID, "end_date"));
    refused(&world, &[&acme, &beta], requests).await;
    assert_eq!(world.usage(&acme).await["pipelines_run_today"], 1);
}

#[tokio::test]
async fn a_path_names_a_template_or_a_run_or_nothing() {
    let (world, acme, beta) = used().await;
    let long = "x".repeat(8_000);
    let mut cases: Vec<Case> = Vec::new();
    for template in [
        "gcp/cost/billings",
        "gcp/cost/BILLING",
        "Gcp/cost/billing",
        "gcp/cost/billing.yml",
        "gcp/cost/..",
        "gcp/../billing",
        "../../..",
        "%2e%2e/%2e%2e/%2e%2e",
        "gcp/cost/%2e%2e%2fbilling",
        "gcp/cost/..%2fcost%2fbilling",
        "gcp%2fcost/x/billing",
        "gcp/cost/billing%00",
        "gcp/cost/%00",
        "gcp/cost/billing%20",
        "gcp/cost/billing%0a",
        "gcp/cost/%E2%80%A8",
        "gcp/cost/billing'--",
        "gcp/cost/*",
        "gcp/cost",
        "gcp/cost/",
        "gcp/cost/billing/",
        "gcp/cost/billing/more",
        "gcp//billing",
        &format!("gcp/cost/{long}"),
        &format!("{long}/cost/billing"),
    ] {
        let path = format!("/api/v1/pipelines/run/acme/{template}");
        cases.push((acme.post(&path, &billing()), 404, "not-found", ""));
    }
    let path = "/api/v1/pipelines/run/acme/gcp/cost/%ff";
    cases.push((acme.post(path, &billing()), 400, MALFORMED, "template is not UTF-8"));

    for run in [RUN, "x", "1", "..", "%2e%2e", "%2f", "%00", "' OR 1=1 --", "acme", &long] {
        let path = format!("{}/{}", acme.runs(), run.replace(' ', "%20"));
        cases.push((acme.get(&path), 404, "not-found", "there is no run"));
        let cancel = acme.post(&format!("{path}/cancel"), &json!({}));
        cases.push((cancel, 404, "not-found", "there is no run"));
    }
    cases.push((acme.get("/api/v1/pipelines"), 404, "not-found", "no route"));
    cases.push((acme.get("/api/v2/pipelines/runs/acme"), 404, "not-found", "no route"));
    refused(&world, &[&acme, &beta], cases).await;
}

#[tokio::test]
async fn a_query_has_known_fields_and_allowed_values() {
    let (world, acme, beta) = used().await;
    let mut cases: Vec<Case> = Vec::new();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=4294967296", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=DONE", "status"),
        ("status=running", "status"),
        ("status=", "status"),
        ("from=yesterday", "from"),
        ("from=2025-02-30", "from"),
        ("from=2025-11-17T00:00:00Z", "from"),
        ("to=17.11.2025", "to"),
        ("to=2025-11-17'--", "to"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=1.2", "cursor"),
        ("cursor=1763373600000000", "cursor"),
        ("cursor=1763373600000000.x", "cursor"),
        ("cursor=99999999999999999999.6ba7b8109dad11d180b400c04fd430c8", "cursor"),
        ("cursor=9223372036854775807.6ba7b8109dad11d180b400c04fd430c8", "cursor"),
        ("page=2", "page"),
        ("tenant_id=beta", "tenant_id"),
        ("Status=RUNNING", "Status"),
    ] {
        let path = format!("{}?{query}", acme.runs());
        cases.push((acme.get(&path), 422, INVALID, field));
    }
    refused(&world, &[&acme, &beta], cases).await;
    for query in
        ["pipeline_id='%20OR%201=1%20--", "pipeline_id=%00", "from=9999-12-31", "limit=200"]
    {
        let answer = world.send(acme.get(&format!("{}?{query}", acme.runs()))).await;
        let found = usize::from(query == "limit=200");
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.body["runs"].as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn a_route_has_its_methods() {
    let (world, acme, beta) = used().await;
    let mut cases: Vec<Case> = Vec::new();
    let cancel = format!("{}/{RUN}/cancel", acme.runs());
    let run = format!("{}/{RUN}", acme.runs());
    let (trigger, runs) = (acme.billing(), acme.runs());
    for (path, methods, allow) in [
        (&trigger, &["GET", "PUT", "PATCH", "DELETE"][..], "POST"),
        (&runs, &["POST", "PUT", "DELETE"], "GET,HEAD"),
        (&run, &["POST", "PUT", "PATCH", "DELETE"], "GET,HEAD"),
        (&cancel, &["GET", "PUT", "DELETE"], "POST"),
    ] {
        for method in methods {
            let request = || acme.request(method, path).body(Body::empty()).unwrap();
            assert_eq!(world.send(request()).await.headers["allow"], allow, "{method} {path}");
            cases.push((request(), 405, "method-not-allowed", method));
        }
    }
    refused(&world, &[&acme, &beta], cases).await;
}

#[tokio::test]
async fn an_idempotency_key_has_its_form() {
    let (world, acme, beta) = used().await;
    let mut cases: Vec<Case> = Vec::new();
    for key in [&b""[..], b" ", b"two words", b"tab\tbed", "zoë".as_bytes(), &[0xff], &[b'k'; 256]]
    {
        let mut request = acme.post(&acme.billing(), &billing());
        let value = axum::http::HeaderValue::from_bytes(key).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        cases.push((request, 400, MALFORMED, "Idempotency-Key"));
    }
    refused(&world, &[&acme, &beta], cases).await;
    assert_eq!(world.send(acme.keyed(&"k".repeat(255), &billing())).await.status, 200);
}
