//! VARIANCE, STDDEV and their kin: by Welford's recurrence in doubles, exact values by their distances from the first.

use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::super::functions::cast::int_to_f64;
use super::super::refusal::{evaluation, not_here};
use super::grouped::Scatter;

/// Which measure of how far values lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spread {
    /// Of a sample, and so over n - 1; else of all there is.
    sample: bool,
    /// Its root, the standard deviation.
    root: bool,
}

impl Spread {
    /// The measure of this GoogleSQL name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "STDDEV" | "STDDEV_SAMP" => Self { sample: true, root: true },
            "STDDEV_POP" => Self { sample: false, root: true },
            "VARIANCE" | "VAR_SAMP" => Self { sample: true, root: false },
            "VAR_POP" => Self { sample: false, root: false },
            _ => return None,
        })
    }
}

/// The mean of the values so far, and the sum of their squared distances from it.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    measure: Spread,
    finite: bool,
    count: i64,
    /// How many of its units an exact value's 1 is.
    unit: f64,
    /// What exact values are taken from, their first: distances keep digits that a double of the whole would not.
    origin: i128,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of no values of type `arg`.
    pub(super) fn new(measure: Spread, arg: &DataType) -> Self {
        let unit = if *arg == DataType::Numeric { 1e9 } else { 1.0 };
        Self { measure, finite: true, count: 0, unit, origin: 0, mean: 0.0, squares: 0.0 }
    }

    fn add(&mut self, value: Input) -> Result<()> {
        let value = match value {
            Input::Double(value) => value,
            Input::Exact(value) => {
                if self.count == 0 {
                    self.origin = value;
                }
                self.distance(value)?
            }
        };
        self.finite &= value.is_finite();
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / int_to_f64(self.count);
        self.squares += distance * (value - self.mean);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a distance as a double")]
    fn distance(&self, value: i128) -> Result<f64> {
        let distance = value.checked_sub(self.origin);
        let distance = distance.ok_or_else(|| evaluation(not_here("NUMERICs this far apart")))?;
        Ok(distance as f64 / self.unit)
    }

    fn value(&self) -> Result<Option<f64>> {
        let over = if self.measure.sample { self.count - 1 } else { self.count };
        if over < 1 {
            return Ok(None);
        }
        // BigQuery's own word: NaN or an infinity among the values makes NaN.
        if !self.finite {
            return Ok(Some(f64::NAN));
        }
        let variance = self.squares / int_to_f64(over);
        if !variance.is_finite() {
            return Err(evaluation(not_here("a variance beyond what a FLOAT64 holds")));
        }
        Ok(Some(if self.measure.root { variance.sqrt() } else { variance }))
    }
}

/// A value as it is added: an INT64 or a NUMERIC as the engine holds it, in units.
#[derive(Clone, Copy)]
enum Input {
    Exact(i128),
    Double(f64),
}

/// The values of a numeric column by their row.
fn inputs(column: &ArrayRef) -> Box<dyn Fn(usize) -> Input + '_> {
    if let Some(ints) = column.as_primitive_opt::<Int64Type>() {
        return Box::new(|at| Input::Exact(ints.value(at).into()));
    }
    if let Some(decimals) = column.as_primitive_opt::<Decimal128Type>() {
        return Box::new(|at| Input::Exact(decimals.value(at)));
    }
    let doubles = column.as_primitive::<Float64Type>();
    Box::new(|at| Input::Double(doubles.value(at)))
}

impl Scatter for Moments {
    fn scatter(
        groups: &mut [Self],
        column: &ArrayRef,
        of: &[usize],
        taken: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let input = inputs(column);
        let mut rows = of.iter().enumerate().filter(|(at, _)| taken(*at));
        rows.try_for_each(|(at, group)| groups[*group].add(input(at)))
    }

    fn results(groups: &[Self]) -> Result<ArrayRef> {
        let values = groups.iter().map(Self::value).collect::<Result<Float64Array>>()?;
        Ok(Arc::new(values))
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let input = inputs(&values[0]);
        let mut rows = (0..values[0].len()).filter(|at| values[0].is_valid(*at));
        rows.try_for_each(|at| self.add(input(at)))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.result()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let squares = match (self.finite, self.squares.is_nan()) {
            (false, _) => f64::NAN,
            (true, true) => f64::INFINITY,
            (true, false) => self.squares,
        };
        let origin = ScalarValue::from(self.origin.to_string());
        Ok(vec![self.count.into(), origin, self.mean.into(), squares.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>();
        let origins = states[1].as_string::<i32>();
        let means = states[2].as_primitive::<Float64Type>();
        let squares = states[3].as_primitive::<Float64Type>();
        for at in (0..counts.len()).filter(|at| counts.value(*at) > 0) {
            let (count, squares) = (counts.value(at), squares.value(at));
            let origin = origins.value(at).parse().unwrap_or_default();
            if self.count == 0 {
                self.origin = origin;
            }
            let mean = means.value(at) + self.distance(origin)?;
            self.finite &= !squares.is_nan();
            let (ours, theirs) = (int_to_f64(self.count), int_to_f64(count));
            let distance = mean - self.mean;
            self.count += count;
            let share = theirs / int_to_f64(self.count);
            self.mean += distance * share;
            self.squares += squares + distance * distance * ours * share;
        }
        Ok(())
    }
}
