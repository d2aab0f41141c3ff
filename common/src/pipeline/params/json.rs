//! Values from a caller's JSON, and to and from the JSON that a run's row keeps.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde_json::{Map, Value as Json, json};

use super::ParamType;
use crate::warehouse::{DataType, Param, Value};

/// The most bytes of one STRING.
const MAX_STRING: usize = 8 * 1024;
/// The most elements of one array.
const MAX_ELEMENTS: usize = 1_000;
/// NUMERIC: digits before the point, and after it.
const NUMERIC_DIGITS: (usize, usize) = (29, 9);

/// Types a caller's value, or says what it must be.
pub(super) fn typed(kind: &DataType, sent: &Json) -> Result<Value, String> {
    match (kind, sent) {
        (DataType::Array(element), Json::Array(items)) => {
            if items.len() > MAX_ELEMENTS {
                return Err(format!("an array of at most {MAX_ELEMENTS} elements"));
            }
            items
                .iter()
                .map(|item| {
                    typed(element, item).map_err(|rule| format!("an array, each element {rule}"))
                })
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        (DataType::Array(element), _) => Err(format!("a JSON array of {element}")),
        (DataType::String, Json::String(text)) if text.len() > MAX_STRING => {
            Err(format!("a text of at most {MAX_STRING} bytes"))
        }
        (DataType::String, Json::String(text)) if text.contains('\0') => {
            Err("a text without NUL characters".to_owned())
        }
        (DataType::String, Json::String(text)) => Ok(Value::String(text.clone())),
        (DataType::String, _) => Err("a JSON string".to_owned()),
        (DataType::Bool, Json::Bool(flag)) => Ok(Value::Bool(*flag)),
        (DataType::Bool, _) => Err("true or false".to_owned()),
        (DataType::Int64, Json::Number(number)) => {
            number.as_i64().map(Value::Int64).ok_or_else(|| "a whole number of 64 bits".to_owned())
        }
        (DataType::Int64, _) => Err("a JSON number without a fraction".to_owned()),
        (DataType::Float64, Json::Number(number)) => number
            .as_f64()
            .filter(|x| x.is_finite())
            .map(Value::Float64)
            .ok_or_else(|| "a finite number".to_owned()),
        (DataType::Float64, _) => Err("a JSON number".to_owned()),
        (DataType::Numeric, Json::Number(number)) => number
            .as_i64()
            .map(|whole| Value::Numeric(whole.to_string()))
            .ok_or_else(|| "a whole JSON number, or a string such as \"12.50\"".to_owned()),
        (DataType::Numeric, Json::String(text)) => numeric(text).map(Value::Numeric),
        (DataType::Numeric, _) => {
            Err("a whole JSON number, or a string such as \"12.50\"".to_owned())
        }
        (DataType::Date, Json::String(text)) => {
            date(text).map(Value::Date).ok_or_else(|| "a calendar date as YYYY-MM-DD".to_owned())
        }
        (DataType::Date, _) => Err("a JSON string of a date, YYYY-MM-DD".to_owned()),
        (DataType::Timestamp, Json::String(text)) => timestamp(text).map(Value::Timestamp),
        (DataType::Timestamp, _) => Err("a JSON string of an instant, RFC 3339".to_owned()),
        (
            DataType::Bytes
            | DataType::Datetime
            | DataType::Time
            | DataType::Json
            | DataType::Struct(_),
            _,
        ) => Err(format!("of a type that parameters have, which {kind} is not")),
    }
}

/// Exactly `YYYY-MM-DD`, in the years that GoogleSQL has.
fn date(text: &str) -> Option<NaiveDate> {
    let shape = |(i, b): (usize, u8)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (date.year() >= 1).then_some(date)
}

fn timestamp(text: &str) -> Result<DateTime<Utc>, String> {
    let instant = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "an instant as RFC 3339, such as 2025-11-17T08:00:00Z".to_owned())?
        .with_timezone(&Utc);
    if instant.nanosecond() >= 1_000_000_000 || instant.nanosecond() % 1_000 != 0 {
        return Err("an instant of at most microseconds, without a leap second".to_owned());
    }
    if !(1..=9999).contains(&instant.year()) {
        return Err("an instant of the years 1 to 9999, UTC".to_owned());
    }
    Ok(instant)
}

/// The shortest exact text of a decimal that NUMERIC can hold.
pub(in crate::pipeline) fn numeric(text: &str) -> Result<String, String> {
    let rule = || "a decimal number such as \"-12.50\", without an exponent".to_owned();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |part: &str| {
        !part.is_empty() && part.len() <= 64 && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(rule());
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > NUMERIC_DIGITS.0 || fraction.len() > NUMERIC_DIGITS.1 {
        let (before, after) = NUMERIC_DIGITS;
        return Err(format!(
            "a number of at most {before} digits before the point and {after} after it"
        ));
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (_, "") => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    })
}

/// The resolved parameters as a run's row keeps them: `{name: {"type": …, "value": …}}`, without loss.
///
/// FLOAT64 is text there, in the shortest form that reads back the same.
pub fn to_stored(params: &BTreeMap<String, Param>) -> Json {
    let entry = |(name, param): (&String, &Param)| {
        (name.clone(), json!({"type": param.kind.to_string(), "value": stored(&param.value)}))
    };
    Json::Object(params.iter().map(entry).collect())
}

fn stored(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int64(number) => (*number).into(),
        Value::Float64(number) => format!("{number:?}").into(),
        Value::Array(items) => items.iter().map(stored).collect(),
        Value::Numeric(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::Datetime(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Json(_)
        | Value::Struct(_) => value.to_string().into(),
    }
}

/// Reads what [`to_stored`] wrote; the error names what it does not understand.
pub fn from_stored(stored: &Json) -> Result<BTreeMap<String, Param>, String> {
    let entries = stored.as_object().ok_or("stored parameters are not an object")?;
    entries.iter().map(|(name, entry)| Ok((name.clone(), param(name, entry)?))).collect()
}

fn param(name: &str, entry: &Json) -> Result<Param, String> {
    let broken = |what: &str| format!("stored parameter {name}: {what}");
    let entry: &Map<String, Json> = entry.as_object().ok_or_else(|| broken("not an object"))?;
    let kind = entry.get("type").and_then(Json::as_str).ok_or_else(|| broken("no type"))?;
    let kind: ParamType = kind.parse().map_err(|_| broken("not a parameter's type"))?;
    let value = entry.get("value").ok_or_else(|| broken("no value"))?;
    let value = unstored(kind.data_type(), value).map_err(|rule| broken(&rule))?;
    Ok(Param { kind: kind.data_type().clone(), value })
}

fn unstored(kind: &DataType, value: &Json) -> Result<Value, String> {
    match (kind, value) {
        (DataType::Float64, Json::String(text)) => {
            text.parse().map(Value::Float64).map_err(|_| format!("'{text}' is not a number"))
        }
        (DataType::Array(element), Json::Array(items)) => items
            .iter()
            .map(|item| unstored(element, item))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        _ => typed(kind, value),
    }
}
