//! A bound relation: a plan and what its columns are called in GoogleSQL.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::records::{holds_arrays, stored};
use super::{Binder, planned};

/// One output column.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// Its GoogleSQL name, if it has one.
    pub(super) name: Option<String>,
    /// Its type.
    pub(super) kind: DataType,
    /// Its name in the plan.
    pub(super) column: String,
}

/// A plan with named, typed columns.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// The rows.
    pub(super) plan: LogicalPlan,
    /// The columns, in order.
    pub(super) columns: Vec<Output>,
}

impl Relation {
    /// The same rows as a result may hold them.
    pub(super) fn result(self) -> Result<Self, PortError> {
        if !self.columns.iter().any(|o| holds_arrays(&o.kind)) {
            return Ok(self);
        }
        let exprs = self.columns.iter().map(|o| {
            let value = column(&o.column);
            if holds_arrays(&o.kind) { stored(value, &o.kind).alias(&o.column) } else { value }
        });
        Ok(Self { plan: project(self.plan, exprs.collect())?, columns: self.columns })
    }
}

/// A column of the plan.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

impl Binder<'_> {
    /// The same relation under new column names: one plan may stand twice in a statement.
    pub(super) fn again(&mut self, relation: &Relation) -> Result<Relation, PortError> {
        let mut exprs = Vec::with_capacity(relation.columns.len());
        let mut columns = Vec::with_capacity(relation.columns.len());
        for output in &relation.columns {
            let fresh = self.fresh(output.name.as_deref().unwrap_or("an unnamed column"));
            exprs.push(column(&output.column).alias(&fresh));
            columns.push(Output { column: fresh, ..output.clone() });
        }
        Ok(Relation { plan: project(relation.plan.clone(), exprs)?, columns })
    }
}

/// Projects a plan; a plan without columns keeps its rows.
pub(super) fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan, PortError> {
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)
}

/// Keeps the rows for which `predicate` is TRUE.
pub(super) fn filter(plan: LogicalPlan, predicate: Expr) -> Result<LogicalPlan, PortError> {
    LogicalPlanBuilder::from(plan)
        .filter(predicate)
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)
}
