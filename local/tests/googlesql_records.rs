//! STRUCT and ARRAY values, their elements and subqueries over them answer as GoogleSQL says, or are refused.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const SCHEMA: &str = r#"[
    {"name": "id", "type": "INT64", "mode": "REQUIRED"}, {"name": "f", "type": "FLOAT64"},
    {"name": "s", "type": "RECORD", "fields": [{"name": "a", "type": "INT64"}, {"name": "b", "type": "STRING"}]},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {"name": "credits", "type": "RECORD", "mode": "REPEATED", "fields": [
        {"name": "kind", "type": "STRING"}, {"name": "amount", "type": "NUMERIC"},
        {"name": "ids", "type": "INT64", "mode": "REPEATED"}]}
]"#;

const ROWS: &str = r#"
{"id":1,"f":0.5,"s":{"a":1,"b":"x"},"tags":["p","q","p"],"credits":[{"kind":"a","amount":"-1.5","ids":[1,2]},{"kind":"b","amount":"2","ids":[]},{"kind":"a","amount":null,"ids":[3]}]}
{"id":2,"f":-0.0,"s":null,"tags":[],"credits":[]}
{"id":3,"f":null,"s":{"a":null,"b":"y"},"credits":[{"kind":null,"amount":"7","ids":[4,5]}]}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.r", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

