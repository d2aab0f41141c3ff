//! `headgate serve --isolate`: each execution in a process of its own, none of which is left behind.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::process::{PATIENCE, load_billing_export, rows, until};
use super::server::{Server, Tenant};

mod chaos;
mod executions;
mod kill_matrix;
mod outlived;
mod seed;
mod watch;

use executions::{Execution, children};
use watch::Watch;

/// How long Cloud Run gives a process to stop, and so this one too.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

async fn claimed(watch: &Watch, run_id: &str) {
    until("the claim", PATIENCE, async || watch.is_claimed(run_id).then_some(())).await;
}

async fn cancel(server: &Server, tenant: &Tenant, run_id: &str) {
    let path = format!("/api/v1/pipelines/runs/{}/{run_id}/cancel", tenant.id);
    let (status, answer) = server.ask(tenant, "POST", &path, &Json::Null).await;
    assert!((200..300).contains(&status), "{answer}");
}

#[tokio::test]
async fn the_shipped_template_completes_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--isolate"]).await;
    let tenant = server.onboard("acme", "STARTER").await;
    load_billing_export(folder.path(), "acme").await;
    let parameters = json!({"date": "2025-11-01", "end_date": "2025-11-30"});
    let run_id = server.trigger(&tenant, "gcp/cost/billing", &parameters).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!(run["status"], "COMPLETED", "{run}");
    assert!(run["checks"].as_array().unwrap().iter().all(|c| c["passed"] == true), "{run}");
    let written = rows(folder.path(), "SELECT COUNT(*) AS n FROM acme.gcp_cost_daily").await;
    assert_eq!(written, [json!({"n": run["rows_written"]})]);
    Execution::of(&server, &run_id).await.gone().await;
    assert_eq!(children(&server), []);

    let stopped = server.terminate(STOPS_WITHIN).await;
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    // The child's lines stand among its parent's, in the same form.
    let lines: Vec<Json> =
        stopped.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended = lines.iter().find(|line| line["message"] == "the execution has ended").unwrap();
    assert_eq!((&ended["run.id"], &ended["exit"]), (&json!(run_id), &json!(0)));
}

#[tokio::test]
async fn a_process_works_on_what_its_server_was_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let one = "description: Writes one row.
steps:
  - {id: one, type: sql, query: SELECT 1 AS one, target: {table: one}, mode: replace}
";
    let configs = seed::configs(folder, &[("one", one.to_owned())]);
    let server = Server::start(&data, &["--isolate", "--configs", configs.to_str().unwrap()]).await;
    let tenant = server.onboard("acme", "STARTER").await;
    for edited in [one.replace("SELECT 1", "SELECT 2").replace("id: one", "id: other"), "?".into()]
    {
        seed::configs(folder, &[("one", edited)]);
        let run_id = server.trigger(&tenant, "gcp/cost/one", &json!({})).await;
        let run = server.settled(&tenant, &run_id).await;
        assert_eq!(
            (&run["status"], &run["steps"][0]["step_id"]),
            (&"COMPLETED".into(), &"one".into())
        );
        assert_eq!(rows(&data, "SELECT t.one FROM acme.one AS t").await, [json!({"one": 1})]);
    }
}

#[tokio::test]
async fn a_cancellation_reaches_the_process_and_its_slot_is_free_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let configs = seed::configs(folder, &[seed::endless()]);
    let server = Server::start(&data, &["--isolate", "--configs", configs.to_str().unwrap()]).await;
    let tenant = seed::tenant(&server, folder, "acme").await;
    let watch = Watch::open(&data);

    let first = server.trigger(&tenant, "gcp/cost/endless", &json!({})).await;
    let process = Execution::of(&server, &first).await;
    claimed(&watch, &first).await;
    let path = "/api/v1/pipelines/run/acme/gcp/cost/endless";
    let (status, queued) = server.ask(&tenant, "POST", path, &json!({})).await;
    assert_eq!((status, &queued["status"]), (202, &json!("QUEUED")), "{queued}");
    let second = queued["pipeline_logging_id"].as_str().unwrap();

    // While the process stands still it may still do something: the run goes on, and holds its slot.
    process.halt(&watch).await;
    cancel(&server, &tenant, &first).await;
    assert_eq!(server.run(&tenant, &first).await["status"], "RUNNING");
    assert_eq!(server.run(&tenant, second).await["status"], "QUEUED");
    process.go_on();
    let run = server.ended(&tenant, &first).await;
    assert_eq!(run["status"], "CANCELLED", "{run}");
    until("the second run's process", PATIENCE, async || watch.is_claimed(second).then_some(()))
        .await;
    process.gone().await;

    cancel(&server, &tenant, second).await;
    let run = server.settled(&tenant, second).await;
    assert_eq!(run["status"], "CANCELLED", "{run}");
    assert_eq!(watch.rows("SELECT * FROM acme.joined").await, None, "nothing was written");
    Execution::of(&server, second).await.gone().await;
    assert_eq!(children(&server), []);
}

#[tokio::test]
async fn no_process_outlives_a_server_that_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let configs = seed::configs(folder, &[seed::endless()]);
    let with = ["--isolate", "--configs", configs.to_str().unwrap()];
    let server = Server::start(&data, &with).await;
    let watch = Watch::open(&data);
    let (mut tenants, mut processes) = (Vec::new(), Vec::new());
    for id in ["acme", "acme_deaf"] {
        let tenant = seed::tenant(&server, folder, id).await;
        let run_id = server.trigger(&tenant, "gcp/cost/endless", &json!({})).await;
        processes.push(Execution::of(&server, &run_id).await);
        claimed(&watch, &run_id).await;
        tenants.push((tenant, run_id));
    }
    for process in &processes {
        assert!(process.leads_its_group(), "a terminal's Ctrl-C is for the server alone");
    }
    // One cannot hear that it is to stop.
    processes[1].halt(&watch).await;
    let stopped = server.terminate(STOPS_WITHIN).await;
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    for process in processes {
        assert!(!process.is_alive(), "{process:?}: {}", stopped.stderr);
    }
    let server = Server::start(&data, &with).await;
    for (tenant, run_id) in tenants {
        let run = server.settled(&tenant, &run_id).await;
        assert_eq!(run["failure_kind"], "LOST", "{run}");
    }
}
