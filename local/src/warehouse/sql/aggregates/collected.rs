//! `ARRAY_AGG`, `STRING_AGG` and the approximate aggregates, here exact: the values kept with their keys of ORDER BY, put in order at the end.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{ArrayRef, AsArray, ListArray, StructArray, new_empty_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::super::refusal::evaluation;
use super::super::subquery::member;
use crate::warehouse::values::{arrow_type, list_field};

/// A key's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    /// Rising.
    pub(crate) ascending: bool,
    /// NULL before all else.
    pub(crate) nulls_first: bool,
}

/// What becomes of the values in the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finish {
    /// An array of them.
    Array,
    /// Their texts, this between them.
    Text(String),
    /// The least, the greatest and so many less one between them at equal distances.
    Quantiles(usize),
    /// So many most frequent ones, each with its count.
    Frequent(usize),
}

/// What is collected, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Collection {
    /// The values' type.
    pub(crate) kind: DataType,
    /// What becomes of them.
    pub(crate) finish: Finish,
    /// Each value once.
    pub(crate) distinct: bool,
    /// Without NULLs.
    pub(crate) ignore_nulls: bool,
    /// The keys' types and directions.
    pub(crate) keys: Vec<(ArrowType, Direction)>,
    /// At most so many values.
    pub(crate) limit: Option<usize>,
}

impl Collection {
    /// The result's type.
    pub(crate) fn result(&self) -> DataType {
        match self.finish {
            Finish::Text(_) => DataType::String,
            Finish::Array | Finish::Quantiles(_) | Finish::Frequent(_) => {
                DataType::Array(Box::new(self.element()))
            }
        }
    }

    fn element(&self) -> DataType {
        match self.finish {
            Finish::Frequent(_) => DataType::Struct(vec![
                ("value".to_owned(), self.kind.clone()),
                ("count".to_owned(), DataType::Int64),
            ]),
            Finish::Array | Finish::Text(_) | Finish::Quantiles(_) => self.kind.clone(),
        }
    }

    /// The call over a value and its keys.
    pub(crate) fn call(self, value_and_keys: Vec<Expr>) -> Expr {
        let function = Collect {
            name: format!("{self:?}"),
            signature: Signature::any(value_and_keys.len(), Volatility::Immutable),
            collection: self,
        };
        AggregateUDF::from(function).call(value_and_keys)
    }

    fn columns(&self) -> Vec<ArrowType> {
        let keys = self.keys.iter().map(|(kind, _)| kind.clone());
        std::iter::once(arrow_type(&self.kind)).chain(keys).collect()
    }
}

#[derive(Debug, Clone)]
struct Collect {
    name: String,
    signature: Signature,
    collection: Collection,
}

/// What makes the accumulators of such a call; `None` for another function.
pub(super) fn accumulator_of(
    function: &dyn AggregateUDFImpl,
) -> Option<Box<dyn Fn() -> Box<dyn Accumulator> + Send + Sync>> {
    let collection = function.downcast_ref::<Collect>()?.collection.clone();
    Some(Box::new(move || Box::new(Rows { collection: collection.clone(), rows: Vec::new() })))
}

impl PartialEq for Collect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Collect {}

impl Hash for Collect {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Collect {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(arrow_type(&self.collection.result()))
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Rows { collection: self.collection.clone(), rows: Vec::new() }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let fields = self.collection.columns().into_iter().enumerate().map(|(at, kind)| {
            let kind = ArrowType::new_list(kind, true);
            Arc::new(Field::new(format!("{}[{at}]", args.name), kind, true))
        });
        Ok(fields.collect())
    }
}

/// The rows so far: a value and its keys.
#[derive(Debug)]
struct Rows {
    collection: Collection,
    rows: Vec<Vec<ScalarValue>>,
}

/// So many rows are not worth a sort to be rid of some.
const FEW: usize = 1024;

impl Rows {
    /// Puts the rows into their order; those of equal keys stay as they came.
    fn sort(&mut self) {
        let Self { collection, rows } = self;
        rows.sort_by(|a, b| collection.order(a, b));
    }
}

