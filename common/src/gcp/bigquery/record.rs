//! Rows as BigQuery answers them, read by their schema.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use google_cloud_bigquery_v2::model::{TableFieldSchema, TableSchema};
use google_cloud_wkt as wkt;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::port::PortError;
use crate::tenant::TenantId;
use crate::warehouse::{DataType, Rows, Value};

/// The rows of an answer. TIMESTAMP is microseconds, as was asked for.
pub(in crate::gcp) fn rows(schema: &TableSchema, rows: &[wkt::Struct]) -> Result<Rows, PortError> {
    let columns = columns(&schema.fields)?;
    let decode = |row: &wkt::Struct| match row.get("f") {
        Some(Json::Array(cells)) if cells.len() == columns.len() => {
            columns.iter().zip(cells).map(|((name, kind), cell)| value(name, kind, cell)).collect()
        }
        other => Err(unreadable("a row", "one cell a column", &format!("{other:?}"))),
    };
    let rows = rows.iter().map(decode).collect::<Result<_, _>>()?;
    Ok(Rows { columns, rows })
}

fn unreadable(what: &str, rule: &str, text: &str) -> PortError {
    PortError::other("an answer of BigQuery", format!("{what} '{text}' is not {rule}"))
}

/// The columns of a schema, with the types of their values.
pub(in crate::gcp) fn columns(
    fields: &[TableFieldSchema],
) -> Result<Vec<(String, DataType)>, PortError> {
    let of = |field: &TableFieldSchema| {
        let element = match field.r#type.as_str() {
            "INTEGER" | "INT64" => DataType::Int64,
            "FLOAT" | "FLOAT64" => DataType::Float64,
            "NUMERIC" => DataType::Numeric,
            "BOOLEAN" | "BOOL" => DataType::Bool,
            "STRING" => DataType::String,
            "BYTES" => DataType::Bytes,
            "DATE" => DataType::Date,
            "DATETIME" => DataType::Datetime,
            "TIME" => DataType::Time,
            "TIMESTAMP" => DataType::Timestamp,
            "JSON" => DataType::Json,
            "RECORD" | "STRUCT" => DataType::Struct(columns(&field.fields)?),
            other => {
                let text = format!("column '{}' is of type {other}: CAST it", field.name);
                return Err(PortError::InvalidQuery(text));
            }
        };
        let repeated = field.mode == "REPEATED";
        let kind = if repeated { DataType::Array(Box::new(element)) } else { element };
        Ok((field.name.clone(), kind))
    };
    fields.iter().map(of).collect()
}

fn value(name: &str, kind: &DataType, cell: &Json) -> Result<Value, PortError> {
    let inner = cell.get("v").unwrap_or(&Json::Null);
    let wrong = |rule: &str| unreadable(name, rule, &inner.to_string());
    match (kind, inner) {
        (DataType::Array(element), Json::Array(items)) => items
            .iter()
            .map(|item| value(name, element, item))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        // An array that is NULL is stored, and answered, as an empty one.
        (DataType::Array(_), Json::Null) => Ok(Value::Array(Vec::new())),
        (_, Json::Null) => Ok(Value::Null),
        (DataType::Struct(fields), Json::Object(record)) => {
            let cells = record.get("f").and_then(Json::as_array);
            let cells = cells.filter(|cells| cells.len() == fields.len());
            let cells = cells.ok_or_else(|| wrong("a record"))?;
            let field = |((name, kind), cell): (&(String, DataType), &Json)| {
                Ok((name.clone(), value(name, kind, cell)?))
            };
            fields.iter().zip(cells).map(field).collect::<Result<_, _>>().map(Value::Struct)
        }
        (_, Json::String(text)) => scalar(kind, text).ok_or_else(|| wrong(&kind.to_string())),
        _ => Err(wrong(&kind.to_string())),
    }
}

