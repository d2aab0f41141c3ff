//! A job from its sending to its end.

use std::time::Duration;

use google_cloud_bigquery_v2::model::{
    DataFormatOptions, GetQueryResultsResponse, Job, JobConfiguration, JobConfigurationQuery,
};
use google_cloud_gax::options::RequestOptionsBuilder;
use tokio::time::Instant;

use super::patience::{FIRST_WAIT, Patience};
use super::{CALL, Client, millis};
use crate::gcp::bigquery::error::{self, Failure};
use crate::gcp::bigquery::record;
use crate::port::PortError;
use crate::warehouse::{JobOptions, Rows};

/// How long one call waits for a query's end before it asks anew.
const LONG_POLL: Duration = Duration::from_secs(10);
/// How often a job that is no query is asked after.
const POLL: Duration = Duration::from_millis(500);

/// A job that is to be there.
pub(in crate::gcp::bigquery) struct Work<'a> {
    /// What it is, for errors.
    pub what: &'static str,
    /// Its id.
    pub id: &'a str,
    /// All of it.
    pub configuration: &'a JobConfiguration,
    /// The label by which a call knows its own job.
    pub call: &'a str,
    /// After this BigQuery ends it.
    pub timeout: Duration,
    /// Whether its rows are wanted.
    pub rows: bool,
}

/// How a job ended.
pub(in crate::gcp::bigquery) enum Ended {
    /// Well: the rows where they were wanted, and how many it inserted, updated or deleted.
    Well(Rows, u64),
    /// Without effect.
    Failed(Failure),
}

/// Whose call made a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gcp::bigquery) enum Placed {
    /// This one.
    Mine,
    /// An earlier or concurrent one.
    Other,
}

