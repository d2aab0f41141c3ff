//! JOIN: its kinds, ON and USING.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
};

use super::expr::{always, choose};
use super::from::{From, Item};
use super::operators::compare;
use super::refusal::{invalid, unsupported};
use super::relation::project;
use super::rowwise::opaque;
use super::scope::{Merged, Name, Range, Scope, same};
use super::{Binder, Span, planned};

impl Binder<'_> {
    /// One JOIN to what stands left of it.
    pub(super) fn join(
        &mut self,
        left: From,
        join: &Join,
        outer: Option<&Scope<'_>>,
    ) -> Result<From, PortError> {
        let Join { relation, global, join_operator } = join;
        let span = self.at(relation);
        let (kind, constraint) = match join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => (JoinType::Inner, on),
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                (JoinType::Inner, &JoinConstraint::None)
            }
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinType::Left, on),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinType::Right, on),
            JoinOperator::FullOuter(on) => (JoinType::Full, on),
            _ => return Err(unsupported("this JOIN", span)),
        };
        if *global {
            return Err(unsupported("GLOBAL JOIN", span));
        }
        let right = match self.factor(relation, Some(&left), outer)? {
            Item::Rows(right) => right,
            Item::Elements { array, alias, offset } => {
                let always = match constraint {
                    JoinConstraint::None => true,
                    JoinConstraint::On(on) => on.to_string().eq_ignore_ascii_case("true"),
                    JoinConstraint::Using(_) | JoinConstraint::Natural => false,
                };
                return match kind {
                    JoinType::Inner | JoinType::Left if always => {
                        self.unnest(left, array, alias, offset, kind == JoinType::Left, span)
                    }
                    _ => Err(unsupported("a condition on JOIN UNNEST; filter in WHERE", span)),
                };
            }
        };
        match constraint {
            JoinConstraint::On(on) => self.join_on(left, right, kind, on, outer),
            JoinConstraint::Using(names) => join_using(left, right, kind, names, span),
            JoinConstraint::None if matches!(join_operator, JoinOperator::CrossJoin(_)) => {
                cross(left, right)
            }
            JoinConstraint::None => Err(invalid("JOIN without ON or USING", span)),
            JoinConstraint::Natural => Err(unsupported("NATURAL JOIN", span)),
        }
    }

    fn join_on(
        &mut self,
        left: From,
        right: From,
        kind: JoinType,
        on: &ast::Expr,
        outer: Option<&Scope<'_>>,
    ) -> Result<From, PortError> {
        let span = self.at(on);
        let mut both = left.scope(outer);
        both.ranges.extend(right.ranges.iter().cloned());
        both.merged.extend(shifted(&right.merged, left.ranges.len()));
        let on = self.expr(on, &both.plain("ON"))?.coerce(&DataType::Bool, span)?;
        joined(left, right, kind, on.expr)
    }
}

fn join_using(
    mut left: From,
    mut right: From,
    kind: JoinType,
    names: &[ObjectName],
    span: Span,
) -> Result<From, PortError> {
    let mut on: Option<Expr> = None;
    let mut merged = Vec::new();
    for name in names {
        let [ObjectNamePart::Identifier(ident)] = &name.0[..] else {
            return Err(unsupported(format!("USING ({name})"), span));
        };
        let path = std::slice::from_ref(ident);
        let l = left.scope(None).resolve(path)?;
        let r = right.scope(None).resolve(path)?;
        if l.kind != r.kind {
            let what = format!("USING ({name}) of a {} and a {}", l.kind, r.kind);
            return Err(unsupported(what, ident.span));
        }
        let equal = compare("=", l.clone(), r.clone(), span)?.expr;
        on = Some(on.map_or(equal.clone(), |before| before.and(equal)));
        let value = match kind {
            JoinType::Right => r,
            JoinType::Full => choose(vec![l.expr.clone().is_not_null()], vec![l, r], span)?,
            _ => l,
        };
        let column = Name { name: ident.value.clone(), value };
        merged.push(Merged { before: 0, column });
        for side in [&mut left, &mut right] {
            side.merged.retain(|m| !same(&m.column.name, &ident.value));
            side.ranges.iter_mut().for_each(|range| range.hidden.push(ident.value.clone()));
        }
    }
    let mut from = joined(left, right, kind, on.unwrap_or_else(always))?;
    merged.append(&mut from.merged);
    from.merged = merged;
    Ok(from)
}

/// Every row of one beside every row of the other.
pub(super) fn cross(left: From, right: From) -> Result<From, PortError> {
    let plan = LogicalPlanBuilder::from(left.plan)
        .cross_join(right.plan)
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)?;
    Ok(both(plan, left.ranges, left.merged, right.ranges, &right.merged))
}

fn joined(left: From, right: From, kind: JoinType, on: Expr) -> Result<From, PortError> {
    let left_width = left.plan.schema().fields().len();
    let plan = LogicalPlanBuilder::from(left.plan)
        .join_on(right.plan, kind, [on])
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)?;
    let plan = padded(plan, kind, left_width)?;
    let (mut lefts, mut rights) = (left.ranges, right.ranges);
    if matches!(kind, JoinType::Right | JoinType::Full) {
        for range in &mut lefts {
            range.padded = true;
        }
    }
    if matches!(kind, JoinType::Left | JoinType::Full) {
        for range in &mut rights {
            range.padded = true;
        }
    }
    Ok(both(plan, lefts, left.merged, rights, &right.merged))
}

/// Hides from the optimizer what it believes of the sides that an outer join pads with NULLs.
fn padded(plan: LogicalPlan, kind: JoinType, left_width: usize) -> Result<LogicalPlan, PortError> {
    let (left, right) = match kind {
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        _ => return Ok(plan),
    };
    let columns: Vec<(usize, Column, ArrowType)> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(plan.schema().fields())
        .enumerate()
        .map(|(at, (column, field))| (at, column, field.data_type().clone()))
        .collect();
    let exprs = columns.into_iter().map(|(at, column, kind)| {
        let pads = if at < left_width { left } else { right };
        let name = column.name.clone();
        let value = Expr::Column(column);
        if pads { opaque(value, &kind).alias(name) } else { value }
    });
    project(plan, exprs.collect())
}

fn both(
    plan: LogicalPlan,
    mut ranges: Vec<Range>,
    mut merged: Vec<Merged>,
    right: Vec<Range>,
    right_merged: &[Merged],
) -> From {
    merged.extend(shifted(right_merged, ranges.len()));
    ranges.extend(right);
    From { plan, ranges, merged }
}

/// Merged columns of what stands to the right of `ranges` others.
fn shifted(merged: &[Merged], ranges: usize) -> impl Iterator<Item = Merged> {
    merged.iter().map(move |m| Merged { before: m.before + ranges, ..m.clone() })
}
