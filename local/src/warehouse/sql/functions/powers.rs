//! Arithmetic beyond the operators: SAFE_* of decimals and doubles, bits, whole powers.
//!
//! The logarithms, EXP and what belongs to angles are not here: their last digit depends on who computes them.

use common::warehouse::DataType::{self, Float64, Int64, Numeric};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::{Overload, fixed};
use crate::warehouse::numeric::{self, ONE};

const I: &[DataType] = &[Int64];
const II: &[DataType] = &[Int64, Int64];
const NN: &[DataType] = &[Numeric, Numeric];
const FF: &[DataType] = &[Float64, Float64];

/// Whole powers, division of doubles, the SAFE_* siblings and operators on bits.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("POW", FF, Float64, |r| power(r.float(0), r.float(1))),
    fixed("POWER", FF, Float64, |r| power(r.float(0), r.float(1))),
    // GoogleSQL answers NUMERIC of its own rounding.
    fixed("POW", NN, Numeric, |_| Err(not_here("POW of a NUMERIC"))),
    fixed("POWER", NN, Numeric, |_| Err(not_here("POWER of a NUMERIC"))),
    fixed("IEEE_DIVIDE", FF, Float64, |r| Ok(Cell::Float(r.float(0) / r.float(1)))),
    fixed("SIGN", &[Float64], Float64, |r| {
        let x = r.float(0);
        Ok(Cell::Float(if x.is_nan() || x == 0.0 { x + 0.0 } else { x.signum() }))
    }),
    fixed("SAFE_NEGATE", I, Int64, |r| Ok(r.int(0).checked_neg().map_or(Cell::Null, Cell::Int))),
    fixed("SAFE_NEGATE", &[Numeric], Numeric, |r| Ok(Cell::Numeric(-r.numeric(0)))),
    fixed("SAFE_NEGATE", &[Float64], Float64, |r| Ok(Cell::Float(-r.float(0)))),
    fixed("SAFE_ADD", NN, Numeric, |r| {
        Ok(safe(r.numeric(0).checked_add(r.numeric(1)).and_then(numeric::in_range)))
    }),
    fixed("SAFE_ADD", FF, Float64, |r| Ok(finite(r.float(0), r.float(1), r.float(0) + r.float(1)))),
    fixed("SAFE_SUBTRACT", NN, Numeric, |r| {
        Ok(safe(r.numeric(0).checked_sub(r.numeric(1)).and_then(numeric::in_range)))
    }),
    fixed("SAFE_SUBTRACT", FF, Float64, |r| {
        Ok(finite(r.float(0), r.float(1), r.float(0) - r.float(1)))
    }),
    fixed("SAFE_MULTIPLY", NN, Numeric, |r| {
        Ok(safe(numeric::multiply(r.numeric(0), r.numeric(1))))
    }),
    fixed("SAFE_MULTIPLY", FF, Float64, |r| {
        Ok(finite(r.float(0), r.float(1), r.float(0) * r.float(1)))
    }),
    fixed("DIV", NN, Numeric, |r| {
        if r.numeric(1) == 0 {
            return Err("division by zero: DIV of a NUMERIC by 0".to_owned());
        }
        let whole = (r.numeric(0) / r.numeric(1)).checked_mul(ONE).and_then(numeric::in_range);
        whole.map(Cell::Numeric).ok_or_else(|| "NUMERIC overflow in DIV".to_owned())
    }),
    // Which double lies below a decimal place is not written down; of INT64 TRUNC is FLOAT64's.
    fixed("TRUNC", &[Float64, Int64], Float64, |_| Err(not_here("TRUNC of a FLOAT64 to a place"))),
    fixed("TRUNC", &[Numeric, Int64], Numeric, |r| {
        let places = 9 - r.int(1).clamp(-30, 9);
        let unit = u32::try_from(places).ok().and_then(|places| 10_i128.checked_pow(places));
        Ok(Cell::Numeric(unit.map_or(0, |unit| r.numeric(0) / unit * unit)))
    }),
    fixed("&", II, Int64, |r| Ok(Cell::Int(r.int(0) & r.int(1)))),
    fixed("|", II, Int64, |r| Ok(Cell::Int(r.int(0) | r.int(1)))),
    fixed("^", II, Int64, |r| Ok(Cell::Int(r.int(0) ^ r.int(1)))),
    fixed("~", I, Int64, |r| Ok(Cell::Int(!r.int(0)))),
];

fn safe(value: Option<i128>) -> Cell {
    value.map_or(Cell::Null, Cell::Numeric)
}

/// NULL in place of an overflow.
fn finite(a: f64, b: f64, value: f64) -> Cell {
    let over = a.is_finite() && b.is_finite() && !value.is_finite();
    if over { Cell::Null } else { Cell::Float(value) }
}

/// A power that a double holds exactly, which is every library's answer.
fn power(base: f64, exponent: f64) -> Result<Cell, String> {
    let unsure = || not_here(format!("POW({base}, {exponent}), whose digits no double holds all,"));
    let small = exponent.fract() == 0.0 && (0.0..=64.0).contains(&exponent);
    if !small || !base.is_finite() {
        return Err(unsure());
    }
    let (mut value, mut left) = (1.0_f64, exponent);
    while left > 0.0 {
        let next = value * base;
        // Without a rounding on the way the product is exact.
        if !next.is_finite() || value.mul_add(base, -next) != 0.0 {
            return Err(unsure());
        }
        (value, left) = (next, left - 1.0);
    }
    Ok(Cell::Float(value))
}
