//! A warehouse in a folder of its own, and rows as plain text.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::clock::Clock;
use common::port::PortError;
use common::warehouse::{
    Column, DatasetName, Format, JobId, JobOptions, Load, Param, Query, Target, Warehouse,
    WriteMode,
};
use local::db::Db;
use local::warehouse::{EmbeddedWarehouse, StateTable};

pub struct Folder {
    pub dir: tempfile::TempDir,
    pub warehouse: EmbeddedWarehouse,
}

pub fn clock() -> Clock {
    let now = "2026-02-10T12:34:56.789012Z".parse().unwrap();
    Clock::from_fn(move || now)
}

pub fn open(dir: &Path, state: Vec<StateTable>) -> EmbeddedWarehouse {
    let db = Arc::new(Db::open(&dir.join("headgate.db")).unwrap());
    EmbeddedWarehouse::open(db, dir, state, clock()).unwrap()
}

pub async fn folder(datasets: &[&str]) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = open(dir.path(), Vec::new());
    for dataset in datasets {
        let name = DatasetName::parse(dataset).unwrap();
        warehouse.ensure_dataset(&name, &BTreeMap::new()).await.unwrap();
    }
    Folder { dir, warehouse }
}

pub fn job(id: &str) -> JobOptions {
    JobOptions {
        id: JobId(id.to_owned()),
        labels: BTreeMap::new(),
        maximum_bytes: None,
        timeout: Duration::from_mins(2),
    }
}

pub fn target(table: &str, mode: WriteMode) -> Target {
    Target { table: table.parse().unwrap(), partition_by: None, cluster_by: Vec::new(), mode }
}

pub fn sql(text: &str) -> Query {
    Query { sql: text.to_owned(), params: BTreeMap::new(), default_dataset: None }
}

pub fn with(text: &str, params: &[(&str, Param)]) -> Query {
    let params = params.iter().map(|(name, param)| ((*name).to_owned(), param.clone()));
    Query { sql: text.to_owned(), params: params.collect(), default_dataset: None }
}

impl Folder {
    pub async fn load(&self, table: &str, schema: &str, format: Format, text: &str) {
        let columns: Vec<Column> = serde_json::from_str(schema).unwrap();
        let file = self.dir.path().join(format!("{table}.in"));
        std::fs::write(&file, text).unwrap();
        let uri = file.to_string_lossy().into_owned();
        let load = Load { uri, format, columns, max_bad_records: 0 };
        let id = job(&format!("load-{table}"));
        self.warehouse.load(&load, &target(table, WriteMode::Replace), &id).await.unwrap();
    }

    /// Each statement answers with these rows.
    pub async fn answers(&self, cases: &[(&str, &[&str])]) {
        let mut wrong = Vec::new();
        for (text, expected) in cases {
            match self.rows(&sql(text)).await {
                Ok(rows) if rows == *expected => {}
                other => wrong.push((text, other)),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Each statement answers with this one row.
    pub async fn answers_one(&self, cases: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (text, expected) in cases {
            match self.rows(&sql(text)).await {
                Ok(rows) if rows == [*expected] => {}
                other => wrong.push((text, other, expected)),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Each statement is refused with a message that holds this text.
    pub async fn refuses(&self, cases: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (text, named) in cases {
            match self.rows(&sql(text)).await {
                Err(PortError::InvalidQuery(message)) if message.contains(named) => {}
                other => wrong.push((text, named, other)),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Rows as JSON text, one a row.
    pub async fn rows(&self, query: &Query) -> Result<Vec<String>, PortError> {
        let rows = self.warehouse.query(query, None).await?;
        Ok(rows
            .rows
            .iter()
            .map(|row| {
                let cells: Vec<_> = row.iter().map(common::warehouse::Value::to_json).collect();
                serde_json::to_string(&cells).unwrap()
            })
            .collect())
    }

    pub async fn write(
        &self,
        id: &str,
        text: &str,
        table: &str,
        mode: WriteMode,
    ) -> Result<u64, PortError> {
        let written = self.warehouse.write(&sql(text), &target(table, mode), &job(id)).await?;
        Ok(written.rows)
    }
}
