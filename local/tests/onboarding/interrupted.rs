//! Whatever call an onboarding breaks off at, the same request completes it.

use serde_json::json;

use crate::faults::Side;
use crate::world::{ONBOARD, World, acme};

#[tokio::test]
async fn the_same_request_completes_what_was_cut_off_anywhere() {
    for side in [Side::Before, Side::After] {
        let mut points = 0;
        loop {
            let world = World::new();
            world.faults.arm(points, side);
            let (status, body) = world.post(ONBOARD, &acme()).await;
            if !world.faults.disarm() {
                assert_eq!(status, 200, "{body}");
                break;
            }
            assert_eq!((status, &body["type"]), (503, &json!("/problems/unavailable")), "{points}");
            assert!(!body.to_string().contains("connection"), "{body}");
            let key = world.onboard().await;
            world.assert_onboarded(&key).await;
            points += 1;
        }
        // Profile, dataset, five tables, subscription, ledger row, encryption, key, activation at least.
        assert!(points >= 12, "{points}");
    }
}

#[tokio::test]
async fn it_may_be_cut_off_again_and_again() {
    let world = World::new();
    for point in 0.. {
        world.faults.arm(point, Side::After);
        let (status, body) = world.post(ONBOARD, &acme()).await;
        if !world.faults.disarm() {
            assert_eq!(status, 200, "{body}");
            world.assert_onboarded(body["api_key"].as_str().unwrap()).await;
            break;
        }
        assert_eq!(status, 503, "{body}");
    }
}

#[tokio::test]
async fn a_tenant_is_provisioning_until_the_last_step() {
    for point in 0.. {
        let world = World::new();
        world.faults.arm(point, Side::Before);
        world.post(ONBOARD, &acme()).await;
        if !world.faults.disarm() {
            break;
        }
        let list = world.get("/api/v1/tenants").await;
        let status = list["tenants"].get(0).map(|tenant| tenant["status"].clone());
        let keys = match &status {
            Some(_) => world.get("/api/v1/tenants/acme/api-keys").await["api_keys"].clone(),
            None => json!([]),
        };
        if status == Some(json!("ACTIVE")) {
            assert_eq!(keys.as_array().unwrap().len(), 1, "{point}");
            continue;
        }
        assert!(status.is_none() || status == Some(json!("PROVISIONING")), "{point}: {status:?}");
        if status.is_some() {
            let (patched, _) = world
                .call("PATCH", "/api/v1/tenants/acme", Some(&json!({"status": "SUSPENDED"})))
                .await;
            let (rotated, _) = world.post("/api/v1/tenants/acme/api-keys/rotate", &json!({})).await;
            assert_eq!((patched, rotated), (409, 409), "{point}");
        }
    }
}
