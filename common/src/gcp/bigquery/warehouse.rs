//! The warehouse on BigQuery: each write is one job under the caller's id.
//!
//! A statement is a job of its own, and its author's SQL stands in parentheses on lines of its own. What a job's id
//! was cancelled for never runs: the id is taken by an empty job.

mod files;
mod statement;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_bigquery_v2::model::{
    Dataset, DatasetReference, Job, JobConfiguration, JobConfigurationQuery, Table, TableReference,
};
use google_cloud_gax::options::RequestOptionsBuilder;

use super::client::{CALL, Client, Ended, Placed, Work, found};
use super::param::parameter;
use super::{error, record, table};
use crate::port::PortError;
use crate::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, WriteMode, Written,
};

/// After this BigQuery ends a query that only answers rows.
const QUERY_TIMEOUT: Duration = Duration::from_mins(10);
/// The label of a job that stands for none: its id was cancelled before it was used.
const CANCELLED: &str = "cancelled";

/// The datasets and tables of one project.
pub struct BigQuery {
    client: Client,
}

impl BigQuery {
    /// A warehouse in the project of the client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What a query is to BigQuery. Names of another project are refused nowhere here: the caller's guard sees them.
    fn query_of(&self, query: &Query, sql: String) -> JobConfigurationQuery {
        let of = JobConfigurationQuery::new()
            .set_query(sql)
            .set_use_legacy_sql(false)
            .set_parameter_mode("NAMED")
            .set_query_parameters(query.params.iter().map(|(name, p)| parameter(name, p)));
        match &query.default_dataset {
            Some(dataset) => of.set_default_dataset(self.dataset_of(dataset)),
            None => of,
        }
    }

    fn dataset_of(&self, dataset: &DatasetName) -> DatasetReference {
        DatasetReference::new()
            .set_project_id(&self.client.place().project)
            .set_dataset_id(dataset.as_str())
    }

    fn table_of(&self, table: &TableRef) -> TableReference {
        let project = table.project.as_ref().unwrap_or(&self.client.place().project);
        TableReference::new()
            .set_project_id(project)
            .set_dataset_id(table.dataset.as_str())
            .set_table_id(&table.table)
    }

    /// The columns of a table; `None` where there is none.
    async fn columns(
        &self,
        table: &TableRef,
    ) -> Result<Option<Vec<(String, crate::warehouse::DataType)>>, PortError> {
        let reference = self.table_of(table);
        let got = self.client.again("a table", || {
            self.client
                .tables()
                .get_table()
                .set_project_id(&reference.project_id)
                .set_dataset_id(&reference.dataset_id)
                .set_table_id(&reference.table_id)
                .with_attempt_timeout(CALL)
                .send()
        });
        let table = found(got.await)?;
        let fields = table.map(|table| table.schema.unwrap_or_default().fields);
        fields.map(|fields| record::columns(&fields)).transpose()
    }

