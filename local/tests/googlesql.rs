//! What the embedded warehouse answers is GoogleSQL's answer; what it does not know it refuses by name and place.

use common::port::PortError;
use common::warehouse::{DataType, Format, Param, Value};

#[path = "support/warehouse.rs"]
mod support;
use support::{folder, sql, with};

const SCHEMA: &str = r#"[
    {"name": "id", "type": "INT64", "mode": "REQUIRED"},
    {"name": "service", "type": "RECORD", "fields": [{"name": "description", "type": "STRING"}]},
    {"name": "at", "type": "TIMESTAMP"}, {"name": "day", "type": "DATE"},
    {"name": "cost", "type": "FLOAT64"}, {"name": "price", "type": "NUMERIC"},
    {"name": "labels", "type": "RECORD", "mode": "REPEATED", "fields": [
        {"name": "key", "type": "STRING"}, {"name": "value", "type": "STRING"}]},
    {"name": "credits", "type": "RECORD", "mode": "REPEATED", "fields": [
        {"name": "amount", "type": "FLOAT64"}]}
]"#;

const ROWS: &str = r#"
{"id":1,"service":{"description":"Compute"},"at":"2026-01-31T23:30:00.25Z","day":"2026-01-31","cost":10,"price":"1.123456789","labels":[{"key":"team","value":"core"},{"key":"env","value":"prod"}],"credits":[{"amount":-1},{"amount":-2}]}
{"id":2,"service":{"description":"Compute"},"at":"2026-02-01 00:00:00","day":"2026-02-01","cost":20,"price":"2.5","labels":[{"key":"team","value":"data"}],"credits":[]}
{"id":3,"service":{"description":"Storage"},"at":"2026-02-01 05:00:00+02:00","day":"2026-02-01","cost":5.5,"price":null,"labels":[]}
{"id":4,"service":null,"at":null,"day":null,"cost":null,"price":"-0.000000001","labels":[{"key":"env","value":null}],"credits":[{"amount":null}]}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.t", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn answers_are_googlesqls() {
    let folder = table().await;
    for (text, expected) in [
        // Types and arithmetic.
        ("SELECT 7 / 2, DIV(-7, 2), MOD(-7, 2), -7 * 3, 1 + 2.5", "[3.5,-3,-1,-21,3.5]"),
        (
            "SELECT NUMERIC '0.1' + 1, NUMERIC '1' / 3, NUMERIC '1.5' * NUMERIC '0.000000001'",
            r#"["1.1","0.333333333","0.000000002"]"#,
        ),
        (
            "SELECT SAFE_DIVIDE(1, 0), SAFE_ADD(9223372036854775807, 1), -9223372036854775808",
            "[null,null,\"-9223372036854775808\"]",
        ),
        (
            "SELECT ROUND(2.5), ROUND(-2.5), ROUND(1.115, 2), ROUND(2.345, 2), ROUND(NUMERIC '2.345', 2), ROUND(1234.5, -2)",
            r#"[3.0,-3.0,1.11,2.35,"2.35",1200.0]"#,
        ),
        (
            "SELECT FLOOR(-1.5), CEIL(-1.5), CEIL(NUMERIC '1.1'), FLOOR(NUMERIC '-1.1'), ABS(-3)",
            r#"[-2.0,-1.0,"2","-2",3]"#,
        ),
        (
            "SELECT CAST(2.5 AS INT64), CAST(-2.5 AS INT64), CAST('0x1f' AS INT64), CAST(NUMERIC '2.5' AS INT64)",
            "[3,-3,31,3]",
        ),
        (
            "SELECT SAFE_CAST('x' AS INT64), SAFE_CAST('1e40' AS NUMERIC), SAFE_CAST('2026-02-30' AS DATE), CAST(NULL AS STRING)",
            "[null,null,null,null]",
        ),
        (
            "SELECT CAST(TRUE AS STRING), CAST(DATE '2026-01-02' AS STRING), CAST(NUMERIC '1.50' AS STRING)",
            r#"["true","2026-01-02","1.5"]"#,
        ),
        // NULLs and logic.
        (
            "SELECT NULL IS NULL, 1 IN (2, NULL), 1 NOT IN (2, NULL), 1 IN (1, NULL)",
            "[true,null,null,true]",
        ),
        (
            "SELECT IF(NULL, 1, 2), IFNULL(NULL, 3), COALESCE(NULL, NULL, 4), NULLIF(5, 5), CASE 1 WHEN 2 THEN 'a' ELSE 'b' END",
            r#"[2,3,4,null,"b"]"#,
        ),
        (
            "SELECT NULL IS TRUE, (1 = 1) IS TRUE, FALSE IS NOT FALSE, NULL AND FALSE, NULL OR TRUE",
            "[false,true,false,false,true]",
        ),
        ("SELECT 1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL", "[true,true]"),
        (
            "SELECT 2 BETWEEN 1 AND 3, 2 NOT BETWEEN 1 AND 3, IF(FALSE, 1 / 0, 1)",
            "[true,false,1.0]",
        ),
        // Text.
        (
            "SELECT LENGTH('äö'), SUBSTR('hello', -3, 2), SUBSTR('hello', 0, 2), UPPER('ß'), CONCAT('a', NULL)",
            r#"[2,"ll","he","SS",null]"#,
        ),
        (
            "SELECT 'a_c' LIKE 'a\\\\_c', 'abc' LIKE 'a%_', 'a' LIKE 'A', REPLACE('aaa', 'aa', 'b'), TRIM('xax', 'x')",
            r#"[true,true,false,"ba","a"]"#,
        ),
        (
            "SELECT '\\x41\\u00e9', r'\\n', \"it's\", 'a' || 'b', STARTS_WITH('abc', 'ab'), LPAD('7', 3, '0')",
            r#"["Aé","\\n","it's","ab",true,"007"]"#,
        ),
        // Dates.
        (
            "SELECT DATE_ADD(DATE '2024-01-31', INTERVAL 1 MONTH), DATE_SUB(DATE '2026-03-01', INTERVAL 1 DAY)",
            r#"["2024-02-29","2026-02-28"]"#,
        ),
        (
            "SELECT DATE_DIFF(DATE '2026-01-04', DATE '2026-01-03', WEEK), DATE_DIFF(DATE '2026-02-01', DATE '2026-01-31', MONTH)",
            "[1,1]",
        ),
        (
            "SELECT DATE_TRUNC(DATE '2026-02-14', MONTH), DATE_TRUNC(DATE '2026-02-14', WEEK), DATE_TRUNC(DATE '2026-02-14', ISOWEEK)",
            r#"["2026-02-01","2026-02-08","2026-02-09"]"#,
        ),
        (
            "SELECT EXTRACT(DAYOFWEEK FROM DATE '2026-02-01'), EXTRACT(ISOWEEK FROM DATE '2027-01-01'), EXTRACT(QUARTER FROM DATE '2026-05-01')",
            "[1,53,2]",
        ),
        (
            "SELECT CURRENT_DATE(), CURRENT_TIMESTAMP(), FORMAT_DATE('%Y-%m-%d', DATE '2026-01-02'), DATE(2026, 1, 2)",
            r#"["2026-02-10","2026-02-10T12:34:56.789012Z","2026-01-02","2026-01-02"]"#,
        ),
        (
            "SELECT DATE(at), TIMESTAMP_TRUNC(at, HOUR), EXTRACT(MILLISECOND FROM at) FROM d.t WHERE id = 1",
            r#"["2026-01-31","2026-01-31T23:00:00Z",250]"#,
        ),
        (
            "SELECT TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 01:00:00', TIMESTAMP '2026-01-01 00:00:01', HOUR)",
            "[0]",
        ),
        // Aggregates.
        (
            "SELECT COUNT(*), COUNT(cost), COUNT(DISTINCT day), SUM(cost), AVG(id), MIN(at), MAX(day), SUM(price) FROM d.t",
            r#"[4,3,2,35.5,2.5,"2026-01-31T23:30:00.250Z","2026-02-01","3.623456788"]"#,
        ),
        (
            "SELECT COUNTIF(cost > 6), LOGICAL_OR(cost > 6), LOGICAL_AND(cost > 6), SUM(id) FROM d.t",
            "[2,true,false,10]",
        ),
        ("SELECT SUM(id), COUNT(*), MAX(cost) FROM d.t WHERE FALSE", "[null,0,null]"),
        ("SELECT COUNT(*) FROM (SELECT id FROM d.t WHERE FALSE GROUP BY id)", "[0]"),
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, [expected], "{text}");
    }
}

