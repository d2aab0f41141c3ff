//! `WITH RECURSIVE` answers as GoogleSQL says, ends, and is refused where the term reads itself otherwise.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const SCHEMA: &str = r#"[
    {"name": "id", "type": "INT64"}, {"name": "up", "type": "INT64"}, {"name": "name", "type": "STRING"}
]"#;

const ROWS: &str = r#"
{"id":1,"up":null,"name":"top"}
{"id":2,"up":1,"name":"a"}
{"id":3,"up":1,"name":"b"}
{"id":4,"up":2,"name":null}
{"id":5,"up":4,"name":"d"}
{"id":6,"up":null,"name":"other"}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.n", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

#[tokio::test]
async fn steps_follow_steps_until_there_are_no_rows() {
    table()
        .await
        .answers(&[
            (
                "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t ORDER BY n",
                &["[1]", "[2]", "[3]", "[4]", "[5]"],
            ),
            (
                "WITH RECURSIVE t AS ((SELECT 1 AS n UNION ALL SELECT 1) UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t ORDER BY n",
                &["[1]", "[1]", "[2]", "[2]", "[3]", "[3]"],
            ),
            // A tree from its root, with what each step carries along.
            (
                "WITH RECURSIVE t AS (SELECT id, name, 0 AS depth, CONCAT('/', name) AS path FROM d.n WHERE id = 1 UNION ALL SELECT n.id, n.name, depth + 1, CONCAT(path, '/', IFNULL(n.name, '?')) FROM d.n AS n JOIN t ON n.up = t.id) SELECT id, depth, path FROM t ORDER BY id",
                &[
                    r#"[1,0,"/top"]"#,
                    r#"[2,1,"/top/a"]"#,
                    r#"[3,1,"/top/b"]"#,
                    r#"[4,2,"/top/a/?"]"#,
                    r#"[5,3,"/top/a/?/d"]"#,
                ],
            ),
            // From the leaves, by a comma and by LEFT JOIN, of which only some columns are read.
            (
                "WITH RECURSIVE t AS (SELECT id, up, name FROM d.n WHERE id = 5 UNION ALL SELECT n.id, n.up, n.name FROM t, d.n AS n WHERE n.id = t.up) SELECT name FROM t ORDER BY id",
                &["[\"top\"]", "[\"a\"]", "[null]", "[\"d\"]"],
            ),
            (
                "WITH RECURSIVE t AS (SELECT 5 AS id UNION ALL SELECT n.up FROM t LEFT JOIN d.n AS n ON n.id = t.id WHERE t.id IS NOT NULL) SELECT COUNT(*), COUNT(id) FROM t",
                &["[5,4]"],
            ),
            // NULL where the base has none.
            (
                "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT NULLIF(n + 1, 3) FROM t WHERE n IS NOT NULL) SELECT n, n IS NULL FROM t ORDER BY n",
                &["[null,true]", "[1,false]", "[2,false]"],
            ),
            ("WITH RECURSIVE t AS (SELECT 1 AS n FROM d.n WHERE FALSE UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t", &["[0]"]),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE FALSE) SELECT n FROM t", &["[1]"]),
            // Read twice, by a name after it, by another recursion, and through EXISTS over other rows.
            (
                "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3), s AS (SELECT SUM(n) AS s FROM t) SELECT a.n, b.n, s.s FROM t AS a JOIN t AS b ON a.n = b.n + 1, s ORDER BY 1",
                &["[2,1,6]", "[3,2,6]"],
            ),
            (
                "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 4), b AS (SELECT 0 AS m UNION ALL SELECT a.n FROM b JOIN a ON a.n = b.m + 2) SELECT m FROM b ORDER BY m",
                &["[0]", "[2]", "[4]"],
            ),
            (
                "WITH RECURSIVE t AS (SELECT 1 AS id UNION ALL SELECT t.id + 1 FROM t WHERE EXISTS (SELECT 1 FROM d.n AS n WHERE n.up = t.id) AND t.id IN (SELECT id FROM d.n)) SELECT id FROM t ORDER BY id",
                &["[1]", "[2]", "[3]"],
            ),
            (
                "WITH RECURSIVE t AS (SELECT [1, 2] AS l UNION ALL SELECT [x * 10] FROM t, UNNEST(t.l) AS x WHERE x < 20) SELECT l FROM t ORDER BY l[OFFSET(0)]",
                &["[[1,2]]", "[[10]]", "[[20]]", "[[100]]"],
            ),
            // Names that read nothing of themselves are ordinary.
            (
                "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT 2), b AS (SELECT x FROM a ORDER BY x DESC LIMIT 1) SELECT x FROM b",
                &["[2]"],
            ),
            ("SELECT (WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n * 2 FROM t WHERE n < 100) SELECT MAX(n) FROM t)", &["[128]"]),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 498) SELECT COUNT(*) FROM t", &["[498]"]),
        ])
        .await;
}

