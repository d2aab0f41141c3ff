//! The four programs as processes of their own, over the BigQuery and Pub/Sub emulators, a signer of tokens, and fakes
//! of Cloud KMS and Cloud Run; what they leave is read with Google's own client.

mod deployment;
mod execution;
mod pushes;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::judges::bin;
use deployment::{CLOCK, Deployment, OPERATOR, PUSHER, Server};

const PATIENCE: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(200);
/// The days of the sample.
const DAYS: [&str; 2] = ["2025-11-01", "2025-11-30"];

/// A tenant with the key that onboarding answered.
struct Tenant {
    id: &'static str,
    key: String,
}

impl Tenant {
    fn headers(&self) -> [(&str, &str); 2] {
        [("x-api-key", &self.key), ("x-user-id", "zoe")]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_programs_carry_tenants_from_onboarding_to_the_same_cells_as_the_embedded_one() {
    let deployment = Deployment::start().await;
    nobody_else_is_let_in(&deployment).await;
    let acme = onboard(&deployment, "acme_demo", "PROFESSIONAL").await;
    let small = onboard(&deployment, "small_demo", "STARTER").await;
    let (schema, sample) = (
        shared("samples/gcp_billing_export.schema.json"),
        shared("samples/gcp_billing_export.ndjson"),
    );
    let table = format!("{}.gcp_billing_export", acme.id);
    let loaded = deployment.tables(&["load", &table, &schema, &sample]).await;
    assert!(loaded.trim().parse::<u64>().unwrap() > 1_000, "{loaded}");
    let other = format!("{}.gcp_billing_export", small.id);
    deployment.tables(&["copy", &table, &other]).await;

    let config = schedule(&deployment, &acme).await;
    let run = trigger(&deployment, &acme, "run-1").await;
    assert_eq!(run, trigger(&deployment, &acme, "run-1").await, "the same key is the same run");
    completed(&deployment, &acme, &run).await;
    the_cells_are_those_of_the_embedded_deployment(&deployment, &acme).await;

    a_queue_is_worked_off_one_by_one(&deployment, &small).await;
    let slots = the_tick_brings_a_run(&deployment, &acme, &config).await;
    at_rest(&deployment, &[(&acme, 1 + slots), (&small, 3)]).await;
    for execution in deployment.executions.0.ended().iter() {
        assert_eq!(execution.code, Some(0), "{execution:#?}");
    }
    let refused: Vec<_> = deployment.proxy.seen().into_iter().filter(|s| s.refused).collect();
    assert!(refused.is_empty(), "BigQuery would refuse {refused:#?}");
    deployment.stop();
}

fn shared(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(path);
    path.to_str().unwrap().to_owned()
}

async fn bearer(deployment: &Deployment, account: &str, server: &Server) -> String {
    format!("Bearer {}", deployment.token(account, server).await)
}

async fn nobody_else_is_let_in(deployment: &Deployment) {
    let Deployment { onboard, trigger, scheduler, .. } = deployment;
    let (tenants, push, tick) = (
        ("GET", "/api/v1/tenants"),
        ("POST", "/internal/run-requests"),
        ("POST", "/api/v1/scheduler/trigger"),
    );
    let elsewhere = bearer(deployment, OPERATOR, trigger).await;
    for (server, route, account, expected) in [
        (onboard, tenants, Some(OPERATOR), 200),
        (onboard, tenants, Some(CLOCK), 403),
        (onboard, tenants, None, 401),
        (trigger, push, Some(OPERATOR), 403),
        (trigger, push, None, 401),
        (scheduler, tick, Some(CLOCK), 200),
        (scheduler, tick, Some(PUSHER), 403),
        (scheduler, tick, None, 401),
    ] {
        let token = match account {
            Some(account) => bearer(deployment, account, server).await,
            None => elsewhere.clone(),
        };
        // A push's token is good for a push alone.
        let sent = if account.is_none() && route == push { "Bearer x" } else { token.as_str() };
        let (status, body) = server.call(route, &[("authorization", sent)], None).await;
        assert_eq!(status, expected, "{route:?} {account:?}: {body}");
    }
}

async fn onboard(deployment: &Deployment, id: &'static str, plan: &str) -> Tenant {
    let token = bearer(deployment, OPERATOR, &deployment.onboard).await;
    let body = json!({
        "tenant_id": id,
        "company_name": "Acme",
        "admin_email": "admin@acme.example",
        "subscription_plan": plan,
    });
    let route = ("POST", "/api/v1/tenants/onboard");
    let (status, answer) =
        deployment.onboard.call(route, &[("authorization", &token)], Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
    Tenant { id, key: answer["api_key"].as_str().unwrap().to_owned() }
}

/// Asks for a run of the whole sample; answers its id.
async fn trigger(deployment: &Deployment, tenant: &Tenant, key: &str) -> String {
    let path = format!("/api/v1/pipelines/run/{}/gcp/cost/billing", tenant.id);
    let body = json!({"date": DAYS[0], "end_date": DAYS[1]});
    let [api_key, user] = tenant.headers();
    let headers = [api_key, user, ("idempotency-key", key)];
    let (status, answer) = deployment.trigger.call(("POST", &path), &headers, Some(&body)).await;
    assert!([200, 202].contains(&status), "{status} {answer}");
    answer["pipeline_logging_id"].as_str().unwrap().to_owned()
}

/// Waits for a run's end, which is to be COMPLETED.
async fn completed(deployment: &Deployment, tenant: &Tenant, run: &str) -> Json {
    let path = format!("/api/v1/pipelines/runs/{}/{run}", tenant.id);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, answer) =
            deployment.trigger.call(("GET", &path), &tenant.headers(), None).await;
        assert_eq!(status, 200, "{answer}");
        if !answer["ended_at"].is_null() {
            let ended = deployment.executions.0.ended();
            assert_eq!(answer["status"], "COMPLETED", "{answer:#}\n{ended:#?}");
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer:#}");
        sleep(LOOK).await;
    }
}

async fn the_cells_are_those_of_the_embedded_deployment(deployment: &Deployment, tenant: &Tenant) {
    let folder = tempfile::tempdir().unwrap();
    let headgate = async |arguments: &[&str]| {
        let mut command = Command::new(bin("headgate"));
        command.args(arguments).args(["--data-dir", folder.path().to_str().unwrap()]);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice::<Json>(&output.stdout).unwrap()
    };
    headgate(&["demo", "--json"]).await;
    // The demo's tenant has the same name.
    let sql = format!(
        "SELECT * FROM {}.gcp_cost_daily ORDER BY usage_date, project_id, service_id, sku_id, region, currency, cost_type",
        tenant.id
    );
    let embedded = headgate(&["query", &sql, "--format", "json"]).await;
    let embedded: Vec<Json> = embedded.as_array().unwrap().iter().map(as_texts).collect();
    let read = deployment.read(&sql).await;
    assert!(embedded.len() > 500, "{} rows", embedded.len());
    assert_eq!(read.len(), embedded.len());
    for (read, embedded) in read.iter().zip(&embedded) {
        assert_eq!(read, embedded);
    }
}

/// A row with every value as a text.
fn as_texts(row: &Json) -> Json {
    let text = |value: &Json| match value {
        Json::Null => Json::Null,
        Json::String(text) => json!(text),
        other => json!(other.to_string()),
    };
    row.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// One slot and three runs: each waits for the one before it, whose end is pushed to the scheduler.
async fn a_queue_is_worked_off_one_by_one(deployment: &Deployment, tenant: &Tenant) {
    let mut runs = Vec::new();
    for key in ["a", "b", "c"] {
        runs.push(trigger(deployment, tenant, key).await);
    }
    let mut spans = Vec::new();
    for run in &runs {
        let run = completed(deployment, tenant, run).await;
        let time = |name: &str| run[name].as_str().unwrap().to_owned();
        spans.push((time("started_at"), time("ended_at")));
    }
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two at once: {spans:?}");
    }
}

/// A schedule of every minute.
async fn schedule(deployment: &Deployment, tenant: &Tenant) -> String {
    let path = format!("/api/v1/scheduler/tenant/{}/pipelines", tenant.id);
    let body = json!({
        "provider": "gcp",
        "domain": "cost",
        "pipeline_template": "billing",
        "schedule_cron": "* * * * *",
        "parameters": {"date": DAYS[0]},
    });
    let (status, answer) =
        deployment.scheduler.call(("POST", &path), &tenant.headers(), Some(&body)).await;
    assert_eq!(status, 201, "{answer}");
    answer["config_id"].as_str().unwrap().to_owned()
}

/// Ticks until a slot is due, then takes the schedule away; answers how many slots were asked for.
async fn the_tick_brings_a_run(deployment: &Deployment, tenant: &Tenant, config: &str) -> usize {
    let token = bearer(deployment, CLOCK, &deployment.scheduler).await;
    let headers = [("authorization", token.as_str())];
    let deadline = Instant::now() + PATIENCE;
    let published = loop {
        let route = ("POST", "/api/v1/scheduler/trigger");
        let (status, ticked) = deployment.scheduler.call(route, &headers, None).await;
        assert_eq!(status, 200, "{ticked}");
        if ticked["published"] != 0 {
            break ticked["published"].as_u64().unwrap();
        }
        assert!(Instant::now() < deadline, "{ticked}");
        sleep(LOOK).await;
    };
    let path = format!("/api/v1/scheduler/tenant/{}/pipelines/{config}", tenant.id);
    let paused = json!({"is_active": false});
    let (status, answer) =
        deployment.scheduler.call(("PATCH", &path), &tenant.headers(), Some(&paused)).await;
    assert_eq!(status, 200, "{answer}");
    let sql = format!("SELECT state, attempt FROM {}.x_meta_scheduled_runs", tenant.id);
    loop {
        let slots = deployment.read(&sql).await;
        if slots.len() as u64 == published && slots.iter().all(|slot| slot["state"] == "COMPLETED")
        {
            break;
        }
        assert!(Instant::now() < deadline, "{slots:?}");
        sleep(LOOK).await;
    }
    usize::try_from(published).unwrap()
}

/// Nothing runs and nothing waits; the counts are the runs; a pass of the reaper and of the queue has nothing to do.
async fn at_rest(deployment: &Deployment, tenants: &[(&Tenant, usize)]) {
    let token = bearer(deployment, CLOCK, &deployment.scheduler).await;
    let headers = [("authorization", token.as_str())];
    for route in ["cleanup-orphaned-pipelines", "process-queue"] {
        let path = format!("/api/v1/scheduler/{route}");
        let (status, report) = deployment.scheduler.call(("POST", &path), &headers, None).await;
        assert_eq!(status, 200, "{report}");
        let done: BTreeMap<String, Json> = serde_json::from_value(report).unwrap();
        assert!(done.values().all(|count| *count == 0), "{route}: {done:?}");
    }
    for (tenant, runs) in tenants {
        let sql = format!(
            "SELECT status, COUNT(*) AS runs FROM {}.x_meta_pipeline_runs GROUP BY status",
            tenant.id
        );
        let counted = json!([{"status": "COMPLETED", "runs": runs.to_string()}]);
        assert_eq!(Json::Array(deployment.read(&sql).await), counted, "{}", tenant.id);
        let token = bearer(deployment, OPERATOR, &deployment.onboard).await;
        let path = format!("/api/v1/tenants/{}", tenant.id);
        let (_, view) =
            deployment.onboard.call(("GET", &path), &[("authorization", &token)], None).await;
        let usage = &view["usage"];
        assert_eq!(usage["pipelines_running"], 0, "{view}");
        assert_eq!(usage["pipelines_queued"], 0, "{view}");
    }
}
