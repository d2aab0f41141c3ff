//! Statements made of tables of functions and of arguments worth trying.

/// All of them, the same each time.
pub(crate) fn statements() -> Vec<String> {
    let mut all = Vec::new();
    scalar(&mut all);
    dates(&mut all);
    comparisons(&mut all);
    aggregates(&mut all);
    all
}

const TEXTS: &[&str] = &[
    "UPPER(t)",
    "LOWER(t)",
    "LENGTH(t)",
    "TRIM(t)",
    "LTRIM(t)",
    "RTRIM(t)",
    "REVERSE(t)",
    "STARTS_WITH(t, 'a')",
    "ENDS_WITH(t, 'c')",
    "STRPOS(t, 'b')",
    "REPLACE(t, 'b', '<>')",
    "SUBSTR(t, 2)",
    "SUBSTR(t, -3)",
    "SUBSTR(t, 2, 2)",
    "LEFT(t, 3)",
    "RIGHT(t, 3)",
    "LPAD(t, 8, '*')",
    "RPAD(t, 4)",
    "REPEAT(t, 2)",
    "CONCAT(t, '-', t)",
    "t || '!'",
    "SPLIT(t, 'b')",
    "SPLIT(t)",
    "REGEXP_CONTAINS(t, r'^a.*c$')",
    "REGEXP_EXTRACT(t, r'[a-z]+')",
    "REGEXP_EXTRACT_ALL(t, r'[bc]')",
    "REGEXP_REPLACE(t, r'([a-c])', r'<\\1>')",
    "BYTE_LENGTH(t)",
    "CHAR_LENGTH(t)",
    "TO_HEX(MD5(t))",
    "TO_HEX(SHA256(t))",
    "INITCAP(t)",
    "ASCII(t)",
    "INSTR(t, 'b', 1, 2)",
    "TRANSLATE(t, 'abc', 'xyz')",
    "SAFE_CAST(t AS INT64)",
    "t LIKE '%b_c%'",
    "t LIKE '%\\\\%%'",
    "t IN ('', 'abcabc')",
    "CAST(t AS BYTES)",
    "TO_JSON_STRING(t)",
    "TO_CODE_POINTS(t)",
    "SOUNDEX(t)",
];

const NUMBERS: &[&str] = &[
    "ABS(i)",
    "SIGN(i)",
    "MOD(i, 3)",
    "DIV(i, 2)",
    "i / 2",
    "SAFE_DIVIDE(i, 0)",
    "SAFE_ADD(i, 1)",
    "SAFE_SUBTRACT(i, 1)",
    "SAFE_NEGATE(i)",
    "SAFE_MULTIPLY(i, 2)",
    "CAST(i AS STRING)",
    "CAST(i AS FLOAT64)",
    "i BETWEEN -7 AND 3",
    "i IN (3, 0)",
    "-f",
    "ABS(f)",
    "SIGN(f)",
    "ROUND(f)",
    "ROUND(f, 1)",
    "TRUNC(f)",
    "CEIL(f)",
    "FLOOR(f)",
    "f / 3",
    "f * f",
    "f + i",
    "IEEE_DIVIDE(f, 0)",
    "SQRT(ABS(f))",
    "POW(f, 2)",
    "IS_NAN(f)",
    "SAFE_CAST(f AS INT64)",
    "CAST(f AS NUMERIC)",
    "ROUND(n)",
    "ROUND(n, 2)",
    "ROUND(n, -2)",
    "TRUNC(n, 1)",
    "CEIL(n)",
    "FLOOR(n)",
    "ABS(n)",
    "n * 2",
    "n / 3",
    "n + 0.5",
    "MOD(n, 7)",
    "CAST(n AS STRING)",
    "CAST(n AS FLOAT64)",
    "CAST(n AS INT64)",
    "n > 0",
    "n = i",
    "GREATEST(i, 0)",
    "LEAST(f, 0.5)",
    "GREATEST(d, DATE '2024-01-01')",
    "COALESCE(i, -1)",
    "IFNULL(n, 0)",
    "NULLIF(i, 3)",
    "IF(b, i, f)",
    "b AND i > 0",
    "b OR i IS NULL",
    "NOT b",
    "i IS DISTINCT FROM 3",
    "CASE WHEN b THEN 'y' WHEN NOT b THEN 'n' END",
    "CAST(b AS STRING)",
    "i & 5",
    "i | 1",
    "i ^ 3",
    "~i",
    "BIT_COUNT(i)",
    "FORMAT('%d', i)",
    "FORMAT('%05d', i)",
    "FORMAT('%.2f', f)",
    "TO_JSON_STRING(n)",
    "TO_JSON_STRING(f)",
    "CAST(f AS STRING)",
];

