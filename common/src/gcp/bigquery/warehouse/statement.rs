//! The one statement of each mode of writing, around a query whose columns are known.

use std::fmt::Write;

use google_cloud_bigquery_v2::model::JobStatistics2;

use crate::port::PortError;
use crate::warehouse::{
    Column, ColumnType, DataType, Mode, PartitionKind, TableDefinition, Target, TimePartitioning,
    WriteMode,
};

type Columns = [(String, DataType)];

/// Refuses names that a dry run's list of tables would not tell of. They are looked for in the text, also within
/// strings and comments: a word too many is refused, none gets by.
pub(super) fn visible(sql: &str) -> Result<(), PortError> {
    let upper = sql.to_uppercase();
    for word in ["INFORMATION_SCHEMA", "EXTERNAL_QUERY"] {
        if upper.contains(word) {
            return Err(PortError::InvalidQuery(format!("{word} is not allowed, nor is the word")));
        }
    }
    // Between backticks an escape may spell any name.
    let escaped = sql.split('`').skip(1).step_by(2).any(|name| name.contains('\\'));
    if escaped {
        let text = "a name between backticks holds a backslash: write it out";
        return Err(PortError::InvalidQuery(text.to_owned()));
    }
    Ok(())
}

/// Refuses all but one SELECT without routines.
pub(super) fn admissible(of: &JobStatistics2) -> Result<(), PortError> {
    if of.statement_type != "SELECT" {
        let text = format!("a {} statement is not allowed: write one SELECT", of.statement_type);
        return Err(PortError::InvalidQuery(text));
    }
    if let Some(routine) = of.referenced_routines.first() {
        let text = format!("routine {} is not allowed", routine.routine_id);
        return Err(PortError::InvalidQuery(text));
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    // A column's name may hold a backtick only as an escape, and no backslash.
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn list(columns: &Columns) -> String {
    columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// Refuses keys and partitions that the result does not have, or that cannot be compared.
pub(super) fn check(result: &Columns, target: &Target) -> Result<(), PortError> {
    let kind = |name: &str| result.iter().find(|(n, _)| n == name).map(|(_, kind)| kind);
    let wrong = |text: String| Err(PortError::InvalidQuery(text));
    if let Some(day) = &target.partition_by
        && kind(day) != Some(&DataType::Date)
    {
        return wrong(format!(
            "the result has no DATE column '{day}', which the table is partitioned by"
        ));
    }
    if matches!(target.mode, WriteMode::OverwritePartition { .. }) && target.partition_by.is_none()
    {
        return wrong("overwriting a range needs a partitioning column".to_owned());
    }
    let (WriteMode::Merge { keys } | WriteMode::AppendNew { keys }) = &target.mode else {
        return Ok(());
    };
    for key in keys {
        match kind(key) {
            None => return wrong(format!("the result has no column '{key}', which is a key")),
            Some(
                kind @ (DataType::Float64
                | DataType::Json
                | DataType::Struct(_)
                | DataType::Array(_)),
            ) => return wrong(format!("key '{key}' is {kind}, which cannot be compared exactly")),
            Some(_) => {}
        }
    }
    Ok(())
}

/// What the target is created as where it is not there.
pub(super) fn definition(result: &Columns, target: &Target) -> TableDefinition {
    let mut definition =
        TableDefinition::of(result.iter().map(|(name, kind)| column(name, kind)).collect());
    definition.time_partitioning = target
        .partition_by
        .clone()
        .map(|field| TimePartitioning { kind: PartitionKind::Day, field });
    if !target.cluster_by.is_empty() {
        definition.clustering =
            Some(crate::warehouse::Fields { fields: target.cluster_by.clone() });
    }
    definition
}

fn column(name: &str, kind: &DataType) -> Column {
    let simple = |kind| Column::new(name, kind);
    match kind {
        DataType::Int64 => simple(ColumnType::Int64),
        DataType::Float64 => simple(ColumnType::Float64),
        DataType::Numeric => simple(ColumnType::Numeric),
        DataType::Bool => simple(ColumnType::Bool),
        DataType::String => simple(ColumnType::String),
        DataType::Bytes => simple(ColumnType::Bytes),
        DataType::Date => simple(ColumnType::Date),
        DataType::Datetime => simple(ColumnType::Datetime),
        DataType::Time => simple(ColumnType::Time),
        DataType::Timestamp => simple(ColumnType::Timestamp),
        DataType::Json => simple(ColumnType::Json),
        DataType::Struct(fields) => Column {
            fields: fields.iter().map(|(name, kind)| column(name, kind)).collect(),
            ..simple(ColumnType::Record)
        },
        DataType::Array(element) => Column { mode: Mode::Repeated, ..column(name, element) },
    }
}

/// Refuses a result whose columns are not the table's.
pub(super) fn same_columns(
    table: &Columns,
    result: &Columns,
    target: &Target,
) -> Result<(), PortError> {
    let has = |all: &Columns, name: &str| all.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let extra = result.iter().find(|(name, _)| !has(table, name));
    let missing = table.iter().find(|(name, _)| !has(result, name));
    match (extra, missing) {
        (Some((name, _)), _) => Err(PortError::InvalidQuery(format!(
            "table {} has no column '{name}', which the result has",
            target.table
        ))),
        (None, Some((name, _))) => Err(PortError::InvalidQuery(format!(
            "the result has no column '{name}', which table {} has",
            target.table
        ))),
        (None, None) => Ok(()),
    }
}

/// The statement that writes a query's rows; replacing is no statement of its own.
pub(super) fn sql(query: &str, result: &Columns, target: &Target) -> String {
    let table = format!("`{}`.`{}`", target.table.dataset, target.table.table);
    let columns = list(result);
    let values: Vec<String> =
        result.iter().map(|(name, _)| format!("s.{}", quoted(name))).collect();
    let values = values.join(", ");
    match &target.mode {
        WriteMode::Replace | WriteMode::Append => {
            format!("INSERT INTO {table} ({columns})\nSELECT {values} FROM (\n{query}\n) AS s")
        }
        WriteMode::OverwritePartition { from, to } => {
            let day = quoted(target.partition_by.as_deref().unwrap_or_default());
            let range = format!("BETWEEN DATE '{from}' AND DATE '{to}'");
            let outside = format!(
                "ERROR(CONCAT('a row is of ', COALESCE(CAST(s.{day} AS STRING), 'NULL'), ', outside of {from} to {to}'))"
            );
            let source = with_column(result, target.partition_by.as_deref(), &|name| {
                format!("IF(s.{name} {range}, s.{name}, {outside}) AS {name}")
            });
            format!(
                "MERGE {table} AS t\nUSING (SELECT {source} FROM (\n{query}\n) AS s) AS s ON FALSE\n\
                 WHEN NOT MATCHED BY SOURCE AND t.{day} {range} THEN DELETE\n\
                 WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
            )
        }
        WriteMode::AppendNew { keys } => {
            let source = keyed(query, result, keys, None);
            let on = on(keys);
            format!(
                "MERGE {table} AS t\nUSING ({source}) AS s ON {on}\n\
                 WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
            )
        }
        WriteMode::Merge { keys } => {
            let source = keyed(query, result, keys, Some(&table));
            let others = result.iter().map(|(name, _)| name).filter(|name| !keys.contains(name));
            let set: Vec<String> =
                others.map(|name| format!("{0} = s.{0}", quoted(name))).collect();
            let set = if set.is_empty() {
                keys.iter().map(|key| format!("{0} = s.{0}", quoted(key))).collect()
            } else {
                set
            };
            let (on, set) = (on(keys), set.join(", "));
            format!(
                "MERGE {table} AS t\nUSING ({source}) AS s ON {on}\nWHEN MATCHED THEN UPDATE SET {set}\n\
                 WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
            )
        }
    }
}

fn on(keys: &[String]) -> String {
    let equal = keys.iter().map(|key| format!("t.{0} = s.{0}", quoted(key)));
    equal.collect::<Vec<_>>().join(" AND ")
}

/// The columns of `s`, one of them as `with` says.
fn with_column(result: &Columns, one: Option<&str>, with: &dyn Fn(&str) -> String) -> String {
    let column = |(name, _): &(String, DataType)| {
        let name_quoted = quoted(name);
        if Some(name.as_str()) == one {
            with(&name_quoted)
        } else {
            format!("s.{name_quoted} AS {name_quoted}")
        }
    };
    result.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// The rows of a query with their keys checked: no NULL, none twice, and none that `table` holds twice. The check is
/// part of the first key's value, so that no row is written without it.
fn keyed(query: &str, result: &Columns, keys: &[String], table: Option<&str>) -> String {
    let names: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
    let of = |prefix: &str| names.iter().map(|n| format!("{prefix}.{n}")).collect::<Vec<_>>();
    let mut cases = String::new();
    for (key, name) in keys.iter().zip(&names) {
        let key = key.replace('\\', "\\\\").replace('\'', "\\'");
        let _ = write!(cases, "WHEN s.{name} IS NULL THEN ERROR('key {key} is NULL') ");
    }
    let shown: Vec<String> = names.iter().map(|n| format!("CAST(s.{n} AS STRING)")).collect();
    let shown = shown.join(", ', ', ");
    let _ = write!(
        cases,
        "WHEN s.rows_of_key > 1 THEN ERROR(CONCAT('two rows of the result have the key ', {shown})) "
    );
    let mut join = String::new();
    if let Some(table) = table {
        let _ = write!(
            cases,
            "WHEN d.rows_of_key > 1 THEN ERROR(CONCAT('the table holds this key twice: ', {shown})) "
        );
        let (keys_of, equal) = (of("k").join(", "), names.iter().map(|n| format!("d.{n} = s.{n}")));
        let _ = write!(
            join,
            "\nLEFT JOIN (SELECT {keys_of}, COUNT(*) AS rows_of_key FROM {table} AS k GROUP BY {keys_of}) AS d ON {}",
            equal.collect::<Vec<_>>().join(" AND ")
        );
    }
    let columns = with_column(result, keys.first().map(String::as_str), &|name| {
        format!("CASE {cases}ELSE s.{name} END AS {name}")
    });
    let partition = of("q").join(", ");
    format!(
        "SELECT {columns} FROM (\nSELECT q.*, COUNT(*) OVER (PARTITION BY {partition}) AS rows_of_key FROM (\n{query}\n) AS q\n) AS s{join}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_of_tables_would_not_tell_is_refused() {
        for bad in [
            "SELECT * FROM region-eu.Information_Schema.JOBS",
            "SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')",
            "SELECT * FROM d.`INFORMATION\\u005fSCHEMA`.TABLES",
        ] {
            assert!(matches!(visible(bad), Err(PortError::InvalidQuery(_))), "{bad}");
        }
        visible("SELECT `a b`, 'a\\n' FROM d.t -- `x`").unwrap();
    }

    #[test]
    fn a_comment_at_the_end_of_a_query_ends_with_its_line() {
        let target = Target {
            table: "d.t".parse().unwrap(),
            partition_by: None,
            cluster_by: Vec::new(),
            mode: WriteMode::Append,
        };
        let columns = [("a`b".to_owned(), DataType::Int64)];
        let sql = sql("SELECT 1 AS x -- )", &columns, &target);
        assert_eq!(
            sql,
            "INSERT INTO `d`.`t` (`a\\`b`)\nSELECT s.`a\\`b` FROM (\nSELECT 1 AS x -- )\n) AS s"
        );
    }
}
