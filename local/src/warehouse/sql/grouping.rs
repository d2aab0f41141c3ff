//! GROUP BY: the keys, the aggregates, and what may still be read behind them.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::aggregates::{AggregateKind, of_engine, one_distinct};
use super::query::{at_ordinal, group_key, ordinal};
use super::refusal::{evaluation, invalid, not_here, unsupported};
use super::relation::{below, column, filter, project};
use super::rowwise::native;
use super::scope::Scope;
use super::select::aggregates;
use super::typed::Typed;
use super::windows::has_windows;
use super::{Binder, Span, planned};
use crate::warehouse::values::arrow_type;

/// A query's grouping as written.
pub(super) struct Written<'s> {
    /// GROUP BY.
    pub(super) by: &'s GroupByExpr,
    /// The SELECT list.
    pub(super) projection: &'s [SelectItem],
    /// How many columns the list has.
    pub(super) items: usize,
}

impl Binder<'_> {
    /// Groups where the query does, applies HAVING, and rewrites `after`, the expressions behind the grouping
    /// (the SELECT list's first), to read the groups.
    pub(super) fn grouped(
        &mut self,
        plan: LogicalPlan,
        written: &Written<'_>,
        scope: &Scope<'_>,
        after: Vec<&mut Typed>,
        having: Option<Typed>,
    ) -> Result<LogicalPlan, PortError> {
        let span = self.here;
        let none = Vec::new();
        let Written { by, projection, items } = *written;
        let (written, modifiers, all) = match by {
            GroupByExpr::Expressions(written, modifiers) => (written, modifiers, false),
            GroupByExpr::All(modifiers) => (&none, modifiers, true),
        };
        if !modifiers.is_empty() {
            return Err(unsupported("a GROUP BY modifier", span));
        }
        let sets = sets_of(written, span)?;
        let expanded: Vec<ast::Expr>;
        let written = match &sets {
            Some(sets) => {
                expanded = sets.iter().flatten().map(|key| (*key).clone()).collect();
                &expanded
            }
            None => written,
        };
        let any = after.iter().map(|t| &**t).chain(having.iter()).any(|t| aggregates(&t.expr));
        if written.is_empty() && !any && sets.is_none() && !all {
            return match having {
                Some(_) => Err(invalid("HAVING without GROUP BY or an aggregate", span)),
                None => Ok(plan),
            };
        }
        let mut replaced: Vec<(Expr, Expr)> = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        // The key that each written one is: an equal one may stand before it.
        let mut places = Vec::new();
        let mut found = if all { inferred(&after[..items], span)? } else { Vec::new() };
        for expr in written {
            found.push(self.group_key(expr, scope, &after, projection)?);
        }
        for (key, value) in found {
            if let Some(at) = replaced.iter().position(|(known, _)| *known == key.expr) {
                places.push(at);
                continue;
            }
            places.push(keys.len());
            let name = self.fresh("a GROUP BY key");
            replaced.push((key.expr.clone(), column(&name)));
            keys.push(Key { name, left_out: self.fresh("GROUPING"), value, typed: key });
        }
        // Without sets every row has every key.
        let left_out = |k: &Key| if sets.is_some() { column(&k.left_out) } else { lit(0_i64) };
        replaced.extend(keys.iter().map(|k| (grouping(&k.typed), left_out(k))));
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
        let plan = match &sets {
            None => aggregated(plan, keys.iter(), &calls)?,
            Some(sets) => {
                let mut places = places.into_iter();
                let sets = sets.iter().map(|set| places.by_ref().take(set.len()).collect());
                by_sets(&plan, &keys, &calls, sets, span)?
            }
        };
        for typed in after.iter_mut().map(|t| &mut **t).chain(having.as_mut()) {
            typed.expr = self.rebased(&typed.expr, &replaced)?;
        }
        match having {
            Some(having) => filter(plan, having.expr),
            None => Ok(plan),
        }
    }

    /// A key, and its value to group by.
    pub(super) fn group_key(
        &mut self,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        items: &[&mut Typed],
        projection: &[SelectItem],
    ) -> Result<(Typed, Expr), PortError> {
        let key = self.group_item(expr, scope, items, projection)?;
        let span = self.at(expr);
        if aggregates(&key.expr) {
            return Err(invalid("GROUP BY an aggregate", span));
        }
        if has_windows(&key.expr) {
            return Err(invalid("GROUP BY a window function", span));
        }
        let value = group_key(key.clone(), span)?;
        Ok((key, value))
    }

    /// A key: an ordinal, an alias of the list, or an expression over FROM.
    fn group_item(
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
                format!("GROUP BY {} is of FROM and an alias: use its ordinal", name.value),
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

/// A key of GROUP BY.
struct Key {
    /// Its name behind the grouping.
    name: String,
    /// The name of what `GROUPING` says of it.
    left_out: String,
    value: Expr,
    typed: Typed,
}

/// The keys of GROUP BY ALL: what of the list reads FROM and does not aggregate, less what other keys tell.
fn inferred(items: &[&mut Typed], span: Span) -> Result<Vec<(Typed, Expr)>, PortError> {
    let read = |item: &&Typed| {
        !aggregates(&item.expr) && !has_windows(&item.expr) && !item.expr.column_refs().is_empty()
    };
    let (mut keys, mut computed): (Vec<&Typed>, Vec<&Typed>) =
        items.iter().map(|item| &**item).filter(read).partition(|i| i.expr.try_as_col().is_some());
    let known: Vec<_> = keys.iter().filter_map(|key| key.expr.try_as_col()).collect();
    computed.retain(|item| !item.expr.column_refs().iter().all(|c| known.contains(c)));
    // Of the two zeros, which are one key, a computation over it may make two.
    if computed.len() > 1 && computed.iter().any(|item| item.kind == DataType::Float64) {
        return Err(unsupported("GROUP BY ALL of a computed FLOAT64 beside another key", span));
    }
    keys.extend(computed);
    keys.into_iter().map(|key| Ok((key.clone(), group_key(key.clone(), span)?))).collect()
}

/// The most sets of keys: each reads the input once more.
const MOST_SETS: usize = 32;

/// The sets of keys of ROLLUP, CUBE or GROUPING SETS; `None` for plain keys.
fn sets_of(written: &[ast::Expr], span: Span) -> Result<Option<Vec<Vec<&ast::Expr>>>, PortError> {
    let sets: Vec<Vec<&ast::Expr>> = match written {
        [ast::Expr::Tuple(none)] if none.is_empty() => vec![Vec::new()],
        [ast::Expr::Rollup(parts)] => {
            (0..=parts.len()).rev().map(|n| parts[..n].iter().flatten().collect()).collect()
        }
        [ast::Expr::Cube(parts)] if parts.len() <= MOST_SETS.ilog2() as usize => (0..1_usize
            << parts.len())
            .rev()
            .map(|set| {
                let taken = parts.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
                taken.flat_map(|(_, part)| part).collect()
            })
            .collect(),
        [ast::Expr::GroupingSets(sets)] => sets.iter().map(|set| set.iter().collect()).collect(),
        _ => {
            let special = |e: &&ast::Expr| {
                matches!(e, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_))
            };
            return match written.iter().find(special) {
                Some(ast::Expr::Cube(parts)) if written.len() == 1 => {
                    Err(unsupported(format!("CUBE of {} keys", parts.len()), span))
                }
                Some(_) => {
                    Err(unsupported("ROLLUP, CUBE or GROUPING SETS beside other keys", span))
                }
                None => Ok(None),
            };
        }
    };
    if sets.len() > MOST_SETS {
        return Err(unsupported(format!("GROUP BY with more than {MOST_SETS} sets of keys"), span));
    }
    Ok(Some(sets))
}

