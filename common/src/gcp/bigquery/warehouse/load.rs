//! Loads: a file of Cloud Storage by a load job, straight into its table where BigQuery can, else by way of a
//! staging table and the one statement that a write is.

use google_cloud_bigquery_v2::model::job_configuration_load::SourceColumnMatch;
use google_cloud_bigquery_v2::model::{
    JobConfiguration, JobConfigurationLoad, ParquetOptions, TableSchema,
};
use sha2::{Digest, Sha256};

use super::BigQuery;
use super::datasets::{STAGING_DAYS, elsewhere};
use super::jobs::{STAGED, part};
use super::schema::{Existing, by_columns, by_day, ddl, fields};
use super::statement::{Rows, created};
use super::write::least;
use crate::gcp::bigquery::Statement;
use crate::port::PortError;
use crate::warehouse::{
    Column, DataType, Format, JobId, JobOptions, Load, Query, TableRef, Target, WriteMode, Written,
    hex,
};

impl BigQuery {
    pub(super) async fn load_file(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        in_the_cloud(&load.uri, "loads")?;
        if let Some(done) = self.earlier(job).await? {
            return self.written(&job.id, &done).await;
        }
        if target.table.project.is_some() {
            return Err(elsewhere(&target.table));
        }
        let existing = self.existing(&target.table).await?;
        if existing.is_none() {
            let columns = typed(&load.columns);
            created(&columns, target)
                .map_err(|text| PortError::InvalidQuery(format!("{}: {text}", target.table)))?;
        }
        match straight(load, target, existing.as_ref()) {
            Some(how) => self.load_straight(load, target, existing, how, job).await,
            None => self.load_staged(load, target, job).await,
        }
    }

    async fn load_straight(
        &self,
        load: &Load,
        target: &Target,
        existing: Option<Existing>,
        disposition: &str,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let create = if existing.is_some() { "CREATE_NEVER" } else { "CREATE_IF_NEEDED" };
        let (partitioning, clustering) = match existing {
            Some(table) => (table.partitioning, table.clustering),
            None => (
                target.partition_by.as_deref().map(by_day),
                Some(&target.cluster_by).filter(|by| !by.is_empty()).map(|by| by_columns(by)),
            ),
        };
        let configuration = reading(load)
            .set_destination_table(self.table_reference(&target.table))
            .set_create_disposition(create)
            .set_write_disposition(disposition)
            .set_or_clear_time_partitioning(partitioning)
            .set_or_clear_clustering(clustering);
        let configuration = JobConfiguration::new().set_load(configuration);
        let done = self.run_once("a load", job, configuration).await.map_err(|e| match e {
            PortError::AlreadyExists(text) => PortError::Conflict(text),
            other => other,
        })?;
        self.written(&job.id, &done).await
    }

    async fn load_staged(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let staging = staging(&target.table, &job.id)?;
        let loading = JobOptions { id: part(&job.id, "load"), ..job.clone() };
        let loaded = if let Some(done) = self.earlier(&loading).await? {
            done
        } else {
            self.make_staging(&staging, &load.columns).await?;
            let configuration = reading(load)
                .set_destination_table(self.table_reference(&staging))
                .set_create_disposition("CREATE_NEVER")
                // Whatever an earlier call of this id left there goes.
                .set_write_disposition("WRITE_TRUNCATE");
            let configuration = JobConfiguration::new().set_load(configuration);
            self.run_once("a load", &loading, configuration).await?
        };
        let read = self.written(&loading.id, &loaded).await?.bytes;
        if let Some(limit) = job.maximum_bytes.filter(|limit| read > *limit) {
            self.drop_staging(&staging).await;
            return Err(PortError::InvalidQuery(format!(
                "{} has {read} bytes, more than the {limit} bytes allowed",
                load.uri
            )));
        }
        let written = self.write_staged(load, &staging, target, job).await;
        // Where it is unknown what became of the statement, it may still read.
        if !written.as_ref().is_err_and(PortError::retryable) {
            self.drop_staging(&staging).await;
        }
        written
    }

