//! The one statement that a write is, as text. Only names that were looked up or validated are spliced, quoted.

use std::fmt::Write;

use chrono::NaiveDate;

use super::schema::Existing;
use crate::port::PortError;
use crate::warehouse::{DataType, Target, WriteMode};

/// Rows on their way into a table: one SELECT and its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub sql: &'a str,
    pub columns: &'a [(String, DataType)],
}

/// How a write is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// A statement that changes a table which is there.
    Change(String),
    /// A SELECT whose rows become the table's only ones: it is made by the same job, or emptied.
    Become(String),
}

/// Plans a write into a table: one that is there, or one that the write makes.
pub(super) fn plan(
    rows: Rows<'_>,
    target: &Target,
    name: &str,
    existing: Option<&Existing>,
) -> Result<Plan, PortError> {
    let wrong = |text: String| PortError::InvalidQuery(format!("{}: {text}", target.table));
    distinct(rows.columns)?;
    let order: &[(String, DataType)] = if let Some(table) = existing {
        fit(&table.columns, rows.columns).map_err(wrong)?;
        &table.columns
    } else {
        created(rows.columns, target).map_err(wrong)?;
        rows.columns
    };
    let into = Destination { target, name, order, is_there: existing.is_some() };
    Ok(match &target.mode {
        WriteMode::Replace => match existing {
            // Emptying the table would lose what a query's rows do not say.
            Some(table) if !table.is_plain || table.has_more => {
                Plan::Change(into.merge(&into.select(rows.sql), &["FALSE".to_owned()], BY_NONE))
            }
            _ => Plan::Become(into.select(rows.sql)),
        },
        WriteMode::Append => match existing {
            Some(_) => Plan::Change(into.insert(rows.sql)),
            None => Plan::Become(into.select(rows.sql)),
        },
        WriteMode::OverwritePartition { from, to } => {
            let column = match existing {
                Some(table) => table.partition_column(),
                None => target.partition_by.as_deref(),
            };
            let column = column.ok_or_else(|| {
                wrong("has no partitions to overwrite; name a partition column".to_owned())
            })?;
            let by = into.column(column, "is partitioned by").map_err(wrong)?;
            let source = into.within(rows.sql, by, *from, *to).map_err(wrong)?;
            if existing.is_none() {
                return Ok(Plan::Become(source));
            }
            let old = format!(
                "WHEN NOT MATCHED BY SOURCE AND {} THEN DELETE",
                range(&format!("{TARGET}.{}", quoted(&by.0)), &by.1, *from, *to)
            );
            Plan::Change(into.merge(&source, &["FALSE".to_owned()], &old))
        }
        WriteMode::AppendNew { keys } => into.by_keys(rows.sql, keys, false).map_err(wrong)?,
        WriteMode::Merge { keys } => into.by_keys(rows.sql, keys, true).map_err(wrong)?,
    })
}

const TARGET: &str = "headgate_target";
const SOURCE: &str = "headgate_source";
/// Every row that is there goes.
const BY_NONE: &str = "WHEN NOT MATCHED BY SOURCE THEN DELETE";

/// What rows go into.
struct Destination<'a> {
    target: &'a Target,
    /// The table's name as SQL has it.
    name: &'a str,
    /// Its columns, in its order.
    order: &'a [(String, DataType)],
    is_there: bool,
}

