//! SQL values as JSON: `TO_JSON_STRING` and `TO_JSON`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::arrow::array::{Array, AsArray};

use super::super::super::refusal::not_here;
use super::super::doubles::double;
use super::document::{Kind, parse, quoted};
use crate::warehouse::values::value_at;

/// From here on an INT64 is not exact as a double, and is written in quotes.
const EXACT: i64 = 1 << 53;

/// Which function writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `TO_JSON_STRING`, whose wide numbers are in quotes.
    Text,
    /// `TO_JSON`, whose numbers are JSON's.
    Value,
}

/// Writes a row's value behind `out`.
pub(super) fn encode(
    array: &dyn Array,
    row: usize,
    kind: &DataType,
    target: Target,
    out: &mut String,
) -> Result<(), String> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match kind {
        DataType::Array(element) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..items.len() {
                if at > 0 {
                    out.push(',');
                }
                encode(&items, at, element, target, out)?;
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            let record = array.as_struct();
            out.push('{');
            for (at, (name, kind)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                encode(record.column(at), row, kind, target, out)?;
            }
            out.push('}');
        }
        scalar => {
            let value = value_at(array, row, scalar).map_err(|e| match e {
                PortError::InvalidQuery(message) => message,
                other => other.to_string(),
            })?;
            out.push_str(&plain(&value, target)?);
        }
    }
    Ok(())
}

fn plain(value: &Value, target: Target) -> Result<String, String> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int64(i) if target == Target::Text && !(-EXACT..=EXACT).contains(i) => {
            format!("\"{i}\"")
        }
        Value::Int64(i) => i.to_string(),
        Value::Numeric(text) if target == Target::Text => {
            let whole: Option<i64> = text.parse().ok();
            match whole.filter(|i| (-EXACT..=EXACT).contains(i)) {
                Some(_) => text.clone(),
                None => format!("\"{text}\""),
            }
        }
        Value::Numeric(text) => text.clone(),
        Value::Float64(x) if x.is_nan() => "\"NaN\"".to_owned(),
        Value::Float64(x) if x.is_infinite() => {
            (if *x > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }).to_owned()
        }
        Value::Float64(x) if target == Target::Text => double(*x)?,
        Value::Float64(x) if x.fract() == 0.0 => {
            return Err(not_here(format!("TO_JSON of the FLOAT64 {x} without a fraction")));
        }
        Value::Float64(x) => format!("{x:?}"),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => format!("\"{}\"", STANDARD.encode(bytes)),
        Value::Date(day) => format!("\"{}\"", day.format("%Y-%m-%d")),
        Value::Time(time) => format!("\"{}\"", time.format("%H:%M:%S%.f")),
        Value::Datetime(moment) => format!("\"{}\"", moment.format("%Y-%m-%dT%H:%M:%S%.f")),
        Value::Timestamp(instant) => format!("\"{}\"", instant.format("%Y-%m-%dT%H:%M:%S%.fZ")),
        Value::Json(text) => parse(text)?.written(match target {
            Target::Text => Kind::Spelled,
            Target::Value => Kind::Value,
        })?,
        Value::Struct(_) | Value::Array(_) => String::new(),
    })
}
