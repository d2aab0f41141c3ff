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
