//! Jobs of BigQuery: each under an id of our own, sent again where its answer was lost, waited for to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_bigquery_v2::client::{DatasetService, JobService, TableService};
use google_cloud_bigquery_v2::model::{
    DataFormatOptions, GetQueryResultsResponse, Job, JobConfiguration, JobConfigurationQuery,
    JobReference,
};
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicyExt};
use tokio::time::Instant;

use super::error::{self, Failure};
use super::param::{ToParam, parameter};
use super::record;
use crate::clock::Chance;
use crate::gcp::Access;
use crate::port::PortError;
use crate::warehouse::{DataType, Param, Rows, Value};

/// How long one call may take, beside the time that it asks BigQuery to wait.
const CALL: Duration = Duration::from_secs(20);
/// How long one call waits for a job's end before it asks anew.
const LONG_POLL: Duration = Duration::from_secs(10);
/// The longest wait between two tries; waits are random up to a bound that doubles.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const FIRST_WAIT: Duration = Duration::from_millis(250);

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

/// One GoogleSQL statement of our own.
#[derive(Debug, Clone)]
pub(in crate::gcp) struct Statement {
    name: &'static str,
    labels: BTreeMap<String, String>,
    query: JobConfigurationQuery,
    timeout: Duration,
    patience: Duration,
}

impl Statement {
    /// A statement. `name` is its label: lower-case letters, digits, `_`.
    pub(in crate::gcp) fn new(name: &'static str, sql: impl Into<String>) -> Self {
        let query = JobConfigurationQuery::new()
            .set_query(sql)
            .set_use_legacy_sql(false)
            .set_use_query_cache(false)
            .set_parameter_mode("NAMED");
        Self {
            name,
            labels: BTreeMap::new(),
            query,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(45),
        }
    }

    /// Binds a parameter.
    pub(in crate::gcp) fn bind(self, name: &str, value: impl ToParam) -> Self {
        self.bind_param(name, &value.to_param())
    }

    /// Binds a parameter of a type that no Rust type stands for.
    pub(in crate::gcp) fn bind_param(
        mut self,
        name: &str,
        param: &crate::warehouse::Param,
    ) -> Self {
        self.query.query_parameters.push(parameter(name, param));
        self
    }

    /// Binds an array of STRING.
    pub(in crate::gcp) fn bind_list(self, name: &str, items: impl Iterator<Item = String>) -> Self {
        let kind = DataType::Array(Box::new(DataType::String));
        let value = Value::Array(items.map(Value::String).collect());
        self.bind_param(name, &Param { kind, value })
    }

    /// Adds a label beside `service`, `statement` and `call`, such as `tenant` and `run_id`.
    pub(in crate::gcp) fn label(mut self, name: &str, value: &impl ToString) -> Self {
        self.labels.insert(name.to_owned(), value.to_string());
        self
    }

