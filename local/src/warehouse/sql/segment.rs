//! A subquery over one array, run for each row of a batch: `(SELECT SUM(c.amount) FROM UNNEST(credits) AS c)`.
//!
//! The batch's elements are laid end to end with the number of their row beside them; the subquery's WHERE,
//! aggregates and SELECT then run once over all of them.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, RecordBatchOptions,
    UInt32Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{filter_record_batch, take};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, GroupByExpr, SelectItem, SetExpr, TableFactor};

use super::aggregates::{AggregateKind, kind_of};
use super::from::element_range;
use super::grouping::collect;
use super::refusal::{evaluation, invalid};
use super::relation::column;
use super::rowwise::native;
use super::scope::{Name, Place, Range, Scope};
use super::select::aggregates;
use super::typed::Typed;
use super::windows::has_windows;
use super::{Binder, Span};
use crate::warehouse::values::arrow_type;

/// What becomes of a row's result rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// The one value; NULL without a row, an error with two.
    Scalar,
    /// Whether there is one.
    Exists,
    /// All of them.
    Array,
}

/// A bound subquery over an array's elements.
struct Segment {
    /// The columns around it that it reads, by the name they have inside.
    captured: Vec<String>,
    element: String,
    offset: String,
    filter: Option<Expr>,
    /// Aggregates with the name their value has in `output`.
    aggregates: Vec<(String, AggregateKind, DataType, Expr)>,
    output: Expr,
    kind: DataType,
    term: Term,
}

impl Binder<'_> {
    /// Binds a subquery whose FROM is one UNNEST; `None` where it is of another shape.
    pub(super) fn segment(
        &mut self,
        query: &ast::Query,
        term: Term,
        place: &Place<'_>,
    ) -> Result<Option<Typed>, PortError> {
        let Some((select, array, alias, offset)) = shape(query) else { return Ok(None) };
        let span = self.at(query);
        let array =
            self.expr(array, &Place { no_aggregates: Some("UNNEST"), windows: None, ..*place })?;
        let DataType::Array(element_kind) = array.kind.clone() else {
            return Err(invalid(format!("UNNEST of a {}", array.kind_name()), span));
        };
        let element = self.fresh("an element of UNNEST");
        let offset_name = self.fresh("offset");
        let value = Typed::computed(column(&element), *element_kind);
        let mut ranges = vec![element_range(alias, value)];
        if let Some(name) = offset {
            let value = Typed::computed(column(&offset_name), DataType::Int64);
            ranges.push(Range { columns: vec![Name { name, value }], ..Range::default() });
        }
        let scope = Scope { ranges, outer: Some(place.scope), ..Scope::default() };
        let filter = match &select.selection {
            Some(condition) => {
                let span = self.at(condition);
                let bound = self.expr(condition, &scope.plain("WHERE"))?;
                Some(bound.coerce(&DataType::Bool, span)?.expr)
            }
            None => None,
        };
        let output = match (&select.projection[..], term) {
            ([SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }], _) => {
                self.expr(e, &scope.aggregating())?
            }
            (list, Term::Exists) => self.existing(list, &scope, span)?,
            _ => return Err(invalid("a subquery as a value has one column", span)),
        };
        self.finish(array, filter, output, (element, offset_name), term, span).map(Some)
    }

    /// The list of EXISTS: only whether it aggregates matters, but all of it must mean something.
    fn existing(
        &mut self,
        list: &[SelectItem],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let (mut aggregated, mut plain) = (None, false);
        for item in self.items(list, scope, None)? {
            if aggregates(&item.value.expr) {
                aggregated = Some(item.value);
            } else {
                plain |= !item.value.expr.column_refs().is_empty();
            }
        }
        if aggregated.is_some() && plain {
            let what = "EXISTS over UNNEST of an aggregate beside another column";
            return Err(super::refusal::unsupported(what, span));
        }
        Ok(aggregated.unwrap_or_else(|| Typed::computed(super::expr::always(), DataType::Bool)))
    }

    fn finish(
        &mut self,
        array: Typed,
        filter: Option<Expr>,
        output: Typed,
        (element, offset): (String, String),
        term: Term,
        span: Span,
    ) -> Result<Typed, PortError> {
        let mut aggregates = Vec::new();
        let mut replaced = Vec::new();
        let mut odd = [&array.expr, &output.expr].into_iter().chain(&filter).any(has_windows);
        collect(&output.expr, &mut |call| match kind_of(call) {
            Some((kind, arg, expr)) => {
                let name = self.fresh("an aggregate");
                replaced.push((call.clone(), column(&name)));
                aggregates.push((name, kind, arg, expr));
            }
            None => odd = true,
        });
        if odd {
            return Err(super::refusal::unsupported(
                "this aggregate or window function over UNNEST",
                span,
            ));
        }
        let rewritten = replace(&output.expr, &replaced);
        if !aggregates.is_empty() {
            let bare =
                rewritten.column_refs().iter().any(|c| c.name == element || c.name == offset);
            if bare {
                let message = "an element of UNNEST beside an aggregate is not aggregated";
                return Err(invalid(message, span));
            }
        }
        let mut captured: Vec<String> = Vec::new();
        let arguments = aggregates.iter().map(|(_, _, _, expr)| expr);
        for expr in filter.iter().chain([&output.expr]).chain(arguments) {
            for read in expr.column_refs() {
                if read.name != element && read.name != offset && !captured.contains(&read.name) {
                    captured.push(read.name.clone());
                }
            }
        }
        captured.sort();
        let mut args = vec![array.expr];
        args.extend(captured.iter().map(|name| column(name)));
        let kind = match term {
            Term::Scalar => output.kind.clone(),
            Term::Exists => DataType::Bool,
            Term::Array => DataType::Array(Box::new(output.kind.clone())),
        };
        let segment = Segment {
            captured,
            element,
            offset,
            filter,
            aggregates,
            output: rewritten,
            kind: output.kind,
            term,
        };
        let salt = self.salt();
        let evaluate = Arc::new(move |args: &[ArrayRef], rows: usize| segment.run(args, rows));
        Ok(Typed::computed(native("SEGMENT", salt, &kind, args, evaluate), kind))
    }
}

