//! The arithmetic operators and the comparisons of FLOAT64, which Arrow orders otherwise than GoogleSQL.

use std::ops::{Add, Div, Mul, Sub};
use std::sync::Arc;

use common::warehouse::DataType::{self, Bool, Float64, Int64, Numeric};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};

use super::super::refusal::not_here;
use super::super::rowwise::{Batch, Cell, Row};
use super::{Overload, fixed};
use crate::warehouse::numeric;
use crate::warehouse::values::arrow_type;

const INTS: &[DataType] = &[Int64, Int64];
const FLOATS: &[DataType] = &[Float64, Float64];
const NUMERICS: &[DataType] = &[Numeric, Numeric];

/// `+ - * /`, unary minus, DIV, MOD, SAFE_* and FLOAT64's comparisons.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("+", INTS, Int64, |r| int("+", r, i64::checked_add)).whole(|b| ints(b, i64::checked_add)),
    fixed("+", NUMERICS, Numeric, |r| numerics("+", r, add)).whole(|b| decimals(b, add)),
    fixed("+", FLOATS, Float64, |r| float("+", r, f64::add)).whole(|b| doubles(b, f64::add)),
    fixed("-", INTS, Int64, |r| int("-", r, i64::checked_sub)).whole(|b| ints(b, i64::checked_sub)),
    fixed("-", NUMERICS, Numeric, |r| numerics("-", r, subtract)).whole(|b| decimals(b, subtract)),
    fixed("-", FLOATS, Float64, |r| float("-", r, f64::sub)).whole(|b| doubles(b, f64::sub)),
    fixed("*", INTS, Int64, |r| int("*", r, i64::checked_mul)).whole(|b| ints(b, i64::checked_mul)),
    fixed("*", NUMERICS, Numeric, |r| numerics("*", r, numeric::multiply))
        .whole(|b| decimals(b, numeric::multiply)),
    fixed("*", FLOATS, Float64, |r| float("*", r, f64::mul)).whole(|b| doubles(b, f64::mul)),
    // Two INT64 divide as FLOAT64, which stands first for that reason.
    fixed("/", FLOATS, Float64, |r| {
        if r.float(1) == 0.0 {
            return Err(format!("division by zero: {} / 0", r.float(0)));
        }
        float("/", r, f64::div)
    })
    .whole(|b| doubles(b, f64::div)),
    fixed("/", NUMERICS, Numeric, |r| {
        if r.numeric(1) == 0 {
            return Err(format!("division by zero: {} / 0", numeric::format(r.numeric(0))));
        }
        numerics("/", r, numeric::divide)
    })
    .whole(|b| decimals(b, divide)),
    fixed("SAFE_DIVIDE", FLOATS, Float64, |r| {
        if r.float(1) == 0.0 {
            return Ok(Cell::Null);
        }
        Ok(float("/", r, f64::div).unwrap_or(Cell::Null))
    })
    .whole(|b| doubles(b, f64::div)),
    fixed("SAFE_DIVIDE", NUMERICS, Numeric, |r| {
        if r.numeric(1) == 0 {
            return Ok(Cell::Null);
        }
        Ok(numeric::divide(r.numeric(0), r.numeric(1)).map_or(Cell::Null, Cell::Numeric))
    })
    .whole(|b| decimals(b, divide)),
    fixed("SAFE_ADD", INTS, Int64, |r| Ok(safe(r.int(0).checked_add(r.int(1))))),
    fixed("SAFE_SUBTRACT", INTS, Int64, |r| Ok(safe(r.int(0).checked_sub(r.int(1))))),
    fixed("SAFE_MULTIPLY", INTS, Int64, |r| Ok(safe(r.int(0).checked_mul(r.int(1))))),
    fixed("negate", &[Int64], Int64, |r| {
        r.int(0).checked_neg().map(Cell::Int).ok_or_else(|| overflow("-", "INT64"))
    }),
    fixed("negate", &[Numeric], Numeric, |r| Ok(Cell::Numeric(-r.numeric(0)))),
    fixed("negate", &[Float64], Float64, |r| Ok(Cell::Float(-r.float(0)))),
    fixed("DIV", INTS, Int64, |r| {
        if r.int(1) == 0 {
            return Err(format!("division by zero: DIV({}, 0)", r.int(0)));
        }
        int("DIV", r, i64::checked_div)
    }),
    fixed("MOD", INTS, Int64, |r| {
        if r.int(1) == 0 {
            return Err(format!("division by zero: MOD({}, 0)", r.int(0)));
        }
        Ok(Cell::Int(r.int(0).wrapping_rem(r.int(1))))
    }),
    fixed("MOD", NUMERICS, Numeric, |r| {
        if r.numeric(1) == 0 {
            return Err("division by zero: MOD of a NUMERIC by 0".to_owned());
        }
        Ok(Cell::Numeric(r.numeric(0) % r.numeric(1)))
    }),
    fixed("=", FLOATS, Bool, |r| Ok(Cell::Bool(equal(r)))).whole(|b| Some(b.test(equal))),
    fixed("!=", FLOATS, Bool, |r| Ok(Cell::Bool(!equal(r)))).whole(|b| Some(b.test(|r| !equal(r)))),
    fixed("<", FLOATS, Bool, |r| Ok(Cell::Bool(less(r)))).whole(|b| Some(b.test(less))),
    fixed("<=", FLOATS, Bool, |r| Ok(Cell::Bool(at_most(r)))).whole(|b| Some(b.test(at_most))),
    fixed(">", FLOATS, Bool, |r| Ok(Cell::Bool(more(r)))).whole(|b| Some(b.test(more))),
    fixed(">=", FLOATS, Bool, |r| Ok(Cell::Bool(at_least(r)))).whole(|b| Some(b.test(at_least))),
    // One NaN and one zero, so that grouping and joining by bits means grouping by value.
    fixed("GROUP KEY", &[Float64], Float64, |r| Ok(Cell::Float(canonical(r.float(0))))),
    // A number that sorts as GoogleSQL sorts doubles: NaN first, then by value.
    fixed("SORT KEY", &[Float64], Int64, |r| Ok(Cell::Int(sort_key(r.float(0))))),
    // The same for the greatest or least, which is NaN where there is one, though it sorts first.
    fixed("EXTREME KEY", &[Float64], Int64, |r| {
        if r.float(0).is_nan() {
            return Err(not_here("the value of the greatest or least FLOAT64 among NaN"));
        }
        Ok(Cell::Int(sort_key(r.float(0))))
    }),
];

