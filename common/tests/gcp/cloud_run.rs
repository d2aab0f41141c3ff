//! Cloud Run Jobs over a fake that is held to Google's discovery document.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::gcp::Access;
use common::gcp::cloud_run::CloudRunJobs;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use common::run::RunId;
use common::tenant::TenantId;
use serde_json::json;
use uuid::Uuid;

use crate::fakes::cloud_run::{JOB, Started, serve};
use crate::fakes::{Fake, Fault, Refused};

type Running = Arc<Mutex<Vec<Started>>>;

async fn cloud_run() -> (Fake, Running) {
    let running = Running::default();
    let started = running.clone();
    (serve(move |execution| started.lock().unwrap().push(execution)).await, running)
}

async fn launcher(url: &str, job: &str) -> CloudRunJobs {
    CloudRunJobs::new(&Access::new(Some(url)).unwrap(), job, "worker").await.unwrap()
}

fn order() -> Launch {
    Launch {
        tenant_id: TenantId::parse("acme").unwrap(),
        run_id: RunId(Uuid::from_u128(7)),
        attempt: 2,
        timeout: Duration::from_millis(90_500),
    }
}

#[tokio::test]
async fn an_execution_is_told_its_run_and_known_by_its_short_name() {
    let (fake, running) = cloud_run().await;
    let jobs = launcher(&fake.url, JOB).await;
    let id = jobs.launch(&order()).await.unwrap();
    {
        let running = running.lock().unwrap();
        let [execution] = &running[..] else { panic!("{} executions", running.len()) };
        assert_eq!(execution.name, id);
        assert_eq!(execution.container, "worker");
        assert_eq!(execution.timeout, Duration::from_secs(91));
        let told = execution.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let run = "00000000-0000-0000-0000-000000000007";
        let expected = [("ATTEMPT", "2"), ("RUN_ID", run), ("TENANT_ID", "acme")];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
    assert_eq!(fake.calls()[0].body["overrides"]["taskCount"], 1);
    let full = format!("{JOB}/executions/{id}");
    for name in [&id, &full] {
        assert_eq!(jobs.state(name).await.unwrap(), ExecutionState::Running, "{name}");
    }
    running.lock().unwrap().clear();
    for name in [&id, &full, &format!("{JOB}/executions/pipeline-gone")] {
        assert_eq!(jobs.state(name).await.unwrap(), ExecutionState::Ended, "{name}");
    }
}

#[tokio::test]
async fn a_cancellation_is_passed_on_and_comes_never_too_late() {
    let (fake, running) = cloud_run().await;
    let jobs = launcher(&fake.url, JOB).await;
    let id = jobs.launch(&order()).await.unwrap();
    fake.next(&[Fault::Refuse(Refused(503, "UNAVAILABLE", "busy")), Fault::Lose]);
    jobs.cancel(&id).await.unwrap();
    assert!(*running.lock().unwrap()[0].cancelled.borrow());
    let refused = Fault::Refuse(Refused(400, "FAILED_PRECONDITION", "not in this state"));
    fake.next(&[refused]);
    let error = jobs.cancel(&id).await.unwrap_err();
    assert!(matches!(error, PortError::InvalidQuery(_)), "while it runs: {error}");
    running.lock().unwrap().clear();
    jobs.cancel(&id).await.unwrap();
    jobs.cancel("pipeline-gone").await.unwrap();
    let error = jobs.cancel("no/execution").await.unwrap_err();
    assert!(error.to_string().contains("'no/execution'"), "{error}");
    fake.next(&[Fault::Refuse(Refused(403, "PERMISSION_DENIED", "not granted"))]);
    assert!(matches!(jobs.cancel(&id).await, Err(PortError::PermissionDenied(_))));
}

/// Whether a launch that fails may be tried again, and whether it has started something.
#[tokio::test]
async fn a_failed_launch_is_for_good_only_where_nothing_was_started_and_is_never_repeated() {
    let (fake, running) = cloud_run().await;
    let jobs = launcher(&fake.url, JOB).await;
    let refuse = |code, status| Fault::Refuse(Refused(code, status, "said so"));
    for (fault, retryable, started) in [
        (refuse(400, "INVALID_ARGUMENT"), false, 0),
        (refuse(400, "FAILED_PRECONDITION"), false, 0),
        (refuse(401, "UNAUTHENTICATED"), false, 0),
        (refuse(403, "PERMISSION_DENIED"), false, 0),
        (refuse(404, "NOT_FOUND"), false, 0),
        (refuse(409, "ALREADY_EXISTS"), false, 0),
        (refuse(409, "ABORTED"), true, 0),
        (refuse(408, "DEADLINE_EXCEEDED"), true, 0),
        (refuse(429, "RESOURCE_EXHAUSTED"), true, 0),
        (refuse(499, "CANCELLED"), true, 0),
        (refuse(500, "INTERNAL"), true, 0),
        (refuse(500, "UNKNOWN"), true, 0),
        (refuse(501, "UNIMPLEMENTED"), true, 0),
        (refuse(503, "UNAVAILABLE"), true, 0),
        (refuse(504, "DEADLINE_EXCEEDED"), true, 0),
        (Fault::Lose, true, 1),
        (Fault::Alter(|answer| *answer = json!([])), true, 1),
        (Fault::Alter(|answer| *answer = json!({"name": "projects/p/operations/o"})), true, 1),
        (Fault::Alter(|answer| answer["metadata"]["name"] = json!("")), true, 1),
        (Fault::Alter(|answer| answer["metadata"]["@type"] = json!("type/other")), true, 1),
    ] {
        fake.next(&[fault]);
        let error = jobs.launch(&order()).await.unwrap_err();
        assert_eq!(error.retryable(), retryable, "{fault:?}: {error}");
        let began = std::mem::take(&mut *running.lock().unwrap()).len();
        assert_eq!((began, fake.calls().len()), (started, 1), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_launch_of_a_job_that_is_not_there_or_cannot_be_reached_starts_nothing() {
    let (fake, running) = cloud_run().await;
    let other = launcher(&fake.url, &format!("{JOB}-2")).await;
    let error = other.launch(&order()).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound(_)), "{error}");
    let nobody = format!("http://127.0.0.1:{}", crate::judges::free_port());
    let error = launcher(&nobody, JOB).await.launch(&order()).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable(_)), "{error}");
    assert!(running.lock().unwrap().is_empty());
}
