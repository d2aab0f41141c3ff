//! Writes are whole or not at all, and loads are strict.

use std::collections::BTreeMap;

use common::port::PortError;
use common::warehouse::{
    Column, ColumnType, DatasetName, Format, JobId, JobOptions, JobState, Load, Mode,
    TableDefinition, View, Warehouse, WriteMode,
};
use local::warehouse::StateTable;

#[path = "support/warehouse.rs"]
mod support;
use support::{folder, job, open, sql, target};

#[tokio::test]
async fn a_write_that_was_not_committed_leaves_the_old_rows() {
    let folder = folder(&["d"]).await;
    folder.write("one", "SELECT 1 AS n", "d.t", WriteMode::Replace).await.unwrap();
    // The statement fails while its rows are being written, and what a killed process leaves is an unlisted file.
    let failing = "SELECT DIV(1, n - n) AS n FROM d.t";
    folder.write("two", failing, "d.t", WriteMode::Replace).await.unwrap_err();
    std::fs::write(folder.dir.path().join("tables/d/t/00000099-0.parquet"), b"half a file")
        .unwrap();
    let again = open(folder.dir.path(), Vec::new());
    let rows = again.query(&sql("SELECT n FROM d.t"), None).await.unwrap();
    assert_eq!(rows.rows.len(), 1);
    assert!(matches!(again.job(&JobId("two".into())).await.unwrap(), JobState::Failed(_)));
    let files = std::fs::read_dir(folder.dir.path().join("tables/d/t")).unwrap().count();
    assert_eq!(files, 2, "the failed write's file is gone, the young unlisted one is kept");
}

#[tokio::test]
async fn a_dropped_write_has_no_effect() {
    let folder = folder(&["d"]).await;
    let query = sql("SELECT 1 AS n");
    let into = target("d.t", WriteMode::Replace);
    let options = job("dropped");
    drop(folder.warehouse.write(&query, &into, &options));
    let state = folder.warehouse.job(&JobId("dropped".into())).await.unwrap();
    assert_eq!(state, JobState::Unknown);
}