/// Functions of one value over the odd table's columns of their type.
fn scalar(all: &mut Vec<String>) {
    for call in TEXTS.iter().chain(NUMBERS) {
        all.push(format!(
            "SELECT id, {call} AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
    }
    for call in NUMBERS {
        all.push(format!("SELECT {call} AS y FROM export.odd WHERE id IN (4, 5) ORDER BY id"));
    }
}

/// Date functions by their parts.
fn dates(all: &mut Vec<String>) {
    for part in ["DAY", "WEEK", "WEEK(MONDAY)", "ISOWEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR"] {
        all.push(format!(
            "SELECT id, DATE_TRUNC(d, {part}) AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
        all.push(format!(
            "SELECT id, DATE_DIFF(DATE '2025-03-01', d, {part}) AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
        all.push(format!(
            "SELECT id, EXTRACT({part} FROM d) AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
        all.push(format!(
            "SELECT id, TIMESTAMP_TRUNC(ts, {part}) AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
    }
    for part in ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] {
        for count in ["1", "-1", "13"] {
            all.push(format!(
                "SELECT id, DATE_ADD(d, INTERVAL {count} {part}) AS y, DATETIME_SUB(dt, INTERVAL {count} {part}) AS z \
                 FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
            ));
        }
    }
    for part in ["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY"] {
        all.push(format!(
            "SELECT id, TIMESTAMP_ADD(ts, INTERVAL 90 {part}) AS y, \
             TIMESTAMP_DIFF(TIMESTAMP '2024-03-01 12:00:00+00', ts, {part}) AS z \
             FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
        all.push(format!(
            "SELECT id, DATETIME_TRUNC(dt, {part}) AS y, DATETIME_DIFF(DATETIME '2024-03-01 12:00:00', dt, {part}) AS z \
             FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
        all.push(format!(
            "SELECT id, EXTRACT({part} FROM ts) AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
    }
    for call in [
        "DATE(ts)",
        "DATE(ts, 'Europe/Berlin')",
        "DATETIME(ts)",
        "DATETIME(ts, 'America/New_York')",
        "TIMESTAMP(dt)",
        "TIMESTAMP(d)",
        "DATE(dt)",
        "DATETIME(d)",
        "LAST_DAY(d)",
        "LAST_DAY(d, YEAR)",
        "UNIX_SECONDS(ts)",
        "UNIX_MILLIS(ts)",
        "UNIX_DATE(d)",
        "FORMAT_DATE('%Y-%m', d)",
        "FORMAT_DATE('%A %d %B %y', d)",
        "FORMAT_DATE('%j %U %u', d)",
        "FORMAT_TIMESTAMP('%F %T', ts)",
        "FORMAT_DATETIME('%H:%M', dt)",
        "EXTRACT(DAYOFWEEK FROM d)",
        "EXTRACT(DAYOFYEAR FROM d)",
        "EXTRACT(DATE FROM ts)",
        "EXTRACT(HOUR FROM ts AT TIME ZONE 'Asia/Tokyo')",
        "CAST(d AS STRING)",
        "CAST(dt AS STRING)",
        "CAST(ts AS STRING)",
        "CAST(d AS TIMESTAMP)",
        "CAST(ts AS DATE)",
        "d + 1",
        "d - 1",
        "d = DATE '2024-01-01'",
        "ts > TIMESTAMP '2024-01-01 00:00:00+00'",
        "PARSE_DATE('%Y%m%d', '20240229')",
        "PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2024-02-29 01:02:03')",
        "DATE_FROM_UNIX_DATE(19000)",
        "TIMESTAMP_SECONDS(1700000000)",
        "DATE(2024, 2, 29)",
        "TIMESTAMP_TRUNC(ts, DAY, 'America/New_York')",
        "TIME(dt)",
        "STRING(ts)",
    ] {
        all.push(format!(
            "SELECT id, {call} AS y FROM export.odd WHERE id NOT IN (4, 5) ORDER BY id"
        ));
    }
}

/// Comparison operators over pairs of types.
fn comparisons(all: &mut Vec<String>) {
    for operator in ["=", "!=", "<", "<=", ">", ">="] {
        for (left, right) in
            [("i", "f"), ("i", "n"), ("t", "g"), ("b", "TRUE"), ("d", "'2024-01-01'"), ("f", "0")]
        {
            all.push(format!(
                "SELECT id FROM export.odd WHERE {left} {operator} {right} ORDER BY id"
            ));
        }
    }
}

/// Aggregates over columns, of all rows, of groups, of no rows, and over windows.
fn aggregates(all: &mut Vec<String>) {
    for call in [
        "COUNT(*)",
        "COUNT(i)",
        "COUNT(DISTINCT i)",
        "COUNT(DISTINCT g)",
        "COUNTIF(b)",
        "SUM(f)",
        "SUM(n / 4)",
        "AVG(f)",
        "AVG(v)",
        "MIN(i)",
        "MAX(i)",
        "MIN(t)",
        "MAX(d)",
        "MIN(n)",
        "MAX(f)",
        "LOGICAL_AND(b)",
        "LOGICAL_OR(b)",
        "STRING_AGG(g, ';' ORDER BY id)",
        "ARRAY_AGG(id ORDER BY id DESC)",
        "ARRAY_AGG(DISTINCT g IGNORE NULLS ORDER BY g)",
        "ARRAY_AGG(i IGNORE NULLS ORDER BY id LIMIT 2)",
        "SUM(v)",
        "MAX(ts)",
        "ANY_VALUE(1)",
        "SUM(IF(b, 1, 0))",
        "APPROX_COUNT_DISTINCT(g)",
    ] {
        let from = "FROM (SELECT *, MOD(id, 3) AS v FROM export.odd WHERE id NOT IN (4, 5))";
        all.push(format!("SELECT {call} AS y {from}"));
        all.push(format!("SELECT g, {call} AS y {from} GROUP BY g ORDER BY g"));
        all.push(format!("SELECT {call} AS y {from} WHERE FALSE"));
    }
}
