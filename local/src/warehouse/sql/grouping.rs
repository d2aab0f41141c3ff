//! GROUP BY: the keys, the aggregates, and what may still be read behind them.

use common::port::PortError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::query::{at_ordinal, group_key, ordinal};
use super::refusal::{evaluation, invalid, unsupported};
use super::relation::{column, filter};
use super::scope::Scope;
use super::select::aggregates;
use super::typed::Typed;
use super::windows::has_windows;
use super::{Binder, planned};

impl Binder<'_> {
    /// Groups where the query does, applies HAVING, and rewrites `after`, the expressions behind the grouping
    /// (the SELECT list's first), to read the groups.
    pub(super) fn grouped(
        &mut self,
        plan: LogicalPlan,
        group_by: &GroupByExpr,
        scope: &Scope<'_>,
        after: Vec<&mut Typed>,
        projection: &[SelectItem],
        having: Option<Typed>,
    ) -> Result<LogicalPlan, PortError> {
        let span = self.here;
        let GroupByExpr::Expressions(written, modifiers) = group_by else {
            return Err(unsupported("GROUP BY ALL", span));
        };
        if !modifiers.is_empty() {
            return Err(unsupported("a GROUP BY modifier", span));
        }
        let any = after.iter().map(|t| &**t).chain(having.iter()).any(|t| aggregates(&t.expr));
        if written.is_empty() && !any {
            return match having {
                Some(_) => Err(invalid("HAVING without GROUP BY or an aggregate", span)),
                None => Ok(plan),
            };
        }
        let mut replaced: Vec<(Expr, Expr)> = Vec::new();
        let mut keys = Vec::new();
        for expr in written {
            let key = self.group_item(expr, scope, &after, projection)?;
            let span = self.at(expr);
            if aggregates(&key.expr) {
                return Err(invalid("GROUP BY an aggregate", span));
            }
            if has_windows(&key.expr) {
                return Err(invalid("GROUP BY a window function", span));
            }
            if replaced.iter().any(|(known, _)| *known == key.expr) {
                continue;
            }
            let name = self.fresh("a GROUP BY key");
            keys.push(group_key(key.clone(), span)?.alias(&name));
            replaced.push((key.expr, column(&name)));
        }
        let mut calls = Vec::new();
        let mut after = after;
        let mut having = having;
        for typed in after.iter().map(|t| &**t).chain(having.iter()) {
            collect(&typed.expr, &mut |call| {
                if !replaced.iter().any(|(known, _)| known == call) {
                    let name = self.fresh("an aggregate");
                    calls.push(call.clone().alias(&name));
                    replaced.push((call.clone(), column(&name)));
                }
            });
        }
        let plan = LogicalPlanBuilder::from(plan)
            .aggregate(keys, calls)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        for typed in after.iter_mut().map(|t| &mut **t).chain(having.as_mut()) {
            typed.expr = self.rebased(&typed.expr, &replaced)?;
        }
        match having {
            Some(having) => filter(plan, having.expr),
            None => Ok(plan),
        }
    }

    /// A key: an ordinal, an alias of the list, or an expression over FROM.
    pub(super) fn group_item(
        &mut self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        items: &[&mut Typed],
        projection: &[SelectItem],
    ) -> Result<Typed, PortError> {
        let span = self.at(expr);
        // With a wildcard in the list, places in it are not places in the query's text.
        let plain = projection
            .iter()
            .all(|i| matches!(i, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
        if let Some(at) = ordinal(expr) {
            if !plain {
                return Err(unsupported("GROUP BY an ordinal beside *", span));
            }
            let item: &Typed = at_ordinal(&items[..projection.len()], at, "GROUP BY", span)?;
            return Ok(item.clone());
        }
        let ast::Expr::Identifier(name) = expr else {
            return self.expr(expr, &scope.plain("GROUP BY"));
        };
        let mut aliased: Vec<Typed> = Vec::new();
        for (at, item) in projection.iter().enumerate() {
            if let SelectItem::ExprWithAlias { alias, .. } = item
                && alias.value.eq_ignore_ascii_case(&name.value)
                && plain
            {
                aliased.push((*items[at]).clone());
            }
        }
        aliased.dedup();
        let read = scope.resolve(std::slice::from_ref(name));
        match (&aliased[..], read) {
            ([], read) => read,
            ([alias], Ok(read)) if *alias == read => Ok(read),
            ([alias], Err(_)) => Ok(alias.clone()),
            _ => Err(invalid(
                format!("GROUP BY {} is a column and an alias: use its ordinal", name.value),
                span,
            )),
        }
    }

    /// An expression over the groups.
    fn rebased(&self, expr: &Expr, replaced: &[(Expr, Expr)]) -> Result<Expr, PortError> {
        let rebased = expr.clone().transform_down(|e| {
            if let Some((_, with)) = replaced.iter().find(|(known, _)| *known == e) {
                return Ok(Transformed::new(with.clone(), true, TreeNodeRecursion::Jump));
            }
            if let Expr::Column(read) = &e {
                let written = self.written.get(&read.name).map_or(read.name.as_str(), String::as_str);
                return Err(evaluation(format!(
                    "{written} is neither grouped nor aggregated: add it to GROUP BY or aggregate it"
                )));
            }
            Ok(Transformed::no(e))
        });
        rebased.map(|t| t.data).map_err(planned)
    }
}

/// Visits the aggregate calls of an expression.
pub(super) fn collect(expr: &Expr, found: &mut impl FnMut(&Expr)) {
    let walked = expr.apply(|e| {
        if matches!(e, Expr::AggregateFunction(_)) {
            found(e);
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    // The visitor never fails.
    drop(walked);
}