#[tokio::test]
async fn rows_come_in_order_and_groups() {
    let folder = table().await;
    for (text, expected) in [
        ("SELECT cost FROM d.t ORDER BY cost", &["[null]", "[5.5]", "[10.0]", "[20.0]"][..]),
        ("SELECT id FROM d.t ORDER BY price DESC, id LIMIT 2 OFFSET 1", &["[1]", "[4]"]),
        (
            "SELECT service.description AS s, SUM(cost + IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS net \
             FROM d.t GROUP BY 1 HAVING net > 0 ORDER BY net DESC",
            &["[\"Compute\",27.0]", "[\"Storage\",5.5]"],
        ),
        (
            "SELECT (SELECT value FROM UNNEST(labels) WHERE key = 'team') AS team, COUNT(*) AS n FROM d.t GROUP BY team ORDER BY team",
            &["[null,2]", "[\"core\",1]", "[\"data\",1]"],
        ),
        (
            "SELECT l.key, COUNT(*) AS n FROM d.t, UNNEST(labels) AS l GROUP BY l.key ORDER BY n, l.key",
            &["[\"env\",2]", "[\"team\",2]"],
        ),
        (
            "SELECT t.id, l.value FROM d.t LEFT JOIN UNNEST(labels) AS l ORDER BY id, value",
            &["[1,\"core\"]", "[1,\"prod\"]", "[2,\"data\"]", "[3,null]", "[4,null]"],
        ),
        (
            "SELECT id FROM d.t WHERE EXISTS (SELECT 1 FROM UNNEST(labels) AS l WHERE l.key = 'env' AND l.value = 'prod')",
            &["[1]"],
        ),
        (
            "SELECT id FROM d.t WHERE 'team' IN (SELECT key FROM UNNEST(labels)) ORDER BY id",
            &["[1]", "[2]"],
        ),
        ("SELECT id FROM d.t WHERE cost = (SELECT MAX(cost) FROM d.t)", &["[2]"]),
        (
            "SELECT id FROM d.t WHERE id NOT IN (SELECT id + 1 FROM d.t WHERE cost IS NOT NULL) ORDER BY 1",
            &["[1]"],
        ),
        ("SELECT id FROM d.t WHERE cost NOT IN (SELECT cost FROM d.t WHERE id > 2)", &[]),
        (
            "WITH a AS (SELECT day, SUM(cost) AS c FROM d.t GROUP BY day) SELECT x.day, y.c FROM a AS x JOIN a AS y USING (day) ORDER BY day",
            &["[\"2026-01-31\",10.0]", "[\"2026-02-01\",25.5]"],
        ),
        (
            "SELECT a.id, b.id FROM d.t AS a LEFT JOIN d.t AS b ON b.id = a.id + 1 AND b.cost > 6 ORDER BY a.id",
            &["[1,2]", "[2,null]", "[3,null]", "[4,null]"],
        ),
        (
            "SELECT DISTINCT day FROM d.t ORDER BY day DESC",
            &["[\"2026-02-01\"]", "[\"2026-01-31\"]", "[null]"],
        ),
        ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x DESC", &["[2.5]", "[1.0]"]),
        (
            "SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS o ORDER BY o DESC",
            &["[\"b\",1]", "[\"a\",0]"],
        ),
    ] {
        let rows = folder.rows(&sql(text)).await.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(rows, expected, "{text}");
    }
}

