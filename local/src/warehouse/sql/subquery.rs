//! Subqueries in expressions: over an array they run per row, over tables they run once and first.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;

use super::aggregates::AggregateKind;
use super::functions::arithmetic::canonical;
use super::query::as_struct;
use super::records::record;
use super::refusal::{evaluation, invalid};
use super::relation::{Output, Relation, column, project};
use super::rowwise::native;
use super::scope::Place;
use super::segment::Term;
use super::typed::{Typed, comparable};
use super::{Binder, Span, planned};

/// A subquery that does not read the rows around it.
pub(crate) struct Subquery {
    /// Its rows: one column.
    pub(crate) plan: LogicalPlan,
    /// Where its answer goes.
    pub(crate) answer: Arc<OnceLock<Answer>>,
    /// What is kept of the rows.
    pub(crate) kept: Kept,
}

/// What is kept of a subquery's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The one value of the one row that the plan gives.
    Value,
    /// The set of values.
    Set,
    /// All values, in order, as one array.
    List,
}

/// What a subquery answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// One value.
    Value(ScalarValue),
    /// The values, and whether NULL was among them.
    Set { values: HashSet<ScalarValue>, null: bool },
}

/// A value as a member of a set: equal doubles are one.
pub(crate) fn member(value: ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Float64(Some(x)) => ScalarValue::Float64(Some(canonical(x))),
        other => other,
    }
}

impl Binder<'_> {
    pub(super) fn scalar_subquery(
        &mut self,
        query: &ast::Query,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        if let Some(value) = self.segment(query, Term::Scalar, place)? {
            return Ok(value);
        }
        if let Some(value) = self.correlated(query, place, span)? {
            return Ok(value);
        }
        let relation = self.valued(query, place)?;
        let output = one_column(&relation, span)?;
        let single = AggregateKind::Single.call(column(&output.0), &output.1, &output.1);
        let plan = self.one_row(relation.plan, single)?;
        Ok(self.first(plan, Kept::Value, output.1))
    }

    /// `ARRAY(SELECT …)`.
    pub(super) fn array_subquery(
        &mut self,
        query: &ast::Query,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        if let Some(value) = self.segment(query, Term::Array, place)? {
            return Ok(value);
        }
        let relation = self.valued(query, place)?;
        let (name, kind) = one_column(&relation, span)?;
        if matches!(kind, DataType::Array(_)) {
            return Err(invalid("an array of arrays does not exist", span));
        }
        let plan = project(relation.plan, vec![column(&name)])?;
        Ok(self.first(plan, Kept::List, DataType::Array(Box::new(kind))))
    }

    /// The rows of a subquery that runs once; of `SELECT AS STRUCT`, one STRUCT a row.
    fn valued(&mut self, query: &ast::Query, place: &Place<'_>) -> Result<Relation, PortError> {
        let (query, structs) = as_struct(query);
        let relation = self.query(&query, Some(&place.scope.behind()))?;
        if !structs {
            return Ok(relation);
        }
        let fields = relation.columns.iter().map(|o| {
            let value = Typed::computed(column(&o.column), o.kind.clone());
            (o.name.clone().unwrap_or_default(), value)
        });
        let value = record(fields.collect());
        let name = self.fresh("a STRUCT");
        let plan = project(relation.plan, vec![value.expr.alias(&name)])?;
        Ok(Relation { plan, columns: vec![Output { name: None, kind: value.kind, column: name }] })
    }

    pub(super) fn exists(
        &mut self,
        query: &ast::Query,
        place: &Place<'_>,
        _span: Span,
    ) -> Result<Typed, PortError> {
        if let Some(value) = self.segment(query, Term::Exists, place)? {
            return Ok(value);
        }
        let relation = self.valued(query, place)?;
        let limited = LogicalPlanBuilder::from(relation.plan)
            .limit(0, Some(1))
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        let plan = self.one_row(limited, AggregateKind::count_rows())?;
        let count = self.first(plan, Kept::Value, DataType::Int64);
        Ok(super::expr::boolean(count.expr.gt(datafusion::logical_expr::lit(0_i64))))
    }

    pub(super) fn in_subquery(
        &mut self,
        expr: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let value = self.operand(expr, place)?;
        let found = if let Some(array) = self.segment(query, Term::Array, place)? {
            in_array(value, array, span)?
        } else {
            let relation = self.valued(query, place)?;
            let (name, kind) = one_column(&relation, span)?;
            let (value, member, _) = comparable(value, Typed::computed(column(&name), kind), span)?;
            let name = self.fresh("a member of IN");
            let plan = project(relation.plan, vec![member.expr.alias(&name)])?;
            let answer = Arc::new(OnceLock::new());
            let slot = Arc::clone(&answer);
            self.subqueries.push(Subquery { plan, answer, kept: Kept::Set });
            let evaluate = Arc::new(move |columns: &[ArrayRef], rows: usize| match slot.get() {
                Some(Answer::Set { values, null }) => among(&columns[0], rows, values, *null),
                _ => Err(evaluation("a subquery of IN was read before it ran")),
            });
            let salt = self.salt();
            super::expr::boolean(native("IN", salt, &DataType::Bool, vec![value.expr], evaluate))
        };
        Ok(if negated {
            super::expr::boolean(datafusion::logical_expr::not(found.expr))
        } else {
            found
        })
    }

    /// A plan of one row and one column.
    fn one_row(
        &mut self,
        plan: LogicalPlan,
        aggregate: datafusion::logical_expr::Expr,
    ) -> Result<LogicalPlan, PortError> {
        let name = self.fresh("a subquery's value");
        let none: Vec<datafusion::logical_expr::Expr> = Vec::new();
        LogicalPlanBuilder::from(plan)
            .aggregate(none, vec![aggregate.alias(name)])
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)
    }

    /// The value of a plan of one row, read when the statement runs.
    fn first(&mut self, plan: LogicalPlan, kept: Kept, kind: DataType) -> Typed {
        let answer = Arc::new(OnceLock::new());
        let slot = Arc::clone(&answer);
        self.subqueries.push(Subquery { plan, answer, kept });
        let evaluate = Arc::new(move |_: &[ArrayRef], rows: usize| match slot.get() {
            Some(Answer::Value(value)) => value.to_array_of_size(rows),
            _ => Err(evaluation("a scalar subquery was read before it ran")),
        });
        let salt = self.salt();
        Typed::computed(native("SUBQUERY", salt, &kind, Vec::new(), evaluate), kind)
    }
}

