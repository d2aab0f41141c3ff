//! Jobs under the caller's ids: each runs once, and an id that was cancelled never runs.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_bigquery_v2::model::{Job, JobConfiguration};
use google_cloud_gax::options::RequestOptionsBuilder;
use tokio::time::Instant;

use super::BigQuery;
use crate::gcp::bigquery::client::{CALL, Ended, Work};
use crate::port::PortError;
use crate::warehouse::{JobId, JobOptions, JobState, Written};

/// The waits between two looks at a running job, which double.
const FIRST_LOOK: Duration = Duration::from_millis(60);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// How long a job may go on after it was cancelled.
const CANCELLING: Duration = Duration::from_mins(2);
/// Marks the job that takes a cancelled id, so that no other ever can.
const TAKEN: &str = "cancelled";
/// The longest value of a label.
const LABEL: usize = 63;

/// The rows and bytes of an export: its last job knows neither.
pub(super) const ROWS: &str = "headgate_rows";
pub(super) const BYTES: &str = "headgate_bytes";
/// Set on a statement that reads what another job has loaded.
pub(super) const STAGED: &str = "headgate_staged";

/// The job that comes before one of this id: `load` or `rows`.
pub(super) fn part(id: &JobId, name: &str) -> JobId {
    JobId(format!("{id}-{name}"))
}

impl BigQuery {
    /// What a job that was sent before did: `None` where none was. One that failed has used its id up.
    pub(super) async fn earlier(&self, job: &JobOptions) -> Result<Option<Job>, PortError> {
        let Some(found) = self.client.job(&job.id.0).await? else { return Ok(None) };
        let found = if is_done(&found) { found } else { self.ended(job).await? };
        match failure(&found) {
            None => Ok(Some(found)),
            Some(reason) => {
                let text = format!("the job {}, which failed ({reason}),", job.id);
                Err(PortError::AlreadyExists(text))
            }
        }
    }

    /// Sends a job under its id and awaits its end. Where an answer was lost the same job is sent again, and
    /// BigQuery, which has it, says so.
    pub(super) async fn run_once(
        &self,
        what: &'static str,
        options: &JobOptions,
        configuration: JobConfiguration,
    ) -> Result<Job, PortError> {
        let labels: BTreeMap<String, String> =
            configuration.labels.clone().into_iter().chain(labels(options)).collect();
        let timeout = i64::try_from(options.timeout.as_millis()).unwrap_or(i64::MAX);
        let call = self.client.unique();
        let own = [("call", call.as_str()), ("service", self.client.place().service)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let configuration = configuration.set_labels(own.chain(labels)).set_job_timeout_ms(timeout);
        let work = Work {
            what,
            id: &options.id.0,
            configuration: &configuration,
            call: &call,
            timeout: options.timeout,
            rows: false,
        };
        if let (Ended::Failed(failure), _) = self.client.settle(&work).await? {
            return Err(failure.error);
        }
        match self.client.job(&options.id.0).await? {
            Some(job) if is_taken(&job) => {
                Err(PortError::other(format!("the job {}", options.id), "cancelled"))
            }
            Some(job) => Ok(job),
            None => Err(PortError::NotFound(format!("the job {}", options.id))),
        }
    }

    /// A job that is there, once it has ended.
    async fn ended(&self, options: &JobOptions) -> Result<Job, PortError> {
        let deadline = Instant::now() + options.timeout + CALL;
        let mut wait = FIRST_LOOK;
        loop {
            let failed = match self.client.job(&options.id.0).await {
                Ok(Some(job)) if is_done(&job) => return Ok(job),
                Ok(_) => PortError::Unavailable(format!("the job {} has not ended", options.id)),
                Err(error) if error.retryable() => error,
                Err(error) => return Err(error),
            };
            if Instant::now() + wait >= deadline {
                return Err(failed);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_LOOK);
        }
    }

    pub(super) async fn state_of(&self, id: &JobId) -> Result<JobState, PortError> {
        match self.client.job(&id.0).await? {
            None => Ok(JobState::Unknown),
            Some(job) => Box::pin(self.state(id, &job)).await,
        }
    }

    async fn state(&self, id: &JobId, job: &Job) -> Result<JobState, PortError> {
        if !is_done(job) && !is_taken(job) {
            return Ok(JobState::Running);
        }
        match failure(job) {
            Some(reason) => Ok(JobState::Failed(reason)),
            None => Box::pin(self.written(id, job)).await.map(JobState::Done),
        }
    }

    pub(super) async fn cancel_job(&self, id: &JobId) -> Result<JobState, PortError> {
        let deadline = Instant::now() + CANCELLING;
        let mut wait = FIRST_LOOK;
        if self.client.job(&id.0).await?.is_none() && self.client.take_id(&id.0, TAKEN).await? {
            // What would have come before it changes no table of anybody's; it need not go on either.
            for name in ["load", "rows"] {
                self.ask_to_stop(&part(id, name)).await?;
            }
            return Ok(JobState::Unknown);
        }
        loop {
            if let Some(job) = self.client.job(&id.0).await? {
                match Box::pin(self.state(id, &job)).await? {
                    JobState::Running => {}
                    ended => return Ok(ended),
                }
            }
            if Instant::now() >= deadline {
                let text = format!("the job {id} goes on {CANCELLING:?} after it was cancelled");
                return Err(PortError::Unavailable(text));
            }
            self.ask_to_stop(id).await?;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_LOOK);
        }
    }

