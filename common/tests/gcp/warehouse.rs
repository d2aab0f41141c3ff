//! The warehouse on BigQuery: the contract suite, and what BigQuery alone is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use common::gcp::bigquery::BigQuery;
use common::port::PortError;
use common::warehouse::{
    DatasetName, JobId, JobOptions, Query, Target, Value, Warehouse, WriteMode, contract,
};
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use crate::judges::{BigQueryEmulator, http};

mod files;
mod jobs;
mod modes;
mod reads;

static EMULATOR: OnceCell<BigQueryEmulator> = OnceCell::const_new();

async fn emulator() -> &'static BigQueryEmulator {
    EMULATOR.get_or_init(BigQueryEmulator::start).await
}

/// The warehouse of the shared emulator: each test has a dataset of its own.
async fn warehouse() -> BigQuery {
    emulator().await.warehouse().await
}

macro_rules! keeps {
    ($($promise:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                contract::$promise(&warehouse().await).await;
            }
        )+
    };
}

keeps!(
    replaces_and_appends,
    overwrites_partitions,
    writes_by_keys,
    writes_by_keys_over_partitions,
    runs_a_job_once,
    never_lands_a_cancelled_job,
    refuses_other_statements,
    dry_runs,
    keeps_values,
    keeps_foreign_datasets,
);

fn query(sql: &str) -> Query {
    Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset: None }
}

fn job(id: &str) -> JobOptions {
    JobOptions {
        id: JobId(id.to_owned()),
        labels: BTreeMap::new(),
        maximum_bytes: None,
        timeout: Duration::from_mins(1),
    }
}

fn target(table: &str, mode: WriteMode) -> Target {
    Target { table: table.parse().unwrap(), partition_by: None, cluster_by: Vec::new(), mode }
}

/// The warehouse, with a dataset of this name.
async fn with(dataset: &str) -> BigQuery {
    let warehouse = warehouse().await;
    let name = DatasetName::parse(dataset).unwrap();
    warehouse.ensure_dataset(&name, &BTreeMap::new()).await.unwrap();
    warehouse
}

/// What BigQuery has of a job, a table or a dataset.
async fn resource(path: &str) -> Json {
    let url = format!("{}/bigquery/v2/projects/local/{path}", emulator().await.url);
    http().get(url).send().await.unwrap().json().await.unwrap()
}

/// Writes rows that must be written; answers how many.
async fn write(warehouse: &BigQuery, id: &str, sql: &str, target: &Target) -> u64 {
    let written = warehouse.write(&query(sql), target, &job(id)).await;
    written.unwrap_or_else(|error| panic!("{id}: {sql}: {error}")).rows
}

/// Why rows were not written: wrong, not unlucky.
async fn refusal(warehouse: &BigQuery, id: &str, sql: &str, target: &Target) -> String {
    let error = warehouse.write(&query(sql), target, &job(id)).await.unwrap_err();
    assert!(matches!(error, PortError::InvalidQuery(_)), "{id}: {sql}: {error}");
    error.to_string()
}

async fn rows(warehouse: &BigQuery, sql: &str) -> Vec<String> {
    let rows = warehouse.query(&query(sql), None).await.unwrap().rows;
    let text = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    rows.iter().map(text).collect()
}