#[tokio::test]
async fn readers_see_whole_writes() {
    let folder = folder(&["d"]).await;
    let rows = |n: u32| format!("SELECT {n} AS v, x FROM UNNEST([1, 2, 3]) AS x");
    folder.write("w0", &rows(0), "d.t", WriteMode::Replace).await.unwrap();
    let reader = open(folder.dir.path(), Vec::new());
    let write = async {
        for n in 1..6 {
            let id = format!("w{n}");
            folder.write(&id, &rows(n), "d.t", WriteMode::Replace).await.unwrap();
        }
    };
    let read = async {
        for _ in 0..10 {
            let seen = reader
                .query(&sql("SELECT COUNT(*), COUNT(DISTINCT v) FROM d.t"), None)
                .await
                .unwrap();
            let text: Vec<String> = seen.rows[0].iter().map(ToString::to_string).collect();
            assert_eq!(text, ["3", "1"]);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn a_write_that_does_not_fit_is_refused() {
    let folder = folder(&["d"]).await;
    folder.write("one", "SELECT 1 AS n", "d.t", WriteMode::Replace).await.unwrap();
    for (id, text, table, named) in [
        ("a", "SELECT 'x' AS n", "d.t", "the column n is INT64, not STRING"),
        ("b", "SELECT 1 AS m", "d.t", "no column m"),
        ("c", "SELECT 1 AS n, 2 AS N", "d.u", "two columns N"),
        ("e", "SELECT 1 AS n", "nowhere.t", "the dataset nowhere not found"),
    ] {
        let error = folder.write(id, text, table, WriteMode::Append).await.unwrap_err();
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
    let mut limited = job("limited");
    limited.maximum_bytes = Some(10);
    let into = target("d.copy", WriteMode::Replace);
    let error =
        folder.warehouse.write(&sql("SELECT n FROM d.t"), &into, &limited).await.unwrap_err();
    assert!(error.to_string().contains("more than the 10 bytes allowed"), "{error}");
    // A write by keys reads its target, whatever its statement reads.
    let keys = vec!["n".to_owned()];
    for (id, mode) in [
        ("merge", WriteMode::Merge { keys: keys.clone() }),
        ("append", WriteMode::AppendNew { keys }),
    ] {
        let limited = JobOptions { maximum_bytes: Some(10), ..job(id) };
        let (one, into) = (sql("SELECT 1 AS n"), target("d.t", mode));
        let error = folder.warehouse.write(&one, &into, &limited).await.unwrap_err();
        assert!(error.to_string().contains("more than the 10 bytes allowed"), "{error}");
    }
}

#[tokio::test]
async fn csv_is_read_strictly() {
    let folder = folder(&["d"]).await;
    let csv = || Format::Csv { header: true, delimiter: b',', null_marker: Some("NULL".into()) };
    let schema = r#"[{"name":"a","type":"STRING"},{"name":"b","type":"NUMERIC"},{"name":"c","type":"TIMESTAMP"}]"#;
    let text = "\"b\",\"unused\",\"a\",\"c\"\r\n\"1.0000000005\",x,\"say \"\"hi\"\",\n2\",\"2024-09-18 22:00:00\"\r\nNULL,,\"NULL\",\r\n";
    folder.load("d.t", schema, csv(), text).await;
    let rows = folder.rows(&sql("SELECT a, b, c FROM d.t ORDER BY b DESC")).await.unwrap();
    let first = r#"["say \"hi\",\n2","1.000000001","2024-09-18T22:00:00Z"]"#;
    assert_eq!(rows, [first, r#"["NULL",null,null]"#]);

    let file = folder.dir.path().join("bad.csv");
    std::fs::write(&file, "a,b,c\nx,1,\ny,zwei,\nz,3\n").unwrap();
    let columns: Vec<Column> = serde_json::from_str(schema).unwrap();
    let uri = file.to_string_lossy().into_owned();
    let mut load = Load { uri, format: csv(), columns, max_bad_records: 1 };
    let into = target("d.bad", WriteMode::Append);
    let error = folder.warehouse.load(&load, &into, &job("bad-1")).await.unwrap_err().to_string();
    assert!(error.contains("line 3: b: 'zwei' is not a NUMERIC"), "{error}");
    assert!(error.contains("line 4: 2 fields instead of 3"), "{error}");
    load.max_bad_records = 2;
    let written = folder.warehouse.load(&load, &into, &job("bad-2")).await.unwrap();
    assert_eq!((written.rows, written.bad_records.len()), (1, 2));
}

fn state_tables() -> Vec<StateTable> {
    let column = |name: &str, kind, mode| Column { mode, ..Column::new(name, kind) };
    let days = Column {
        mode: Mode::Repeated,
        fields: vec![Column::new("day", ColumnType::Date), Column::new("runs", ColumnType::Int64)],
        ..Column::new("days", ColumnType::Record)
    };
    let ledger =
        TableDefinition::of(vec![column("tenant_id", ColumnType::String, Mode::Required), days]);
    let runs = TableDefinition::of(vec![
        column("tenant_id", ColumnType::String, Mode::Required),
        column("started_at", ColumnType::Timestamp, Mode::Nullable),
    ]);
    let mut usage = TableDefinition::of(vec![
        column("tenant_id", ColumnType::String, Mode::Nullable),
        column("usage_date", ColumnType::Date, Mode::Nullable),
        column("pipelines_run_today", ColumnType::Int64, Mode::Nullable),
    ]);
    let query = "SELECT u.tenant_id, u.usage_date, SUM(u.runs) AS pipelines_run_today FROM (\
        SELECT l.tenant_id, d.day AS usage_date, d.runs FROM tenant_run_ledger AS l, UNNEST(l.days) AS d \
        UNION ALL SELECT tenant_id, CURRENT_DATE(), 0 FROM tenant_run_ledger) AS u \
        GROUP BY u.tenant_id, u.usage_date";
    usage.view = Some(View { query: query.to_owned() });
    let table =
        |dataset, name: &str, definition| StateTable { dataset, name: name.to_owned(), definition };
    vec![
        table(Some("tenants"), "tenant_run_ledger", ledger),
        table(Some("tenants"), "tenant_usage_quotas", usage),
        table(None, "x_meta_pipeline_runs", runs),
    ]
}

#[tokio::test]
async fn the_states_tables_are_readable_and_not_writable() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = open(dir.path(), state_tables());
    let other = rusqlite::Connection::open(dir.path().join("headgate.db")).unwrap();
    for state in state_tables().iter().filter(|s| s.definition.view.is_none()) {
        let name =
            state.dataset.map_or_else(|| state.name.clone(), |d| format!("{d}.{}", state.name));
        let create = local::db::create_table(&name, &state.definition.schema.fields, "");
        other.execute_batch(&create).unwrap();
    }
    other
        .execute_batch(
            r#"INSERT INTO "tenants.tenant_run_ledger" VALUES ('acme', '[{"day":"2026-02-10","runs":3}]'), ('beta', '[]');
               INSERT INTO x_meta_pipeline_runs VALUES ('acme', 1770000000000000), ('beta', NULL), ('beta', NULL);"#,
        )
        .unwrap();
    let read = |text: &'static str| {
        let warehouse = &warehouse;
        async move {
            let rows = warehouse.query(&sql(text), None).await?.rows;
            let text =
                |row: &Vec<_>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
            Ok::<_, PortError>(rows.iter().map(text).collect::<Vec<String>>())
        }
    };
    let usage = "SELECT tenant_id, usage_date, pipelines_run_today FROM tenants.tenant_usage_quotas ORDER BY 1";
    assert_eq!(read(usage).await.unwrap(), ["acme|2026-02-10|3", "beta|2026-02-10|0"]);
    let dry = warehouse.dry_run(&sql(usage)).await.unwrap().tables;
    let tables: Vec<String> = dry.iter().map(ToString::to_string).collect();
    assert_eq!(tables, ["tenants.tenant_run_ledger", "tenants.tenant_usage_quotas"]);

    let runs = "SELECT COUNT(*) FROM beta.x_meta_pipeline_runs";
    assert!(matches!(read(runs).await, Err(PortError::NotFound(_))));
    let beta = DatasetName::parse("beta").unwrap();
    warehouse.ensure_dataset(&beta, &BTreeMap::new()).await.unwrap();
    let table = beta.table("x_meta_pipeline_runs").unwrap();
    warehouse.ensure_table(&table, &state_tables()[2].definition).await.unwrap();
    assert_eq!(read(runs).await.unwrap(), ["2"]);
    let into = target("beta.x_meta_pipeline_runs", WriteMode::Append);
    let query = sql("SELECT 'beta' AS tenant_id, CURRENT_TIMESTAMP() AS started_at");
    let error = warehouse.write(&query, &into, &job("state")).await.unwrap_err();
    assert!(matches!(error, PortError::PermissionDenied(_)), "{error}");
}

#[tokio::test]
async fn cancelling_a_running_job_waits_for_its_end() {
    let folder = folder(&["d"]).await;
    folder.write("one", "SELECT 1 AS n", "d.t", WriteMode::Replace).await.unwrap();
    let id = JobId("running".into());
    let write = folder.write("running", "SELECT n + 1 AS n FROM d.t", "d.t", WriteMode::Append);
    let cancel = folder.warehouse.cancel(&id);
    let (written, cancelled) = tokio::join!(write, cancel);
    let rows = folder.rows(&sql("SELECT COUNT(*) FROM d.t")).await.unwrap();
    match cancelled.unwrap() {
        JobState::Failed(_) => {
            assert!(written.is_err());
            assert_eq!(rows, ["[1]"]);
        }
        state => assert_eq!((written.unwrap(), rows[0].as_str()), (1, "[2]"), "{state:?}"),
    }
    let again = folder.write("running", "SELECT 3 AS n", "d.t", WriteMode::Append).await;
    assert!(again.is_err() || folder.rows(&sql("SELECT COUNT(*) FROM d.t")).await.unwrap() == rows);
}
