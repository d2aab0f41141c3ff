//! `headgate serve --bigquery-endpoint`: what the embedded warehouse refuses runs on a BigQuery emulator.

use std::path::Path;
use std::time::Duration;

use common::warehouse::{Query, Value, Warehouse};
use serde_json::json;

use super::process::repository;
use super::server::Server;
use crate::judges::BigQueryEmulator;

/// A running number by a subquery that reads the row around it.
const TEMPLATE: &str = r#"description: "A subquery over a table that reads the row around it."

steps:
  - id: numbers
    type: sql
    query: |
      WITH n AS (SELECT x FROM UNNEST([10, 20, 30]) AS x)
      SELECT x, (SELECT COUNT(*) FROM n AS below WHERE below.x <= n.x) AS at FROM n
    target:
      table: numbered
    mode: replace
"#;

fn configs(folder: &Path) {
    std::fs::create_dir_all(folder.join("example/try")).unwrap();
    std::fs::write(folder.join("example/try/numbers.yml"), TEMPLATE).unwrap();
    std::fs::copy(repository("configs/plans.yml"), folder.join("plans.yml")).unwrap();
}

#[tokio::test]
async fn what_is_refused_here_runs_on_an_emulator() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("configs");
    configs(&own);
    let with = ["--configs", own.to_str().unwrap()];

    let server = Server::start(&folder.path().join("embedded"), &with).await;
    let tenant = server.onboard("acme", "STARTER").await;
    let run_id = server.trigger(&tenant, "example/try/numbers", &json!({})).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    let said = run.to_string();
    for part in ["a subquery over tables that reads n.x", "headgate serve --bigquery-endpoint URL"]
    {
        assert!(said.contains(part), "{run}");
    }
    server.terminate(Duration::from_secs(10)).await;

    let emulator = BigQueryEmulator::start().await;
    let with = [&with[..], &["--bigquery-endpoint", &emulator.url]].concat();
    let data = folder.path().join("emulated");
    let server = Server::start(&data, &with).await;
    let tenant = server.onboard("acme", "STARTER").await;
    let run_id = server.trigger(&tenant, "example/try/numbers", &json!({})).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!((&run["status"], &run["rows_written"]), (&json!("COMPLETED"), &json!(3)), "{run}");
    assert_eq!(server.usage(&tenant).await["pipelines_run_today"], 1);
    server.terminate(Duration::from_secs(10)).await;

    let query = Query {
        sql: "SELECT x, at FROM acme.numbered ORDER BY x".to_owned(),
        params: std::collections::BTreeMap::new(),
        default_dataset: None,
    };
    let rows = emulator.warehouse().await.query(&query, None).await.unwrap().rows;
    let row = |x, at| vec![Value::Int64(x), Value::Int64(at)];
    assert_eq!(rows, [row(10, 1), row(20, 2), row(30, 3)]);

    // The same folder serves on: the tenant's key and the tables are where they were.
    let server = Server::start(&data, &with).await;
    let run_id = server.trigger(&tenant, "example/try/numbers", &json!({})).await;
    assert_eq!(server.settled(&tenant, &run_id).await["status"], "COMPLETED");
}