#[tokio::test]
async fn endless_queries_end() {
    let endless = "a recursive query of 500 iterations";
    let cases = [
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT SUM(n) FROM t",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT n FROM t LIMIT 1",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT 1 FROM t LIMIT 1",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT n FROM t WHERE n > 0 LIMIT 1",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT EXISTS(SELECT n FROM t)",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 600) SELECT COUNT(*) FROM t",
    ];
    table().await.refuses(&cases.map(|case| (case, endless))).await;
}

#[tokio::test]
async fn a_term_reads_itself_once_and_plainly() {
    let place = "a recursive term that reads itself other than once";
    let terms = [
        "SELECT a.n FROM t AS a JOIN t AS b ON a.n = b.n",
        "SELECT MAX(n) FROM t",
        "SELECT n FROM t GROUP BY n",
        "SELECT DISTINCT n FROM t",
        "(SELECT n FROM t ORDER BY n)",
        "(SELECT n FROM t LIMIT 1)",
        "SELECT ROW_NUMBER() OVER (ORDER BY n) FROM t",
        "SELECT x.id FROM d.n AS x LEFT JOIN t ON x.id = t.n",
        "SELECT x.id FROM t RIGHT JOIN d.n AS x ON x.id = t.n",
        "SELECT x.id FROM t FULL JOIN d.n AS x ON x.id = t.n",
        "SELECT id FROM d.n WHERE id IN (SELECT n FROM t)",
        "SELECT x.id FROM d.n AS x WHERE EXISTS (SELECT 1 FROM t WHERE t.n = x.id)",
        "SELECT (SELECT MAX(n) FROM t)",
        "(SELECT n FROM t UNION ALL SELECT id FROM d.n)",
        "SELECT n FROM t WHERE n < (SELECT COUNT(*) FROM t)",
    ];
    let folder = table().await;
    for term in terms {
        let text = format!("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL {term}) SELECT n FROM t");
        folder.refuses(&[(&text, place)]).await;
    }
    folder
        .refuses(&[
            ("WITH RECURSIVE t AS (SELECT n FROM t UNION ALL SELECT 1) SELECT n FROM t", "t, which WITH RECURSIVE has not bound yet, at 1:36 is not supported"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n FROM t) SELECT n FROM t", "has not bound yet"),
            ("WITH RECURSIVE a AS (SELECT 1 AS n FROM b), b AS (SELECT 1 AS n) SELECT n FROM a", "has not bound yet"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION DISTINCT SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t", "has not bound yet"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3 LIMIT 2) SELECT n FROM t", "has not bound yet"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t", "several UNION ALL without parentheses"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 0.5 FROM t WHERE n < 3) SELECT n FROM t", "a recursive term that makes a FLOAT64 of a INT64"),
            ("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n, n FROM t) SELECT n FROM t", "UNION of 1 and of 2 columns"),
            ("WITH t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t", "named without a dataset"),
        ])
        .await;
}
