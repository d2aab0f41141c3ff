//! Running a bound subquery over the arrays of a batch.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, RecordBatchOptions,
    UInt32Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{
    SortColumn, SortOptions, filter, filter_record_batch, lexsort_to_indices, take,
};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{EmitTo, Expr};
use datafusion::physical_expr::create_physical_expr;
use datafusion::scalar::ScalarValue;

use common::warehouse::DataType;

use super::{Call, Segment, Term};
use crate::warehouse::sql::refusal::evaluation;
use crate::warehouse::sql::rowwise::native;
use crate::warehouse::values::{arrow_type, list_field};

/// Columns, and for each row the row of the outer batch that it belongs to, rising.
struct Laid {
    columns: RecordBatch,
    owners: UInt32Array,
}

impl Laid {
    fn keep(&self, condition: &Expr) -> Result<Self> {
        let mask = evaluate(condition, &self.columns)?;
        let mask = mask.as_boolean();
        let owners = filter(&self.owners, mask)?.as_primitive().clone();
        Ok(Self { columns: filter_record_batch(&self.columns, mask)?, owners })
    }

    /// Each row once for each element of its array.
    fn unnest(&self, lists: &ArrayRef, element: &str, offset: &str) -> Result<Self> {
        let lists = lists.as_list::<i32>();
        let ends = lists.value_offsets();
        let (mut rows, mut at, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for row in (0..lists.len()).filter(|row| !lists.is_null(*row)) {
            for (offset, position) in (ends[row]..ends[row + 1]).enumerate() {
                rows.push(small(row));
                at.push(position.unsigned_abs());
                offsets.push(i64::try_from(offset).unwrap_or(i64::MAX));
            }
        }
        let rows = UInt32Array::from(rows);
        let mut columns = taken(&self.columns, &rows)?;
        // Where nothing is left out, the elements lie as they are wanted.
        let whole = at.len() == (ends[lists.len()] - ends[0]).unsigned_abs() as usize;
        let elements = if whole {
            lists.values().slice(ends[0].unsigned_abs() as usize, at.len())
        } else {
            take(lists.values(), &UInt32Array::from(at), None)?
        };
        columns.push((element.to_owned(), elements));
        columns.push((offset.to_owned(), Arc::new(Int64Array::from(offsets))));
        let owners = take(&self.owners, &rows, None)?.as_primitive().clone();
        Ok(Self { columns: batch(columns, rows.len())?, owners })
    }
}

/// Columns of one length with the names the expressions know them by.
fn batch(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, c)| Field::new(name, c.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, c)| c).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn taken(columns: &RecordBatch, rows: &UInt32Array) -> Result<Vec<(String, ArrayRef)>> {
    let fields = columns.schema();
    let named = fields.fields().iter().zip(columns.columns());
    named.map(|(field, column)| Ok((field.name().clone(), take(column, rows, None)?))).collect()
}

fn evaluate(expr: &Expr, batch: &RecordBatch) -> Result<ArrayRef> {
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
    let props = ExecutionProps::new();
    let physical =
        create_physical_expr(expr, &schema, &props, &PhysicalPlanningContext::default())?;
    physical.evaluate(batch)?.into_array(batch.num_rows())
}

