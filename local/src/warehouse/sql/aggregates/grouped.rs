//! The accumulators of many groups at once: a group's state is the one-group accumulator's own, so its results,
//! its rounding and its errors are the same; what is saved is cutting every batch into a slice for each group.

use std::fmt::Debug;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, new_empty_array};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

/// An accumulator that takes the rows of a column into the groups they belong to.
pub(super) trait Scatter: Accumulator + Clone + Debug + 'static {
    /// Takes the rows for which `taken` answers true, in their order; `of` names the group of each.
    fn scatter(
        groups: &mut [Self],
        column: &ArrayRef,
        of: &[usize],
        taken: impl Fn(usize) -> bool,
    ) -> Result<()>;
}

/// The groups of one call.
#[derive(Debug)]
pub(super) struct Groups<A> {
    fresh: A,
    held: Vec<A>,
    result: ArrowType,
    state: Vec<ArrowType>,
}

impl<A: Scatter> Groups<A> {
    /// No group yet; each begins as `fresh`.
    pub(super) fn new(fresh: A, result: ArrowType, state: Vec<ArrowType>) -> Self {
        Self { fresh, held: Vec::new(), result, state }
    }

    fn grow(&mut self, groups: usize) {
        if self.held.len() < groups {
            self.held.resize(groups, self.fresh.clone());
        }
    }
}

/// One column of values, also where there is none.
fn column(values: Vec<ScalarValue>, kind: &ArrowType) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(new_empty_array(kind));
    }
    ScalarValue::iter_to_array(values)
}

impl<A: Scatter> GroupsAccumulator for Groups<A> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let (column, groups) = (&values[0], &mut self.held);
        let nulls = column.logical_nulls();
        match (nulls, opt_filter) {
            (None, None) => A::scatter(groups, column, group_indices, |_| true),
            (nulls, filter) => A::scatter(groups, column, group_indices, |at| {
                nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at))
                    && filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at))
            }),
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        for (at, group) in group_indices.iter().enumerate() {
            let state: Vec<ArrayRef> = values.iter().map(|column| column.slice(at, 1)).collect();
            self.held[*group].merge_batch(&state)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.held);
        let values: Result<Vec<_>> = groups.into_iter().map(|mut group| group.evaluate()).collect();
        column(values?, &self.result)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut columns = vec![Vec::new(); self.state.len()];
        for mut group in emit_to.take_needed(&mut self.held) {
            for (column, part) in columns.iter_mut().zip(group.state()?) {
                column.push(part);
            }
        }
        columns.into_iter().zip(&self.state).map(|(values, kind)| column(values, kind)).collect()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        // Every row is a group of its own.
        let rows: Vec<usize> = (0..values[0].len()).collect();
        let mut each = Self::new(self.fresh.clone(), self.result.clone(), self.state.clone());
        each.update_batch(values, &rows, opt_filter, rows.len())?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.held.capacity() * size_of::<A>()
    }
}