fn scalar(kind: &DataType, text: &str) -> Option<Value> {
    Some(match kind {
        DataType::Int64 => Value::Int64(text.parse().ok()?),
        DataType::Float64 => Value::Float64(match text {
            "Infinity" | "+Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            number => number.parse().ok()?,
        }),
        DataType::Numeric => Value::Numeric(shortest(text)?),
        DataType::Bool => Value::Bool(text.parse().ok()?),
        DataType::String => Value::String(text.to_owned()),
        DataType::Json => Value::Json(text.to_owned()),
        DataType::Bytes => Value::Bytes(STANDARD.decode(text).ok()?),
        DataType::Date => Value::Date(text.parse::<NaiveDate>().ok()?),
        DataType::Datetime => Value::Datetime(text.parse::<NaiveDateTime>().ok()?),
        DataType::Time => Value::Time(text.parse::<NaiveTime>().ok()?),
        DataType::Timestamp => {
            Value::Timestamp(DateTime::from_timestamp_micros(text.parse().ok()?)?)
        }
        DataType::Struct(_) | DataType::Array(_) => return None,
    })
}

/// A decimal without the zeros that say nothing.
fn shortest(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    Some(if short.is_empty() || short == "-" || short == "-0" { "0" } else { short }.to_owned())
}

/// A type that a column's value is read as.
pub(in crate::gcp) trait FromValue: Sized {
    /// The value, `None` where it is of another type or NULL.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! read {
    ($($rust:ty: $pattern:pat => $value:expr;)+) => {
        $(impl FromValue for $rust {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => $value,
                    _ => None,
                }
            }
        })+
    };
}