    async fn ask_to_stop(&self, id: &JobId) -> Result<(), PortError> {
        let place = self.client.place();
        let asked = self
            .client
            .again("a cancellation", || {
                self.client
                    .jobs()
                    .cancel_job()
                    .set_project_id(&place.project)
                    .set_location(&place.location)
                    .set_job_id(&id.0)
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        match asked.map(drop) {
            Err(error) if !matches!(error, PortError::NotFound(_)) => Err(error),
            _ => Ok(()),
        }
    }

    /// What a job that has ended well did.
    pub(super) async fn written(&self, id: &JobId, job: &Job) -> Result<Written, PortError> {
        let statistics = job.statistics.clone().unwrap_or_default();
        if let Some(load) = statistics.load {
            let bad_records = bad_records(count(load.bad_records), job);
            let (rows, bytes) = (count(load.output_rows), count(load.input_file_bytes));
            return Ok(Written { rows, bytes, bad_records });
        }
        if statistics.extract.is_some() {
            let label = |name| labelled(job, name).and_then(|text| text.parse().ok());
            let (rows, bytes) = (label(ROWS).unwrap_or(0), label(BYTES).unwrap_or(0));
            return Ok(Written { rows, bytes, ..Written::default() });
        }
        let query = statistics.query.unwrap_or_default();
        let rows = match query.dml_stats {
            Some(dml) => count(dml.inserted_row_count) + count(dml.updated_row_count),
            None => self.client.total_rows(&id.0).await?,
        };
        let mut written =
            Written { rows, bytes: count(query.total_bytes_processed), ..Written::default() };
        if labelled(job, STAGED).is_some()
            && let Some(load) = self.client.job(&part(id, "load").0).await?
            && let Some(loaded) = load.statistics.as_ref().and_then(|s| s.load.as_ref())
        {
            written.bytes = count(loaded.input_file_bytes);
            written.bad_records = bad_records(count(loaded.bad_records), &load);
        }
        Ok(written)
    }
}

fn is_done(job: &Job) -> bool {
    job.status.as_ref().is_some_and(|status| status.state == "DONE")
}

fn labelled<'j>(job: &'j Job, name: &str) -> Option<&'j str> {
    job.configuration.as_ref().and_then(|c| c.labels.get(name)).map(String::as_str)
}

fn is_taken(job: &Job) -> bool {
    labelled(job, TAKEN).is_some()
}

/// Why a job has no effect, if so.
fn failure(job: &Job) -> Option<String> {
    if is_taken(job) {
        return Some("cancelled".to_owned());
    }
    let error = job.status.as_ref()?.error_result.as_ref()?;
    Some(error.message.clone())
}

/// A number of BigQuery's, which says nothing where there is nothing.
pub(super) fn count(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// The records that a load left out: BigQuery describes the first of them.
fn bad_records(number: u64, load: &Job) -> Vec<String> {
    let described = load.status.iter().flat_map(|status| &status.errors);
    let described = described.map(|error| match error.location.as_str() {
        "" => error.message.clone(),
        place => format!("{place}: {}", error.message),
    });
    let others = std::iter::repeat("a record that BigQuery does not describe".to_owned());
    described.chain(others).take(usize::try_from(number).unwrap_or(usize::MAX)).collect()
}

/// A job's labels as BigQuery takes them.
pub(super) fn labels(options: &JobOptions) -> impl Iterator<Item = (String, String)> {
    options.labels.iter().map(|(name, value)| (name.clone(), label(value)))
}

/// A label's value: BigQuery takes lower-case letters, digits, `_` and `-`.
fn label(value: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let lower = value.chars().map(|c| c.to_ascii_lowercase());
    lower.map(|c| if fits(c) { c } else { '_' }).take(LABEL).collect()
}