    /// Runs a job under the caller's id to its end. One that another call has made is awaited.
    async fn job_of(
        &self,
        what: &'static str,
        job: &JobOptions,
        configuration: JobConfiguration,
    ) -> Result<Written, PortError> {
        let call = self.client.unique();
        let own = [("call", call.as_str()), ("service", self.client.place().service)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = own.chain(job.labels.iter().map(|(n, v)| (label(n), label(v))));
        let configuration = configuration
            .set_labels(labels)
            .set_job_timeout_ms(i64::try_from(job.timeout.as_millis()).unwrap_or(i64::MAX));
        let work = Work {
            what,
            id: &job.id.0,
            configuration: &configuration,
            call: &call,
            timeout: job.timeout,
            rows: false,
        };
        let (ended, placed) = Box::pin(self.client.settle(&work)).await?;
        if matches!(placed, Placed::Other)
            && let JobState::Failed(reason) = self.job(&job.id).await?
        {
            return Err(PortError::InvalidQuery(format!("{what}: job {}: {reason}", job.id)));
        }
        match ended {
            Ended::Well(..) => match self.job(&job.id).await? {
                JobState::Done(written) => Ok(written),
                other => Err(PortError::Unavailable(format!("{what}: job {}: {other:?}", job.id))),
            },
            Ended::Failed(failure) => Err(failure.error),
        }
    }
}

#[async_trait]
impl Warehouse for BigQuery {
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        let new = Dataset::new()
            .set_dataset_reference(self.dataset_of(dataset))
            .set_location(&self.client.place().location)
            .set_labels(labels.clone());
        let made = self.client.again("a dataset", || {
            self.client
                .datasets()
                .insert_dataset()
                .set_project_id(&self.client.place().project)
                .set_dataset(new.clone())
                .with_attempt_timeout(CALL)
                .send()
        });
        match made.await {
            Ok(_) => Ok(Ensured::Created),
            Err(PortError::AlreadyExists(_)) => match self.dataset_labels(dataset).await? {
                Some(found) if found == *labels => Ok(Ensured::Existed),
                Some(_) => Err(PortError::Conflict(format!(
                    "dataset {dataset} exists with other labels: it belongs to somebody else"
                ))),
                None => Err(PortError::Unavailable(format!("dataset {dataset} is being removed"))),
            },
            Err(error) => Err(error),
        }
    }

    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        let got = self.client.again("a dataset", || {
            self.client
                .datasets()
                .get_dataset()
                .set_project_id(&self.client.place().project)
                .set_dataset_id(dataset.as_str())
                .with_attempt_timeout(CALL)
                .send()
        });
        Ok(found(got.await)?.map(|dataset| dataset.labels.into_iter().collect()))
    }

    async fn ensure_table(
        &self,
        name: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        let new: Table = table::of(self.table_of(name), definition, &self.client.place().project);
        let reference = self.table_of(name);
        let made = self.client.again("a table", || {
            self.client
                .tables()
                .insert_table()
                .set_project_id(&reference.project_id)
                .set_dataset_id(&reference.dataset_id)
                .set_table(new.clone())
                .with_attempt_timeout(CALL)
                .send()
        });
        match made.await {
            Ok(_) => Ok(Ensured::Created),
            Err(PortError::AlreadyExists(_)) => Ok(Ensured::Existed),
            Err(error) => Err(error),
        }
    }

    async fn query(&self, query: &Query) -> Result<Rows, PortError> {
        self.dry_run(query).await?;
        let configuration = self.query_of(query, query.sql.clone());
        Box::pin(self.client.rows("query", configuration, QUERY_TIMEOUT)).await
    }

    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        match self.job(&job.id).await? {
            JobState::Done(written) => return Ok(written),
            JobState::Unknown | JobState::Running | JobState::Failed(_) => {}
        }
        let result = self.dry_run(query).await?.columns;
        statement::check(&result, target)?;
        let configuration = if target.mode == WriteMode::Replace {
            table::replacing(
                self.query_of(query, query.sql.clone()),
                self.table_of(&target.table),
                target,
            )
        } else {
            let definition = statement::definition(&result, target);
            self.ensure_table(&target.table, &definition).await?;
            let columns = self.columns(&target.table).await?.unwrap_or_default();
            statement::same_columns(&columns, &result, target)?;
            self.query_of(query, statement::sql(&query.sql, &result, target))
        };
        let configuration = match job.maximum_bytes {
            Some(most) => {
                configuration.set_maximum_bytes_billed(i64::try_from(most).unwrap_or(i64::MAX))
            }
            None => configuration,
        };
        Box::pin(self.job_of("a write", job, JobConfiguration::new().set_query(configuration)))
            .await
    }

    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let configuration = files::load(load, target, self.table_of(&target.table))?;
        Box::pin(self.job_of("a load", job, JobConfiguration::new().set_load(configuration))).await
    }

    /// BigQuery writes an extract in the order that it reads it: the query's own order is not kept.
    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let rows = JobOptions { id: JobId(format!("{}-rows", job.id)), ..job.clone() };
        self.dry_run(query).await?;
        let mut of = self.query_of(query, query.sql.clone());
        if let Some(most) = job.maximum_bytes {
            of = of.set_maximum_bytes_billed(i64::try_from(most).unwrap_or(i64::MAX));
        }
        let read = Box::pin(self.job_of(
            "an export's query",
            &rows,
            JobConfiguration::new().set_query(of),
        ))
        .await?;
        let made = self.client.job(&rows.id.0).await?;
        let table = made
            .and_then(|job| job.configuration)
            .and_then(|configuration| configuration.query)
            .and_then(|query| query.destination_table)
            .ok_or_else(|| PortError::other("an export", "its query has no table of results"))?;
        let extract = files::extract(export, table)?;
        Box::pin(self.job_of("an export", job, JobConfiguration::new().set_extract(extract)))
            .await?;
        Ok(read)
    }

    /// Refuses what its answer could not name: a table of BigQuery's own, another database, a routine.
    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError> {
        statement::visible(&query.sql)?;
        let configuration = JobConfiguration::new()
            .set_dry_run(true)
            .set_query(self.query_of(query, query.sql.clone()));
        let job =
            Job::new().set_job_reference(self.client.anywhere()).set_configuration(configuration);
        let made = self.client.again("a dry run", || {
            self.client
                .jobs()
                .insert_job()
                .set_project_id(&self.client.place().project)
                .set_job(job.clone())
                .with_attempt_timeout(CALL)
                .send()
        });
        let job = made.await?;
        if let Some(error) = job.status.and_then(|status| status.error_result) {
            return Err(error::of_job("a dry run", &error).error);
        }
        let statistics = job.statistics.unwrap_or_default();
        let bytes = statistics.total_bytes_processed.unwrap_or(0);
        let of = statistics.query.unwrap_or_default();
        statement::admissible(&of)?;
        let mut tables = of
            .referenced_tables
            .iter()
            .map(|table| self.named(table))
            .collect::<Result<Vec<_>, _>>()?;
        tables.sort();
        tables.dedup();
        let columns = record::columns(&of.schema.unwrap_or_default().fields)?;
        Ok(DryRun { tables, bytes: u64::try_from(bytes).unwrap_or(0), columns })
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        let Some(job) = self.client.job(&id.0).await? else { return Ok(JobState::Unknown) };
        let configuration = job.configuration.unwrap_or_default();
        if configuration.labels.contains_key(CANCELLED) {
            return Ok(JobState::Failed("it was cancelled before it began".to_owned()));
        }
        let status = job.status.unwrap_or_default();
        if status.state != "DONE" {
            return Ok(JobState::Running);
        }
        if let Some(error) = status.error_result {
            return Ok(JobState::Failed(error.message));
        }
        let is_rows = configuration.query.as_ref().is_some_and(|q| q.destination_table.is_some());
        let mut written = files::written(&job.statistics.unwrap_or_default(), &status.errors);
        if is_rows && written.rows == 0 {
            written.rows = self.client.total_rows(&id.0).await?;
        }
        Ok(JobState::Done(written))
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        let stood = match self.job(id).await? {
            JobState::Unknown => {
                let taken = Box::pin(self.client.take_id(&id.0, CANCELLED)).await?;
                if taken {
                    return Ok(JobState::Unknown);
                }
                // The job's own call has come in between.
                JobState::Running
            }
            state => state,
        };
        if stood != JobState::Running {
            return Ok(stood);
        }
        let asked = self.client.again("a cancellation", || {
            self.client
                .jobs()
                .cancel_job()
                .set_project_id(&self.client.place().project)
                .set_location(&self.client.place().location)
                .set_job_id(&id.0)
                .with_attempt_timeout(CALL)
                .send()
        });
        asked.await?;
        // BigQuery ends a job some time after it was asked to.
        self.client.until_done(&id.0).await?;
        self.job(id).await
    }
}

impl BigQuery {
    fn named(&self, table: &TableReference) -> Result<TableRef, PortError> {
        let own = table.project_id.is_empty() || table.project_id == self.client.place().project;
        let unreadable = |e| PortError::other("a table that a statement reads", e);
        let dataset = DatasetName::parse(&table.dataset_id).map_err(unreadable)?;
        let mut named = dataset.table(&table.table_id).map_err(unreadable)?;
        named.project = (!own).then(|| table.project_id.clone());
        Ok(named)
    }
}

/// A label's key or value as BigQuery admits it: at most 63 of lower-case letters, digits, `_` and `-`.
fn label(text: &str) -> String {
    let lower = text.to_lowercase();
    let fits = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' };
    lower.chars().map(fits).take(63).collect()
}
