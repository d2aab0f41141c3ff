//! Onboarding and the operators' routes, over HTTP's router and the SQLite state.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod faults;
mod interrupted;
mod key_routes;
mod tenant_routes;
mod webhook_secret;
mod world;

use serde_json::json;
use world::{ONBOARD, World, acme};

#[tokio::test]
async fn a_tenant_is_onboarded_and_its_key_works() {
    let world = World::new();
    let (status, body) = world.post(ONBOARD, &acme()).await;
    assert_eq!(status, 200, "{body}");
    let key = body["api_key"].as_str().unwrap();
    assert_eq!(
        body,
        json!({
            "tenant_id": "acme",
            "api_key": key,
            "dataset_created": true,
            "tables_created": [
                "x_meta_pipeline_runs", "x_meta_step_logs", "x_meta_dq_results",
                "x_meta_scheduled_runs", "x_meta_pipeline_queue",
            ],
            "message": "Tenant onboarded successfully",
        })
    );
    assert!(key.starts_with("acme_api_"));
    world.assert_onboarded(key).await;
}

#[tokio::test]
async fn an_unseen_key_is_replaced_and_a_used_one_is_not() {
    let world = World::new();
    let first = world.onboard().await;
    let second = world.onboard().await;
    assert_ne!(first, second);
    assert!(!world.key_works(&first).await);
    world.assert_onboarded(&second).await;

    assert!(world.key_works(&second).await);
    let before = world.snapshot().await;
    let (status, body) = world.post(ONBOARD, &acme()).await;
    assert_eq!((status, &body["type"]), (409, &json!("/problems/tenant-exists")));
    assert_eq!(world.snapshot().await, before);
    assert!(world.key_works(&second).await);
}

#[tokio::test]
async fn another_body_is_another_tenant_and_refused() {
    let world = World::new();
    world.onboard().await;
    let before = world.snapshot().await;
    for (field, value) in [
        ("company_name", "Other"),
        ("admin_email", "other@acme.example"),
        ("subscription_plan", "SCALE"),
    ] {
        let mut body = acme();
        body[field] = json!(value);
        let (status, answer) = world.post(ONBOARD, &body).await;
        assert_eq!((status, &answer["type"]), (409, &json!("/problems/tenant-exists")), "{field}");
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn a_foreign_dataset_is_never_adopted() {
    for labels in [&[][..], &[("headgate_tenant", "other")], &[("team", "acme")]] {
        let world = World::new();
        world.warehouse.put("acme", labels);
        let before = world.snapshot().await;
        let (status, body) = world.post(ONBOARD, &acme()).await;
        assert_eq!((status, &body["type"]), (409, &json!("/problems/dataset-taken")), "{labels:?}");
        assert_eq!(world.snapshot().await, before, "nothing is left behind");
    }
}

#[tokio::test]
async fn sixteen_at_once_make_one_tenant_with_one_working_key() {
    let world = World::new();
    let body = acme();
    let asked = (0..16).map(|_| world.post(ONBOARD, &body));
    let answers = futures::future::join_all(asked).await;
    let mut working = Vec::new();
    for (status, body) in answers {
        if status == 200 {
            working.push(body["api_key"].as_str().unwrap().to_owned());
        } else {
            assert_eq!((status, &body["type"]), (409, &json!("/problems/in-progress")), "{body}");
        }
    }
    assert_eq!(working.len(), 1, "only the request whose key stands may answer with it");
    world.assert_onboarded(&working[0]).await;
}

#[tokio::test]
async fn a_dry_run_reports_each_check_and_writes_nothing() {
    let path = format!("{ONBOARD}?dry_run=true");
    let failed = |body: &serde_json::Value| -> Vec<String> {
        let checks = body["checks"].as_array().unwrap().iter();
        checks.filter(|c| c["ok"] == false).map(|c| c["name"].as_str().unwrap().into()).collect()
    };
    let world = World::new();
    let before = world.snapshot().await;
    let (status, body) = world.post(&path, &acme()).await;
    assert_eq!((status, &body["ok"], failed(&body)), (200, &json!(true), vec![]), "{body}");
    assert_eq!(body["checks"].as_array().unwrap().len(), 7);
    assert!(body.get("api_key").is_none());

    let bad = json!({"tenant_id": "Acme", "company_name": "", "admin_email": "a", "subscription_plan": "GOLD"});
    let (_, body) = world.post(&path, &bad).await;
    assert_eq!(failed(&body), ["tenant_id", "company_name", "admin_email", "subscription_plan"]);

    world.warehouse.put("acme", &[]);
    let (_, body) = world.post(&path, &acme()).await;
    assert_eq!((&body["ok"], failed(&body)), (&json!(false), vec!["dataset".to_owned()]));
    world.warehouse.remove("acme");
    assert_eq!(world.snapshot().await, before);

    let key = world.onboard().await;
    let before = world.snapshot().await;
    let (_, body) = world.post(&path, &acme()).await;
    assert_eq!(body["ok"], true, "an unused key would be replaced: {body}");
    assert_eq!(world.snapshot().await, before);
    assert!(world.key_works(&key).await);
    let (_, body) = world.post(&path, &acme()).await;
    assert_eq!(failed(&body), ["tenant"]);
}

#[test]
fn the_key_is_in_no_log() {
    let world = World::new();
    let logged = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let logging = common::telemetry::subscriber(common::telemetry::Options {
        format: common::telemetry::Format::Json,
        writer: logged.clone(),
        filter: "trace".to_owned(),
        project: None,
        service: None,
        clock: world.clock.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // For all threads: what the tests beside this one log is looked through as well.
    tracing::subscriber::set_global_default(logging.unwrap()).unwrap();
    let (key, rotated, webhooks) = runtime.block_on(async {
        let key = world.onboard().await;
        assert!(world.key_works(&key).await);
        let (_, body) = world.post("/api/v1/tenants/acme/api-keys/rotate", &json!({})).await;
        let secret = world.get("/api/v1/tenants/acme/webhook-secret").await;
        let secret = secret["webhook_secret"].as_str().unwrap().to_owned();
        (key, body["api_key"].as_str().unwrap().to_owned(), secret)
    });
    let logged = String::from_utf8(logged.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("tenant onboarded") && logged.contains("\"tenant.id\":\"acme\""));
    for key in [key, rotated] {
        assert!(!logged.contains(&key["acme_api_".len()..]), "{logged}");
    }
    assert!(logged.contains("webhook secret read"));
    for secret in [&webhooks["whsec_".len()..], crate::world::WEBHOOK_KEY] {
        assert!(!logged.contains(secret), "{logged}");
    }
}
