//! The functions that have a binding of their own.

/// A function that has a binding of its own.
#[derive(Debug)]
pub struct Special {
    /// Its GoogleSQL name.
    pub name: &'static str,
    /// What it takes and gives.
    pub form: &'static str,
    /// A statement with it, over the tables of the exactness tests.
    pub example: &'static str,
}

const fn special(name: &'static str, form: &'static str, example: &'static str) -> Special {
    Special { name, form, example }
}

/// Scalar functions that are not in the registry of row functions. A name that is in neither is refused.
pub const SPECIAL: &[Special] = &[
    special(
        "ARRAY",
        "(query) → ARRAY of its one column",
        "SELECT ARRAY(SELECT run_id FROM ctl.runs)",
    ),
    special("ARRAY_CONCAT", "(ARRAY<T>, …) → ARRAY<T>", "SELECT ARRAY_CONCAT([1], [2])"),
    special("ARRAY_FIRST", "(ARRAY<T>) → T", "SELECT ARRAY_FIRST([1, 2])"),
    special("ARRAY_LAST", "(ARRAY<T>) → T", "SELECT ARRAY_LAST([1, 2])"),
    special(
        "ARRAY_LENGTH",
        "(ARRAY<T>) → INT64",
        "SELECT ARRAY_LENGTH(labels) FROM billing.export",
    ),
    special("ARRAY_REVERSE", "(ARRAY<T>) → ARRAY<T>", "SELECT ARRAY_REVERSE([1, 2])"),
    special(
        "ARRAY_TO_STRING",
        "(ARRAY<STRING>, STRING [, STRING]) → STRING",
        "SELECT ARRAY_TO_STRING(['a', 'b'], ',')",
    ),
    special("COALESCE", "(T, …) → T", "SELECT COALESCE(NULL, 1)"),
    special("CURRENT_DATE", "([time zone]) → DATE", "SELECT CURRENT_DATE()"),
    special(
        "CURRENT_DATETIME",
        "([time zone]) → DATETIME",
        "SELECT CURRENT_DATETIME('Europe/Berlin')",
    ),
    special("CURRENT_TIME", "([time zone]) → TIME", "SELECT CURRENT_TIME()"),
    special("CURRENT_TIMESTAMP", "() → TIMESTAMP", "SELECT CURRENT_TIMESTAMP()"),
    special(
        "DATETIME_ADD",
        "(DATETIME, INTERVAL INT64 part) → DATETIME",
        "SELECT DATETIME_ADD(DATETIME '2026-01-31 12:00:00', INTERVAL 1 HOUR)",
    ),
    special(
        "DATETIME_DIFF",
        "(DATETIME, DATETIME, part) → INT64",
        "SELECT DATETIME_DIFF(DATETIME '2026-01-31 12:00:00', DATETIME '2026-01-31 12:00:00', HOUR)",
    ),
    special(
        "DATETIME_SUB",
        "(DATETIME, INTERVAL INT64 part) → DATETIME",
        "SELECT DATETIME_SUB(DATETIME '2026-01-31 12:00:00', INTERVAL 1 HOUR)",
    ),
    special(
        "DATETIME_TRUNC",
        "(DATETIME, part) → DATETIME",
        "SELECT DATETIME_TRUNC(DATETIME '2026-01-31 12:00:00', HOUR)",
    ),
    special(
        "DATE_ADD",
        "(DATE, INTERVAL INT64 part) → DATE",
        "SELECT DATE_ADD(DATE '2026-01-31', INTERVAL 1 DAY)",
    ),
    special(
        "DATE_DIFF",
        "(DATE, DATE, part) → INT64",
        "SELECT DATE_DIFF(DATE '2026-01-31', DATE '2026-01-31', DAY)",
    ),
    special(
        "DATE_SUB",
        "(DATE, INTERVAL INT64 part) → DATE",
        "SELECT DATE_SUB(DATE '2026-01-31', INTERVAL 1 DAY)",
    ),
    special("DATE_TRUNC", "(DATE, part) → DATE", "SELECT DATE_TRUNC(DATE '2026-01-31', DAY)"),
    special("FORMAT", "(STRING constant, …) → STRING", "SELECT FORMAT('%05d %s', 1, 'a')"),
    special(
        "GENERATE_DATE_ARRAY",
        "(DATE, DATE [, INTERVAL INT64 part]) → ARRAY<DATE>",
        "SELECT GENERATE_DATE_ARRAY('2026-01-01', '2026-03-01', INTERVAL 1 MONTH)",
    ),
    special(
        "GENERATE_TIMESTAMP_ARRAY",
        "(TIMESTAMP, TIMESTAMP, INTERVAL INT64 part) → ARRAY<TIMESTAMP>",
        "SELECT GENERATE_TIMESTAMP_ARRAY('2026-01-01 00:00:00+00', '2026-01-01 02:00:00+00', INTERVAL 1 HOUR)",
    ),
    special("GREATEST", "(T, …) → T", "SELECT GREATEST(1, 2)"),
    special(
        "GROUPING",
        "(a key of GROUP BY) → INT64",
        "SELECT GROUPING(tenant) FROM ctl.runs GROUP BY ROLLUP(tenant)",
    ),
    special("IF", "(BOOL, T, T) → T", "SELECT IF(TRUE, 1, 2)"),
    special("IFNULL", "(T, T) → T", "SELECT IFNULL(NULL, 1)"),
    special(
        "JSON_EXTRACT",
        "(STRING or JSON [, path constant]) → of the same type",
        "SELECT JSON_EXTRACT(payload, '$.a') FROM ctl.runs",
    ),
    special(
        "JSON_EXTRACT_ARRAY",
        "(STRING or JSON [, path constant]) → ARRAY of the same type",
        "SELECT JSON_EXTRACT_ARRAY('[1, 2]')",
    ),
    special(
        "JSON_EXTRACT_SCALAR",
        "(STRING or JSON [, path constant]) → STRING",
        "SELECT JSON_EXTRACT_SCALAR(payload, '$.a') FROM ctl.runs",
    ),
    special(
        "JSON_EXTRACT_STRING_ARRAY",
        "(STRING or JSON [, path constant]) → ARRAY<STRING>",
        "SELECT JSON_EXTRACT_STRING_ARRAY('[1, 2]')",
    ),
    special(
        "JSON_QUERY",
        "(STRING or JSON [, path constant]) → of the same type",
        "SELECT JSON_QUERY(payload, '$.a') FROM ctl.runs",
    ),
    special(
        "JSON_QUERY_ARRAY",
        "(STRING or JSON [, path constant]) → ARRAY of the same type",
        "SELECT JSON_QUERY_ARRAY('[1, 2]')",
    ),
    special(
        "JSON_VALUE",
        "(STRING or JSON [, path constant]) → STRING",
        "SELECT JSON_VALUE(payload, '$.a') FROM ctl.runs",
    ),
    special(
        "JSON_VALUE_ARRAY",
        "(STRING or JSON [, path constant]) → ARRAY<STRING>",
        "SELECT JSON_VALUE_ARRAY('[1, 2]')",
    ),
    special("LAST_DAY", "(DATE or DATETIME [, part]) → DATE", "SELECT LAST_DAY(DATE '2026-02-10')"),
    special("LEAST", "(T, …) → T", "SELECT LEAST(1, 2)"),
    special("NULLIF", "(T, T) → T", "SELECT NULLIF(1, 1)"),
    special(
        "TIMESTAMP_ADD",
        "(TIMESTAMP, INTERVAL INT64 part) → TIMESTAMP",
        "SELECT TIMESTAMP_ADD(TIMESTAMP '2026-01-31 12:00:00+00', INTERVAL 1 HOUR)",
    ),
    special(
        "TIMESTAMP_DIFF",
        "(TIMESTAMP, TIMESTAMP, part) → INT64",
        "SELECT TIMESTAMP_DIFF(TIMESTAMP '2026-01-31 12:00:00+00', TIMESTAMP '2026-01-31 12:00:00+00', HOUR)",
    ),
    special(
        "TIMESTAMP_SUB",
        "(TIMESTAMP, INTERVAL INT64 part) → TIMESTAMP",
        "SELECT TIMESTAMP_SUB(TIMESTAMP '2026-01-31 12:00:00+00', INTERVAL 1 HOUR)",
    ),
    special(
        "TIMESTAMP_TRUNC",
        "(TIMESTAMP, part [, time zone]) → TIMESTAMP",
        "SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-01-31 12:00:00+00', HOUR)",
    ),
    special(
        "TIME_ADD",
        "(TIME, INTERVAL INT64 part) → TIME",
        "SELECT TIME_ADD(TIME '12:00:00', INTERVAL 1 HOUR)",
    ),
    special(
        "TIME_DIFF",
        "(TIME, TIME, part) → INT64",
        "SELECT TIME_DIFF(TIME '12:00:00', TIME '12:00:00', HOUR)",
    ),
    special(
        "TIME_SUB",
        "(TIME, INTERVAL INT64 part) → TIME",
        "SELECT TIME_SUB(TIME '12:00:00', INTERVAL 1 HOUR)",
    ),
    special("TIME_TRUNC", "(TIME, part) → TIME", "SELECT TIME_TRUNC(TIME '12:00:00', HOUR)"),
    special("TO_JSON", "(T) → JSON", "SELECT TO_JSON(STRUCT(1 AS a))"),
    special("TO_JSON_STRING", "(T) → STRING", "SELECT TO_JSON_STRING(STRUCT(1 AS a))"),
];

