//! Queries that an optimizer, a parser or a stack easily gets wrong: the right answer, or a refusal.

use common::port::PortError;
use common::warehouse::{Format, Load, Warehouse, WriteMode};

#[path = "support/warehouse.rs"]
mod support;
use support::{folder, sql};

const SCHEMA: &str = r#"[{"name": "id", "type": "INT64"}, {"name": "v", "type": "INT64"},
    {"name": "s", "type": "STRING"}]"#;

async fn tables() -> support::Folder {
    let folder = folder(&["d"]).await;
    let t = r#"{"id":2,"v":20,"s":"a"}
{"id":1,"v":10,"s":"a"}
{"id":3,"v":0,"s":"b"}
"#;
    let u = r#"{"id":3,"v":1,"s":"z"}
{"id":1,"v":2,"s":"y"}
{"id":2,"v":0,"s":"x"}
{"id":4,"v":null,"s":"w"}
"#;
    folder.load("d.t", SCHEMA, Format::Ndjson, t).await;
    folder.load("d.u", SCHEMA, Format::Ndjson, u).await;
    folder
}

#[tokio::test]
async fn padded_sides_sort_and_group() {
    let folder = tables().await;
    for (text, expected) in [
        (
            "SELECT t.id FROM d.t AS t RIGHT JOIN d.u AS u ON t.id = u.id AND t.id = 2 ORDER BY t.id",
            &["[null]", "[null]", "[null]", "[2]"][..],
        ),
        (
            "SELECT u.id AS uid, t.s FROM d.u AS u LEFT JOIN (SELECT * FROM d.t WHERE s = 'a') AS t ON t.id = u.id ORDER BY t.s, u.id LIMIT 2",
            &["[3,null]", "[4,null]"],
        ),
        (
            "SELECT t.s, COUNT(*) AS n FROM d.u AS u LEFT JOIN (SELECT * FROM d.t WHERE s = 'a') AS t ON t.id = u.id GROUP BY t.s ORDER BY t.s",
            &["[null,2]", "[\"a\",2]"],
        ),
        (
            "SELECT DISTINCT t.one FROM d.u AS u LEFT JOIN (SELECT id, 1 AS one FROM d.t) AS t ON t.id = u.id ORDER BY t.one",
            &["[null]", "[1]"],
        ),
        (
            "SELECT a.k, b.k FROM (SELECT id, 'l' AS k FROM d.t WHERE id < 3) AS a FULL JOIN (SELECT id, 'r' AS k FROM d.u WHERE id > 1) AS b ON a.id = b.id ORDER BY a.k, b.k",
            &["[null,\"r\"]", "[null,\"r\"]", "[\"l\",null]", "[\"l\",\"r\"]"],
        ),
        (
            "WITH a AS (SELECT * FROM d.t WHERE id = 2) SELECT u.id, a.id FROM d.u AS u LEFT JOIN a ON a.id = u.id ORDER BY a.id DESC, u.id DESC LIMIT 2",
            &["[2,2]", "[4,null]"],
        ),
        (
            "SELECT u.id, COALESCE(t.one, 5) AS v FROM d.u AS u LEFT JOIN (SELECT id, 1 AS one FROM d.t) AS t ON t.id = u.id ORDER BY v DESC, u.id",
            &["[4,5]", "[1,1]", "[2,1]", "[3,1]"],
        ),
        (
            "SELECT u.id FROM d.u AS u LEFT JOIN d.t AS t ON t.id = u.id AND t.id = 2 WHERE t.id IS NULL ORDER BY u.id",
            &["[1]", "[3]", "[4]"],
        ),
        (
            "SELECT 'k' AS k, id FROM d.t UNION ALL SELECT 'j', id FROM d.u WHERE id = 4 ORDER BY k, id",
            &["[\"j\",4]", "[\"k\",1]", "[\"k\",2]", "[\"k\",3]"],
        ),
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, expected, "{text}");
    }
}

