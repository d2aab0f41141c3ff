//! Functions of arrays: those that make one, and those of elements of any type.

use std::cmp::Ordering;
use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType::{self, Date, Int64, Numeric, String as Text};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringViewArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{interleave, take};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{evaluation, invalid, not_here};
use super::super::rowwise::{Cell, native};
use super::super::typed::{Typed, supertype};
use super::{Overload, listing};
use crate::warehouse::numeric::ONE;
use crate::warehouse::values::list_field;

/// `GENERATE_ARRAY` of INT64 and NUMERIC, and `GENERATE_DATE_ARRAY` by days.
pub(crate) const OVERLOADS: &[Overload] = &[
    listing("GENERATE_ARRAY", &[Int64, Int64], Int64, |r| whole(r.int(0), r.int(1), 1)),
    listing("GENERATE_ARRAY", &[Int64, Int64, Int64], Int64, |r| {
        whole(r.int(0), r.int(1), r.int(2))
    }),
    listing("GENERATE_ARRAY", &[Numeric, Numeric], Numeric, |r| {
        decimals(r.numeric(0), r.numeric(1), ONE)
    }),
    listing("GENERATE_ARRAY", &[Numeric, Numeric, Numeric], Numeric, |r| {
        decimals(r.numeric(0), r.numeric(1), r.numeric(2))
    }),
    listing("GENERATE_DATE_ARRAY", &[Date, Date], Date, |r| {
        Ok(Cell::List((r.date(0)..=r.date(1)).map(Cell::Date).collect()))
    }),
];

/// The functions that [`bind`] knows.
pub(crate) const NAMES: &[&str] = &[
    "ARRAY_LENGTH",
    "ARRAY_REVERSE",
    "ARRAY_CONCAT",
    "ARRAY_TO_STRING",
    "ARRAY_FIRST",
    "ARRAY_LAST",
];

/// The longest array that is generated, so that one cell does not exhaust memory.
const MOST: usize = 1 << 20;

fn whole(start: i64, end: i64, step: i64) -> Result<Cell, String> {
    let next = |count: usize| {
        i64::try_from(count).ok().and_then(|count| count.checked_mul(step)?.checked_add(start))
    };
    series("GENERATE_ARRAY", end, step.cmp(&0), next, |value| Ok(Cell::Int(value)))
}

fn decimals(start: i128, end: i128, step: i128) -> Result<Cell, String> {
    let next = |count: usize| {
        i128::try_from(count).ok().and_then(|count| count.checked_mul(step)?.checked_add(start))
    };
    series("GENERATE_ARRAY", end, step.cmp(&0), next, |value| Ok(Cell::Numeric(value)))
}

/// The values of a series from its first one on, as far as its end; `way` is where its steps lead.
pub(super) fn series<T: Copy + PartialOrd>(
    name: &str,
    end: T,
    way: Ordering,
    next: impl Fn(usize) -> Option<T>,
    cell: impl Fn(T) -> Result<Cell, String>,
) -> Result<Cell, String> {
    let beyond = |value: &T| match way {
        Ordering::Greater => *value > end,
        Ordering::Less | Ordering::Equal => *value < end,
    };
    if way == Ordering::Equal {
        return Err(format!("{name} with the step 0"));
    }
    let mut items = Vec::new();
    while let Some(value) = next(items.len()).filter(|value| !beyond(value)) {
        if items.len() == MOST {
            return Err(not_here(format!("{name} of more than {MOST} elements")));
        }
        items.push(cell(value)?);
    }
    Ok(Cell::List(items))
}

/// `ARRAY_TO_STRING`: NULL elements are left out, or are the third value.
fn to_string(args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let texts = DataType::Array(Box::new(Text));
    if !(2..=3).contains(&args.len()) {
        return Err(invalid(
            "ARRAY_TO_STRING takes an array, a delimiter and a text for NULL",
            span,
        ));
    }
    let mut exprs = Vec::with_capacity(args.len());
    for (at, arg) in args.into_iter().enumerate() {
        exprs.push(arg.coerce(if at == 0 { &texts } else { &Text }, span)?.expr);
    }
    let joined = |columns: &[ArrayRef], rows: usize| {
        let lists = columns[0].as_list::<i32>();
        let line = |row: usize| {
            if columns.iter().any(|c| c.is_null(row)) {
                return None;
            }
            let text = |at: usize| columns.get(at).map(|c| c.as_string_view().value(row));
            let items = lists.value(row);
            let items = items.as_string_view().iter();
            let kept: Vec<&str> = items.filter_map(|item| item.or(text(2))).collect();
            Some(kept.join(text(1).unwrap_or_default()))
        };
        Ok(Arc::new((0..rows).map(line).collect::<StringViewArray>()) as ArrayRef)
    };
    Ok(Typed::computed(native("ARRAY_TO_STRING", 0, &Text, exprs, Arc::new(joined)), Text))
}

