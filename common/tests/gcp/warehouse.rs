//! The warehouse on BigQuery: the contract suite, and what BigQuery alone is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use common::gcp::bigquery::BigQuery;
use common::warehouse::{
    DatasetName, JobId, JobOptions, Query, Target, Value, Warehouse, WriteMode, contract,
};
use tokio::sync::OnceCell;

use crate::judges::BigQueryEmulator;
use crate::state::client;

static EMULATOR: OnceCell<BigQueryEmulator> = OnceCell::const_new();

async fn emulator() -> &'static BigQueryEmulator {
    EMULATOR.get_or_init(BigQueryEmulator::start).await
}

/// The warehouse of the shared emulator: each test has a dataset of its own.
async fn warehouse() -> BigQuery {
    BigQuery::new(client(&emulator().await.url).await)
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

/// A dataset with this name.
async fn dataset(warehouse: &BigQuery, name: &str) {
    let name = DatasetName::parse(name).unwrap();
    warehouse.ensure_dataset(&name, &BTreeMap::new()).await.unwrap();
}

async fn rows(warehouse: &BigQuery, sql: &str) -> Vec<String> {
    let rows = warehouse.query(&query(sql)).await.unwrap().rows;
    let text = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    rows.iter().map(text).collect()
}
