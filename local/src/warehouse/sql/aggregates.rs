//! The aggregate functions: how DataFusion runs them. Each has GoogleSQL's types, NULLs and overflow errors.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, Volatility,
    lit,
};
use datafusion::scalar::ScalarValue;

use super::refusal::evaluation;
use crate::warehouse::values::arrow_type;

mod collected;
mod distinct;
mod engine;
mod extreme;
mod grouped;
mod spread;
mod total;

pub(crate) use collected::{Collection, Direction, Finish};
pub(crate) use engine::{of_engine, one_distinct};
use spread::{Moments, Spread};

/// An aggregate function over one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AggregateKind {
    Count,
    CountIf,
    CountDistinct,
    Sum,
    Avg,
    SumDistinct,
    AvgDistinct,
    Min,
    Max,
    AnyValue,
    LogicalAnd,
    LogicalOr,
    /// VARIANCE, STDDEV and their kin.
    Spread(Spread),
    /// The value of a scalar subquery: NULL without a row, an error with two.
    Single,
}

impl AggregateKind {
    /// The function of this GoogleSQL name; with DISTINCT some are a kind of their own.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "COUNT" => Self::Count,
            "COUNTIF" => Self::CountIf,
            "APPROX_COUNT_DISTINCT" => Self::CountDistinct,
            "SUM" => Self::Sum,
            "AVG" => Self::Avg,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            "ANY_VALUE" => Self::AnyValue,
            "LOGICAL_AND" => Self::LogicalAnd,
            "LOGICAL_OR" => Self::LogicalOr,
            _ => return Spread::named(name).map(Self::Spread),
        })
    }

    /// The same over each value once; `None` where that is not here.
    pub(crate) fn distinct(self) -> Option<Self> {
        match self {
            Self::Count => Some(Self::CountDistinct),
            Self::Sum => Some(Self::SumDistinct),
            Self::Avg => Some(Self::AvgDistinct),
            // Repeating a value changes none of these.
            Self::Min | Self::Max | Self::LogicalAnd | Self::LogicalOr => Some(self),
            Self::CountIf
            | Self::CountDistinct
            | Self::SumDistinct
            | Self::AvgDistinct
            | Self::AnyValue
            | Self::Spread(_)
            | Self::Single => None,
        }
    }

    /// The result's type over values of `arg`; `None` where there is no such signature.
    pub(crate) fn result(self, arg: &DataType) -> Option<DataType> {
        use DataType::{Array, Bool, Float64, Int64, Json, Numeric, Struct};
        match (self, arg) {
            (Self::CountDistinct | Self::Min | Self::Max, Struct(_) | Array(_) | Json) => None,
            (Self::Count | Self::CountDistinct, _) | (Self::CountIf, Bool) => Some(Int64),
            (Self::Avg | Self::AvgDistinct, Int64 | Float64)
            | (Self::Spread(_), Int64 | Float64 | Numeric) => Some(Float64),
            (Self::Sum | Self::SumDistinct, Int64 | Float64 | Numeric)
            | (Self::Avg | Self::AvgDistinct, Numeric)
            | (Self::LogicalAnd | Self::LogicalOr, Bool)
            | (Self::Min | Self::Max | Self::AnyValue | Self::Single, _) => Some(arg.clone()),
            (
                Self::CountIf
                | Self::Sum
                | Self::Avg
                | Self::SumDistinct
                | Self::AvgDistinct
                | Self::LogicalAnd
                | Self::LogicalOr
                | Self::Spread(_),
                _,
            ) => None,
        }
    }

    /// The call over a column of type `arg`, which has a result.
    pub(crate) fn call(self, expr: Expr, arg: &DataType, result: &DataType) -> Expr {
        let function = Native {
            name: format!("{self:?} {arg}"),
            kind: self,
            arg: arg.clone(),
            result: arrow_type(result),
            signature: Signature::any(1, Volatility::Immutable),
        };
        AggregateUDF::from(function).call(vec![expr])
    }

    /// `COUNT(*)`: a constant is never NULL.
    pub(crate) fn count_rows() -> Expr {
        Self::Count.call(lit(1_i64), &DataType::Int64, &DataType::Int64)
    }

    /// What accumulates values of type `arg`.
    pub(crate) fn accumulator(self, arg: &DataType) -> Box<dyn Accumulator> {
        match self {
            Self::Sum | Self::Avg => total::accumulator(self == Self::Avg, arg),
            Self::CountDistinct => Box::new(distinct::Distinct::new(arg, None)),
            Self::SumDistinct => Box::new(distinct::Distinct::new(arg, Some(Self::Sum))),
            Self::AvgDistinct => Box::new(distinct::Distinct::new(arg, Some(Self::Avg))),
            Self::Count => Box::new(Counter { count: 0, only_true: false }),
            Self::CountIf => Box::new(Counter { count: 0, only_true: true }),
            // FALSE sorts below TRUE.
            Self::LogicalAnd | Self::Min => Box::new(extreme::Extreme::least(arg)),
            Self::LogicalOr | Self::Max => Box::new(extreme::Extreme::greatest(arg)),
            Self::AnyValue => Box::new(Chosen::new(arg, false)),
            Self::Spread(measure) => Box::new(Moments::new(measure, arg)),
            Self::Single => Box::new(Chosen::new(arg, true)),
        }
    }

    /// The same for many groups at once; `None` where the engine asks an accumulator for each group.
    fn groups(self, arg: &DataType) -> Option<Box<dyn GroupsAccumulator>> {
        let state = self.state(arg);
        match self {
            Self::Sum | Self::Avg => Some(total::groups(self == Self::Avg, arg, state)),
            Self::Count | Self::CountIf => {
                let fresh = Counter { count: 0, only_true: self == Self::CountIf };
                Some(Box::new(grouped::Groups::new(fresh, state)))
            }
            Self::CountDistinct => distinct::groups(arg),
            Self::Spread(measure) => {
                Some(Box::new(grouped::Groups::new(Moments::new(measure, arg), state)))
            }
            Self::SumDistinct
            | Self::AvgDistinct
            | Self::Min
            | Self::Max
            | Self::AnyValue
            | Self::LogicalAnd
            | Self::LogicalOr
            | Self::Single => None,
        }
    }

    fn state(self, arg: &DataType) -> Vec<ArrowType> {
        match self {
            Self::Sum | Self::Avg => vec![ArrowType::Utf8, ArrowType::Int64],
            Self::CountDistinct | Self::SumDistinct | Self::AvgDistinct => {
                vec![ArrowType::new_list(arrow_type(arg), true)]
            }
            Self::Count | Self::CountIf => vec![ArrowType::Int64],
            Self::LogicalAnd | Self::LogicalOr | Self::Min | Self::Max => vec![arrow_type(arg)],
            Self::AnyValue | Self::Single => vec![arrow_type(arg), ArrowType::Int64],
            Self::Spread(_) => {
                vec![ArrowType::Int64, ArrowType::Utf8, ArrowType::Float64, ArrowType::Float64]
            }
        }
    }
}