#[tokio::test]
async fn a_branch_not_taken_does_not_run() {
    let folder = tables().await;
    for text in [
        "SELECT IF(v = 0, TRUE, 10 / v > 0.05) FROM d.t ORDER BY 1",
        "SELECT CASE WHEN v = 0 THEN TRUE WHEN 10 / v > 0.05 THEN TRUE ELSE FALSE END FROM d.t",
        "SELECT COALESCE(v = 0 OR NULL, 10 / v > 0.05) FROM d.t",
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, ["[true]", "[true]", "[true]"], "{text}");
    }
}

#[tokio::test]
async fn names_mean_one_thing() {
    let folder = tables().await;
    for (text, expected) in [
        ("SELECT * FROM d.t JOIN d.u USING (id) WHERE id = 1", &["[1,10,\"a\",2,\"y\"]"][..]),
        (
            "SELECT * FROM d.t AS a JOIN d.u AS b USING (id) JOIN (SELECT id, 7 AS n FROM d.t) AS c USING (id) WHERE id = 1",
            &["[1,10,\"a\",2,\"y\",7]"],
        ),
        (
            "SELECT * FROM d.t AS a JOIN d.u AS b USING (id) JOIN (SELECT id, v FROM d.t) AS c ON c.v = a.v WHERE b.id = 1",
            &["[1,10,\"a\",2,\"y\",1,10]"],
        ),
        (
            "SELECT * FROM (SELECT 9 AS z) AS x, d.t AS a JOIN (SELECT id, 7 AS n FROM d.t) AS b USING (id) WHERE id = 1",
            &["[9,1,10,\"a\",7]"],
        ),
        (
            "SELECT id, a.v FROM d.t AS a FULL JOIN (SELECT id FROM d.u WHERE id > 2) AS b USING (id) ORDER BY id",
            &["[1,10]", "[2,20]", "[3,0]", "[4,null]"],
        ),
        ("SELECT b.id FROM d.t AS a RIGHT JOIN d.u AS b USING (id) WHERE a.id IS NULL", &["[4]"]),
        ("SELECT EXISTS(SELECT COUNT(*), SUM(x) FROM UNNEST([1]) AS x WHERE x > 5)", &["[true]"]),
        ("SELECT EXISTS(SELECT x, 1 FROM UNNEST([1]) AS x WHERE x > 5)", &["[false]"]),
        (
            "SELECT v AS w, COUNT(*) AS n FROM d.t GROUP BY v HAVING w > 0 AND n = 1 ORDER BY w",
            &["[10,1]", "[20,1]"],
        ),
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, expected, "{text}");
    }
    folder
        .refuses(&[
            ("SELECT v FROM d.t JOIN d.u USING (id)", "the name v is ambiguous"),
            (
                "SELECT id FROM d.t AS a JOIN d.u AS b USING (id) JOIN d.t AS c ON c.v = a.v",
                "the name id is ambiguous",
            ),
            ("SELECT EXISTS(SELECT nosuch, 1 FROM UNNEST([1]) AS x)", "nosuch is not in sight"),
            (
                "SELECT EXISTS(SELECT COUNT(*), x FROM UNNEST([1]) AS x)",
                "is not aggregated at 1:15",
            ),
            ("SELECT id AS v, v AS id FROM d.t GROUP BY 1, 2 HAVING id = 1", "another alias"),
            ("SELECT SUM(v) AS s1 FROM d.t HAVING SUM(s1) > 0", "SUM of an aggregate"),
            ("SELECT id FROM d.t HAVING id = 1", "HAVING without GROUP BY or an aggregate"),
            ("SELECT id FROM d.t HAVING TRUE", "HAVING without GROUP BY or an aggregate"),
        ])
        .await;
}

