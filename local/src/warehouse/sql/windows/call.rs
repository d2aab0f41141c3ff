//! The window functions by name: their arguments, results, and which clauses of OVER each needs.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, NullTreatment,
};

use super::super::aggregates::AggregateKind;
use super::super::calls::{expressions, plain_args};
use super::super::refusal::{invalid, unsupported};
use super::super::scope::Place;
use super::super::typed::{Origin, Typed};
use super::super::{Binder, Span};
use super::evaluate::Function;
use super::frame::Frame;

/// A call without its OVER.
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) args: Vec<Typed>,
    pub(super) result: DataType,
    distinct: bool,
}

impl Call {
    fn new(function: Function, args: Vec<Typed>, result: DataType) -> Self {
        Self { function, args, result, distinct: false }
    }

    /// Checks the call against the clauses of its window.
    pub(super) fn check(
        &self,
        called: &str,
        keys: usize,
        frame: Option<&Frame>,
        span: Span,
    ) -> Result<(), PortError> {
        let (ordered, framed) = match self.function {
            Function::RowNumber | Function::Percentile(_) => (false, false),
            Function::Rank
            | Function::DenseRank
            | Function::PercentRank
            | Function::CumeDist
            | Function::Tile(_)
            | Function::Shift(_) => (true, false),
            Function::Nth { .. } => (true, true),
            Function::Aggregate(..) => (false, true),
        };
        if ordered && keys == 0 {
            return Err(invalid(format!("{called} without ORDER BY in its window"), span));
        }
        if matches!(self.function, Function::Percentile(_)) && keys > 0 {
            return Err(invalid(format!("{called} with ORDER BY in its window"), span));
        }
        if !framed && frame.is_some() {
            return Err(invalid(format!("{called} with ROWS or RANGE in its window"), span));
        }
        if self.distinct && (keys > 0 || frame.is_some()) {
            let message =
                format!("{called}(DISTINCT …) with ORDER BY, ROWS or RANGE in its window");
            return Err(invalid(message, span));
        }
        Ok(())
    }
}

