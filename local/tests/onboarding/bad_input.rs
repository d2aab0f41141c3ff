//! Every route's bad input gets a problem of the right status, and nothing is written.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::world::{ONBOARD, World, acme, request};

const ACME: &str = "/api/v1/tenants/acme";
const KEYS: &str = "/api/v1/tenants/acme/api-keys";
const ROTATE: &str = "/api/v1/tenants/acme/api-keys/rotate";
const SECRET: &str = "/api/v1/tenants/acme/webhook-secret";
const NOBODY: &str = "/api/v1/tenants/nobody";
const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

#[tokio::test]
async fn bad_input_is_refused_and_nothing_written() {
    let with = |field: &str, value: Value| {
        let mut body = acme();
        body["tenant_id"] = json!("beta");
        body[field] = value;
        body
    };
    let limits = |limits: Value| json!({ "limits": limits });
    let json = |method: &str, path: &str, body: Value| request(method, path, Some(&body));
    let bare = |method: &str, path: &str| request(method, path, None);
    let text = |method: &str, path: &str, body: &str| {
        let mut request = request(method, path, Some(&Value::Null));
        *request.body_mut() = Body::from(body.to_owned());
        request
    };
    let key = |value: &str| {
        let mut request = request("POST", ROTATE, None);
        request.headers_mut().insert("idempotency-key", value.parse().unwrap());
        request
    };
    let mut without = acme();
    without.as_object_mut().unwrap().remove("admin_email");
    let large = format!("{{\"tenant_id\": \"{}\"}}", "x".repeat(1_000_000));

    let world = World::new();
    world.onboard().await;
    let before = world.snapshot().await;
    let cases: Vec<(Request<Body>, u16, &str)> = vec![
        (json("POST", ONBOARD, with("tenant_id", json!("Beta"))), 422, "tenant_id"),
        (json("POST", ONBOARD, with("tenant_id", json!("../beta"))), 422, "tenant_id"),
        (json("POST", ONBOARD, with("tenant_id", json!("b`; DROP TABLE t"))), 422, "tenant_id"),
        (json("POST", ONBOARD, with("tenant_id", json!("tenants"))), 422, "reserved"),
        (json("POST", ONBOARD, with("tenant_id", json!("billing_export"))), 422, "reserved"),
        (json("POST", ONBOARD, with("tenant_id", json!(7))), 422, "tenant_id"),
        (json("POST", ONBOARD, with("company_name", json!(""))), 422, "company_name"),
        (json("POST", ONBOARD, with("admin_email", json!("x"))), 422, "admin_email"),
        (json("POST", ONBOARD, with("subscription_plan", json!("GOLD"))), 422, "SCALE"),
        (json("POST", ONBOARD, with("extra", json!(1))), 422, "extra"),
        (json("POST", ONBOARD, without), 422, "admin_email"),
        (json("POST", ONBOARD, json!([])), 422, "errors"),
        (json("POST", &format!("{ONBOARD}?dry_run=maybe"), acme()), 422, "dry_run"),
        (json("POST", &format!("{ONBOARD}?dryrun=true"), acme()), 422, "dryrun"),
        (text("POST", ONBOARD, "{\"tenant_id\": "), 400, "JSON"),
        (text("POST", ONBOARD, ""), 400, "empty"),
        (text("POST", ONBOARD, &large), 413, "65536"),
        (bare("POST", ONBOARD), 415, "application/json"),
        (bare("GET", ONBOARD), 405, "GET"),
        (bare("PUT", ONBOARD), 405, "PUT"),
        (bare("GET", "/api/v1/tenants?limit=0"), 422, "limit"),
        (bare("GET", "/api/v1/tenants?limit=201"), 422, "limit"),
        (bare("GET", "/api/v1/tenants?limit=x"), 422, "limit"),
        (bare("GET", "/api/v1/tenants?cursor=A'"), 422, "cursor"),
        (bare("GET", "/api/v1/tenants?page=1"), 422, "page"),
        (bare("GET", NOBODY), 404, "nobody"),
        (bare("GET", "/api/v1/tenants/Acme"), 404, "tenant_id"),
        (bare("GET", "/api/v1/tenants/..%2Facme"), 404, "tenant_id"),
        (bare("GET", "/api/v1/tenants/%ff"), 400, "tenant_id"),
        (json("PATCH", NOBODY, json!({"status": "ACTIVE"})), 404, "nobody"),
        (json("PATCH", ACME, json!({})), 422, "nothing to change"),
        (json("PATCH", ACME, json!({"status": "GONE"})), 422, "status"),
        (json("PATCH", ACME, json!({"subscription_plan": "GOLD"})), 422, "SCALE"),
        (json("PATCH", ACME, limits(json!({"daily_limit": -1}))), 422, "limits.daily_limit"),
        (json("PATCH", ACME, limits(json!({"daily_limit": 0}))), 422, "limits.daily_limit"),
        (
            json("PATCH", ACME, limits(json!({"concurrent_limit": 21}))),
            422,
            "limits.concurrent_limit",
        ),
        (json("PATCH", ACME, limits(json!({"monthly_limit": 1}))), 422, "limits.monthly_limit"),
        (json("PATCH", ACME, limits(json!({"max_bytes": u64::MAX}))), 422, "limits.max_bytes"),
        (json("PATCH", ACME, limits(json!({"weekly_limit": 1}))), 422, "limits.weekly_limit"),
        (json("PATCH", ACME, json!({"tenant_id": "beta"})), 422, "tenant_id"),
        (text("PATCH", ACME, "nope"), 400, "JSON"),
        (text("PATCH", ACME, &large), 413, "65536"),
        (bare("PATCH", ACME), 415, "application/json"),
        (bare("DELETE", ACME), 405, "DELETE"),
        (bare("GET", &format!("{NOBODY}/api-keys")), 404, "nobody"),
        (bare("GET", &format!("{NOBODY}/webhook-secret")), 404, "nobody"),
        (bare("GET", "/api/v1/tenants/Acme/webhook-secret"), 404, "tenant_id"),
        (bare("POST", SECRET), 405, "POST"),
        (bare("DELETE", &format!("{KEYS}/{UUID}")), 404, UUID),
        (bare("DELETE", &format!("{KEYS}/seven")), 404, "api_key_id"),
        (bare("DELETE", &format!("{NOBODY}/api-keys/{UUID}")), 404, "nobody"),
        (bare("POST", &format!("{NOBODY}/api-keys/rotate")), 404, "nobody"),
        (json("POST", ROTATE, json!({"overlap_seconds": 2_592_001})), 422, "overlap_seconds"),
        (json("POST", ROTATE, json!({"overlap_seconds": -1})), 422, "overlap_seconds"),
        (json("POST", ROTATE, json!({"overlap": 1})), 422, "overlap_seconds"),
        (text("POST", ROTATE, "{"), 400, "JSON"),
        (text("POST", ROTATE, &large), 413, "65536"),
        (key("a b"), 400, "Idempotency-Key"),
        (key(&"x".repeat(256)), 400, "Idempotency-Key"),
    ];
    for (request, expected, names) in cases {
        let about = format!("{} {} ({names})", request.method(), request.uri());
        let (status, body) = world.send(request).await;
        assert_eq!(status, expected, "{about}: {body}");
        assert!(body["type"].as_str().unwrap().starts_with("/problems/"), "{about}: {body}");
        assert!(body.to_string().contains(names), "{about}: {body}");
        assert_eq!(world.snapshot().await, before, "{about}");
    }
}

#[tokio::test]
async fn every_route_is_for_operators_whatever_else_is_wrong() {
    let world = World::new();
    world.onboard().await;
    let before = world.snapshot().await;
    for (method, path) in [
        ("POST", ONBOARD),
        ("POST", &format!("{ONBOARD}?dry_run=perhaps")),
        ("GET", "/api/v1/tenants"),
        ("GET", ACME),
        ("GET", NOBODY),
        ("PATCH", ACME),
        ("GET", KEYS),
        ("DELETE", &format!("{KEYS}/{UUID}")),
        ("POST", ROTATE),
        ("GET", SECRET),
    ] {
        for key in [None, Some(""), Some("operato"), Some("operator2")] {
            let mut request = request(method, path, Some(&json!("not an object")));
            match key {
                Some(key) => request.headers_mut().insert("x-admin-key", key.parse().unwrap()),
                None => request.headers_mut().remove("x-admin-key"),
            };
            let (status, body) = world.send(request).await;
            assert_eq!(
                (status, &body["type"]),
                (401, &json!("/problems/unauthenticated")),
                "{method} {path}"
            );
        }
    }
    assert_eq!(world.snapshot().await, before);
}
