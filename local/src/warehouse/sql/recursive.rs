//! `WITH RECURSIVE`: a base, and a term that reads the rows of the step before it until there are none.

use std::rc::Rc;
use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};

use super::nesting::check_plan;
use super::query::{as_struct, bare, sort};
use super::refusal::{evaluation, invalid, unsupported};
use super::relation::{Output, Relation, column, project};
use super::rowwise::{native, opaque};
use super::{Binder, Span, planned};
use crate::warehouse::values::arrow_type;

/// BigQuery stops at 500 iterations; whether the base or the last, empty one counts is not documented, so that rows
/// of a later step than this are refused.
const LAST_STEP: i64 = 497;

impl Binder<'_> {
    /// Binds the query of the name at `at` of those in sight, which may read itself.
    pub(super) fn recursive(
        &mut self,
        at: usize,
        query: &ast::Query,
    ) -> Result<Relation, PortError> {
        let span = self.at(query);
        let before = self.subqueries.len();
        if let SetExpr::SetOperation {
            left,
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            right,
        } = &*query.body
            && bare(query)
        {
            let base = self.set(left, None)?;
            let step = self.fresh("the step of a row");
            let base = self.base(base, &step)?;
            let work = self.fresh("the rows of the step before");
            self.named[at].relation = Some(Rc::new(self.before(&base, &work)?));
            let term = self.set(right, None)?;
            self.named[at].relation = None;
            if self.named[at].reads > 0 {
                if matches!(**left, SetExpr::SetOperation { .. }) {
                    let what = "a recursive query of several UNION ALL without parentheses";
                    return Err(unsupported(what, span));
                }
                let inside =
                    self.subqueries[before..].iter().any(|subquery| reads(&subquery.plan, &work));
                if inside || self.named[at].reads > 1 {
                    return Err(place(span));
                }
                return repeated(base, &term, &work, &step, span);
            }
            // What was bound in vain does not run.
            self.subqueries.truncate(before);
        }
        self.query(&as_struct(query).0, None)
    }

    /// The base's rows, of step 0, and of whose values the optimizer knows nothing.
    fn base(&mut self, base: Relation, step: &str) -> Result<Relation, PortError> {
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        for output in base.columns {
            let name = self.fresh(output.name.as_deref().unwrap_or("an unnamed column"));
            exprs.push(opaque(column(&output.column), &arrow_type(&output.kind)).alias(&name));
            columns.push(Output { column: name, ..output });
        }
        exprs.push(opaque(lit(0_i64), &arrow_type(&DataType::Int64)).alias(step));
        Ok(Relation { plan: project(base.plan, exprs)?, columns })
    }

    /// The rows of the step before, as the recursive term reads them.
    fn before(&mut self, base: &Relation, work: &str) -> Result<Relation, PortError> {
        let schema = Arc::new(base.plan.schema().as_arrow().clone());
        let source = provider_as_source(Arc::new(CteWorkTable::new(work, schema)));
        let reference = TableReference::bare(work);
        let plan = LogicalPlanBuilder::scan(reference.clone(), source, None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        for output in &base.columns {
            let name = self.fresh(output.name.as_deref().unwrap_or("an unnamed column"));
            let read = Column::new(Some(reference.clone()), &output.column);
            exprs.push(Expr::Column(read).alias(&name));
            columns.push(Output { column: name, ..output.clone() });
        }
        Ok(Relation { plan: project(plan, exprs)?, columns })
    }
}

/// The base's rows and those of the term, step by step.
fn repeated(
    base: Relation,
    term: &Relation,
    work: &str,
    step: &str,
    span: Span,
) -> Result<Relation, PortError> {
    if base.columns.len() != term.columns.len() {
        let (base, term) = (base.columns.len(), term.columns.len());
        return Err(invalid(format!("UNION of {base} and of {term} columns"), span));
    }
    check_plan(&term.plan)?;
    let plan = carried(&term.plan, work, step, span)?.ok_or_else(|| place(span))?;
    let mut exprs = Vec::new();
    for (own, made) in base.columns.iter().zip(&term.columns) {
        if own.kind != made.kind {
            let what = format!("a recursive term that makes a {} of a {}", made.kind, own.kind);
            return Err(unsupported(what, span));
        }
        exprs.push(column(&made.column).alias(&own.column));
    }
    exprs.push(next(step).alias(step));
    let recursive = project(plan, exprs)?;
    let plan = LogicalPlanBuilder::from(base.plan)
        .to_recursive_query(work.to_owned(), recursive, false)
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)?;
    // Every step is taken before a row is read: a LIMIT makes no endless query end.
    let plan = sort(plan, vec![column(step).sort(true, true)])?;
    let own = base.columns.iter().map(|o| column(&o.column)).collect();
    Ok(Relation { plan: project(plan, own)?, columns: base.columns })
}

fn place(span: Span) -> PortError {
    let what = "a recursive term that reads itself other than once, in FROM and not under an \
                aggregate, a window, DISTINCT, ORDER BY, LIMIT, a set operation or the side of a \
                join that may be missing";
    unsupported(what, span)
}

/// Whether a plan reads the rows of the step before.
fn reads(plan: &LogicalPlan, work: &str) -> bool {
    plan.exists(|p| Ok(is_work(p, work))).unwrap_or(true)
}

fn is_work(plan: &LogicalPlan, work: &str) -> bool {
    matches!(plan, LogicalPlan::TableScan(scan) if scan.table_name.table() == work)
}

/// The plan with the step of the rows that it reads beside its columns; `None` where it reads none of them.
fn carried(
    plan: &LogicalPlan,
    work: &str,
    step: &str,
    span: Span,
) -> Result<Option<LogicalPlan>, PortError> {
    if is_work(plan, work) {
        return Ok(Some(plan.clone()));
    }
    let (mut inputs, mut found) = (Vec::new(), None);
    for (at, input) in plan.inputs().into_iter().enumerate() {
        let with = carried(input, work, step, span)?;
        if with.is_some() && found.replace(at).is_some() {
            return Err(place(span));
        }
        inputs.push(with.unwrap_or_else(|| input.clone()));
    }
    let Some(at) = found else { return Ok(None) };
    let exprs = match plan {
        LogicalPlan::Projection(projection) => {
            let (qualifier, field) =
                inputs[at].schema().qualified_field_with_unqualified_name(step).map_err(planned)?;
            let read = Expr::Column(Column::from((qualifier, field))).alias(step);
            return project(inputs.remove(at), [&projection.expr[..], &[read]].concat()).map(Some);
        }
        LogicalPlan::Filter(_) | LogicalPlan::Unnest(_) => plan.expressions(),
        LogicalPlan::Join(join) => {
            let whole = match join.join_type {
                JoinType::Inner => true,
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => at == 0,
                JoinType::Right => at == 1,
                _ => false,
            };
            if !whole {
                return Err(place(span));
            }
            plan.expressions()
        }
        _ => return Err(place(span)),
    };
    plan.with_new_exprs(exprs, inputs).map(Some).map_err(planned)
}

/// The step after.
fn next(step: &str) -> Expr {
    let evaluate = Arc::new(|columns: &[ArrayRef], _: usize| {
        let steps = columns[0].as_primitive::<Int64Type>();
        if steps.values().iter().any(|step| *step >= LAST_STEP) {
            return Err(evaluation(
                "a recursive query of 500 iterations: its term makes rows again and again",
            ));
        }
        let after: Int64Array = steps.values().iter().map(|step| step + 1).collect();
        Ok(Arc::new(after) as ArrayRef)
    });
    native("STEP", 0, &DataType::Int64, vec![column(step)], evaluate)
}