#[tokio::test]
async fn parameters_are_typed_values() {
    let folder = table().await;
    let day = Param { kind: DataType::Date, value: Value::Date("2026-02-01".parse().unwrap()) };
    let names = Param {
        kind: DataType::Array(Box::new(DataType::String)),
        value: Value::Array(vec![
            Value::String("Compute".into()),
            Value::String("' OR 1=1".into()),
        ]),
    };
    let text = "SELECT id FROM d.t WHERE day = @day AND service.description IN UNNEST(@names)";
    let rows = folder.rows(&with(text, &[("day", day.clone()), ("names", names)])).await.unwrap();
    assert_eq!(rows, ["[2]"]);
    let error = folder.rows(&with(text, &[("day", day)])).await.unwrap_err();
    assert!(error.to_string().contains("@names"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_or_unknown_is_refused_by_name_and_place() {
    let folder = table().await;
    for (text, named) in [
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT 9223372036854775807 + id FROM d.t", "INT64 overflow"),
        ("SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x", "INT64 overflow in SUM"),
        ("SELECT NUMERIC '99999999999999999999999999999' * 2", "NUMERIC overflow"),
        ("SELECT CAST('x' AS INT64)", "'x' is not a INT64"),
        ("SELECT id = '1' FROM d.t", "at 1:8"),
        ("SELECT id FROM d.t WHERE service.description", "a value of type STRING is not a BOOL"),
        ("SELECT nothing FROM d.t", "the name nothing is not in sight at 1:8"),
        ("SELECT id, COUNT(*) FROM d.t", "id is neither grouped nor aggregated"),
        ("SELECT (SELECT value FROM UNNEST(labels)) FROM d.t", "more than one row"),
        (
            "SELECT a.id FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b WHERE b.id = a.id) OR FALSE",
            "a.id",
        ),
        ("SELECT 1 IS DISTINCT FROM 2 OR TRUE", "needs parentheses"),
        ("SELECT TRUE = TRUE = FALSE", "needs parentheses"),
        ("SELECT NOW()", "the function NOW at 1:8"),
        ("SELECT date_part('year', day) FROM d.t", "the function DATE_PART"),
        ("SELECT id FROM d.t PIVOT (SUM(cost) FOR id IN (1))", "give it one with AS"),
        ("SELECT * FROM `d.nosuch*`", "no table of d begins with nosuch"),
        ("SELECT `SORT KEY`(1.5)", "the function SORT KEY"),
        ("SELECT negate(1)", "the function NEGATE"),
        ("SELECT `+`(1, 2)", "the function +"),
        ("SELECT * FROM d.INFORMATION_SCHEMA.TABLES", "INFORMATION_SCHEMA"),
        ("SELECT * FROM EXTERNAL_QUERY('a', 'b')", "EXTERNAL_QUERY"),
        ("WITH RECURSIVE a AS (SELECT 1 FROM a) SELECT * FROM a", "WITH RECURSIVE"),
        ("CREATE TABLE d.x AS SELECT 1", "CREATE TABLE"),
        ("MERGE d.t USING d.t AS s ON FALSE WHEN NOT MATCHED THEN INSERT ROW", "MERGE"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("SELECT id FROM d.t |> WHERE id = 1", "|>"),
        ("SELECT DATE(at, 'Mars/Base') FROM d.t", "Mars/Base"),
        ("SELECT price > 0.1234567891 FROM d.t", "NUMERIC"),
        ("SELECT id FROM d.t GROUP BY service", "grouping by a STRUCT"),
        ("SELECT 'it''s'", "\\'"),
    ] {
        match folder.rows(&sql(text)).await {
            Err(PortError::InvalidQuery(message)) => {
                assert!(message.contains(named), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let missing = folder.rows(&sql("SELECT * FROM d.missing")).await.unwrap_err();
    assert!(matches!(missing, PortError::NotFound(_)), "{missing}");
}

#[tokio::test]
async fn functions_of_two_names_and_their_kin_agree() {
    let folder = folder(&["d"]).await;
    folder
        .answers(&[
            ("SELECT CEILING(1.2), CEILING(NUMERIC '-1.2'), SIGN(-3), SIGN(NUMERIC '0')", &[r#"[2.0,"-1",-1,"0"]"#]),
            ("SELECT IS_NAN(CAST('nan' AS FLOAT64)), IS_INF(CAST('-inf' AS FLOAT64)), IS_INF(1.0)", &["[true,true,false]"]),
            ("SELECT CHAR_LENGTH('ä€'), LEFT('häuser', 2), RIGHT('häuser', 2), LTRIM('  a '), RTRIM(' a  ')", &[r#"[2,"hä","er","a "," a"]"#]),
            ("SELECT LTRIM('xxa', 'x'), RTRIM('axx', 'x'), STRPOS('abcb', 'b'), STRPOS('abc', 'z'), ENDS_WITH('abc', 'bc')", &[r#"["a","a",2,0,true]"#]),
            ("SELECT SUBSTRING('abcdef', 2, 3), SUBSTRING('abcdef', -2), REGEXP_SUBSTR('a1b22', '[0-9]+', 1, 2)", &[r#"["bcd","ef","22"]"#]),
            ("SELECT SAFE_SUBTRACT(-9223372036854775808, 1), SAFE_SUBTRACT(3, 1), SAFE_MULTIPLY(9223372036854775807, 2), SAFE_MULTIPLY(3, 2)", &["[null,2,null,6]"]),
            (
                "SELECT TIMESTAMP_MICROS(1000001), TIMESTAMP_MILLIS(-1), UNIX_MICROS(TIMESTAMP '1970-01-01 00:00:01+00')",
                &[r#"["1970-01-01T00:00:01.000001Z","1969-12-31T23:59:59.999Z",1000000]"#],
            ),
        ])
        .await;
}
