//! What of GoogleSQL is answered and what is refused, each with a statement that shows it.

/// A construct and a statement over the tables `billing.export` and `ctl.runs` of the exactness tests.
#[derive(Debug)]
pub struct Construct {
    /// What it is.
    pub about: &'static str,
    /// A statement with it.
    pub example: &'static str,
}

/// A chapter of constructs that are answered.
#[derive(Debug)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// What stands in it.
    pub constructs: &'static [Construct],
}

const fn shown(about: &'static str, example: &'static str) -> Construct {
    Construct { about, example }
}

/// What is answered.
pub const ANSWERED: &[Chapter] = &[
    Chapter {
        title: "Values and types",
        constructs: &[
            shown(
                "INT64, FLOAT64, NUMERIC, BOOL, STRING, DATE, DATETIME, TIMESTAMP",
                "SELECT 1, 1.5, NUMERIC '1.5', TRUE, 'a', DATE '2026-01-31', DATETIME '2026-01-31 12:00:00', TIMESTAMP '2026-01-31 12:00:00+00'",
            ),
            shown("JSON columns and literals", "SELECT JSON '{\"a\": 1}', payload FROM ctl.runs"),
            shown(
                "STRUCT, typed or not, and tuples",
                "SELECT STRUCT(1 AS a, 'x' AS b), STRUCT<a INT64>(1), (1, 2) = (1, 2)",
            ),
            shown(
                "ARRAY, typed or not, of constants or computed",
                "SELECT [1, 2], ARRAY<NUMERIC>[1], [cost, cost * 2] FROM billing.export",
            ),
            shown(
                "elements of arrays",
                "SELECT labels[OFFSET(0)], labels[SAFE_ORDINAL(9)], labels[0].key FROM billing.export WHERE ARRAY_LENGTH(labels) > 0",
            ),
            shown(
                "fields of STRUCTs, and all of them",
                "SELECT service.id, service.* FROM billing.export",
            ),
            shown("query parameters by name", "SELECT cost FROM ctl.runs WHERE run_id = @run"),
            shown(
                "CAST and SAFE_CAST",
                "SELECT CAST('1' AS INT64), SAFE_CAST('x' AS INT64), CAST(cost AS STRING) FROM ctl.runs",
            ),
        ],
    },
    Chapter {
        title: "Operators and conditions",
        constructs: &[
            shown(
                "arithmetic, with GoogleSQL's overflow errors",
                "SELECT 7 / 2, 7 * 2 - 1, -cost FROM billing.export",
            ),
            shown(
                "comparison, BETWEEN, IN, IS NULL, IS TRUE, IS DISTINCT FROM (but of FLOAT64)",
                "SELECT cost BETWEEN 1 AND 5, currency IN ('USD', 'EUR'), cost IS NULL, (cost > 1) IS TRUE, currency IS DISTINCT FROM 'USD' FROM billing.export",
            ),
            shown(
                "IN and NOT IN with a subquery or an array",
                "SELECT run_id FROM ctl.runs WHERE run_id IN (SELECT run_id FROM ctl.runs WHERE attempt > 1) OR run_id IN UNNEST(['r1'])",
            ),
            shown(
                "LIKE and concatenation",
                "SELECT run_id || '!' FROM ctl.runs WHERE run_id LIKE 'r%'",
            ),
            shown("LIKE ANY", "SELECT run_id FROM ctl.runs WHERE run_id LIKE ANY ('r%', 's%')"),
            shown(
                "operators on the bits of INT64, in parentheses beside others",
                "SELECT (6 & 3) | 8, 5 ^ 1, ~0",
            ),
            shown(
                "DATE and INT64, and INTERVAL of one part, with + and -",
                "SELECT DATE '2026-01-01' + 5, TIMESTAMP '2026-01-01 00:00:00+00' - INTERVAL 1 HOUR",
            ),
            shown(
                "CASE, IF and their kin",
                "SELECT CASE WHEN cost > 5 THEN 'high' ELSE 'low' END, IF(cost > 5, 1, 0) FROM billing.export",
            ),
        ],
    },
    Chapter {
        title: "Queries",
        constructs: &[
            shown(
                "WITH",
                "WITH big AS (SELECT cost AS c FROM billing.export WHERE cost > 5) SELECT COUNT(*) FROM big",
            ),
            shown(
                "WITH RECURSIVE, by UNION ALL, to fewer than 500 iterations",
                "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t",
            ),
            shown(
                "`*` with EXCEPT and REPLACE",
                "SELECT * EXCEPT (labels, credits) REPLACE (cost * 2 AS cost) FROM billing.export",
            ),
            shown(
                "DISTINCT, ORDER BY with NULLS FIRST or LAST, LIMIT and OFFSET",
                "SELECT DISTINCT currency FROM billing.export ORDER BY currency DESC NULLS LAST LIMIT 2 OFFSET 0",
            ),
            shown(
                "SELECT AS STRUCT",
                "SELECT ARRAY(SELECT AS STRUCT key, value FROM UNNEST(labels)) FROM billing.export",
            ),
            shown(
                "UNION ALL, UNION DISTINCT, EXCEPT DISTINCT, INTERSECT DISTINCT",
                "SELECT run_id FROM ctl.runs UNION ALL SELECT tenant FROM ctl.runs",
            ),
            shown(
                "INNER, LEFT, RIGHT, FULL and CROSS JOIN, with ON or USING",
                "SELECT a.run_id FROM ctl.runs AS a LEFT JOIN ctl.runs AS b USING (run_id)",
            ),
            shown(
                "UNNEST of a row's array, WITH OFFSET",
                "SELECT l.key, at FROM billing.export, UNNEST(labels) AS l WITH OFFSET AS at",
            ),
            shown(
                "wildcard tables and `_TABLE_SUFFIX`",
                "SELECT _TABLE_SUFFIX AS day, cost FROM `billing.shard_*` WHERE _TABLE_SUFFIX >= '20260101'",
            ),
            shown(
                "PIVOT",
                "SELECT * FROM (SELECT status, attempt FROM ctl.runs) PIVOT(SUM(attempt) FOR status IN ('failed', 'done'))",
            ),
            shown(
                "UNPIVOT, also INCLUDE NULLS",
                "SELECT name, n FROM (SELECT attempt, version FROM ctl.runs) UNPIVOT(n FOR name IN (attempt, version))",
            ),
        ],
    },
    Chapter {
        title: "Groups",
        constructs: &[
            shown(
                "GROUP BY expressions, aliases and ordinals, and HAVING",
                "SELECT service.id AS s, SUM(cost) AS c FROM billing.export GROUP BY s HAVING c > 1",
            ),
            shown("GROUP BY ALL", "SELECT currency, SUM(cost) FROM billing.export GROUP BY ALL"),
            shown(
                "ROLLUP, CUBE, GROUPING SETS and GROUPING",
                "SELECT currency, cost_type, SUM(cost), GROUPING(currency) FROM billing.export GROUP BY ROLLUP(currency, cost_type)",
            ),
            shown("COUNT with DISTINCT", "SELECT COUNT(DISTINCT currency) FROM billing.export"),
            shown(
                "ARRAY_AGG and STRING_AGG with DISTINCT, ORDER BY and LIMIT, ARRAY_AGG with IGNORE NULLS",
                "SELECT ARRAY_AGG(cost IGNORE NULLS ORDER BY cost DESC LIMIT 3), STRING_AGG(DISTINCT currency, ';') FROM billing.export",
            ),
            shown(
                "the approximate aggregates, computed exactly",
                "SELECT APPROX_QUANTILES(cost, 4)[OFFSET(2)], APPROX_COUNT_DISTINCT(currency) FROM billing.export",
            ),
        ],
    },
    Chapter {
        title: "Windows",
        constructs: &[
            shown(
                "PARTITION BY, ORDER BY, ROWS and RANGE frames, named windows",
                "SELECT SUM(cost) OVER (w ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM billing.export WINDOW w AS (PARTITION BY currency ORDER BY usage_start_time)",
            ),
            shown(
                "QUALIFY",
                "SELECT run_id FROM ctl.runs QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY created_at DESC) = 1",
            ),
            shown(
                "windows over groups",
                "SELECT currency, RANK() OVER (ORDER BY SUM(cost) DESC) FROM billing.export GROUP BY currency",
            ),
        ],
    },
    Chapter {
        title: "Subqueries",
        constructs: &[
            shown(
                "as a value, in EXISTS and in ARRAY, over tables",
                "SELECT (SELECT MAX(cost) FROM billing.export), EXISTS(SELECT 1 FROM ctl.runs), ARRAY(SELECT run_id FROM ctl.runs)",
            ),
            shown(
                "as a value over tables, found by equalities with the row around it: of an aggregate, or of at most one row",
                "SELECT a.run_id, (SELECT COUNT(*) FROM ctl.runs AS b WHERE b.tenant = a.tenant AND b.attempt > 1) FROM ctl.runs AS a",
            ),
            shown(
                "EXISTS, NOT EXISTS and IN over tables that read the row around them, as parts of WHERE",
                "SELECT run_id FROM ctl.runs AS a WHERE EXISTS (SELECT 1 FROM ctl.runs AS b WHERE b.tenant = a.tenant AND b.run_id != a.run_id)",
            ),
            shown(
                "over a row's arrays: filter, JOIN, GROUP BY, DISTINCT, ORDER BY, LIMIT",
                "SELECT cost + (SELECT COALESCE(SUM(c.amount), 0) FROM UNNEST(credits) AS c WHERE c.amount < 0) AS net FROM billing.export",
            ),
        ],
    },
];