#[tokio::test]
async fn ranges_end_where_googlesqls_do() {
    let folder = tables().await;
    for (text, expected) in [
        ("SELECT ROUND(NUMERIC '1', -9223372036854775808)", "[\"0\"]"),
        ("SELECT ROUND(5.0, -309), ROUND(-5.0, -9223372036854775808)", "[0.0,0.0]"),
        (
            "SELECT DATE_FROM_UNIX_DATE(2932896), DATE_FROM_UNIX_DATE(-719162)",
            "[\"9999-12-31\",\"0001-01-01\"]",
        ),
        ("SELECT SAFE_CAST('9999-12-31 23:00:00-05:00' AS TIMESTAMP)", "[null]"),
        ("SELECT SQRT(4), SQRT(2.25)", "[2.0,1.5]"),
        ("SELECT LENGTH(LPAD('a', 1048576))", "[1048576]"),
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, [expected], "{text}");
    }
    folder
        .refuses(&[
            ("SELECT DATE_FROM_UNIX_DATE(2932897)", "outside the years 0001 to 9999"),
            ("SELECT TIMESTAMP '9999-12-31 23:00:00-05:00'", "out of range for TIMESTAMP"),
            ("SELECT CAST('0001-01-01 00:00:00+05:00' AS TIMESTAMP)", "out of range for TIMESTAMP"),
            ("SELECT LPAD('a', 10000000000)", "LPAD or RPAD to more than"),
            ("SELECT RPAD('a', 1048577, 'b')", "LPAD or RPAD to more than"),
            (
                "SELECT REPLACE(LPAD('a', 1000000, 'a'), 'a', LPAD('b', 1000000))",
                "REPLACE to more than",
            ),
            ("SELECT SQRT(NUMERIC '4')", "SQRT of a NUMERIC"),
        ])
        .await;
}

/// `count` copies of a text with something between them.
fn joined(part: &str, between: &str, count: usize) -> String {
    vec![part; count].join(between)
}

/// Statements at the cap, which run, and past it, which are refused.
fn long_statements() -> Vec<(String, String, bool)> {
    let nested = |open: &str, core: &str, close: &str, n: usize| {
        format!("SELECT {}{core}{} FROM d.t", open.repeat(n), close.repeat(n))
    };
    let ctes = |n: usize| {
        let more: String = (1..n)
            .map(|at| {
                let before = at - 1;
                format!(", c{at} AS (SELECT c{before}.id FROM c{before} JOIN d.u USING (id))")
            })
            .collect::<Vec<_>>()
            .concat();
        let text = format!("WITH c0 AS (SELECT id FROM d.t){more}");
        format!("{text} SELECT id FROM c{}", n - 1)
    };
    let grouped = |n: usize| {
        let more: String = (1..n)
            .map(|at| format!(", c{at} AS (SELECT id FROM c{} GROUP BY id)", at - 1))
            .collect::<Vec<_>>()
            .concat();
        format!("WITH c0 AS (SELECT id FROM d.t){more} SELECT id FROM c{}", n - 1)
    };
    let mut statements = Vec::new();
    let mut add = |name: &str, fitting: usize, past: usize, text: &dyn Fn(usize) -> String| {
        statements.push((format!("{name} {fitting}"), text(fitting), true));
        statements.push((format!("{name} {past}"), text(past), false));
    };
    add("IN", 500, 700, &|n| format!("SELECT id IN ({}) FROM d.t", joined("7", ", ", n)));
    add("OR", 60, 1000, &|n| format!("SELECT {} FROM d.t", joined("id = v", " OR ", n)));
    add("AND", 60, 20_000, &|n| {
        format!("SELECT 1 FROM d.t WHERE {}", joined("id < 9", " AND ", n))
    });
    add("+", 60, 300, &|n| format!("SELECT {} FROM d.t", joined("id", " + ", n)));
    add("UNION", 20, 200, &|n| joined("SELECT id FROM d.t", " UNION ALL ", n));
    add("JOIN", 20, 200, &|n| format!("SELECT 1 FROM d.t {}", "JOIN d.u USING (id) ".repeat(n)));
    add("comma", 20, 200, &|n| format!("SELECT 1 FROM {}", joined("UNNEST([1])", ", ", n)));
    add("WITH", 15, 200, &ctes);
    add("grouped WITH", 20, 200, &grouped);
    add("(", 18, 10_000, &|n| nested("(", "id", ")", n));
    add("ABS", 18, 500, &|n| nested("ABS(", "id", ")", n));
    add("IF", 14, 500, &|n| nested("IF(id > 1, 1, ", "id", ")", n));
    add("CASE", 13, 500, &|n| nested("CASE WHEN id > 1 THEN 1 ELSE ", "id", " END", n));
    add("SELECT", 8, 500, &|n| nested("(SELECT ", "1", ")", n));
    add("FROM", 8, 500, &|n| {
        format!("SELECT id FROM {}d.t{}", "(SELECT id FROM ".repeat(n), ")".repeat(n))
    });
    add("mixed", 3, 500, &|n| {
        let open = "(SELECT 1 + id + ABS(id + 1) AS id FROM ";
        format!("SELECT id FROM {}d.t{}", open.repeat(n), ")".repeat(n))
    });
    statements
}

