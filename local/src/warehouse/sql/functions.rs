//! The functions that may be called: GoogleSQL's name, the argument types, the result, and what runs for a row.
//!
//! To add one, write an [`Overload`] in its family's file and a case in the exactness tests. A function that
//! needs more than rows of values (a date part, types of its arguments) is bound by its family's `bind`.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::ArrayRef;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::refusal::{invalid, refuses};
use super::rowwise::{Batch, ByRow, Cell, PerRow, Row, Whole, per_row};
use super::typed::{Origin, Typed, mixed};

pub(crate) mod arithmetic;
pub(crate) mod arrays;
pub(crate) mod calendar;
pub(crate) mod cast;
mod characters;
mod clock;
pub(crate) mod coalesced;
pub(crate) mod dates;
mod doubles;
pub(crate) mod extremes;
pub(crate) mod formats;
mod hashes;
pub(crate) mod json;
pub(crate) mod math;
mod octets;
mod parsing;
mod patterns;
mod powers;
pub(crate) mod printing;
mod regexps;
pub(crate) mod text;
pub(crate) mod wording;
pub(crate) mod zones;

/// One signature of a function.
pub(crate) struct Overload {
    /// Its GoogleSQL name, in upper case; an operator's is its sign.
    pub(crate) name: &'static str,
    /// The arguments' types.
    pub(crate) args: &'static [DataType],
    /// Whether the last argument may come any number of times more.
    pub(crate) variadic: bool,
    /// Whether the result is an ARRAY, of the type below.
    pub(crate) list: bool,
    /// The result's type.
    pub(crate) result: DataType,
    /// One row without NULLs; a NULL argument makes the result NULL.
    pub(crate) run: fn(&Row<'_>) -> Result<Cell, String>,
    /// The same over all rows at once; `None` where a row fails.
    pub(crate) whole: Option<fn(&Batch<'_>) -> Option<ArrayRef>>,
}

impl Overload {
    /// The same with a faster way where no row fails.
    const fn whole(mut self, whole: fn(&Batch<'_>) -> Option<ArrayRef>) -> Self {
        self.whole = Some(whole);
        self
    }
}

/// A signature of a fixed number of arguments.
pub(crate) const fn fixed(
    name: &'static str,
    args: &'static [DataType],
    result: DataType,
    run: fn(&Row<'_>) -> Result<Cell, String>,
) -> Overload {
    Overload { name, args, variadic: false, list: false, result, run, whole: None }
}

/// A signature whose result is an ARRAY of `element`.
const fn listing(
    name: &'static str,
    args: &'static [DataType],
    element: DataType,
    run: fn(&Row<'_>) -> Result<Cell, String>,
) -> Overload {
    Overload { name, args, variadic: false, list: true, result: element, run, whole: None }
}

const FAMILIES: &[&[Overload]] = &[
    arithmetic::OVERLOADS,
    math::OVERLOADS,
    text::OVERLOADS,
    characters::OVERLOADS,
    calendar::OVERLOADS,
    hashes::OVERLOADS,
    regexps::OVERLOADS,
    parsing::OVERLOADS,
    arrays::OVERLOADS,
    json::OVERLOADS,
    json::lax::OVERLOADS,
    clock::OVERLOADS,
    formats::OVERLOADS,
    octets::OVERLOADS,
    powers::OVERLOADS,
];

/// The functions of which every error of a row is GoogleSQL's own or says that it is not, as `SAFE.` needs it.
pub(crate) const SAFE: &[&str] = &[
    "ASCII",
    "BOOL",
    "CHR",
    "DATE_FROM_UNIX_DATE",
    "DIV",
    "FLOAT64",
    "FROM_HEX",
    "INITCAP",
    "INSTR",
    "INT64",
    "LEFT",
    "LPAD",
    "MD5",
    "MOD",
    "PARSE_DATE",
    "PARSE_DATETIME",
    "PARSE_JSON",
    "PARSE_TIME",
    "PARSE_TIMESTAMP",
    "REGEXP_CONTAINS",
    "REGEXP_EXTRACT",
    "REGEXP_EXTRACT_ALL",
    "REGEXP_REPLACE",
    "REGEXP_SUBSTR",
    "REPEAT",
    "REVERSE",
    "RIGHT",
    "RPAD",
    "SHA1",
    "SHA256",
    "SHA512",
    "SPLIT",
    "STRING",
    "SUBSTR",
    "TIMESTAMP_MICROS",
    "TIMESTAMP_MILLIS",
    "TIMESTAMP_SECONDS",
    "TO_BASE64",
    "TO_CODE_POINTS",
    "TO_HEX",
    "TRANSLATE",
    "UNICODE",
];

/// Whether `SAFE.` may stand before the function.
pub(crate) fn safe(name: &str) -> bool {
    SAFE.contains(&name)
}

/// Every signature.
pub(crate) fn all() -> impl Iterator<Item = &'static Overload> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

fn overloads(name: &str) -> impl Iterator<Item = &'static Overload> {
    all().filter(move |o| o.name == name)
}

/// Whether a statement may call the function: operators and the binder's own helpers have no such names.
pub(crate) fn callable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Signatures that are BigQuery's and refuse every row, so that no other takes their place.
const REFUSING: &[(&str, &[DataType])] = &[
    ("POW", &[DataType::Numeric, DataType::Numeric]),
    ("POWER", &[DataType::Numeric, DataType::Numeric]),
    ("SQRT", &[DataType::Numeric]),
    ("TRUNC", &[DataType::Float64, DataType::Int64]),
];

/// Whether a statement may call this signature and have an answer.
pub(crate) fn answers(overload: &Overload) -> bool {
    let refusing =
        |(name, args): &(&str, &[DataType])| *name == overload.name && *args == overload.args;
    callable(overload.name) && !REFUSING.iter().any(refusing)
}

/// Whether a row function of this name exists.
pub(crate) fn exists(name: &str) -> bool {
    callable(name) && overloads(name).next().is_some()
}

/// Calls the overload that needs the fewest coercions; earlier ones win ties.
pub(crate) fn call(name: &str, args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    called(name, args, false, span)
}

/// As [`call`], with NULL in place of GoogleSQL's errors where `safe`.
pub(crate) fn called(
    name: &str,
    args: Vec<Typed>,
    safe: bool,
    span: Span,
) -> Result<Typed, PortError> {
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
    let mut label = if safe { format!("SAFE {name}") } else { name.to_owned() };
    for (at, arg) in args.into_iter().enumerate() {
        let kind = &overload.args[at.min(overload.args.len() - 1)];
        label = label + " " + &kind.to_string();
        exprs.push(arg.coerce(kind, span)?.expr);
    }
    let result = if overload.list {
        DataType::Array(Box::new(overload.result.clone()))
    } else {
        overload.result.clone()
    };
    let run = forgiving(Arc::new(overload.run), safe);
    let whole = overload.whole.map(|whole| Arc::new(whole) as Whole);
    let expr = per_row(label, &result, exprs, ByRow { run, whole });
    Ok(Typed::computed(expr, result))
}

/// The same function, with NULL in place of GoogleSQL's errors where `safe`.
fn forgiving(run: PerRow, safe: bool) -> PerRow {
    if !safe {
        return run;
    }
    Arc::new(move |row| match run(row) {
        Err(message) if !refuses(&message) => Ok(Cell::Null),
        answer => answer,
    })
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