/// One of our aggregate calls: what it reads, and what accumulates it.
pub(crate) struct Call {
    /// The arguments.
    pub(crate) args: Vec<Expr>,
    /// A fresh accumulator over them.
    pub(crate) accumulator: Box<dyn Fn() -> Box<dyn Accumulator> + Send + Sync>,
    /// One for many groups at once, where there is such a one.
    pub(crate) groups: Box<dyn Fn() -> Option<Box<dyn GroupsAccumulator>> + Send + Sync>,
}

/// The parts of one of our aggregate calls.
pub(crate) fn call_of(call: &Expr) -> Option<Call> {
    let Expr::AggregateFunction(function) = call else { return None };
    let args = function.params.args.clone();
    let inner = function.func.inner();
    if let Some(native) = inner.downcast_ref::<Native>() {
        let (kind, arg) = (native.kind, native.arg.clone());
        let of = arg.clone();
        return Some(Call {
            args,
            accumulator: Box::new(move || kind.accumulator(&arg)),
            groups: Box::new(move || kind.groups(&of)),
        });
    }
    let accumulator = collected::accumulator_of(&**inner)?;
    Some(Call { args, accumulator, groups: Box::new(|| None) })
}

#[derive(Debug, Clone, PartialEq)]
struct Native {
    name: String,
    kind: AggregateKind,
    arg: DataType,
    result: ArrowType,
    signature: Signature,
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(self.result.clone())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(self.kind.accumulator(&self.arg))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        self.kind.groups(&self.arg).is_some()
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let groups = self.kind.groups(&self.arg);
        groups.ok_or_else(|| evaluation(format!("{} has no groups of its own", self.name)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let fields = self.kind.state(&self.arg).into_iter().enumerate();
        Ok(fields
            .map(|(at, kind)| Arc::new(Field::new(format!("{}[{at}]", args.name), kind, true)))
            .collect())
    }

    fn default_value(&self, _: &ArrowType) -> Result<ScalarValue> {
        self.kind.accumulator(&self.arg).evaluate()
    }
}

/// COUNT and COUNTIF.
#[derive(Debug, Clone)]
struct Counter {
    count: i64,
    only_true: bool,
}

impl grouped::Scatter for Counter {
    fn scatter(
        groups: &mut [Self],
        column: &ArrayRef,
        of: &[usize],
        taken: impl Fn(usize) -> bool,
    ) -> Result<()> {
        // Every counter of a call counts alike.
        let only_true = groups.first().is_some_and(|group| group.only_true);
        let truth = only_true.then(|| column.as_boolean());
        for (at, group) in of.iter().enumerate().filter(|(at, _)| taken(*at)) {
            groups[*group].count += i64::from(truth.is_none_or(|truth| truth.value(at)));
        }
        Ok(())
    }

