//! Scalar subqueries over tables that find their rows by a value of the row around them: a join with the rows of
//! each such value, made one.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, when};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator};

use super::aggregates::{AggregateKind, call_of};
use super::grouping::collect;
use super::refusal::{evaluation, invalid, unsupported};
use super::relation::{column, filter};
use super::rowwise::native;
use super::scope::{Place, Scope};
use super::segment::replace;
use super::select::aggregates;
use super::semijoin::{conjuncts, plain_select};
use super::typed::{Typed, comparable};
use super::windows::has_windows;
use super::{Binder, Span, planned};

/// A subquery's rows, one for each value that the rows around it may find them by.
pub(super) struct Attached {
    plan: LogicalPlan,
    /// What of the row around is equal to which column.
    on: Vec<(Expr, String)>,
}

impl Binder<'_> {
    /// Binds a scalar subquery of equalities with the row around it; `None` where it is anything else.
    pub(super) fn correlated(
        &mut self,
        query: &ast::Query,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Option<Typed>, PortError> {
        let scope = place.scope;
        // An alias may stand for an aggregate of the query around.
        if !scope.hosts || !scope.aliases.is_empty() {
            return Ok(None);
        }
        let Some(select) = plain_select(query) else { return Ok(None) };
        let before = self.subqueries.len();
        let found = self.found(select, scope, span)?;
        if found.is_none() {
            // What was bound in vain does not run.
            self.subqueries.truncate(before);
        }
        Ok(found)
    }

    fn found(
        &mut self,
        select: &ast::Select,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Option<Typed>, PortError> {
        let behind = scope.behind();
        let (mut plan, own) = self.from(&select.from, Some(&behind))?;
        let inner = Scope { outer: Some(scope), sealed: false, ..own };
        let schema = Arc::clone(plan.schema());
        let within = |e: &Expr| e.column_refs().into_iter().all(|c| schema.has_column(c));
        let around = |e: &Expr| e.column_refs().into_iter().all(|c| !schema.has_column(c));
        let mut parts = Vec::new();
        if let Some(condition) = &select.selection {
            conjuncts(condition, &mut parts);
        }
        let mut on = Vec::new();
        for part in parts {
            let before = self.subqueries.len();
            let bound = self.expr(part, &inner.plain("WHERE"))?.coerce(&DataType::Bool, span)?;
            if within(&bound.expr) {
                plan = filter(plan, bound.expr)?;
                continue;
            }
            self.subqueries.truncate(before);
            let ast::Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else {
                return Ok(None);
            };
            let left = self.operand(left, &inner.plain("WHERE"))?;
            let right = self.operand(right, &inner.plain("WHERE"))?;
            let (left, right, _) = comparable(left, right, span)?;
            let (outside, key) = match (within(&left.expr), around(&left.expr)) {
                (false, true) if within(&right.expr) => (left, right),
                (true, false) if around(&right.expr) => (right, left),
                _ => return Ok(None),
            };
            match key.kind {
                DataType::Float64 | DataType::Struct(_) | DataType::Array(_) | DataType::Json => {
                    let what = format!("a subquery that finds its rows by a {}", key.kind);
                    return Err(unsupported(what, span));
                }
                _ => on.push((outside.expr, key.expr)),
            }
        }
        if on.is_empty() {
            return Ok(None);
        }
        let items = self.items(&select.projection, &inner, None)?;
        let [item] = &items[..] else {
            return Err(invalid("a subquery as a value has one column", span));
        };
        let value = item.value.clone();
        if has_windows(&value.expr) || !aggregates(&value.expr) && !within(&value.expr) {
            return Ok(None);
        }
        let (calls, expr) = if aggregates(&value.expr) {
            let mut calls = Vec::new();
            collect(&value.expr, &mut |call| calls.push(call.clone()));
            if !calls.iter().all(within) {
                return Ok(None);
            }
            let (calls, replaced) = self.padded(calls, span)?;
            let expr = replace(&value.expr, &replaced);
            if expr.column_refs().into_iter().any(|c| schema.has_column(c)) {
                let message = "a column beside an aggregate of a subquery is not aggregated";
                return Err(invalid(message, span));
            }
            (calls, expr)
        } else {
            self.only(&value)
        };
        let mut keys = Vec::new();
        let mut attached = Vec::new();
        for (outside, key) in on {
            let name = self.fresh("a key of a subquery");
            keys.push(key.alias(&name));
            attached.push((outside, name));
        }
        let plan = LogicalPlanBuilder::from(plan)
            .aggregate(keys, calls)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        self.attached.push(Attached { plan, on: attached });
        Ok(Some(Typed::computed(expr, value.kind)))
    }

    /// The aggregates under names, and what stands for each: over no rows what it is over none.
    #[expect(clippy::type_complexity, reason = "two lists of expressions")]
    fn padded(
        &mut self,
        calls: Vec<Expr>,
        span: Span,
    ) -> Result<(Vec<Expr>, Vec<(Expr, Expr)>), PortError> {
        let (mut named, mut replaced) = (Vec::new(), Vec::new());
        for call in calls {
            if replaced.iter().any(|(known, _)| *known == call) {
                continue;
            }
            let name = self.fresh(ROUND);
            let Some(parts) = call_of(&call) else {
                return Err(unsupported("this aggregate in a subquery beside a row", span));
            };
            let none = (parts.accumulator)().evaluate().map_err(planned)?;
            let read = column(&name);
            let value = if none.is_null() {
                read
            } else {
                when(read.clone().is_null(), Expr::Literal(none, None))
                    .otherwise(read)
                    .map_err(planned)?
            };
            named.push(call.clone().alias(&name));
            replaced.push((call, value));
        }
        Ok((named, replaced))
    }

    /// The value of the one row there may be, and an error where a row around has more.
    fn only(&mut self, value: &Typed) -> (Vec<Expr>, Expr) {
        let (any, count) = (self.fresh(ROUND), self.fresh(ROUND));
        let chosen = AggregateKind::AnyValue.call(value.expr.clone(), &value.kind, &value.kind);
        let calls = vec![chosen.alias(&any), AggregateKind::count_rows().alias(&count)];
        let evaluate = Arc::new(|columns: &[ArrayRef], _: usize| {
            let counts = columns[1].as_primitive::<Int64Type>();
            if counts.iter().flatten().any(|count| count > 1) {
                return Err(evaluation("a scalar subquery returned more than one row"));
            }
            Ok(Arc::clone(&columns[0]))
        });
        let args = vec![column(&any), column(&count)];
        (calls, native("ONLY", self.salt(), &value.kind, args, evaluate))
    }

    /// The rows with those of the subqueries that were bound since `before` beside them.
    pub(super) fn attach(
        &mut self,
        mut plan: LogicalPlan,
        before: usize,
    ) -> Result<LogicalPlan, PortError> {
        for Attached { plan: within, on } in self.attached.split_off(before) {
            let read = |c: &datafusion::common::Column| plan.schema().has_column(c);
            if !on.iter().all(|(outside, _)| outside.column_refs().into_iter().all(read)) {
                let what = "a subquery over tables that reads a row further around it";
                return Err(unsupported(what, self.here));
            }
            let on = on.into_iter().map(|(outside, name)| outside.eq(column(&name)));
            plan = LogicalPlanBuilder::from(plan)
                .join_on(within, JoinType::Left, on)
                .and_then(LogicalPlanBuilder::build)
                .map_err(planned)?;
        }
        Ok(plan)
    }
}

/// How errors name what such a subquery gives.
const ROUND: &str = "a subquery that reads the row around it";
