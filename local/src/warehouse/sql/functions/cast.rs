//! CAST and `SAFE_CAST` between the scalar types, and the reading of literals.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::warehouse::{DataType, Value};
use datafusion::logical_expr::Expr;

use super::super::refusal::not_here;
use super::super::rowwise::{Cell, PerRow, Row, per_row};
use super::clock::instant;
use super::doubles::double;
use super::wording::{self, Misread};
use super::zones::Zone;
use crate::warehouse::numeric;
use crate::warehouse::values::date;

/// Whether a CAST between two types exists here.
pub(crate) fn castable(from: &DataType, to: &DataType) -> bool {
    from == to || runner(from, to).is_some()
}

/// The expression that casts; the pair is [`castable`]. With `safe`, a value that cannot be cast is NULL.
pub(crate) fn convert(expr: Expr, from: &DataType, to: &DataType, safe: bool) -> Expr {
    let Some(run) = runner(from, to).filter(|_| from != to) else { return expr };
    let name = format!("{} {from} {to}", if safe { "SAFE_CAST" } else { "CAST" });
    let run = Arc::new(move |row: &Row<'_>| match run(row) {
        Ok(cell) => Ok(cell),
        Err(Misread::Wrong(_)) if safe => Ok(Cell::Null),
        Err(Misread::Wrong(message)) => Err(message),
        Err(Misread::Unsure(message)) => Err(not_here(message)),
    });
    per_row(name, to, vec![expr], run as PerRow)
}