read! {
    String: Value::String(text) | Value::Json(text) => Some(text.clone());
    bool: Value::Bool(bool) => Some(*bool);
    i64: Value::Int64(int) => Some(*int);
    u32: Value::Int64(int) => u32::try_from(*int).ok();
    u64: Value::Int64(int) => u64::try_from(*int).ok();
    Uuid: Value::String(text) => text.parse().ok();
    TenantId: Value::String(text) => TenantId::parse(text).ok();
    NaiveDate: Value::Date(date) => Some(*date);
    DateTime<Utc>: Value::Timestamp(at) => Some(*at);
    Vec<u8>: Value::Bytes(bytes) => Some(bytes.clone());
    Vec<Value>: Value::Array(items) => Some(items.clone());
    Vec<String>: Value::Array(items) => items.iter().map(String::from_value).collect();
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// A row, or a STRUCT, by the names of its columns.
pub(in crate::gcp) struct Record<'a>(HashMap<&'a str, &'a Value>);

impl<'a> Record<'a> {
    /// The rows of an answer.
    pub(in crate::gcp) fn all(rows: &'a Rows) -> impl Iterator<Item = Record<'a>> {
        let names = || rows.columns.iter().map(|(name, _)| name.as_str());
        rows.rows.iter().map(move |row| Record(names().zip(row).collect()))
    }

    /// A STRUCT.
    pub(in crate::gcp) fn of(value: &'a Value) -> Result<Record<'a>, PortError> {
        match value {
            Value::Struct(fields) => {
                Ok(Record(fields.iter().map(|(name, value)| (name.as_str(), value)).collect()))
            }
            other => Err(unreadable("a value", "a STRUCT", &other.to_string())),
        }
    }

    /// A column's value: an error names the column and what it holds.
    pub(in crate::gcp) fn get<T: FromValue>(&self, name: &str) -> Result<T, PortError> {
        let Some(value) = self.0.get(name) else {
            return Err(unreadable(name, "a column of the answer", ""));
        };
        T::from_value(value)
            .ok_or_else(|| unreadable(name, std::any::type_name::<T>(), &value.to_string()))
    }

    /// A column that holds JSON, as text or as such.
    pub(in crate::gcp) fn json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<T, PortError> {
        let text: String = self.get(name)?;
        serde_json::from_str(&text).map_err(|e| unreadable(name, &e.to_string(), &text))
    }

    /// A column that holds the text of something that parses, or NULL.
    pub(in crate::gcp) fn parse_opt<T>(&self, name: &str) -> Result<Option<T>, PortError>
    where
        T: std::str::FromStr,
    {
        match self.get::<Option<String>>(name)? {
            Some(_) => self.parse(name).map(Some),
            None => Ok(None),
        }
    }

    /// A column that holds the text of something that parses.
    pub(in crate::gcp) fn parse<T>(&self, name: &str) -> Result<T, PortError>
    where
        T: std::str::FromStr,
    {
        let text: String = self.get(name)?;
        text.parse().map_err(|_| unreadable(name, std::any::type_name::<T>(), &text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, kind: &str, mode: &str) -> TableFieldSchema {
        TableFieldSchema::new().set_name(name).set_type(kind).set_mode(mode)
    }

    #[test]
    fn every_type_is_read_exactly() {
        let cases = [
            ("INTEGER", json!("9007199254740993"), Value::Int64(9_007_199_254_740_993)),
            ("FLOAT", json!("1.5e+300"), Value::Float64(1.5e300)),
            ("FLOAT", json!("-Infinity"), Value::Float64(f64::NEG_INFINITY)),
            (
                "NUMERIC",
                json!("12345678901234567890123456789.123456789"),
                Value::Numeric("12345678901234567890123456789.123456789".to_owned()),
            ),
            ("NUMERIC", json!("-1.500"), Value::Numeric("-1.5".to_owned())),
            ("NUMERIC", json!("100"), Value::Numeric("100".to_owned())),
            ("NUMERIC", json!("0.000"), Value::Numeric("0".to_owned())),
            ("BYTES", json!("YWI="), Value::Bytes(b"ab".to_vec())),
            (
                "TIMESTAMP",
                json!("1767323045123456"),
                Value::Timestamp("2026-01-02T03:04:05.123456Z".parse().unwrap()),
            ),
            ("DATE", json!("2026-01-02"), Value::Date("2026-01-02".parse().unwrap())),
            ("STRING", json!(""), Value::String(String::new())),
            ("STRING", json!(null), Value::Null),
            ("BOOLEAN", json!("true"), Value::Bool(true)),
        ];
        for (kind, cell, expected) in cases {
            let schema = TableSchema::new().set_fields([field("c", kind, "NULLABLE")]);
            let row: wkt::Struct = json!({"f": [{"v": cell}]}).as_object().unwrap().clone();
            assert_eq!(rows(&schema, &[row]).unwrap().rows, [[expected]], "{kind}");
        }
    }

    #[test]
    fn records_and_arrays_are_read_by_name() {
        let record = field("r", "RECORD", "REPEATED")
            .set_fields([field("x", "INTEGER", "NULLABLE"), field("y", "STRING", "NULLABLE")]);
        let schema = TableSchema::new().set_fields([record, field("n", "INTEGER", "REPEATED")]);
        let row = json!({"f": [
            {"v": [{"v": {"f": [{"v": "1"}, {"v": "a"}]}}, {"v": {"f": [{"v": "2"}, {"v": null}]}}]},
            {"v": null},
        ]});
        let rows = rows(&schema, &[row.as_object().unwrap().clone()]).unwrap();
        let record = Record::all(&rows).next().unwrap();
        let items: Vec<Value> = record.get("r").unwrap();
        let read: Vec<(i64, Option<String>)> = items
            .iter()
            .map(|item| Record::of(item).unwrap())
            .map(|item| (item.get("x").unwrap(), item.get("y").unwrap()))
            .collect();
        assert_eq!(read, [(1, Some("a".to_owned())), (2, None)]);
        assert_eq!(record.get::<Vec<Value>>("n").unwrap(), []);
        for wrong in ["z", "r"] {
            let error = record.get::<i64>(wrong).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn what_the_schema_does_not_say_is_refused() {
        for (kind, cell) in
            [("INTEGER", "x"), ("NUMERIC", "1e5"), ("TIMESTAMP", "1.7E9"), ("GEOGRAPHY", "P")]
        {
            let schema = TableSchema::new().set_fields([field("c", kind, "NULLABLE")]);
            let row = json!({"f": [{"v": cell}]});
            let error = rows(&schema, &[row.as_object().unwrap().clone()]).unwrap_err();
            assert!(error.to_string().contains('c'), "{error}");
        }
    }
}
