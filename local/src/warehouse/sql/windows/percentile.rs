//! `PERCENTILE_CONT` and `PERCENTILE_DISC`, of a whole partition.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use datafusion::arrow::compute::{SortOptions, sort_to_indices, take};
use datafusion::common::Result as Computed;
use datafusion::sql::sqlparser::ast;

use super::super::query::sortable;
use super::super::refusal::{invalid, unsupported};
use super::super::scope::Place;
use super::super::typed::{Origin, Typed};
use super::super::{Binder, Span};

/// Which value of a partition is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percentile {
    /// Between two values there are more.
    continuous: bool,
    /// From 0 to 1.
    of: f64,
    /// NULLs are values, and the least.
    with_nulls: bool,
}

impl Binder<'_> {
    /// Binds the values of a percentile's call: the value, and beside it what it is sorted by.
    pub(super) fn percentile(
        &mut self,
        called: &str,
        [value, of]: [&ast::Expr; 2],
        with_nulls: bool,
        place: &Place<'_>,
        span: Span,
    ) -> Result<(Percentile, Vec<Typed>, DataType), PortError> {
        let continuous = called == "PERCENTILE_CONT";
        let value = self.expr(value, place)?;
        let value = match &value.kind {
            DataType::Int64 if continuous => value.coerce(&DataType::Float64, span)?,
            DataType::Float64 => value,
            kind if continuous => {
                return Err(unsupported(format!("{called} of a {kind}: cast it to FLOAT64"), span));
            }
            _ => value,
        };
        let of = self.expr(of, place)?;
        if of.kind == DataType::Numeric {
            return Err(unsupported(format!("{called} with a NUMERIC percentile"), span));
        }
        let of = match of.origin {
            Origin::Known(Value::Float64(of)) if (0.0..=1.0).contains(&of) => of + 0.0,
            Origin::Known(Value::Int64(0)) => 0.0,
            Origin::Known(Value::Int64(1)) => 1.0,
            _ => {
                let message = format!("the percentile of {called} is a constant from 0 to 1");
                return Err(invalid(message, span));
            }
        };
        let kind = value.kind.clone();
        let sorted = Typed::computed(sortable(value.clone(), span)?, kind.clone());
        Ok((Percentile { continuous, of, with_nulls }, vec![value, sorted], kind))
    }
}

impl Percentile {
    /// The percentile of a partition's values, in each of its rows.
    pub(super) fn evaluate(self, values: &ArrayRef, keys: &ArrayRef) -> Computed<ArrayRef> {
        let options = SortOptions { descending: false, nulls_first: true };
        let sorted = sort_to_indices(keys, Some(options), None)?;
        let (nulls, known) = sorted.values().split_at(keys.logical_null_count());
        let nulls = if self.with_nulls { nulls.len() } else { 0 };
        if self.continuous {
            let value = self.between(values.as_primitive(), nulls, known);
            return Ok(Arc::new(Float64Array::from(vec![value; values.len()])));
        }
        let place = self.first(nulls, known);
        Ok(take(values, &UInt32Array::from(vec![place; values.len()]), None)?)
    }

    /// Where the first value is whose share of values up to it is at least the percentile.
    fn first(self, nulls: usize, known: &[u32]) -> Option<u32> {
        let (at, beyond) = self.place(known.len() + nulls);
        let at = if beyond > 0.0 { at } else { at.saturating_sub(1) };
        known.get(at.checked_sub(nulls)?).copied()
    }

    /// The value at the percentile, on the line between the two next to it; next to a NULL, the other one.
    fn between(self, values: &Float64Array, nulls: usize, known: &[u32]) -> Option<f64> {
        let value = |at: usize| known.get(at).map(|place| values.value(*place as usize));
        let (at, beyond) = self.place((known.len() + nulls).checked_sub(1)?);
        if at < nulls {
            return if at + 1 == nulls && beyond > 0.0 { value(0) } else { None };
        }
        let left = value(at - nulls)?;
        if beyond == 0.0 {
            return Some(left);
        }
        let right = value(at - nulls + 1)?;
        let way = right - left;
        Some(if way.is_finite() {
            beyond.mul_add(way, left)
        } else {
            left * (1.0 - beyond) + right * beyond
        })
    }

    /// The percentile of a number, whole and the rest: the product of both as they are, which a double's would round.
    #[expect(clippy::cast_precision_loss, reason = "the rest as a double, below 1")]
    fn place(self, number: usize) -> (usize, f64) {
        let bits = self.of.to_bits();
        let (exponent, fraction) = (bits >> 52, bits & ((1 << 52) - 1));
        // The percentile is this many times 2 to the power of minus `places`.
        let mantissa = u128::from(fraction | 1 << 52);
        let places = 1075 - u32::try_from(exponent).unwrap_or_default();
        if places > 127 {
            return (0, self.of * number as f64);
        }
        let product = mantissa * number as u128;
        let rest = product & ((1_u128 << places) - 1);
        let whole = usize::try_from(product >> places).unwrap_or(usize::MAX);
        (whole, rest as f64 / (1_u128 << places) as f64)
    }
}