/// `value IN UNNEST(array)`, three-valued.
pub(super) fn in_array(value: Typed, array: Typed, span: Span) -> Result<Typed, PortError> {
    let DataType::Array(element) = array.kind.clone() else {
        return Err(invalid(format!("IN UNNEST of a {}", array.kind_name()), span));
    };
    let value = value.coerce(&element, span)?;
    match *element {
        DataType::Struct(_) | DataType::Array(_) | DataType::Json => {
            return Err(super::refusal::unsupported(format!("IN UNNEST of {element}"), span));
        }
        _ => {}
    }
    let evaluate = Arc::new(|columns: &[ArrayRef], rows: usize| {
        use datafusion::arrow::array::AsArray;
        let lists = columns[1].as_list::<i32>();
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut values = HashSet::new();
            let mut null = false;
            if !lists.is_null(row) {
                let items = lists.value(row);
                for at in 0..items.len() {
                    null |= items.is_null(at);
                    if !items.is_null(at) {
                        values.insert(member(ScalarValue::try_from_array(&items, at)?));
                    }
                }
            }
            answers.push(contains(&columns[0], row, &values, null)?);
        }
        Ok(Arc::new(BooleanArray::from(answers)) as ArrayRef)
    });
    let expr = native("IN UNNEST", 0, &DataType::Bool, vec![value.expr, array.expr], evaluate);
    Ok(super::expr::boolean(expr))
}

fn among(
    column: &ArrayRef,
    rows: usize,
    values: &HashSet<ScalarValue>,
    null: bool,
) -> datafusion::common::Result<ArrayRef> {
    let answers: Result<Vec<Option<bool>>, _> =
        (0..rows).map(|row| contains(column, row, values, null)).collect();
    Ok(Arc::new(BooleanArray::from(answers?)))
}

fn contains(
    column: &ArrayRef,
    row: usize,
    values: &HashSet<ScalarValue>,
    null: bool,
) -> datafusion::common::Result<Option<bool>> {
    if values.is_empty() && !null {
        return Ok(Some(false));
    }
    if column.is_null(row) {
        return Ok(None);
    }
    let value = ScalarValue::try_from_array(column, row)?;
    // NaN equals nothing, itself included.
    let nan = matches!(value, ScalarValue::Float64(Some(x)) if x.is_nan());
    if !nan && values.contains(&member(value)) {
        return Ok(Some(true));
    }
    Ok(if null { None } else { Some(false) })
}

fn one_column(relation: &Relation, span: Span) -> Result<(String, DataType), PortError> {
    match &relation.columns[..] {
        [only] => Ok((only.column.clone(), only.kind.clone())),
        several => {
            let count = several.len();
            Err(invalid(format!("a subquery as a value has one column, not {count}"), span))
        }
    }
}
