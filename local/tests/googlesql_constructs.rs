//! Wildcards and other constructs answer as GoogleSQL says, or are refused by name and place.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const SCHEMA: &str = r#"[
    {"name": "id", "type": "INT64", "mode": "REQUIRED"}, {"name": "g", "type": "STRING"},
    {"name": "v", "type": "INT64"}, {"name": "f", "type": "FLOAT64"},
    {"name": "s", "type": "RECORD", "fields": [
        {"name": "a", "type": "INT64"},
        {"name": "r", "type": "RECORD", "fields": [{"name": "x", "type": "STRING"}, {"name": "y", "type": "INT64"}]}]},
    {"name": "labels", "type": "RECORD", "mode": "REPEATED", "fields": [
        {"name": "key", "type": "STRING"}, {"name": "value", "type": "STRING"}]}
]"#;

const ROWS: &str = r#"
{"id":1,"g":"b","v":10,"f":0.5,"s":{"a":1,"r":{"x":"p","y":2}},"labels":[{"key":"team","value":"core"}]}
{"id":2,"g":"a","v":20,"f":-0.0,"s":{"a":3,"r":null},"labels":[]}
{"id":3,"g":"b","v":null,"f":0,"s":null,"labels":[]}
{"id":4,"g":null,"v":10,"f":null,"s":null,"labels":[]}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.t", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

async fn answered(cases: &[(&str, &[&str])]) {
    table().await.answers(cases).await;
}

async fn refused(cases: &[(&str, &str)]) {
    table().await.refuses(cases).await;
}

#[tokio::test]
async fn wildcards_leave_out_and_replace() {
    answered(&[
        ("SELECT * EXCEPT (s, labels, F) FROM d.t WHERE id = 1", &["[1,\"b\",10]"]),
        (
            "SELECT * EXCEPT (s, labels, f) REPLACE (v * 2 AS V, UPPER(g) AS g) FROM d.t ORDER BY id LIMIT 2",
            &["[1,\"B\",20]", "[2,\"A\",40]"],
        ),
        // A replacement reads the column, not the other replacement; WHERE reads the table, ORDER BY the list.
        (
            "SELECT * EXCEPT (s, labels, f, g) REPLACE (-v AS id, id AS v) FROM d.t WHERE id < 3 ORDER BY v DESC",
            &["[-20,2]", "[-10,1]"],
        ),
        (
            "SELECT a.* EXCEPT (s, labels, f), b.* EXCEPT (s, labels, f, g) FROM d.t AS a JOIN d.t AS b ON b.id = a.id + 1 ORDER BY 1",
            &["[1,\"b\",10,2,20]", "[2,\"a\",20,3,null]", "[3,\"b\",null,4,10]"],
        ),
        // EXCEPT leaves out every column of the name, and none without one.
        ("SELECT * EXCEPT (x) FROM (SELECT 1 AS x, 2 AS y, 3 AS x, 4)", &["[2,4]"]),
        ("SELECT s.* EXCEPT (r) FROM d.t ORDER BY id", &["[1]", "[3]", "[null]", "[null]"]),
        ("SELECT s.r.* FROM d.t ORDER BY id", &["[\"p\",2]", "[null,null]", "[null,null]", "[null,null]"]),
        ("SELECT t.s.r.*, (s.r).* REPLACE (0 AS y) FROM d.t AS t WHERE id = 1", &["[\"p\",2,\"p\",0]"]),
        ("SELECT l.* EXCEPT (value) FROM d.t, UNNEST(labels) AS l", &["[\"team\"]"]),
        ("SELECT * EXCEPT (v) REPLACE (SUM(v) OVER (ORDER BY id) AS id) FROM (SELECT id, v FROM d.t) ORDER BY 1", &["[10]", "[30]", "[30]", "[40]"]),
        ("SELECT * EXCEPT (f) FROM (SELECT id, f FROM d.t) AS x JOIN (SELECT id, g FROM d.t) AS y USING (id) WHERE id = 2", &["[2,\"a\"]"]),
    ])
    .await;
    refused(&[
        (
            "SELECT * EXCEPT (nosuch) FROM d.t",
            "EXCEPT names nosuch, which is no column of * at 1:18",
        ),
        ("SELECT * EXCEPT (v, V) FROM d.t", "EXCEPT names V twice at 1:21"),
        ("SELECT * EXCEPT (v) REPLACE (1 AS v) FROM d.t", "REPLACE names v, which is no column"),
        (
            "SELECT * REPLACE (1 AS nosuch) FROM d.t",
            "REPLACE names nosuch, which is no column of * at 1:24",
        ),
        ("SELECT * REPLACE (1 AS v, 2 AS v) FROM d.t", "REPLACE names v twice"),
        ("SELECT * REPLACE (nosuch AS v) FROM d.t", "nosuch is not in sight"),
        ("SELECT * REPLACE (9 AS x) FROM (SELECT 1 AS x, 3 AS x)", "the name of several columns"),
        ("SELECT * EXCEPT (x) FROM (SELECT 1 AS x)", "leaves no column at 1:8"),
        ("SELECT s.* EXCEPT (v) FROM d.t", "EXCEPT names v"),
        ("SELECT v.* FROM d.t", ".* of a INT64"),
        ("SELECT labels.* FROM d.t", ".* of a ARRAY"),
        ("SELECT x.* FROM UNNEST([1]) AS x", ".* of a INT64"),
        ("SELECT nosuch.* FROM d.t", "nosuch is not in sight"),
        ("SELECT s.* FROM d.t AS s", "the name s is a table and a column"),
        ("SELECT * EXCEPT (v)", "SELECT * without FROM"),
        ("SELECT * EXCEPT (s, labels) FROM d.t GROUP BY id", "neither grouped nor aggregated"),
    ])
    .await;
}

