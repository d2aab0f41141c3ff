//! Queries that an optimizer, a parser or a stack easily gets wrong: the right answer, or a refusal.

use common::port::PortError;
use common::warehouse::Format;

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

#[expect(dead_code)]
async fn refused(folder: &support::Folder, cases: &[(&str, &str)]) {
    for (text, named) in cases {
        match folder.rows(&sql(text)).await {
            Err(PortError::InvalidQuery(message)) => {
                assert!(message.contains(named), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}
