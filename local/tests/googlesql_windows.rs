//! Window functions, frames, named windows and QUALIFY answer as GoogleSQL says, or are refused by name and place.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

const SCHEMA: &str = r#"[
    {"name": "id", "type": "INT64", "mode": "REQUIRED"}, {"name": "g", "type": "STRING"},
    {"name": "k", "type": "INT64"}, {"name": "v", "type": "INT64"},
    {"name": "f", "type": "FLOAT64"}, {"name": "n", "type": "NUMERIC"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"}
]"#;

const ROWS: &str = r#"
{"id":1,"g":"a","k":1,"v":10,"f":0.5,"n":"0.1"}
{"id":2,"g":"a","k":2,"v":20,"f":-1,"n":"0.2"}
{"id":3,"g":"a","k":2,"v":null,"f":null,"n":"0.3"}
{"id":4,"g":"a","k":4,"v":40,"f":2,"n":null}
{"id":5,"g":"b","k":null,"v":5,"f":0.5,"n":"99999999999999999999999999999"}
{"id":6,"g":"b","k":1,"v":7,"f":0.25,"n":"1"}
"#;

async fn table() -> support::Folder {
    let folder = folder(&["d"]).await;
    folder.load("d.w", SCHEMA, Format::Ndjson, ROWS).await;
    folder
}

async fn answered(cases: &[(&str, &[&str])]) {
    table().await.answers(cases).await;
}

async fn refused(cases: &[(&str, &str)]) {
    table().await.refuses(cases).await;
}

#[tokio::test]
async fn rows_are_numbered() {
    answered(&[
        (
            "SELECT x, ROW_NUMBER() OVER (ORDER BY x) AS n, RANK() OVER (ORDER BY x), DENSE_RANK() OVER (ORDER BY x) \
             FROM UNNEST([1, 2, 2, 5, 8, 10, 10]) AS x ORDER BY n",
            &["[1,1,1,1]", "[2,2,2,2]", "[2,3,2,2]", "[5,4,4,3]", "[8,5,5,4]", "[10,6,6,5]", "[10,7,6,5]"],
        ),
        (
            "SELECT id, PERCENT_RANK() OVER (PARTITION BY g ORDER BY k), CUME_DIST() OVER (PARTITION BY g ORDER BY k) \
             FROM d.w ORDER BY id",
            &[
                "[1,0.0,0.25]",
                "[2,0.3333333333333333,0.75]",
                "[3,0.3333333333333333,0.75]",
                "[4,1.0,1.0]",
                "[5,0.0,0.5]",
                "[6,1.0,1.0]",
            ],
        ),
        ("SELECT PERCENT_RANK() OVER (ORDER BY x), CUME_DIST() OVER (ORDER BY x) FROM UNNEST([7]) AS x", &["[0.0,1.0]"]),
        (
            "SELECT x, NTILE(3) OVER (ORDER BY x), NTILE(10) OVER (ORDER BY x) FROM UNNEST([1, 2, 3, 4, 5, 6, 7]) AS x ORDER BY x",
            &["[1,1,1]", "[2,1,2]", "[3,1,3]", "[4,2,4]", "[5,2,5]", "[6,3,6]", "[7,3,7]"],
        ),
        // NULL is the least value, unless it is said where it goes.
        (
            "SELECT id, ROW_NUMBER() OVER (ORDER BY k DESC, id), ROW_NUMBER() OVER (ORDER BY k NULLS LAST, id), \
             ROW_NUMBER() OVER (ORDER BY k, id) FROM d.w ORDER BY id",
            &["[1,4,1,2]", "[2,2,3,4]", "[3,3,4,5]", "[4,1,5,6]", "[5,6,6,1]", "[6,5,2,3]"],
        ),
        // Doubles rank by value.
        (
            "SELECT id, RANK() OVER (ORDER BY f) FROM d.w ORDER BY id",
            &["[1,4]", "[2,2]", "[3,1]", "[4,6]", "[5,4]", "[6,3]"],
        ),
        ("SELECT ROW_NUMBER() OVER (), RANK() OVER (ORDER BY id) FROM d.w WHERE FALSE", &[]),
    ])
    .await;
}