/// `ARRAY_FIRST` and `ARRAY_LAST` of an array that is not empty.
fn end(name: &'static str, array: Typed, span: Span) -> Result<Typed, PortError> {
    let DataType::Array(element) = array.kind.clone() else {
        let kind = array.kind_name();
        return Err(invalid(format!("{name} of a {kind}, which is no array"), span));
    };
    let last = name == "ARRAY_LAST";
    let pick = move |columns: &[ArrayRef], rows: usize| {
        let lists = columns[0].as_list::<i32>();
        let mut places = Vec::with_capacity(rows);
        for row in 0..rows {
            let [from, to] = [lists.value_offsets()[row], lists.value_offsets()[row + 1]];
            if lists.is_valid(row) && from == to {
                return Err(evaluation(format!("{name} of an empty array")));
            }
            let place = if last { to - 1 } else { from };
            places.push(lists.is_valid(row).then_some(i64::from(place)));
        }
        Ok(take(lists.values(), &Int64Array::from(places), None)?)
    };
    let expr = native(name, 0, &element, vec![array.expr], Arc::new(pick));
    Ok(Typed::computed(expr, *element))
}

/// Binds one of [`NAMES`].
pub(crate) fn bind(name: &str, args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    if name == "ARRAY_TO_STRING" {
        return to_string(args, span);
    }
    if let (Some(name), [_]) =
        (["ARRAY_FIRST", "ARRAY_LAST"].into_iter().find(|n| *n == name), &args[..])
    {
        let array = args.into_iter().next();
        return end(name, array.unwrap_or_else(Typed::null), span);
    }
    let count = args.len();
    if count == 0 || (count > 1 && name != "ARRAY_CONCAT") {
        return Err(invalid(format!("{name} of {count} values"), span));
    }
    let kind = supertype(&args, span)?;
    let DataType::Array(element) = kind.clone() else {
        return Err(invalid(format!("{name} of a {kind}, which is no array"), span));
    };
    let coerced: Result<Vec<_>, _> =
        args.into_iter().map(|arg| arg.coerce(&kind, span).map(|a| a.expr)).collect();
    if name == "ARRAY_LENGTH" {
        let lengths = |columns: &[ArrayRef], rows: usize| {
            let lists = columns[0].as_list::<i32>();
            let length = |at| (!lists.is_null(at)).then(|| i64::from(lists.value_length(at)));
            Ok(Arc::new((0..rows).map(length).collect::<Int64Array>()) as ArrayRef)
        };
        return Ok(Typed::computed(native(name, 0, &Int64, coerced?, Arc::new(lengths)), Int64));
    }
    let backwards = name == "ARRAY_REVERSE";
    let joined = move |columns: &[ArrayRef], rows: usize| {
        let lists: Vec<&ListArray> = columns.iter().map(AsArray::as_list::<i32>).collect();
        let (mut places, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let before = places.len();
            let known = lists.iter().all(|list| !list.is_null(row));
            for (at, list) in lists.iter().enumerate().filter(|_| known) {
                let ends = [list.value_offsets()[row], list.value_offsets()[row + 1]];
                let [from, to] = ends.map(|end| usize::try_from(end).unwrap_or_default());
                places.extend((from..to).map(|element| (at, element)));
            }
            if backwards {
                places[before..].reverse();
            }
            lengths.push(places.len() - before);
            valid.push(known);
        }
        let values: Vec<&dyn Array> = lists.iter().map(|list| list.values().as_ref()).collect();
        let items = interleave(&values, &places)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(list_field(&element), offsets, items, Some(valid.into()))?;
        Ok(Arc::new(list) as ArrayRef)
    };
    Ok(Typed::computed(native(name, 0, &kind, coerced?, Arc::new(joined)), kind))
}
