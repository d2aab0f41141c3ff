//! A whole query: WITH, set operations, ORDER BY and LIMIT.

use std::borrow::Cow;
use std::rc::Rc;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr};
use datafusion::sql::sqlparser::ast::{self, LimitClause, OffsetRows, OrderByKind, SetExpr};

use super::functions::call;
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, column, project};
use super::rowwise::opaque;
use super::scope::{Name, Range, Scope, same};
use super::typed::{Origin, Typed};
use super::{Binder, Named, planned};
use crate::warehouse::values::arrow_type;

impl Binder<'_> {
    /// Binds a query; `outer` is the scope around a subquery.
    pub(super) fn query(
        &mut self,
        query: &ast::Query,
        outer: Option<&Scope<'_>>,
    ) -> Result<Relation, PortError> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let span = self.at(query);
        let refused = [
            (fetch.is_some(), "FETCH"),
            (!locks.is_empty(), "FOR UPDATE"),
            (for_clause.is_some(), "FOR"),
            (settings.is_some(), "SETTINGS"),
            (format_clause.is_some(), "FORMAT"),
            (!pipe_operators.is_empty(), "the pipe operator |>"),
        ];
        if let Some((_, what)) = refused.iter().find(|(there, _)| *there) {
            return Err(unsupported(what, span));
        }
        let named_before = self.named.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        let order = match order_by {
            None => &[][..],
            Some(ast::OrderBy { kind: OrderByKind::Expressions(order), interpolate: None }) => {
                order
            }
            Some(_) => return Err(unsupported("this ORDER BY", span)),
        };
        let relation = match &**body {
            SetExpr::Select(select) => self.select(select, order, outer)?,
            other => {
                let relation = self.set(other, outer)?;
                self.order_output(relation, order)?
            }
        };
        let relation = self.limit(relation, limit_clause.as_ref())?;
        self.named.truncate(named_before);
        Ok(relation)
    }

    fn with(&mut self, with: &ast::With) -> Result<(), PortError> {
        let ast::With { with_token: _, recursive, cte_tables } = with;
        let first = self.named.len();
        if *recursive {
            // Each sees itself and those after it.
            self.named.extend(cte_tables.iter().map(|t| Named::unbound(&t.alias.name.value)));
        }
        for (at, table) in cte_tables.iter().enumerate() {
            let ast::Cte { alias, query, from, materialized, closing_paren_token: _ } = table;
            let span = alias.name.span;
            let before = cte_tables.iter().take_while(|t| !std::ptr::eq(*t, table));
            if before.into_iter().any(|t| same(&t.alias.name.value, &alias.name.value)) {
                return Err(invalid(format!("the name {} is given twice", alias.name.value), span));
            }
            if from.is_some() || materialized.is_some() || !alias.columns.is_empty() {
                return Err(unsupported("this form of WITH", span));
            }
            if *recursive {
                let relation = self.recursive(first + at, query)?;
                self.named[first + at].relation = Some(Rc::new(relation));
                continue;
            }
            let relation = self.query(&as_struct(query).0, None)?;
            let named = Named::unbound(&alias.name.value);
            self.named.push(Named { relation: Some(Rc::new(relation)), ..named });
        }
        Ok(())
    }

    /// ORDER BY over a relation's own columns, by name or ordinal.
    fn order_output(
        &mut self,
        relation: Relation,
        order: &[ast::OrderByExpr],
    ) -> Result<Relation, PortError> {
        if order.is_empty() {
            return Ok(relation);
        }
        let typed = |o: &Output| Typed::computed(column(&o.column), o.kind.clone());
        let columns = relation.columns.iter();
        let names = columns.filter_map(|o| Some(Name { name: o.name.clone()?, value: typed(o) }));
        let range = Range { columns: names.collect(), ..Range::default() };
        let scope = Scope { ranges: vec![range], ..Scope::default() };
        let mut keys = Vec::new();
        for item in order {
            let key = match ordinal(&item.expr) {
                Some(at) => {
                    let span = self.at(&item.expr);
                    typed(at_ordinal(&relation.columns, at, "ORDER BY", span)?)
                }
                None => self.expr(&item.expr, &scope.plain("ORDER BY of a set operation"))?,
            };
            keys.push(self.sort_key(key, item)?);
        }
        let plan = sort(relation.plan, keys)?;
        Ok(Relation { plan, columns: relation.columns })
    }

    /// One key of ORDER BY: NULL is the least value.
    pub(super) fn sort_key(
        &mut self,
        key: Typed,
        item: &ast::OrderByExpr,
    ) -> Result<SortExpr, PortError> {
        let ast::OrderByExpr { expr, options, with_fill } = item;
        let span = self.at(expr);
        if with_fill.is_some() {
            return Err(unsupported("WITH FILL", span));
        }
        let ascending = options.asc.unwrap_or(true);
        let nulls_first = options.nulls_first.unwrap_or(ascending);
        let kind = sort_type(&key.kind);
        Ok(opaque(sortable(key, span)?, &kind).sort(ascending, nulls_first))
    }

    fn limit(
        &mut self,
        relation: Relation,
        clause: Option<&LimitClause>,
    ) -> Result<Relation, PortError> {
        let (skip, fetch) = self.limits(clause)?;
        if (skip, fetch) == (0, None) {
            return Ok(relation);
        }
        let plan = LogicalPlanBuilder::from(relation.plan)
            .limit(skip, fetch)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        Ok(Relation { plan, columns: relation.columns })
    }

    /// How many rows to skip, and how many to keep at most.
    pub(super) fn limits(
        &mut self,
        clause: Option<&LimitClause>,
    ) -> Result<(usize, Option<usize>), PortError> {
        let Some(clause) = clause else { return Ok((0, None)) };
        let (limit, offset) = match clause {
            LimitClause::LimitOffset { limit, offset, limit_by } if limit_by.is_empty() => {
                (limit, offset)
            }
            LimitClause::LimitOffset { .. } | LimitClause::OffsetCommaLimit { .. } => {
                return Err(unsupported("this LIMIT", self.here));
            }
        };
        if limit.is_none() {
            let what = if offset.is_some() { "OFFSET without LIMIT" } else { "LIMIT ALL" };
            return Err(invalid(what, self.here));
        }
        let mut count = |expr: &ast::Expr| -> Result<usize, PortError> {
            let span = self.at(expr);
            let value = self.expr(expr, &Scope::default().plain("LIMIT"))?;
            match value.origin {
                Origin::Known(Value::Int64(n)) => usize::try_from(n).ok(),
                _ => None,
            }
            .ok_or_else(|| invalid("LIMIT and OFFSET take an INT64 that is not negative", span))
        };
        let fetch = limit.as_ref().map(&mut count).transpose()?;
        let skip = match offset {
            Some(ast::Offset { value, rows: OffsetRows::None }) => count(value)?,
            Some(_) => return Err(unsupported("OFFSET ROWS", self.here)),
            None => 0,
        };
        Ok((skip, fetch))
    }
}

