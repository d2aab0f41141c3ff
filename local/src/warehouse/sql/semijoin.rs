//! WHERE, whose parts may be EXISTS or IN over tables that read the row around them: a semi or an anti join.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, GroupByExpr, SetExpr, UnaryOperator};

use super::expr::always;
use super::operators::compare;
use super::query::bare;
use super::refusal::invalid;
use super::relation::filter;
use super::scope::Scope;
use super::segment::shape;
use super::select::{aggregates, has_extras};
use super::windows::has_windows;
use super::{Binder, planned};

/// A subquery, and when a row has a match in it.
struct Matched {
    plan: LogicalPlan,
    on: Expr,
    kind: JoinType,
}

impl Binder<'_> {
    /// The rows for which WHERE is TRUE.
    pub(super) fn where_true(
        &mut self,
        mut plan: LogicalPlan,
        condition: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Result<LogicalPlan, PortError> {
        let span = self.at(condition);
        let mut parts = Vec::new();
        conjuncts(condition, &mut parts);
        let mut filtered: Option<Expr> = None;
        let mut joins = Vec::new();
        let before = self.attached.len();
        for part in parts {
            if let Some(matched) = self.matched(part, scope)? {
                joins.push(matched);
                continue;
            }
            let bound = self.expr(part, &scope.plain("WHERE"))?.coerce(&DataType::Bool, span)?;
            filtered = Some(match filtered {
                Some(before) => before.and(bound.expr),
                None => bound.expr,
            });
        }
        plan = self.attach(plan, before)?;
        if let Some(predicate) = filtered {
            plan = filter(plan, predicate)?;
        }
        for Matched { plan: within, on, kind } in joins {
            plan = LogicalPlanBuilder::from(plan)
                .join_on(within, kind, [on])
                .and_then(LogicalPlanBuilder::build)
                .map_err(planned)?;
        }
        Ok(plan)
    }

    /// A part that is such a subquery; `None` where it is something else or reads nothing around it.
    fn matched(
        &mut self,
        part: &ast::Expr,
        scope: &Scope<'_>,
    ) -> Result<Option<Matched>, PortError> {
        let Some((query, needle, kind)) = subquery(part) else { return Ok(None) };
        let Some(select) = plain_select(query) else { return Ok(None) };
        if shape(query, &scope.plain("WHERE")).is_some() {
            return Ok(None);
        }
        let span = self.at(query);
        let before = self.subqueries.len();
        let behind = scope.behind();
        let (plan, own) = self.from(&select.from, Some(&behind))?;
        let inner = Scope { outer: Some(scope), sealed: false, ..own };
        let mut on = match &select.selection {
            Some(condition) => {
                self.expr(condition, &inner.plain("WHERE"))?.coerce(&DataType::Bool, span)?.expr
            }
            None => always(),
        };
        let items = self.items(&select.projection, &inner, None)?;
        let counted = items.iter().any(|i| aggregates(&i.value.expr) || has_windows(&i.value.expr));
        if let Some(needle) = needle {
            let [item] = &items[..] else {
                return Err(invalid("a subquery of IN has one column", span));
            };
            let value = self.operand(needle, &scope.plain("WHERE"))?;
            on = on.and(compare("=", value, item.value.clone(), span)?.expr);
        }
        let own = plan.schema();
        let around = on.column_refs().into_iter().any(|c| !own.has_column(c));
        if counted || !around {
            // What was bound in vain does not run.
            self.subqueries.truncate(before);
            return Ok(None);
        }
        Ok(Some(Matched { plan, on, kind }))
    }
}

/// The operands of a chain of AND.
pub(super) fn conjuncts<'e>(expr: &'e ast::Expr, parts: &mut Vec<&'e ast::Expr>) {
    match expr {
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        ast::Expr::Nested(inner) => conjuncts(inner, parts),
        other => parts.push(other),
    }
}

/// The subquery of EXISTS or IN, what IN looks for, and the join that keeps the same rows. Not that of NOT IN, whose
/// NULLs keep rows out.
fn subquery(expr: &ast::Expr) -> Option<(&ast::Query, Option<&ast::Expr>, JoinType)> {
    let joined = |negated: bool| if negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
    match expr {
        ast::Expr::Exists { subquery, negated } => Some((subquery, None, joined(*negated))),
        ast::Expr::UnaryOp { op: UnaryOperator::Not, expr } => match &**expr {
            ast::Expr::Exists { subquery, negated } => Some((subquery, None, joined(!negated))),
            _ => None,
        },
        ast::Expr::InSubquery { expr, subquery, negated: false } => {
            Some((subquery, Some(expr), JoinType::LeftSemi))
        }
        _ => None,
    }
}

/// A query that is one SELECT of FROM and WHERE alone.
pub(super) fn plain_select(query: &ast::Query) -> Option<&ast::Select> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
    let plain = bare(query)
        && select.distinct.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.named_window.is_empty()
        && select.value_table_mode.is_none()
        && !select.from.is_empty()
        && !grouped
        && !has_extras(select);
    plain.then_some(&**select)
}