#[test]
fn the_longest_statements_fit_a_small_stack() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tables().await;
            let mut wrong = Vec::new();
            for (name, text, fits) in long_statements() {
                let answer = folder.rows(&sql(&text)).await;
                let right = match &answer {
                    Ok(_) => fits,
                    Err(PortError::InvalidQuery(message)) => {
                        !fits
                            && ["one another", "IN of more than", "items in FROM"]
                                .iter()
                                .any(|n| message.contains(n))
                    }
                    Err(_) => false,
                };
                if !right {
                    wrong.push((name, answer.map(|rows| rows.len())));
                }
            }
            assert!(wrong.is_empty(), "{wrong:#?}");
        });
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[tokio::test]
async fn what_googlesql_rejects_is_refused() {
    let folder = tables().await;
    folder
        .refuses(&[
            ("SELECT id IN (9007199254740992, 0.5) FROM d.t", "beside FLOAT64"),
            ("SELECT CASE id WHEN 1 THEN 2 WHEN 0.5 THEN 3 END FROM d.t", "beside FLOAT64"),
            ("SELECT id BETWEEN 1 AND 2.5 FROM d.t", "beside FLOAT64"),
            ("SELECT [1, NULL]", "NULL"),
            ("SELECT FORMAT_DATE('%Y', DATE '0999-01-01')", "below the year 1000"),
            ("WITH a AS (SELECT 1), A AS (SELECT 2) SELECT 3", "the name A is given twice"),
            ("SELECT 1 AS 'x'", "a string literal as a name"),
            ("SELECT id FROM 'd.t'", "a string literal as a name"),
            ("SELECT 1 == 1", "=="),
            ("SELECT id FROM d.t OFFSET 1", "OFFSET without LIMIT"),
            ("SELECT id FROM d.t LIMIT ALL", "LIMIT ALL"),
            ("SELECT 'a\nb'", "a line break inside a literal"),
            ("SELECT '\\x+1'", "the escape \\x"),
            ("SELECT 1 1", "syntax error at 1:10"),
            ("SELECT id FROM d.t WHERE", "syntax error"),
            ("SELECT id id2 id3 FROM d.t", "id3 is not expected here"),
            ("SELECT DATE_TRUNC(DATE '2026-01-01', HOUR)", "DATE_TRUNC with the part HOUR"),
        ])
        .await;
    let rows =
        folder.warehouse.query(&support::with("SELECT @p", &[("p", int(1))]), None).await.unwrap();
    assert_eq!(rows.columns[0].0, "f0_");
}

fn int(value: i64) -> common::warehouse::Param {
    use common::warehouse::{DataType, Param, Value};
    Param { kind: DataType::Int64, value: Value::Int64(value) }
}

