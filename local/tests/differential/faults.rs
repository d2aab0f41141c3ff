//! Where the emulator answers otherwise than BigQuery's documentation says.

/// Where GoogleSQL is documented.
pub(crate) const PAGES: &str = "https://cloud.google.com/bigquery/docs/reference/standard-sql/";

/// One fault, which covers the statements that hold a text.
pub(crate) struct Fault {
    /// What stands in each of the statements.
    pub(crate) marks: &'static str,
    /// What the emulator does.
    pub(crate) emulator: &'static str,
    /// What the documentation says.
    pub(crate) documented: &'static str,
    /// Where it says so, below `PAGES`.
    pub(crate) page: &'static str,
}

impl Fault {
    pub(crate) fn covers(&self, statement: &str) -> bool {
        statement.contains(self.marks)
    }
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        marks: "FROM UNNEST(labels) WHERE",
        emulator: "an element's fields are no names without an alias",
        documented: "UNNEST of STRUCTs gives a column for each field",
        page: "query-syntax#unnest_operator",
    },
    Fault {
        marks: "FROM UNNEST(labels))",
        emulator: "an element's fields are no names without an alias",
        documented: "UNNEST of STRUCTs gives a column for each field",
        page: "query-syntax#unnest_operator",
    },
    Fault {
        marks: "FROM UNNEST(labels) ORDER",
        emulator: "an element's fields are no names without an alias",
        documented: "UNNEST of STRUCTs gives a column for each field",
        page: "query-syntax#unnest_operator",
    },
    Fault {
        marks: "(SELECT SUM(amount) FROM UNNEST(credits))",
        emulator: "an element's fields are no names without an alias",
        documented: "UNNEST of STRUCTs gives a column for each field",
        page: "query-syntax#unnest_operator",
    },
    Fault {
        marks: "FROM export.odd, UNNEST(items) ORDER",
        emulator: "an element's fields are no names without an alias",
        documented: "UNNEST of STRUCTs gives a column for each field",
        page: "query-syntax#unnest_operator",
    },
    Fault {
        marks: "AS net FROM export.gcp ORDER BY net, cost",
        emulator: "ORDER BY of a subquery's alias beside a column is not planned",
        documented: "ORDER BY may name aliases of the list and columns of FROM",
        page: "query-syntax#order_by_clause",
    },
    Fault {
        marks: "ARRAY_LENGTH(credits) AS n",
        emulator: "a repeated field that a file leaves out is NULL",
        documented: "a column of mode REPEATED holds an empty array in place of NULL",
        page: "data-types#array_nulls",
    },
    Fault {
        marks: "`billing.shard_*`",
        emulator: "a dry run names no table of a wildcard",
        documented: "a wildcard table reads every table that matches",
        page: "wildcard-table-reference",
    },
    Fault {
        marks: "PIVOT(SUM(id) AS s, COUNT(*) AS c",
        emulator: "the value stands before the aggregate in a column's name",
        documented: "the aggregate's alias stands first, then the value's",
        page: "query-syntax#pivot_operator",
    },
    Fault {
        marks: "SELECT id FROM export.odd UNION ALL SELECT g",
        emulator: "INT64 and STRING are united as STRING",
        documented: "columns of a set operation need a common supertype",
        page: "query-syntax#set_operators",
    },
    Fault {
        marks: "STRUCT('x' AS c) AS b).b.c",
        emulator: "a field's value has no name",
        documented: "the alias of a field access is the field's name",
        page: "query-syntax#implicit_aliases",
    },
    Fault {
        marks: "(SELECT AS STRUCT 1 AS a, 2 AS b).b",
        emulator: "a field's value has no name",
        documented: "the alias of a field access is the field's name",
        page: "query-syntax#implicit_aliases",
    },
    Fault {
        marks: "CAST(NUMERIC '1.50' AS STRING)",
        emulator: "nine decimals always",
        documented: "a NUMERIC is written without trailing zeros",
        page: "conversion_functions#cast_as_string",
    },
    Fault {
        marks: "CAST(n AS STRING)",
        emulator: "nine decimals always",
        documented: "a NUMERIC is written without trailing zeros",
        page: "conversion_functions#cast_as_string",
    },
    Fault {
        marks: "SAFE_CAST('1.5' AS INT64)",
        emulator: "rounds the text's number",
        documented: "text must be an integer, decimal or hexadecimal",
        page: "conversion_functions#cast_as_integer",
    },
    Fault {
        marks: "(1, NULL) = (1, 2)",
        emulator: "FALSE",
        documented: "equality of STRUCTs with a NULL field is NULL where the others are equal",
        page: "operators#comparison_operators",
    },
    Fault {
        marks: "TO_JSON_STRING(9007199254740993)",
        emulator: "a plain number",
        documented: "an INT64 beyond 2^53 is encoded as a string",
        page: "json_functions#json_encodings",
    },
    Fault {
        marks: "TO_JSON_STRING(n)",
        emulator: "a number of nine decimals",
        documented: "a NUMERIC with a fraction is encoded as a string",
        page: "json_functions#json_encodings",
    },
    Fault {
        marks: "TO_JSON_STRING(f)",
        emulator: "writes 0.0 and 1e300",
        documented: "a FLOAT64 is written in its shortest form, with the exponent's sign",
        page: "json_functions#json_encodings",
    },
    Fault {
        marks: "JSON '[1, 2]'[1]",
        emulator: "cuts the literal at its bracket",
        documented: "a JSON array's elements are read by index",
        page: "operators#json_subscript_operator",
    },
    Fault {
        marks: "SUBSTR('abcdef', 0, 2)",
        emulator: "counts from before the text",
        documented: "position 0 is as 1, and one left of the text starts at 1",
        page: "string_functions#substr",
    },
    Fault {
        marks: "FORMAT_DATE('%a %b %e %Y'",
        emulator: "%e without its space",
        documented: "%e puts a space before a single digit",
        page: "format-elements#format_elements_date_time",
    },
    Fault {
        marks: "INSTR(t, 'b', 1, 2)",
        emulator: "0 for NULL",
        documented: "a NULL argument makes the result NULL",
        page: "string_functions#instr",
    },
    Fault {
        marks: "SAFE.REPEAT('a', -1)",
        emulator: "an empty text for a negative length or count",
        documented: "a negative count or length is an error, of which SAFE. makes NULL",
        page: "string_functions#repeat",
    },
    Fault {
        marks: "CAST(t AS BYTES)",
        emulator: "fails on letters beyond ASCII",
        documented: "a STRING casts to its UTF-8 bytes",
        page: "conversion_functions#cast_as_bytes",
    },
    Fault {
        marks: "SELECT f * f AS y FROM export.odd WHERE id IN (4",
        emulator: "an infinity",
        documented: "a FLOAT64 operation that overflows is an error",
        page: "data-types#floating_point_types",
    },
    Fault {
        marks: "SELECT n / 3 AS y FROM export.odd WHERE id IN (4",
        emulator: "the quotient of doubles",
        documented: "NUMERIC / INT64 is a NUMERIC, of 38 digits",
        page: "operators#arithmetic_operators",
    },
    Fault {
        marks: "SUM(n / 4) AS y",
        emulator: "FLOAT64",
        documented: "NUMERIC / INT64 is a NUMERIC",
        page: "operators#arithmetic_operators",
    },
    Fault {
        marks: "EXTRACT(MICROSECOND FROM ts)",
        emulator: "the seconds with it",
        documented: "MICROSECOND is the part below the second",
        page: "timestamp_functions#extract",
    },
    Fault {
        marks: "EXTRACT(MILLISECOND FROM ts)",
        emulator: "the seconds with it",
        documented: "MILLISECOND is the part below the second",
        page: "timestamp_functions#extract",
    },
    Fault {
        marks: "UNIX_MILLIS(ts)",
        emulator: "rounds to the nearest",
        documented: "digits beyond the millisecond are cut off",
        page: "timestamp_functions#unix_millis",
    },
    Fault {
        marks: "ARRAY_AGG(i IGNORE NULLS ORDER BY id LIMIT 2)",
        emulator: "keeps NULLs in groups that have nothing else",
        documented: "IGNORE NULLS leaves them out",
        page: "aggregate_functions#array_agg",
    },
];
