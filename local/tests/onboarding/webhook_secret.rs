//! Operators read the secret that a tenant verifies its webhooks with.

use serde_json::json;

use crate::world::{ONBOARD, World, acme, request};

#[tokio::test]
async fn each_tenant_has_a_webhook_secret_of_its_own_that_nobody_caches() {
    let world = World::new();
    world.onboard().await;
    let mut other = acme();
    other["tenant_id"] = json!("acme_2");
    assert_eq!(world.post(ONBOARD, &other).await.0, 200);
    let before = world.snapshot().await;

    let path = "/api/v1/tenants/acme/webhook-secret";
    let (parts, body) = world.answer(request("GET", path, None)).await;
    assert_eq!(parts.status, 200, "{body}");
    assert_eq!(parts.headers["cache-control"], "no-store");
    // Python's hmac derives it from the world's key.
    let secret = "whsec_Am5C5rsVWU8eqYupe3YO3rMArl6ruJqe5jdNcinqHMc=";
    assert_eq!(body, json!({"tenant_id": "acme", "webhook_secret": secret}));

    assert_eq!(world.get(path).await, body, "it is the same each time");
    let others = world.get("/api/v1/tenants/acme_2/webhook-secret").await;
    assert_ne!(others["webhook_secret"], body["webhook_secret"]);
    assert_eq!(world.snapshot().await, before, "nothing is written");
}