#[tokio::test]
async fn values_of_other_rows_are_read() {
    answered(&[
        (
            "SELECT id, LAG(v) OVER w, LAG(v, 2, -1) OVER w, LEAD(v, 1, 0) OVER w, LEAD(v, 0) OVER w, LAG(g, 9, 'none') OVER w \
             FROM d.w WINDOW w AS (PARTITION BY g ORDER BY id) ORDER BY id",
            &[
                "[1,null,-1,20,10,\"none\"]",
                "[2,10,-1,null,20,\"none\"]",
                "[3,20,10,40,null,\"none\"]",
                "[4,null,20,0,40,\"none\"]",
                "[5,null,-1,7,5,\"none\"]",
                "[6,5,-1,0,7,\"none\"]",
            ],
        ),
        ("SELECT LAG(f, 1, 0) OVER (ORDER BY id) FROM d.w ORDER BY id LIMIT 2", &["[0.0]", "[0.5]"]),
        (
            "SELECT id, FIRST_VALUE(v) OVER w, LAST_VALUE(v) OVER w, NTH_VALUE(v, 2) OVER w, \
             FIRST_VALUE(v IGNORE NULLS) OVER w, LAST_VALUE(v IGNORE NULLS) OVER w, NTH_VALUE(v, 2 IGNORE NULLS) OVER w, \
             FIRST_VALUE(v RESPECT NULLS) OVER w FROM d.w WHERE g = 'a' \
             WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ORDER BY id",
            &[
                "[1,10,20,20,10,20,20,10]",
                "[2,10,null,20,10,20,20,10]",
                "[3,20,40,null,20,40,40,20]",
                "[4,null,40,40,40,40,null,null]",
            ],
        ),
        // Without a frame the last value is the current row's.
        (
            "SELECT id, LAST_VALUE(v) OVER (ORDER BY id), NTH_VALUE(v, 3) OVER (ORDER BY id DESC) FROM d.w ORDER BY id",
            &["[1,10,40]", "[2,20,40]", "[3,null,40]", "[4,40,40]", "[5,5,null]", "[6,7,null]"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn aggregates_read_their_frames() {
    answered(&[
        // The default frame takes in all rows equal to the current one.
        (
            "SELECT id, SUM(v) OVER w, COUNT(*) OVER w, COUNT(v) OVER w, AVG(v) OVER w, MAX(v) OVER w FROM d.w \
             WINDOW w AS (PARTITION BY g ORDER BY k) ORDER BY id",
            &[
                "[1,10,1,1,10.0,10]",
                "[2,30,3,2,15.0,20]",
                "[3,30,3,2,15.0,20]",
                "[4,70,4,3,23.333333333333332,40]",
                "[5,5,1,1,5.0,5]",
                "[6,12,2,2,6.0,7]",
            ],
        ),
        (
            "SELECT id, SUM(v) OVER (), COUNT(DISTINCT g) OVER (), COUNT(DISTINCT v) OVER (PARTITION BY g), MIN(v) OVER (PARTITION BY g) \
             FROM d.w ORDER BY id",
            &["[1,82,2,3,10]", "[2,82,2,3,10]", "[3,82,2,3,10]", "[4,82,2,3,10]", "[5,82,2,2,5]", "[6,82,2,2,5]"],
        ),
        (
            "SELECT SUM(v) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING), \
             SUM(v) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), \
             SUM(v) OVER (ORDER BY id ROWS 1 PRECEDING), \
             SUM(v) OVER (ORDER BY id ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING), \
             COUNT(*) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING), \
             COUNT(*) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 2 PRECEDING), \
             SUM(v) OVER (ORDER BY id ROWS BETWEEN 9223372036854775807 PRECEDING AND 1 PRECEDING) FROM d.w ORDER BY id",
            &[
                "[10,82,10,40,0,0,null]",
                "[30,72,30,45,0,0,10]",
                "[30,52,20,12,1,0,30]",
                "[70,52,40,7,2,0,30]",
                "[75,12,45,null,2,0,70]",
                "[82,7,12,null,2,0,75]",
            ],
        ),
        // RANGE counts by value; a NULL is at no distance from anything but itself.
        (
            "SELECT id, SUM(v) OVER (PARTITION BY g ORDER BY k RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING), \
             COUNT(*) OVER (PARTITION BY g ORDER BY k RANGE BETWEEN 2 PRECEDING AND 1 PRECEDING), \
             COUNT(*) OVER (PARTITION BY g ORDER BY k DESC RANGE BETWEEN 2 PRECEDING AND 1 PRECEDING), \
             COUNT(*) OVER (PARTITION BY g ORDER BY k RANGE BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING), \
             COUNT(*) OVER (PARTITION BY g ORDER BY k RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM d.w ORDER BY id",
            &["[1,30,0,2,3,4]", "[2,30,1,1,3,3]", "[3,30,1,1,3,3]", "[4,40,2,0,4,1]", "[5,5,1,1,1,2]", "[6,7,0,0,2,1]"],
        ),
(
            "SELECT COUNT(*) OVER (ORDER BY n RANGE NUMERIC '0.1' PRECEDING), COUNT(*) OVER (ORDER BY n RANGE 1 PRECEDING) \
             FROM d.w WHERE id < 4 ORDER BY id",
            &["[1,1]", "[2,2]", "[2,3]"],
        ),
        (
            "SELECT COUNT(*) OVER (ORDER BY x RANGE BETWEEN 9223372036854775807 PRECEDING AND CURRENT ROW) FROM \
             UNNEST([-9223372036854775808, -2, 9223372036854775807]) AS x ORDER BY x",
            &["[1]", "[2]", "[1]"],
        ),
        (
            "SELECT id, COUNTIF(v > 9) OVER w, LOGICAL_AND(v > 9) OVER w, LOGICAL_OR(v > 39) OVER w, MIN(n) OVER w FROM d.w \
             WINDOW w AS (ORDER BY id) ORDER BY id",
            &[
                "[1,1,true,false,\"0.1\"]",
                "[2,2,true,false,\"0.1\"]",
                "[3,2,true,false,\"0.1\"]",
                "[4,3,true,true,\"0.1\"]",
                "[5,3,false,true,\"0.1\"]",
                "[6,3,false,true,\"0.1\"]",
            ],
        ),
        (
            "SELECT SUM(n) OVER (ORDER BY id), SUM(f) OVER (ORDER BY id ROWS 1 PRECEDING) FROM d.w WHERE id < 4 ORDER BY id",
            &["[\"0.1\",0.5]", "[\"0.3\",-0.5]", "[\"0.6\",-1.0]"],
        ),
        // Beside a frame that holds both, nothing overflows.
        (
            "SELECT SUM(x) OVER (ORDER BY x ROWS CURRENT ROW) FROM UNNEST([9223372036854775807, 1]) AS x ORDER BY x",
            &["[1]", "[\"9223372036854775807\"]"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn windows_stand_behind_groups_and_build_on_named_ones() {
    answered(&[
        (
            "SELECT g, SUM(v) AS s, SUM(SUM(v)) OVER () AS total, RANK() OVER (ORDER BY SUM(v) DESC) AS r FROM d.w GROUP BY g ORDER BY g",
            &["[\"a\",70,82,1]", "[\"b\",12,82,2]"],
        ),
        (
            "SELECT id, SUM(v) OVER w, SUM(v) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), COUNT(*) OVER p, COUNT(*) OVER same, \
             COUNT(*) OVER (p) FROM d.w WINDOW p AS (PARTITION BY g), w AS (p ORDER BY id), same AS p ORDER BY id",
            &[
                "[1,10,10,4,4,4]",
                "[2,30,30,4,4,4]",
                "[3,30,20,4,4,4]",
                "[4,70,40,4,4,4]",
                "[5,5,5,2,2,2]",
                "[6,12,12,2,2,2]",
            ],
        ),
        (
            "SELECT id, v - LAG(v, 1, 0) OVER (ORDER BY id) + 1 AS d FROM d.w ORDER BY SUM(v) OVER (PARTITION BY g), id",
            &["[5,-34]", "[6,3]", "[1,11]", "[2,11]", "[3,null]", "[4,null]"],
        ),
        ("SELECT DISTINCT g, COUNT(*) OVER (PARTITION BY g) AS c FROM d.w ORDER BY c", &["[\"b\",2]", "[\"a\",4]"]),
        (
            "SELECT r, COUNT(*) FROM (SELECT RANK() OVER (PARTITION BY g ORDER BY id) AS r FROM d.w) GROUP BY r HAVING COUNT(*) > 1 ORDER BY r",
            &["[1,2]", "[2,2]"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn qualify_keeps_rows_by_their_window() {
    answered(&[
        (
            "SELECT g, id FROM d.w WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC) = 1 ORDER BY g",
            &["[\"a\",4]", "[\"b\",6]"],
        ),
        (
            "SELECT id, RANK() OVER (ORDER BY v DESC) AS r FROM d.w QUALIFY r <= 2 ORDER BY r",
            &["[4,1]", "[2,2]"],
        ),
        // A NULL is no TRUE.
        ("SELECT id FROM d.w QUALIFY LAG(v) OVER (ORDER BY id) > 5 ORDER BY id", &["[2]", "[3]", "[5]"]),
        ("SELECT g, SUM(v) AS s FROM d.w GROUP BY g QUALIFY RANK() OVER (ORDER BY s DESC) = 1", &["[\"a\",70]"]),
        (
            "SELECT k, COUNT(*) AS c FROM d.w GROUP BY k HAVING c > 1 QUALIFY ROW_NUMBER() OVER (ORDER BY k DESC) = 1",
            &["[2,2]"],
        ),
        ("SELECT id FROM d.w QUALIFY ROW_NUMBER() OVER w = 1 WINDOW w AS (ORDER BY id DESC)", &["[6]"]),
        ("SELECT id FROM d.w WINDOW w AS (ORDER BY id DESC) QUALIFY ROW_NUMBER() OVER w = 1", &["[6]"]),
        ("SELECT DISTINCT g FROM d.w QUALIFY COUNT(*) OVER (PARTITION BY g) > 2", &["[\"a\"]"]),
        ("SELECT id FROM d.w QUALIFY COUNT(*) OVER () > 6", &[]),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_window_is_refused() {
    refused(&[
        ("SELECT id FROM d.w WHERE ROW_NUMBER() OVER () = 1", "ROW_NUMBER with OVER is not allowed in WHERE at 1:26"),
        ("SELECT 1 FROM d.w GROUP BY ROW_NUMBER() OVER ()", "not allowed in GROUP BY"),
        ("SELECT ROW_NUMBER() OVER () AS r FROM d.w GROUP BY r", "GROUP BY a window function"),
        ("SELECT g FROM d.w GROUP BY g HAVING ROW_NUMBER() OVER () = 1", "not allowed in"),
        ("SELECT g, ROW_NUMBER() OVER () AS r FROM d.w GROUP BY g HAVING r = 1", "not allowed in HAVING"),
        ("SELECT SUM(ROW_NUMBER() OVER ()) FROM d.w", "not allowed in another aggregate"),
        ("SELECT SUM(COUNT(*) OVER ()) OVER () FROM d.w", "not allowed in another window function"),
        ("SELECT SUM(v) OVER (ORDER BY ROW_NUMBER() OVER ()) FROM d.w", "not allowed in another window function"),
        ("SELECT ROW_NUMBER() OVER () AS r FROM d.w QUALIFY RANK() OVER (ORDER BY r) = 1", "a window function in a window's ORDER BY"),
        ("SELECT v, SUM(v) OVER () FROM d.w GROUP BY g", "v is neither grouped nor aggregated"),
        ("SELECT g, SUM(v) OVER () FROM d.w GROUP BY g", "v is neither grouped nor aggregated"),
        ("SELECT id FROM d.w QUALIFY id = 1", "QUALIFY without a window function"),
        ("SELECT RANK() OVER () FROM d.w", "RANK without ORDER BY"),
        ("SELECT LAG(v) OVER (PARTITION BY g) FROM d.w", "LAG without ORDER BY"),
        ("SELECT FIRST_VALUE(v) OVER () FROM d.w", "FIRST_VALUE without ORDER BY"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY id ROWS 1 PRECEDING) FROM d.w", "ROW_NUMBER with ROWS or RANGE"),
        ("SELECT LEAD(v) OVER (ORDER BY id ROWS 1 PRECEDING) FROM d.w", "LEAD with ROWS or RANGE"),
        ("SELECT LAG(v, -1) OVER (ORDER BY id) FROM d.w", "LAG takes a constant INT64 of at least 0"),
        ("SELECT LAG(v, k) OVER (ORDER BY id) FROM d.w", "LAG takes a constant INT64 of at least 0"),
        ("SELECT LAG(v, NULL) OVER (ORDER BY id) FROM d.w", "LAG takes a constant INT64 of at least 0"),
        ("SELECT LAG(v, 1, 'x') OVER (ORDER BY id) FROM d.w", "a value of type STRING is not a INT64"),
        ("SELECT LAG(v, 1, k) OVER (ORDER BY id) FROM d.w", "a computed default of LAG"),
        ("SELECT LAG(v IGNORE NULLS) OVER (ORDER BY id) FROM d.w", "NULLS in LAG"),
        ("SELECT NTILE(0) OVER (ORDER BY id) FROM d.w", "NTILE takes a constant INT64 of at least 1"),
        ("SELECT NTH_VALUE(v, 0) OVER (ORDER BY id) FROM d.w", "NTH_VALUE takes a constant INT64 of at least 1"),
        ("SELECT RANK(v) OVER (ORDER BY id) FROM d.w", "RANK with 1 values"),
        ("SELECT SUM(v IGNORE NULLS) OVER () FROM d.w", "NULLS in SUM"),
        ("SELECT FIRST_VALUE(v) IGNORE NULLS OVER (ORDER BY id) FROM d.w", "this form of FIRST_VALUE"),
        ("SELECT COUNT(DISTINCT v) OVER (ORDER BY id) FROM d.w", "COUNT(DISTINCT …) with ORDER BY"),
        ("SELECT SUM(DISTINCT v) OVER () FROM d.w", "SUM(DISTINCT …)"),
        ("SELECT ABS(v) OVER () FROM d.w", "ABS with OVER at 1:8"),
        ("SELECT CORR(f, f) OVER () FROM d.w", "the function CORR at 1:8"),
        ("SELECT ROW_NUMBER() FROM d.w", "the function ROW_NUMBER at 1:8"),
        ("SELECT SUM(v) OVER (PARTITION BY f) FROM d.w", "PARTITION BY a FLOAT64 at 1:34"),
        ("SELECT SUM(v) OVER (PARTITION BY tags) FROM d.w", "grouping by a ARRAY"),
        ("SELECT SUM(v) OVER (ORDER BY tags) FROM d.w", "cannot be ordered"),
        ("SELECT SUM(v) OVER (ORDER BY 1) FROM d.w", "a constant in a window's ORDER BY"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS -1 PRECEDING) FROM d.w", "not negative"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS 1.5 PRECEDING) FROM d.w", "constant INT64"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS v PRECEDING) FROM d.w", "v is not in sight"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS 1 FOLLOWING) FROM d.w", "ends before it starts"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM d.w", "ends before it starts"),
        ("SELECT SUM(v) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED FOLLOWING AND UNBOUNDED FOLLOWING) FROM d.w", "ends before it starts"),
        ("SELECT SUM(v) OVER (ROWS 1 PRECEDING) FROM d.w", "ROWS or RANGE without ORDER BY"),
        ("SELECT SUM(v) OVER (ORDER BY f RANGE 1 PRECEDING) FROM d.w", "RANGE by a distance of FLOAT64"),
        ("SELECT SUM(v) OVER (ORDER BY g RANGE 1 PRECEDING) FROM d.w", "one ORDER BY of a numeric type"),
        ("SELECT SUM(v) OVER (ORDER BY id, k RANGE 1 PRECEDING) FROM d.w", "one ORDER BY of a numeric type"),
        ("SELECT SUM(v) OVER (ORDER BY id RANGE 1.5 PRECEDING) FROM d.w", "constant INT64"),
        ("SELECT SUM(v) OVER (ORDER BY n RANGE 0.1 PRECEDING) FROM d.w", "constant NUMERIC"),
        ("SELECT SUM(v) OVER (ORDER BY id GROUPS 1 PRECEDING) FROM d.w", "GROUPS"),
        ("SELECT SUM(v) OVER nosuch FROM d.w", "the window nosuch is not in sight at 1:20"),
        ("SELECT SUM(v) OVER w FROM d.w WINDOW w AS x, x AS (ORDER BY id)", "the window x is not in sight"),
        ("SELECT SUM(v) OVER w FROM d.w WINDOW w AS (ORDER BY id), W AS (ORDER BY k)", "the window W is given twice"),
        ("SELECT SUM(v) OVER (w PARTITION BY g) FROM d.w WINDOW w AS (ORDER BY id)", "PARTITION BY in a window built on w"),
        ("SELECT SUM(v) OVER (w ORDER BY g) FROM d.w WINDOW w AS (ORDER BY id)", "a second ORDER BY"),
        ("SELECT SUM(v) OVER (w ROWS 1 PRECEDING) FROM d.w WINDOW w AS (ORDER BY id ROWS 2 PRECEDING)", "ROWS or RANGE in the window w"),
        ("SELECT 1 FROM d.w WINDOW w AS (ORDER BY nosuch)", "nosuch is not in sight"),
        ("SELECT (SELECT ROW_NUMBER() OVER () FROM UNNEST(tags)) FROM d.w", "OVER is not allowed"),
        ("SELECT COUNT(*) OVER () AS c FROM d.w ORDER BY (SELECT MAX(t) FROM UNNEST(tags) AS t WHERE LENGTH(t) < c)", "window function over UNNEST"),
        ("SELECT -v AS v FROM d.w ORDER BY SUM(v) OVER (ORDER BY id)", "v is a column and another alias"),
        ("SELECT SUM(x) OVER (ORDER BY x) FROM UNNEST([9223372036854775807, 1]) AS x", "INT64 overflow in SUM"),
        ("SELECT SUM(n) OVER (ORDER BY id) FROM d.w", "NUMERIC overflow in SUM"),
    ])
    .await;
}

#[tokio::test]
async fn percentiles_are_of_the_whole_partition() {
    let folder = table().await;
    let values = "FROM UNNEST([0, 3, NULL, 1, 2]) AS x LIMIT 1";
    let cont =
        |p: &str, nulls: &str| format!("SELECT PERCENTILE_CONT(x, {p} {nulls}) OVER () {values}");
    for (p, without, with) in [
        ("0", "[0.0]", "[null]"),
        ("0.01", "[0.03]", "[0.0]"),
        ("0.5", "[1.5]", "[1.0]"),
        ("0.9", "[2.7]", "[2.6]"),
        ("1", "[3.0]", "[3.0]"),
        ("0.25", "[0.75]", "[0.0]"),
    ] {
        folder.answers(&[(&cont(p, ""), &[without]), (&cont(p, "IGNORE NULLS"), &[without])]).await;
        folder.answers(&[(&cont(p, "RESPECT NULLS"), &[with])]).await;
    }
    let texts = "FROM UNNEST(['c', NULL, 'b', 'a']) AS x LIMIT 1";
    let disc = |nulls: &str| {
        let of = |p: &str| format!("PERCENTILE_DISC(x, {p} {nulls}) OVER ()");
        format!("SELECT {}, {}, {}, {} {texts}", of("0"), of("0.25"), of("0.5"), of("1"))
    };
    folder
        .answers(&[
            (&disc(""), &[r#"["a","a","b","c"]"#]),
            (&disc("RESPECT NULLS"), &[r#"[null,null,"a","c"]"#]),
            // A tenth as a double is more than a tenth: the first of ten is not enough.
            (
                "SELECT PERCENTILE_DISC(x, 0.1) OVER (), PERCENTILE_DISC(x, 0.3) OVER (), PERCENTILE_CONT(x, 0.1) OVER () FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x LIMIT 1",
                &["[2,3,1.9]"],
            ),
            (
                "SELECT x, PERCENTILE_CONT(x, 0.5) OVER (PARTITION BY MOD(x, 2)), PERCENTILE_DISC(NUMERIC '1.5' * x, 0.5) OVER (PARTITION BY MOD(x, 2)) FROM UNNEST([1, 2, 3, 4, 7]) AS x ORDER BY x",
                &["[1,3.0,\"4.5\"]", "[2,3.0,\"3\"]", "[3,3.0,\"4.5\"]", "[4,3.0,\"3\"]", "[7,3.0,\"4.5\"]"],
            ),
            ("SELECT PERCENTILE_CONT(x, 0.5) OVER (), PERCENTILE_DISC(x, 0.5) OVER () FROM UNNEST([CAST(NULL AS FLOAT64)]) AS x", &["[null,null]"]),
            ("SELECT PERCENTILE_DISC(x, 0) OVER (), PERCENTILE_CONT(x, 1) OVER () FROM UNNEST([1.5, CAST('nan' AS FLOAT64), -1.0]) AS x LIMIT 1", &["[\"NaN\",1.5]"]),
        ])
        .await;
    folder
        .refuses(&[
            ("SELECT PERCENTILE_CONT(x, 0.5) OVER (ORDER BY x) FROM UNNEST([1]) AS x", "with ORDER BY in its window"),
            ("SELECT PERCENTILE_CONT(x, 0.5) OVER (ROWS UNBOUNDED PRECEDING) FROM UNNEST([1]) AS x", "ROWS or RANGE without ORDER BY"),
            ("SELECT PERCENTILE_CONT(x, 1.5) OVER () FROM UNNEST([1]) AS x", "a constant from 0 to 1"),
            ("SELECT PERCENTILE_DISC(x, x) OVER () FROM UNNEST([1]) AS x", "a constant from 0 to 1"),
            ("SELECT PERCENTILE_CONT(x) OVER () FROM UNNEST([1]) AS x", "PERCENTILE_CONT with 1 values"),
            ("SELECT PERCENTILE_CONT(NUMERIC '1', 0.5) OVER ()", "cast it to FLOAT64"),
            ("SELECT PERCENTILE_DISC(1, NUMERIC '0.5') OVER ()", "a NUMERIC percentile"),
            ("SELECT PERCENTILE_DISC([x], 0.5) OVER () FROM UNNEST([1]) AS x", "cannot be ordered"),
            ("SELECT PERCENTILE_CONT(x, 0.5) FROM UNNEST([1]) AS x", "PERCENTILE_CONT"),
        ])
        .await;
}
