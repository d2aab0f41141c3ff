//! The BigQuery adapters through the proxy: under BigQuery's limits, and with lost answers, refusals and conflicts.

use std::sync::Arc;
use std::time::Duration;

use common::port::PortError;
use common::run::RunStatus;
use common::state::contract;
use common::state::{Runs, Transition};
use common::tenant::TenantId;
use common::warehouse::contract as warehouse;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::judges::{BigQueryEmulator, TURN, http};
use crate::proxy::{Fault, Kind, Passing, Phase, Proxy, Rules};
use crate::state::{client, state};

/// Answers are lost before and after the effect, calls are refused, and statements that meet on a table abort.
fn trouble() -> Rules {
    let fault = |passing: &Passing| match (passing.number % 23, passing.phase) {
        (3, Phase::Before) | (11, Phase::After) => Some(Fault::Drop),
        (7, Phase::Before) | (19, Phase::After) => Some(Fault::Refuse(503, "backendError")),
        (17, Phase::Before) => Some(Fault::Refuse(403, "rateLimitExceeded")),
        _ => None,
    };
    Rules {
        latency: |kind| Duration::from_millis(if kind == Kind::Mutation { 30 } else { 5 }),
        aborts: 10,
        fault: Arc::new(fault),
    }
}

#[tokio::test]
async fn the_state_keeps_its_promises_through_trouble() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    for tenant in [
        "runs_record",
        "runs_other",
        "runs_columns",
        "slots_begin",
        "slots_begin_other",
        "slots_settle",
    ] {
        emulator.tenant(tenant).await;
    }
    let proxy = Proxy::start(&emulator.url, trouble());
    let state = state(&proxy.url).await;
    contract::tenants::profiles_and_subscriptions_are_made_once(&state).await;
    contract::tenants::one_first_key_is_left(&state).await;
    contract::tenants::rotation_and_revocation(&state).await;
    contract::ledger::rows_are_made_once(&state).await;
    contract::ledger::concurrent_admissions_get_exactly_the_quota(&state).await;
    contract::ledger::batches_free_before_they_admit(&state).await;
    contract::ledger::the_row_agrees(&state, 10).await;
    contract::runs::recording(&state).await;
    contract::runs::transitions_write_their_columns(&state).await;
    contract::schedules::recording_schedules(&state).await;
    contract::schedules::advancing(&state).await;
    contract::slots::beginning(&state).await;
    contract::slots::settling(&state).await;
}

#[tokio::test]
async fn the_warehouse_keeps_its_promises_through_trouble() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    let proxy = Proxy::start(&emulator.url, trouble());
    let bigquery = common::gcp::bigquery::BigQuery::new(client(&proxy.url).await);
    warehouse::replaces_and_appends(&bigquery).await;
    warehouse::overwrites_partitions(&bigquery).await;
    warehouse::writes_by_keys(&bigquery).await;
    warehouse::runs_a_job_once(&bigquery).await;
    warehouse::never_lands_a_cancelled_job(&bigquery).await;
    warehouse::keeps_foreign_datasets(&bigquery).await;
}

/// More changes of one table at once than BigQuery takes: each is done all the same.
#[tokio::test]
async fn more_statements_than_a_table_takes_are_done_later() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.tenant("crowded").await;
    let rules = Rules { latency: |_| Duration::from_millis(100), ..Rules::default() };
    let proxy = Proxy::start(&emulator.url, rules);
    let state = state(&proxy.url).await;
    let tenant = TenantId::parse("crowded").unwrap();
    let runs: Vec<_> =
        (1..=40).map(|n| contract::runs::run(&tenant, n, RunStatus::Running)).collect();
    let far = "2999-01-01T00:00:00Z".parse().unwrap();
    for inserted in join_all(runs.iter().map(|run| state.insert(run, far))).await {
        inserted.unwrap();
    }
    assert!(proxy.by_label()["runs_insert"] <= 2, "{:?}", proxy.by_label());
    let cancel = Transition::RequestCancel { at: contract::noon() };
    let asked = runs.iter().map(|run| state.transition(&tenant, run.run_id, &cancel));
    for changed in join_all(asked).await {
        assert!(changed.unwrap());
    }
    let sent = proxy.by_label()["run_cancel"];
    assert!(sent > 40, "{sent}: none was refused for a full queue");
}

