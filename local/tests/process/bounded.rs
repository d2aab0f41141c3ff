//! `headgate serve --max-running`: a bound over all tenants, and what each reads of its queue meanwhile.

use std::time::Duration;

use serde_json::json;

use super::process::rows;
use super::server::Server;

const STOPS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_a_bound_of_zero_let_in_waits_for_a_server_with_a_higher_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(folder, &["--max-running", "0"]).await;
    let tenants =
        [server.onboard("acme", "STARTER").await, server.onboard("beta", "STARTER").await];
    let mut runs = Vec::new();
    for tenant in &tenants {
        let path = format!("/api/v1/pipelines/run/{}/gcp/cost/billing", tenant.id);
        let (status, answer) =
            server.ask(tenant, "POST", &path, &json!({"date": "2025-11-17"})).await;
        assert_eq!((status, &answer["status"]), (202, &json!("QUEUED")), "{answer}");
        runs.push(answer["pipeline_logging_id"].as_str().unwrap().to_owned());
    }
    let waits = "SELECT pipeline_logging_id, tenant_id, user_id, pipeline_id, priority, state \
                 FROM beta.x_meta_pipeline_queue WHERE queued_at = updated_at";
    let row = |state: &str| {
        json!({
            "pipeline_logging_id": runs[1], "tenant_id": "beta", "user_id": "tester",
            "pipeline_id": "beta-gcp-cost-billing", "priority": 100, "state": state,
        })
    };
    assert_eq!(rows(folder, waits).await, [row("QUEUED")]);
    server.terminate(STOPS_WITHIN).await;

    let server = Server::start(folder, &["--max-running", "1"]).await;
    for (tenant, run) in tenants.iter().zip(&runs) {
        let ended = server.settled(tenant, run).await;
        assert!(!ended["started_at"].is_null(), "{ended}");
    }
    let left = waits.replace("WHERE queued_at = updated_at", "WHERE updated_at > queued_at");
    assert_eq!(rows(folder, &left).await, [row("STARTED")]);
}
