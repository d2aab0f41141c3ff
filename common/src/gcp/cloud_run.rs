//! Cloud Run Jobs: an execution of a run is an execution of one job, whose container is told the run.
//!
//! An execution's id is its short name, such as `pipeline-x7k2p`: Cloud Run tells it to the container as
//! `CLOUD_RUN_EXECUTION`, and `launch` answers the same. It is looked up below the job of the deployment, so a job
//! is replaced by one of another name only when no run is under way.

use std::time::Duration;

use async_trait::async_trait;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{Aip194Strict, NeverRetry, RetryPolicyExt};
use google_cloud_run_v2::client::{Executions, Jobs};
use google_cloud_run_v2::model::run_job_request::Overrides;
use google_cloud_run_v2::model::run_job_request::overrides::ContainerOverride;
use google_cloud_run_v2::model::{EnvVar, Execution};
use google_cloud_wkt as wkt;

use super::{Access, backoff, port_error};
use crate::jobs::{ExecutionState, JobLauncher, Launch};
use crate::port::PortError;

/// A launch: it creates an execution and does not wait for its start.
const LAUNCH: Duration = Duration::from_secs(30);
/// One request of the other calls.
const ATTEMPT: Duration = Duration::from_secs(10);
/// One of the other calls with all its requests.
const CALL: Duration = Duration::from_secs(30);
/// Requests of one of the other calls at most.
const ATTEMPTS: u32 = 4;

/// The launcher of a deployment: one job of Cloud Run.
pub struct CloudRunJobs {
    jobs: Jobs,
    executions: Executions,
    job: String,
    container: String,
}

impl CloudRunJobs {
    /// The job `projects/P/locations/R/jobs/J`, and the name of the container in it that does the run. No call
    /// is made.
    pub async fn new(access: &Access, job: &str, container: &str) -> Result<Self, PortError> {
        if job_of(job).is_none() {
            let rule = "must be named projects/P/locations/R/jobs/J";
            return Err(PortError::InvalidQuery(format!("the Cloud Run job '{job}' {rule}")));
        }
        if container.is_empty() {
            let rule = format!("the container of the Cloud Run job '{job}' must be named");
            return Err(PortError::InvalidQuery(rule));
        }
        let policy = Aip194Strict
            .continue_on_client_timeout()
            .with_attempt_limit(ATTEMPTS)
            .with_time_limit(CALL);
        let mut jobs = Jobs::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(NeverRetry)
            .with_attempt_timeout(LAUNCH);
        let mut executions = Executions::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(policy)
            .with_backoff_policy(backoff())
            .with_attempt_timeout(ATTEMPT);
        if let Some(endpoint) = &access.endpoint {
            jobs = jobs.with_endpoint(endpoint);
            executions = executions.with_endpoint(endpoint);
        }
        let failed = |e| PortError::other("the client of Cloud Run", e);
        Ok(Self {
            jobs: jobs.build().await.map_err(failed)?,
            executions: executions.build().await.map_err(failed)?,
            job: job.to_owned(),
            container: container.to_owned(),
        })
    }

    /// The full name of an execution by its short or its full name.
    fn execution(&self, name: &str) -> Result<String, PortError> {
        let short = match name.split_once("/executions/") {
            None => Some(name),
            // The project may be named by id in one place and by number in another.
            Some((job, short)) => {
                (job_of(job).is_some() && job_of(job) == job_of(&self.job)).then_some(short)
            }
        };
        short.filter(|short| is_id(short)).map_or_else(
            || {
                let rule = format!("is no execution of the Cloud Run job {}", self.job);
                Err(PortError::InvalidQuery(format!("'{name}' {rule}")))
            },
            |short| Ok(format!("{}/executions/{short}", self.job)),
        )
    }
}