#[tokio::test]
async fn sets_compare_rows_by_value() {
    answered(&[
        ("SELECT v FROM d.t EXCEPT DISTINCT SELECT 20 ORDER BY v", &["[null]", "[10]"]),
        ("SELECT v, g FROM d.t INTERSECT DISTINCT SELECT NULL, 'b'", &["[null,\"b\"]"]),
        ("SELECT v FROM d.t EXCEPT DISTINCT SELECT v FROM d.t WHERE v IS NULL ORDER BY 1", &["[10]", "[20]"]),
        ("SELECT v FROM d.t EXCEPT DISTINCT SELECT v FROM d.t WHERE FALSE ORDER BY 1", &["[null]", "[10]", "[20]"]),
        ("SELECT v FROM d.t WHERE FALSE INTERSECT DISTINCT SELECT v FROM d.t", &[]),
        // Both zeros are one, and the types widen.
        ("SELECT f FROM d.t INTERSECT DISTINCT SELECT 0", &["[0.0]"]),
        ("SELECT id FROM d.t EXCEPT DISTINCT SELECT 1.0 EXCEPT DISTINCT SELECT 2 ORDER BY id", &["[3.0]", "[4.0]"]),
        (
            "SELECT id FROM d.t EXCEPT DISTINCT (SELECT 1 UNION ALL SELECT 4) ORDER BY id DESC LIMIT 1",
            &["[3]"],
        ),
        ("SELECT COUNT(*) FROM (SELECT 1 AS x UNION ALL SELECT 1 UNION ALL SELECT 1)", &["[3]"]),
        (
            "WITH a AS (SELECT id FROM d.t) SELECT id FROM a INTERSECT DISTINCT SELECT id + 2 FROM a ORDER BY id",
            &["[3]", "[4]"],
        ),
    ])
    .await;
    refused(&[
        ("SELECT 1 EXCEPT ALL SELECT 1", "EXCEPT ALL at 1:"),
        ("SELECT 1 INTERSECT ALL SELECT 1", "INTERSECT ALL at 1:"),
        ("SELECT 1 EXCEPT SELECT 1", "EXCEPT"),
        ("SELECT 1 EXCEPT DISTINCT SELECT 1, 2", "EXCEPT of 1 and of 2 columns"),
        ("SELECT 1 INTERSECT DISTINCT SELECT 'x'", "no common type"),
        ("SELECT s FROM d.t EXCEPT DISTINCT SELECT s FROM d.t", "grouping by a STRUCT"),
        ("SELECT 1 UNION ALL SELECT 2 UNION DISTINCT SELECT 2", "needs parentheses"),
        ("SELECT 1 UNION ALL SELECT 2 INTERSECT DISTINCT SELECT 2", "needs parentheses"),
        ("SELECT 1 EXCEPT DISTINCT SELECT 2 INTERSECT DISTINCT SELECT 2", "needs parentheses"),
    ])
    .await;
}