    /// After this BigQuery ends the job; 30 s unless said.
    pub(in crate::gcp) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to try in all; 45 s unless said.
    pub(in crate::gcp) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// What a statement did.
#[derive(Debug, Clone)]
pub(in crate::gcp) struct Ran {
    /// The rows that it answered.
    pub rows: Rows,
    /// The rows that it inserted, updated or deleted.
    pub changed: u64,
}

/// What became of a statement that may run once.
#[derive(Debug)]
pub(in crate::gcp) struct Once {
    /// What it did.
    pub ran: Ran,
    /// Whether this call made it run; otherwise an earlier or concurrent one did.
    pub mine: bool,
    /// The number of its job's id.
    pub number: u32,
}

enum Ended {
    Well(Box<GetQueryResultsResponse>, Rows),
    Failed(Failure),
}

enum Placed {
    Mine,
    Other,
}

impl Client {
    /// Makes the clients; nothing is called yet.
    pub async fn connect(access: &Access, place: Place, chance: Chance) -> Result<Self, PortError> {
        let failed = |e| PortError::other("the client of BigQuery", e);
        let limited = NeverRetry;
        let mut jobs = JobService::builder()
            .with_credentials(access.credentials.clone())
            // What is tried again, and under which id, is decided here.
            .with_retry_policy(limited);
        let patient = || google_cloud_gax::retry_policy::Aip194Strict.with_time_limit(CALL * 2);
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
        let call = self.unique();
        let base = format!("{}-{}-{call}", self.place().service, statement.name);
        let configuration = self.configuration(statement, &call);
        let patience = Patience::new(statement.patience);
        let (mut number, mut tries) = (1, 0);
        loop {
            let id = format!("{base}-{number}");
            let failed = match self.attempt(statement, &id, &configuration, &call).await {
                Ok((Ended::Well(answer, rows), _)) => return Ok(ran(&answer, rows)),
                Ok((Ended::Failed(failure), _)) if failure.again => {
                    number += 1;
                    failure.error
                }
                Ok((Ended::Failed(failure), _)) => return Err(failure.error),
                Err(failure) if failure.again => failure.error,
                Err(failure) => return Err(failure.error),
            };
            tries += 1;
            patience.wait(&self.0.chance, tries, failed).await?;
        }
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
        let call = self.unique();
        let configuration = self.configuration(statement, &call);
        let patience = Patience::new(statement.patience);
        let (mut number, mut tries) = (first, 0);
        loop {
            let id = format!("{base}-{number}");
            let failed = match self.attempt(statement, &id, &configuration, &call).await {
                Ok((Ended::Well(answer, rows), placed)) => {
                    let (ran, mine) = (ran(&answer, rows), matches!(placed, Placed::Mine));
                    if mine || ran.changed > 0 {
                        return Ok(Once { ran, mine, number });
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
                Ok((Ended::Failed(failure), Placed::Mine)) => return Err(failure.error),
                Err(failure) if failure.again => failure.error,
                Err(failure) => return Err(failure.error),
            };
            tries += 1;
            patience.wait(&self.0.chance, tries, failed).await?;
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

    fn configuration(&self, statement: &Statement, call: &str) -> JobConfiguration {
        let own =
            [("service", self.place().service), ("statement", statement.name), ("call", call)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        JobConfiguration::new()
            .set_labels(statement.labels.clone().into_iter().chain(own))
            .set_job_timeout_ms(millis(statement.timeout))
            .set_query(statement.query.clone())
    }

    /// Lets a job be there and waits for its end. An error leaves unknown what became of it, unless it is not to
    /// be tried again: then BigQuery did not take it.
    async fn attempt(
        &self,
        statement: &Statement,
        id: &str,
        configuration: &JobConfiguration,
        call: &str,
    ) -> Result<(Ended, Placed), Failure> {
        let what = statement.name;
        let job = Job::new()
            .set_job_reference(self.reference(id))
            .set_configuration(configuration.clone());
        let sent = self
            .jobs()
            .insert_job()
            .set_project_id(&self.place().project)
            .set_job(job)
            .with_attempt_timeout(CALL)
            .send()
            .await;
        let placed = match sent.map_err(|e| error::of_call(what, e)) {
            Ok(_) => Placed::Mine,
            Err(Failure { error: PortError::AlreadyExists(_), .. }) => self.whose(id, call).await?,
            Err(failure) => return Err(failure),
        };
        let ended = self.end(what, id, statement.timeout + CALL).await?;
        Ok((ended, placed))
    }

    async fn whose(&self, id: &str, call: &str) -> Result<Placed, Failure> {
        let job = self.job(id).await.map_err(unknown)?;
        let labels = job.and_then(|job| job.configuration).map(|c| c.labels).unwrap_or_default();
        let mine = labels.get("call").is_some_and(|label| label == call);
        Ok(if mine { Placed::Mine } else { Placed::Other })
    }

    async fn end(&self, what: &str, id: &str, within: Duration) -> Result<Ended, Failure> {
        let deadline = Instant::now() + within;
        loop {
            let failed = match self.page(id, String::new()).await {
                Ok(answer) if answer.job_complete == Some(true) => {
                    return Ok(match self.rest(what, id, &answer).await {
                        Ok(rows) => Ended::Well(Box::new(answer), rows),
                        Err(error) => return Err(unknown(error)),
                    });
                }
                Ok(_) => None,
                // A failed job is answered as a failed call, and so is a call that failed.
                Err(error) => match self.job(id).await.map_err(unknown)? {
                    Some(job) => match job.status.and_then(|status| status.error_result) {
                        Some(error) => return Ok(Ended::Failed(error::of_job(what, &error))),
                        None => Some(error::of_call(what, error)),
                    },
                    None => {
                        return Err(unknown(PortError::Unavailable(format!(
                            "{what}: no job {id}"
                        ))));
                    }
                },
            };
            match failed {
                Some(failure) if !failure.again => return Err(failure),
                _ if Instant::now() >= deadline => {
                    let text = format!("{what}: job {id} has not ended in {within:?}");
                    return Err(unknown(PortError::Unavailable(text)));
                }
                Some(_) => tokio::time::sleep(FIRST_WAIT).await,
                None => {}
            }
        }
    }

    async fn page(
        &self,
        id: &str,
        token: String,
    ) -> Result<GetQueryResultsResponse, google_cloud_gax::error::Error> {
        self.jobs()
            .get_query_results()
            .set_project_id(&self.place().project)
            .set_location(&self.place().location)
            .set_job_id(id)
            .set_page_token(token)
            .set_timeout_ms(u32::try_from(LONG_POLL.as_millis()).unwrap_or(u32::MAX))
            .set_format_options(DataFormatOptions::new().set_use_int64_timestamp(true))
            .with_attempt_timeout(LONG_POLL + CALL)
            .send()
            .await
    }

    /// All rows of an answer whose first page is at hand.
    async fn rest(
        &self,
        what: &str,
        id: &str,
        first: &GetQueryResultsResponse,
    ) -> Result<Rows, PortError> {
        let schema = first.schema.clone().unwrap_or_default();
        let mut all = record::rows(&schema, &first.rows)?;
        let mut token = first.page_token.clone();
        while !token.is_empty() {
            let page = self.page(id, token).await.map_err(|e| error::of_call(what, e).error)?;
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

fn ran(answer: &GetQueryResultsResponse, rows: Rows) -> Ran {
    let changed = answer.num_dml_affected_rows.unwrap_or(0);
    Ran { rows, changed: u64::try_from(changed).unwrap_or(0) }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Until when tries follow each other.
struct Patience(Instant);

impl Patience {
    fn new(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    /// Waits before the next try, or gives the error of the last one up.
    async fn wait(&self, chance: &Chance, tries: u32, last: PortError) -> Result<(), PortError> {
        let most = FIRST_WAIT.saturating_mul(1 << tries.min(6)).min(LONGEST_WAIT);
        // Full jitter: those who failed together do not come back together.
        let random = u32::from_le_bytes(chance.bytes());
        let wait = most.mul_f64(f64::from(random) / f64::from(u32::MAX));
        if Instant::now() + wait >= self.0 {
            return Err(last);
        }
        tracing::debug!(tries, ?wait, error = %last, "a statement is tried again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
