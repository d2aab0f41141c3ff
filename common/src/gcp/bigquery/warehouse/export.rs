//! Exports: a query's rows into a staging table, then that table into one file.
//!
//! BigQuery writes a table of at most 1 GB into one file, replaces the file whole, and promises no order of its
//! lines. So a query that asks for one is refused. In NDJSON it writes INT64 and NUMERIC as text.

use google_cloud_bigquery_v2::model::{JobConfiguration, JobConfigurationExtract};

use super::BigQuery;
use super::jobs::{BYTES, ROWS, count, part};
use super::load::{expiring, in_the_cloud, staging};
use super::statement::distinct;
use super::words;
use super::write::billed;
use crate::port::PortError;
use crate::warehouse::{DataType, Export, Format, JobOptions, Query, TableRef, Written};

impl BigQuery {
    pub(super) async fn export_file(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        in_the_cloud(&export.uri, "exports")?;
        if words::is_ordered(&query.sql) {
            return Err(PortError::InvalidQuery(
                "BigQuery writes no file in an order: leave ORDER BY out, or with its LIMIT put it into a subquery"
                    .to_owned(),
            ));
        }
        if let Some(done) = self.earlier(job).await? {
            return self.written(&job.id, &done).await;
        }
        let Some(dataset) = &query.default_dataset else {
            let text =
                "an export needs a default dataset, where its rows lie until they are a file";
            return Err(PortError::InvalidQuery(text.to_owned()));
        };
        let beside = dataset.table("t").map_err(|e| PortError::other("a staging table", e))?;
        let staging = staging(&beside, &job.id)?;
        let bytes = self.stage(query, export, &staging, job).await?;
        let rows = self.table(&staging).await?.and_then(|table| table.num_rows);
        let Some(rows) = rows else {
            return Err(PortError::NotFound(format!("the rows of {}", export.uri)));
        };
        let labels = [(ROWS, rows.to_string()), (BYTES, bytes.to_string())];
        let configuration = JobConfiguration::new()
            .set_labels(labels)
            .set_extract(writing(export).set_source_table(self.table_reference(&staging)));
        let done = self.run_once("an export", job, configuration).await?;
        self.drop_staging(&staging).await;
        self.written(&job.id, &done).await
    }

    /// Writes the query's rows into a staging table, once; answers the bytes read.
    async fn stage(
        &self,
        query: &Query,
        export: &Export,
        staging: &TableRef,
        job: &JobOptions,
    ) -> Result<u64, PortError> {
        let options = JobOptions { id: part(&job.id, "rows"), ..job.clone() };
        let done = if let Some(done) = self.earlier(&options).await? {
            done
        } else {
            let (sql, dry_run) = self.look(query).await?;
            distinct(&dry_run.columns)?;
            writable(&export.format, &dry_run.columns)
                .map_err(|text| PortError::InvalidQuery(format!("{}: {text}", export.uri)))?;
            let maximum = billed(job, &dry_run)?;
            let sql = format!(
                "CREATE OR REPLACE TABLE {} OPTIONS ({}) AS\nSELECT * FROM (\n{sql}\n) AS headgate_rows",
                self.quoted(staging),
                expiring()
            );
            let query = self.configured(query, maximum).set_query(sql);
            let configuration = JobConfiguration::new().set_query(query);
            self.run_once("the rows of an export", &options, configuration).await?
        };
        let query = done.statistics.and_then(|statistics| statistics.query);
        Ok(count(query.and_then(|query| query.total_bytes_processed)))
    }
}

/// What a format cannot hold is refused.
fn writable(format: &Format, columns: &[(String, DataType)]) -> Result<(), String> {
    let Format::Csv { null_marker, .. } = format else { return Ok(()) };
    if null_marker.is_some() {
        let text = "BigQuery writes NULL as an empty field: leave null_marker out";
        return Err(text.to_owned());
    }
    let nested = |kind: &DataType| matches!(kind, DataType::Array(_) | DataType::Struct(_));
    match columns.iter().find(|(_, kind)| nested(kind)) {
        Some((name, kind)) => {
            Err(format!("the column {name} is {kind}, which CSV does not hold: use ndjson"))
        }
        None => Ok(()),
    }
}

/// An extract job without its source.
fn writing(export: &Export) -> JobConfigurationExtract {
    let job = JobConfigurationExtract::new()
        .set_destination_uris([export.uri.as_str()])
        .set_compression("NONE");
    match &export.format {
        Format::Csv { header, delimiter, null_marker: _ } => job
            .set_destination_format("CSV")
            .set_print_header(*header)
            .set_field_delimiter(char::from(*delimiter)),
        Format::Ndjson => job.set_destination_format("NEWLINE_DELIMITED_JSON"),
        Format::Parquet => job.set_destination_format("PARQUET"),
    }
}
