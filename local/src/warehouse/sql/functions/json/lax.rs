//! The LAX functions: what a JSON value can be taken for, and NULL where it cannot.

use common::warehouse::DataType::{Bool, Float64, Int64, String as Text};

use super::super::super::refusal::not_here;
use super::super::super::rowwise::Cell;
use super::super::wording::{self, Misread};
use super::super::{Overload, fixed};
use super::J;
use super::document::{Kind, Node, parse};
use crate::warehouse::numeric;

/// `LAX_BOOL`, `LAX_INT64`, `LAX_FLOAT64` and `LAX_STRING`.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("LAX_BOOL", J, Bool, |r| {
        Ok(match parse(r.text(0))? {
            Node::Bool(value) => Cell::Bool(value),
            Node::Number(text) => Cell::Bool(double(&text)? != 0.0),
            Node::Text(text) => wording::bool(&text).map_or(Cell::Null, Cell::Bool),
            Node::Null | Node::List(_) | Node::Record(_) => Cell::Null,
        })
    }),
    fixed("LAX_INT64", J, Int64, |r| match parse(r.text(0))? {
        Node::Bool(value) => Ok(Cell::Int(i64::from(value))),
        Node::Number(text) | Node::Text(text) => whole(&text),
        Node::Null | Node::List(_) | Node::Record(_) => Ok(Cell::Null),
    }),
    fixed("LAX_FLOAT64", J, Float64, |r| match parse(r.text(0))? {
        Node::Number(text) => double(&text).map(Cell::Float),
        Node::Text(text) => match wording::float(&text) {
            Ok(value) => Ok(Cell::Float(value)),
            Err(Misread::Wrong(_)) => Ok(Cell::Null),
            Err(Misread::Unsure(message)) => Err(not_here(message)),
        },
        Node::Null | Node::Bool(_) | Node::List(_) | Node::Record(_) => Ok(Cell::Null),
    }),
    fixed("LAX_STRING", J, Text, |r| {
        Ok(parse(r.text(0))?.scalar(Kind::Spelled)?.map_or(Cell::Null, Cell::Text))
    }),
];

fn double(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| not_here(format!("the JSON number {text}")))
}

/// A number rounded to a whole one, half away from zero.
fn whole(text: &str) -> Result<Cell, String> {
    if let Ok(value) = text.parse() {
        return Ok(Cell::Int(value));
    }
    // Longer ones are rounded twice here.
    if text.len() > 18 || text != text.trim() {
        return Err(not_here(format!("LAX_INT64 of {text}")));
    }
    let value = numeric::parse(text).map(|scaled| numeric::divide_rounding(scaled, numeric::ONE));
    let decimals = text.split_once('.').map_or(0, |(_, rest)| rest.len());
    if decimals > 9 || (decimals > 0 && text.contains(['e', 'E'])) {
        return Err(not_here(format!("LAX_INT64 of {text}")));
    }
    Ok(value.and_then(|value| i64::try_from(value).ok()).map_or(Cell::Null, Cell::Int))
}