type Run = fn(&Row<'_>) -> Result<Cell, Misread>;

/// 2^63, the first double past INT64.
const INT64_END: f64 = 9_223_372_036_854_775_808.0;

fn runner(from: &DataType, to: &DataType) -> Option<Run> {
    use DataType::{
        Bool, Bytes, Date, Datetime, Float64, Int64, Json, Numeric, String as Text, Time, Timestamp,
    };
    Some(match (from, to) {
        (Int64, Float64) => |r| Ok(Cell::Float(int_to_f64(r.int(0)))),
        (Int64, Numeric) => |r| Ok(Cell::Numeric(i128::from(r.int(0)) * numeric::ONE)),
        (Int64, Text) => |r| Ok(Cell::Text(r.int(0).to_string())),
        (Int64, Bool) => |r| Ok(Cell::Bool(r.int(0) != 0)),
        (Float64, Int64) => |r| float_to_int(r.float(0)),
        (Float64, Numeric) => |r| {
            let value = numeric::from_f64(r.float(0)).map(Cell::Numeric);
            value.ok_or_else(|| Misread::out_of_range(r.float(0), "NUMERIC"))
        },
        (Numeric, Float64) => |r| Ok(Cell::Float(numeric::to_f64(r.numeric(0)))),
        (Numeric, Text) => |r| Ok(Cell::Text(numeric::format(r.numeric(0)))),
        (Numeric, Int64) => |r| {
            let whole = numeric::divide_rounding(r.numeric(0), numeric::ONE);
            let value = i64::try_from(whole).map(Cell::Int);
            value.map_err(|_| Misread::out_of_range(numeric::format(r.numeric(0)), "INT64"))
        },
        (Bool, Int64) => |r| Ok(Cell::Int(i64::from(r.bool(0)))),
        (Bool, Text) => |r| Ok(Cell::Text(r.bool(0).to_string())),
        (Text, Int64) => |r| wording::int(r.text(0)).map(Cell::Int),
        (Text, Float64) => |r| wording::float(r.text(0)).map(Cell::Float),
        (Text, Numeric) => |r| wording::numeric(r.text(0)).map(Cell::Numeric),
        (Text, Bool) => |r| wording::bool(r.text(0)).map(Cell::Bool),
        (Text, Date) => |r| wording::date(r.text(0)).map(Cell::Date),
        (Text, Timestamp) => |r| wording::timestamp(r.text(0)).map(Cell::Micros),
        (Text, Datetime) => |r| wording::datetime(r.text(0)).map(Cell::Micros),
        (Text, Time) => |r| wording::time(r.text(0)).map(Cell::Micros),
        (Text, Bytes) => |r| Ok(Cell::Bytes(r.text(0).as_bytes().to_vec())),
        (Bytes, Text) => |r| match std::str::from_utf8(r.bytes(0)) {
            Ok(text) => Ok(Cell::Text(text.to_owned())),
            Err(_) => Err(Misread::Wrong("BYTES that are not UTF-8 cannot become STRING".into())),
        },
        (Date, Text) => |r| {
            let day = date(r.date(0)).map(|d| Cell::Text(d.format("%Y-%m-%d").to_string()));
            day.ok_or_else(|| Misread::out_of_range(r.date(0), "DATE"))
        },
        (Date, Timestamp | Datetime) => |r| Ok(Cell::Micros(i64::from(r.date(0)) * DAY)),
        (Timestamp | Datetime, Date) => |r| day_of(r.micros(0)),
        (Timestamp, Datetime) | (Datetime, Timestamp) => |r| Ok(Cell::Micros(r.micros(0))),
        (Timestamp, Text) => {
            |r| instant(r.micros(0), Zone::UTC).map(Cell::Text).map_err(Misread::Unsure)
        }
        (Datetime, Text) => |r| whole(r.micros(0), DATETIME).map(Cell::Text),
        (Time, Text) => |r| whole(r.micros(0), TIME).map(Cell::Text),
        (Datetime | Timestamp, Time) => |r| Ok(Cell::Micros(r.micros(0).rem_euclid(DAY))),
        (Float64, Text) => |r| {
            // Whether 1.0 becomes 1 or 1.0 is not written down, nor when an exponent is used.
            let (x, text) = (r.float(0), double(r.float(0)).map_err(Misread::Unsure)?);
            if x.fract() == 0.0 || text.contains('e') {
                let message = format!("CAST of the FLOAT64 {x:?} to STRING (use FORMAT)");
                return Err(Misread::Unsure(message));
            }
            Ok(Cell::Text(text))
        },
        // Other pairs are no CAST of GoogleSQL's, or JSON's.
        (
            Int64
            | Float64
            | Numeric
            | Bool
            | Text
            | Bytes
            | Date
            | Datetime
            | Time
            | Timestamp
            | Json
            | DataType::Struct(_)
            | DataType::Array(_),
            _,
        ) => return None,
    })
}

/// How a DATETIME is written; an instant has three, six or no decimals.
pub(super) const DATETIME: &str = "%Y-%m-%d %H:%M:%S%.f";

/// How a TIME is written.
pub(super) const TIME: &str = "%H:%M:%S%.f";

/// A local time as text.
pub(super) fn moment(micros: i64, format: &str) -> Result<String, Misread> {
    let moment = DateTime::<Utc>::from_timestamp_micros(micros);
    let moment = moment.ok_or_else(|| Misread::out_of_range(micros, "DATETIME"))?;
    Ok(moment.format(format).to_string())
}

/// A DATETIME or TIME of whole seconds as text.
pub(super) fn whole(micros: i64, format: &str) -> Result<String, Misread> {
    if micros % 1_000_000 != 0 {
        let message =
            "a DATETIME or TIME with a fraction of a second as STRING (use FORMAT_DATETIME)";
        return Err(Misread::Unsure(message.to_owned()));
    }
    moment(micros, format)
}

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;

#[expect(clippy::cast_precision_loss, reason = "CAST of INT64 to FLOAT64 is the nearest double")]
pub(crate) fn int_to_f64(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn float_to_int(value: f64) -> Result<Cell, Misread> {
    let rounded = value.round();
    if (-INT64_END..INT64_END).contains(&rounded) {
        return Ok(Cell::Int(rounded as i64));
    }
    Err(Misread::out_of_range(value, "INT64"))
}

/// The UTC day of an instant.
pub(crate) fn day_of(micros: i64) -> Result<Cell, Misread> {
    let day = i32::try_from(micros.div_euclid(DAY));
    day.map(Cell::Date).map_err(|_| Misread::out_of_range(micros, "DATE"))
}

/// Reads text as a value of a type: literals, parameters, cells of files. `Err` says what is wrong.
pub(crate) fn parse_text(text: &str, kind: &DataType) -> Result<Value, String> {
    let wrong = |misread: Misread| match misread {
        Misread::Wrong(message) | Misread::Unsure(message) => message,
    };
    let instant = |micros: i64| {
        DateTime::<Utc>::from_timestamp_micros(micros).ok_or_else(|| format!("'{text}' is too far"))
    };
    Ok(match kind {
        DataType::Int64 => Value::Int64(wording::int(text).map_err(wrong)?),
        DataType::Float64 => Value::Float64(wording::float(text).map_err(wrong)?),
        DataType::Numeric => {
            Value::Numeric(numeric::format(wording::numeric(text).map_err(wrong)?))
        }
        DataType::Bool => Value::Bool(wording::bool(text).map_err(wrong)?),
        DataType::String => Value::String(text.to_owned()),
        DataType::Date => {
            let days = wording::date(text).map_err(wrong)?;
            Value::Date(date(days).ok_or_else(|| format!("'{text}' is too far"))?)
        }
        DataType::Timestamp => Value::Timestamp(instant(wording::timestamp(text).map_err(wrong)?)?),
        DataType::Datetime => {
            Value::Datetime(instant(wording::datetime(text).map_err(wrong)?)?.naive_utc())
        }
        DataType::Time => {
            let micros = wording::time(text).map_err(wrong)?;
            Value::Time(chrono::NaiveTime::MIN + chrono::Duration::microseconds(micros))
        }
        DataType::Json => {
            serde_json::from_str::<serde_json::Value>(text)
                .map_err(|e| format!("'{text}' is not JSON: {e}"))?;
            Value::Json(text.to_owned())
        }
        DataType::Bytes | DataType::Struct(_) | DataType::Array(_) => {
            return Err(format!("text is not read as {kind}"));
        }
    })
}