#[tokio::test]
async fn structs_are_built_and_compared() {
    let folder = table().await;
    folder
        .answers(&[
            ("SELECT STRUCT(1 AS a, 'x' AS b), STRUCT(1, 'x')", &[r#"[{"a":1,"b":"x"},{"_field_1":1,"_field_2":"x"}]"#]),
            ("SELECT STRUCT(id, s.b).b FROM d.r ORDER BY id", &[r#"["x"]"#, "[null]", r#"["y"]"#]),
            (
                "SELECT STRUCT<n NUMERIC, d DATE>(1, '2026-02-10'), STRUCT<INT64>(5)",
                &[r#"[{"n":"1","d":"2026-02-10"},{"_field_1":5}]"#],
            ),
            ("SELECT (1, 2) = (1, 2), STRUCT(1 AS a) = STRUCT(1.0 AS b), (1, NULL) = (1, 2), (1, NULL) = (2, 2)", &["[true,true,null,false]"]),
            ("SELECT (1, 2) != (1, 3), STRUCT(NULL) != STRUCT(1)", &["[true,null]"]),
            ("SELECT s = STRUCT(1, 'x') FROM d.r ORDER BY id", &["[true]", "[null]", "[false]"]),
            ("SELECT IF(id = 1, s, STRUCT(9, 'z')).a FROM d.r ORDER BY id", &["[1]", "[9]", "[9]"]),
            ("SELECT (SELECT AS STRUCT 2 AS b, 3 AS c).c", &["[3]"]),
            ("SELECT r FROM (SELECT id FROM d.r) AS r ORDER BY id LIMIT 1", &[r#"[{"id":1}]"#]),
            ("SELECT x.a FROM (SELECT AS STRUCT 4 AS a) AS x", &["[4]"]),
            ("SELECT STRUCT(1 AS a).*, STRUCT(s.b AS c).* FROM d.r WHERE id = 1", &[r#"[1,"x"]"#]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT STRUCT()", "syntax error at 1:15"),
            ("SELECT STRUCT(1 AS a, 2 AS A)", "two fields of the name A"),
            ("SELECT STRUCT<INT64>(1, 2)", "a STRUCT of 1 fields with 2 values at 1:"),
            ("SELECT STRUCT<a DATE>('nope')", "nope"),
            ("SELECT STRUCT(1) < STRUCT(2)", "< on STRUCT<INT64> at 1:"),
            (
                "SELECT STRUCT(1) = STRUCT('a')",
                "no matching signature of = for the types (STRUCT<INT64>, STRUCT<STRING>)",
            ),
            ("SELECT id FROM d.r ORDER BY s", "cannot be ordered"),
            ("SELECT STRUCT(1 AS a).b", "b"),
        ])
        .await;
}

#[tokio::test]
async fn arrays_are_built_and_read() {
    let folder = table().await;
    folder
        .answers(&[
            ("SELECT [id, id * 2], [1, 2.5], ARRAY<NUMERIC>[1, 2] FROM d.r WHERE id = 3", &[r#"[[3,6],[1.0,2.5],["1","2"]]"#]),
            ("SELECT [STRUCT(id AS a), STRUCT(7)] FROM d.r WHERE id = 1", &[r#"[[{"a":1},{"a":7}]]"#]),
            ("SELECT ARRAY<STRING>[], ARRAY<STRUCT<x INT64, y STRING>>[(1, 'a'), (2, 'b')]", &[r#"[[],[{"x":1,"y":"a"},{"x":2,"y":"b"}]]"#]),
            (
                "SELECT tags[OFFSET(0)], tags[ORDINAL(3)], tags[SAFE_OFFSET(9)], tags[SAFE_ORDINAL(0)], tags[1] FROM d.r WHERE id = 1",
                &[r#"["p","p",null,null,"q"]"#],
            ),
            ("SELECT credits[SAFE_OFFSET(0)].amount FROM d.r ORDER BY id", &[r#"["-1.5"]"#, "[null]", r#"["7"]"#]),
            ("SELECT credits[OFFSET(0)].ids[SAFE_OFFSET(1)] FROM d.r WHERE id != 2 ORDER BY id", &["[2]", "[5]"]),
            ("SELECT [10, 20, 30][OFFSET(id - 1)] FROM d.r ORDER BY id", &["[10]", "[20]", "[30]"]),
            // A stored array is never NULL.
            ("SELECT id FROM d.r WHERE tags IS NULL", &[]),
            ("SELECT ARRAY_LENGTH(tags) FROM d.r ORDER BY id", &["[3]", "[0]", "[0]"]),
            ("SELECT IF(id = 1, NULL, tags) FROM d.r WHERE id = 1", &["[[]]"]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT [[1]]", "an array of arrays does not exist"),
            ("SELECT [1, 'a']", "no common type for INT64, STRING; CAST them to one at 1:9"),
            ("SELECT tags[OFFSET(0)] FROM d.r", "the index 0 is outside an array of 0"),
            ("SELECT tags['a'] FROM d.r", "an array's index is an INT64"),
            ("SELECT f[0] FROM d.r", "[] on a FLOAT64"),
            ("SELECT [id, NULL] FROM d.r", "an array of the result has a NULL element"),
            ("SELECT [1, 2] = [1, 2]", "= on ARRAY<INT64> at 1:9"),
        ])
        .await;
}

#[tokio::test]
async fn subqueries_run_over_a_rows_arrays() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT id, (SELECT SUM(c.amount) FROM UNNEST(credits) AS c WHERE c.kind = 'a') FROM d.r ORDER BY id",
                &[r#"[1,"-1.5"]"#, "[2,null]", "[3,null]"],
            ),
            (
                "SELECT (SELECT SUM(i) FROM UNNEST(credits) AS c, UNNEST(c.ids) AS i), (SELECT COUNT(*) FROM UNNEST(credits) AS c, c.ids AS i WHERE i > id) FROM d.r ORDER BY id",
                &["[6,2]", "[null,0]", "[9,2]"],
            ),
            (
                "SELECT ARRAY(SELECT AS STRUCT kind, COUNT(*) AS n, SUM(amount) AS total FROM UNNEST(credits) GROUP BY kind HAVING n > 0 ORDER BY kind DESC) FROM d.r ORDER BY id",
                &[
                    r#"[[{"kind":"b","n":1,"total":"2"},{"kind":"a","n":2,"total":"-1.5"}]]"#,
                    "[[]]",
                    r#"[[{"kind":null,"n":1,"total":"7"}]]"#,
                ],
            ),
            ("SELECT ARRAY(SELECT DISTINCT t FROM UNNEST(tags) AS t ORDER BY t DESC) FROM d.r ORDER BY id", &[r#"[["q","p"]]"#, "[[]]", "[[]]"]),
            ("SELECT ARRAY(SELECT t FROM UNNEST(tags) AS t WITH OFFSET AS o ORDER BY o DESC LIMIT 2) FROM d.r WHERE id = 1", &[r#"[["p","q"]]"#]),
            ("SELECT ARRAY(SELECT t FROM UNNEST(tags) AS t WITH OFFSET AS o ORDER BY o LIMIT 1 OFFSET 1) FROM d.r ORDER BY id", &[r#"[["q"]]"#, "[[]]", "[[]]"]),
            ("SELECT (SELECT STRING_AGG(t, '-' ORDER BY t DESC) FROM UNNEST(tags) AS t) FROM d.r ORDER BY id", &[r#"["q-p-p"]"#, "[null]", "[null]"]),
            ("SELECT (SELECT t FROM UNNEST(tags) AS t WHERE t = 'q') FROM d.r ORDER BY id", &[r#"["q"]"#, "[null]", "[null]"]),
            ("SELECT EXISTS(SELECT 1 FROM UNNEST(credits) AS c JOIN UNNEST(c.ids) AS i ON i = id) FROM d.r ORDER BY id", &["[true]", "[false]", "[false]"]),
            ("SELECT ARRAY(SELECT v FROM UNNEST([3, 1, 2]) AS v ORDER BY v)", &["[[1,2,3]]"]),
            ("SELECT ARRAY(SELECT id FROM d.r ORDER BY id DESC), ARRAY(SELECT AS STRUCT id, f FROM d.r WHERE id = 1)", &[r#"[[3,2,1],[{"id":1,"f":0.5}]]"#]),
            ("SELECT (SELECT AS STRUCT COUNT(*) AS n, MAX(t) AS m FROM UNNEST(tags) AS t).n FROM d.r ORDER BY id", &["[3]", "[0]", "[0]"]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT (SELECT t FROM UNNEST(tags) AS t) FROM d.r", "more than one"),
            (
                "SELECT (SELECT t, 1 FROM UNNEST(tags) AS t) FROM d.r",
                "a subquery as a value has one column",
            ),
            (
                "SELECT ARRAY(SELECT ids FROM UNNEST(credits)) FROM d.r",
                "an array of arrays does not exist",
            ),
            (
                "SELECT ARRAY(SELECT t, COUNT(*) FROM UNNEST(tags) AS t) FROM d.r",
                "is not aggregated",
            ),
            ("SELECT (SELECT COUNT(*) FROM d.r AS i WHERE i.id > r.id) FROM d.r", "at 1:"),
        ])
        .await;
}
