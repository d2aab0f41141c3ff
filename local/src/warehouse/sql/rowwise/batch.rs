//! The arguments of row functions, read by their type.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

use crate::warehouse::sql::refusal::evaluation;

/// An argument's values.
enum Values<'a> {
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    Numerics(&'a [i128]),
    Bools(&'a BooleanArray),
    Texts(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Days(&'a [i32]),
    Micros(&'a [i64]),
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            ArrowType::Int64 => Self::Ints(array.as_primitive::<Int64Type>().values()),
            ArrowType::Float64 => Self::Floats(array.as_primitive::<Float64Type>().values()),
            ArrowType::Decimal128(..) => {
                Self::Numerics(array.as_primitive::<Decimal128Type>().values())
            }
            ArrowType::Boolean => Self::Bools(array.as_boolean()),
            ArrowType::Utf8View => Self::Texts(array.as_string_view()),
            ArrowType::BinaryView => Self::Bytes(array.as_binary_view()),
            ArrowType::Date32 => Self::Days(array.as_primitive::<Date32Type>().values()),
            ArrowType::Timestamp(..) => {
                Self::Micros(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            ArrowType::Time64(_) => {
                Self::Micros(array.as_primitive::<Time64MicrosecondType>().values())
            }
            other => return Err(evaluation(format!("a row function of a value of type {other}"))),
        })
    }
}

/// An argument: one value a row, or one that is every row's, to which each row steps by 0.
struct Argument<'a> {
    values: Values<'a>,
    step: usize,
}

/// The arguments of a batch's rows; the caller knows their types.
pub(crate) struct Batch<'a> {
    arguments: Vec<Argument<'a>>,
    nulls: Option<NullBuffer>,
    rows: usize,
}

impl<'a> Batch<'a> {
    /// Reads the columns, of which those of constants have one value; `None` where a constant is NULL.
    pub(super) fn of(
        columns: &'a [ArrayRef],
        values: &[ColumnarValue],
        rows: usize,
    ) -> Result<Option<Self>> {
        let mut nulls = None;
        let mut arguments = Vec::with_capacity(columns.len());
        for (column, value) in columns.iter().zip(values) {
            let constant = matches!(value, ColumnarValue::Scalar(_));
            let found = column.logical_nulls().filter(|found| found.null_count() > 0);
            if found.is_some() && constant {
                return Ok(None);
            }
            nulls = NullBuffer::union(nulls.as_ref(), found.as_ref());
            arguments.push(Argument { values: Values::of(column)?, step: usize::from(!constant) });
        }
        Ok(Some(Self { arguments, nulls, rows }))
    }

    /// A row; `None` where one of its arguments is NULL.
    pub(super) fn row(&self, at: usize) -> Option<Row<'_>> {
        let null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
        (!null).then_some(Row { arguments: &self.arguments, at })
    }

    /// One value for each row without a NULL; `None` as soon as one has none.
    pub(crate) fn each<T: ArrowPrimitiveType>(
        &self,
        value: impl Fn(&Row<'_>) -> Option<T::Native>,
    ) -> Option<PrimitiveArray<T>> {
        let mut values = Vec::with_capacity(self.rows);
        for at in 0..self.rows {
            values.push(match self.row(at) {
                Some(row) => value(&row)?,
                None => T::Native::default(),
            });
        }
        Some(PrimitiveArray::new(values.into(), self.nulls.clone()))
    }

    /// Whether each row passes; what it says of a row with a NULL is nobody's.
    pub(crate) fn test(&self, passes: impl Fn(&Row<'_>) -> bool) -> ArrayRef {
        let test = |at| self.row(at).is_some_and(|row| passes(&row));
        let values = BooleanBuffer::collect_bool(self.rows, test);
        Arc::new(BooleanArray::new(values, self.nulls.clone()))
    }

    /// A STRING argument that is the same in every row.
    pub(crate) fn constant_text(&self, argument: usize) -> Option<&'a str> {
        match self.arguments.get(argument)? {
            Argument { values: Values::Texts(texts), step: 0 } => Some(texts.value(0)),
            _ => None,
        }
    }
}

/// One row's arguments, of which none is NULL.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    arguments: &'a [Argument<'a>],
    at: usize,
}

macro_rules! argument {
    ($row:expr, $argument:expr, $kind:ident) => {{
        let argument = &$row.arguments[$argument];
        let Values::$kind(values) = argument.values else {
            unreachable!("an argument has the type that its function was bound with")
        };
        (values, $row.at * argument.step)
    }};
}

impl<'a> Row<'a> {
    /// An INT64 argument.
    pub(crate) fn int(&self, argument: usize) -> i64 {
        let (values, at) = argument!(self, argument, Ints);
        values[at]
    }

    /// A FLOAT64 argument.
    pub(crate) fn float(&self, argument: usize) -> f64 {
        let (values, at) = argument!(self, argument, Floats);
        values[at]
    }