impl Client {
    /// Lets a job be there and waits for its end, asking again where an answer was lost.
    pub(in crate::gcp::bigquery) async fn settle(
        &self,
        work: &Work<'_>,
    ) -> Result<(Ended, Placed), PortError> {
        let patience = Patience::new(work.timeout + CALL * 2);
        let mut tries = 0;
        loop {
            match Box::pin(self.attempt(work)).await {
                Ok(ended) => return Ok(ended),
                Err(failure) if failure.again => {
                    tries += 1;
                    patience.wait(self.chance(), tries, failure.error).await?;
                }
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// Runs a query that answers rows. `options` say all but how many bytes it may read.
    pub(in crate::gcp::bigquery) async fn rows(
        &self,
        query: JobConfigurationQuery,
        options: &JobOptions,
    ) -> Result<Rows, PortError> {
        let call = self.unique();
        let labels = options.labels.clone().into_iter().chain([("call".to_owned(), call.clone())]);
        let configuration = JobConfiguration::new()
            .set_labels(labels)
            .set_job_timeout_ms(millis(options.timeout))
            .set_query(query);
        let work = Work {
            what: "query",
            id: &options.id.0,
            configuration: &configuration,
            call: &call,
            timeout: options.timeout,
            rows: true,
        };
        match self.settle(&work).await?.0 {
            Ended::Well(rows, _) => Ok(rows),
            Ended::Failed(failure) => Err(failure.error),
        }
    }

    /// Takes an id for good by a job that does nothing; answers whether nobody had it.
    pub(in crate::gcp::bigquery) async fn take_id(
        &self,
        id: &str,
        label: &str,
    ) -> Result<bool, PortError> {
        let call = self.unique();
        let labels = [(label, "true"), ("service", self.place().service), ("call", &call)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let nothing = JobConfigurationQuery::new().set_query("SELECT 1").set_use_legacy_sql(false);
        let configuration = JobConfiguration::new().set_labels(labels).set_query(nothing);
        let work = Work {
            what: "a cancellation",
            id,
            configuration: &configuration,
            call: &call,
            timeout: CALL,
            rows: false,
        };
        Ok(self.settle(&work).await?.1 == Placed::Mine)
    }

    /// How many rows a query that has ended well answered.
    pub(in crate::gcp::bigquery) async fn total_rows(&self, id: &str) -> Result<u64, PortError> {
        let answer = self.again("a job", || self.page(id, String::new(), false)).await?;
        Ok(answer.total_rows.unwrap_or(0))
    }

    /// Sends a job and waits for its end. An error leaves unknown what became of it, unless it is not to be tried
    /// again: then BigQuery did not take it.
    pub(super) async fn attempt(&self, work: &Work<'_>) -> Result<(Ended, Placed), Failure> {
        let job = Job::new()
            .set_job_reference(self.reference(work.id))
            .set_configuration(work.configuration.clone());
        let sent = self
            .jobs()
            .insert_job()
            .set_project_id(&self.place().project)
            .set_job(job)
            .with_attempt_timeout(CALL)
            .send();
        // Boxed, as the job in it is large.
        let sent = Box::pin(sent).await;
        let placed = match sent.map_err(|e| error::of_call(work.what, e)) {
            Ok(_) => Placed::Mine,
            Err(Failure { error: PortError::AlreadyExists(_), .. }) => self.whose(work).await?,
            Err(failure) => return Err(failure),
        };
        let ended = if work.configuration.query.is_some() {
            self.end_of_query(work).await?
        } else {
            self.end_of_job(work).await?
        };
        Ok((ended, placed))
    }

    async fn whose(&self, work: &Work<'_>) -> Result<Placed, Failure> {
        let job = self.job(work.id).await.map_err(unknown)?;
        let labels = job.and_then(|job| job.configuration).map(|c| c.labels).unwrap_or_default();
        let mine = labels.get("call").is_some_and(|label| label == work.call);
        Ok(if mine { Placed::Mine } else { Placed::Other })
    }

    async fn end_of_query(&self, work: &Work<'_>) -> Result<Ended, Failure> {
        let (what, id) = (work.what, work.id);
        let deadline = Instant::now() + work.timeout + CALL;
        loop {
            let failed = match self.page(id, String::new(), work.rows).await {
                Ok(answer) if answer.job_complete == Some(true) => {
                    let rows = self.all_rows(work, &answer).await.map_err(unknown)?;
                    let changed = answer.num_dml_affected_rows.unwrap_or(0);
                    return Ok(Ended::Well(rows, u64::try_from(changed).unwrap_or(0)));
                }
                Ok(_) => None,
                // A failed job is answered as a failed call, and so is a call that failed.
                Err(error) => {
                    let job = self.job(id).await.map_err(unknown)?;
                    let missing = || PortError::Unavailable(format!("{what}: no job {id}"));
                    let job = job.ok_or_else(|| unknown(missing()))?;
                    match job.status.and_then(|status| status.error_result) {
                        Some(error) => return Ok(Ended::Failed(error::of_job(what, &error))),
                        None => Some(error::of_call(what, error)),
                    }
                }
            };
            match failed {
                Some(failure) if !failure.again => return Err(failure),
                _ if Instant::now() >= deadline => return Err(endless(work)),
                Some(_) => tokio::time::sleep(FIRST_WAIT).await,
                None => {}
            }
        }
    }

    async fn end_of_job(&self, work: &Work<'_>) -> Result<Ended, Failure> {
        let deadline = Instant::now() + work.timeout + CALL;
        loop {
            let job = self.job(work.id).await.map_err(unknown)?;
            let status = job.and_then(|job| job.status).unwrap_or_default();
            if status.state == "DONE" {
                let empty = Rows { columns: Vec::new(), rows: Vec::new() };
                return Ok(match status.error_result {
                    Some(error) => Ended::Failed(error::of_job(work.what, &error)),
                    None => Ended::Well(empty, 0),
                });
            }
            if Instant::now() >= deadline {
                return Err(endless(work));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn page(
        &self,
        id: &str,
        token: String,
        rows: bool,
    ) -> Result<GetQueryResultsResponse, google_cloud_gax::error::Error> {
        let page = self
            .jobs()
            .get_query_results()
            .set_project_id(&self.place().project)
            .set_location(&self.place().location)
            .set_job_id(id)
            .set_page_token(token)
            .set_timeout_ms(u32::try_from(LONG_POLL.as_millis()).unwrap_or(u32::MAX))
            .set_format_options(DataFormatOptions::new().set_use_int64_timestamp(true))
            .with_attempt_timeout(LONG_POLL + CALL);
        if rows { page } else { page.set_max_results(0_u32) }.send().await
    }

    /// All rows of an answer whose first page is at hand, where they are wanted.
    async fn all_rows(
        &self,
        work: &Work<'_>,
        first: &GetQueryResultsResponse,
    ) -> Result<Rows, PortError> {
        if !work.rows {
            return Ok(Rows { columns: Vec::new(), rows: Vec::new() });
        }
        let schema = first.schema.clone().unwrap_or_default();
        let mut all = record::rows(&schema, &first.rows)?;
        let mut token = first.page_token.clone();
        while !token.is_empty() {
            let page = self.page(work.id, token, true).await;
            let page = page.map_err(|e| error::of_call(work.what, e).error)?;
            all.rows.extend(record::rows(&schema, &page.rows)?.rows);
            token = page.page_token;
        }
        Ok(all)
    }
}

/// What a failed call leaves open.
fn unknown(error: PortError) -> Failure {
    Failure { again: error.retryable(), error }
}

fn endless(work: &Work<'_>) -> Failure {
    let text = format!("{}: job {} has not ended in {:?}", work.what, work.id, work.timeout);
    unknown(PortError::Unavailable(text))
}