impl Destination<'_> {
    fn names(&self, prefix: &str) -> String {
        let name = |(name, _): &(String, DataType)| format!("{prefix}{}", quoted(name));
        self.order.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn select(&self, sql: &str) -> String {
        format!("SELECT {}\nFROM (\n{sql}\n) AS headgate_rows", self.names(""))
    }

    fn insert(&self, sql: &str) -> String {
        format!("INSERT INTO {} ({})\n{}", self.name, self.names(""), self.select(sql))
    }

    /// A MERGE; `old` says what becomes of rows that are there.
    fn merge(&self, source: &str, on: &[String], old: &str) -> String {
        let old = if old.is_empty() { String::new() } else { format!("{old}\n") };
        format!(
            "MERGE INTO {} AS {TARGET}\nUSING (\n{source}\n) AS {SOURCE}\nON {}\n{old}WHEN NOT MATCHED BY TARGET \
             THEN INSERT ({}) VALUES ({})",
            self.name,
            on.join(" AND "),
            self.names(""),
            self.names(&format!("{SOURCE}."))
        )
    }

    fn column(&self, name: &str, what: &str) -> Result<&(String, DataType), String> {
        let found = self.order.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("{what} {name}, which the result does not have"))
    }

    /// The rows, failing at one outside the range.
    fn within(
        &self,
        sql: &str,
        (column, kind): &(String, DataType),
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<String, String> {
        if !matches!(kind, DataType::Date | DataType::Timestamp) {
            return Err(format!(
                "is partitioned by {column}, which is no DATE or TIMESTAMP column"
            ));
        }
        let name = quoted(column);
        let before = literal(&format!("a row of the result has {column} "));
        let after = literal(&format!(
            ", outside {from} to {to} that {} is overwritten in",
            self.target.table
        ));
        let value = format!(
            "IF({}, {name}, ERROR(CONCAT({before}, {}, {after})))",
            range(&name, kind, from, to),
            shown(&name, kind)
        );
        Ok(self.checked(&value, column, &format!("(\n{sql}\n) AS headgate_rows"), ""))
    }

    /// The columns, one of them as a value that is checked.
    fn checked(&self, value: &str, column: &str, from: &str, prefix: &str) -> String {
        let name = |(name, _): &(String, DataType)| {
            if name == column {
                format!("{value} AS {}", quoted(name))
            } else {
                format!("{prefix}{}", quoted(name))
            }
        };
        let columns: Vec<String> = self.order.iter().map(name).collect();
        format!("SELECT {}\nFROM {from}", columns.join(", "))
    }

    fn by_keys(&self, sql: &str, keys: &[String], replaces: bool) -> Result<Plan, String> {
        let [first, ..] = keys else { return Err("no key is named".to_owned()) };
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let column = self.column(key, "the key")?;
            is_key(column)?;
            found.push(column);
        }
        let first = self.column(first, "the key")?;
        let source = self.keyed(sql, &found, first, replaces && self.is_there);
        if !self.is_there {
            return Ok(Plan::Become(source));
        }
        let same =
            |(name, _): &&(String, DataType)| format!("{TARGET}.{0} = {SOURCE}.{0}", quoted(name));
        let on: Vec<String> = found.iter().map(same).collect();
        let set = |(name, _): &(String, DataType)| format!("{0} = {SOURCE}.{0}", quoted(name));
        let set: Vec<String> = self.order.iter().map(set).collect();
        let old = format!("WHEN MATCHED THEN UPDATE SET {}", set.join(", "));
        Ok(Plan::Change(self.merge(&source, &on, if replaces { &old } else { "" })))
    }

    /// The rows, failing at a key that is NULL, that two of them share, or that two rows of the table do.
    fn keyed(
        &self,
        sql: &str,
        keys: &[&(String, DataType)],
        first: &(String, DataType),
        looks_at_table: bool,
    ) -> String {
        let table = &self.target.table;
        // Names that no column of the rows has.
        let twice = self.fresh("headgate_twice");
        let list = |prefix: &str| {
            let name = |(name, _): &&(String, DataType)| format!("{prefix}{}", quoted(name));
            keys.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let key: Vec<String> = keys
            .iter()
            .map(|(name, kind)| {
                let value = shown(&format!("r.{}", quoted(name)), kind);
                format!("{}, {value}", literal(&format!("{name} ")))
            })
            .collect();
        let key = key.join(&format!(", {}, ", literal(", ")));
        let fails = |what: &str| {
            format!("ERROR(CONCAT({}, {key}))", literal(&format!("{table}: {what} the key ")))
        };
        let null: Vec<String> =
            keys.iter().map(|(name, _)| format!("r.{} IS NULL", quoted(name))).collect();
        let mut value =
            format!("CASE WHEN {} THEN {}", null.join(" OR "), fails("the result has NULL in"));
        let _ = write!(value, " WHEN r.{twice} > 1 THEN {}", fails("the result has two rows with"));
        let mut from = format!(
            "(SELECT {}, COUNT(*) OVER (PARTITION BY {}) AS {twice}\nFROM (\n{sql}\n) AS headgate_rows) AS r",
            self.names(""),
            list("")
        );
        if looks_at_table {
            let same: Vec<String> =
                keys.iter().map(|(name, _)| format!("held.{0} = r.{0}", quoted(name))).collect();
            let _ = write!(
                value,
                " WHEN held.{twice} > 1 THEN {}",
                fails("the table holds two rows with")
            );
            let _ = write!(
                from,
                "\nLEFT JOIN (SELECT {0}, COUNT(*) AS {twice} FROM {1} GROUP BY {0} HAVING COUNT(*) > 1) AS held\nON {2}",
                list(""),
                self.name,
                same.join(" AND ")
            );
        }
        let _ = write!(value, " ELSE r.{} END", quoted(&first.0));
        self.checked(&value, &first.0, &from, "r.")
    }

    fn fresh(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.order.iter().any(|(taken, _)| taken.eq_ignore_ascii_case(&name)) {
            name.push('_');
        }
        name
    }
}

