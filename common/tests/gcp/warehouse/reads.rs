//! Queries and dry runs: values come back exact, and what a dry run does not list is refused.

use std::collections::BTreeMap;

use common::port::PortError;
use common::state::tables;
use common::warehouse::{DataType, DatasetName, Query, Value, Warehouse, WriteMode};

use super::{query, rows, target, warehouse, with, write};

#[tokio::test]
async fn values_of_every_type_come_back_exact() {
    let warehouse = warehouse().await;
    let list = |kind| DataType::Array(Box::new(kind));
    let record = DataType::Struct(vec![
        ("x".to_owned(), DataType::Int64),
        ("y".to_owned(), list(DataType::String)),
    ]);
    for (sql, kind, text) in [
        ("-9223372036854775808", DataType::Int64, "-9223372036854775808"),
        ("0.1", DataType::Float64, "0.1"),
        ("CAST('nan' AS FLOAT64)", DataType::Float64, "NaN"),
        ("CAST('-inf' AS FLOAT64)", DataType::Float64, "-Infinity"),
        (
            "NUMERIC '-99999999999999999999999999999.999999999'",
            DataType::Numeric,
            "-99999999999999999999999999999.999999999",
        ),
        ("NUMERIC '1.50'", DataType::Numeric, "1.5"),
        ("FALSE", DataType::Bool, "false"),
        ("'\\u00e9\\n\\U0001f600'", DataType::String, "\u{e9}\n\u{1f600}"),
        ("b'\\x00\\xff'", DataType::Bytes, "00ff"),
        ("DATE '9999-12-31'", DataType::Date, "9999-12-31"),
        ("DATETIME '2026-01-02 03:04:05.678901'", DataType::Datetime, "2026-01-02T03:04:05.678901"),
        ("TIME '23:59:59.999999'", DataType::Time, "23:59:59.999999"),
        (
            "TIMESTAMP '0001-01-01 00:00:00.000001+00'",
            DataType::Timestamp,
            "0001-01-01T00:00:00.000001Z",
        ),
        ("JSON '{\"a\": 1}'", DataType::Json, "{\"a\":1}"),
        ("CAST(NULL AS STRING)", DataType::String, "NULL"),
        ("STRUCT(1 AS x, ['a'] AS y)", record.clone(), "{\"x\":1,\"y\":[\"a\"]}"),
        ("[STRUCT(1 AS x, ['a'] AS y)]", list(record), "[{\"x\":1,\"y\":[\"a\"]}]"),
        ("ARRAY<INT64>[]", list(DataType::Int64), "[]"),
    ] {
        let found = warehouse.query(&query(&format!("SELECT {sql} AS v")), None).await;
        let found = found.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(found.columns, [("v".to_owned(), kind)], "{sql}");
        assert_eq!(found.rows[0][0].to_string(), text, "{sql}");
    }
}

#[tokio::test]
async fn a_query_of_many_pages_is_answered_whole_and_in_order() {
    let warehouse = warehouse().await;
    let sql =
        "SELECT n, REPEAT('x', 100) AS x FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS n ORDER BY n";
    let found = warehouse.query(&query(sql), None).await.unwrap().rows;
    assert_eq!(found.len(), 30_000);
    assert!(found.iter().zip(1..).all(|(row, n)| row[0] == Value::Int64(n)));
}

#[tokio::test]
async fn a_table_without_a_dataset_is_looked_for_in_the_querys_own() {
    let warehouse = with("q_default").await;
    write(&warehouse, "default-1", "SELECT 5 AS n", &target("q_default.t", WriteMode::Replace))
        .await;
    let name = DatasetName::parse("q_default").unwrap();
    let bare = Query { default_dataset: Some(name), ..query("SELECT n FROM t") };
    assert_eq!(warehouse.query(&bare, None).await.unwrap().rows, [[Value::Int64(5)]]);
    let dry = warehouse.dry_run(&bare).await.unwrap();
    assert_eq!(dry.tables, ["q_default.t".parse().unwrap()]);
    let into = target("q_default.u", WriteMode::Replace);
    assert_eq!(warehouse.write(&bare, &into, &super::job("default-2")).await.unwrap().rows, 1);
}

