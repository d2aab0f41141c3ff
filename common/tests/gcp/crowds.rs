//! Many at once: schedules that are due together, and operators who onboard one tenant together.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::tenant::TenantId;
use futures::future::join_all;
use serde_json::json;

use crate::deployment::{CLOCK, Deployment, OPERATOR, Setup};
use crate::judges::TURN;
use crate::tenants::{PROFESSIONAL, Tables, tenants};

async fn deployment(name: &'static str) -> Deployment {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let setup = Setup { name, configs, latency: |_| Duration::ZERO, start_within: "60" };
    Deployment::start(setup).await
}

/// Has so many schedules of a hundred tenants be due, and ticks; answers the statements that were sent.
async fn tick(deployment: &Deployment, schedules: usize) -> BTreeMap<String, usize> {
    // Paused ones stand for those that are not due.
    let due = format!(
        "UPDATE tenants.tenant_pipeline_configs SET is_active = priority <= {schedules}, next_run_time = \
         TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), HOUR) WHERE TRUE"
    );
    deployment.bigquery.sql(&due).await;
    deployment.proxy.forget();
    let token = format!("Bearer {}", deployment.token(CLOCK, &deployment.scheduler).await);
    let route = ("POST", "/api/v1/scheduler/trigger");
    let (status, ticked) =
        deployment.scheduler.call(route, &[("authorization", &token)], None).await;
    assert_eq!(status, 200, "{ticked}");
    for count in ["due", "published", "advanced"] {
        assert_eq!(ticked[count], schedules, "{ticked}");
    }
    // What comes of the requests is another program's.
    let mut sent = BTreeMap::new();
    for statement in deployment.proxy.seen() {
        if &*statement.door == "scheduler" {
            *sent.entry(statement.label).or_default() += 1;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_sends_as_many_statements_over_2000_schedules_as_over_20() {
    let _turn = TURN.lock().await;
    let deployment = deployment("crowded-tick").await;
    let tenants = tenants(&deployment.bigquery, "many", 100, PROFESSIONAL, Tables::OfRuns).await;
    // No tenant reads a request of these: they name a template that is not there.
    let path = format!("/api/v1/scheduler/tenant/{}/pipelines", tenants[0].id);
    let body = json!({
        "provider": "gcp",
        "domain": "cost",
        "pipeline_template": "billing",
        "schedule_cron": "0 * * * *",
        "parameters": {"date": "2025-11-16"},
    });
    let headers = [("x-api-key", tenants[0].key.as_str()), ("x-user-id", "zoe")];
    let (status, answer) = deployment.scheduler.call(("POST", &path), &headers, Some(&body)).await;
    assert_eq!(status, 201, "{answer}");
    let copies = "INSERT INTO tenants.tenant_pipeline_configs (config_id, tenant_id, provider, domain, \
         pipeline_template, schedule_cron, timezone, parameters, is_active, next_run_time, priority, catchup, \
         max_catchup, retry_count, retry_backoff_seconds, retries, fingerprint, revision, created_by, created_at, \
         updated_at) SELECT GENERATE_UUID(), CONCAT('many_', CAST(MOD(n, 100) AS STRING)), provider, domain, \
         'gone', schedule_cron, timezone, parameters, is_active, next_run_time, n, catchup, max_catchup, \
         retry_count, retry_backoff_seconds, [], fingerprint, revision, created_by, created_at, updated_at \
         FROM tenants.tenant_pipeline_configs, UNNEST(GENERATE_ARRAY(1, 2000)) AS n";
    deployment.bigquery.sql(copies).await;
    let first = "DELETE FROM tenants.tenant_pipeline_configs WHERE pipeline_template = 'billing'";
    deployment.bigquery.sql(first).await;

    let few = tick(&deployment, 20).await;
    println!("statements of a tick over 20 schedules: {few:?}");
    let many = tick(&deployment, 2000).await;
    println!("statements of a tick over 2000 schedules: {many:?}");
    assert_eq!(many, few);
    assert!(few.values().sum::<usize>() <= 3, "{few:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_make_one_tenant() {
    let _turn = TURN.lock().await;
    let deployment = deployment("crowded-onboard").await;
    let token = format!("Bearer {}", deployment.token(OPERATOR, &deployment.onboard).await);
    let body = json!({
        "tenant_id": "wanted",
        "company_name": "Wanted",
        "admin_email": "admin@wanted.example",
        "subscription_plan": "SCALE",
    });
    let headers = [("authorization", token.as_str())];
    let route = ("POST", "/api/v1/tenants/onboard");
    let asked = (0..64).map(|_| deployment.onboard.call(route, &headers, Some(&body)));
    let mut answers = join_all(asked).await;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (status, _) in &answers {
        *statuses.entry(*status).or_default() += 1;
    }
    println!("64 onboardings of one tenant: {statuses:?}");
    let answered = statuses.keys().all(|status| [200, 409, 503].contains(status));
    assert!(answered, "{:#?}", deployment.onboard.errors());
    let tenant = TenantId::parse("wanted").unwrap();
    let works = async |key: &str| {
        let path = format!("/api/v1/pipelines/runs/{tenant}");
        let (status, _) =
            deployment.trigger.call(("GET", &path), &[("x-api-key", key)], None).await;
        status == 200
    };
    // On a slow machine the time of all of them may be over before any has ended: the next one completes it.
    let key = loop {
        let mut good = Vec::new();
        for (_, answer) in &answers {
            if let Some(key) = answer["api_key"].as_str()
                && works(key).await
            {
                good.push(key.to_owned());
            }
        }
        assert!(good.len() <= 1, "{} keys work", good.len());
        match good.pop() {
            Some(key) => break key,
            None => assert!(answers.len() < 70, "{:#?}", deployment.onboard.errors()),
        }
        answers.push(deployment.onboard.call(route, &headers, Some(&body)).await);
    };
    crate::kills::sound::is_onboarded(&deployment.bigquery, &tenant, &key).await;
}
