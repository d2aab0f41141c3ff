//! Aggregates with DISTINCT: the set of values seen, counted or added up.

use std::cmp::Ordering;
use std::collections::HashSet;

use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::super::functions::arithmetic::canonical;
use super::AggregateKind;
use crate::warehouse::values::arrow_type;

/// The values seen, NULL left out.
#[derive(Debug)]
pub(super) struct Distinct {
    kind: DataType,
    seen: HashSet<ScalarValue>,
    then: Option<AggregateKind>,
}

impl Distinct {
    /// Over values of a type, which are counted, or go into an aggregate.
    pub(super) fn new(kind: &DataType, then: Option<AggregateKind>) -> Self {
        Self { kind: kind.clone(), seen: HashSet::new(), then }
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for at in 0..values[0].len() {
            if !values[0].is_null(at) {
                let value = match ScalarValue::try_from_array(&values[0], at)? {
                    ScalarValue::Float64(Some(x)) => ScalarValue::Float64(Some(canonical(x))),
                    other => other,
                };
                self.seen.insert(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(then) = self.then {
            let mut inner = then.accumulator(&self.kind);
            if !self.seen.is_empty() {
                // In one order, so that sums of doubles are the same each time.
                let mut values: Vec<ScalarValue> = self.seen.iter().cloned().collect();
                values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
                inner.update_batch(&[ScalarValue::iter_to_array(values)?])?;
            }
            return inner.evaluate();
        }
        Ok(ScalarValue::Int64(Some(i64::try_from(self.seen.len()).unwrap_or(i64::MAX))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.iter().map(ScalarValue::size).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.seen.iter().cloned().collect();
        let list = ScalarValue::new_list_nullable(&values, &arrow_type(&self.kind));
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }
}
