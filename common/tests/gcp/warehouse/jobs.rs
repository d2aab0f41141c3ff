//! Jobs under the caller's ids: what they carry, that they run once, and that a cancelled one never does.

use std::collections::BTreeMap;
use std::time::Duration;

use common::port::PortError;
use common::warehouse::{JobId, JobOptions, JobState, Warehouse, WriteMode};

use super::{job, query, resource, rows, target, with, write};

#[tokio::test]
async fn a_job_carries_its_labels_its_limit_and_its_timeout() {
    let warehouse = with("j_carries").await;
    let labels = [("service", "pipeline"), ("tenant", "acme"), ("statement", "Load.Lines")];
    let options = JobOptions {
        id: JobId("run-1-carries-a1-1".to_owned()),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        maximum_bytes: Some(50_000_000),
        timeout: Duration::from_secs(42),
    };
    for (id, mode) in [("1", WriteMode::Replace), ("2", WriteMode::Append)] {
        let options = JobOptions { id: JobId(format!("run-1-carries-a1-{id}")), ..options.clone() };
        let into = target("j_carries.t", mode);
        warehouse.write(&query("SELECT 1 AS n"), &into, &options).await.unwrap();
        let configuration = &resource(&format!("jobs/{}", options.id)).await["configuration"];
        for (label, value) in
            [("service", "pipeline"), ("tenant", "acme"), ("statement", "load_lines")]
        {
            assert_eq!(configuration["labels"][label], value, "{configuration}");
        }
        assert_eq!(configuration["jobTimeoutMs"], "42000");
        assert_eq!(configuration["query"]["maximumBytesBilled"], "50000000");
        assert_eq!(configuration["query"]["useQueryCache"], false);
    }
    // BigQuery bills 10 MiB of a table at least: a smaller limit lets small statements through all the same.
    let small = JobOptions {
        id: JobId("run-1-carries-a1-3".to_owned()),
        maximum_bytes: Some(1000),
        ..options
    };
    let into = target("j_carries.t", WriteMode::Append);
    warehouse.write(&query("SELECT n FROM j_carries.t"), &into, &small).await.unwrap();
    let billed =
        &resource("jobs/run-1-carries-a1-3").await["configuration"]["query"]["maximumBytesBilled"];
    assert_eq!(billed, "20971520");
}

#[tokio::test]
async fn a_query_carries_what_its_caller_gives_and_is_answered_again() {
    let warehouse = with("j_asks").await;
    let options = JobOptions {
        id: JobId("run-1-look-a1-1-whole".to_owned()),
        labels: [("run_id".to_owned(), "1".to_owned())].into(),
        maximum_bytes: Some(50_000_000),
        timeout: Duration::from_secs(42),
    };
    let one = query("SELECT 1 AS n");
    for _ in 0..2 {
        let found = warehouse.query(&one, Some(&options)).await.unwrap();
        assert_eq!(found.rows, [[common::warehouse::Value::Int64(1)]]);
    }
    let configuration = &resource(&format!("jobs/{}", options.id)).await["configuration"];
    assert_eq!(configuration["labels"]["run_id"], "1", "{configuration}");
    assert_eq!(configuration["jobTimeoutMs"], "42000");
    assert_eq!(configuration["query"]["maximumBytesBilled"], "50000000");
}

#[tokio::test]
async fn a_job_sent_twice_at_once_runs_once() {
    let warehouse = with("j_twice").await;
    let append = target("j_twice.t", WriteMode::Append);
    write(&warehouse, "twice-0", "SELECT 0 AS n", &append).await;
    for round in 1..=3 {
        let id = format!("twice-{round}");
        let (sql, options) = (query(&format!("SELECT {round} AS n")), job(&id));
        let sent = (0..4).map(|_| warehouse.write(&sql, &append, &options));
        for written in futures::future::join_all(sent).await {
            assert_eq!(written.unwrap().rows, 1);
        }
    }
    let read = "SELECT n FROM j_twice.t ORDER BY n";
    assert_eq!(rows(&warehouse, read).await, ["0", "1", "2", "3"]);
}

/// Also where nothing of what it once read is left: the job is asked first.
#[tokio::test]
async fn a_job_that_is_done_answers_what_it_did_whatever_came_after() {
    let warehouse = with("j_done").await;
    let replace = target("j_done.t", WriteMode::Replace);
    assert_eq!(
        write(&warehouse, "done-1", "SELECT n FROM UNNEST([1, 2, 3]) AS n", &replace).await,
        3
    );
    assert_eq!(write(&warehouse, "done-1", "SELECT nonsense FROM nowhere", &replace).await, 3);
    let merge = target("j_done.t", WriteMode::Merge { keys: vec!["n".to_owned()] });
    assert_eq!(write(&warehouse, "done-2", "SELECT n FROM UNNEST([3, 4]) AS n", &merge).await, 2);
    assert_eq!(write(&warehouse, "done-2", "SELECT 1 AS n", &merge).await, 2);
    let state = warehouse.job(&JobId("done-2".to_owned())).await.unwrap();
    assert!(matches!(state, JobState::Done(written) if written.rows == 2));
}

