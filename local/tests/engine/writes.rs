//! Writes as runs make them: every mode run twice leaves what one run leaves, and conflicts are tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use common::port::PortError;
use common::run::{FailureKind, RunStatus, StepStatus};
use common::state::{Runs, Transition};
use common::warehouse::{JobId, JobOptions, JobState, Query, Target, Warehouse, WriteMode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::world::{World, catalog, first, none};

fn sql(query: &str, mode: &str) -> String {
    format!(
        "description: Writes.
parameters:
  day: {{type: DATE, default: 2025-11-17}}
steps:
  - id: write
    type: sql
    query: {query}
    target: {{table: t, partition_by: day}}
    mode: {mode}
    retries: {{max_attempts: 5, backoff_seconds: 0, max_backoff_seconds: 0}}
"
    )
}

fn query(sql: &str) -> Query {
    Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset: None }
}

#[tokio::test]
async fn each_mode_run_again_leaves_what_it_says() {
    let query = "SELECT id, n, @day AS day FROM lines";
    for (mode, once, twice) in [
        ("replace", 2, 2),
        ("{append: {allow_duplicates: true}}", 2, 4),
        ("{append: {dedup_key: [id]}}", 2, 2),
        ("{merge: {keys: [id]}}", 2, 2),
        ("{overwrite_partition: {from: \"@day\", to: \"@day\"}}", 2, 2),
    ] {
        let world = World::new().await;
        world.fill("acme.lines", "SELECT 1 AS id, 10 AS n UNION ALL SELECT 2, 20").await;
        for expected in [once, twice] {
            let outcome = world.run(&sql(query, mode), &none()).await;
            assert_eq!(outcome.status, RunStatus::Completed, "{mode}: {outcome:?}");
            let rows = world.rows("SELECT COUNT(*) FROM acme.t").await;
            assert_eq!(rows, [expected.to_string()], "{mode}");
        }
    }
}

#[tokio::test]
async fn what_a_mode_does_with_changed_rows() {
    let read = "SELECT id, n, day FROM acme.t ORDER BY day, id, n";
    for (mode, expected) in [
        ("replace", ["1|11|2025-11-18", "3|30|2025-11-18"].as_slice()),
        ("{append: {dedup_key: [id]}}", &["1|10|2025-11-17", "2|20|2025-11-17", "3|30|2025-11-18"]),
        ("{merge: {keys: [id]}}", &["2|20|2025-11-17", "1|11|2025-11-18", "3|30|2025-11-18"]),
        (
            "{overwrite_partition: {from: \"@day\", to: \"@day\"}}",
            &["1|10|2025-11-17", "2|20|2025-11-17", "1|11|2025-11-18", "3|30|2025-11-18"],
        ),
    ] {
        let world = World::new().await;
        let template = sql("SELECT id, n, @day AS day FROM lines", mode);
        world.fill("acme.lines", "SELECT 1 AS id, 10 AS n UNION ALL SELECT 2, 20").await;
        world.run(&template, &none()).await;
        world.fill("acme.lines", "SELECT 1 AS id, 11 AS n UNION ALL SELECT 3, 30").await;
        let outcome = world.run(&template, &json!({"day": "2025-11-18"})).await;
        assert_eq!(outcome.status, RunStatus::Completed, "{mode}: {outcome:?}");
        assert_eq!(world.rows(read).await, expected, "{mode}");
    }
}

#[tokio::test]
async fn a_key_that_is_no_key_fails_the_step_and_leaves_the_rows() {
    for (lines, said) in [
        ("SELECT 1 AS id, 1 AS n UNION ALL SELECT 1, 2", "two new rows have the key id 1"),
        ("SELECT CAST(NULL AS INT64) AS id, 1 AS n", "NULL in the key id"),
        ("SELECT 0.5 AS n, 1.5 AS id", "the key id is FLOAT64"),
    ] {
        for mode in ["{merge: {keys: [id]}}", "{append: {dedup_key: [id]}}"] {
            let world = World::new().await;
            world.fill("acme.lines", lines).await;
            let outcome =
                world.run(&sql("SELECT id, n, @day AS day FROM lines", mode), &none()).await;
            let failed = (RunStatus::Failed, Some(FailureKind::Step));
            assert_eq!((outcome.status, outcome.failure), failed, "{outcome:?}");
            assert!(outcome.message.contains(said), "{}", outcome.message);
            let there = world.warehouse.dry_run(&query("SELECT * FROM acme.t")).await;
            assert!(there.is_err(), "the table was not made");
        }
    }
}

