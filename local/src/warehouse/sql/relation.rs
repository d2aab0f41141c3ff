//! A bound relation: a plan and what its columns are called in GoogleSQL.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union};

use super::records::{holds_arrays, renamed, stored};
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
    /// The same rows as a result may hold them: no NULL in arrays, and every field of a STRUCT with a name of its
    /// own.
    pub(super) fn result(self) -> Result<Self, PortError> {
        if !self.columns.iter().any(|o| matches!(o.kind, DataType::Struct(_) | DataType::Array(_)))
        {
            return Ok(self);
        }
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        for output in self.columns {
            let mut value = column(&output.column);
            let kind = shown(&output.kind)?;
            if kind != output.kind {
                value = renamed(value, &kind).alias(&output.column);
            }
            if holds_arrays(&kind) {
                value = stored(value.unalias(), &kind).alias(&output.column);
            }
            exprs.push(value);
            columns.push(Output { kind, ..output });
        }
        Ok(Self { plan: project(self.plan, exprs)?, columns })
    }
}

/// A type with names for the fields that have none.
fn shown(kind: &DataType) -> Result<DataType, PortError> {
    Ok(match kind {
        DataType::Array(element) => DataType::Array(Box::new(shown(element)?)),
        DataType::Struct(fields) => {
            let mut named: Vec<(String, DataType)> = Vec::with_capacity(fields.len());
            for (at, (name, kind)) in fields.iter().enumerate() {
                let name =
                    if name.is_empty() { format!("_field_{}", at + 1) } else { name.clone() };
                if named.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                    let message = format!(
                        "a STRUCT of the result has two fields of the name {name}: rename one"
                    );
                    return Err(PortError::InvalidQuery(message));
                }
                named.push((name, shown(kind)?));
            }
            DataType::Struct(named)
        }
        other => other.clone(),
    })
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

/// The rows of plans of the same columns, one below the other.
pub(super) fn below(plans: Vec<LogicalPlan>) -> Result<LogicalPlan, PortError> {
    let names: Vec<Expr> = plans[0].schema().columns().iter().map(|c| column(&c.name)).collect();
    let mut plans: Vec<Arc<LogicalPlan>> = plans.into_iter().map(Arc::new).collect();
    let plan = match plans.len() {
        1 => Arc::unwrap_or_clone(plans.remove(0)),
        _ => LogicalPlan::Union(Union::try_new_with_loose_types(plans).map_err(planned)?),
    };
    // UNION's schema carries no qualifiers, and the projection keeps it so.
    project(plan, names)
}

/// Keeps the rows for which `predicate` is TRUE.
pub(super) fn filter(plan: LogicalPlan, predicate: Expr) -> Result<LogicalPlan, PortError> {
    LogicalPlanBuilder::from(plan)
        .filter(predicate)
        .and_then(LogicalPlanBuilder::build)
        .map_err(planned)
}