/// What the proxy does to a client, without any of ours.
#[tokio::test]
async fn the_proxy_does_as_bigquery_documents() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    let latency = |kind| Duration::from_millis(if kind == Kind::Mutation { 500 } else { 0 });
    let proxy = Proxy::start(&emulator.url, Rules { latency, aborts: 1, ..Rules::default() });
    let base = format!("{}/bigquery/v2/projects/local", proxy.url);
    let job = |id: &str, sql: &str| {
        json!({
            "jobReference": {"projectId": "local", "jobId": id},
            "configuration": {"query": {"query": sql, "useLegacySql": false}},
        })
    };
    let post = async |body: Value| {
        let sent = http().post(format!("{base}/jobs")).json(&body).send().await.unwrap();
        (sent.status().as_u16(), sent.json::<Value>().await.unwrap())
    };
    let results = async |id: String, wait: u32| {
        let url = format!("{base}/queries/{id}?timeoutMs={wait}");
        let got = http().get(url).send().await.unwrap();
        (got.status().as_u16(), got.json::<Value>().await.unwrap())
    };
    let touch = "UPDATE tenants.scheduler_ticks SET ended_at = ended_at WHERE tick = 'x'";
    for (status, answer) in join_all((0..23).map(|n| post(job(&format!("dml-{n}"), touch)))).await {
        assert_eq!(
            (status, answer["status"]["state"].as_str()),
            (200, Some("PENDING")),
            "{answer}"
        );
    }
    let (status, answer) = results("dml-20".to_owned(), 1).await;
    assert_eq!((status, answer["jobComplete"].as_bool()), (200, Some(false)), "{answer}");
    let (status, _) = post(job("dml-1", touch)).await;
    assert_eq!(status, 409, "an id is taken once");
    let mut reasons = Vec::new();
    for n in 0..23 {
        let (status, answer) = results(format!("dml-{n}"), 20_000).await;
        if status != 200 {
            reasons.push(
                answer.pointer("/error/errors/0/reason").unwrap().as_str().unwrap().to_owned(),
            );
        }
    }
    reasons.sort();
    assert_eq!(reasons, ["invalidQuery", "resourcesExceeded"], "one conflict, one too many");
    let merge = "MERGE tenants.scheduler_ticks t USING (SELECT 'x' AS tick) s ON t.tick = (SELECT s.tick) \
                 WHEN MATCHED THEN DELETE";
    let (status, answer) = post(job("merge", merge)).await;
    assert_eq!(
        (status, answer.pointer("/error/errors/0/reason")),
        (400, Some(&"invalidQuery".into()))
    );
    // A job that waits can be cancelled, and then never takes effect.
    post(job("late", touch)).await;
    let url = format!("{base}/jobs/late/cancel");
    assert!(http().post(url).send().await.unwrap().status().is_success());
    let (_, answer) = results("late".to_owned(), 5_000).await;
    assert_eq!(answer.pointer("/error/errors/0/reason"), Some(&"stopped".into()));
    let gone = http().get(format!("{}/bigquery/v2/projects/local/jobs/late", emulator.url));
    assert_eq!(gone.send().await.unwrap().status().as_u16(), 404);
}

/// An error that says nothing of the effect is one that may be tried again.
#[tokio::test]
async fn what_stays_unreachable_is_unavailable() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    let fault = |passing: &Passing| {
        (passing.label == "runs_unfinished").then_some(Fault::Refuse(503, "backendError"))
    };
    let proxy = Proxy::start(&emulator.url, Rules { fault: Arc::new(fault), ..Rules::default() });
    let state = state(&proxy.url).await;
    let tenant = TenantId::parse("nobody").unwrap();
    let answer =
        tokio::time::timeout(Duration::from_mins(1), state.unfinished(&tenant)).await.unwrap();
    assert!(matches!(answer, Err(PortError::Unavailable(_))), "{answer:?}");
    assert!(proxy.requests() > 3, "it was tried again");
}