#[tokio::test]
async fn of_two_runs_by_keys_each_takes_effect_whole() {
    let world = World::new().await;
    let query = "SELECT id, n, @day AS day FROM lines";
    let template = sql(query, "{merge: {keys: [id]}}");
    world.fill("acme.lines", "SELECT 1 AS id, 10 AS n UNION ALL SELECT 2, 20").await;
    world.run(&template, &none()).await;
    let catalog = catalog(&template).unwrap();
    let id = first(&catalog).id.clone();
    let job = world.job(catalog);
    let stored = |day: &str| json!({"day": {"type": "DATE", "value": day}});
    let mut runs = Vec::new();
    for day in ["2025-11-01", "2025-11-02", "2025-11-03", "2025-11-04"] {
        runs.push(world.record(id.clone(), stored(day)).await);
    }
    let executions = runs.iter().map(|run| world.execute(&job, run, CancellationToken::new()));
    let outcomes = futures::future::join_all(executions).await;
    let mut tries = 0;
    for outcome in &outcomes {
        assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
        let failed = outcome.steps.iter().filter(|step| step.status == StepStatus::Failed);
        for step in failed {
            assert_eq!(step.error_kind.as_deref(), Some("CONFLICT"), "{step:?}");
            tries += 1;
        }
    }
    let days = world.rows("SELECT DISTINCT day FROM acme.t").await;
    assert_eq!(days.len(), 1, "the last to commit won whole: {days:?}");
    assert_eq!(world.rows("SELECT COUNT(*) FROM acme.t").await, ["2"]);
    println!("{tries} tries met another write");
}

#[tokio::test]
async fn a_write_by_keys_that_another_one_overtook_is_a_conflict() {
    let world = World::new().await;
    world.fill("acme.t", "SELECT 1 AS id, 1 AS n").await;
    let slow = "SELECT id, 2 AS n FROM acme.t";
    let target = |mode| Target {
        table: "acme.t".parse().unwrap(),
        partition_by: None,
        cluster_by: Vec::new(),
        mode,
    };
    let options = |id: &str| JobOptions {
        id: JobId(id.to_owned()),
        labels: BTreeMap::new(),
        maximum_bytes: None,
        timeout: Duration::from_mins(1),
    };
    let (merge, append) =
        (target(WriteMode::Merge { keys: vec!["id".into()] }), target(WriteMode::Append));
    let (slow_query, slow_options) = (query(slow), options("slow"));
    let mut writing = Box::pin(world.warehouse.write(&slow_query, &merge, &slow_options));
    // It has listed the table's files and bound its statement once it waits for its first rows.
    assert!(futures::poll!(&mut writing).is_pending());
    world
        .warehouse
        .write(&query("SELECT 1 AS id, 7 AS n"), &append, &options("fast"))
        .await
        .unwrap();
    let error = writing.await.unwrap_err();
    assert!(matches!(error, PortError::Conflict(_)), "{error}");
    assert_eq!(world.rows("SELECT n FROM acme.t ORDER BY n").await, ["1", "7"]);
}

#[tokio::test]
async fn a_cancelled_run_leaves_its_target_as_it_was() {
    let world = World::new().await;
    world.fill("acme.t", "SELECT 1 AS n, DATE '2025-11-17' AS day").await;
    let digits = "UNNEST([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])";
    let lines = format!(
        "SELECT a * 1000 + b * 100 + c * 10 + d AS n
         FROM {digits} AS a, {digits} AS b, {digits} AS c, {digits} AS d"
    );
    world.fill("acme.lines", &lines).await;
    let query = "SELECT a.n + b.n AS n, @day AS day FROM lines AS a CROSS JOIN lines AS b";
    let template = sql(query, "replace");
    let catalog = catalog(&template).unwrap();
    let id = first(&catalog).id.clone();
    let job = world.job(catalog);
    let run = world.record(id, json!({"day": {"type": "DATE", "value": "2025-11-17"}})).await;
    let stop = CancellationToken::new();
    let stopping = async {
        // The statement of a hundred million rows runs by now, and for long.
        let job = run.run_id.job("write", 1, 1);
        loop {
            if world.warehouse.job(&job).await.unwrap() == JobState::Running {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let at = run.created_at;
        let request = Transition::RequestCancel { at };
        world.state.transition(&run.tenant_id, run.run_id, &request).await.unwrap();
        stop.cancel();
    };
    let (outcome, ()) = tokio::join!(world.execute(&job, &run, stop.clone()), stopping);
    assert_eq!(outcome.status, RunStatus::Cancelled, "{outcome:?}");
    assert_eq!(world.rows("SELECT n FROM acme.t").await, ["1"]);
    let state = world.warehouse.job(&run.run_id.job("write", 1, 1)).await.unwrap();
    assert!(matches!(state, JobState::Failed(_)), "{state:?}");
}
