//! GROUP BY with several sets of keys, PIVOT and UNPIVOT answer as GoogleSQL says, or are refused by name and place.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const SCHEMA: &str = r#"[
    {"name": "day", "type": "DATE"}, {"name": "team", "type": "STRING"},
    {"name": "cost", "type": "NUMERIC"}, {"name": "n", "type": "INT64"}, {"name": "f", "type": "FLOAT64"}
]"#;

const ROWS: &str = r#"
{"day":"2026-01-01","team":"core","cost":"1.5","n":1,"f":0.5}
{"day":"2026-01-01","team":"data","cost":"2","n":2,"f":-0.0}
{"day":"2026-01-02","team":"core","cost":"4","n":3,"f":0}
{"day":"2026-01-02","team":null,"cost":null,"n":4,"f":null}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.c", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

#[tokio::test]
async fn rows_are_grouped_by_several_sets() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT day, team, SUM(cost) AS c, GROUPING(team) AS g FROM d.c GROUP BY ROLLUP(day, team) ORDER BY day, g, team",
                &[
                    r#"[null,null,"7.5",1]"#,
                    r#"["2026-01-01","core","1.5",0]"#,
                    r#"["2026-01-01","data","2",0]"#,
                    r#"["2026-01-01",null,"3.5",1]"#,
                    r#"["2026-01-02",null,null,0]"#,
                    r#"["2026-01-02","core","4",0]"#,
                    r#"["2026-01-02",null,"4",1]"#,
                ],
            ),
            (
                "SELECT team, COUNT(*) FROM d.c GROUP BY CUBE(1) ORDER BY 2, 1",
                &["[null,1]", r#"["data",1]"#, r#"["core",2]"#, "[null,4]"],
            ),
            (
                "SELECT EXTRACT(DAY FROM day) AS d, UPPER(team) AS t, SUM(n) AS s FROM d.c GROUP BY GROUPING SETS (d, (t), ()) HAVING s > 2 ORDER BY s, d",
                &["[1,null,3]", r#"[null,"CORE",4]"#, "[null,null,4]", "[2,null,7]", "[null,null,10]"],
            ),
            ("SELECT f, COUNT(*) FROM d.c WHERE f IS NOT NULL GROUP BY ROLLUP(f) ORDER BY 2, 1", &["[0.5,1]", "[0.0,2]", "[null,3]"]),
            ("SELECT COUNT(*) FROM d.c GROUP BY ()", &["[4]"]),
            ("SELECT COUNT(*) FROM d.c WHERE FALSE GROUP BY ()", &["[0]"]),
            ("SELECT team, COUNT(*) FROM d.c WHERE FALSE GROUP BY GROUPING SETS (team)", &[]),
            (
                "SELECT team, SUM(n), RANK() OVER (ORDER BY SUM(n) DESC) AS r FROM d.c GROUP BY ROLLUP(team) ORDER BY r, team",
                &["[null,10,1]", "[null,4,2]", r#"["core",4,2]"#, r#"["data",2,4]"#],
            ),
            ("SELECT team, GROUPING(team) FROM d.c GROUP BY team ORDER BY 1", &["[null,0]", r#"["core",0]"#, r#"["data",0]"#]),
            (
                "SELECT day, team, COUNT(*) FROM d.c GROUP BY ROLLUP((day, team)) ORDER BY 3, 1, 2 LIMIT 2",
                &[r#"["2026-01-01","core",1]"#, r#"["2026-01-01","data",1]"#],
            ),
        ])
        .await;
    folder
        .refuses(&[
            (
                "SELECT COUNT(*) FROM d.c WHERE FALSE GROUP BY ROLLUP(team)",
                "a set without keys over no rows at all is not supported",
            ),
            ("SELECT COUNT(*) FROM d.c GROUP BY GROUPING SETS (team, team)", "stands twice"),
            (
                "SELECT COUNT(*) FROM d.c GROUP BY day, ROLLUP(team)",
                "ROLLUP, CUBE or GROUPING SETS beside other keys",
            ),
            ("SELECT n FROM d.c GROUP BY ROLLUP(team)", "n is neither grouped nor aggregated"),
            (
                "SELECT GROUPING(n) FROM d.c GROUP BY ROLLUP(team)",
                "n is neither grouped nor aggregated",
            ),
            ("SELECT GROUPING(n) FROM d.c", "GROUPING takes an expression of GROUP BY"),
            ("SELECT 1 FROM d.c GROUP BY CUBE(day, team, cost, n, f, day, team)", "CUBE of 7 keys"),
        ])
        .await;
}

#[tokio::test]
async fn values_become_columns() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT * FROM (SELECT day, team, cost FROM d.c) PIVOT(SUM(cost) FOR team IN ('core', 'data')) ORDER BY day",
                &[r#"["2026-01-01","1.5","2"]"#, r#"["2026-01-02","4",null]"#],
            ),
            (
                "SELECT p.day, total_a, rows_a, total_b, rows_b FROM (SELECT day, team, n FROM d.c) \
                 PIVOT(SUM(n) AS total, COUNT(*) AS rows FOR team IN ('core' AS a, 'x y' AS b)) AS p ORDER BY day",
                &[r#"["2026-01-01",1,1,null,0]"#, r#"["2026-01-02",3,1,null,0]"#],
            ),
            ("SELECT * FROM (SELECT n, f FROM d.c) PIVOT(MAX(f) AS m FOR n IN (1 AS one, 2 AS two))", &["[0.5,0.0]"]),
            ("SELECT * FROM (SELECT team, n FROM d.c) PIVOT(STRING_AGG(CAST(n AS STRING), '-') FOR team IN ('data'))", &[r#"["2"]"#]),
        ])
        .await;
    folder
        .refuses(&[
            (
                "SELECT * FROM d.c PIVOT(SUM(cost) FOR n IN (1))",
                "a PIVOT value that is no name: give it one with AS",
            ),
            ("SELECT * FROM d.c PIVOT(SUM(cost) FOR n IN (NULL AS x))", "a PIVOT for NULL"),
            ("SELECT * FROM d.c PIVOT(SUM(cost), COUNT(*) FOR team IN ('a'))", "give each an AS"),
            ("SELECT * FROM d.c PIVOT(SUM(cost) + 1 FOR team IN ('a'))", "syntax error at 1:35"),
            ("SELECT * FROM d.c PIVOT(ARRAY_AGG(cost) FOR team IN ('a'))", "ARRAY_AGG in PIVOT"),
            (
                "SELECT * FROM d.c PIVOT(SUM(n) FOR team IN ('day'))",
                "two columns would have the name day",
            ),
            ("SELECT * FROM d.c PIVOT(SUM(nosuch) FOR team IN ('a'))", "nosuch is not in sight"),
        ])
        .await;
}

#[tokio::test]
async fn columns_become_rows() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT * FROM (SELECT team, n AS a, n * 10 AS b FROM d.c WHERE n < 3) UNPIVOT(v FOR k IN (a, b AS 'tens')) ORDER BY v",
                &[r#"["core",1,"a"]"#, r#"["data",2,"a"]"#, r#"["core",10,"tens"]"#, r#"["data",20,"tens"]"#],
            ),
            ("SELECT u.k, u.v FROM (SELECT 1 AS a, CAST(NULL AS INT64) AS b) UNPIVOT(v FOR k IN (a, b)) AS u", &[r#"["a",1]"#]),
            (
                "SELECT k, v FROM (SELECT 1 AS a, CAST(NULL AS INT64) AS b) UNPIVOT INCLUDE NULLS (v FOR k IN (a, b)) ORDER BY k",
                &[r#"["a",1]"#, r#"["b",null]"#],
            ),
            ("SELECT k, COUNT(*) FROM d.c UNPIVOT EXCLUDE NULLS (v FOR k IN (cost)) GROUP BY k", &[r#"["cost",3]"#]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT * FROM d.c UNPIVOT(v FOR k IN (n, f))", "UNPIVOT of columns of several types"),
            ("SELECT * FROM d.c UNPIVOT(v FOR k IN (N))", "write AS 'label'"),
            ("SELECT * FROM d.c UNPIVOT(v FOR k IN (nosuch))", "nosuch is not in sight at 1:"),
            (
                "SELECT * FROM d.c UNPIVOT(team FOR k IN (n))",
                "two columns would have the name team",
            ),
            ("SELECT * FROM d.c UNPIVOT((v, w) FOR k IN ((n, f)))", "several columns at once"),
            (
                "SELECT 1 AS 'x' FROM d.c UNPIVOT(v FOR k IN (n AS 'm'))",
                "a string literal as a name",
            ),
        ])
        .await;
}

#[tokio::test]
async fn one_name_reads_many_tables() {
    let folder = table().await;
    let shard = r#"[{"name": "id", "type": "INT64"}, {"name": "cost", "type": "NUMERIC"}]"#;
    folder.load("d.s_20260101", shard, Format::Ndjson, r#"{"id":1,"cost":"1"}"#).await;
    folder
        .load(
            "d.s_20260102",
            shard,
            Format::Ndjson,
            "{\"id\":2,\"cost\":\"2\"}\n{\"id\":3,\"cost\":\"3\"}",
        )
        .await;
    folder.load("d.s_x", shard, Format::Ndjson, r#"{"id":4,"cost":"4"}"#).await;
    folder.load("d.other_1", shard, Format::Ndjson, r#"{"id":9,"cost":"9"}"#).await;
    folder
        .load("d.other_2", r#"[{"name": "id", "type": "STRING"}]"#, Format::Ndjson, r#"{"id":"9"}"#)
        .await;
    folder
        .answers(&[
            ("SELECT * FROM `d.s_*` ORDER BY id", &[r#"[1,"1"]"#, r#"[2,"2"]"#, r#"[3,"3"]"#, r#"[4,"4"]"#]),
            (
                "SELECT _TABLE_SUFFIX AS t, s.id FROM `d.s_2026*` AS s WHERE s._TABLE_SUFFIX > '0101' ORDER BY id",
                &[r#"["0102",2]"#, r#"["0102",3]"#],
            ),
            ("SELECT COUNT(*) FROM d.`s_*` AS a JOIN `d.s_*` AS b USING (id)", &["[4]"]),
            ("SELECT s FROM `d.s_x*` AS s", &[r#"[{"id":4,"cost":"4"}]"#]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT _TABLE_SUFFIX FROM `d.s_*`", "give it another with AS"),
            ("SELECT 1 FROM `d.nosuch*`", "no table of d begins with nosuch at 1:"),
            ("SELECT 1 FROM `d.other_*`", "the columns of d.other_2 are not those of d.other_1"),
            ("SELECT 1 FROM `d.*_x`", "a wildcard's * is the last sign"),
            ("SELECT _TABLE_SUFFIX AS t FROM d.s_x", "_TABLE_SUFFIX is not in sight"),
        ])
        .await;
}

#[tokio::test]
async fn approximate_aggregates_are_exact() {
    let folder = table().await;
    folder
        .answers(&[
            ("SELECT APPROX_QUANTILES(n, 3), APPROX_QUANTILES(f, 1), APPROX_QUANTILES(DISTINCT f, 2) FROM d.c", &["[[1,2,3,4],[-0.0,0.5],[0.0,0.0,0.5]]"]),
            ("SELECT APPROX_QUANTILES(n, 2) FROM d.c WHERE FALSE", &["[[]]"]),
            ("SELECT APPROX_TOP_COUNT(team, 2) FROM d.c", &[r#"[[{"value":"core","count":2},{"value":null,"count":1}]]"#]),
            ("SELECT day, APPROX_TOP_COUNT(f, 1)[OFFSET(0)].count FROM d.c GROUP BY day ORDER BY day", &[r#"["2026-01-01",1]"#, r#"["2026-01-02",1]"#]),
            ("SELECT APPROX_COUNT_DISTINCT(team), APPROX_COUNT_DISTINCT(f) FROM d.c", &["[2,2]"]),
            ("SELECT (SELECT APPROX_QUANTILES(x, 2)[OFFSET(1)] FROM UNNEST([5, 1, 3]) AS x)", &["[3]"]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT APPROX_QUANTILES(n, 0) FROM d.c", "a constant INT64 of at least 1"),
            ("SELECT APPROX_QUANTILES(n) FROM d.c", "takes a value and a number"),
            ("SELECT APPROX_TOP_COUNT(STRUCT(n), 1) FROM d.c", "cannot be ordered"),
            ("SELECT APPROX_COUNT_DISTINCT(DISTINCT n) FROM d.c", "at 1:8"),
        ])
        .await;
}

#[tokio::test]
async fn keys_are_what_the_list_reads() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT team, SUM(n) AS s FROM d.c GROUP BY ALL ORDER BY s",
                &[r#"["data",2]"#, r#"["core",4]"#, "[null,4]"],
            ),
            // Constants and what reads keys alone are no keys; what aggregates or ranks is none.
            (
                "SELECT 'x' AS x, EXTRACT(DAY FROM day) AS d, day, SUM(n) + EXTRACT(DAY FROM day) AS s, RANK() OVER (ORDER BY SUM(n)) FROM d.c GROUP BY ALL ORDER BY day",
                &[r#"["x",1,"2026-01-01",4,1]"#, r#"["x",2,"2026-01-02",9,2]"#],
            ),
            (
                "SELECT UPPER(team) AS t, COUNT(*) AS k FROM d.c GROUP BY ALL HAVING k > 1",
                &[r#"["CORE",2]"#],
            ),
            ("SELECT f, COUNT(*) FROM d.c GROUP BY ALL ORDER BY f", &["[null,1]", "[0.0,2]", "[0.5,1]"]),
            // Without keys there is one group, of no rows too.
            ("SELECT COUNT(*), 1 AS one FROM d.c WHERE FALSE GROUP BY ALL", &["[0,1]"]),
            ("SELECT SUM(n) FROM d.c GROUP BY ALL HAVING SUM(n) > 99", &[]),
            ("SELECT team, day FROM d.c WHERE n < 3 GROUP BY ALL ORDER BY team", &[r#"["core","2026-01-01"]"#, r#"["data","2026-01-01"]"#]),
            ("SELECT * EXCEPT (cost, f, n, day) FROM d.c GROUP BY ALL ORDER BY team", &["[null]", r#"["core"]"#, r#"["data"]"#]),
            ("SELECT DISTINCT COUNT(*) AS c FROM (SELECT team, day, COUNT(*) FROM d.c GROUP BY ALL) GROUP BY ALL", &["[4]"]),
        ])
        .await;
    folder
        .refuses(&[
            (
                "SELECT team, n + COUNT(*) FROM d.c GROUP BY ALL",
                "n is neither grouped nor aggregated",
            ),
            ("SELECT team, COUNT(*) FROM d.c GROUP BY ALL ORDER BY day", "day is neither grouped"),
            ("SELECT team, RANK() OVER (ORDER BY n) FROM d.c GROUP BY ALL", "n is neither grouped"),
            ("SELECT [team], COUNT(*) FROM d.c GROUP BY ALL", "grouping by a ARRAY"),
            (
                "SELECT f * 2, f * 3, COUNT(*) FROM d.c GROUP BY ALL",
                "GROUP BY ALL of a computed FLOAT64",
            ),
            (
                "SELECT (SELECT COUNT(*) FROM UNNEST([1]) AS x GROUP BY ALL)",
                "GROUP BY ALL over UNNEST",
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_value_of_the_greatest_key() {
    let folder = table().await;
    folder
        .answers(&[
            (
                "SELECT MAX_BY(team, cost), MIN_BY(team, cost), MAX_BY(n, day), ANY_VALUE(cost HAVING MIN n), ANY_VALUE(team HAVING MAX team) FROM d.c WHERE n != 4",
                &[r#"["core","core",3,"1.5","data"]"#],
            ),
            // Keys of NULL count only where there is no other; a tie gives a value that is not NULL.
            (
                "SELECT day, MAX_BY(n, cost), MIN_BY(n, cost), MAX_BY(cost, day) FROM d.c GROUP BY day ORDER BY day",
                &[r#"["2026-01-01",2,1,"1.5"]"#, r#"["2026-01-02",3,3,"4"]"#],
            ),
            ("SELECT MAX_BY(n, cost), MIN_BY(team, n) FROM d.c WHERE n = 4", &["[4,null]"]),
            ("SELECT MAX_BY(n, cost) FROM d.c WHERE FALSE", &["[null]"]),
            ("SELECT team, MAX_BY(n, n) + 1 FROM d.c GROUP BY team HAVING MAX_BY(n, n) > 3", &["[null,5]"]),
            ("SELECT (SELECT MAX_BY(x, -x) FROM UNNEST([3, 1, 2]) AS x)", &["[1]"]),
            ("SELECT MAX_BY(x, x / 2), MIN_BY(x, -x / 2) FROM UNNEST([3, -1, 4]) AS x", &["[4,4]"]),
            // Of many rows few are kept, and of equal keys the first.
            (
                "SELECT ARRAY_AGG(x ORDER BY MOD(x, 10), -x LIMIT 2), ARRAY_AGG(x ORDER BY MOD(x, 3) DESC LIMIT 2), MIN_BY(x, -x), ARRAY_AGG(x LIMIT 1) FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS x",
                &["[[30000,29990],[2,5],30000,[1]]"],
            ),
        ])
        .await;
    folder
        .refuses(&[
            (
                "SELECT MAX_BY(x, IEEE_DIVIDE(x, 0)) FROM UNNEST([1, 0]) AS x",
                "the greatest or least FLOAT64 among NaN",
            ),
            ("SELECT MAX_BY([n], n) FROM d.c", "MAX_BY of an ARRAY"),
            ("SELECT MAX_BY(n, [n]) FROM d.c", "a ARRAY<INT64> cannot be ordered"),
            ("SELECT MAX_BY(n) FROM d.c", "MAX_BY takes a value and a key"),
            ("SELECT MAX_BY(DISTINCT n, n) FROM d.c", "MAX_BY(DISTINCT …)"),
            ("SELECT MAX_BY(SUM(n), n) FROM d.c", "not allowed in another aggregate"),
            ("SELECT n FROM d.c WHERE MAX_BY(n, n) > 1", "not allowed in WHERE"),
            ("SELECT MAX_BY(n, n) OVER () FROM d.c", "OVER"),
            ("SELECT MAX(n HAVING MAX n) FROM d.c", "at 1:8"),
        ])
        .await;
}
