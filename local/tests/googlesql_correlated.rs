//! Scalar subqueries that read the row around them answer as GoogleSQL says, or are refused by name and place.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const OUTER: &str = r#"[{"name": "id", "type": "INT64"}, {"name": "k", "type": "STRING"}, {"name": "n", "type": "NUMERIC"}, {"name": "f", "type": "FLOAT64"}]"#;

const OUTER_ROWS: &str = r#"
{"id":1,"k":"a","n":"1","f":1}
{"id":2,"k":"b","n":"2.5","f":2}
{"id":3,"k":"c","n":"3","f":3}
{"id":4,"k":null,"n":null,"f":null}
{"id":5,"k":"a","n":"1","f":1}
"#;

const INNER: &str = r#"[{"name": "k", "type": "STRING"}, {"name": "i", "type": "INT64"}, {"name": "v", "type": "INT64"}]"#;

const INNER_ROWS: &str = r#"
{"k":"a","i":1,"v":10}
{"k":"a","i":2,"v":null}
{"k":"b","i":3,"v":5}
{"k":null,"i":4,"v":99}
{"k":"d","i":5,"v":7}
{"k":"d","i":6,"v":8}
"#;

async fn tables() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.o", OUTER, Format::Ndjson, OUTER_ROWS).await;
    folder.load("d.i", INNER, Format::Ndjson, INNER_ROWS).await;
    folder
}