#[tokio::test]
async fn loads_keep_every_digit_or_name_the_line() {
    let folder = folder(&["d"]).await;
    let schema = r#"[{"name": "n", "type": "NUMERIC"}, {"name": "s", "type": "STRING"}]"#;
    let file = folder.dir.path().join("n.json");
    let load = async |line: &str| {
        std::fs::write(&file, line).unwrap();
        let columns = serde_json::from_str(schema).unwrap();
        let uri = file.to_string_lossy().into_owned();
        let load = Load { uri, format: Format::Ndjson, columns, max_bad_records: 0 };
        let target = support::target("d.n", WriteMode::Replace);
        folder.warehouse.load(&load, &target, &support::job(line)).await
    };
    for (line, named) in [
        (r#"{"n": 12345678901234567.123456789}"#, "may have lost digits"),
        (r#"{"n": 123456789.100000003}"#, "may have lost digits"),
        (r#"{"s": 1.10}"#, "may be spelled otherwise"),
        (r#"{"n": 1, "n": 2}"#, "n stands twice"),
        (r#"{"n": 1, "N": 2}"#, "stands twice"),
    ] {
        let error = load(line).await.unwrap_err().to_string();
        assert!(error.contains(named), "{line}: {error}");
    }
    load(r#"{"n": 1234.123456789, "s": 9007199254740993}"#).await.unwrap();
    let rows = folder.rows(&sql("SELECT t.n, t.s FROM d.n AS t")).await.unwrap();
    assert_eq!(rows, [r#"["1234.123456789","9007199254740993"]"#]);
}

#[tokio::test]
async fn each_of_many_groups_counts_and_adds_as_one_alone() {
    let folder = tables().await;
    let edge =
        "(SELECT 1 AS g, 9223372036854775807 AS x UNION ALL SELECT 2, 5 UNION ALL SELECT 1, 1";
    let back = format!(
        "SELECT g, SUM(x) >= 9223372036854775807 AS top FROM {edge} UNION ALL SELECT 1, -1) GROUP BY g ORDER BY g"
    );
    folder
        .answers(&[
            // More groups than a batch has rows.
            (
                "SELECT COUNT(*) AS a, SUM(n) AS b, LOGICAL_AND(s = 3 * g + 30000 AND m = g + 10000.0) AS c, SUM(e) AS d FROM (SELECT MOD(x, 10000) AS g, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, COUNTIF(x < 15000) AS e FROM UNNEST(GENERATE_ARRAY(0, 29999)) AS x GROUP BY g)",
                &["[10000,30000,true,15000]"],
            ),
            (
                "SELECT s, SUM(v) AS a, COUNT(v) AS b, COUNT(*) AS c, COUNTIF(v > 0) AS d, AVG(v) IS NULL AS e FROM d.u GROUP BY s ORDER BY s",
                &["[\"w\",null,0,1,0,true]", "[\"x\",0,1,1,0,false]", "[\"y\",2,1,1,1,false]", "[\"z\",1,1,1,1,false]"],
            ),
            // A tenth ten times over, and NUMERIC, exactly.
            (
                "SELECT g, SUM(f) = 1.0 AS a, SUM(n) = NUMERIC '1' AS b, AVG(n) = NUMERIC '0.1' AS c FROM (SELECT MOD(x, 2) AS g, 0.1 AS f, NUMERIC '0.1' AS n FROM UNNEST(GENERATE_ARRAY(1, 20)) AS x) GROUP BY g ORDER BY g",
                &["[0,true,true,true]", "[1,true,true,true]"],
            ),
            (back.as_str(), &["[1,true]", "[2,false]"]),
            ("SELECT s, SUM(v) AS a FROM d.u WHERE id > 9 GROUP BY s", &[]),
        ])
        .await;
    let over = format!("SELECT g, SUM(x) AS s FROM {edge}) GROUP BY g");
    folder
        .refuses(&[
            (over.as_str(), "INT64 overflow in SUM"),
            (
                "SELECT id, SUM(n) AS s FROM (SELECT id, NUMERIC '99999999999999999999999999999' AS n FROM d.t UNION ALL SELECT id, NUMERIC '1' FROM d.u) GROUP BY id",
                "NUMERIC overflow in SUM",
            ),
            (
                "SELECT g, SUM(f) AS s FROM (SELECT MOD(x, 2) AS g, 1e308 AS f FROM UNNEST(GENERATE_ARRAY(1, 9)) AS x) GROUP BY g",
                "FLOAT64 overflow",
            ),
        ])
        .await;
}
