//! Aggregates with DISTINCT: the set of values seen, counted or added up.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field, Float64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use super::super::functions::arithmetic::canonical;
use super::AggregateKind;
use crate::warehouse::values::arrow_type;

/// The values seen, NULL left out.
#[derive(Debug)]
pub(super) struct Distinct {
    kind: DataType,
    seen: HashSet<ScalarValue>,
    then: Option<AggregateKind>,
}

impl Distinct {
    /// Over values of a type, which are counted, or go into an aggregate.
    pub(super) fn new(kind: &DataType, then: Option<AggregateKind>) -> Self {
        Self { kind: kind.clone(), seen: HashSet::new(), then }
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for at in 0..values[0].len() {
            if !values[0].is_null(at) {
                let value = match ScalarValue::try_from_array(&values[0], at)? {
                    ScalarValue::Float64(Some(x)) => ScalarValue::Float64(Some(canonical(x))),
                    other => other,
                };
                self.seen.insert(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(then) = self.then {
            let mut inner = then.accumulator(&self.kind);
            if !self.seen.is_empty() {
                // In one order, so that sums of doubles are the same each time.
                let mut values: Vec<ScalarValue> = self.seen.iter().cloned().collect();
                values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
                inner.update_batch(&[ScalarValue::iter_to_array(values)?])?;
            }
            return inner.evaluate();
        }
        Ok(ScalarValue::Int64(Some(i64::try_from(self.seen.len()).unwrap_or(i64::MAX))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.iter().map(ScalarValue::size).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.seen.iter().cloned().collect();
        let list = ScalarValue::new_list_nullable(&values, &arrow_type(&self.kind));
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }
}

/// COUNT(DISTINCT x) of many groups at once; `None` where values of the type have no bytes that tell them apart.
pub(super) fn groups(kind: &DataType) -> Option<Box<dyn GroupsAccumulator>> {
    Counted::new(kind).ok().map(|counted| Box::new(counted) as Box<dyn GroupsAccumulator>)
}

/// The values of each group, as bytes that are equal where the values are.
#[derive(Debug)]
struct Counted {
    kind: DataType,
    converter: RowConverter,
    groups: Vec<HashSet<Box<[u8]>>>,
    /// What all values ever held take.
    bytes: usize,
}

impl Counted {
    fn new(kind: &DataType) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(arrow_type(kind))])?;
        Ok(Self { kind: kind.clone(), converter, groups: Vec::new(), bytes: 0 })
    }

    fn add(&mut self, column: &ArrayRef, of: impl Fn(usize) -> Option<usize>) -> Result<()> {
        let column = match column.as_primitive_opt::<Float64Type>() {
            Some(doubles) => Arc::new(doubles.unary::<_, Float64Type>(canonical)) as ArrayRef,
            None => Arc::clone(column),
        };
        let rows = self.converter.convert_columns(std::slice::from_ref(&column))?;
        for at in (0..column.len()).filter(|at| !column.is_null(*at)) {
            let Some(group) = of(at) else { continue };
            let (values, row) = (&mut self.groups[group], rows.row(at));
            if !values.contains(row.data()) {
                values.insert(row.data().into());
                self.bytes += row.data().len() + 2 * size_of::<Box<[u8]>>();
            }
        }
        Ok(())
    }

    fn grow(&mut self, groups: usize) {
        if self.groups.len() < groups {
            self.groups.resize_with(groups, HashSet::new);
        }
    }
}

impl GroupsAccumulator for Counted {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        self.add(&values[0], |at| {
            let taken = opt_filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at));
            taken.then(|| group_indices[at])
        })
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        for (at, values) in values[0].as_list::<i32>().iter().enumerate() {
            if let Some(values) = values {
                self.add(&values, |_| Some(group_indices[at]))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        let counts = groups.iter().map(|values| i64::try_from(values.len()).unwrap_or(i64::MAX));
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let lengths = OffsetBuffer::from_lengths(groups.iter().map(HashSet::len));
        let parser = self.converter.parser();
        let rows = groups.iter().flatten().map(|bytes| parser.parse(bytes));
        let values = self.converter.convert_rows(rows)?.remove(0);
        let field = Arc::new(Field::new_list_field(arrow_type(&self.kind), true));
        Ok(vec![Arc::new(ListArray::try_new(field, lengths, values, None)?)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        // Every row is a group of its own.
        let rows: Vec<usize> = (0..values[0].len()).collect();
        let mut each = Self::new(&self.kind)?;
        each.update_batch(values, &rows, opt_filter, rows.len())?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        let sets = self.groups.capacity() * size_of::<HashSet<Box<[u8]>>>();
        size_of_val(self) + self.converter.size() + sets + self.bytes
    }
}