#[async_trait]
impl JobLauncher for CloudRunJobs {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        let what = format!("launching run {} as attempt {}", launch.run_id, launch.attempt);
        let variables = [
            ("TENANT_ID", launch.tenant_id.to_string()),
            ("RUN_ID", launch.run_id.to_string()),
            ("ATTEMPT", launch.attempt.to_string()),
        ];
        let variables =
            variables.map(|(name, value)| EnvVar::new().set_name(name).set_value(value));
        let container = ContainerOverride::new().set_name(&self.container).set_env(variables);
        let overrides = Overrides::new()
            .set_container_overrides([container])
            .set_task_count(1)
            .set_timeout(whole_seconds(launch.timeout));
        let operation = self
            .jobs
            .run_job()
            .set_name(&self.job)
            .set_overrides(overrides)
            .with_idempotency(false)
            .send()
            .await
            .map_err(|error| not_launched(&what, error))?;
        let execution = operation.metadata.as_ref().and_then(|any| any.to_msg::<Execution>().ok());
        let short = execution.as_ref().and_then(|execution| execution.name.rsplit('/').next());
        match short.filter(|short| is_id(short)) {
            Some(short) => Ok(short.to_owned()),
            None => Err(PortError::Unavailable(format!("{what}: the answer names no execution"))),
        }
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        let name = self.execution(execution)?;
        let found = self.executions.get_execution().set_name(&name).send().await;
        match found.map_err(|error| port_error("reading an execution", error)) {
            Ok(found) if found.completion_time.is_none() => Ok(ExecutionState::Running),
            Ok(_) | Err(PortError::NotFound(_)) => Ok(ExecutionState::Ended),
            Err(error) => Err(error),
        }
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        let name = self.execution(execution)?;
        let call = self.executions.cancel_execution().set_name(&name).with_idempotency(true);
        let error = match call.send().await {
            Ok(_) => return Ok(()),
            Err(error) => port_error("cancelling an execution", error),
        };
        match error {
            PortError::NotFound(_) => Ok(()),
            // One that has ended cannot be cancelled, which is what was wanted.
            PortError::InvalidQuery(_) | PortError::AlreadyExists(_) | PortError::Conflict(_) => {
                match self.state(execution).await? {
                    ExecutionState::Ended => Ok(()),
                    ExecutionState::Running => Err(error),
                }
            }
            PortError::PermissionDenied(_)
            | PortError::RateLimited(_)
            | PortError::Unavailable(_)
            | PortError::Other { .. } => Err(error),
        }
    }
}

/// What a failed launch means. Only what the service refused before it did anything is for good; where it is not
/// known to have refused, an execution may have been started.
fn not_launched(what: &str, error: Error) -> PortError {
    let code = error.status().map(|status| status.code);
    let refused = match error.http_status_code() {
        // Given up on the way, or in conflict with another call: the same call may succeed.
        Some(408 | 499) => false,
        Some(409) => code != Some(Code::Aborted),
        Some(status) => (400..=499).contains(&status),
        // No request went out.
        None => error.is_binding() || error.is_authentication() || error.is_serialization(),
    };
    let text = format!("{what}: {error}");
    let kind = port_error(what, error);
    if refused || kind.retryable() { kind } else { PortError::Unavailable(text) }
}

/// Cloud Run counts a task's time in seconds.
fn whole_seconds(timeout: Duration) -> wkt::Duration {
    let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    wkt::Duration::clamp(i64::try_from(seconds).unwrap_or(i64::MAX).max(1), 0)
}

/// Region and name of a job by its full name.
fn job_of(name: &str) -> Option<(&str, &str)> {
    let segments: Vec<&str> = name.split('/').collect();
    match segments[..] {
        ["projects", project, "locations", region, "jobs", job]
            if is_project(project) && is_id(region) && is_id(job) =>
        {
            Some((region, job))
        }
        _ => None,
    }
}

/// A project's id may begin with a domain: `example.com:project`.
fn is_project(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
}

fn is_id(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_execution_is_found_by_its_short_and_its_full_name() {
        let access = Access::new(Some("http://127.0.0.1:9")).unwrap();
        let job = "projects/p/locations/europe-west1/jobs/pipeline";
        let jobs = CloudRunJobs::new(&access, job, "worker").await.unwrap();
        let full = format!("{job}/executions/pipeline-x7k2p");
        let by_number = full.replace("projects/p/", "projects/12345/");
        for name in ["pipeline-x7k2p", &full, &by_number] {
            assert_eq!(jobs.execution(name).unwrap(), full);
        }
        for bad in [
            "",
            "..",
            "a/b",
            "Pipeline",
            &format!("{job}/executions/"),
            &format!("{job}/executions/a/b"),
            &full.replace("jobs/pipeline", "jobs/other"),
            &full.replace("europe", "us"),
        ] {
            let error = jobs.execution(bad).unwrap_err();
            assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_job_and_its_container_are_named_in_full() {
        let access = Access::new(Some("http://127.0.0.1:9")).unwrap();
        for (job, container) in [
            ("pipeline", "worker"),
            ("projects/p/locations/r/services/s", "worker"),
            ("projects/p/locations/r/jobs/", "worker"),
            ("projects/p/locations/r/jobs/j/executions/e", "worker"),
            ("projects/p/locations/r/jobs/j", ""),
        ] {
            let refused = CloudRunJobs::new(&access, job, container).await.err();
            assert!(matches!(refused, Some(PortError::InvalidQuery(_))), "{job} {container}");
        }
    }

    #[test]
    fn a_timeout_is_rounded_up_to_seconds() {
        for (timeout, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (3_600_000, 3_600)] {
            let timeout = Duration::from_millis(timeout);
            assert_eq!(whole_seconds(timeout), wkt::Duration::clamp(seconds, 0));
        }
    }
}