type Shape<'q> = (&'q ast::Select, &'q ast::Expr, Option<String>, Option<String>);

/// The parts of a subquery whose FROM is one UNNEST and that has no clause but WHERE.
fn shape(query: &ast::Query) -> Option<Shape<'_>> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let bare = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    let [from] = &select.from[..] else { return None };
    let TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset,
        with_offset_alias,
        with_ordinality: false,
    } = &from.relation
    else {
        return None;
    };
    let GroupByExpr::Expressions(groups, modifiers) = &select.group_by else { return None };
    let plain = groups.is_empty()
        && modifiers.is_empty()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.qualify.is_none()
        && select.named_window.is_empty();
    let [array] = &array_exprs[..] else { return None };
    if !bare || !plain || !from.joins.is_empty() || super::select::has_extras(select) {
        return None;
    }
    let offset = with_offset.then(|| {
        with_offset_alias.as_ref().map_or_else(|| "offset".to_owned(), |name| name.value.clone())
    });
    let alias = match alias {
        Some(alias) if !alias.columns.is_empty() => return None,
        Some(alias) => Some(alias.name.value.clone()),
        None => None,
    };
    Some((select, array, alias, offset))
}

fn replace(expr: &Expr, replaced: &[(Expr, Expr)]) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let rewritten = expr.clone().transform_down(|e| {
        Ok(match replaced.iter().find(|(known, _)| *known == e) {
            Some((_, with)) => Transformed::yes(with.clone()),
            None => Transformed::no(e),
        })
    });
    // The rewriting never fails.
    rewritten.map_or_else(|_| expr.clone(), |t| t.data)
}

/// Columns of one length with the names the expressions know them by.
fn batch(columns: Vec<(String, ArrayRef)>, rows: usize) -> DfResult<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, c)| Field::new(name, c.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, c)| c).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn evaluate(expr: &Expr, batch: &RecordBatch) -> DfResult<ArrayRef> {
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
    let props = ExecutionProps::new();
    let physical =
        create_physical_expr(expr, &schema, &props, &PhysicalPlanningContext::default())?;
    physical.evaluate(batch)?.into_array(batch.num_rows())
}

impl Segment {
    fn run(&self, args: &[ArrayRef], rows: usize) -> DfResult<ArrayRef> {
        let (mut elements, mut owners) = self.flatten(args, rows)?;
        if let Some(condition) = &self.filter {
            let mask = evaluate(condition, &elements)?;
            let mask = mask.as_boolean();
            let kept = batch(vec![("owner".into(), Arc::new(owners))], elements.num_rows())?;
            owners = filter_record_batch(&kept, mask)?.column(0).as_primitive().clone();
            elements = filter_record_batch(&elements, mask)?;
        }
        let ends = ends(&owners, rows);
        if self.aggregates.is_empty() {
            let values = evaluate(&self.output, &elements)?;
            return self.terminate(&values, &ends, rows);
        }
        // An aggregate gives every row exactly one result row.
        let mut columns: Vec<(String, ArrayRef)> =
            self.captured.iter().cloned().zip(args[1..].iter().cloned()).collect();
        for (name, kind, arg, expr) in &self.aggregates {
            let values = evaluate(expr, &elements)?;
            columns.push((name.clone(), aggregate(*kind, arg, &values, &ends, rows)?));
        }
        let values = evaluate(&self.output, &batch(columns, rows)?)?;
        let each: Vec<usize> = (1..=rows).collect();
        self.terminate(&values, &each, rows)
    }