/// Whether a value lies in days.
fn range(value: &str, kind: &DataType, from: NaiveDate, to: NaiveDate) -> String {
    match kind {
        DataType::Timestamp => {
            let end = format!("TIMESTAMP(DATE_ADD(DATE '{to}', INTERVAL 1 DAY))");
            format!("({value} >= TIMESTAMP(DATE '{from}') AND {value} < {end})")
        }
        _ => format!("({value} BETWEEN DATE '{from}' AND DATE '{to}')"),
    }
}

/// A value as the text of an error.
fn shown(value: &str, kind: &DataType) -> String {
    let text = match kind {
        DataType::Bytes => format!("TO_HEX({value})"),
        _ => format!("CAST({value} AS STRING)"),
    };
    format!("IFNULL({text}, 'NULL')")
}

fn is_key((name, kind): &(String, DataType)) -> Result<(), String> {
    match kind {
        DataType::Int64
        | DataType::Numeric
        | DataType::Bool
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Datetime
        | DataType::Time
        | DataType::Timestamp => Ok(()),
        DataType::Float64 | DataType::Json | DataType::Struct(_) | DataType::Array(_) => {
            Err(format!("the key {name} is {kind}, which has no keys: CAST it"))
        }
    }
}

/// Each column has a name of its own, of a form that can be quoted.
pub(super) fn distinct(columns: &[(String, DataType)]) -> Result<(), PortError> {
    for (at, (name, _)) in columns.iter().enumerate() {
        let text = if columns[..at].iter().any(|(before, _)| before.eq_ignore_ascii_case(name)) {
            format!("the result has two columns {name}: give one an alias")
        } else if is_nameless(name) {
            format!("column {} of the result has no name: give it an alias", at + 1)
        } else if name.contains(['`', '\\']) || name.chars().any(char::is_control) {
            format!("the column {name:?} cannot be written: give it another alias")
        } else {
            continue;
        };
        return Err(PortError::InvalidQuery(text));
    }
    Ok(())
}

/// Whether BigQuery made the name up: `f0_`, `f1_`, …
fn is_nameless(name: &str) -> bool {
    let number = name.strip_prefix('f').and_then(|rest| rest.strip_suffix('_'));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Names and types of the written columns must be the table's.
fn fit(table: &[(String, DataType)], written: &[(String, DataType)]) -> Result<(), String> {
    let find = |columns: &[(String, DataType)], name: &str| {
        columns.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    if let Some((extra, _)) = written.iter().find(|(name, _)| find(table, name).is_none()) {
        return Err(format!("the table has no column {extra}"));
    }
    for (name, has) in table {
        let at = find(written, name).ok_or_else(|| format!("the column {name} is not written"))?;
        let gets = &written[at].1;
        if has != gets {
            return Err(format!("the column {name} is {has}, not {gets}: CAST it"));
        }
    }
    Ok(())
}

/// What a new table is cut and sorted by must be among its columns.
pub(super) fn created(columns: &[(String, DataType)], target: &Target) -> Result<(), String> {
    let find = |name: &str| columns.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    if let Some(by) = &target.partition_by
        && !find(by).is_some_and(|(_, kind)| matches!(kind, DataType::Date | DataType::Timestamp))
    {
        return Err(format!(
            "is partitioned by {by}, which is no DATE or TIMESTAMP column of the result"
        ));
    }
    match target.cluster_by.iter().find(|by| find(by).is_none()) {
        Some(by) => Err(format!("is clustered by {by}, which the result does not have")),
        None => Ok(()),
    }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// A text as a literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"))
}