#[tokio::test]
async fn a_job_that_failed_has_used_its_id_up() {
    let warehouse = with("j_failed").await;
    let append = target("j_failed.t", WriteMode::Append);
    super::refusal(&warehouse, "failed-1", "SELECT ERROR('on purpose') AS n", &append).await;
    let state = warehouse.job(&JobId("failed-1".to_owned())).await.unwrap();
    assert!(
        matches!(&state, JobState::Failed(reason) if reason.contains("on purpose")),
        "{state:?}"
    );
    let again = warehouse.write(&query("SELECT 1 AS n"), &append, &job("failed-1")).await;
    let again = again.unwrap_err();
    assert!(matches!(again, PortError::AlreadyExists(_)), "{again}");
    assert!(again.to_string().contains("on purpose"), "{again}");
    let state = warehouse.cancel(&JobId("failed-1".to_owned())).await.unwrap();
    assert!(matches!(state, JobState::Failed(_)), "{state:?}");
}

/// A cancellation that overtakes the insert takes the id, so that the insert comes to nothing.
#[tokio::test]
async fn a_cancellation_that_comes_first_takes_the_id_for_good() {
    let warehouse = with("j_cancel").await;
    let append = target("j_cancel.t", WriteMode::Append);
    let id = JobId("cancel-first".to_owned());
    assert_eq!(warehouse.cancel(&id).await.unwrap(), JobState::Unknown);
    let state = warehouse.job(&id).await.unwrap();
    assert_eq!(state, JobState::Failed("cancelled".to_owned()));
    assert_eq!(warehouse.cancel(&id).await.unwrap(), state);
    // The insert of a call that had found the id unused.
    let url = format!("{}/bigquery/v2/projects/local/jobs", super::emulator().await.url);
    let late = serde_json::json!({
        "jobReference": {"projectId": "local", "jobId": id.0},
        "configuration": {"query": {"query": "CREATE TABLE j_cancel.t (n INT64)", "useLegacySql": false}},
    });
    let answer = crate::judges::http().post(url).json(&late).send().await.unwrap();
    assert_eq!(answer.status(), 409);
    let error = warehouse.write(&query("SELECT 1 AS n"), &append, &job(&id.0)).await.unwrap_err();
    assert!(!error.retryable(), "{error}");
    assert!(rows(&warehouse, "SELECT 1 FROM UNNEST([1])").await.len() == 1);
    warehouse.query(&query("SELECT n FROM j_cancel.t"), None).await.unwrap_err();
    assert_eq!(resource("jobs/cancel-first").await["configuration"]["labels"]["service"], "test");
}

#[tokio::test]
async fn a_dataset_is_labelled_and_located() {
    let warehouse = super::warehouse().await;
    let name = common::warehouse::DatasetName::parse("j_labels").unwrap();
    assert_eq!(warehouse.dataset_labels(&name).await.unwrap(), None);
    let labels = BTreeMap::from([("headgate_tenant".to_owned(), "acme".to_owned())]);
    warehouse.ensure_dataset(&name, &labels).await.unwrap();
    let found = resource("datasets/j_labels").await;
    assert_eq!(found["location"], "US");
    assert_eq!(found["labels"]["headgate_tenant"], "acme");

    let writers = ["trigger@p.iam.gserviceaccount.com", "pipeline@p.iam.gserviceaccount.com"];
    let warehouse = warehouse.written_by(writers.map(str::to_owned).into());
    let name = common::warehouse::DatasetName::parse("j_access").unwrap();
    // As BigQuery makes a dataset that is given no list.
    let url = format!("{}/bigquery/v2/projects/local/datasets", super::emulator().await.url);
    let owners = [
        serde_json::json!({"role": "OWNER", "specialGroup": "projectOwners"}),
        serde_json::json!({"role": "OWNER", "userByEmail": "onboard@p.iam.gserviceaccount.com"}),
    ];
    let body = serde_json::json!({
        "datasetReference": {"projectId": "local", "datasetId": "j_access"},
        "labels": labels,
        "access": [
            {"role": "WRITER", "specialGroup": "projectWriters"},
            owners[0],
            owners[1],
            {"role": "READER", "specialGroup": "projectReaders"},
        ],
    });
    let made = crate::judges::http().post(url).json(&body).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.status());
    for _ in 0..2 {
        warehouse.ensure_dataset(&name, &labels).await.unwrap();
        let access = &resource("datasets/j_access").await["access"];
        let writer = |account| serde_json::json!({"role": "WRITER", "userByEmail": account});
        let [one, two] = writers.map(writer);
        assert_eq!(*access, serde_json::json!([owners[0], owners[1], one, two]));
    }
}
