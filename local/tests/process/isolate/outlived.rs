//! `kill -9` of the server while an execution's process works: the process ends with it; one that is held up
//! writes nothing any more, since its run has ended.

use std::fs::OpenOptions;

use common::warehouse::Value;
use serde_json::json;

use super::executions::Execution;
use super::seed;
use super::watch::Watch;
use super::{PATIENCE, Server, claimed, until};

/// A template whose file is there long before its last row is.
fn slow() -> (&'static str, String) {
    let template = "description: Writes a hundred thousand rows.
parameters:
  mark: {type: INT64, required: true}
steps:
  - id: write
    type: sql
    query: SELECT a.n * 1000 + b.n AS n, @mark AS mark FROM seed AS a CROSS JOIN seed AS b WHERE MOD(a.n + b.n, 10) = 0
    target: {table: written}
    mode: replace
";
    ("slow", template.to_owned())
}

#[tokio::test]
async fn a_process_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let configs = seed::configs(folder, &[seed::endless()]);
    let with = ["--isolate", "--configs", configs.to_str().unwrap()];
    let mut server = Server::start(&data, &with).await;
    let tenant = seed::tenant(&server, folder, "acme").await;
    let watch = Watch::open(&data);
    for stands_still in [false, true] {
        let run_id = server.trigger(&tenant, "gcp/cost/endless", &json!({})).await;
        let process = Execution::of(&server, &run_id).await;
        claimed(&watch, &run_id).await;
        if stands_still {
            process.halt(&watch).await;
        }
        server.kill();
        process.gone().await;
        server = Server::start(&data, &with).await;
        let run = server.settled(&tenant, &run_id).await;
        assert_eq!(run["failure_kind"], "LOST", "{run}");
    }
}

#[tokio::test]
async fn a_process_that_outlives_its_parent_writes_nothing_after_its_run_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let configs = seed::configs(folder, &[slow()]);
    let with = ["--isolate", "--configs", configs.to_str().unwrap()];
    let server = Server::start(&data, &with).await;
    let tenant = seed::tenant(&server, folder, "acme").await;
    let watch = Watch::open(&data);
    let files = || std::fs::read_dir(data.join("tables/acme/written")).unwrap().count();
    let marks = async || {
        let sql = "SELECT mark, COUNT(*) FROM acme.written GROUP BY mark";
        watch.rows(sql).await.unwrap()
    };
    let of = |mark: i64| [vec![Value::Int64(mark), Value::Int64(100_000)]];
    let run_id = server.trigger(&tenant, "gcp/cost/slow", &json!({"mark": 1})).await;
    assert_eq!(server.settled(&tenant, &run_id).await["status"], "COMPLETED");

    let before = files();
    let run_id = server.trigger(&tenant, "gcp/cost/slow", &json!({"mark": 2})).await;
    let process = Execution::of(&server, &run_id).await;
    // Held here too, its standard input does not end with its parent.
    let held = OpenOptions::new().write(true).open(process.stdin()).unwrap();
    until("a file", PATIENCE, async || (files() > before).then_some(())).await;
    let mut dead = server.into_process();
    dead.kill();
    // After the kill: the kernel ends who stands still when its parent dies.
    process.halt(&watch).await;
    assert!(!watch.is_written(&run_id), "it was halted too late");

    let server = Server::start(&data, &with).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!(run["failure_kind"], "LOST", "{run}");
    assert!(process.is_alive() && marks().await == of(1));
    process.go_on();
    process.gone().await;
    drop(held);
    // It came as far as its commit, which found the statement ended.
    assert!(dead.stderr().contains("which failed (cancelled)"), "{}", dead.stderr());
    assert_eq!(marks().await, of(1));
    assert_eq!(server.run(&tenant, &run_id).await["status"], "FAILED");

    let run_id = server.trigger(&tenant, "gcp/cost/slow", &json!({"mark": 3})).await;
    assert_eq!(server.settled(&tenant, &run_id).await["status"], "COMPLETED");
    assert_eq!(marks().await, of(3));
}
