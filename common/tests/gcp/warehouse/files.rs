//! Loads and exports over the emulator's Cloud Storage, and the requests that they send, held to Google's
//! discovery document where the emulator does not do as Google says.

use std::fs;
use std::sync::Arc;

use common::gcp::bigquery::BigQuery;
use common::port::PortError;
use common::warehouse::{
    Column, ColumnType, DatasetName, Export, Format, JobId, JobState, Load, Mode, Query, Target,
    Warehouse, WriteMode,
};
use serde_json::json;

use super::{emulator, job, query, resource, rows, target, with};
use crate::fakes::discovery::Document;
use crate::proxy::{Fault, Passing, Phase, Proxy, Rules};
use crate::state::client;

fn columns() -> Vec<Column> {
    vec![
        Column::new("id", ColumnType::Int64),
        Column::new("name", ColumnType::String),
        Column::new("day", ColumnType::Date),
    ]
}

fn csv(header: bool) -> Format {
    Format::Csv { header, delimiter: b',', null_marker: None }
}

async fn put(uri: &str, text: &str) {
    let path = emulator().await.file(uri);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(uri: &str, format: Format) -> Load {
    Load { uri: uri.to_owned(), format, columns: columns(), max_bad_records: 0 }
}

fn by_day(table: &str, mode: WriteMode) -> Target {
    Target { partition_by: Some("day".to_owned()), ..target(table, mode) }
}

const TWO: &str = "1,\"a\nb\",2026-01-01\n2,c,2026-01-02\n";

#[tokio::test]
async fn a_file_is_loaded_in_every_mode_and_leaves_nothing_beside_it() {
    let warehouse = with("f_modes").await;
    let range = WriteMode::OverwritePartition {
        from: "2026-01-01".parse().unwrap(),
        to: "2026-01-31".parse().unwrap(),
    };
    let keys = vec!["id".to_owned()];
    let modes = [
        ("r", WriteMode::Replace, ["1", "2"].as_slice(), 2),
        ("a", WriteMode::Append, &["1", "1", "2", "2"], 2),
        ("o", range, &["1", "2"], 2),
        ("n", WriteMode::AppendNew { keys: keys.clone() }, &["1", "2"], 0),
        ("m", WriteMode::Merge { keys }, &["1", "2"], 2),
    ];
    put("gs://lake/acme/two.csv", TWO).await;
    for (name, mode, expected, second) in modes {
        let into = by_day(&format!("f_modes.{name}"), mode);
        let file = load("gs://lake/acme/two.csv", csv(false));
        for (number, rows) in [(1, 2), (2, second)] {
            let options = job(&format!("load-{name}-{number}"));
            for _ in 0..2 {
                let written = warehouse.load(&file, &into, &options).await;
                let written = written.unwrap_or_else(|error| panic!("{name} {number}: {error}"));
                assert_eq!(
                    (written.rows, written.bytes),
                    (rows, TWO.len() as u64),
                    "{name} {number}"
                );
            }
            let state = warehouse.job(&options.id).await.unwrap();
            assert!(matches!(state, JobState::Done(written) if written.rows == rows), "{name}");
        }
        let read = format!("SELECT CAST(id AS STRING) FROM f_modes.{name} ORDER BY id");
        assert_eq!(rows(&warehouse, &read).await, expected, "{name}");
        let made = resource(&format!("datasets/f_modes/tables/{name}")).await;
        assert_eq!(made["timePartitioning"]["field"], "day", "{made}");
    }
    let read = "SELECT name FROM f_modes.m WHERE id = 1";
    assert_eq!(rows(&warehouse, read).await, ["a\nb"]);
    let tables = resource("datasets/f_modes/tables").await;
    assert_eq!(tables["tables"].as_array().unwrap().len(), 5, "{tables}");
}

#[tokio::test]
async fn a_file_of_another_schema_goes_by_name_into_a_table_that_is_there() {
    let warehouse = with("f_other").await;
    let first = target("f_other.t", WriteMode::Replace);
    let made = "SELECT 'x' AS name, DATE '2026-01-09' AS day, 9 AS id";
    super::write(&warehouse, "other-made", made, &first).await;
    put("gs://lake/other.csv", TWO).await;
    let file = load("gs://lake/other.csv", csv(false));
    for (id, mode, expected) in [
        ("other-a", WriteMode::Append, ["1|2026-01-01", "2|2026-01-02", "9|2026-01-09"].as_slice()),
        ("other-r", WriteMode::Replace, &["1|2026-01-01", "2|2026-01-02"]),
    ] {
        let written = warehouse.load(&file, &target("f_other.t", mode), &job(id)).await.unwrap();
        assert_eq!(written.rows, 2);
        assert_eq!(rows(&warehouse, "SELECT id, day FROM f_other.t ORDER BY id").await, expected);
    }
    let fields = &resource("datasets/f_other/tables/t").await["schema"]["fields"];
    assert_eq!(fields[0]["name"], "name", "the table's own order: {fields}");
    let mut more = file;
    more.columns[0].name = "ids".to_owned();
    let error = warehouse.load(&more, &first, &job("other-x")).await.unwrap_err();
    assert!(error.to_string().contains("no column ids"), "{error}");
    assert!(matches!(error, PortError::InvalidQuery(_)), "{error}");
}

#[tokio::test]
async fn bad_records_are_counted_up_to_their_limit() {
    let warehouse = with("f_bad").await;
    put("gs://lake/bad.csv", "1,a,2026-01-01\nx,b,2026-01-02\n3,c,2026-01-03\n").await;
    for (name, mode) in [
        ("straight", WriteMode::Append),
        ("staged", WriteMode::Merge { keys: vec!["id".to_owned()] }),
    ] {
        let into = target(&format!("f_bad.{name}"), mode);
        let strict = load("gs://lake/bad.csv", csv(false));
        let error =
            warehouse.load(&strict, &into, &job(&format!("bad-{name}-1"))).await.unwrap_err();
        assert!(matches!(error, PortError::InvalidQuery(_)), "{error}");
        let lenient = Load { max_bad_records: 1, ..strict };
        let options = job(&format!("bad-{name}-2"));
        for _ in 0..2 {
            let written = warehouse.load(&lenient, &into, &options).await.unwrap();
            assert_eq!((written.rows, written.bad_records.len()), (2, 1), "{name}");
        }
    }
}

#[tokio::test]
async fn ndjson_is_loaded_with_records_and_arrays() {
    let warehouse = with("f_json").await;
    put(
        "gs://lake/a.ndjson",
        "{\"id\": 1, \"tags\": [\"a\", \"b\"], \"of\": {\"x\": 2}}\n{\"id\": 2}\n",
    )
    .await;
    let tags = Column { mode: Mode::Repeated, ..Column::new("tags", ColumnType::String) };
    let x = Column::new("x", ColumnType::Int64);
    let of = Column { fields: vec![x], ..Column::new("of", ColumnType::Record) };
    let columns = vec![Column::new("id", ColumnType::Int64), tags, of];
    let file = Load { columns, ..load("gs://lake/a.ndjson", Format::Ndjson) };
    for (name, mode) in
        [("r", WriteMode::Replace), ("m", WriteMode::Merge { keys: vec!["id".to_owned()] })]
    {
        let into = target(&format!("f_json.{name}"), mode);
        warehouse.load(&file, &into, &job(&format!("json-{name}"))).await.unwrap();
        let read = format!(
            "SELECT id, ARRAY_TO_STRING(tags, '+') AS tags, t.of.x AS x FROM f_json.{name} AS t ORDER BY id"
        );
        let found = rows(&warehouse, &read).await;
        assert!(found[0] == "1|a+b|2" && found[1].starts_with("2|"), "{found:?}");
    }
}

#[tokio::test]
async fn a_file_over_the_limit_changes_nothing_where_it_is_staged() {
    let warehouse = with("f_limit").await;
    put("gs://lake/limit.csv", TWO).await;
    let into = target("f_limit.t", WriteMode::Merge { keys: vec!["id".to_owned()] });
    let mut options = job("limit-1");
    options.maximum_bytes = Some(10);
    let error = warehouse.load(&load("gs://lake/limit.csv", csv(false)), &into, &options).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("more than the 10 bytes allowed"), "{error}");
    warehouse.query(&query("SELECT 1 FROM f_limit.t"), None).await.unwrap_err();
}

