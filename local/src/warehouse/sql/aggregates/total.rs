//! SUM and AVG: INT64 and NUMERIC add exactly and refuse to overflow, FLOAT64 carries what rounding loses.

use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::super::functions::cast::int_to_f64;
use super::super::refusal::evaluation;
use super::grouped::{Groups, Scatter};
use crate::warehouse::numeric;

/// SUM or AVG over values of a numeric type.
pub(super) fn accumulator(average: bool, arg: &DataType) -> Box<dyn Accumulator> {
    match arg {
        DataType::Float64 => Box::new(Floats::new(average)),
        _ => Box::new(Exact::new(average, arg)),
    }
}

/// The same for many groups at once.
pub(super) fn groups(
    average: bool,
    arg: &DataType,
    state: Vec<ArrowType>,
) -> Box<dyn GroupsAccumulator> {
    match arg {
        DataType::Float64 => Box::new(Groups::new(Floats::new(average), state)),
        _ => Box::new(Groups::new(Exact::new(average, arg), state)),
    }
}

/// INT64, or NUMERIC as scaled integers.
#[derive(Debug, Clone)]
struct Exact {
    average: bool,
    numeric: bool,
    count: i64,
    sum: i128,
}

impl Exact {
    fn new(average: bool, arg: &DataType) -> Self {
        Self { average, numeric: *arg == DataType::Numeric, count: 0, sum: 0 }
    }

    fn overflow(&self) -> datafusion::error::DataFusionError {
        let kind = if self.numeric { "NUMERIC" } else { "INT64" };
        evaluation(format!("{kind} overflow in {}", if self.average { "AVG" } else { "SUM" }))
    }

    fn add(&mut self, value: i128, count: i64) -> Result<()> {
        self.sum = self.sum.checked_add(value).ok_or_else(|| self.overflow())?;
        self.count += count;
        Ok(())
    }
}

impl Scatter for Exact {
    fn scatter(
        groups: &mut [Self],
        column: &ArrayRef,
        of: &[usize],
        taken: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let rows = of.iter().enumerate().filter(|(at, _)| taken(*at));
        if let Some(values) = column.as_primitive_opt::<Decimal128Type>() {
            for (at, group) in rows {
                groups[*group].add(values.value(at), 1)?;
            }
        } else {
            let values = column.as_primitive::<Int64Type>();
            for (at, group) in rows {
                groups[*group].add(i128::from(values.value(at)), 1)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "AVG of INT64 is a double")]
    fn results(groups: &[Self]) -> Result<ArrayRef> {
        // Every group of a call is of its kind.
        let (numeric, average) = groups.first().map_or((false, false), |g| (g.numeric, g.average));
        if numeric {
            let decimal = |group: &Self| {
                let value = if average {
                    numeric::divide_rounding(group.sum, i128::from(group.count))
                } else {
                    group.sum
                };
                numeric::in_range(value).ok_or_else(|| group.overflow())
            };
            let sums = groups.iter().map(|g| (g.count > 0).then(|| decimal(g)).transpose());
            let sums = sums.collect::<Result<Decimal128Array>>()?;
            return Ok(Arc::new(sums.with_precision_and_scale(38, 9)?));
        }
        if average {
            let mean = |group: &Self| group.sum as f64 / int_to_f64(group.count);
            let means = groups.iter().map(|g| (g.count > 0).then(|| mean(g)));
            return Ok(Arc::new(means.collect::<Float64Array>()));
        }
        let int = |group: &Self| i64::try_from(group.sum).map_err(|_| group.overflow());
        let sums = groups.iter().map(|g| (g.count > 0).then(|| int(g)).transpose());
        Ok(Arc::new(sums.collect::<Result<Int64Array>>()?))
    }
}

impl Accumulator for Exact {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.numeric {
            for value in values[0].as_primitive::<Decimal128Type>().iter().flatten() {
                self.add(value, 1)?;
            }
        } else {
            for value in values[0].as_primitive::<Int64Type>().iter().flatten() {
                self.add(i128::from(value), 1)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.result()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::from(self.sum.to_string()), ScalarValue::from(self.count)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[1].as_primitive::<Int64Type>();
        for (sum, count) in states[0].as_string::<i32>().iter().zip(counts) {
            let sum = sum.unwrap_or("0").parse().map_err(|_| self.overflow())?;
            self.add(sum, count.unwrap_or(0))?;
        }
        Ok(())
    }
}

/// FLOAT64 with Neumaier's compensation.
#[derive(Debug, Clone)]
struct Floats {
    average: bool,
    count: i64,
    sum: f64,
    lost: f64,
    finite: bool,
}

impl Floats {
    fn new(average: bool) -> Self {
        Self { average, count: 0, sum: 0.0, lost: 0.0, finite: true }
    }

    fn add(&mut self, value: f64) {
        self.finite &= value.is_finite();
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }
}

impl Scatter for Floats {
    fn scatter(
        groups: &mut [Self],
        column: &ArrayRef,
        of: &[usize],
        taken: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let values = column.as_primitive::<Float64Type>();
        for (at, group) in of.iter().enumerate().filter(|(at, _)| taken(*at)) {
            groups[*group].add(values.value(at));
            groups[*group].count += 1;
        }
        Ok(())
    }

    fn results(groups: &[Self]) -> Result<ArrayRef> {
        let values = groups.iter().map(|group| {
            if group.count == 0 {
                return Ok(None);
            }
            // What is lost beside an infinity is not a number.
            let sum = if group.finite { group.sum + group.lost } else { group.sum };
            if group.finite && !sum.is_finite() {
                return Err(evaluation("FLOAT64 overflow in SUM or AVG"));
            }
            Ok(Some(if group.average { sum / int_to_f64(group.count) } else { sum }))
        });
        Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
    }
}

impl Accumulator for Floats {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.add(value);
            self.count += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.result()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let text = format!("{} {} {}", self.sum.to_bits(), self.lost.to_bits(), self.finite);
        Ok(vec![ScalarValue::from(text), ScalarValue::from(self.count)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[1].as_primitive::<Int64Type>();
        for (text, count) in states[0].as_string::<i32>().iter().zip(counts) {
            let parts: Vec<&str> = text.unwrap_or_default().split(' ').collect();
            let bits = |at: usize| parts.get(at).and_then(|t| t.parse().ok()).map(f64::from_bits);
            let (Some(sum), Some(lost)) = (bits(0), bits(1)) else { continue };
            self.add(sum);
            if parts.get(2) == Some(&"true") {
                self.add(lost);
            } else {
                self.finite = false;
            }
            self.count += count.unwrap_or(0);
        }
        Ok(())
    }
}
