//! The four programs as processes of their own, over the BigQuery and Pub/Sub emulators, a signer of tokens, and fakes
//! of Cloud KMS and Cloud Run; what they leave is read with Google's own client.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::deployment::{CLOCK, Deployment, OPERATOR, PUSHER, Server, Setup};
use crate::judges::{TURN, bin};
use crate::proxy::Kind;

const PATIENCE: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(200);
/// The days of the sample.
const DAYS: [&str; 2] = ["2025-11-01", "2025-11-30"];

/// Long enough that something can happen to a run while its statement is under way.
fn latency(kind: Kind) -> Duration {
    Duration::from_millis(match kind {
        Kind::Mutation | Kind::Other => 300,
        Kind::Select | Kind::Insert => 30,
    })
}

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
    let _turn = TURN.lock().await;
    let setup = Setup {
        name: "whole",
        configs: Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs"),
        latency,
        start_within: "60",
    };
    let deployment = Deployment::start(setup).await;
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
    deployment.proxy.forget();
    let run = trigger(&deployment, &acme, "run-1").await;
    assert_eq!(run, trigger(&deployment, &acme, "run-1").await, "the same key is the same run");
    ended(&deployment, &acme, &run, "COMPLETED").await;
    println!("statements of a run that was asked for twice: {:?}", deployment.proxy.by_label());
    the_cells_are_those_of_the_embedded_deployment(&deployment, &acme).await;

    a_queue_is_worked_off_one_by_one(&deployment, &small).await;
    let killed = a_cancelled_run_and_a_killed_one_leave_whole_rows(&deployment, &acme).await;
    let slots = the_tick_brings_a_run(&deployment, &acme, &config).await;
    let of_acme = [("CANCELLED", 1), ("COMPLETED", 1 + slots), ("FAILED", 1)];
    at_rest(&deployment, &acme, &of_acme).await;
    at_rest(&deployment, &small, &[("COMPLETED", 3)]).await;
    for execution in deployment.executions.0.ended().iter() {
        let code = if execution.run == killed { None } else { Some(0) };
        assert_eq!(execution.code, code, "{execution:#?}");
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

async fn run(deployment: &Deployment, tenant: &Tenant, run: &str) -> Json {
    let path = format!("/api/v1/pipelines/runs/{}/{run}", tenant.id);
    let (status, run) = deployment.trigger.call(("GET", &path), &tenant.headers(), None).await;
    assert_eq!(status, 200, "{run}");
    run
}

/// Waits for a run's end, while the reaper passes.
async fn ended(deployment: &Deployment, tenant: &Tenant, id: &str, status: &str) -> Json {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = run(deployment, tenant, id).await;
        if !run["ended_at"].is_null() {
            let executions = deployment.executions.0.ended();
            assert_eq!(run["status"], status, "{run:#}\n{executions:#?}");
            return run;
        }
        assert!(Instant::now() < deadline, "{run:#}");
        if status != "COMPLETED" {
            pass(deployment, "cleanup-orphaned-pipelines").await;
        }
        sleep(LOOK).await;
    }
}

/// Has the scheduler do one of the passes that it is called for; answers what it did.
async fn pass(deployment: &Deployment, route: &str) -> Json {
    let token = bearer(deployment, CLOCK, &deployment.scheduler).await;
    let path = format!("/api/v1/scheduler/{route}");
    let headers = [("authorization", token.as_str())];
    let (status, done) = deployment.scheduler.call(("POST", &path), &headers, None).await;
    assert_eq!(status, 200, "{done}");
    done
}

/// Asks for a run, and waits until its statement is under way; answers its id.
async fn under_way(deployment: &Deployment, tenant: &Tenant, key: &str) -> String {
    let sent = || deployment.proxy.by_label().get("daily_cost").copied();
    let (before, deadline) = (sent(), Instant::now() + PATIENCE);
    let run = trigger(deployment, tenant, key).await;
    while sent() == before {
        assert!(Instant::now() < deadline, "{:?}", deployment.proxy.by_label());
        sleep(Duration::from_millis(10)).await;
    }
    run
}

/// Whatever ends a run in its statement, the rows are whole and the run has an end that says so.
async fn a_cancelled_run_and_a_killed_one_leave_whole_rows(
    deployment: &Deployment,
    tenant: &Tenant,
) -> String {
    let sql = format!(
        "SELECT COUNT(*) AS lines, SUM(net_cost) AS net_cost FROM {}.gcp_cost_daily",
        tenant.id
    );
    let before = deployment.read(&sql).await;

    let cancelled = under_way(deployment, tenant, "cancelled").await;
    let path = format!("/api/v1/pipelines/runs/{}/{cancelled}/cancel", tenant.id);
    let (status, answer) = deployment.trigger.call(("POST", &path), &tenant.headers(), None).await;
    assert!([200, 202].contains(&status), "{status} {answer}");
    ended(deployment, tenant, &cancelled, "CANCELLED").await;

    let killed = under_way(deployment, tenant, "killed").await;
    deployment.executions.0.kill(&killed);
    let run = ended(deployment, tenant, &killed, "FAILED").await;
    assert_eq!(run["failure_kind"], "LOST", "{run:#}");

    assert_eq!(deployment.read(&sql).await, before);
    killed
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
        let run = ended(deployment, tenant, run, "COMPLETED").await;
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
    let deadline = Instant::now() + PATIENCE;
    let published = loop {
        let ticked = pass(deployment, "trigger").await;
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

/// Nothing runs and nothing waits, the reaper and the queue have nothing to do, and the runs are these.
async fn at_rest(deployment: &Deployment, tenant: &Tenant, runs: &[(&str, usize)]) {
    for route in ["cleanup-orphaned-pipelines", "process-queue"] {
        let done: BTreeMap<String, Json> =
            serde_json::from_value(pass(deployment, route).await).unwrap();
        assert!(done.values().all(|count| *count == 0), "{route}: {done:?}");
    }
    let sql = format!(
        "SELECT status, COUNT(*) AS runs FROM {}.x_meta_pipeline_runs GROUP BY status ORDER BY status",
        tenant.id
    );
    let counted: Vec<Json> = runs
        .iter()
        .map(|(status, runs)| json!({"status": status, "runs": runs.to_string()}))
        .collect();
    assert_eq!(deployment.read(&sql).await, counted, "{}", tenant.id);
    let token = bearer(deployment, OPERATOR, &deployment.onboard).await;
    let path = format!("/api/v1/tenants/{}", tenant.id);
    let headers = [("authorization", token.as_str())];
    let (_, view) = deployment.onboard.call(("GET", &path), &headers, None).await;
    for count in ["pipelines_running", "pipelines_queued"] {
        assert_eq!(view["usage"][count], 0, "{view}");
    }
}
