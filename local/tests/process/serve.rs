//! `headgate serve`: what it tells, who may use its folder meanwhile, and how it stops.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::process::{PATIENCE, headgate, load_billing_export, repository, rows, until};
use super::server::Server;

/// How long Cloud Run gives a process to stop, and so this one too.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_admin_key_is_shown_once_and_the_folder_is_served_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let key = server.admin_key().to_owned();
    let shown = server.stdout();
    assert_eq!((shown.lines().count(), shown.matches(&key).count()), (2, 1), "{shown}");
    let mode = folder.path().join("admin-key").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let tenant = server.onboard("acme", "STARTER").await;

    let second =
        headgate(["serve", "--port", "0", "--data-dir", folder.path().to_str().unwrap()]).await;
    assert_ne!(second.code, Some(0), "{second:?}");
    let why = format!("another headgate serves {}", folder.path().display());
    assert!(second.stderr.contains(&why) && second.stdout.is_empty(), "{second:?}");

    let first = server.terminate(STOPS_WITHIN).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stderr.contains("tenant onboarded"), "{first:?}");
    for secret in [&key, &tenant.key] {
        assert!(!first.stderr.contains(secret), "{first:?}");
    }

    let server = Server::start(folder.path(), &[]).await;
    assert_eq!(server.admin_key(), key);
    assert!(!server.stdout().contains(&key), "{}", server.stdout());
    assert_eq!(server.usage(&tenant).await["pipelines_run_today"], 0);
    let (status, listed) =
        server.ask(&tenant, "GET", "/api/v1/pipelines/runs/acme", &Json::Null).await;
    assert_eq!((status, listed), (200, json!({"runs": [], "next_cursor": null})));
}

#[tokio::test]
async fn webhook_secrets_outlive_the_server_and_a_host_that_cannot_be_one_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let read = async |server: &Server| {
        let path = "/api/v1/tenants/acme/webhook-secret";
        let (status, answer) = server.operator("GET", path, &Json::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer["webhook_secret"].as_str().unwrap().to_owned()
    };
    let server = Server::start(folder.path(), &["--notify-host", "hooks.example.com"]).await;
    server.onboard("acme", "STARTER").await;
    let secret = read(&server).await;
    let first = server.terminate(STOPS_WITHIN).await;
    assert!(first.stderr.contains("webhook secret read"), "{first:?}");
    let file = folder.path().join("webhook-key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for secret in [&secret, &std::fs::read_to_string(file).unwrap()] {
        assert!(!first.stderr.contains(secret) && !first.stdout.contains(secret), "{first:?}");
    }
    assert_eq!(read(&Server::start(folder.path(), &[]).await).await, secret);

    let folder = folder.path().to_str().unwrap();
    for host in ["127.0.0.1", "*.example.com", "localhost"] {
        let args = ["serve", "--port", "0", "--data-dir", folder, "--notify-host", host];
        let ended = headgate(args).await;
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains(&format!("webhook host '{host}' ")), "{ended:?}");
    }
}

#[tokio::test]
async fn bigquery_is_served_by_one_process_of_a_build_that_has_its_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let serve = ["serve", "--port", "0", "--data-dir", folder];
    let endpoint = ["--bigquery-endpoint", "http://127.0.0.1:9"];
    let both = headgate([&serve[..], &endpoint, &["--isolate"]].concat()).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(both.stderr.contains("cannot be used with '--isolate'"), "{both:?}");
    #[cfg(not(feature = "gcp"))]
    {
        let without = headgate([&serve[..], &endpoint].concat()).await;
        assert_ne!(without.code, Some(0), "{without:?}");
        let advice = "run cargo run --features gcp -- serve --bigquery-endpoint http://127.0.0.1:9";
        assert!(without.stderr.contains(advice), "{without:?}");
    }
}

#[tokio::test]
async fn other_processes_load_and_query_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(folder, &[]).await;
    let tenant = server.onboard("acme", "STARTER").await;
    load_billing_export(folder, "acme").await;
    let run_id = server.trigger(&tenant, "gcp/cost/billing", &json!({"date": "2025-11-17"})).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!(run["status"], "COMPLETED", "{run}");

    let today = &run["created_at"].as_str().unwrap()[..10];
    assert_eq!(
        rows(folder, "SELECT * FROM tenants.tenant_usage_quotas").await,
        [json!({
            "usage_id": format!("acme-{today}"), "tenant_id": "acme", "usage_date": today,
            "pipelines_run_today": 1, "daily_limit": 6, "monthly_limit": 180, "concurrent_limit": 1,
        })]
    );
    let runs = "SELECT pipeline_logging_id, tenant_id, user_id, status, started_at \
                FROM acme.x_meta_pipeline_runs";
    let runs = rows(folder, runs).await;
    assert_eq!(
        runs,
        [json!({
            "pipeline_logging_id": run_id, "tenant_id": "acme", "user_id": "tester",
            "status": "COMPLETED", "started_at": run["started_at"],
        })]
    );
    let steps = "SELECT pipeline_logging_id, tenant_id, user_id, step_id, status \
                 FROM acme.x_meta_step_logs ORDER BY step_id";
    let step = |id: &str| {
        json!({
            "pipeline_logging_id": run_id, "tenant_id": "acme", "user_id": "tester",
            "step_id": id, "status": "COMPLETED",
        })
    };
    assert_eq!(rows(folder, steps).await, [step("daily_cost"), step("verify")]);
    let checks = "SELECT check_id, passed, user_id FROM acme.x_meta_dq_results";
    let checks = rows(folder, checks).await;
    assert_eq!(checks.len(), run["checks"].as_array().unwrap().len());
    assert!(checks.iter().all(|c| c["passed"] == true && c["user_id"] == "tester"), "{checks:?}");
    let ledger = "SELECT l.tenant_id, e.run_id, e.state, e.attempt \
                  FROM tenants.tenant_run_ledger AS l, UNNEST(l.entries) AS e";
    let entry = json!({"tenant_id": "acme", "run_id": run_id, "state": "DONE", "attempt": 1});
    assert_eq!(rows(folder, ledger).await, [entry]);
    let days = "SELECT DISTINCT usage_date FROM acme.gcp_cost_daily";
    assert_eq!(rows(folder, days).await, [json!({"usage_date": "2025-11-17"})]);
}