    async fn write_staged(
        &self,
        load: &Load,
        staging: &TableRef,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let sql = format!("SELECT * FROM {}", self.quoted(staging));
        let columns = typed(&load.columns);
        let query = Query { sql, params: [].into(), default_dataset: None };
        let maximum = job.maximum_bytes.map(|limit| limit.max(least(2)));
        let mut labelled = job.clone();
        labelled.labels.insert(STAGED.to_owned(), "yes".to_owned());
        let rows = Rows { sql: &query.sql, columns: &columns };
        let configured = self.configured(&query, maximum);
        self.write_rows(rows, configured, target, &labelled).await
    }

    /// Makes a staging table, which expires. BigQuery's own clock says when.
    async fn make_staging(&self, table: &TableRef, columns: &[Column]) -> Result<(), PortError> {
        let column = |column: &Column| format!("`{}` {}", column.name, ddl(column));
        let columns: Vec<String> = columns.iter().map(column).collect();
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} ({}) OPTIONS ({})",
            self.quoted(table),
            columns.join(", "),
            expiring()
        );
        self.client.run(&Statement::new("stage", sql)).await.map(drop)
    }
}

/// The option that lets a staging table expire where nobody deletes it.
pub(super) fn expiring() -> String {
    format!(
        "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {STAGING_DAYS} DAY)"
    )
}

/// A staging table beside a table, of a name that is the job's own.
pub(super) fn staging(beside: &TableRef, id: &JobId) -> Result<TableRef, PortError> {
    let digest = hex(&Sha256::digest(id.0.as_bytes())[..16]);
    let name = beside.dataset.table(&format!("headgate_staging_{digest}"));
    name.map_err(|e| PortError::other("a staging table", e))
}

/// Refuses what is no one file of Cloud Storage.
pub(super) fn in_the_cloud(uri: &str, what: &str) -> Result<(), PortError> {
    let rule = if !uri.starts_with("gs://") {
        "from and to Cloud Storage alone: give a gs:// URI"
    } else if uri.contains('*') {
        "one file at a time: leave the * out"
    } else {
        return Ok(());
    };
    Err(PortError::InvalidQuery(format!("{uri}: BigQuery {what} {rule}")))
}

/// Columns as those of a result.
fn typed(columns: &[Column]) -> Vec<(String, DataType)> {
    columns.iter().map(|column| (column.name.clone(), column.data_type())).collect()
}

/// How a load job itself does what the mode says, if it can.
fn straight(load: &Load, target: &Target, existing: Option<&Existing>) -> Option<&'static str> {
    let adds = match target.mode {
        WriteMode::Replace => false,
        WriteMode::Append => true,
        WriteMode::OverwritePartition { .. }
        | WriteMode::AppendNew { .. }
        | WriteMode::Merge { .. } => return None,
    };
    match existing {
        None => Some(if adds { "WRITE_EMPTY" } else { "WRITE_TRUNCATE" }),
        // Another schema would become the table's, or fail.
        Some(table) if table.has_more || table.schema.fields != fields(&load.columns) => None,
        Some(_) => Some(if adds { "WRITE_APPEND" } else { "WRITE_TRUNCATE" }),
    }
}

/// A load job without its destination.
fn reading(load: &Load) -> JobConfigurationLoad {
    let job = JobConfigurationLoad::new()
        .set_source_uris([load.uri.as_str()])
        .set_autodetect(false)
        .set_schema(TableSchema::new().set_fields(fields(&load.columns)));
    let bad = i32::try_from(load.max_bad_records).unwrap_or(i32::MAX);
    match &load.format {
        Format::Csv { header, delimiter, null_marker } => {
            let job = job
                .set_source_format("CSV")
                .set_encoding("UTF-8")
                .set_quote("\"")
                .set_field_delimiter(char::from(*delimiter))
                .set_allow_quoted_newlines(true)
                .set_max_bad_records(bad);
            let job = match null_marker {
                Some(marker) => job.set_null_markers(["", marker.as_str()]),
                None => job,
            };
            if *header {
                job.set_skip_leading_rows(1)
                    .set_source_column_match(SourceColumnMatch::Name)
                    .set_ignore_unknown_values(true)
            } else {
                job
            }
        }
        Format::Ndjson => job.set_source_format("NEWLINE_DELIMITED_JSON").set_max_bad_records(bad),
        Format::Parquet => job
            .set_source_format("PARQUET")
            .set_parquet_options(ParquetOptions::new().set_enable_list_inference(true)),
    }
}
