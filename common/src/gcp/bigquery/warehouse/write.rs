//! Writes: the target is looked at, then one job of the caller's id changes it, whole or not at all.

use google_cloud_bigquery_v2::model::{JobConfiguration, JobConfigurationQuery};

use super::BigQuery;
use super::datasets::elsewhere;
use super::schema::{by_columns, by_day};
use super::statement::{Plan, Rows, plan};
use crate::gcp::bigquery::param::parameter;
use crate::port::PortError;
use crate::warehouse::{DryRun, JobOptions, Query, Target, WriteMode, Written};

/// What BigQuery bills of a table at least: a smaller limit would let nothing through.
const LEAST: u64 = 10 << 20;

impl BigQuery {
    pub(super) async fn write_query(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        if let Some(done) = self.earlier(job).await? {
            return self.written(&job.id, &done).await;
        }
        let (sql, dry_run) = self.look(query).await?;
        let maximum = billed(job, &dry_run)?;
        let configured = self.configured(query, maximum);
        let rows = Rows { sql: &sql, columns: &dry_run.columns };
        self.write_rows(rows, configured, target, job).await
    }

    /// Writes the rows of a SELECT. `configured` is its job without the text.
    pub(super) async fn write_rows(
        &self,
        rows: Rows<'_>,
        configured: JobConfigurationQuery,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let table = &target.table;
        if table.project.is_some() {
            return Err(elsewhere(table));
        }
        let existing = self.existing(table).await?;
        let query = match plan(rows, target, &self.quoted(table), existing.as_ref())? {
            Plan::Change(sql) => configured.set_query(sql),
            Plan::Become(sql) => {
                let (create, write) = match (&existing, &target.mode) {
                    (Some(_), _) => ("CREATE_NEVER", "WRITE_TRUNCATE"),
                    (None, WriteMode::Replace) => ("CREATE_IF_NEEDED", "WRITE_TRUNCATE"),
                    (None, _) => ("CREATE_IF_NEEDED", "WRITE_EMPTY"),
                };
                let (partitioning, clustering) = match &existing {
                    Some(table) => (table.partitioning.clone(), table.clustering.clone()),
                    None => (
                        target.partition_by.as_deref().map(by_day),
                        Some(&target.cluster_by)
                            .filter(|by| !by.is_empty())
                            .map(|by| by_columns(by)),
                    ),
                };
                configured
                    .set_query(sql)
                    .set_destination_table(self.table_reference(table))
                    .set_create_disposition(create)
                    .set_write_disposition(write)
                    .set_or_clear_time_partitioning(partitioning)
                    .set_or_clear_clustering(clustering)
            }
        };
        let configuration = JobConfiguration::new().set_query(query);
        let done = self.run_once("a write", job, configuration).await;
        let done = done.map_err(|error| match error {
            // The table was not there a moment ago.
            PortError::AlreadyExists(text) => {
                PortError::Conflict(format!("{table} was made by another write: {text}"))
            }
            other => other,
        })?;
        self.written(&job.id, &done).await
    }

    /// A query's job without its text.
    pub(super) fn configured(&self, query: &Query, maximum: Option<u64>) -> JobConfigurationQuery {
        let parameters = query.params.iter().map(|(name, param)| parameter(name, param));
        let maximum = maximum.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let dataset = query.default_dataset.as_ref().map(|name| self.dataset_reference(name));
        JobConfigurationQuery::new()
            .set_use_legacy_sql(false)
            .set_use_query_cache(false)
            .set_parameter_mode("NAMED")
            .set_query_parameters(parameters)
            .set_or_clear_default_dataset(dataset)
            .set_or_clear_maximum_bytes_billed(maximum)
    }
}

/// The bytes that a statement may be billed, after its dry run was held to them.
pub(super) fn billed(job: &JobOptions, dry_run: &DryRun) -> Result<Option<u64>, PortError> {
    let Some(limit) = job.maximum_bytes else { return Ok(None) };
    if dry_run.bytes > limit {
        let bytes = dry_run.bytes;
        return Err(PortError::InvalidQuery(format!(
            "the statement reads {bytes} bytes, more than the {limit} bytes allowed"
        )));
    }
    Ok(Some(limit.max(least(dry_run.tables.len() + 1))))
}

/// What a statement over so many tables is billed at least.
pub(super) fn least(tables: usize) -> u64 {
    LEAST.saturating_mul(tables as u64)
}