#[tokio::test]
async fn only_one_file_of_cloud_storage_is_read_or_written() {
    let warehouse = with("f_where").await;
    let into = target("f_where.t", WriteMode::Replace);
    for uri in ["/tmp/a.csv", "file:///tmp/a.csv", "https://x/a.csv", "gs://lake/*.csv"] {
        let error = warehouse.load(&load(uri, csv(true)), &into, &job("where")).await.unwrap_err();
        assert!(matches!(error, PortError::InvalidQuery(_)), "{uri}: {error}");
        let file = Export { uri: uri.to_owned(), format: csv(true) };
        let error =
            warehouse.export(&query("SELECT 1 AS n"), &file, &job("where")).await.unwrap_err();
        assert!(error.to_string().contains(uri), "{uri}: {error}");
    }
    let unknown = warehouse.job(&JobId("where".to_owned())).await.unwrap();
    assert_eq!(unknown, JobState::Unknown);
}

fn own(sql: &str) -> Query {
    Query { default_dataset: Some(DatasetName::parse("f_export").unwrap()), ..query(sql) }
}

#[tokio::test]
async fn an_export_replaces_its_file_once_and_leaves_nothing_beside_it() {
    let warehouse = with("f_export").await;
    let select = "SELECT n, CONCAT('x', CAST(n AS STRING)) AS name FROM UNNEST([1, 2]) AS n -- )";
    let csv = Format::Csv { header: true, delimiter: b';', null_marker: None };
    for (number, (name, format, expected)) in [
        ("csv", csv, Some("n;name\n1;x1\n2;x2\n")),
        ("ndjson", Format::Ndjson, None),
        ("parquet", Format::Parquet, None),
    ]
    .into_iter()
    .enumerate()
    {
        let uri = format!("gs://lake/out/{number}.{name}");
        put(&uri, "what was there").await;
        let file = Export { uri: uri.clone(), format };
        for _ in 0..2 {
            let options = job(&format!("export-{name}"));
            let written = warehouse.export(&own(select), &file, &options).await;
            assert_eq!(written.unwrap_or_else(|error| panic!("{name}: {error}")).rows, 2, "{name}");
        }
        let bytes = fs::read(emulator().await.file(&uri)).unwrap();
        if let Some(expected) = expected {
            let mut lines: Vec<_> = expected.lines().collect();
            let text = String::from_utf8(bytes.clone()).unwrap();
            let mut found: Vec<_> = text.lines().collect();
            lines[1..].sort_unstable();
            found[1..].sort_unstable();
            assert_eq!(found, lines);
        }
        assert_eq!(name == "parquet", bytes.starts_with(b"PAR1"));
        // Another id writes it again.
        let (one, options) = (own("SELECT 1 AS n"), job(&format!("export-{name}-2")));
        assert_eq!(warehouse.export(&one, &file, &options).await.unwrap().rows, 1);
        assert_ne!(fs::read(emulator().await.file(&uri)).unwrap(), bytes);
        let state = warehouse.job(&JobId(format!("export-{name}"))).await.unwrap();
        assert!(matches!(state, JobState::Done(written) if written.rows == 2), "{name}");
    }
    let tables = resource("datasets/f_export/tables").await;
    assert!(tables["tables"].as_array().is_none_or(Vec::is_empty), "{tables}");
}

