//! How DataFusion runs a window function: it partitions and sorts, and hands over whole partitions.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, UInt64Array, new_empty_array,
};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDFImpl};
use datafusion::scalar::ScalarValue;

use super::super::aggregates::AggregateKind;
use super::super::functions::cast::int_to_f64;
use super::frame::{Bound, Frame, peers};
use super::percentile::Percentile;
use crate::warehouse::values::arrow_type;

/// What is computed for a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    /// NTILE.
    Tile(i64),
    /// LAG and LEAD: the value so many rows behind, or the default beside it.
    Shift(i128),
    /// The frame's first, n-th or, without a number, last value.
    Nth {
        nth: Option<i64>,
        ignore_nulls: bool,
    },
    /// Of the whole partition: the value, and beside it what it is sorted by.
    Percentile(Percentile),
    /// An aggregate over the frame, of values of a type.
    Aggregate(AggregateKind, DataType),
}

/// A window function as DataFusion sees it: its values, and behind them the keys of ORDER BY.
#[derive(Debug, Clone)]
pub(super) struct Windowed {
    name: String,
    signature: Signature,
    result: ArrowType,
    plan: Plan,
}

#[derive(Debug, Clone)]
struct Plan {
    function: Function,
    frame: Frame,
    values: usize,
    descending: bool,
}

impl Windowed {
    /// A function over `values` values and any number of keys, the first of them descending or not.
    pub(super) fn new(
        function: Function,
        frame: Frame,
        values: usize,
        descending: bool,
        result: &DataType,
    ) -> Self {
        Self {
            name: format!("{function:?} {frame:?} {values} {descending} {result}"),
            signature: Signature::one_of(
                vec![
                    datafusion::logical_expr::TypeSignature::Nullary,
                    datafusion::logical_expr::TypeSignature::VariadicAny,
                ],
                Volatility::Immutable,
            ),
            result: arrow_type(result),
            plan: Plan { function, frame, values, descending },
        }
    }
}

impl PartialEq for Windowed {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Windowed {}

impl Hash for Windowed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl WindowUDFImpl for Windowed {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(self.plan.clone()))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), self.result.clone(), true)))
    }
}

impl PartitionEvaluator for Plan {
    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let (values, keys) = columns.split_at(self.values);
        Ok(match &self.function {
            Function::RowNumber => Arc::new((1..).take(rows).collect::<Int64Array>()),
            Function::Rank => ranked(keys, rows, |_, peers| whole(peers.start + 1))?,
            Function::DenseRank => ranked(keys, rows, |at, _| whole(at + 1))?,
            Function::PercentRank => {
                shares(
                    keys,
                    rows,
                    |peers| {
                        if rows < 2 { 0.0 } else { part(peers.start, rows - 1) }
                    },
                )?
            }
            Function::CumeDist => shares(keys, rows, |peers| part(peers.end, rows))?,
            Function::Tile(buckets) => tiles(*buckets, rows),
            Function::Shift(offset) => shifted(values, *offset, rows)?,
            Function::Nth { nth, ignore_nulls } => {
                let frames = self.frame.rows(keys, self.descending, rows)?;
                picked(&values[0], *nth, *ignore_nulls, &frames)?
            }
            Function::Percentile(percentile) => percentile.evaluate(&values[0], &values[1])?,
            Function::Aggregate(kind, arg) => {
                let frames = self.frame.rows(keys, self.descending, rows)?;
                aggregated(*kind, arg, &values[0], self.frame, &frames)?
            }
        })
    }
}

