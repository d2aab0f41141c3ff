//! Queries: held to one SELECT by their text and by a dry run, which names what they read.

use std::time::Duration;

use google_cloud_bigquery_v2::model::{
    Job, JobConfiguration, JobConfigurationQuery, JobStatistics2,
};
use google_cloud_gax::options::RequestOptionsBuilder;

use super::BigQuery;
use super::jobs::{count, labels};
use super::words;
use super::write::{billed, least};
use crate::gcp::bigquery::client::CALL;
use crate::gcp::bigquery::{error, record};
use crate::port::PortError;
use crate::warehouse::{DryRun, JobId, JobOptions, Query, Rows};

/// How long a query without a job's options may take.
const QUERY: Duration = Duration::from_mins(5);
/// BigQuery has said of longer lists of tables that they may be incomplete.
const MOST_TABLES: usize = 50;

impl BigQuery {
    /// A query's text, and what its dry run says. Whatever a dry run would not list is refused.
    pub(super) async fn look(&self, query: &Query) -> Result<(String, DryRun), PortError> {
        let sql = words::one_select(&query.sql).map_err(PortError::InvalidQuery)?;
        if let Some(name) = words::unlisted(&sql) {
            return Err(PortError::InvalidQuery(format!(
                "reads {name}, which no dry run lists: read tables alone"
            )));
        }
        let statistics =
            Box::pin(self.resolve(self.configured(query, None).set_query(sql.as_str()))).await?;
        let dry_run = self.judged(&sql, statistics)?;
        Ok((sql, dry_run))
    }

    async fn resolve(&self, query: JobConfigurationQuery) -> Result<JobStatistics2, PortError> {
        let place = self.client.place();
        let labels = [("service", place.service), ("statement", "dry_run")];
        let configuration =
            JobConfiguration::new().set_dry_run(true).set_labels(labels).set_query(query);
        let job =
            Job::new().set_job_reference(self.client.anywhere()).set_configuration(configuration);
        let sent = self
            .client
            .again("a dry run", || {
                self.client
                    .jobs()
                    .insert_job()
                    .set_project_id(&place.project)
                    .set_job(job.clone())
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        let job = sent?;
        if let Some(error) = job.status.and_then(|status| status.error_result) {
            return Err(error::of_job("a dry run", &error).error);
        }
        let query = job.statistics.and_then(|statistics| statistics.query);
        query
            .ok_or_else(|| PortError::other("a dry run", "the answer has no statistics of a query"))
    }

    fn judged(&self, sql: &str, statistics: JobStatistics2) -> Result<DryRun, PortError> {
        let wrong = |text: String| Err(PortError::InvalidQuery(text));
        if statistics.statement_type != "SELECT" {
            let kind = &statistics.statement_type;
            return wrong(format!("a statement of type '{kind}' is not a SELECT"));
        }
        if let Some(routine) = statistics.referenced_routines.first() {
            let (dataset, name) = (&routine.dataset_id, &routine.routine_id);
            return wrong(format!("calls the routine {dataset}.{name}: a query may call none"));
        }
        if let Some(parameter) = statistics.undeclared_query_parameters.first() {
            return wrong(format!("the parameter @{} has no value", parameter.name));
        }
        if !statistics.referenced_property_graphs.is_empty() {
            return wrong("reads a property graph: read tables alone".to_owned());
        }
        let named = &statistics.referenced_tables;
        if named.len() >= MOST_TABLES {
            let number = named.len();
            return wrong(format!("reads {number} tables: fewer than {MOST_TABLES} may be read"));
        }
        if named.is_empty() && words::names_a_table(sql) {
            return wrong("reads a table that the dry run does not list".to_owned());
        }
        let mut tables = Vec::with_capacity(named.len());
        for reference in named {
            let Some(table) = self.table_name(reference) else {
                let (dataset, table) = (&reference.dataset_id, &reference.table_id);
                return wrong(format!(
                    "reads {dataset}.{table}: names of tables are of letters, digits and _"
                ));
            };
            tables.push(table);
        }
        tables.sort();
        tables.dedup();
        let fields = statistics.schema.map(|schema| schema.fields).unwrap_or_default();
        Ok(DryRun {
            tables,
            bytes: count(statistics.total_bytes_processed),
            columns: record::columns(&fields)?,
        })
    }

    /// Runs a SELECT and answers its rows.
    pub(super) async fn rows(
        &self,
        query: &Query,
        job: Option<&JobOptions>,
    ) -> Result<Rows, PortError> {
        let (sql, dry_run) = Box::pin(self.look(query)).await?;
        let most = match job {
            Some(job) => billed(job, &dry_run)?,
            // Twice what the dry run says: rows may come in between.
            None => Some(dry_run.bytes.saturating_mul(2).max(least(dry_run.tables.len() + 1))),
        };
        let configured = self.configured(query, most).set_query(sql);
        let given = |job: &JobOptions| JobOptions { labels: labels(job).collect(), ..job.clone() };
        let own = || JobOptions {
            id: JobId(format!("{}-query-{}", self.client.place().service, self.client.unique())),
            labels: [("service", self.client.place().service), ("statement", "query")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            maximum_bytes: None,
            timeout: QUERY,
        };
        self.client.rows(configured, &job.map_or_else(own, given)).await
    }
}
