//! What every warehouse promises: plain functions that each adapter's tests run against an empty warehouse.
//!
//! Each makes the dataset it works in, so one warehouse may run them all.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken promise fails the adapter's test by panicking"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    DataType, DatasetName, JobId, JobOptions, JobState, Param, Query, Target, Value, Warehouse,
    WriteMode,
};
use crate::port::PortError;

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

fn target(table: &str, mode: WriteMode, partition_by: Option<&str>) -> Target {
    Target {
        table: table.parse().expect("a table's name"),
        partition_by: partition_by.map(str::to_owned),
        cluster_by: Vec::new(),
        mode,
    }
}

async fn dataset(warehouse: &dyn Warehouse, name: &str) {
    let name = DatasetName::parse(name).expect("a dataset's name");
    warehouse.ensure_dataset(&name, &BTreeMap::new()).await.expect("a dataset");
}

async fn write(
    warehouse: &dyn Warehouse,
    id: &str,
    sql: &str,
    target: &Target,
) -> Result<u64, PortError> {
    warehouse.write(&query(sql), target, &job(id)).await.map(|written| written.rows)
}

async fn rows(warehouse: &dyn Warehouse, sql: &str) -> Vec<String> {
    let rows = warehouse.query(&query(sql), None).await.expect("rows").rows;
    let text = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    rows.iter().map(text).collect()
}

/// Replacing leaves the new rows alone, appending adds.
pub async fn replaces_and_appends(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_modes").await;
    let replace = target("c_modes.t", WriteMode::Replace, None);
    let append = target("c_modes.t", WriteMode::Append, None);
    let read = "SELECT n FROM c_modes.t ORDER BY n";
    assert_eq!(write(warehouse, "modes-1", "SELECT 1 AS n", &replace).await.unwrap(), 1);
    assert_eq!(write(warehouse, "modes-2", "SELECT 2 AS n", &append).await.unwrap(), 1);
    assert_eq!(rows(warehouse, read).await, ["1", "2"]);
    let two = "SELECT 3 AS n UNION ALL SELECT 4 AS n";
    assert_eq!(write(warehouse, "modes-3", two, &replace).await.unwrap(), 2);
    assert_eq!(rows(warehouse, read).await, ["3", "4"]);
}

/// Overwriting a range replaces its rows alone, also by nothing; a row outside fails the whole write.
pub async fn overwrites_partitions(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_parts").await;
    let day = |text: &str| text.parse().expect("a date");
    let all = target("c_parts.t", WriteMode::Replace, Some("d"));
    let three = "SELECT DATE '2026-01-01' AS d, 1 AS n UNION ALL SELECT DATE '2026-01-02', 2 \
                 UNION ALL SELECT DATE '2026-01-03', 3";
    write(warehouse, "parts-1", three, &all).await.unwrap();
    let mode = WriteMode::OverwritePartition { from: day("2026-01-02"), to: day("2026-01-02") };
    let second = target("c_parts.t", mode, Some("d"));
    let read = "SELECT d, n FROM c_parts.t ORDER BY d, n";
    write(warehouse, "parts-2", "SELECT DATE '2026-01-02' AS d, 20 AS n", &second).await.unwrap();
    let expected = ["2026-01-01|1", "2026-01-02|20", "2026-01-03|3"];
    assert_eq!(rows(warehouse, read).await, expected);
    let outside = "SELECT DATE '2026-01-02' AS d, 21 AS n UNION ALL SELECT DATE '2026-01-05', 5";
    let error = write(warehouse, "parts-3", outside, &second).await.unwrap_err();
    assert!(error.to_string().contains("2026-01-05"), "{error}");
    assert_eq!(rows(warehouse, read).await, expected);
    let nothing = "SELECT d, n FROM c_parts.t WHERE FALSE";
    assert_eq!(write(warehouse, "parts-4", nothing, &second).await.unwrap(), 0);
    assert_eq!(rows(warehouse, read).await, ["2026-01-01|1", "2026-01-03|3"]);
}