#[tokio::test]
async fn what_was_exported_as_parquet_is_loaded_again() {
    let warehouse = with("f_parquet").await;
    let uri = "gs://lake/parquet/a.parquet";
    let select =
        "SELECT 1 AS id, 'a' AS name, DATE '2026-01-01' AS day UNION ALL SELECT 2, NULL, NULL";
    let dataset = DatasetName::parse("f_parquet").unwrap();
    let select = Query { default_dataset: Some(dataset), ..query(select) };
    let file = Export { uri: uri.to_owned(), format: Format::Parquet };
    warehouse.export(&select, &file, &job("parquet-out")).await.unwrap();
    for (name, mode) in
        [("r", WriteMode::Replace), ("m", WriteMode::Merge { keys: vec!["id".to_owned()] })]
    {
        let into = target(&format!("f_parquet.{name}"), mode);
        let options = job(&format!("parquet-{name}"));
        let written = warehouse.load(&load(uri, Format::Parquet), &into, &options).await.unwrap();
        assert_eq!(written.rows, 2);
        let read = format!("SELECT id, name, day FROM f_parquet.{name} ORDER BY id");
        assert_eq!(rows(&warehouse, &read).await, ["1|a|2026-01-01", "2|NULL|NULL"]);
    }
}

#[tokio::test]
async fn an_export_that_bigquery_cannot_do_as_asked_is_refused() {
    let warehouse = with("f_export").await;
    let marked = Format::Csv { header: true, delimiter: b',', null_marker: Some("-".to_owned()) };
    for (sql, format, said) in [
        ("SELECT n FROM UNNEST([1]) AS n ORDER BY n", Format::Ndjson, "ORDER BY"),
        ("SELECT 1 AS n", marked, "null_marker"),
        ("SELECT [1] AS n", csv(true), "use ndjson"),
        ("SELECT 1 AS n, 2 AS n", csv(true), "two columns n"),
        ("DELETE FROM f_export.t WHERE TRUE", csv(true), "not a SELECT"),
    ] {
        let file = Export { uri: "gs://lake/out/none".to_owned(), format };
        let error = warehouse.export(&own(sql), &file, &job("export-none")).await.unwrap_err();
        assert!(matches!(error, PortError::InvalidQuery(_)), "{sql}: {error}");
        assert!(error.to_string().contains(said), "{sql}: {error}");
    }
    assert!(!emulator().await.file("gs://lake/out/none").exists());
}

