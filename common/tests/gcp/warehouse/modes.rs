//! Each mode of writing: what it keeps, what it refuses, and that nothing breaks out of the author's SQL.

use common::port::PortError;
use common::warehouse::{
    Column, ColumnType, DataType, Mode, Param, PartitionKind, TableDefinition, Target,
    TimePartitioning, Value, Warehouse, WriteMode,
};
use serde_json::json;

use super::{job, query, refusal, resource, rows, target, with, write};

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn days(from: &str, to: &str) -> WriteMode {
    WriteMode::OverwritePartition { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

fn by(column: &str, target: Target) -> Target {
    Target { partition_by: Some(column.to_owned()), ..target }
}

#[tokio::test]
async fn comments_at_the_end_and_words_of_sql_as_names_stay_the_authors_own() {
    let warehouse = with("w_names").await;
    let select = "SELECT 1 AS `group`, DATE '2026-01-02' AS `from`, 'it''s' AS `select` -- ) AS x";
    let select = select.replace("''", "\\'");
    let modes = [
        ("r", WriteMode::Replace),
        ("a", WriteMode::Append),
        ("o", days("2026-01-01", "2026-01-31")),
        ("n", WriteMode::AppendNew { keys: keys(&["group", "select"]) }),
        ("m", WriteMode::Merge { keys: keys(&["group", "select"]) }),
    ];
    for (name, mode) in modes {
        let into = by("from", target(&format!("w_names.t_{name}"), mode.clone()));
        // The first makes the table, the second changes it; one ends in a comment of the other kind.
        assert_eq!(write(&warehouse, &format!("names-{name}-1"), &select, &into).await, 1);
        let again = format!("{select}\n# ) AS y");
        let changed = u64::from(!matches!(mode, WriteMode::AppendNew { .. }));
        let id = format!("names-{name}-2");
        assert_eq!(write(&warehouse, &id, &again, &into).await, changed, "{name}");
        let read = format!("SELECT `group`, `from`, `select` FROM w_names.t_{name}");
        let expected = vec!["1|2026-01-02|it's"; if name == "a" { 2 } else { 1 }];
        assert_eq!(rows(&warehouse, &read).await, expected, "{name}");
    }
}

#[tokio::test]
async fn parameters_reach_the_statement_of_every_mode() {
    let warehouse = with("w_params").await;
    let modes = [
        WriteMode::Replace,
        WriteMode::Append,
        days("2026-01-01", "2026-01-31"),
        WriteMode::Merge { keys: keys(&["n"]) },
    ];
    let into = |mode| by("d", target("w_params.t", mode));
    for (number, mode) in modes.into_iter().enumerate() {
        let mut bound = query("SELECT @n AS n, @headgate_rows AS d, @list AS l");
        let param = |kind, value| Param { kind, value };
        let day = "2026-01-02".parse().unwrap();
        let list = DataType::Array(Box::new(DataType::String));
        let items = Value::Array(vec![Value::String("') -- ".to_owned())]);
        bound.params.insert("n".to_owned(), param(DataType::Int64, Value::Int64(7)));
        bound.params.insert("headgate_rows".to_owned(), param(DataType::Date, Value::Date(day)));
        bound.params.insert("list".to_owned(), param(list, items));
        // The first makes the table; a merge into two equal rows would be refused.
        if number == 3 {
            write(
                &warehouse,
                "params-empty",
                "SELECT * FROM w_params.t WHERE FALSE",
                &into(WriteMode::Replace),
            )
            .await;
        }
        let options = job(&format!("params-{number}"));
        let written = warehouse.write(&bound, &into(mode), &options).await.unwrap();
        assert_eq!(written.rows, 1, "{number}");
    }
    let read = "SELECT n, d, l[OFFSET(0)] FROM w_params.t";
    assert_eq!(rows(&warehouse, read).await, ["7|2026-01-02|') -- "]);
}

#[tokio::test]
async fn columns_go_by_name_and_must_be_the_tables_own() {
    let warehouse = with("w_columns").await;
    let into = |mode| target("w_columns.t", mode);
    let append = into(WriteMode::Append);
    write(&warehouse, "columns-1", "SELECT 1 AS a, 'x' AS b", &append).await;
    for (number, mode) in [
        WriteMode::Append,
        WriteMode::Merge { keys: keys(&["A"]) },
        WriteMode::AppendNew { keys: keys(&["b"]) },
        WriteMode::Replace,
    ]
    .into_iter()
    .enumerate()
    {
        let into = into(mode);
        for (at, (sql, said)) in [
            ("SELECT 1 AS a", "column b is not written"),
            ("SELECT 1 AS a, 'x' AS b, 2 AS c", "no column c"),
            ("SELECT 1.5 AS a, 'x' AS b", "column a is INT64, not FLOAT64"),
            ("SELECT 1 AS a, 'x' AS b, 2 AS A", "two columns A"),
        ]
        .into_iter()
        .enumerate()
        {
            let said_back =
                refusal(&warehouse, &format!("columns-{number}-{at}"), sql, &into).await;
            assert!(said_back.contains(said), "{sql}: {said_back}");
        }
        let swapped = format!("SELECT 'y{number}' AS B, {} AS a", 10 + number);
        let rows = write(&warehouse, &format!("columns-{number}-good"), &swapped, &into).await;
        assert_eq!(rows, 1, "{:?}", into.mode);
    }
    assert_eq!(rows(&warehouse, "SELECT a, b FROM w_columns.t").await, ["13|y3"]);
    let nameless =
        refusal(&warehouse, "columns-9", "SELECT 1 AS a, COUNT(*) FROM w_columns.t", &append);
    assert!(nameless.await.contains("give it an alias"));
}

#[tokio::test]
async fn a_replaced_table_stays_what_it_was_made_as() {
    let warehouse = with("w_kept").await;
    let table = "w_kept.t".parse().unwrap();
    let mut id = Column::new("id", ColumnType::Int64);
    (id.mode, id.description) = (Mode::Required, "which one".to_owned());
    let definition = TableDefinition::of(vec![id, Column::new("d", ColumnType::Date)]);
    warehouse.ensure_table(&table, &definition).await.unwrap();
    let replace = target("w_kept.t", WriteMode::Replace);
    for (number, sql) in
        ["SELECT 1 AS id, DATE '2026-01-01' AS d", "SELECT DATE '2026-01-02' AS d, 2 AS id"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(write(&warehouse, &format!("kept-{number}"), sql, &replace).await, 1);
    }
    assert_eq!(rows(&warehouse, "SELECT id, d FROM w_kept.t").await, ["2|2026-01-02"]);
    let field = &resource("datasets/w_kept/tables/t").await["schema"]["fields"][0];
    assert_eq!((&field["mode"], &field["description"]), (&json!("REQUIRED"), &json!("which one")));
    let error = warehouse
        .write(
            &query("SELECT CAST(NULL AS INT64) AS id, DATE '2026-01-01' AS d"),
            &replace,
            &job("kept-null"),
        )
        .await
        .unwrap_err();
    assert!(!error.retryable(), "{error}");
    assert_eq!(rows(&warehouse, "SELECT id FROM w_kept.t").await, ["2"]);

    // A table that a query made is emptied and keeps its partitions, whatever the target says.
    let cut =
        Target { cluster_by: keys(&["n"]), ..by("d", target("w_kept.u", WriteMode::Replace)) };
    write(&warehouse, "kept-cut", "SELECT DATE '2026-01-01' AS d, 1 AS n", &cut).await;
    let plain = target("w_kept.u", WriteMode::Replace);
    write(&warehouse, "kept-plain", "SELECT DATE '2026-01-01' AS d, 2 AS n", &plain).await;
    let made = resource("datasets/w_kept/tables/u").await;
    assert_eq!(made["timePartitioning"]["field"], "d", "{made}");
    assert_eq!(made["clustering"]["fields"], json!(["n"]), "{made}");
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_table_behind() {
    let warehouse = with("w_none").await;
    for (number, mode) in [
        WriteMode::Replace,
        WriteMode::Append,
        days("2026-01-01", "2026-01-01"),
        WriteMode::Merge { keys: keys(&["n"]) },
    ]
    .into_iter()
    .enumerate()
    {
        let into = by("d", target("w_none.t", mode));
        let sql = "SELECT DATE '2026-01-01' AS d, IF(n > 1, ERROR('no'), n) AS n FROM UNNEST([1, 2]) AS n";
        assert!(refusal(&warehouse, &format!("none-{number}"), sql, &into).await.contains("no"));
        let error = warehouse.query(&query("SELECT 1 FROM w_none.t"), None).await.unwrap_err();
        assert!(matches!(error, PortError::NotFound(_)), "{number}: {error}");
    }
}

#[tokio::test]
async fn a_range_is_of_the_tables_own_column_and_holds_every_row() {
    let warehouse = with("w_range").await;
    let all = |table: &str, column: &str| by(column, target(table, WriteMode::Replace));
    let two = "SELECT DATE '2026-01-01' AS d, DATE '2026-02-01' AS e UNION ALL SELECT DATE '2026-01-02', DATE '2026-02-02'";
    write(&warehouse, "range-1", two, &all("w_range.t", "d")).await;
    let second = days("2026-01-02", "2026-01-02");
    // The target names another column, or none: the table is cut by its own.
    for (id, into) in [
        ("range-2", by("e", target("w_range.t", second.clone()))),
        ("range-3", target("w_range.t", second.clone())),
    ] {
        let sql = "SELECT DATE '2026-02-09' AS e, DATE '2026-01-02' AS d";
        assert_eq!(write(&warehouse, id, sql, &into).await, 1);
        let read = "SELECT d, e FROM w_range.t ORDER BY d";
        assert_eq!(
            rows(&warehouse, read).await,
            ["2026-01-01|2026-02-01", "2026-01-02|2026-02-09"]
        );
    }
    let into = target("w_range.t", second.clone());
    for (id, day, said) in [
        ("range-4", "CAST(NULL AS DATE)", "d NULL"),
        ("range-5", "DATE '2026-01-03'", "d 2026-01-03"),
    ] {
        let sql = format!("SELECT {day} AS d, DATE '2026-02-01' AS e");
        let error = refusal(&warehouse, id, &sql, &into).await;
        assert!(error.contains(said) && error.contains("2026-01-02 to 2026-01-02"), "{error}");
    }
    // By the days of instants.
    let instants = "SELECT TIMESTAMP '2026-01-01 23:59:59.999999' AS at UNION ALL SELECT TIMESTAMP '2026-01-02 00:00:00' \
                    UNION ALL SELECT TIMESTAMP '2026-01-02 23:59:59.999999' UNION ALL SELECT TIMESTAMP '2026-01-03 00:00:00'";
    write(&warehouse, "range-6", instants, &all("w_range.s", "at")).await;
    let into = target("w_range.s", second.clone());
    assert_eq!(
        write(&warehouse, "range-7", "SELECT at FROM w_range.s WHERE FALSE", &into).await,
        0
    );
    let read = "SELECT FORMAT_TIMESTAMP('%F', at) FROM w_range.s ORDER BY at";
    assert_eq!(rows(&warehouse, read).await, ["2026-01-01", "2026-01-03"]);
    // Days of a DATETIME depend on nobody's zone, and are refused all the same: the port speaks of dates.
    let mut definition = TableDefinition::of(vec![Column::new("at", ColumnType::Datetime)]);
    let field = "at".to_owned();
    definition.time_partitioning = Some(TimePartitioning { kind: PartitionKind::Day, field });
    warehouse.ensure_table(&"w_range.v".parse().unwrap(), &definition).await.unwrap();
    let local = "SELECT DATETIME '2026-01-02 00:00:00' AS at";
    let error = refusal(&warehouse, "range-v", local, &target("w_range.v", second.clone())).await;
    assert!(error.contains("no DATE or TIMESTAMP column"), "{error}");
    // A table that is not cut has no range.
    write(&warehouse, "range-8", two, &target("w_range.u", WriteMode::Replace)).await;
    let error = refusal(&warehouse, "range-9", two, &by("d", target("w_range.u", second))).await;
    assert!(error.contains("no partitions"), "{error}");
}

#[tokio::test]
async fn keys_of_every_type_that_has_equality_find_their_rows() {
    let warehouse = with("w_keyed").await;
    for (number, key) in [
        "CAST(9007199254740993 AS INT64)",
        "NUMERIC '0.1'",
        "TRUE",
        "'it\\'s'",
        "b'\\xff\\x00'",
        "DATE '2026-01-01'",
        "DATETIME '2026-01-01 01:02:03'",
        "TIME '01:02:03'",
        "TIMESTAMP '2026-01-01 01:02:03.000001'",
    ]
    .into_iter()
    .enumerate()
    {
        let merge = target(&format!("w_keyed.t{number}"), WriteMode::Merge { keys: keys(&["k"]) });
        for n in 1..=2 {
            let sql = format!("SELECT {key} AS k, {n} AS headgate_twice");
            assert_eq!(write(&warehouse, &format!("keyed-{number}-{n}"), &sql, &merge).await, 1);
        }
        let read = format!("SELECT headgate_twice FROM w_keyed.t{number}");
        assert_eq!(rows(&warehouse, &read).await, ["2"], "{key}");
        let twice = format!("SELECT {key} AS k, n AS headgate_twice FROM UNNEST([1, 2]) AS n");
        let error = refusal(&warehouse, &format!("keyed-{number}-3"), &twice, &merge).await;
        assert!(error.contains("two rows with the key k "), "{error}");
    }
    for (id, key) in [("f", "1.5"), ("a", "[1]"), ("j", "JSON '1'"), ("s", "STRUCT(1 AS x)")] {
        let merge = target("w_keyed.none", WriteMode::Merge { keys: keys(&["k"]) });
        let error =
            refusal(&warehouse, &format!("keyed-{id}"), &format!("SELECT {key} AS k"), &merge)
                .await;
        assert!(error.contains("the key k"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_table_of_the_deployment_is_not_written() {
    let warehouse = with("w_other").await;
    let mut definition = TableDefinition::of(vec![Column::new("n", ColumnType::Int64)]);
    definition.view = Some(common::warehouse::View { query: "SELECT 1 AS n".to_owned() });
    warehouse.ensure_table(&"w_other.v".parse().unwrap(), &definition).await.unwrap();
    let error =
        refusal(&warehouse, "other-1", "SELECT 1 AS n", &target("w_other.v", WriteMode::Replace))
            .await;
    assert!(error.contains("is a view"), "{error}");
    let attempt = async |id: &str, table: &str| {
        let into = target(table, WriteMode::Append);
        warehouse.write(&query("SELECT 1 AS n"), &into, &job(id)).await.unwrap_err()
    };
    let elsewhere = attempt("other-2", "elsewhere.d.t").await;
    assert!(matches!(elsewhere, PortError::PermissionDenied(_)), "{elsewhere}");
    let nowhere = attempt("other-3", "w_nowhere.t").await;
    assert!(matches!(nowhere, PortError::NotFound(_)), "{nowhere}");
}