#[tokio::test]
async fn values_are_printed_exactly_in_each_format() {
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path(), &[]).await);
    let values = [
        ("big", "INT64:9007199254740993"),
        ("small", "INT64:-42"),
        ("share", "FLOAT64:0.5"),
        ("cost", "NUMERIC:1.50"),
        ("day", "DATE:2026-01-31"),
        ("at", "TIMESTAMP:2026-01-31T10:00:00.25+02:00"),
        ("text", ":a,\"b\""),
        ("empty", "STRING:"),
        ("none", "STRING:NULL"),
    ];
    let columns: Vec<String> =
        values.iter().map(|(name, _)| format!("@{name} AS {name}")).collect();
    let sql = format!("SELECT {}", columns.join(", "));
    let print = async |format: &str| {
        let mut args = vec!["query".to_owned(), sql.clone(), "--data-dir".to_owned()];
        args.extend([folder.path().to_str().unwrap().to_owned(), format!("--format={format}")]);
        args.extend(values.iter().map(|(name, value)| format!("--param={name}:{value}")));
        let ended = headgate(args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    let objects: Json = serde_json::from_str(&print("json").await).unwrap();
    assert_eq!(
        objects,
        json!([{
            "big": "9007199254740993", "small": -42, "share": 0.5, "cost": "1.5",
            "day": "2026-01-31", "at": "2026-01-31T08:00:00.250Z",
            "text": "a,\"b\"", "empty": "", "none": null,
        }])
    );
    assert_eq!(
        print("csv").await,
        "big,small,share,cost,day,at,text,empty,none\n\
         9007199254740993,-42,0.5,1.5,2026-01-31,2026-01-31T08:00:00.250Z,\"a,\"\"b\"\"\",\"\",\n"
    );
    let table = print("table").await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[1].starts_with("|              big | small |"), "{table}");
    assert!(lines[3].contains("| 9007199254740993 |   -42 |") && lines[3].contains("| NULL |"));
}

/// A folder of templates whose only run does not end by itself while a test waits.
fn endless(folder: &Path) {
    std::fs::create_dir_all(folder.join("gcp/cost")).unwrap();
    std::fs::copy(repository("configs/plans.yml"), folder.join("plans.yml")).unwrap();
    let template = "description: Joins an export with itself, twice.
steps:
  - id: join
    type: sql
    query: |
      SELECT SUM(a.cost + b.cost + c.cost) AS cost
      FROM gcp_billing_export AS a CROSS JOIN gcp_billing_export AS b CROSS JOIN gcp_billing_export AS c
    target: {table: joined}
    mode: replace
";
    std::fs::write(folder.join("gcp/cost/endless.yml"), template).unwrap();
}

#[tokio::test]
async fn a_run_under_way_does_not_hold_up_the_stop_and_is_settled_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (data, configs) = (folder.path().join("data"), folder.path().join("configs"));
    endless(&configs);
    let with = ["--configs", configs.to_str().unwrap()];
    let server = Server::start(&data, &with).await;
    let tenant = server.onboard("acme", "STARTER").await;
    load_billing_export(&data, "acme").await;
    let run_id = server.trigger(&tenant, "gcp/cost/endless", &json!({})).await;
    let claimed = "SELECT claimed_at FROM acme.x_meta_pipeline_runs WHERE claimed_at IS NOT NULL";
    until("the claim", PATIENCE, async || (!rows(&data, claimed).await.is_empty()).then_some(()))
        .await;
    assert_eq!(server.run(&tenant, &run_id).await["status"], "RUNNING");
    assert_eq!(server.usage(&tenant).await["pipelines_running"], 1);

    let stopped = server.terminate(STOPS_WITHIN).await;
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let left = "SELECT status FROM acme.x_meta_pipeline_runs";
    assert_eq!(rows(&data, left).await, [json!({"status": "RUNNING"})], "{}", stopped.stderr);

    let server = Server::start(&data, &with).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!((&run["status"], &run["failure_kind"]), (&json!("FAILED"), &json!("LOST")), "{run}");
    assert!(run["message"].as_str().unwrap().contains("trigger the run again"), "{run}");
    let joined =
        headgate(["query", "SELECT * FROM acme.joined", "--data-dir", data.to_str().unwrap()]);
    let joined = joined.await;
    assert!(joined.code != Some(0) && joined.stderr.contains("not found"), "{joined:?}");

    let run_id = server.trigger(&tenant, "gcp/cost/endless", &json!({})).await;
    let path = format!("/api/v1/pipelines/runs/acme/{run_id}/cancel");
    let (status, answer) = server.ask(&tenant, "POST", &path, &Json::Null).await;
    assert!((200..300).contains(&status), "{answer}");
    assert_eq!(server.settled(&tenant, &run_id).await["status"], "CANCELLED");
}