/// What is refused, with what the refusal calls it.
pub const REFUSED: &[(Construct, &str)] = &[
    (
        shown(
            "any other subquery over tables that reads the row around it; write a JOIN",
            "SELECT (SELECT COUNT(*) FROM ctl.runs AS b WHERE b.tenant > a.tenant) FROM ctl.runs AS a",
        ),
        "a subquery over tables that reads a.tenant of the query around it",
    ),
    (
        shown(
            "a recursive query that reads itself twice, aggregated or sorted",
            "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT MAX(n) + 1 FROM t) SELECT n FROM t",
        ),
        "a recursive term that reads itself other than once",
    ),
    (shown("TABLESAMPLE", "SELECT 1 FROM ctl.runs TABLESAMPLE SYSTEM (10 PERCENT)"), "in FROM"),
    (
        shown(
            "FOR SYSTEM_TIME AS OF",
            "SELECT 1 FROM ctl.runs FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00+00'",
        ),
        "in FROM",
    ),
    (shown("EXCEPT ALL and INTERSECT ALL", "SELECT 1 EXCEPT ALL SELECT 2"), "EXCEPT ALL"),
    (
        shown(
            "grouping and DISTINCT over STRUCTs, ARRAYs and JSON",
            "SELECT DISTINCT service FROM billing.export",
        ),
        "grouping by a STRUCT",
    ),
    (
        shown("SELECT AS VALUE", "SELECT AS VALUE STRUCT(1 AS a)"),
        "SELECT AS STRUCT or AS VALUE here",
    ),
    (shown("the pipe syntax", "FROM ctl.runs |> WHERE attempt > 1"), "syntax error"),
    (
        shown("INFORMATION_SCHEMA", "SELECT table_name FROM billing.INFORMATION_SCHEMA.TABLES"),
        "INFORMATION_SCHEMA",
    ),
    (shown("table functions", "SELECT 1 FROM ML.PREDICT(1)"), "the table function"),
    (
        shown("NOT LIKE ANY", "SELECT run_id FROM ctl.runs WHERE run_id NOT LIKE ANY ('r%', 's%')"),
        "LIKE ANY",
    ),
    (shown("BIGNUMERIC", "SELECT BIGNUMERIC '1'"), "BIGNUMERIC"),
    (shown("GEOGRAPHY", "SELECT ST_GEOGPOINT(1, 2)"), "the function ST_GEOGPOINT"),
    (shown("random and unique values", "SELECT GENERATE_UUID()"), "the function GENERATE_UUID"),
    (shown("user-defined functions", "SELECT dataset.fn(1)"), "the function dataset.fn"),
    (
        shown(
            "scripts and statements that change data: steps do that",
            "DELETE FROM ctl.runs WHERE TRUE",
        ),
        "is not a SELECT",
    ),
];