/// Merging replaces the rows whose keys are there and adds the others; appending by a key adds those alone.
/// What the keys leave open is refused whole.
pub async fn writes_by_keys(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_keys").await;
    let keys = || vec!["a".to_owned(), "b".to_owned()];
    let merge = target("c_keys.t", WriteMode::Merge { keys: keys() }, None);
    let append = target("c_keys.t", WriteMode::AppendNew { keys: keys() }, None);
    let read = "SELECT a, b, n FROM c_keys.t ORDER BY a, b, n";
    let two = "SELECT 1 AS a, 'x' AS b, 10 AS n UNION ALL SELECT 1, 'y', 11";
    assert_eq!(write(warehouse, "keys-1", two, &merge).await.unwrap(), 2);
    for again in ["keys-2", "keys-3"] {
        // A new order of columns, one row that is there and one that is not.
        let next = "SELECT 20 AS n, 'x' AS b, 1 AS a UNION ALL SELECT 30, 'x', 2";
        assert_eq!(write(warehouse, again, next, &merge).await.unwrap(), 2);
        assert_eq!(rows(warehouse, read).await, ["1|x|20", "1|y|11", "2|x|30"]);
    }
    let more = "SELECT 1 AS a, 'x' AS b, 99 AS n UNION ALL SELECT 3, 'x', 40";
    assert_eq!(write(warehouse, "keys-4", more, &append).await.unwrap(), 1);
    assert_eq!(write(warehouse, "keys-5", more, &append).await.unwrap(), 0);
    let expected = ["1|x|20", "1|y|11", "2|x|30", "3|x|40"];
    assert_eq!(rows(warehouse, read).await, expected);
    let nothing = "SELECT a, b, n FROM c_keys.t WHERE FALSE";
    assert_eq!(write(warehouse, "keys-6", nothing, &merge).await.unwrap(), 0);
    let twice = "SELECT 9 AS a, 'x' AS b, 1 AS n UNION ALL SELECT 9, 'x', 2";
    let null = "SELECT 9 AS a, CAST(NULL AS STRING) AS b, 1 AS n";
    for (id, sql) in [("keys-7", twice), ("keys-8", null)] {
        for (mode, into) in [("m", &merge), ("a", &append)] {
            let error = write(warehouse, &format!("{id}{mode}"), sql, into).await.unwrap_err();
            assert!(matches!(error, PortError::InvalidQuery(_)), "{sql}: {error}");
        }
    }
    let none = target("c_keys.t", WriteMode::Merge { keys: vec!["gone".to_owned()] }, None);
    write(warehouse, "keys-9", two, &none).await.unwrap_err();
    assert_eq!(rows(warehouse, read).await, expected);
    // A table that holds a key twice does not say which row to replace.
    let plain = target("c_keys.t", WriteMode::Append, None);
    write(warehouse, "keys-10", "SELECT 3 AS a, 'x' AS b, 41 AS n", &plain).await.unwrap();
    write(warehouse, "keys-11", "SELECT 3 AS a, 'x' AS b, 42 AS n", &merge).await.unwrap_err();
    assert_eq!(rows(warehouse, read).await.len(), 5);
}

/// Merging and overwriting find the rows of every partition.
pub async fn writes_by_keys_over_partitions(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_keyed_parts").await;
    let mode = WriteMode::Merge { keys: vec!["k".to_owned()] };
    let merge = target("c_keyed_parts.t", mode, Some("d"));
    let two = "SELECT DATE '2026-01-01' AS d, 1 AS k UNION ALL SELECT DATE '2026-01-02', 2";
    write(warehouse, "keyed-1", two, &merge).await.unwrap();
    // The row moves to another day.
    write(warehouse, "keyed-2", "SELECT DATE '2026-01-03' AS d, 1 AS k", &merge).await.unwrap();
    let read = "SELECT d, k FROM c_keyed_parts.t ORDER BY k";
    assert_eq!(rows(warehouse, read).await, ["2026-01-03|1", "2026-01-02|2"]);
}

/// A job's id runs once: the second call answers what the first did.
pub async fn runs_a_job_once(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_once").await;
    let append = target("c_once.t", WriteMode::Append, None);
    for _ in 0..3 {
        assert_eq!(write(warehouse, "once-1", "SELECT 1 AS n", &append).await.unwrap(), 1);
    }
    assert_eq!(rows(warehouse, "SELECT COUNT(*) FROM c_once.t").await, ["1"]);
    let state = warehouse.job(&JobId("once-1".to_owned())).await.unwrap();
    assert!(matches!(state, JobState::Done(written) if written.rows == 1));
    let unknown = warehouse.job(&JobId("once-never".to_owned())).await.unwrap();
    assert_eq!(unknown, JobState::Unknown);
}