/// Each call's answer is lost once in a while, before its effect or after: files are loaded and written once.
#[tokio::test]
async fn files_come_and_go_once_through_lost_answers() {
    with("f_lost").await;
    put("gs://lake/lost.csv", TWO).await;
    let fault = |passing: &Passing| match (passing.number % 7, passing.phase) {
        (2, Phase::After) | (5, Phase::Before) => Some(Fault::Drop),
        _ => None,
    };
    let rules = Rules { fault: Arc::new(fault), ..Rules::default() };
    let proxy = Proxy::start(&emulator().await.url, rules);
    let warehouse = BigQuery::new(client(&proxy.url).await);
    let file = load("gs://lake/lost.csv", csv(false));
    let keys = vec!["id".to_owned()];
    for (name, mode, expected) in [("a", WriteMode::Append, 2), ("m", WriteMode::Merge { keys }, 2)]
    {
        let into = target(&format!("f_lost.{name}"), mode);
        let written = warehouse.load(&file, &into, &job(&format!("lost-{name}"))).await.unwrap();
        assert_eq!(written.rows, expected, "{name}");
        let read = format!("SELECT id FROM f_lost.{name} ORDER BY id");
        assert_eq!(rows(&warehouse, &read).await, ["1", "2"], "{name}");
    }
    let dataset = DatasetName::parse("f_lost").unwrap();
    let select = Query { default_dataset: Some(dataset), ..query("SELECT id FROM f_lost.m") };
    let out = Export { uri: "gs://lake/out/lost.csv".to_owned(), format: csv(true) };
    let written = warehouse.export(&select, &out, &job("lost-out")).await.unwrap();
    assert_eq!(written.rows, 2);
}

/// The emulator matches columns by position and knows one null marker: the request is what is held to Google.
#[tokio::test]
async fn the_requests_are_what_google_describes() {
    let warehouse = with("f_form").await;
    put("gs://lake/form.csv", "id|name|day\n1|a|2026-01-01\n").await;
    let format = Format::Csv { header: true, delimiter: b'|', null_marker: Some("\\N".to_owned()) };
    let into =
        Target { cluster_by: vec!["id".to_owned()], ..by_day("f_form.t", WriteMode::Replace) };
    warehouse.load(&load("gs://lake/form.csv", format), &into, &job("form-load")).await.unwrap();
    let file = Export { uri: "gs://lake/out/form.csv".to_owned(), format: csv(false) };
    let select = Query {
        default_dataset: Some(DatasetName::parse("f_form").unwrap()),
        ..query("SELECT 1 AS n")
    };
    warehouse.export(&select, &file, &job("form-export")).await.unwrap();
    let document = Document::read("bigquery.v2");
    let mut load = resource("jobs/form-load").await;
    // The clients send the number of a name of an enum, which the emulator keeps as text.
    let matched = &mut load["configuration"]["load"]["sourceColumnMatch"];
    assert_eq!(*matched, "2");
    *matched = json!("NAME");
    let export = resource("jobs/form-export").await;
    for job in [&load, &export, &resource("jobs/form-export-rows").await] {
        let wrong = document.wrong("JobConfiguration", &job["configuration"]);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    let load = &load["configuration"]["load"];
    for (name, expected) in [
        ("sourceUris", json!(["gs://lake/form.csv"])),
        ("skipLeadingRows", json!(1)),
        ("nullMarkers", json!(["", "\\N"])),
        ("fieldDelimiter", json!("|")),
        ("allowQuotedNewlines", json!(true)),
        ("writeDisposition", json!("WRITE_TRUNCATE")),
        ("createDisposition", json!("CREATE_IF_NEEDED")),
        ("clustering", json!({"fields": ["id"]})),
    ] {
        assert_eq!(load[name], expected, "{name}: {load}");
    }
    let extract = &export["configuration"]["extract"];
    assert_eq!(extract["destinationUris"], json!(["gs://lake/out/form.csv"]));
    assert_eq!(extract["printHeader"], false);
}
