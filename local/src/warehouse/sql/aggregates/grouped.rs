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

    /// What the groups come to, one value each.
    fn results(groups: &[Self]) -> Result<ArrayRef>;

    /// What one comes to.
    fn result(&self) -> Result<ScalarValue> {
        let results = Self::results(std::slice::from_ref(self))?;
        ScalarValue::try_from_array(&results, 0)
    }
}

/// The groups of one call.
#[derive(Debug)]
pub(super) struct Groups<A> {
    fresh: A,
    held: Vec<A>,
    state: Vec<ArrowType>,
}

impl<A: Scatter> Groups<A> {
    /// No group yet; each begins as `fresh`.
    pub(super) fn new(fresh: A, state: Vec<ArrowType>) -> Self {
        Self { fresh, held: Vec::new(), state }
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
        A::results(&emit_to.take_needed(&mut self.held))
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
        let mut each = Self::new(self.fresh.clone(), self.state.clone());
        each.update_batch(values, &rows, opt_filter, rows.len())?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.held.capacity() * size_of::<A>()
    }
}

#[cfg(test)]
mod tests {
    use common::warehouse::{DataType, Value};
    use datafusion::arrow::array::BooleanArray;
    use datafusion::logical_expr::EmitTo;

    use crate::warehouse::sql::aggregates::AggregateKind;
    use crate::warehouse::values::array_of;

    #[test]
    fn states_of_parts_come_to_what_the_whole_does() {
        let ints = [Some(3), None, Some(-1), Some(3), Some(4)];
        let ints = ints.map(|i| i.map_or(Value::Null, Value::Int64));
        let floats = [Some(0.5), None, Some(f64::INFINITY), Some(0.5), Some(-0.0)];
        let floats = floats.map(|x| x.map_or(Value::Null, Value::Float64));
        let numerics = [Some("1.5"), None, Some("-2"), Some("1.5"), Some("0.25")];
        let numerics = numerics.map(|t| t.map_or(Value::Null, |t| Value::Numeric(t.to_owned())));
        let texts = [Some("a"), None, Some(""), Some("a"), Some("a longer text than a view holds")];
        let texts = texts.map(|t| t.map_or(Value::Null, |t| Value::String(t.to_owned())));
        let bools = [Some(true), None, Some(false), Some(true), Some(true)];
        let bools = bools.map(|b| b.map_or(Value::Null, Value::Bool));
        let of = [0, 0, 1, 0, 2];
        let filter = BooleanArray::from(vec![Some(true), Some(true), Some(true), None, Some(true)]);
        for (kind, arg, values) in [
            (AggregateKind::Count, DataType::Int64, &ints),
            (AggregateKind::CountIf, DataType::Bool, &bools),
            (AggregateKind::CountDistinct, DataType::String, &texts),
            (AggregateKind::CountDistinct, DataType::Float64, &floats),
            (AggregateKind::Sum, DataType::Int64, &ints),
            (AggregateKind::Avg, DataType::Int64, &ints),
            (AggregateKind::Sum, DataType::Numeric, &numerics),
            (AggregateKind::Avg, DataType::Numeric, &numerics),
            (AggregateKind::Sum, DataType::Float64, &floats),
            (AggregateKind::Avg, DataType::Float64, &floats),
            (AggregateKind::named("VAR_SAMP").unwrap(), DataType::Int64, &ints),
            (AggregateKind::named("VAR_POP").unwrap(), DataType::Numeric, &numerics),
            (AggregateKind::named("STDDEV").unwrap(), DataType::Float64, &floats),
        ] {
            let column = array_of(values, &arg).unwrap();
            for filter in [None, Some(&filter)] {
                let fresh = || kind.groups(&arg).unwrap();
                let mut whole = fresh();
                whole.update_batch(std::slice::from_ref(&column), &of, filter, 4).unwrap();
                let mut merged = fresh();
                for part in [0..2, 2..5] {
                    let mut half = fresh();
                    let rows = [column.slice(part.start, part.len())];
                    let filter = filter.map(|f| f.slice(part.start, part.len()));
                    half.update_batch(&rows, &of[part], filter.as_ref(), 4).unwrap();
                    let first = half.state(EmitTo::First(1)).unwrap();
                    merged.merge_batch(&first, &[0], 4).unwrap();
                    merged.merge_batch(&half.state(EmitTo::All).unwrap(), &[1, 2, 3], 4).unwrap();
                }
                let mut single = fresh();
                let states =
                    single.convert_to_state(std::slice::from_ref(&column), filter).unwrap();
                single.merge_batch(&states, &of, 4).unwrap();
                let expected = whole.evaluate(EmitTo::All).unwrap();
                assert_eq!(expected.len(), 4, "{kind:?} {arg}");
                for mut other in [merged, single] {
                    assert_eq!(&other.evaluate(EmitTo::All).unwrap(), &expected, "{kind:?} {arg}");
                }
            }
        }
    }
}
