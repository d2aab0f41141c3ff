//! Jobs of BigQuery: each under an id of our own, sent again where its answer was lost, waited for to its end.

mod patience;
mod statement;
mod work;

use std::sync::Arc;
use std::time::Duration;

use google_cloud_bigquery_v2::client::{DatasetService, JobService, TableService};
use google_cloud_bigquery_v2::model::{Job, JobReference};
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{Aip194Strict, NeverRetry, RetryPolicyExt};

use super::error;
use crate::clock::Chance;
use crate::gcp::Access;
use crate::port::PortError;
use patience::Patience;
pub(in crate::gcp) use statement::{Once, Ran, Statement};
pub(super) use work::{Ended, Placed, Work};

/// How long one call may take, beside the time that it asks BigQuery to wait.
pub(super) const CALL: Duration = Duration::from_secs(20);

/// Whose BigQuery, where its data lies, and who asks.
#[derive(Debug, Clone)]
pub struct Place {
    /// The Google Cloud project.
    pub project: String,
    /// The location of its datasets, such as `EU`.
    pub location: String,
    /// The function that asks: a label of every job.
    pub service: &'static str,
}

/// BigQuery of one project. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    place: Place,
    chance: Chance,
    jobs: JobService,
    datasets: DatasetService,
    tables: TableService,
}

impl Client {
    /// Makes the clients; nothing is called yet.
    pub async fn connect(access: &Access, place: Place, chance: Chance) -> Result<Self, PortError> {
        let failed = |e| PortError::other("the client of BigQuery", e);
        let mut jobs = JobService::builder()
            .with_credentials(access.credentials.clone())
            // What is tried again, and under which id, is decided here.
            .with_retry_policy(NeverRetry);
        let patient = || Aip194Strict.with_time_limit(CALL * 2);
        let mut datasets = DatasetService::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(patient());
        let mut tables = TableService::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(patient());
        if let Some(endpoint) = &access.endpoint {
            jobs = jobs.with_endpoint(endpoint);
            datasets = datasets.with_endpoint(endpoint);
            tables = tables.with_endpoint(endpoint);
        }
        let inner = Inner {
            place,
            chance,
            jobs: jobs.build().await.map_err(failed)?,
            datasets: datasets.build().await.map_err(failed)?,
            tables: tables.build().await.map_err(failed)?,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The project, the location, and who asks.
    pub(in crate::gcp) fn place(&self) -> &Place {
        &self.0.place
    }

    /// Datasets, for what is not a statement.
    pub(in crate::gcp) fn datasets(&self) -> &DatasetService {
        &self.0.datasets
    }

    /// Tables, for what is not a statement.
    pub(in crate::gcp) fn tables(&self) -> &TableService {
        &self.0.tables
    }

    /// Jobs, for what is not a statement of our own.
    pub(in crate::gcp) fn jobs(&self) -> &JobService {
        &self.0.jobs
    }

    /// A name that nothing else has.
    pub(in crate::gcp) fn unique(&self) -> String {
        self.0.chance.uuid().simple().to_string()
    }

    /// Runs a statement. Where BigQuery failed it for a reason that passes, it is sent again as a new job, after
    /// a random wait; where the answer was lost, the same job is asked for.
    pub(in crate::gcp) async fn run(&self, statement: &Statement) -> Result<Ran, PortError> {
        let base = format!("{}-{}-{}", self.place().service, statement.name, self.unique());
        self.once(&base, 1, statement).await.map(|once| once.ran)
    }

    /// Runs a statement that may take effect once for `base`, whoever calls it and however often: its job is
    /// `base` with a number, from `first`. The next number's turn comes only where a job has failed, or where
    /// somebody else's changed nothing.
    pub(in crate::gcp) async fn once(
        &self,
        base: &str,
        first: u32,
        statement: &Statement,
    ) -> Result<Once, PortError> {
        // Boxed, as the job in it is large.
        Box::pin(self.numbered(base, first, statement)).await
    }

    async fn numbered(
        &self,
        base: &str,
        first: u32,
        statement: &Statement,
    ) -> Result<Once, PortError> {
        let call = self.unique();
        let configuration = statement.configuration(self.place().service, &call);
        let patience = Patience::new(statement.patience);
        let (mut number, mut tries) = (first, 0);
        loop {
            let work = Work {
                what: statement.name,
                id: &format!("{base}-{number}"),
                configuration: &configuration,
                call: &call,
                timeout: statement.timeout,
                rows: true,
            };
            let failed = match self.attempt(&work).await {
                Ok((Ended::Well(rows, changed), placed)) => {
                    let mine = placed == Placed::Mine;
                    if mine || changed > 0 {
                        return Ok(Once { ran: Ran { rows, changed }, mine, number });
                    }
                    number += 1;
                    continue;
                }
                Ok((Ended::Failed(_), Placed::Other)) => {
                    number += 1;
                    continue;
                }
                Ok((Ended::Failed(failure), Placed::Mine)) if failure.again => {
                    number += 1;
                    failure.error
                }
                Err(failure) if failure.again => failure.error,
                Ok((Ended::Failed(failure), Placed::Mine)) | Err(failure) => {
                    return Err(failure.error);
                }
            };
            tries += 1;
            patience.wait(self.chance(), tries, failed).await?;
        }
    }

    /// A job as BigQuery knows it; `None` where it knows none of this id.
    pub(in crate::gcp) async fn job(&self, id: &str) -> Result<Option<Job>, PortError> {
        let asked = self
            .jobs()
            .get_job()
            .set_project_id(&self.place().project)
            .set_location(&self.place().location)
            .set_job_id(id)
            .with_attempt_timeout(CALL)
            .send()
            .await;
        match asked.map_err(|e| error::of_call("a job", e).error) {
            Ok(job) => Ok(Some(job)),
            Err(PortError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A reference to a job of ours.
    pub(in crate::gcp) fn reference(&self, id: &str) -> JobReference {
        JobReference::new()
            .set_project_id(&self.place().project)
            .set_location(self.place().location.clone())
            .set_job_id(id)
    }

    /// Where a job of BigQuery's own naming runs.
    pub(in crate::gcp::bigquery) fn anywhere(&self) -> JobReference {
        JobReference::new()
            .set_project_id(&self.place().project)
            .set_location(self.place().location.clone())
    }

    fn chance(&self) -> &Chance {
        &self.0.chance
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
