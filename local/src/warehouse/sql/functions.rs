//! The functions that may be called: GoogleSQL's name, the argument types, the result, and what runs for a row.
//!
//! To add one, write an [`Overload`] in its family's file and a case in the exactness tests. A function that
//! needs more than rows of values (a date part, types of its arguments) is bound by its family's `bind`.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::refusal::invalid;
use super::rowwise::{Cell, Row, native, per_row};
use super::typed::{Origin, Typed, mixed};

pub(crate) mod arithmetic;
pub(crate) mod calendar;
pub(crate) mod cast;
pub(crate) mod dates;
pub(crate) mod math;
pub(crate) mod text;
pub(crate) mod wording;

/// One signature of a function.
pub(crate) struct Overload {
    /// Its GoogleSQL name, in upper case; an operator's is its sign.
    pub(crate) name: &'static str,
    /// The arguments' types.
    pub(crate) args: &'static [DataType],
    /// Whether the last argument may come any number of times more.
    pub(crate) variadic: bool,
    /// The result's type.
    pub(crate) result: DataType,
    /// One row without NULLs; a NULL argument makes the result NULL.
    pub(crate) run: fn(&Row<'_>) -> Result<Cell, String>,
}

/// A signature of a fixed number of arguments.
pub(crate) const fn fixed(
    name: &'static str,
    args: &'static [DataType],
    result: DataType,
    run: fn(&Row<'_>) -> Result<Cell, String>,
) -> Overload {
    Overload { name, args, variadic: false, result, run }
}

const FAMILIES: &[&[Overload]] =
    &[arithmetic::OVERLOADS, math::OVERLOADS, text::OVERLOADS, calendar::OVERLOADS];

fn overloads(name: &str) -> impl Iterator<Item = &'static Overload> {
    FAMILIES.iter().flat_map(|family| family.iter()).filter(move |o| o.name == name)
}

/// Whether a row function of this name exists.
pub(crate) fn exists(name: &str) -> bool {
    overloads(name).next().is_some()
}

/// Calls the overload that needs the fewest coercions; earlier ones win ties.
pub(crate) fn call(name: &str, args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let mut best: Option<(usize, &Overload)> = None;
    for overload in overloads(name) {
        let Some(cost) = cost(overload, &args) else { continue };
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, overload));
        }
    }
    let Some((_, overload)) = best else {
        let kinds: Vec<_> = args.iter().map(Typed::kind_name).collect();
        let message =
            format!("no matching signature of {name} for the types ({})", kinds.join(", "));
        return Err(invalid(message, span));
    };
    let float_literal =
        |a: &Typed| a.kind == DataType::Float64 && matches!(a.origin, Origin::Known(_));
    if args.iter().any(float_literal) && args.iter().any(|a| a.kind == DataType::Numeric) {
        return Err(mixed(span));
    }
    let mut exprs = Vec::with_capacity(args.len());
    let mut label = String::from(name);
    for (at, arg) in args.into_iter().enumerate() {
        let kind = &overload.args[at.min(overload.args.len() - 1)];
        label = label + " " + &kind.to_string();
        exprs.push(arg.coerce(kind, span)?.expr);
    }
    let evaluate = per_row(&overload.result, true, Arc::new(overload.run));
    let expr = native(label, 0, &overload.result, exprs, evaluate);
    Ok(Typed::computed(expr, overload.result.clone()))
}

fn cost(overload: &Overload, args: &[Typed]) -> Option<usize> {
    let enough = if overload.variadic {
        args.len() >= overload.args.len()
    } else {
        args.len() == overload.args.len()
    };
    if !enough {
        return None;
    }
    let mut coercions = 0;
    for (at, arg) in args.iter().enumerate() {
        let kind = &overload.args[at.min(overload.args.len() - 1)];
        if !arg.coerces_to(kind) {
            return None;
        }
        if arg.kind != *kind && arg.origin != Origin::Null {
            coercions += 1;
        }
    }
    Some(coercions)
}