/// A number that fits, since a batch has fewer rows.
fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Segment {
    pub(super) fn run(&self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let around: Vec<(String, ArrayRef)> =
            self.captured.iter().cloned().zip(args[1..].iter().cloned()).collect();
        let owners = UInt32Array::from_iter_values((0..rows).map(small));
        let mut laid = Laid { columns: batch(around, rows)?, owners };
        let outer = laid.columns.clone();
        for (at, source) in self.sources.iter().enumerate() {
            let lists = if at == 0 {
                Arc::clone(&args[0])
            } else {
                evaluate(&source.array, &laid.columns)?
            };
            laid = laid.unnest(&lists, &source.element, &source.offset)?;
        }
        if let Some(condition) = &self.filter {
            laid = laid.keep(condition)?;
        }
        if let Some(keys) = &self.groups {
            laid = self.grouped(&laid, keys, &outer)?;
        }
        if let Some(condition) = &self.having {
            laid = laid.keep(condition)?;
        }
        let values = evaluate(&self.output, &laid.columns)?;
        let (values, owners) = self.arranged(values, &laid)?;
        self.terminate(&values, &ends(&owners, rows), rows)
    }

    /// One row a group; without keys, one a row of the outer batch.
    fn grouped(&self, laid: &Laid, keys: &[(String, Expr)], outer: &RecordBatch) -> Result<Laid> {
        let mut named: Vec<(String, ArrayRef)> = Vec::new();
        let (of, owners) = if keys.is_empty() {
            for (field, column) in outer.schema().fields().iter().zip(outer.columns()) {
                named.push((field.name().clone(), Arc::clone(column)));
            }
            let of = laid.owners.values().iter().map(|owner| *owner as usize).collect();
            (of, UInt32Array::from_iter_values((0..outer.num_rows()).map(small)))
        } else {
            let mut columns: Vec<ArrayRef> = vec![Arc::new(laid.owners.clone())];
            for (_, key) in keys {
                columns.push(evaluate(key, &laid.columns)?);
            }
            let (of, first) = by_value(&columns)?;
            let owners: UInt32Array = take(&columns[0], &first, None)?.as_primitive().clone();
            named = taken(outer, &owners)?;
            for ((name, _), key) in keys.iter().zip(&columns[1..]) {
                named.push((name.clone(), take(key, &first, None)?));
            }
            (of, owners)
        };
        for (name, call) in &self.aggregates {
            named.push((name.clone(), aggregate(call, &laid.columns, &of, owners.len())?));
        }
        let rows = owners.len();
        Ok(Laid { columns: batch(named, rows)?, owners })
    }

    /// DISTINCT, ORDER BY and LIMIT, of each row's own.
    fn arranged(&self, values: ArrayRef, laid: &Laid) -> Result<(ArrayRef, UInt32Array)> {
        if !self.distinct && self.order.is_empty() && self.skip == 0 && self.fetch.is_none() {
            return Ok((values, laid.owners.clone()));
        }
        let mut kept: Vec<u32> = (0..values.len()).map(small).collect();
        if self.distinct {
            let columns: Vec<ArrayRef> = vec![Arc::new(laid.owners.clone()), Arc::clone(&values)];
            kept = by_value(&columns)?.1.values().to_vec();
        }
        if !self.order.is_empty() {
            let chosen = UInt32Array::from(kept.clone());
            let plain = SortOptions { descending: false, nulls_first: true };
            let mut columns = vec![SortColumn {
                values: take(&laid.owners, &chosen, None)?,
                options: Some(plain),
            }];
            for (key, options) in &self.order {
                let values = take(&evaluate(key, &laid.columns)?, &chosen, None)?;
                columns.push(SortColumn { values, options: Some(*options) });
            }
            // Ties stay as they came.
            columns.push(SortColumn { values: Arc::new(chosen), options: Some(plain) });
            let order = lexsort_to_indices(&columns, None)?;
            kept = order.values().iter().map(|at| kept[*at as usize]).collect();
        }
        let (mut owner, mut seen) = (None, 0_usize);
        kept.retain(|at| {
            let of = laid.owners.value(*at as usize);
            if owner != Some(of) {
                (owner, seen) = (Some(of), 0);
            }
            seen += 1;
            seen > self.skip && self.fetch.is_none_or(|fetch| seen - self.skip <= fetch)
        });
        let kept = UInt32Array::from(kept);
        let owners = take(&laid.owners, &kept, None)?.as_primitive().clone();
        Ok((take(&values, &kept, None)?, owners))
    }

    /// Turns result rows into one value a row; `ends[i]` is where row i's result rows end.
    fn terminate(&self, values: &ArrayRef, ends: &[usize], rows: usize) -> Result<ArrayRef> {
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
                    picked.push((start < end).then(|| small(start)));
                }
                Ok(take(values, &UInt32Array::from(picked), None)?)
            }
            Term::Array => {
                let lengths = (0..rows).map(|row| span(row).1 - span(row).0);
                let lengths = OffsetBuffer::from_lengths(lengths);
                let list =
                    ListArray::try_new(list_field(&self.kind), lengths, Arc::clone(values), None)?;
                Ok(Arc::new(list))
            }
        }
    }
}

/// The group of each row, equal rows being one, and the first row of each group, rising.
fn by_value(columns: &[ArrayRef]) -> Result<(Vec<usize>, UInt32Array)> {
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(columns)?;
    let mut known: HashMap<Box<[u8]>, usize> = HashMap::new();
    let (mut of, mut first) = (Vec::with_capacity(rows.num_rows()), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        let group = known.get(row.data()).copied().unwrap_or_else(|| {
            first.push(small(at));
            known.insert(row.data().into(), known.len());
            known.len() - 1
        });
        of.push(group);
    }
    Ok((of, first.into()))
}

/// A call's value in each of `count` groups; `of` names the group of each row.
fn aggregate(call: &Call, columns: &RecordBatch, of: &[usize], count: usize) -> Result<ArrayRef> {
    let values: Result<Vec<ArrayRef>> = call.args.iter().map(|a| evaluate(a, columns)).collect();
    let values = values?;
    if let Some(mut groups) = (call.groups)() {
        groups.update_batch(&values, of, None, count)?;
        return groups.evaluate(EmitTo::All);
    }
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (at, group) in of.iter().enumerate() {
        members[*group].push(small(at));
    }
    let mut results = Vec::with_capacity(count);
    let empty = (call.accumulator)().evaluate()?;
    for rows in &members {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            results.push(empty.clone());
            continue;
        };
        let together = (last - first) as usize + 1 == rows.len();
        let chosen: Result<Vec<ArrayRef>> = values
            .iter()
            .map(|column| {
                if together {
                    return Ok(column.slice(*first as usize, rows.len()));
                }
                Ok(take(column, &UInt32Array::from(rows.clone()), None)?)
            })
            .collect();
        let mut accumulator = (call.accumulator)();
        accumulator.update_batch(&chosen?)?;
        results.push(accumulator.evaluate()?);
    }
    if results.is_empty() {
        return Ok(datafusion::arrow::array::new_empty_array(&empty.data_type()));
    }
    ScalarValue::iter_to_array(results)
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

/// The places of an array's elements, as an array beside it.
pub(in crate::warehouse::sql) fn offsets(array: Expr) -> Expr {
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