/// Aggregate functions.
pub const AGGREGATES: &[Special] = &[
    special(
        "ANY_VALUE",
        "(T [HAVING MAX or MIN T]) → T; the first that is not NULL",
        "SELECT ANY_VALUE(run_id), ANY_VALUE(run_id HAVING MAX attempt) FROM ctl.runs",
    ),
    special(
        "APPROX_COUNT_DISTINCT",
        "(T) → INT64; exact",
        "SELECT APPROX_COUNT_DISTINCT(run_id) FROM ctl.runs",
    ),
    special(
        "APPROX_QUANTILES",
        "([DISTINCT] T, INT64 constant) → ARRAY<T>; exact",
        "SELECT APPROX_QUANTILES(cost, 2) FROM ctl.runs",
    ),
    special(
        "APPROX_TOP_COUNT",
        "(T, INT64 constant) → ARRAY<STRUCT<value T, count INT64>>; exact",
        "SELECT APPROX_TOP_COUNT(tenant, 1) FROM ctl.runs",
    ),
    special(
        "ARRAY_AGG",
        "([DISTINCT] T [IGNORE NULLS] [ORDER BY …] [LIMIT n]) → ARRAY<T>",
        "SELECT ARRAY_AGG(run_id ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "AVG",
        "([DISTINCT] INT64 or FLOAT64) → FLOAT64, (NUMERIC) → NUMERIC",
        "SELECT AVG(cost) FROM ctl.runs",
    ),
    special(
        "COUNT",
        "(*) or ([DISTINCT] T) → INT64",
        "SELECT COUNT(*), COUNT(DISTINCT tenant) FROM ctl.runs",
    ),
    special("COUNTIF", "(BOOL) → INT64", "SELECT COUNTIF(attempt > 1) FROM ctl.runs"),
    special("LOGICAL_AND", "(BOOL) → BOOL", "SELECT LOGICAL_AND(attempt > 0) FROM ctl.runs"),
    special("LOGICAL_OR", "(BOOL) → BOOL", "SELECT LOGICAL_OR(attempt > 1) FROM ctl.runs"),
    special("MAX", "(T) → T", "SELECT MAX(cost) FROM ctl.runs"),
    special("MAX_BY", "(T, T) → T", "SELECT MAX_BY(run_id, attempt) FROM ctl.runs"),
    special("MIN", "(T) → T", "SELECT MIN(cost) FROM ctl.runs"),
    special("MIN_BY", "(T, T) → T", "SELECT MIN_BY(run_id, attempt) FROM ctl.runs"),
    special(
        "STDDEV",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64; the same as STDDEV_SAMP",
        "SELECT STDDEV(cost) FROM ctl.runs",
    ),
    special(
        "STDDEV_POP",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64",
        "SELECT STDDEV_POP(cost) FROM ctl.runs",
    ),
    special(
        "STDDEV_SAMP",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64",
        "SELECT STDDEV_SAMP(cost) FROM ctl.runs",
    ),
    special(
        "STRING_AGG",
        "([DISTINCT] STRING [, STRING constant] [ORDER BY …] [LIMIT n]) → STRING",
        "SELECT STRING_AGG(run_id, '|' ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "SUM",
        "([DISTINCT] T) → T of INT64, FLOAT64 and NUMERIC",
        "SELECT SUM(cost) FROM ctl.runs",
    ),
    special(
        "VARIANCE",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64; the same as VAR_SAMP",
        "SELECT VARIANCE(cost) FROM ctl.runs",
    ),
    special(
        "VAR_POP",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64",
        "SELECT VAR_POP(cost) FROM ctl.runs",
    ),
    special(
        "VAR_SAMP",
        "(INT64, FLOAT64 or NUMERIC) → FLOAT64",
        "SELECT VAR_SAMP(cost) FROM ctl.runs",
    ),
];