impl Binder<'_> {
    /// Binds what stands before OVER.
    pub(super) fn called(
        &mut self,
        called: &str,
        args: &FunctionArguments,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Call, PortError> {
        let (args, nulls) = without_nulls(called, args, span)?;
        let (distinct, args) = plain_args(called, &args, span)?;
        if let Some(kind) = AggregateKind::named(called) {
            if nulls.is_some() {
                return Err(unsupported(format!("IGNORE or RESPECT NULLS in {called}"), span));
            }
            return self.framed_aggregate(called, kind, distinct, &args, place, span);
        }
        if distinct {
            return Err(invalid(format!("DISTINCT in {called}, which does not aggregate"), span));
        }
        let ignore_nulls = nulls == Some(NullTreatment::IgnoreNulls);
        let valued =
            ["FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "PERCENTILE_CONT", "PERCENTILE_DISC"]
                .contains(&called);
        if nulls.is_some() && !valued {
            return Err(invalid(format!("IGNORE or RESPECT NULLS in {called}"), span));
        }
        let args = expressions(called, &args, span)?;
        let numbering = match called {
            "ROW_NUMBER" => Some((Function::RowNumber, DataType::Int64)),
            "RANK" => Some((Function::Rank, DataType::Int64)),
            "DENSE_RANK" => Some((Function::DenseRank, DataType::Int64)),
            "PERCENT_RANK" => Some((Function::PercentRank, DataType::Float64)),
            "CUME_DIST" => Some((Function::CumeDist, DataType::Float64)),
            _ => None,
        };
        let numbered = numbering.is_some();
        match (numbering, called, &args[..]) {
            (Some((function, result)), _, []) => Ok(Call::new(function, Vec::new(), result)),
            (_, "NTILE", [buckets]) => {
                let buckets = self.count(buckets, 1, "NTILE", place, span)?;
                Ok(Call::new(Function::Tile(buckets), Vec::new(), DataType::Int64))
            }
            (_, "LAG" | "LEAD", [value, more @ ..]) if more.len() < 3 => {
                self.shifted(called, value, more, place, span)
            }
            (_, "FIRST_VALUE" | "LAST_VALUE", [value]) => {
                let nth = if called == "FIRST_VALUE" { Some(1) } else { None };
                let value = self.expr(value, place)?;
                let result = value.kind.clone();
                Ok(Call::new(Function::Nth { nth, ignore_nulls }, vec![value], result))
            }
            (_, "NTH_VALUE", [value, nth]) => {
                let value = self.expr(value, place)?;
                let nth = Some(self.count(nth, 1, "NTH_VALUE", place, span)?);
                let result = value.kind.clone();
                Ok(Call::new(Function::Nth { nth, ignore_nulls }, vec![value], result))
            }
            (_, "PERCENTILE_CONT" | "PERCENTILE_DISC", [value, of]) => {
                let with_nulls = nulls == Some(NullTreatment::RespectNulls);
                let (percentile, args, result) =
                    self.percentile(called, [value, of], with_nulls, place, span)?;
                Ok(Call::new(Function::Percentile(percentile), args, result))
            }
            _ if numbered || valued || ["NTILE", "LAG", "LEAD"].contains(&called) => {
                Err(invalid(format!("{called} with {} values", args.len()), span))
            }
            _ => Err(unsupported(format!("{called} with OVER"), span)),
        }
    }

    /// LAG and LEAD: the offset and the default are constants.
    fn shifted(
        &mut self,
        called: &str,
        value: &ast::Expr,
        more: &[&ast::Expr],
        place: &Place<'_>,
        span: Span,
    ) -> Result<Call, PortError> {
        let value = self.expr(value, place)?;
        let offset = match more.first() {
            Some(offset) => self.count(offset, 0, called, place, span)?,
            None => 1,
        };
        let result = value.kind.clone();
        let default = match more.get(1) {
            Some(default) => self.expr(default, place)?,
            None => Typed::null(),
        };
        if default.origin == Origin::Computed {
            return Err(unsupported(format!("a computed default of {called}"), span));
        }
        let default = default.coerce(&result, span)?;
        let offset = if called == "LAG" { -i128::from(offset) } else { i128::from(offset) };
        Ok(Call::new(Function::Shift(offset), vec![value, default], result))
    }

    fn framed_aggregate(
        &mut self,
        called: &str,
        kind: AggregateKind,
        distinct: bool,
        args: &[&FunctionArgExpr],
        place: &Place<'_>,
        span: Span,
    ) -> Result<Call, PortError> {
        let kind = match (kind, distinct) {
            (AggregateKind::AnyValue, _) => {
                return Err(unsupported("ANY_VALUE with OVER", span));
            }
            (AggregateKind::Count, false) if matches!(args, [FunctionArgExpr::Wildcard]) => {
                let one = Typed::known(Value::Int64(1), DataType::Int64, span)?;
                let function = Function::Aggregate(kind, DataType::Int64);
                return Ok(Call::new(function, vec![one], DataType::Int64));
            }
            (AggregateKind::Count, true) => AggregateKind::CountDistinct,
            (kind, false) | (kind @ (AggregateKind::Min | AggregateKind::Max), true) => kind,
            (_, true) => return Err(unsupported(format!("{called}(DISTINCT …)"), span)),
        };
        let [arg] = expressions(called, args, span)?[..] else {
            return Err(invalid(format!("{called} takes one value"), span));
        };
        let value = self.expr(arg, place)?;
        let Some(result) = kind.result(&value.kind) else {
            let name = value.kind_name();
            return Err(invalid(format!("no matching signature of {called} for ({name})"), span));
        };
        let function = Function::Aggregate(kind, value.kind.clone());
        Ok(Call { distinct, ..Call::new(function, vec![value], result) })
    }

    /// A constant INT64 of at least `least`.
    fn count(
        &mut self,
        expr: &ast::Expr,
        least: i64,
        called: &str,
        place: &Place<'_>,
        span: Span,
    ) -> Result<i64, PortError> {
        match self.expr(expr, place)?.origin {
            Origin::Known(Value::Int64(n)) if n >= least => Ok(n),
            _ => Err(invalid(format!("{called} takes a constant INT64 of at least {least}"), span)),
        }
    }
}

/// The arguments, and what is said of NULLs behind them.
fn without_nulls(
    called: &str,
    args: &FunctionArguments,
    span: Span,
) -> Result<(FunctionArguments, Option<NullTreatment>), PortError> {
    let FunctionArguments::List(list) = args else { return Ok((args.clone(), None)) };
    let mut list = list.clone();
    let nulls = match &list.clauses[..] {
        [] => None,
        [FunctionArgumentClause::IgnoreOrRespectNulls(nulls)] => Some(*nulls),
        [clause, ..] => return Err(unsupported(format!("{called} with {clause} and OVER"), span)),
    };
    list.clauses.clear();
    Ok((FunctionArguments::List(list), nulls))
}
