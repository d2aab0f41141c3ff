//! UNION, INTERSECT and EXCEPT: their columns' common types, and rows told apart by value.

use common::port::PortError;
use datafusion::common::{Column, NullEquality};
use datafusion::logical_expr::{JoinType, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

use super::query::distinct_rows;
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, below, column, project};
use super::scope::Scope;
use super::typed::{Typed, supertype};
use super::{Binder, Span, planned};

impl Binder<'_> {
    /// Binds a SELECT, a query in parentheses, or an operation of two.
    pub(super) fn set(
        &mut self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
    ) -> Result<Relation, PortError> {
        let span = self.at(body);
        match body {
            SetExpr::Select(select) => self.select(select, &[], outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                for side in [left, right] {
                    if let SetExpr::SetOperation { op: other, set_quantifier: words, .. } = &**side
                        && (other != op || words != set_quantifier)
                    {
                        let message = format!(
                            "{op} {set_quantifier} beside {other} {words} needs parentheses"
                        );
                        return Err(invalid(message, span));
                    }
                }
                let kept = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All | SetQuantifier::Distinct) => None,
                    (SetOperator::Intersect, SetQuantifier::Distinct) => Some(JoinType::LeftSemi),
                    (SetOperator::Except, SetQuantifier::Distinct) => Some(JoinType::LeftAnti),
                    _ => return Err(unsupported(format!("{op} {set_quantifier}"), span)),
                };
                let left = self.set(left, outer)?;
                let right = self.set(right, outer)?;
                let (left, right) = self.alike(left, right, &op.to_string(), span)?;
                match (kept, set_quantifier) {
                    (Some(kept), _) => self.compared(left, right, kept, span),
                    (None, SetQuantifier::Distinct) => distinct_rows(union(left, right)?, span),
                    (None, _) => union(left, right),
                }
            }
            SetExpr::Values(_) => Err(unsupported("VALUES", span)),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(unsupported("a statement that changes rows", span))
            }
            SetExpr::Table(_) => Err(unsupported("TABLE", span)),
        }
    }

    /// Both sides with the columns' common types, under the same names in both plans.
    fn alike(
        &mut self,
        left: Relation,
        right: Relation,
        operation: &str,
        span: Span,
    ) -> Result<(Relation, Relation), PortError> {
        if left.columns.len() != right.columns.len() {
            let (l, r) = (left.columns.len(), right.columns.len());
            return Err(invalid(format!("{operation} of {l} and of {r} columns"), span));
        }
        let typed = |o: &Output| Typed::computed(column(&o.column), o.kind.clone());
        let (mut columns, mut lefts, mut rights) = (Vec::new(), Vec::new(), Vec::new());
        for (l, r) in left.columns.iter().zip(&right.columns) {
            let kind = supertype(&[typed(l), typed(r)], span)?;
            let name = self.fresh(l.name.as_deref().unwrap_or("a column of a set operation"));
            lefts.push(typed(l).coerce(&kind, span)?.expr.alias(&name));
            rights.push(typed(r).coerce(&kind, span)?.expr.alias(&name));
            columns.push(Output { name: l.name.clone(), kind, column: name });
        }
        let left = Relation { plan: project(left.plan, lefts)?, columns: columns.clone() };
        Ok((left, Relation { plan: project(right.plan, rights)?, columns }))
    }

    /// The distinct rows of the left side that the right side has, or has not; NULL is equal to NULL.
    fn compared(
        &mut self,
        left: Relation,
        right: Relation,
        kept: JoinType,
        span: Span,
    ) -> Result<Relation, PortError> {
        let left = distinct_rows(left, span)?;
        let right = distinct_rows(right, span)?;
        let right = self.again(&right)?;
        let keys = |relation: &Relation| -> Vec<Column> {
            let names = relation.columns.iter().map(|o| o.column.as_str());
            names.map(Column::new_unqualified).collect()
        };
        let on = (keys(&left), keys(&right));
        let plan = LogicalPlanBuilder::from(left.plan)
            .join_detailed(right.plan, kept, on, None, NullEquality::NullEqualsNull)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        Ok(Relation { plan, columns: left.columns })
    }
}

fn union(left: Relation, right: Relation) -> Result<Relation, PortError> {
    Ok(Relation { plan: below(vec![left.plan, right.plan])?, columns: left.columns })
}