#[tokio::test]
async fn aggregates_of_the_rows_of_a_key() {
    tables()
        .await
        .answers(&[
            // Over no rows COUNT is 0 and the others NULL; NULL finds nothing, not even NULL.
            (
                "SELECT id, (SELECT SUM(v) FROM d.i AS i WHERE i.k = o.k) AS s, (SELECT COUNT(*) FROM d.i AS i WHERE o.k = i.k) AS c, (SELECT COUNT(v) FROM d.i AS i WHERE i.k = o.k) AS v FROM d.o AS o ORDER BY id",
                &["[1,10,2,1]", "[2,5,1,1]", "[3,null,0,0]", "[4,null,0,0]", "[5,10,2,1]"],
            ),
            (
                "SELECT id, (SELECT IFNULL(SUM(v), 0) + COUNT(*) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o ORDER BY id",
                &["[1,12]", "[2,6]", "[3,0]", "[4,0]", "[5,12]"],
            ),
            (
                "SELECT id, (SELECT COUNT(*) + o.id FROM d.i AS i WHERE i.k = o.k AND i.v IS NOT NULL) FROM d.o AS o ORDER BY id",
                &["[1,2]", "[2,3]", "[3,3]", "[4,4]", "[5,6]"],
            ),
            (
                "SELECT id, (SELECT COUNTIF(v > 5) FROM d.i AS i WHERE i.k = o.k), (SELECT COUNT(DISTINCT v) FROM d.i AS i WHERE i.k = o.k), (SELECT 'n' || CAST(COUNT(*) AS STRING) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o WHERE id < 4 ORDER BY id",
                &["[1,1,1,\"n2\"]", "[2,0,1,\"n1\"]", "[3,0,0,\"n0\"]"],
            ),
            (
                "SELECT id, (SELECT ARRAY_AGG(i.i ORDER BY i.i) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o WHERE id < 4 ORDER BY id",
                &["[1,[1,2]]", "[2,[3]]", "[3,[]]"],
            ),
            // Of no rows at all, and of two keys, one of them computed and of another type.
            ("SELECT id, (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k AND FALSE) FROM d.o AS o WHERE id = 1", &["[1,0]"]),
            (
                "SELECT id, (SELECT SUM(v) FROM d.i AS i WHERE UPPER(i.k) = UPPER(o.k) AND i.i = o.n) FROM d.o AS o ORDER BY id",
                &["[1,10]", "[2,null]", "[3,null]", "[4,null]", "[5,10]"],
            ),
            // In WHERE, in parts of it, under an aggregate, as a key, and over a join.
            ("SELECT id FROM d.o AS o WHERE (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k) = 0 ORDER BY id", &["[3]", "[4]"]),
            (
                "SELECT id FROM d.o AS o WHERE (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k) > 1 OR (SELECT MAX(v) FROM d.i AS i WHERE i.k = o.k) = 5 ORDER BY id",
                &["[1]", "[2]", "[5]"],
            ),
            ("SELECT SUM((SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k)) FROM d.o AS o", &["[5]"]),
            (
                "SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k) AS c, COUNT(*) FROM d.o AS o GROUP BY c ORDER BY c",
                &["[0,2]", "[1,1]", "[2,2]"],
            ),
            (
                "SELECT o.id, (SELECT SUM(b.v) FROM d.i AS a JOIN d.i AS b ON a.k = b.k WHERE a.k = o.k) FROM d.o AS o JOIN d.o AS p ON p.id = o.id + 1 ORDER BY o.id",
                &["[1,20]", "[2,5]", "[3,null]", "[4,null]"],
            ),
            (
                "SELECT id, (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k AND i.v > (SELECT MIN(v) FROM d.i)) FROM d.o AS o ORDER BY id LIMIT 2",
                &["[1,1]", "[2,0]"],
            ),
            (
                "SELECT x.id, (SELECT COUNT(*) FROM d.i AS i WHERE i.k = x.k) FROM (SELECT id, k FROM d.o AS o WHERE (SELECT MAX(v) FROM d.i AS i WHERE i.k = o.k) > 5) AS x ORDER BY 1",
                &["[1,2]", "[5,2]"],
            ),
            (
                "SELECT id, SUM((SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k)) OVER (ORDER BY id) FROM d.o AS o ORDER BY id",
                &["[1,2]", "[2,3]", "[3,3]", "[4,3]", "[5,5]"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_one_value_of_a_key() {
    let folder = tables().await;
    folder
        .answers(&[
            (
                "SELECT id, (SELECT v + 1 FROM d.i AS i WHERE i.k = o.k AND i.i != 2) FROM d.o AS o ORDER BY id",
                &["[1,11]", "[2,6]", "[3,null]", "[4,null]", "[5,11]"],
            ),
            ("SELECT id, (SELECT v FROM d.i AS i WHERE i.i = o.id AND i.v IS NULL) FROM d.o AS o WHERE id = 2", &["[2,null]"]),
            ("SELECT id, (SELECT 'x' FROM d.i AS i WHERE i.k = o.k AND i.i = 3) FROM d.o AS o ORDER BY id LIMIT 3", &["[1,null]", "[2,\"x\"]", "[3,null]"]),
            // Several rows of a key that no row asks for, or that are not read, are no error.
            ("SELECT id, (SELECT v FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o WHERE k = 'b'", &["[2,5]"]),
            ("SELECT id, IF(id = 2, (SELECT v FROM d.i AS i WHERE i.k = o.k), 0) FROM d.o AS o WHERE id IN (1, 2) ORDER BY id", &["[1,0]", "[2,5]"]),
        ])
        .await;
    let several = "a scalar subquery returned more than one row";
    folder
        .refuses(&[
            ("SELECT (SELECT v FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o", several),
            ("SELECT id FROM d.o AS o WHERE (SELECT v FROM d.i AS i WHERE i.k = o.k) > 1", several),
        ])
        .await;
}

#[tokio::test]
async fn what_is_no_equality_with_the_row_is_refused() {
    let around = "of the query around it";
    let cases = [
        ("SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.i < o.id) FROM d.o AS o", around),
        (
            "SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k AND o.id > 1) FROM d.o AS o",
            around,
        ),
        ("SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k OR i.i = 1) FROM d.o AS o", around),
        ("SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.i + o.id = 3) FROM d.o AS o", around),
        ("SELECT (SELECT o.id FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o", around),
        ("SELECT (SELECT SUM(i.v + o.id) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o", around),
        ("SELECT (SELECT o.id FROM d.i AS i) FROM d.o AS o", around),
        ("SELECT (SELECT v FROM d.i AS i WHERE i.k = o.k LIMIT 1) FROM d.o AS o", around),
        ("SELECT (SELECT DISTINCT v FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o", around),
        ("SELECT (SELECT SUM(v) FROM d.i AS i WHERE i.k = o.k GROUP BY i.i) FROM d.o AS o", around),
        (
            "SELECT COUNT(*) AS c FROM d.o AS o GROUP BY k ORDER BY (SELECT c + MAX(v) FROM d.i AS i WHERE i.k = o.k)",
            around,
        ),
        (
            "SELECT COUNT(*) FROM d.o AS o GROUP BY (SELECT MAX(v) FROM d.i AS i WHERE i.k = o.k)",
            around,
        ),
        (
            "SELECT 1 FROM d.o AS o JOIN d.o AS p ON o.id = (SELECT MAX(i) FROM d.i AS i WHERE i.k = p.k)",
            around,
        ),
        (
            "SELECT (SELECT COUNT(*) FROM d.i AS i WHERE i.i = o.f) FROM d.o AS o",
            "a subquery that finds its rows by a FLOAT64",
        ),
        (
            "SELECT k, (SELECT COUNT(*) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o GROUP BY k",
            "a subquery that reads the row around it is neither grouped nor aggregated",
        ),
        (
            "SELECT (SELECT i.v + COUNT(*) FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o",
            "a column beside an aggregate",
        ),
        ("SELECT (SELECT v, i.i FROM d.i AS i WHERE i.k = o.k) FROM d.o AS o", "one column"),
    ];
    tables().await.refuses(&cases).await;
}
