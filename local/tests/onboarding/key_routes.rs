//! Operators list, rotate and revoke API keys.

use serde_json::{Value, json};

use crate::world::{ONBOARD, World, acme, request, with_key};

const KEYS: &str = "/api/v1/tenants/acme/api-keys";
const ROTATE: &str = "/api/v1/tenants/acme/api-keys/rotate";

fn states(list: &Value) -> Vec<&str> {
    list["api_keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_rotation_lets_both_keys_work_for_a_while() {
    let world = World::new();
    let old = world.onboard().await;
    assert!(world.key_works(&old).await);
    world.pass(10);
    let (status, body) = world.post(ROTATE, &json!({"overlap_seconds": 3600})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["others_expire_at"], "2025-11-17T11:00:10Z");
    let new = body["api_key"].as_str().unwrap();

    world.pass(3599);
    assert!(world.key_works(&old).await && world.key_works(new).await);
    world.pass(1);
    assert!(!world.key_works(&old).await && world.key_works(new).await);

    let list = world.get(KEYS).await;
    assert_eq!(states(&list), ["EXPIRED", "ACTIVE"]);
    assert_eq!(list["api_keys"][1]["api_key_id"], body["api_key_id"]);
    assert_eq!(list["api_keys"][1]["last_four"], new[new.len() - 4..]);
    for secret in [&old, new] {
        assert!(!list.to_string().contains(secret.rsplit('_').next().unwrap()));
    }
}

#[tokio::test]
async fn without_an_overlap_the_old_key_ends_at_once_and_by_default_after_a_day() {
    let world = World::new();
    let old = world.onboard().await;
    let (_, body) = world.send(request("POST", ROTATE, None)).await;
    assert_eq!(body["others_expire_at"], "2025-11-18T10:00:00Z");
    let (_, body) = world.post(ROTATE, &json!({"overlap_seconds": 0})).await;
    assert!(!world.key_works(&old).await);
    assert!(world.key_works(body["api_key"].as_str().unwrap()).await);
    assert_eq!(states(&world.get(KEYS).await), ["EXPIRED", "EXPIRED", "ACTIVE"]);
}

#[tokio::test]
async fn a_rotation_with_an_idempotency_key_happens_once() {
    let world = World::new();
    world.onboard().await;
    let rotate = async |key: &str| {
        let mut request = request("POST", ROTATE, None);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        world.send(request).await
    };
    let (status, first) = rotate("november").await;
    assert_eq!(status, 200);
    let before = world.snapshot().await;
    let (status, again) = rotate("november").await;
    assert_eq!((status, &again["type"]), (409, &json!("/problems/already-created")));
    assert_eq!(again["api_key_id"], first["api_key_id"]);
    assert_eq!(world.snapshot().await, before);
    assert_eq!(rotate("december").await.0, 200);
    assert_eq!(world.get(KEYS).await["api_keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_rotated_tenant_is_not_onboarded_again() {
    let world = World::new();
    world.onboard().await;
    world.post(ROTATE, &json!({})).await;
    let before = world.snapshot().await;
    let (status, body) = world.post(ONBOARD, &acme()).await;
    assert_eq!((status, &body["type"]), (409, &json!("/problems/tenant-exists")));
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_stays_so() {
    let world = World::new();
    let key = world.onboard().await;
    let keyring = world.keyring();
    assert!(keyring.authenticate(&with_key(&key)).await.is_ok());
    let id = world.get(KEYS).await["api_keys"][0]["api_key_id"].as_str().unwrap().to_owned();
    let path = format!("{KEYS}/{id}");

    let (status, first) = world.call("DELETE", &path, None).await;
    assert_eq!((status, &first["state"]), (200, &json!("REVOKED")));
    assert!(!world.key_works(&key).await, "who has not seen the key refuses it at once");
    world.pass(30);
    assert!(keyring.authenticate(&with_key(&key)).await.is_err(), "who has, after 30 seconds");

    let (status, again) = world.call("DELETE", &path, None).await;
    assert_eq!((status, again), (200, first), "revoking again changes nothing");
    let (status, body) = world.post(ONBOARD, &acme()).await;
    assert_eq!((status, &body["type"]), (409, &json!("/problems/tenant-exists")));
}
