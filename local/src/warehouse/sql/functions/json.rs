//! JSON functions, over STRINGs of JSON and over JSON values.
//!
//! A STRING keeps its numbers and the order of its members as written; a JSON value has one order and one spelling. A STRING
//! that is not JSON, and whatever BigQuery may spell otherwise, refuses the row.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType::{self, Bool, Float64, Int64, Json, String as Text};
use common::warehouse::Value;
use datafusion::arrow::array::{ArrayRef, StringViewArray};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{evaluation, invalid, not_here, refuses, unsupported};
use super::super::rowwise::{Cell, PerRow, native, per_row};
use super::super::typed::{Origin, Typed};
use super::{Overload, fixed};
use document::{Kind, Node};
use encode::{Target, encode};
use path::{Step, Unread};

mod document;
mod encode;
pub(super) mod lax;
mod path;

const J: &[DataType] = &[Json];

/// What needs no path: reading JSON, its type, and its scalars. The names with a space are not GoogleSQL's.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("PARSE_JSON", &[Text], Json, |r| canonical(r.text(0)).map(Cell::Text)),
    fixed("JSON_TYPE", J, Text, |r| {
        let name = match document::parse(r.text(0))? {
            Node::Null => "null",
            Node::Bool(_) => "boolean",
            Node::Number(_) => "number",
            Node::Text(_) => "string",
            Node::List(_) => "array",
            Node::Record(_) => "object",
        };
        Ok(Cell::Text(name.to_owned()))
    }),
    fixed("BOOL", J, Bool, |r| match document::parse(r.text(0))? {
        Node::Bool(value) => Ok(Cell::Bool(value)),
        _ => Err("the JSON value is not a boolean".to_owned()),
    }),
    fixed("STRING", J, Text, |r| match document::parse(r.text(0))? {
        Node::Text(text) => Ok(Cell::Text(text)),
        _ => Err("the JSON value is not a string".to_owned()),
    }),
    fixed("INT64", J, Int64, |r| match document::parse(r.text(0))? {
        Node::Number(text) => int64(&text),
        _ => Err("the JSON value is not a number".to_owned()),
    }),
    fixed("FLOAT64", J, Float64, |r| match document::parse(r.text(0))? {
        Node::Number(text) => {
            let value: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
            if value.is_finite() {
                Ok(Cell::Float(value))
            } else {
                Err(not_here(format!("FLOAT64 of the JSON number {text}")))
            }
        }
        _ => Err("the JSON value is not a number".to_owned()),
    }),
    fixed("JSON MEMBER", &[Json, Text], Json, |r| {
        let document = document::parse(r.text(0))?;
        valued(document.member(r.text(1), Kind::Value)?)
    }),
    fixed("JSON ELEMENT", &[Json, Int64], Json, |r| {
        let document = document::parse(r.text(0))?;
        let Node::List(items) = &document else { return Ok(Cell::Null) };
        valued(usize::try_from(r.int(1)).ok().and_then(|at| items.get(at)))
    }),
];

/// The functions that [`bind`] knows.
pub(crate) const NAMES: &[&str] = &[
    "JSON_VALUE",
    "JSON_EXTRACT_SCALAR",
    "JSON_QUERY",
    "JSON_EXTRACT",
    "JSON_VALUE_ARRAY",
    "JSON_EXTRACT_STRING_ARRAY",
    "JSON_QUERY_ARRAY",
    "JSON_EXTRACT_ARRAY",
    "TO_JSON",
    "TO_JSON_STRING",
];

/// A JSON value's text, whatever it was written as.
pub(crate) fn canonical(text: &str) -> Result<String, String> {
    document::parse(text)?.written(Kind::Value)
}

fn valued(node: Option<&Node>) -> Result<Cell, String> {
    node.map_or(Ok(Cell::Null), |node| node.written(Kind::Value).map(Cell::Text))
}

fn int64(text: &str) -> Result<Cell, String> {
    if let Ok(value) = text.parse() {
        return Ok(Cell::Int(value));
    }
    // Up to 2^53 a double without a fraction is the whole number it shows.
    let value: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if value.abs() >= 9_007_199_254_740_992.0 {
        return Err(not_here(format!("INT64 of the JSON number {text}")));
    }
    let whole = format!("{value:.0}").parse().ok().filter(|_| value.fract() == 0.0);
    whole.map(Cell::Int).ok_or_else(|| format!("the JSON number {text} is not an INT64"))
}

/// What a function takes from the value at its path.
#[derive(Debug, Clone, Copy)]
enum Take {
    Scalar,
    Scalars,
    Whole,
    Elements,
}