#[tokio::test]
async fn values_are_collected_in_order() {
    answered(&[
        (
            "SELECT ARRAY_AGG(id ORDER BY id DESC), ARRAY_AGG(id ORDER BY v DESC, id LIMIT 2), ARRAY_AGG(DISTINCT v IGNORE NULLS ORDER BY v DESC), \
             ARRAY_AGG(v IGNORE NULLS ORDER BY id), ARRAY_AGG(id ORDER BY f, id) FROM d.t",
            &["[[4,3,2,1],[2,1],[20,10],[10,20,10],[4,2,3,1]]"],
        ),
        (
            "SELECT STRING_AGG(g ORDER BY id), STRING_AGG(g, '|' ORDER BY g, id LIMIT 2), STRING_AGG(DISTINCT g, '' ORDER BY g), \
             STRING_AGG(CAST(v AS STRING) ORDER BY v NULLS LAST, id) FROM d.t",
            &["[\"b,a,b\",\"a|b\",\"ab\",\"10,10,20\"]"],
        ),
        (
            "SELECT g, ARRAY_AGG(id ORDER BY id) AS ids, STRING_AGG(g) FROM d.t GROUP BY g ORDER BY g",
            &["[null,[4],null]", "[\"a\",[2],\"a\"]", "[\"b\",[1,3],\"b,b\"]"],
        ),
        ("SELECT ARRAY_AGG(id) IS NULL, STRING_AGG(g) IS NULL FROM d.t WHERE FALSE", &["[true,true]"]),
        ("SELECT ARRAY_AGG(v IGNORE NULLS) IS NULL FROM d.t WHERE v IS NULL", &["[true]"]),
        (
            "SELECT id FROM (SELECT ARRAY_AGG(id ORDER BY id) AS ids FROM d.t), UNNEST(ids) AS id ORDER BY id DESC LIMIT 1",
            &["[4]"],
        ),
    ])
    .await;
    refused(&[
        ("SELECT ARRAY_AGG(v) FROM d.t", "an array of the result has a NULL element"),
        ("SELECT ARRAY_AGG(labels) FROM d.t", "there is no array of arrays at 1:8"),
        ("SELECT ARRAY_AGG(DISTINCT s) FROM d.t", "grouping by a STRUCT"),
        ("SELECT ARRAY_AGG(DISTINCT v ORDER BY id) FROM d.t", "takes its value alone at 1:38"),
        ("SELECT ARRAY_AGG(id LIMIT 0) FROM d.t", "LIMIT takes a constant INT64"),
        ("SELECT ARRAY_AGG(id LIMIT v) FROM d.t", "LIMIT takes a constant INT64"),
        ("SELECT ARRAY_AGG(id ORDER BY 1) FROM d.t", "a constant in an aggregate's ORDER BY"),
        ("SELECT ARRAY_AGG(SUM(v)) FROM d.t", "not allowed in another aggregate"),
        ("SELECT STRING_AGG(v) FROM d.t", "a value of type INT64 is not a STRING"),
        ("SELECT STRING_AGG(g, g) FROM d.t", "STRING_AGG with a computed delimiter"),
        ("SELECT STRING_AGG(g IGNORE NULLS) FROM d.t", "STRING_AGG with IGNORE NULLS"),
        ("SELECT id FROM d.t WHERE ARRAY_AGG(id) IS NULL", "not allowed in WHERE"),
        ("SELECT ARRAY_AGG(id) OVER () FROM d.t", "ARRAY_AGG with OVER"),
    ])
    .await;
}

#[tokio::test]
async fn where_keeps_rows_by_what_other_rows_are() {
    answered(&[
        ("SELECT id FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b WHERE b.v = a.v AND b.id != a.id) ORDER BY id", &["[1]", "[4]"]),
        ("SELECT id FROM d.t AS a WHERE NOT EXISTS (SELECT 1 FROM d.t AS b WHERE b.v = a.v AND b.id != a.id) ORDER BY id", &["[2]", "[3]"]),
        ("SELECT id FROM d.t AS a WHERE id < 4 AND (NOT EXISTS (SELECT x.id FROM d.t AS x WHERE x.g = a.g AND x.id < a.id)) ORDER BY id", &["[1]", "[2]"]),
        ("SELECT id FROM d.t AS a WHERE v IN (SELECT b.v FROM d.t AS b WHERE b.id > a.id) ORDER BY id", &["[1]"]),
        ("SELECT id FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b, UNNEST(b.labels) AS l WHERE l.value = 'core' AND b.g = a.g) ORDER BY id", &["[1]", "[3]"]),
        ("SELECT COUNT(*) FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b WHERE a.id = 1)", &["[1]"]),
        ("SELECT COUNT(*) FROM d.t AS a WHERE NOT EXISTS (SELECT 1 FROM d.t AS b WHERE b.v > a.v OR a.v IS NULL)", &["[1]"]),
        // An aggregate makes a row of none.
        ("SELECT COUNT(*) FROM d.t WHERE EXISTS (SELECT COUNT(*) FROM d.t WHERE FALSE)", &["[4]"]),
    ])
    .await;
    refused(&[
        ("SELECT id FROM d.t AS a WHERE v NOT IN (SELECT b.v FROM d.t AS b WHERE b.id > a.id)", "reads a.id of the query around it"),
        ("SELECT id FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b WHERE b.id = a.id) OR id = 1", "reads a.id of the query around it"),
        ("SELECT id FROM d.t AS a WHERE EXISTS (SELECT COUNT(*) FROM d.t AS b WHERE b.id = a.id)", "reads a.id of the query around it"),
        ("SELECT id FROM d.t AS a WHERE EXISTS (SELECT 1 FROM d.t AS b WHERE b.nosuch = a.id)", "b has no column nosuch"),
        ("SELECT id FROM d.t AS a WHERE v IN (SELECT b.v, 1 FROM d.t AS b WHERE b.id > a.id)", "one column"),
    ])
    .await;
}