    fn results(groups: &[Self]) -> Result<ArrayRef> {
        let counts = groups.iter().map(|group| group.count);
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }
}

impl Accumulator for Counter {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let found = if self.only_true {
            values[0].as_boolean().true_count()
        } else {
            values[0].len() - values[0].logical_null_count()
        };
        self.count += i64::try_from(found).unwrap_or(i64::MAX);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        grouped::Scatter::result(self)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.count += states[0].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }
}

/// `ANY_VALUE`, the first that is not NULL; and the one value of a scalar subquery.
#[derive(Debug)]
struct Chosen {
    value: Option<ScalarValue>,
    kind: ArrowType,
    rows: i64,
    only_one: bool,
}

impl Chosen {
    fn new(arg: &DataType, only_one: bool) -> Self {
        Self { value: None, kind: arrow_type(arg), rows: 0, only_one }
    }

    fn take(&mut self, values: &ArrayRef, rows: i64) -> Result<()> {
        self.rows += rows;
        if self.only_one && self.rows > 1 {
            return Err(evaluation("a scalar subquery returned more than one row"));
        }
        if self.value.is_none() {
            let first = (0..values.len()).find(|at| !values.is_null(*at));
            self.value = first.map(|at| ScalarValue::try_from_array(values, at)).transpose()?;
        }
        Ok(())
    }
}

impl Accumulator for Chosen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take(&values[0], i64::try_from(values[0].len()).unwrap_or(i64::MAX))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.value.clone().map_or_else(|| ScalarValue::try_from(&self.kind), Ok)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.as_ref().map_or(0, ScalarValue::size)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?, ScalarValue::Int64(Some(self.rows))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states[1].as_primitive::<Int64Type>().iter().flatten().sum();
        self.take(&states[0], rows)
    }
}
