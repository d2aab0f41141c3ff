//! Who may ask for which schedule, and as whom.

use axum::body::Body;
use axum::http::Request;
use chrono::TimeDelta;
use serde_json::json;

use crate::asked::{change, list, make, noon, patch, path, place, post, read, removal, stored};
use crate::refusal::{Case, refused, used};
use crate::world::{Tenant, World};

const UNKNOWN: &str = "there is no such schedule";
const NONE: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// Reading, changing and removing what is at a path, with a tenant's key.
fn three(tenant: &Tenant, path: &str) -> [Request<Body>; 3] {
    let request = |method: &str, body: &str| {
        let request = tenant.request(method, path).header("content-type", "application/json");
        request.body(body.to_owned().into()).unwrap()
    };
    [request("GET", ""), request("PATCH", "{\"is_active\": false}"), request("DELETE", "")]
}

#[tokio::test]
async fn a_tenant_sees_only_its_own() {
    let (world, acme, beta) = used().await;
    let of_beta = make(&world, &beta, &noon()).await;
    let id = of_beta["config_id"].as_str().unwrap();
    let mut cases: Vec<Case> = Vec::new();
    // In beta's place with acme's key: another tenant, whatever there is.
    for id in [id, NONE, "x"] {
        let asked = three(&acme, &format!("{}/{id}", path(&beta)));
        cases.extend(asked.map(|request| (request, 403, "forbidden", "another tenant")));
    }
    cases.push((acme.get(&path(&beta)), 403, "forbidden", "another tenant"));
    cases.push((acme.post(&path(&beta), &noon()), 403, "forbidden", "another tenant"));
    cases.push((acme.post(&path(&beta), &json!({})), 403, "forbidden", "another tenant"));
    // Beta's schedule in acme's place, and what is nobody's.
    let simple = id.replace('-', "");
    for id in [id, &simple, NONE, "x", "1", "..", "%2e%2e", "%00", "%20", &"f".repeat(5_000)] {
        let asked = three(&acme, &format!("{}/{id}", path(&acme)));
        cases.extend(asked.map(|request| (request, 404, "not-found", UNKNOWN)));
    }
    refused(&world, &[&acme, &beta], cases).await;
    assert!(list(&world, &acme).await.is_empty());
    assert_eq!(list(&world, &beta).await, [of_beta]);
}

#[tokio::test]
async fn a_key_and_a_user_are_needed() {
    let (world, acme, beta) = used().await;
    let made = make(&world, &acme, &noon()).await;
    let strip = |mut request: Request<Body>, header: &str| {
        request.headers_mut().remove(header);
        request
    };
    let mut cases: Vec<Case> = vec![
        (
            strip(acme.post(&path(&acme), &noon()), "x-user-id"),
            400,
            "malformed-request",
            "X-User-ID is required",
        ),
        (strip(acme.get(&path(&acme)), "x-api-key"), 401, "unauthenticated", "X-API-Key"),
        (strip(acme.post(&path(&acme), &noon()), "x-api-key"), 401, "unauthenticated", "X-API-Key"),
    ];
    let keyless = three(&acme, &place(&acme, &made)).map(|request| strip(request, "x-api-key"));
    cases.extend(keyless.map(|request| (request, 401, "unauthenticated", "X-API-Key")));
    let mut spaced = acme.post(&path(&acme), &noon());
    spaced.headers_mut().insert("idempotency-key", "a b".parse().unwrap());
    cases.push((spaced, 400, "malformed-request", "Idempotency-Key"));
    let plain = Request::builder().method("POST").uri(path(&acme)).header("x-api-key", &acme.key);
    let plain = plain.header("x-user-id", "alice").body(noon().to_string().into()).unwrap();
    cases.push((plain, 415, "unsupported-media-type", "application/json"));
    for (path, methods) in
        [(path(&acme), &["PUT", "PATCH", "DELETE"][..]), (place(&acme, &made), &["PUT", "POST"])]
    {
        for method in methods {
            let request = acme.request(method, &path).body(Body::empty()).unwrap();
            cases.push((request, 405, "method-not-allowed", ""));
        }
    }
    refused(&world, &[&acme, &beta], cases).await;
    let nobody = strip(change(&acme, &made, &json!({"priority": 3})), "x-user-id");
    assert_eq!(world.send(nobody).await.status, 200, "a change needs no user");
    let nobody = strip(removal(&acme, &made), "x-user-id");
    assert_eq!(world.send(nobody).await.status, 204, "nor does a removal");
}

#[tokio::test]
async fn an_inactive_subscription_makes_nothing_and_still_reads_pauses_and_removes() {
    for status in ["SUSPENDED", "CANCELLED"] {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        let made = make(&world, &acme, &noon()).await;
        world.change(&acme, json!({"status": status})).await;
        world.pass(TimeDelta::seconds(31));

        let answer = post(&world, &acme, &noon()).await;
        assert_eq!((answer.status, answer.problem()), (403, "subscription-inactive"), "{status}");
        assert_eq!(stored(&world, &acme).await.len(), 1, "{status}");
        assert_eq!(list(&world, &acme).await.len(), 1, "{status}");
        assert_eq!(read(&world, &acme, &made).await["is_active"], true, "{status}");
        let paused = patch(&world, &acme, &made, &json!({"is_active": false})).await;
        assert_eq!(paused["is_active"], false, "{status}");
        assert_eq!(world.send(removal(&acme, &made)).await.status, 204, "{status}");
        assert!(stored(&world, &acme).await.is_empty(), "{status}");
    }
}