/// DISTINCT over all columns.
pub(super) fn distinct_rows(relation: Relation, span: super::Span) -> Result<Relation, PortError> {
    let mut exprs = Vec::new();
    for output in &relation.columns {
        let value = Typed::computed(column(&output.column), output.kind.clone());
        exprs.push(group_key(value, span)?.alias(&output.column));
    }
    let plan = LogicalPlanBuilder::from(project(relation.plan, exprs)?)
        .distinct()
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)?;
    Ok(Relation { plan, columns: relation.columns })
}

/// Sorts a plan.
pub(super) fn sort(plan: LogicalPlan, keys: Vec<SortExpr>) -> Result<LogicalPlan, PortError> {
    LogicalPlanBuilder::from(plan).sort(keys).and_then(LogicalPlanBuilder::build).map_err(planned)
}

/// The ordinal that an expression is, if it is one.
pub(super) fn ordinal(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, false), .. }) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// The item of an ordinal.
pub(super) fn at_ordinal<'i, T>(
    items: &'i [T],
    ordinal: usize,
    clause: &str,
    span: super::Span,
) -> Result<&'i T, PortError> {
    ordinal.checked_sub(1).and_then(|at| items.get(at)).ok_or_else(|| {
        let count = items.len();
        invalid(format!("{clause} {ordinal} is not a column: the SELECT list has {count}"), span)
    })
}

/// A value as a key of grouping: equal keys have equal bits.
pub(super) fn group_key(value: Typed, span: super::Span) -> Result<Expr, PortError> {
    match &value.kind {
        DataType::Float64 => Ok(call("GROUP KEY", vec![value], span)?.expr),
        DataType::Struct(_) | DataType::Array(_) | DataType::Json => {
            Err(unsupported(format!("grouping by a {}", value.kind), span))
        }
        _ => Ok(value.expr),
    }
}

/// The Arrow type of what [`sortable`] makes of a value: a FLOAT64 sorts by a number made of its bits.
pub(super) fn sort_type(kind: &DataType) -> ArrowType {
    match kind {
        DataType::Float64 => arrow_type(&DataType::Int64),
        other => arrow_type(other),
    }
}

/// A value as a key of sorting: a number made of its bits for a FLOAT64.
pub(super) fn sortable(value: Typed, span: super::Span) -> Result<Expr, PortError> {
    match &value.kind {
        DataType::Float64 => Ok(call("SORT KEY", vec![value], span)?.expr),
        DataType::Struct(_) | DataType::Array(_) | DataType::Json => {
            Err(invalid(format!("a {} cannot be ordered", value.kind), span))
        }
        _ => Ok(value.expr),
    }
}

/// Whether a query is its body alone.
pub(super) fn bare(query: &ast::Query) -> bool {
    query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty()
}

/// A query as its rows' columns, and whether it said `SELECT AS STRUCT`: whoever reads rows reads the same columns.
pub(super) fn as_struct(query: &ast::Query) -> (Cow<'_, ast::Query>, bool) {
    let structs =
        |s: &ast::Select| matches!(s.value_table_mode, Some(ast::ValueTableMode::AsStruct));
    if !matches!(&*query.body, SetExpr::Select(select) if structs(select)) {
        return (Cow::Borrowed(query), false);
    }
    let mut query = query.clone();
    if let SetExpr::Select(select) = &mut *query.body {
        select.value_table_mode = None;
    }
    (Cow::Owned(query), true)
}
