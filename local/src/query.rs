//! `headgate query`: one SELECT against a data folder, its rows as a table, JSON or CSV.

use std::collections::BTreeMap;
use std::io::Write;

use common::port::PortError;
use common::warehouse::{Column, ColumnType, DataType, Param, Query, Rows, Value, Warehouse};

use crate::warehouse::read_value;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines and columns for a person.
    Table,
    /// One array of objects.
    Json,
    /// RFC 4180 with a header.
    Csv,
}

/// Why a query printed nothing.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A parameter is not `name:TYPE:value`.
    #[error("the parameter '{given}' {reason}; write name:TYPE:value, such as day:DATE:2026-01-31")]
    Param {
        /// As given.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// The result has a name twice, which objects and headers cannot show.
    #[error("the result has two columns {0}: give one an alias")]
    DuplicateColumn(String),
    /// The warehouse refused.
    #[error(transparent)]
    Warehouse(#[from] PortError),
    /// The output cannot be written.
    #[error("writing the rows: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs one SELECT and prints its rows. `params` are `name:TYPE:value`; an empty type is STRING, the value of
/// an `ARRAY<…>` a JSON array, and the value `NULL` is NULL.
pub async fn run(
    warehouse: &dyn Warehouse,
    sql: &str,
    params: &[String],
    format: Format,
    out: &mut impl Write,
) -> Result<(), QueryError> {
    let params: BTreeMap<_, _> = params.iter().map(|p| param(p)).collect::<Result<_, _>>()?;
    let query = Query { sql: sql.to_owned(), params, default_dataset: None };
    let rows = warehouse.query(&query, None).await?;
    for (at, (name, _)) in rows.columns.iter().enumerate() {
        if rows.columns[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(QueryError::DuplicateColumn(name.clone()));
        }
    }
    match format {
        Format::Table => table(&rows, out)?,
        Format::Json => json(&rows, out)?,
        Format::Csv => csv(&rows, out)?,
    }
    out.flush()?;
    Ok(())
}

fn param(given: &str) -> Result<(String, Param), QueryError> {
    let wrong = |reason: String| QueryError::Param { given: given.to_owned(), reason };
    let mut parts = given.splitn(3, ':');
    let (Some(name), Some(kind), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("has no type or value".to_owned()));
    };
    if name.is_empty() {
        return Err(wrong("has no name".to_owned()));
    }
    let element = kind.strip_prefix("ARRAY<").and_then(|k| k.strip_suffix('>'));
    let scalar = scalar_type(element.unwrap_or(kind))
        .ok_or_else(|| wrong(format!("has the unknown type '{kind}'")))?;
    let Some(_) = element else {
        let value = match text {
            "NULL" => Value::Null,
            text => {
                read_value(text, &scalar).map_err(|e| wrong(format!("has a wrong value: {e}")))?
            }
        };
        return Ok((name.to_owned(), Param { kind: scalar, value }));
    };
    let items: Vec<serde_json::Value> = serde_json::from_str(text)
        .map_err(|e| wrong(format!("has no JSON array as its value: {e}")))?;
    let read = |item: &serde_json::Value| match item {
        serde_json::Value::Null => Ok(Value::Null),
        serde_json::Value::String(text) => read_value(text, &scalar),
        other => read_value(&other.to_string(), &scalar),
    };
    let items: Result<Vec<_>, _> = items.iter().map(read).collect();
    let items = items.map_err(|e| wrong(format!("has a wrong element: {e}")))?;
    let kind = DataType::Array(Box::new(scalar));
    Ok((name.to_owned(), Param { kind, value: Value::Array(items) }))
}

fn scalar_type(name: &str) -> Option<DataType> {
    if name.is_empty() {
        return Some(DataType::String);
    }
    let kind: ColumnType =
        serde_json::from_value(serde_json::Value::String(name.to_ascii_uppercase())).ok()?;
    (kind != ColumnType::Record).then(|| Column::new("", kind).data_type())
}

fn json(rows: &Rows, out: &mut impl Write) -> std::io::Result<()> {
    let objects: Vec<serde_json::Value> = rows
        .rows
        .iter()
        .map(|row| {
            let names = rows.columns.iter().map(|(name, _)| name.clone());
            serde_json::Value::Object(names.zip(row.iter().map(Value::to_json)).collect())
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &objects)?;
    writeln!(out)
}

fn csv(rows: &Rows, out: &mut impl Write) -> std::io::Result<()> {
    let line = |cells: Vec<String>| cells.join(",");
    let names = rows.columns.iter().map(|(name, _)| csv_cell(name)).collect();
    writeln!(out, "{}", line(names))?;
    for row in &rows.rows {
        let cells = row.iter().map(|value| match value {
            Value::Null => String::new(),
            // An empty text is quoted, so that it is not NULL.
            Value::String(text) if text.is_empty() => "\"\"".to_owned(),
            other => csv_cell(&other.to_string()),
        });
        writeln!(out, "{}", line(cells.collect()))?;
    }
    Ok(())
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn table(rows: &Rows, out: &mut impl Write) -> std::io::Result<()> {
    let shown = |value: &Value| value.to_string().replace('\n', "\\n");
    let cells: Vec<Vec<String>> =
        rows.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    let width = |at: usize, name: &str| {
        let widest = cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        widest.max(name.chars().count())
    };
    let widths: Vec<usize> =
        rows.columns.iter().enumerate().map(|(at, (name, _))| width(at, name)).collect();
    let rule = widths.iter().fold(String::new(), |rule, w| rule + "+" + &"-".repeat(w + 2));
    let names: Vec<String> = rows.columns.iter().map(|(name, _)| name.clone()).collect();
    let line = |cells: &[String]| {
        let padded =
            cells.iter().zip(&widths).zip(&rows.columns).map(|((cell, width), (_, kind))| {
                let fill = " ".repeat(width - cell.chars().count());
                match kind {
                    DataType::Int64 | DataType::Float64 | DataType::Numeric => {
                        format!("| {fill}{cell} ")
                    }
                    _ => format!("| {cell}{fill} "),
                }
            });
        padded.collect::<String>()
    };
    writeln!(out, "{rule}+\n{}|\n{rule}+", line(&names))?;
    for row in &cells {
        writeln!(out, "{}|", line(row))?;
    }
    writeln!(out, "{rule}+")
}
