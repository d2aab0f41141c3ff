//! MIN and MAX by GoogleSQL's order, and through FALSE < TRUE the logical aggregates.

use std::cmp::Ordering;

use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType as ArrowType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::super::functions::arithmetic::canonical;
use super::super::refusal::evaluation;
use crate::warehouse::values::arrow_type;

/// The least or greatest value; of FLOAT64, NaN wherever there is one.
#[derive(Debug)]
pub(super) struct Extreme {
    best: Option<ScalarValue>,
    kind: ArrowType,
    wanted: Ordering,
}

impl Extreme {
    /// MIN over values of a type.
    pub(super) fn least(arg: &DataType) -> Self {
        Self { best: None, kind: arrow_type(arg), wanted: Ordering::Less }
    }

    /// MAX over values of a type.
    pub(super) fn greatest(arg: &DataType) -> Self {
        Self { best: None, kind: arrow_type(arg), wanted: Ordering::Greater }
    }

    fn offer(&mut self, value: ScalarValue) -> Result<()> {
        let is_nan = |v: &ScalarValue| matches!(v, ScalarValue::Float64(Some(x)) if x.is_nan());
        let better = match &self.best {
            None => true,
            Some(best) if is_nan(best) => false,
            Some(_) if is_nan(&value) => true,
            Some(best) => {
                let order = value.partial_cmp(best);
                order.ok_or_else(|| evaluation("MIN or MAX over values without an order"))?
                    == self.wanted
            }
        };
        if better {
            self.best = Some(value);
        }
        Ok(())
    }
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = &values[0];
        if self.kind == ArrowType::Float64 {
            for value in column.as_primitive::<Float64Type>().iter().flatten() {
                self.offer(ScalarValue::Float64(Some(canonical(value))))?;
            }
            return Ok(());
        }
        // Arrow's sort finds the batch's own extreme without a scalar for every row.
        let options = datafusion::arrow::compute::SortOptions {
            descending: self.wanted == Ordering::Greater,
            nulls_first: false,
        };
        let first = datafusion::arrow::compute::sort_to_indices(column, Some(options), Some(1))?;
        if !first.is_empty() {
            let at = first.value(0) as usize;
            if !column.is_null(at) {
                self.offer(ScalarValue::try_from_array(column, at)?)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.best.clone().map_or_else(|| ScalarValue::try_from(&self.kind), Ok)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.best.as_ref().map_or(0, ScalarValue::size)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}
