//! Values and types as GoogleSQL names them: what goes in as a bound parameter and comes out as a row.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

/// A GoogleSQL type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DataType {
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 double.
    Float64,
    /// Decimal with 38 digits, 9 of them after the point.
    Numeric,
    /// Boolean.
    Bool,
    /// Unicode text.
    String,
    /// Bytes.
    Bytes,
    /// Calendar date.
    Date,
    /// Date and time of day without a zone, microseconds.
    Datetime,
    /// Time of day, microseconds.
    Time,
    /// Instant, UTC, microseconds.
    Timestamp,
    /// JSON text.
    Json,
    /// Ordered, named fields.
    Struct(Vec<(String, DataType)>),
    /// Ordered elements of one type; never an array itself.
    Array(Box<DataType>),
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int64 => f.write_str("INT64"),
            Self::Float64 => f.write_str("FLOAT64"),
            Self::Numeric => f.write_str("NUMERIC"),
            Self::Bool => f.write_str("BOOL"),
            Self::String => f.write_str("STRING"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Datetime => f.write_str("DATETIME"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::Json => f.write_str("JSON"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, (name, kind)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    let space = if name.is_empty() { "" } else { " " };
                    write!(f, "{comma}{name}{space}{kind}")?;
                }
                f.write_str(">")
            }
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
        }
    }
}

/// One value of a row or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL, of whatever type the column or parameter has.
    Null,
    /// BOOL.
    Bool(bool),
    /// INT64.
    Int64(i64),
    /// FLOAT64.
    Float64(f64),
    /// NUMERIC as its shortest exact decimal text, such as `12.5`.
    Numeric(String),
    /// STRING.
    String(String),
    /// BYTES.
    Bytes(Vec<u8>),
    /// DATE.
    Date(NaiveDate),
    /// DATETIME.
    Datetime(NaiveDateTime),
    /// TIME.
    Time(NaiveTime),
    /// TIMESTAMP.
    Timestamp(DateTime<Utc>),
    /// JSON text.
    Json(String),
    /// STRUCT, fields in order.
    Struct(Vec<(String, Value)>),
    /// ARRAY.
    Array(Vec<Value>),
}

/// 2^53: above it a JSON number loses INT64 digits in most readers.
const EXACT_IN_JSON: u64 = 1 << 53;

impl Value {
    /// The value as JSON: numbers for INT64 within 2^53 and FLOAT64, RFC 3339 for TIMESTAMP, base64-free
    /// hex for BYTES, text for the rest. FLOAT64 infinities and NaN, which JSON lacks, are their names.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int64(i) if i.unsigned_abs() <= EXACT_IN_JSON => (*i).into(),
            Self::Int64(i) => i.to_string().into(),
            Self::Float64(x) => {
                serde_json::Number::from_f64(*x).map_or_else(|| float_name(*x).into(), Json::Number)
            }
            Self::Numeric(text) | Self::String(text) | Self::Json(text) => text.clone().into(),
            Self::Bytes(bytes) => hex(bytes).into(),
            Self::Date(_) | Self::Datetime(_) | Self::Time(_) | Self::Timestamp(_) => {
                self.to_string().into()
            }
            Self::Struct(fields) => {
                Json::Object(fields.iter().map(|(name, v)| (name.clone(), v.to_json())).collect())
            }
            Self::Array(items) => Json::Array(items.iter().map(Self::to_json).collect()),
        }
    }
}

fn float_name(x: f64) -> &'static str {
    if x.is_nan() {
        "NaN"
    } else if x > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl std::fmt::Display for Value {
    /// The value as plain text, as a table or a CSV cell shows it; NULL is `NULL`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int64(i) => write!(f, "{i}"),
            Self::Float64(x) if x.is_finite() => write!(f, "{x}"),
            Self::Float64(x) => f.write_str(float_name(*x)),
            Self::Numeric(text) | Self::String(text) | Self::Json(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&hex(bytes)),
            Self::Date(d) => write!(f, "{}", d.format("%Y-%m-%d")),
            Self::Datetime(t) => write!(f, "{}", t.format("%Y-%m-%dT%H:%M:%S%.f")),
            Self::Time(t) => write!(f, "{}", t.format("%H:%M:%S%.f")),
            Self::Timestamp(t) => write!(f, "{}", t.format("%Y-%m-%dT%H:%M:%S%.fZ")),
            Self::Struct(_) | Self::Array(_) => write!(f, "{}", self.to_json()),
        }
    }
}