#[tokio::test]
async fn what_a_dry_run_does_not_list_is_refused() {
    let warehouse = with("q_refused").await;
    write(&warehouse, "refused-1", "SELECT 5 AS n", &target("q_refused.t", WriteMode::Replace))
        .await;
    super::emulator().await.sql("CREATE FUNCTION q_refused.twice(n INT64) AS (n * 2)").await;
    for (sql, said) in [
        ("SELECT table_name FROM q_refused.INFORMATION_SCHEMA.TABLES", "INFORMATION_SCHEMA"),
        ("SELECT * FROM `q_refused.INFORMATION_SCHEMA.TABLES`", "INFORMATION_SCHEMA"),
        ("SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')", "EXTERNAL_QUERY"),
        ("SELECT * FROM ML.PREDICT(MODEL q_refused.m, TABLE q_refused.t)", "ML.PREDICT"),
        ("CREATE TEMP FUNCTION f() AS (1); SELECT f() AS n", "CREATE"),
        ("DECLARE x INT64; SELECT x", "DECLARE"),
        ("SELECT 1 AS n; DROP TABLE q_refused.t", "script"),
        ("EXPORT DATA OPTIONS (uri = 'gs://b/*', format = 'CSV') AS SELECT 1 AS n", "EXPORT"),
        ("SELECT @nothing AS n", "nothing"),
    ] {
        for error in [
            warehouse.dry_run(&query(sql)).await.unwrap_err(),
            warehouse.query(&query(sql), None).await.unwrap_err(),
        ] {
            assert!(matches!(error, PortError::InvalidQuery(_)), "{sql}: {error}");
            assert!(error.to_string().contains(said), "{sql}: {error}");
        }
    }
    let missing = warehouse.dry_run(&query("SELECT * FROM q_refused.none")).await.unwrap_err();
    assert!(matches!(missing, PortError::NotFound(_)), "{missing}");
    assert_eq!(rows(&warehouse, "SELECT n FROM q_refused.t").await, ["5"]);
}

/// The tables of the state are made as their files say, and their views answer in the deployment's project.
#[tokio::test]
async fn the_tables_of_the_state_are_made_and_their_views_answer() {
    let warehouse = warehouse().await;
    for (name, definitions) in
        [("tenants", tables::control().unwrap()), ("q_state", tables::tenant().unwrap())]
    {
        let dataset = DatasetName::parse(name).unwrap();
        warehouse.ensure_dataset(&dataset, &BTreeMap::new()).await.unwrap();
        for again in [false, true] {
            for (table, definition) in &definitions {
                let table = dataset.table(table).unwrap();
                let made =
                    warehouse.ensure_table(&table, &definition.clone().in_dataset(&dataset)).await;
                let existed = made.unwrap() == common::warehouse::Ensured::Existed;
                assert_eq!(existed, again, "{table}");
            }
        }
        for (table, definition) in definitions {
            let found = super::resource(&format!("datasets/{name}/tables/{table}")).await;
            assert_eq!(found["description"], definition.description, "{found}");
            let Some(partitioning) = definition.time_partitioning else { continue };
            assert_eq!(found["timePartitioning"]["field"], partitioning.field, "{table}");
        }
    }
    for view in ["tenants.tenant_usage_quotas", "q_state.x_meta_pipeline_queue"] {
        assert!(rows(&warehouse, &format!("SELECT * FROM {view}")).await.is_empty(), "{view}");
    }
    let view = super::resource("datasets/tenants/tables/tenant_usage_quotas").await;
    let text = view["view"]["query"].as_str().unwrap();
    assert_eq!(text.matches("`local`.tenants.").count(), 3, "{text}");
    assert_eq!(view["view"]["useLegacySql"], false);
}