fn whole(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn part(n: usize, of: usize) -> f64 {
    int_to_f64(whole(n)) / int_to_f64(whole(of))
}

fn ranked(
    keys: &[ArrayRef],
    rows: usize,
    rank: impl Fn(usize, &Range<usize>) -> i64,
) -> Result<ArrayRef> {
    let mut ranks = Vec::with_capacity(rows);
    for (at, group) in peers(keys, rows)?.iter().enumerate() {
        ranks.extend(group.clone().map(|_| rank(at, group)));
    }
    Ok(Arc::new(Int64Array::from(ranks)))
}

fn shares(
    keys: &[ArrayRef],
    rows: usize,
    share: impl Fn(&Range<usize>) -> f64,
) -> Result<ArrayRef> {
    let mut found = Vec::with_capacity(rows);
    for group in &peers(keys, rows)? {
        found.extend(group.clone().map(|_| share(group)));
    }
    Ok(Arc::new(Float64Array::from(found)))
}

/// The first of the buckets take one row more where the rows do not divide evenly.
fn tiles(buckets: i64, rows: usize) -> ArrayRef {
    let buckets = usize::try_from(buckets).unwrap_or(usize::MAX);
    let (each, longer) = (rows / buckets, rows % buckets);
    let tile = |at: usize| {
        let long = longer * (each + 1);
        if at < long { at / (each + 1) } else { longer + (at - long) / each.max(1) }
    };
    Arc::new((0..rows).map(|at| whole(tile(at) + 1)).collect::<Int64Array>())
}

fn shifted(values: &[ArrayRef], offset: i128, rows: usize) -> Result<ArrayRef> {
    let places: Vec<(usize, usize)> = (0..rows)
        .map(|at| match usize::try_from(at as i128 + offset) {
            Ok(other) if other < rows => (0, other),
            _ => (1, at),
        })
        .collect();
    Ok(interleave(&[&*values[0], &*values[1]], &places)?)
}

fn picked(
    values: &ArrayRef,
    nth: Option<i64>,
    ignore_nulls: bool,
    frames: &[Range<usize>],
) -> Result<ArrayRef> {
    let counted: Vec<usize> =
        (0..values.len()).filter(|at| !ignore_nulls || !values.is_null(*at)).collect();
    let found = frames.iter().map(|frame| {
        let first = counted.partition_point(|at| *at < frame.start);
        let end = counted.partition_point(|at| *at < frame.end);
        let at = match nth {
            Some(n) => first.checked_add(usize::try_from(n).ok()?)?.checked_sub(1)?,
            None => end.checked_sub(1)?,
        };
        if at < first || at >= end { None } else { u64::try_from(counted[at]).ok() }
    });
    Ok(take(values, &found.collect::<UInt64Array>(), None)?)
}

/// An aggregate of each frame. A frame that only grows is added to; any other is summed anew, so that nothing is
/// ever taken out of a sum of doubles.
fn aggregated(
    kind: AggregateKind,
    arg: &DataType,
    values: &ArrayRef,
    frame: Frame,
    frames: &[Range<usize>],
) -> Result<ArrayRef> {
    let mut results: Vec<ScalarValue> = Vec::with_capacity(frames.len());
    // Frames that all end with the partition grow from the last row to the first.
    let backwards = frame.end == Bound::Last && frame.start != Bound::First;
    let mut running = kind.accumulator(arg);
    let mut read = if backwards { values.len()..values.len() } else { 0..0 };
    let mut last: Option<ScalarValue> = None;
    let order: Box<dyn Iterator<Item = &Range<usize>>> =
        if backwards { Box::new(frames.iter().rev()) } else { Box::new(frames.iter()) };
    for wanted in order {
        if let (Some(last), true) = (&last, read == *wanted) {
            results.push(last.clone());
            continue;
        }
        let grows = !read.is_empty()
            && wanted.start <= read.start
            && wanted.end >= read.end
            && (wanted.start == read.start || wanted.end == read.end);
        let more = if !grows {
            running = kind.accumulator(arg);
            wanted.clone()
        } else if wanted.start < read.start {
            wanted.start..read.start
        } else {
            read.end..wanted.end
        };
        if !more.is_empty() {
            running.update_batch(&[values.slice(more.start, more.len())])?;
        }
        read = wanted.clone();
        let value = running.evaluate()?;
        results.push(value.clone());
        last = Some(value);
    }
    if backwards {
        results.reverse();
    }
    match results.first() {
        Some(_) => ScalarValue::iter_to_array(results),
        None => Ok(new_empty_array(&kind.accumulator(arg).evaluate()?.data_type())),
    }
}
