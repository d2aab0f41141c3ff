//! Rounding, signs and the like.

use common::warehouse::DataType::{Bool, Float64, Int64, Numeric};

use super::super::rowwise::{Cell, Row};
use super::{Overload, fixed};
use crate::warehouse::numeric::{self, ONE};

/// ABS, SIGN, ROUND, TRUNC, FLOOR, CEIL, `IS_NAN`, `IS_INF`, SQRT. Of INT64, rounding is FLOAT64's, as in GoogleSQL.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("ABS", &[Int64], Int64, |r| {
        r.int(0).checked_abs().map(Cell::Int).ok_or_else(|| "INT64 overflow in ABS".to_owned())
    }),
    fixed("ABS", &[Numeric], Numeric, |r| Ok(Cell::Numeric(r.numeric(0).abs()))),
    fixed("ABS", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).abs()))),
    fixed("SIGN", &[Int64], Int64, |r| Ok(Cell::Int(r.int(0).signum()))),
    fixed("SIGN", &[Numeric], Numeric, |r| Ok(Cell::Numeric(r.numeric(0).signum() * ONE))),
    fixed("FLOOR", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).floor()))),
    fixed("FLOOR", &[Numeric], Numeric, |r| whole(r.numeric(0).div_euclid(ONE), "FLOOR")),
    fixed("CEIL", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).ceil()))),
    fixed("CEIL", &[Numeric], Numeric, |r| whole(-(-r.numeric(0)).div_euclid(ONE), "CEIL")),
    fixed("CEILING", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).ceil()))),
    fixed("CEILING", &[Numeric], Numeric, |r| whole(-(-r.numeric(0)).div_euclid(ONE), "CEILING")),
    fixed("TRUNC", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).trunc()))),
    fixed("TRUNC", &[Numeric], Numeric, |r| whole(r.numeric(0) / ONE, "TRUNC")),
    fixed("ROUND", &[Float64], Float64, |r| Ok(Cell::Float(r.float(0).round()))),
    fixed("ROUND", &[Numeric], Numeric, |r| numeric_round(r, 0)),
    fixed("ROUND", &[Float64, Int64], Float64, |r| round_to(r.float(0), r.int(1))),
    fixed("ROUND", &[Numeric, Int64], Numeric, |r| numeric_round(r, r.int(1))),
    fixed("IS_NAN", &[Float64], Bool, |r| Ok(Cell::Bool(r.float(0).is_nan()))),
    fixed("IS_INF", &[Float64], Bool, |r| Ok(Cell::Bool(r.float(0).is_infinite()))),
    fixed("SQRT", &[Float64], Float64, |r| {
        if r.float(0) < 0.0 {
            return Err(format!("SQRT of {}", r.float(0)));
        }
        Ok(Cell::Float(r.float(0).sqrt()))
    }),
    // GoogleSQL answers NUMERIC of its own rounding.
    fixed("SQRT", &[Numeric], Numeric, |_| {
        Err("SQRT of a NUMERIC is not supported by the embedded warehouse; CAST it to FLOAT64"
            .into())
    }),
];

fn whole(value: i128, name: &str) -> Result<Cell, String> {
    let scaled = value.checked_mul(ONE).and_then(numeric::in_range);
    scaled.map(Cell::Numeric).ok_or_else(|| format!("NUMERIC overflow in {name}"))
}

fn numeric_round(row: &Row<'_>, digits: i64) -> Result<Cell, String> {
    let rounded = numeric::round(row.numeric(0), digits);
    rounded.map(Cell::Numeric).ok_or_else(|| "NUMERIC overflow in ROUND".to_owned())
}

/// The double nearest to the value rounded, half away from zero, at a decimal place. The value is taken as the
/// exact decimal that the double stands for: 1.115 lies below 1.115 and rounds to 1.11.
fn round_to(value: f64, digits: i64) -> Result<Cell, String> {
    let places = i32::try_from(digits.clamp(-400, 400)).unwrap_or_default();
    // Every double lies below half of 10^309.
    if places < -308 && value.is_finite() {
        return Ok(Cell::Float(0.0));
    }
    let unit = 10_f64.powi(places.abs());
    let scaled = if places >= 0 { value * unit } else { value / unit };
    // From 2^53 on a double has no fraction left to round.
    if !scaled.is_finite() || scaled.abs() >= 9_007_199_254_740_992.0 {
        return Ok(Cell::Float(value));
    }
    let clear = ((scaled.abs() % 1.0) - 0.5).abs() > 1e-6;
    let rounded = if clear || places < 0 {
        scaled.round()
    } else {
        let text = format!("{:.1$}", value.abs(), places.unsigned_abs() as usize + 60);
        let next = text.len() - 60;
        let up = text.as_bytes()[next] >= b'5';
        let whole = scaled.abs().floor() + if up { 1.0 } else { 0.0 };
        whole.copysign(scaled)
    };
    // Up to 10^22 a power of ten is a double, so one division is one rounding.
    let answer = match places {
        0..=22 => rounded / unit,
        23.. => return Ok(Cell::Float(value)),
        _ => rounded * unit,
    };
    if answer.is_finite() {
        Ok(Cell::Float(answer))
    } else {
        Err("FLOAT64 overflow in ROUND".into())
    }
}
