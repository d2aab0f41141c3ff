//! Operators list, read and change tenants.

use serde_json::{Value, json};

use crate::world::{ONBOARD, World, acme};

const ACME: &str = "/api/v1/tenants/acme";

#[tokio::test]
async fn a_tenant_is_read_with_its_limits_and_usage() {
    let world = World::new();
    world.onboard().await;
    assert_eq!(
        world.get(ACME).await,
        json!({
            "tenant_id": "acme",
            "company_name": "Acme Corporation",
            "admin_email": "admin@acme.example",
            "status": "ACTIVE",
            "subscription_plan": "PROFESSIONAL",
            "limits": {
                "daily_limit": 25, "monthly_limit": 750, "concurrent_limit": 3, "max_queued": 50,
                "max_bytes": 100_000_000_000_u64,
                "max_parallel": 4,
            },
            "usage": {
                "pipelines_run_today": 0, "pipelines_run_this_month": 0,
                "pipelines_running": 0, "pipelines_queued": 0,
            },
            "created_at": "2025-11-17T10:00:00Z",
        })
    );
}

#[tokio::test]
async fn tenants_are_listed_page_by_page() {
    let world = World::new();
    for n in 0..5 {
        let mut body = acme();
        body["tenant_id"] = json!(format!("tenant_{n}"));
        assert_eq!(world.post(ONBOARD, &body).await.0, 200);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/tenants?limit=2".to_owned();
    loop {
        let page = world.get(&path).await;
        let tenants = page["tenants"].as_array().unwrap();
        assert!(tenants.len() <= 2);
        seen.extend(tenants.iter().map(|tenant| tenant["tenant_id"].clone()));
        match &page["next_cursor"] {
            Value::String(cursor) => path = format!("/api/v1/tenants?limit=2&cursor={cursor}"),
            _ => break,
        }
    }
    let expected: Vec<Value> = (0..5).map(|n| json!(format!("tenant_{n}"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(world.get("/api/v1/tenants?limit=5").await["next_cursor"], Value::Null);
}

#[tokio::test]
async fn plan_limits_and_status_are_changed() {
    let world = World::new();
    let key = world.onboard().await;
    let patch = async |body: Value| {
        let (status, answer) = world.call("PATCH", ACME, Some(&body)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer, world.get(ACME).await);
        answer
    };
    let tenant = patch(json!({"subscription_plan": "SCALE"})).await;
    assert_eq!(
        (&tenant["subscription_plan"], &tenant["limits"]["daily_limit"]),
        (&json!("SCALE"), &json!(100))
    );
    let tenant = patch(json!({"limits": {"daily_limit": 7, "max_queued": 0}})).await;
    assert_eq!(
        (&tenant["limits"]["daily_limit"], &tenant["limits"]["concurrent_limit"]),
        (&json!(7), &json!(5))
    );

    assert_eq!(patch(json!({"status": "SUSPENDED"})).await["status"], "SUSPENDED");
    let caller = world.keyring().authenticate(&crate::world::with_key(&key)).await.unwrap();
    assert!(caller.require_active().is_err());
    assert_eq!(patch(json!({"status": "ACTIVE"})).await["status"], "ACTIVE");
    let caller = world.keyring().authenticate(&crate::world::with_key(&key)).await.unwrap();
    assert!(caller.require_active().is_ok());
}

#[tokio::test]
async fn changes_at_once_are_all_kept() {
    let world = World::new();
    world.onboard().await;
    let patches = [
        json!({"limits": {"daily_limit": 9}}),
        json!({"limits": {"monthly_limit": 900}}),
        json!({"limits": {"max_queued": 4}}),
        json!({"status": "SUSPENDED"}),
    ];
    let asked = patches.iter().map(|patch| world.call("PATCH", ACME, Some(patch)));
    for (status, body) in futures::future::join_all(asked).await {
        assert_eq!(status, 200, "{body}");
    }
    let tenant = world.get(ACME).await;
    let limits = &tenant["limits"];
    assert_eq!(
        (
            &limits["daily_limit"],
            &limits["monthly_limit"],
            &limits["max_queued"],
            &tenant["status"]
        ),
        (&json!(9), &json!(900), &json!(4), &json!("SUSPENDED"))
    );
}