/// Functions that need OVER; the aggregates but `ANY_VALUE`, `MAX_BY`, `MIN_BY` and those that make arrays or texts take it too.
pub const WINDOWS: &[Special] = &[
    special("CUME_DIST", "() → FLOAT64", "SELECT CUME_DIST() OVER (ORDER BY run_id) FROM ctl.runs"),
    special("DENSE_RANK", "() → INT64", "SELECT DENSE_RANK() OVER (ORDER BY tenant) FROM ctl.runs"),
    special(
        "FIRST_VALUE",
        "(T [IGNORE NULLS]) → T",
        "SELECT FIRST_VALUE(run_id) OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "LAG",
        "(T [, INT64 constant [, constant]]) → T",
        "SELECT LAG(run_id, 1, '') OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "LAST_VALUE",
        "(T [IGNORE NULLS]) → T",
        "SELECT LAST_VALUE(run_id) OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "LEAD",
        "(T [, INT64 constant [, constant]]) → T",
        "SELECT LEAD(run_id) OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "NTH_VALUE",
        "(T, INT64 constant [IGNORE NULLS]) → T",
        "SELECT NTH_VALUE(run_id, 2) OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "NTILE",
        "(INT64 constant) → INT64",
        "SELECT NTILE(2) OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special(
        "PERCENTILE_CONT",
        "(INT64 or FLOAT64, FLOAT64 constant [RESPECT NULLS]) → FLOAT64; without ORDER BY",
        "SELECT PERCENTILE_CONT(attempt, 0.5) OVER (PARTITION BY tenant) FROM ctl.runs",
    ),
    special(
        "PERCENTILE_DISC",
        "(T, FLOAT64 constant [RESPECT NULLS]) → T; without ORDER BY",
        "SELECT PERCENTILE_DISC(cost, 0.9) OVER (PARTITION BY tenant) FROM ctl.runs",
    ),
    special(
        "PERCENT_RANK",
        "() → FLOAT64",
        "SELECT PERCENT_RANK() OVER (ORDER BY run_id) FROM ctl.runs",
    ),
    special("RANK", "() → INT64", "SELECT RANK() OVER (ORDER BY tenant) FROM ctl.runs"),
    special("ROW_NUMBER", "() → INT64", "SELECT ROW_NUMBER() OVER (ORDER BY run_id) FROM ctl.runs"),
];