/// A cancelled job never takes effect, also one that had not begun.
pub async fn never_lands_a_cancelled_job(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_cancel").await;
    let append = target("c_cancel.t", WriteMode::Append, None);
    write(warehouse, "cancel-1", "SELECT 1 AS n", &append).await.unwrap();
    warehouse.cancel(&JobId("cancel-2".to_owned())).await.unwrap();
    write(warehouse, "cancel-2", "SELECT 2 AS n", &append).await.unwrap_err();
    assert_eq!(rows(warehouse, "SELECT n FROM c_cancel.t").await, ["1"]);
    let done = warehouse.cancel(&JobId("cancel-1".to_owned())).await.unwrap();
    assert!(matches!(done, JobState::Done(_)), "{done:?}");
}

/// A statement that is no SELECT is refused and changes nothing.
pub async fn refuses_other_statements(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_select").await;
    let replace = target("c_select.t", WriteMode::Replace, None);
    write(warehouse, "select-1", "SELECT 1 AS n", &replace).await.unwrap();
    for sql in [
        "DELETE FROM c_select.t WHERE TRUE",
        "DROP TABLE c_select.t",
        "INSERT INTO c_select.t (n) VALUES (2)",
        "SELECT 1; SELECT 2",
    ] {
        let error = warehouse.query(&query(sql), None).await.unwrap_err();
        assert!(matches!(error, PortError::InvalidQuery(_)), "{sql}: {error}");
    }
    assert_eq!(rows(warehouse, "SELECT n FROM c_select.t").await, ["1"]);
}

/// A dry run names the tables and columns and runs nothing.
pub async fn dry_runs(warehouse: &dyn Warehouse) {
    dataset(warehouse, "c_dry").await;
    let a = target("c_dry.a", WriteMode::Replace, None);
    let b = target("c_dry.b", WriteMode::Replace, None);
    write(warehouse, "dry-1", "SELECT 1 AS n", &a).await.unwrap();
    write(warehouse, "dry-2", "SELECT 1 AS n", &b).await.unwrap();
    let sql = "WITH x AS (SELECT n FROM c_dry.b) SELECT a.n / 0 AS q FROM c_dry.a AS a JOIN x ON x.n = a.n";
    let dry = warehouse.dry_run(&query(sql)).await.unwrap();
    let tables: Vec<String> = dry.tables.iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["c_dry.a", "c_dry.b"]);
    assert_eq!(dry.columns, [("q".to_owned(), DataType::Float64)]);
}

/// Values go in as parameters and come out as they went in, NUMERIC to the last digit.
pub async fn keeps_values(warehouse: &dyn Warehouse) {
    let values = [
        (DataType::Int64, Value::Int64(i64::MIN)),
        (DataType::Float64, Value::Float64(0.1)),
        (DataType::Numeric, Value::Numeric("99999999999999999999999999999.999999999".to_owned())),
        (DataType::Bool, Value::Bool(true)),
        (DataType::String, Value::String("a'\"\\\n\u{1f60a}".to_owned())),
        (DataType::Date, Value::Date("0001-01-01".parse().expect("a date"))),
        (
            DataType::Timestamp,
            Value::Timestamp("2026-01-02T03:04:05.678901Z".parse().expect("an instant")),
        ),
        (
            DataType::Array(Box::new(DataType::String)),
            Value::Array(vec![Value::String("a".to_owned()), Value::String(String::new())]),
        ),
    ];
    for (kind, value) in values {
        let param = Param { kind: kind.clone(), value: value.clone() };
        let mut query = query("SELECT @v AS v");
        query.params.insert("v".to_owned(), param);
        let rows = warehouse.query(&query, None).await.unwrap();
        assert_eq!(rows.columns, [("v".to_owned(), kind)]);
        assert_eq!(rows.rows, [[value]]);
    }
}

/// A dataset that exists with other labels is somebody else's.
pub async fn keeps_foreign_datasets(warehouse: &dyn Warehouse) {
    let name = DatasetName::parse("c_labels").expect("a dataset's name");
    let labels = BTreeMap::from([("headgate_tenant".to_owned(), "acme".to_owned())]);
    warehouse.ensure_dataset(&name, &labels).await.unwrap();
    warehouse.ensure_dataset(&name, &labels).await.unwrap();
    let error = warehouse.ensure_dataset(&name, &BTreeMap::new()).await.unwrap_err();
    assert!(matches!(error, PortError::Conflict(_)), "{error}");
    assert_eq!(warehouse.dataset_labels(&name).await.unwrap(), Some(labels));
}
