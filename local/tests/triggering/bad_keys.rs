//! Who may not: keys that are not good look alike, and a good one opens its own tenant alone.

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{HeaderValue, Request};
use common::api_key::ApiKey;
use common::clock::Chance;
use serde_json::{Value, json};

use crate::refusal::{Case, refused, used};
use crate::world::{Tenant, World, billing};

const RUN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// Every route, of a tenant.
fn routes(tenant: &str) -> [(&'static str, String); 4] {
    [
        ("POST", format!("/api/v1/pipelines/run/{tenant}/gcp/cost/billing")),
        ("GET", format!("/api/v1/pipelines/runs/{tenant}")),
        ("GET", format!("/api/v1/pipelines/runs/{tenant}/{RUN}")),
        ("POST", format!("/api/v1/pipelines/runs/{tenant}/{RUN}/cancel")),
    ]
}

/// The request, with a body where the route takes one, and an id of its own that makes answers comparable.
fn whole(request: Builder) -> Request<Body> {
    let request = request.header("x-request-id", "same");
    let triggers = request.uri_ref().unwrap().path().contains("/run/");
    if triggers {
        request.header("content-type", "application/json").body(billing().to_string().into())
    } else {
        request.body(Body::empty())
    }
    .unwrap()
}

async fn rotate(world: &World, tenant: &str, overlap: Value) -> (String, String) {
    let path = format!("/api/v1/tenants/{tenant}/api-keys/rotate");
    let body = world.operate("POST", &path, &json!({ "overlap_seconds": overlap })).await;
    let text = |member: &str| body[member].as_str().unwrap().to_owned();
    (text("api_key_id"), text("api_key"))
}

#[tokio::test]
async fn keys_that_are_not_good_look_alike() {
    let (world, mut acme, beta) = used().await;
    let expired = acme.key.clone();
    let (id, revoked) = rotate(&world, "acme", json!(0)).await;
    let (_, good) = rotate(&world, "acme", json!(86_400)).await;
    let path = format!("/api/v1/tenants/acme/api-keys/{id}");
    world.operate("DELETE", &path, &Value::Null).await;
    // Until then what was known of the first key may be believed.
    world.pass(chrono::TimeDelta::seconds(30));
    acme.key = good;
    assert_eq!(world.send(acme.get(&acme.runs())).await.status, 200);

    let unknown = ApiKey::generate(&acme.tenant_id(), &Chance::seeded(99));
    let mut mistyped = acme.key.clone();
    let last = if mistyped.pop() == Some('x') { 'y' } else { 'x' };
    mistyped.push(last);
    let mut bad: Vec<Vec<HeaderValue>> = vec![vec![]];
    for text in [
        "",
        " ",
        "nonsense",
        "acme_api_",
        "Bearer x",
        "acme_api_' OR '1'='1",
        &"x".repeat(4_000),
        &acme.key.to_uppercase(),
        &acme.key[..acme.key.len() - 1],
        &format!("{}0", acme.key),
        &mistyped,
        unknown.secret().expose(),
        &revoked,
        &expired,
    ] {
        bad.push(vec![text.parse().unwrap()]);
    }
    bad.push(vec![HeaderValue::from_bytes(&[0xff, 0xfe]).unwrap()]);
    bad.push(vec![acme.key.parse().unwrap(), acme.key.parse().unwrap()]);
    bad.push(vec![acme.key.parse().unwrap(), beta.key.parse().unwrap()]);

    let mut cases: Vec<Case> = Vec::new();
    let mut answers = Vec::new();
    for (method, path) in routes("acme") {
        for keys in &bad {
            let request = || {
                let request = Request::builder().method(method).uri(&path);
                let request = request.header("x-user-id", "alice");
                whole(keys.iter().fold(request, |request, key| request.header("x-api-key", key)))
            };
            let answer = world.send(request()).await;
            assert_eq!(answer.headers["www-authenticate"], "ApiKey");
            answers.push(answer.body);
            cases.push((request(), 401, "unauthenticated", "X-API-Key"));
        }
    }
    assert_eq!(answers.len(), 4 * 18);
    assert!(answers.iter().all(|body| *body == answers[0]), "they tell bad keys apart");
    refused(&world, &[&acme, &beta], cases).await;
}

#[tokio::test]
async fn a_key_opens_its_own_tenant_alone() {
    let (world, acme, beta) = used().await;
    let others = ["beta", "nobody", "ACME", "tenants", "..", "%00", "acme%20", "%2e%2e%2facme"];
    let mut cases: Vec<Case> = Vec::new();
    let mut answers = Vec::new();
    for other in others {
        for (method, path) in routes(other) {
            let request = || whole(acme.request(method, &path));
            answers.push(world.send(request()).await.body);
            cases.push((request(), 403, "forbidden", "another tenant"));
        }
    }
    assert!(answers.iter().all(|body| *body == answers[0]), "they tell which tenants exist");
    refused(&world, &[&acme, &beta], cases).await;
}

#[tokio::test]
async fn whoever_triggers_says_for_whom() {
    let (world, acme, beta) = used().await;
    let long = "é".repeat(129);
    let bad: [(Option<&[u8]>, &str); 8] = [
        (None, "is required"),
        (Some(b""), "1 to 128 printable"),
        (Some(b"   "), "1 to 128 printable"),
        (Some(long.as_bytes()), "1 to 128 printable"),
        (Some(&[b'x'; 129]), "1 to 128 printable"),
        (Some(b"a\tb"), "1 to 128 printable"),
        (Some("a\u{85}b".as_bytes()), "1 to 128 printable"),
        (Some(&[0xff]), "UTF-8"),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (user, said) in bad {
        for (method, path) in routes("acme") {
            // Who reads need not say for whom, but what it says has the form.
            if user.is_none() && !path.contains("/run/") {
                continue;
            }
            let request = Request::builder().method(method).uri(path);
            let mut request = whole(request.header("x-api-key", &acme.key));
            if let Some(user) = user {
                let value = HeaderValue::from_bytes(user).unwrap();
                request.headers_mut().insert("x-user-id", value);
            }
            cases.push((request, 400, "malformed-request", said));
        }
    }
    refused(&world, &[&acme, &beta], cases).await;
    let named = async |user: &str| {
        let mut request = acme.post(&acme.billing(), &billing());
        request
            .headers_mut()
            .insert("x-user-id", HeaderValue::from_bytes(user.as_bytes()).unwrap());
        world.send(request).await
    };
    for user in ["x".repeat(128), "é".repeat(128), "zoë@example.com".to_owned()] {
        let answer = named(&user).await;
        assert!(matches!(answer.status, 200 | 202), "{user}: {}", answer.body);
        assert_eq!(world.read(&acme, answer.run_id()).await["user_id"], user);
    }
}

#[tokio::test]
async fn reading_needs_no_person() {
    let (world, acme, _) = used().await;
    let request = Request::builder().uri(acme.runs()).header("x-api-key", &acme.key);
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 200);
    let stranger = Tenant { id: "acme".to_owned(), key: String::new() };
    assert_eq!(world.send(stranger.get(&stranger.runs())).await.status, 401);
}