/// Binds one of [`NAMES`].
pub(crate) fn bind(name: &str, args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let (take, standard, must) = match name {
        "TO_JSON_STRING" => return to_json(name, args, Target::Text, span),
        "TO_JSON" => return to_json(name, args, Target::Value, span),
        "JSON_VALUE" => (Take::Scalar, true, false),
        "JSON_EXTRACT_SCALAR" => (Take::Scalar, false, false),
        "JSON_VALUE_ARRAY" => (Take::Scalars, true, false),
        "JSON_EXTRACT_STRING_ARRAY" => (Take::Scalars, false, false),
        "JSON_QUERY_ARRAY" => (Take::Elements, true, false),
        "JSON_EXTRACT_ARRAY" => (Take::Elements, false, false),
        "JSON_QUERY" => (Take::Whole, true, true),
        _ => (Take::Whole, false, true),
    };
    let count = args.len();
    let mut args = args.into_iter();
    let (Some(value), path, None) = (args.next(), args.next(), args.next()) else {
        return Err(invalid(
            format!("{name} takes a value and a JSONPath, not {count} values"),
            span,
        ));
    };
    let written = match path.map(|path| path.origin) {
        None if must => return Err(unsupported(format!("{name} without a JSONPath"), span)),
        None => "$".to_owned(),
        Some(Origin::Known(Value::String(path))) => path,
        Some(_) => return Err(unsupported(format!("{name} with a computed JSONPath"), span)),
    };
    let steps = path::parse(&written, standard).map_err(|unread| match unread {
        Unread::Wrong(message) => invalid(message, span),
        Unread::Unsure => unsupported(format!("the JSONPath '{written}' of {name}"), span),
    })?;
    let kind = if value.kind == Json { Kind::Value } else { Kind::Text };
    let value = if kind == Kind::Value { value } else { value.coerce(&Text, span)? };
    let part = if kind == Kind::Value { Json } else { Text };
    let result = match take {
        Take::Scalar => Text,
        Take::Scalars => DataType::Array(Box::new(Text)),
        Take::Whole => part,
        Take::Elements => DataType::Array(Box::new(part)),
    };
    let run: PerRow = Arc::new(move |row| taken(row.text(0), &steps, take, kind));
    let label = format!("{name} {kind:?} {written}");
    let expr = per_row(label, &result, vec![value.expr], run);
    Ok(Typed::computed(expr, result))
}

fn taken(text: &str, steps: &[Step], take: Take, kind: Kind) -> Result<Cell, String> {
    // A STRING is read by more lenient rules, which are not all written down.
    let document = document::parse(text).map_err(|message| {
        if refuses(&message) { message } else { not_here(format!("{message}, which")) }
    })?;
    let Some(node) = document.find(steps, kind)? else { return Ok(Cell::Null) };
    let (node, items) = match (take, node) {
        (Take::Scalar, node) => {
            return Ok(node.scalar(kind)?.map_or(Cell::Null, Cell::Text));
        }
        (Take::Whole, Node::Null) if kind == Kind::Text => return Ok(Cell::Null),
        (Take::Whole, node) => return node.written(kind).map(Cell::Text),
        (Take::Scalars | Take::Elements, Node::List(items)) => (take, items),
        (Take::Scalars | Take::Elements, _) => return Ok(Cell::Null),
    };
    let mut cells = Vec::with_capacity(items.len());
    for item in items {
        cells.push(match (node, item) {
            (Take::Scalars, Node::Null) => Cell::Null,
            (Take::Scalars, Node::List(_) | Node::Record(_)) => return Ok(Cell::Null),
            (Take::Scalars, item) => item.scalar(kind)?.map_or(Cell::Null, Cell::Text),
            (_, Node::Null) if kind == Kind::Text => {
                return Err(not_here("an array of JSON-formatted STRINGs with a null"));
            }
            (_, item) => Cell::Text(item.written(kind)?),
        });
    }
    Ok(Cell::List(cells))
}

fn to_json(name: &str, args: Vec<Typed>, target: Target, span: Span) -> Result<Typed, PortError> {
    let count = args.len();
    let mut args = args.into_iter();
    let (Some(value), options) = (args.next(), args) else {
        return Err(invalid(format!("{name} takes a value"), span));
    };
    for option in options {
        let off = target == Target::Text && count == 2;
        if !off || option.origin != Origin::Known(Value::Bool(false)) {
            return Err(unsupported(format!("{name} with options"), span));
        }
    }
    let kind = value.kind.clone();
    let evaluate = Arc::new(move |columns: &[ArrayRef], rows: usize| {
        let texts: Result<Vec<_>, _> = (0..rows)
            .map(|row| {
                let mut text = String::new();
                encode(&columns[0], row, &kind, target, &mut text)?;
                // A JSON value's members have an order of their own.
                if target == Target::Value { canonical(&text) } else { Ok(text) }
            })
            .collect();
        Ok(Arc::new(StringViewArray::from(texts.map_err(evaluation)?)) as ArrayRef)
    });
    let result = if target == Target::Text { Text } else { Json };
    let label = format!("{name} {}", value.kind);
    let expr = native(label, 0, &result, vec![value.expr], evaluate);
    Ok(Typed::computed(expr, result))
}