impl Collection {
    fn order(&self, a: &[ScalarValue], b: &[ScalarValue]) -> Ordering {
        for (at, (_, direction)) in self.keys.iter().enumerate() {
            let (a, b) = (&a[at + 1], &b[at + 1]);
            let order = match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if direction.nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if direction.nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
                    if direction.ascending { order } else { order.reverse() }
                }
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// Sorted values counted, the most frequent first; of equal counts the lesser.
fn frequent(values: Vec<ScalarValue>, most: usize, element: &DataType) -> Result<Vec<ScalarValue>> {
    let mut counts: Vec<(ScalarValue, i64)> = Vec::new();
    for value in values.into_iter().map(member) {
        match counts.last_mut() {
            Some((known, count)) if *known == value => *count += 1,
            _ => counts.push((value, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(most);
    let ArrowType::Struct(fields) = arrow_type(element) else {
        return Err(evaluation("a count without its value"));
    };
    let records = counts.into_iter().map(|(value, count)| {
        let columns = vec![value.to_array()?, ScalarValue::from(count).to_array()?];
        let record = StructArray::try_new(fields.clone(), columns, None)?;
        Ok(ScalarValue::Struct(Arc::new(record)))
    });
    records.collect()
}

impl Accumulator for Rows {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        for at in 0..columns[0].len() {
            let row: Result<Vec<ScalarValue>> =
                columns.iter().map(|column| ScalarValue::try_from_array(column, at)).collect();
            let row = row?;
            if !(self.collection.ignore_nulls && row[0].is_null()) {
                self.rows.push(row);
            }
        }
        if let Some(limit) = self.collection.limit
            && !self.collection.distinct
            && self.rows.len() / 2 > limit.max(FEW)
        {
            self.sort();
            self.rows.truncate(limit);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.sort();
        let rows = self.rows.clone();
        let mut seen = HashSet::new();
        let mut values = Vec::new();
        for row in rows {
            let Some(value) = row.into_iter().next() else { continue };
            if !self.collection.distinct {
                values.push(value);
            } else if seen.insert(member(value.clone())) {
                values.push(member(value));
            }
        }
        let any = !values.is_empty();
        values.truncate(self.collection.limit.unwrap_or(usize::MAX));
        if !any {
            return ScalarValue::try_from(&arrow_type(&self.collection.result()));
        }
        let element = self.collection.element();
        let values = match &self.collection.finish {
            Finish::Text(delimiter) => {
                let texts = values.iter().filter_map(|v| v.try_as_str().flatten());
                let text = texts.collect::<Vec<_>>().join(delimiter);
                return Ok(ScalarValue::Utf8View(Some(text)));
            }
            Finish::Array => values,
            Finish::Quantiles(parts) => {
                let last = values.len() - 1;
                (0..=*parts).map(|at| values[at * last / parts].clone()).collect()
            }
            Finish::Frequent(most) => frequent(values, *most, &element)?,
        };
        let lengths = OffsetBuffer::from_lengths([values.len()]);
        let elements = if values.is_empty() {
            new_empty_array(&arrow_type(&element))
        } else {
            ScalarValue::iter_to_array(values)?
        };
        let field = list_field(&element);
        let list = ListArray::try_new(field, lengths, elements, None)?;
        Ok(ScalarValue::List(Arc::new(list)))
    }

    fn size(&self) -> usize {
        let rows = self.rows.iter().flatten().map(ScalarValue::size).sum::<usize>();
        size_of_val(self) + rows
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.collection.columns().into_iter().enumerate();
        let lists = columns.map(|(at, kind)| {
            let values: Vec<ScalarValue> = self.rows.iter().map(|row| row[at].clone()).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&values, &kind))
        });
        Ok(lists.collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for at in 0..states[0].len() {
            let columns: Vec<ArrayRef> =
                states.iter().map(|state| state.as_list::<i32>().value(at)).collect();
            self.update_batch(&columns)?;
        }
        Ok(())
    }
}
