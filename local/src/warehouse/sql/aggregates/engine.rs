//! Calls that the engine's own aggregates answer alike, and faster over many groups.

use common::warehouse::DataType;
use datafusion::functions_aggregate::expr_fn::{bool_and, bool_or, count, max, min};
use datafusion::logical_expr::Expr;

use super::{AggregateKind, Native};

/// The engine's own call in place of ours, where it means the same; of FLOAT64 its MIN and MAX leave NaN out.
pub(crate) fn of_engine(call: Expr) -> Expr {
    let Some((native, value)) = native(&call) else { return call };
    let own = match (native.kind, &native.arg) {
        (AggregateKind::Count, _) => count,
        (AggregateKind::LogicalAnd, _) => bool_and,
        (AggregateKind::LogicalOr, _) => bool_or,
        (AggregateKind::Min, arg) if *arg != DataType::Float64 => min,
        (AggregateKind::Max, arg) if *arg != DataType::Float64 => max,
        _ => return call,
    };
    own(value.clone()).alias(call.schema_name().to_string())
}

/// What the calls count, where each is the same `COUNT(DISTINCT x)` of values that are equal where their bits are.
pub(crate) fn one_distinct(calls: &[Expr]) -> Option<Expr> {
    let mut values = calls.iter().map(|call| {
        let (native, value) = native(call)?;
        let plain = native.kind == AggregateKind::CountDistinct && native.arg != DataType::Float64;
        plain.then_some(value)
    });
    let first = values.next()??;
    values.all(|value| value == Some(first)).then(|| first.clone())
}

/// One of ours and its argument, with or without a name.
fn native(call: &Expr) -> Option<(&Native, &Expr)> {
    let call = if let Expr::Alias(named) = call { &named.expr } else { call };
    let Expr::AggregateFunction(function) = call else { return None };
    let native = function.func.inner().downcast_ref::<Native>()?;
    Some((native, function.params.args.first()?))
}