#[expect(clippy::float_cmp, reason = "GoogleSQL's = on FLOAT64 is exact")]
fn equal(row: &Row<'_>) -> bool {
    row.float(0) == row.float(1)
}

fn less(row: &Row<'_>) -> bool {
    row.float(0) < row.float(1)
}

fn at_most(row: &Row<'_>) -> bool {
    row.float(0) <= row.float(1)
}

fn more(row: &Row<'_>) -> bool {
    row.float(0) > row.float(1)
}

fn at_least(row: &Row<'_>) -> bool {
    row.float(0) >= row.float(1)
}

fn ints(batch: &Batch<'_>, operation: impl Fn(i64, i64) -> Option<i64>) -> Option<ArrayRef> {
    let values = batch.each::<Int64Type>(|r| operation(r.int(0), r.int(1)))?;
    Some(Arc::new(values))
}

/// A double that is not finite may be an error, which the rows tell.
fn doubles(batch: &Batch<'_>, operation: impl Fn(f64, f64) -> f64) -> Option<ArrayRef> {
    let values = batch.each::<Float64Type>(|r| {
        Some(operation(r.float(0), r.float(1))).filter(|value| value.is_finite())
    })?;
    Some(Arc::new(values))
}

fn decimals(batch: &Batch<'_>, operation: impl Fn(i128, i128) -> Option<i128>) -> Option<ArrayRef> {
    let values = batch.each::<Decimal128Type>(|r| operation(r.numeric(0), r.numeric(1)))?;
    Some(Arc::new(values.with_data_type(arrow_type(&Numeric))))
}

fn add(a: i128, b: i128) -> Option<i128> {
    a.checked_add(b).and_then(numeric::in_range)
}

fn subtract(a: i128, b: i128) -> Option<i128> {
    a.checked_sub(b).and_then(numeric::in_range)
}

fn divide(a: i128, b: i128) -> Option<i128> {
    if b == 0 { None } else { numeric::divide(a, b) }
}

fn safe(value: Option<i64>) -> Cell {
    value.map_or(Cell::Null, Cell::Int)
}

pub(crate) fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

pub(crate) fn sort_key(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MIN;
    }
    let bits = canonical(value).to_bits().cast_signed();
    // Negative doubles order by falling magnitude.
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn overflow(sign: &str, kind: &str) -> String {
    format!("{kind} overflow in {sign}")
}

fn int(sign: &str, row: &Row<'_>, operation: fn(i64, i64) -> Option<i64>) -> Result<Cell, String> {
    let (a, b) = (row.int(0), row.int(1));
    operation(a, b).map(Cell::Int).ok_or_else(|| overflow(&format!("{a} {sign} {b}"), "INT64"))
}

fn float(sign: &str, row: &Row<'_>, operation: fn(f64, f64) -> f64) -> Result<Cell, String> {
    let (a, b) = (row.float(0), row.float(1));
    let value = operation(a, b);
    if value.is_finite() || !a.is_finite() || !b.is_finite() {
        return Ok(Cell::Float(value));
    }
    Err(overflow(&format!("{a:?} {sign} {b:?}"), "FLOAT64"))
}

fn numerics(
    sign: &str,
    row: &Row<'_>,
    operation: fn(i128, i128) -> Option<i128>,
) -> Result<Cell, String> {
    operation(row.numeric(0), row.numeric(1)).map(Cell::Numeric).ok_or_else(|| {
        let (a, b) = (numeric::format(row.numeric(0)), numeric::format(row.numeric(1)));
        overflow(&format!("{a} {sign} {b}"), "NUMERIC")
    })
}