/// The groups of some keys.
fn aggregated<'k>(
    plan: LogicalPlan,
    keys: impl Iterator<Item = &'k Key> + Clone,
    calls: &[Expr],
) -> Result<LogicalPlan, PortError> {
    let groups = |plan: LogicalPlan, keys: Vec<Expr>, calls: Vec<Expr>| {
        let groups = LogicalPlanBuilder::from(plan).aggregate(keys, calls);
        groups.and_then(LogicalPlanBuilder::build).map_err(planned)
    };
    let mut values: Vec<Expr> =
        keys.clone().map(|key| key.value.clone().alias(&key.name)).collect();
    let Some(counted) = one_distinct(calls) else {
        return groups(plan, values, calls.iter().cloned().map(of_engine).collect());
    };
    // The distinct values are groups as well, and then counted.
    values.push(counted.alias(DISTINCT));
    let plan = groups(plan, values, Vec::new())?;
    let name = |call: &Expr| call.schema_name().to_string();
    let counts = calls.iter().map(|call| count(column(DISTINCT)).alias(name(call)));
    groups(plan, keys.map(|key| column(&key.name)).collect(), counts.collect())
}

/// The name of a value that is counted once.
const DISTINCT: &str = "a distinct value";

/// One aggregation a set of keys, one below the other; a key that a set leaves out is NULL in its rows.
fn by_sets(
    plan: &LogicalPlan,
    keys: &[Key],
    calls: &[Expr],
    sets: impl Iterator<Item = Vec<usize>>,
    span: Span,
) -> Result<LogicalPlan, PortError> {
    let mut plans = Vec::new();
    let mut seen: Vec<Vec<usize>> = Vec::new();
    for mut known in sets {
        known.sort_unstable();
        known.dedup();
        if seen.contains(&known) {
            return Err(unsupported("a set of GROUP BY keys that stands twice", span));
        }
        let taken = known.iter().map(|at| &keys[*at]);
        let alone = known.is_empty() && !keys.is_empty();
        let rows = alone.then(|| AggregateKind::count_rows().alias(ROWS));
        let called: Vec<Expr> = calls.iter().cloned().chain(rows).collect();
        let mut plan = aggregated(plan.clone(), taken, &called)?;
        if alone {
            plan = filter(plan, some_rows())?;
        }
        let mut exprs = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let there = known.contains(&at);
            let kind = arrow_type(&key.typed.kind);
            let null = Expr::Literal(ScalarValue::try_from(&kind).map_err(planned)?, None);
            exprs.push(if there { column(&key.name) } else { null.alias(&key.name) });
            exprs.push(lit(i64::from(!there)).alias(&key.left_out));
        }
        exprs.extend(calls.iter().map(|call| column(&call.schema_name().to_string())));
        let plan = project(plan, exprs)?;
        plans.push(plan);
        seen.push(known);
    }
    if plans.is_empty() {
        return Err(unsupported("GROUP BY of no sets", span));
    }
    below(plans)
}

/// The number of rows that the set without keys is made of.
const ROWS: &str = "rows";

/// Of no rows at all, whether the set without keys is a row is not documented.
fn some_rows() -> Expr {
    let evaluate = Arc::new(|columns: &[ArrayRef], rows: usize| {
        if columns[0].as_primitive::<Int64Type>().values().contains(&0) {
            return Err(evaluation(not_here("a set without keys over no rows at all")));
        }
        Ok(Arc::new(BooleanArray::from(vec![true; rows])) as ArrayRef)
    });
    native("SOME ROWS", 0, &DataType::Bool, vec![column(ROWS)], evaluate)
}

/// `GROUPING(key)`: 1 in the rows of a set that leaves the key out. It has no value before the grouping.
pub(super) fn grouping(key: &Typed) -> Expr {
    let evaluate = Arc::new(|_: &[ArrayRef], _: usize| {
        Err(evaluation("GROUPING takes an expression of GROUP BY"))
    });
    native("GROUPING", 0, &DataType::Int64, vec![key.expr.clone()], evaluate)
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
