//! GREATEST and LEAST of several values.

use std::cmp::Ordering;
use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{invalid, unsupported};
use super::super::rowwise::{Cell, PerRow, Row, per_row};
use super::super::typed::{Typed, supertype};

/// The functions that [`bind`] knows.
pub(crate) const NAMES: &[&str] = &["GREATEST", "LEAST"];

/// Binds one of [`NAMES`]: NULL where a value is, NaN where a value is NaN.
pub(crate) fn bind(name: &str, args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    if args.is_empty() {
        return Err(invalid(format!("{name} without values"), span));
    }
    let kind = supertype(&args, span)?;
    let read: fn(&Row<'_>, usize) -> Cell = match kind {
        DataType::Int64 => |r, at| Cell::Int(r.int(at)),
        DataType::Float64 => |r, at| Cell::Float(r.float(at)),
        DataType::Numeric => |r, at| Cell::Numeric(r.numeric(at)),
        DataType::Bool => |r, at| Cell::Bool(r.bool(at)),
        DataType::String => |r, at| Cell::Text(r.text(at).to_owned()),
        DataType::Bytes => |r, at| Cell::Bytes(r.bytes(at).to_vec()),
        DataType::Date => |r, at| Cell::Date(r.date(at)),
        DataType::Datetime | DataType::Timestamp => |r, at| Cell::Micros(r.micros(at)),
        DataType::Time => |r, at| Cell::Micros(r.micros(at)),
        DataType::Json | DataType::Struct(_) | DataType::Array(_) => {
            return Err(unsupported(format!("{name} of {kind}"), span));
        }
    };
    let exprs: Result<Vec<_>, _> =
        args.into_iter().map(|arg| arg.coerce(&kind, span).map(|a| a.expr)).collect();
    let wanted = if name == "GREATEST" { Ordering::Greater } else { Ordering::Less };
    let run: PerRow = Arc::new(move |row| {
        let mut best = read(row, 0);
        for at in 1..row.len() {
            let next = read(row, at);
            match (&best, &next) {
                (Cell::Float(x), _) if x.is_nan() => return Ok(best),
                (_, Cell::Float(x)) if x.is_nan() => return Ok(next),
                _ if order(&next, &best) == wanted => best = next,
                _ => {}
            }
        }
        Ok(best)
    });
    let label = format!("{name} {kind}");
    let expr = per_row(label, &kind, exprs?, run);
    Ok(Typed::computed(expr, kind))
}

/// The order of two values of one type; they are read by [`bind`], so others do not come.
fn order(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Int(a), Cell::Int(b)) | (Cell::Micros(a), Cell::Micros(b)) => a.cmp(b),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Cell::Numeric(a), Cell::Numeric(b)) => a.cmp(b),
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
        (Cell::Date(a), Cell::Date(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
