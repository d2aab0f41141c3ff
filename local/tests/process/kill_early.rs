//! `kill -9` before a trigger is answered: the caller sends it again, and there is one run, counted once.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value as Json, json};

use super::process::{PATIENCE, repository, rows, until};
use super::server::{Server, Tenant};

const TEMPLATE: &str = "gcp/cost/one";
const TENANTS: [&str; 12] = [
    "acme_a", "acme_b", "acme_c", "acme_d", "acme_e", "acme_f", "acme_g", "acme_h", "acme_i",
    "acme_j", "acme_k", "acme_l",
];

/// A folder with a template that needs no data.
fn configs(folder: &std::path::Path) {
    std::fs::create_dir_all(folder.join("gcp/cost")).unwrap();
    std::fs::copy(repository("configs/plans.yml"), folder.join("plans.yml")).unwrap();
    let template = "description: Writes one row.
steps:
  - {id: one, type: sql, query: SELECT 1 AS one, target: {table: one}, mode: replace}
";
    std::fs::write(folder.join("gcp/cost/one.yml"), template).unwrap();
}

/// Triggers a run for each tenant at once and kills the server when so many have their answer.
async fn killed_after(server: Server, tenants: &[Tenant], answers: usize) {
    let mut asked: FuturesUnordered<_> =
        tenants.iter().map(|tenant| server.trigger_once(tenant, TEMPLATE, "the-only")).collect();
    let mut answered = 0;
    let sent = until("the kill", PATIENCE, async || {
        // One look at the requests sends them all.
        while let std::task::Poll::Ready(Some(answer)) = futures::poll!(asked.next()) {
            let (status, answer) = answer.unwrap();
            assert_eq!(status, 200, "{answer}");
            answered += 1;
        }
        (answered >= answers).then_some(())
    });
    sent.await;
    drop(asked);
    server.kill();
}

#[tokio::test]
async fn a_trigger_sent_again_after_a_kill_is_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    configs(&folder.path().join("configs"));
    let with = ["--configs", &folder.path().join("configs").display().to_string()];
    let mut server = Server::start(&data, &with).await;
    let mut tenants = Vec::new();
    for id in TENANTS {
        tenants.push(server.onboard(id, "STARTER").await);
    }
    for (some, answers) in tenants.chunks(4).zip([0, 1, 3]) {
        killed_after(server, some, answers).await;
        server = Server::start(&data, &with).await;
    }
    for tenant in &tenants {
        let run_id = until("an answer", PATIENCE, async || {
            let (status, answer) = server.trigger_once(tenant, TEMPLATE, "the-only").await.unwrap();
            // Admitted before the kill and not recorded: refunded once it is certain that it never will be.
            assert!(matches!(status, 200 | 202 | 409), "{status} {answer}");
            (status != 409).then(|| answer["pipeline_logging_id"].as_str().unwrap().to_owned())
        })
        .await;
        let run = server.settled(tenant, &run_id).await;
        let lost = run["status"] == "FAILED" && run["failure_kind"] == "LOST";
        assert!(lost || run["status"] == "COMPLETED", "{run}");
        let path = format!("/api/v1/pipelines/runs/{}", tenant.id);
        let (_, listed) = server.ask(tenant, "GET", &path, &Json::Null).await;
        assert_eq!(listed["runs"].as_array().unwrap().len(), 1, "{listed}");
        let usage = json!({
            "pipelines_run_today": 1, "pipelines_run_this_month": 1,
            "pipelines_running": 0, "pipelines_queued": 0,
        });
        assert_eq!(server.usage(tenant).await, usage, "{run}");
        if !lost {
            let one = rows(&data, &format!("SELECT t.one FROM {}.one AS t", tenant.id)).await;
            assert_eq!(one, [json!({"one": 1})], "{run}");
        }
        println!("{}: attempt {}, {}", tenant.id, run["attempt"], run["status"]);
    }
}