    /// A NUMERIC argument, scaled.
    pub(crate) fn numeric(&self, argument: usize) -> i128 {
        let (values, at) = argument!(self, argument, Numerics);
        values[at]
    }

    /// A BOOL argument.
    pub(crate) fn bool(&self, argument: usize) -> bool {
        let (values, at) = argument!(self, argument, Bools);
        values.value(at)
    }

    /// A STRING or JSON argument.
    pub(crate) fn text(&self, argument: usize) -> &'a str {
        let (values, at) = argument!(self, argument, Texts);
        values.value(at)
    }

    /// A BYTES argument.
    pub(crate) fn bytes(&self, argument: usize) -> &'a [u8] {
        let (values, at) = argument!(self, argument, Bytes);
        values.value(at)
    }

    /// A DATE argument, days since 1970.
    pub(crate) fn date(&self, argument: usize) -> i32 {
        let (values, at) = argument!(self, argument, Days);
        values[at]
    }

    /// A TIMESTAMP, DATETIME or TIME argument, microseconds since 1970 or midnight.
    pub(crate) fn micros(&self, argument: usize) -> i64 {
        let (values, at) = argument!(self, argument, Micros);
        values[at]
    }

    /// How many arguments there are.
    pub(crate) fn len(&self) -> usize {
        self.arguments.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::warehouse::{DataType, Value};
    use datafusion::arrow::array::UInt32Array;
    use datafusion::arrow::compute::take;
    use datafusion::scalar::ScalarValue;

    use super::super::{ByRow, Whole, by_rows};
    use super::*;
    use crate::warehouse::sql::functions::all;
    use crate::warehouse::values::array_of;

    fn edges(kind: &DataType) -> Vec<Value> {
        let numerics = ["0", "-0.000000001", "1.5", "99999999999999999999999999999.999999999"];
        let mut values = match kind {
            DataType::Int64 => [0, 1, -1, 3, i64::MIN, i64::MAX].map(Value::Int64).to_vec(),
            DataType::Float64 => [0.0, -0.0, 1.5, 1e-308, f64::MAX, f64::NEG_INFINITY, f64::NAN]
                .map(Value::Float64)
                .to_vec(),
            DataType::Numeric => numerics.map(|text| Value::Numeric(text.to_owned())).to_vec(),
            _ => ["", "a+", "aab", "(", "ä"].map(|text| Value::String(text.to_owned())).to_vec(),
        };
        values.push(Value::Null);
        values
    }

    #[test]
    fn all_rows_at_once_come_to_what_each_row_does() {
        let mut tested = 0;
        for overload in all() {
            let Some(whole) = overload.whole else { continue };
            let slow = ByRow { run: Arc::new(overload.run), whole: None };
            let fast = ByRow { whole: Some(Arc::new(whole) as Whole), ..slow.clone() };
            let [left, right] = overload.args else { panic!("{} of two values", overload.name) };
            let (lefts, rights) = (edges(left), edges(right));
            let pairs =
                lefts.iter().flat_map(|a| rights.iter().map(move |b| (a.clone(), b.clone())));
            let (a, b): (Vec<_>, Vec<_>) = pairs.unzip();
            let columns = [array_of(&a, left).unwrap(), array_of(&b, right).unwrap()];
            let answer = |columns: &[ArrayRef], function: &ByRow| {
                let arguments: Vec<_> = columns.iter().cloned().map(ColumnarValue::Array).collect();
                by_rows(&overload.result, &arguments, columns[0].len(), function)
                    .map_err(|e| e.to_string())
            };
            let mut right_ones = Vec::new();
            for at in 0..a.len() {
                let row = columns.each_ref().map(|column| column.slice(at, 1));
                let constant = ScalarValue::try_from_array(&row[1], 0).unwrap();
                let mixed =
                    [ColumnarValue::Array(Arc::clone(&row[0])), ColumnarValue::Scalar(constant)];
                let of_constant = |function| {
                    by_rows(&overload.result, &mixed, 1, function).map_err(|e| e.to_string())
                };
                let answers = [&slow, &fast].map(|function| answer(&row, function));
                assert_eq!([&slow, &fast].map(of_constant), answers);
                let case = format!("{}({:?}, {:?})", overload.name, a[at], b[at]);
                assert_eq!(answers[0], answers[1], "{case}");
                if answers[0].is_ok() {
                    right_ones.push(u32::try_from(at).unwrap());
                }
            }
            let chosen = UInt32Array::from(right_ones);
            let columns = columns.map(|column| take(&column, &chosen, None).unwrap());
            assert_eq!(answer(&columns, &slow), answer(&columns, &fast), "{}", overload.name);
            tested += 1;
        }
        assert!(tested > 15, "{tested}");
    }
}