#[tokio::test]
async fn distinct_values_are_added_once() {
    answered(&[
        ("SELECT SUM(DISTINCT v), AVG(DISTINCT v), SUM(DISTINCT f), LOGICAL_OR(DISTINCT v > 5) FROM d.t", &["[30,15.0,0.5,true]"]),
        ("SELECT g, SUM(DISTINCT v) FROM d.t GROUP BY g ORDER BY g", &["[null,10]", "[\"a\",20]", "[\"b\",10]"]),
        ("SELECT SUM(DISTINCT v), AVG(DISTINCT CAST(v AS NUMERIC)) FROM d.t WHERE FALSE", &["[null,null]"]),
        // Both zeros are one value, and so is every NaN; MIN and MAX are NaN where there is one.
        (
            "SELECT COUNT(DISTINCT x) FROM UNNEST([0.0, -0.0, CAST('nan' AS FLOAT64), -CAST('nan' AS FLOAT64), NULL]) AS x",
            &["[2]"],
        ),
        (
            "SELECT x > 1, COUNT(DISTINCT y) FROM UNNEST([1, 1, 2]) AS x, UNNEST([0.0, -0.0]) AS y GROUP BY 1 ORDER BY 1",
            &["[false,1]", "[true,1]"],
        ),
        (
            "SELECT g, IS_NAN(MIN(x)), IS_NAN(MAX(x)) FROM UNNEST([1, 2]) AS g, UNNEST([1.5, IF(g = 1, CAST('nan' AS FLOAT64), 2.5), -1.0]) AS x GROUP BY g ORDER BY g",
            &["[1,true,true]", "[2,false,false]"],
        ),
        ("SELECT (SELECT SUM(DISTINCT x) FROM UNNEST([2, 2, 5]) AS x)", &["[7]"]),
    ])
    .await;
    refused(&[
        (
            "SELECT SUM(DISTINCT x) FROM UNNEST([9223372036854775807, 1]) AS x",
            "INT64 overflow in SUM",
        ),
        ("SELECT COUNTIF(DISTINCT v > 1) FROM d.t", "COUNTIF(DISTINCT …) at 1:8"),
        ("SELECT SUM(DISTINCT v) OVER () FROM d.t", "SUM(DISTINCT …)"),
    ])
    .await;
}

#[tokio::test]
async fn how_far_values_lie_apart_is_measured() {
    answered(&[
        (
            "SELECT STDDEV(x), STDDEV_SAMP(x), VARIANCE(x), VAR_SAMP(x), VAR_POP(x), STDDEV_POP(x) FROM UNNEST([10, 14, NULL, 18]) AS x",
            &["[4.0,4.0,16.0,16.0,10.666666666666666,3.265986323710904]"],
        ),
        ("SELECT STDDEV(x), VAR_POP(x), STDDEV_POP(x) FROM UNNEST([7, NULL]) AS x", &["[null,0.0,0.0]"]),
        ("SELECT VARIANCE(x), VAR_POP(x) FROM UNNEST(ARRAY<NUMERIC>[]) AS x", &["[null,null]"]),
        // As doubles these would lose the digits that tell them apart.
        (
            "SELECT VARIANCE(x) FROM UNNEST([NUMERIC '100000000000000.1', NUMERIC '100000000000000.2', NUMERIC '100000000000000.3']) AS x",
            &["[0.010000000000000002]"],
        ),
        (
            "SELECT VAR_POP(x) FROM UNNEST([9223372036854775807, 9223372036854775805]) AS x",
            &["[1.0]"],
        ),
        (
            "SELECT IS_NAN(VAR_POP(x)), IS_NAN(STDDEV(x)) FROM UNNEST([1.5, CAST('inf' AS FLOAT64)]) AS x",
            &["[true,true]"],
        ),
        (
            "SELECT x, VAR_POP(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM UNNEST([2, 4, 8]) AS x ORDER BY x",
            &["[2,0.0]", "[4,1.0]", "[8,4.0]"],
        ),
        ("SELECT (SELECT VARIANCE(x) FROM UNNEST([1, 3]) AS x)", &["[2.0]"]),
    ])
    .await;
    refused(&[
        ("SELECT STDDEV(g) FROM d.t", "no matching signature of STDDEV for (STRING)"),
        ("SELECT STDDEV(DISTINCT v) FROM d.t", "STDDEV(DISTINCT …) at 1:8"),
        ("SELECT VARIANCE(x) FROM UNNEST([-1e300, 1e300]) AS x", "a variance beyond"),
    ])
    .await;
}