    /// All elements of the batch, and for each the row it belongs to.
    fn flatten(&self, args: &[ArrayRef], rows: usize) -> DfResult<(RecordBatch, UInt32Array)> {
        let lists = args[0].as_list::<i32>();
        let (mut owners, mut at, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for row in (0..rows).filter(|row| !lists.is_null(*row)) {
            let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
            for (offset, position) in (start..end).enumerate() {
                owners.push(u32::try_from(row).map_err(|e| evaluation(e.to_string()))?);
                at.push(position.unsigned_abs());
                offsets.push(i64::try_from(offset).unwrap_or(i64::MAX));
            }
        }
        let owners = UInt32Array::from(owners);
        let mut columns = Vec::with_capacity(self.captured.len() + 2);
        for (name, values) in self.captured.iter().zip(&args[1..]) {
            columns.push((name.clone(), take(values, &owners, None)?));
        }
        let elements = take(lists.values(), &UInt32Array::from(at), None)?;
        columns.push((self.element.clone(), elements));
        columns.push((self.offset.clone(), Arc::new(Int64Array::from(offsets))));
        Ok((batch(columns, owners.len())?, owners))
    }

    /// Turns result rows into one value a row; `ends[i]` is where row i's result rows end.
    fn terminate(&self, values: &ArrayRef, ends: &[usize], rows: usize) -> DfResult<ArrayRef> {
        let span = |row: usize| (if row == 0 { 0 } else { ends[row - 1] }, ends[row]);
        match self.term {
            Term::Exists => {
                let answers: BooleanArray =
                    (0..rows).map(|row| Some(span(row).0 < span(row).1)).collect();
                Ok(Arc::new(answers))
            }
            Term::Scalar => {
                let mut picked = Vec::with_capacity(rows);
                for row in 0..rows {
                    let (start, end) = span(row);
                    if end > start + 1 {
                        return Err(evaluation("a scalar subquery returned more than one row"));
                    }
                    picked.push(if start < end { u32::try_from(start).ok() } else { None });
                }
                Ok(take(values, &UInt32Array::from(picked), None)?)
            }
            Term::Array => {
                let lengths = (0..rows).map(|row| span(row).1 - span(row).0);
                let field = crate::warehouse::values::list_field(&self.kind);
                let lengths = OffsetBuffer::from_lengths(lengths);
                Ok(Arc::new(ListArray::try_new(field, lengths, Arc::clone(values), None)?))
            }
        }
    }
}

/// Where each row's elements end, from the rows they belong to in order.
fn ends(owners: &UInt32Array, rows: usize) -> Vec<usize> {
    let mut ends = Vec::with_capacity(rows);
    let mut at = 0;
    for row in 0..rows {
        while at < owners.len() && owners.value(at) as usize == row {
            at += 1;
        }
        ends.push(at);
    }
    ends
}

fn aggregate(
    kind: AggregateKind,
    arg: &DataType,
    values: &ArrayRef,
    ends: &[usize],
    rows: usize,
) -> DfResult<ArrayRef> {
    let mut results = Vec::with_capacity(rows);
    let empty = kind.accumulator(arg).evaluate()?;
    let mut start = 0;
    for &end in ends {
        if start == end {
            results.push(empty.clone());
            continue;
        }
        let mut accumulator = kind.accumulator(arg);
        accumulator.update_batch(&[values.slice(start, end - start)])?;
        results.push(accumulator.evaluate()?);
        start = end;
    }
    if results.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(&empty.data_type()));
    }
    ScalarValue::iter_to_array(results)
}

/// The places of an array's elements, as an array beside it.
pub(super) fn offsets(array: Expr) -> Expr {
    let evaluate = Arc::new(|columns: &[ArrayRef], rows: usize| {
        let lists = columns[0].as_list::<i32>();
        let lengths: Vec<usize> = (0..rows)
            .map(|row| if lists.is_null(row) { 0 } else { lists.value(row).len() })
            .collect();
        let places: Int64Array = lengths
            .iter()
            .flat_map(|length| (0..*length).map(|at| i64::try_from(at).unwrap_or(i64::MAX)))
            .collect();
        let field = Arc::new(Field::new_list_field(arrow_type(&DataType::Int64), true));
        let nulls = lists.nulls().cloned();
        let lengths = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(field, lengths, Arc::new(places), nulls)?) as ArrayRef)
    });
    let kind = DataType::Array(Box::new(DataType::Int64));
    native("OFFSETS", 0, &kind, vec![array], evaluate)
}
