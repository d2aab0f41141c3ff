//! `FORMAT`: whole numbers and text by a constant format; what else `%` may stand for is refused.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{invalid, unsupported};
use super::super::rowwise::{Cell, PerRow, native, per_row};
use super::super::typed::{Origin, Typed};

/// A piece of a format.
enum Piece {
    Literal(String),
    Text,
    /// How wide, whether with zeros in front, whether flush left.
    Whole(usize, bool, bool),
    /// A whole number with commas between its thousands.
    Grouped,
    /// A whole number in hexadecimal digits, whether great ones.
    Hexadecimal(bool),
    /// A FLOAT64 or NUMERIC with so many decimals.
    Decimal(usize),
    /// Any value, as CAST writes it.
    Any,
}

/// The widest number.
const WIDEST: usize = 1000;

/// Binds `FORMAT(format, …)`; NULL where a value is.
pub(crate) fn bind(args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let mut args = args.into_iter();
    let Some(Typed { origin: Origin::Known(Value::String(format)), .. }) = args.next() else {
        return Err(unsupported("FORMAT with a computed format", span));
    };
    let pieces = pieces(&format, span)?;
    let mut exprs = Vec::new();
    for piece in &pieces {
        let kind = match piece {
            Piece::Literal(_) => continue,
            Piece::Text => DataType::String,
            Piece::Whole(..) => DataType::Int64,
        };
        let value = args.next();
        let value = value.ok_or_else(|| invalid("FORMAT with fewer values than elements", span))?;
        exprs.push(value.coerce(&kind, span)?.expr);
    }
    if args.next().is_some() {
        return Err(invalid("FORMAT with more values than elements", span));
    }
    let run: PerRow = Arc::new(move |row| {
        let mut text = String::new();
        let mut next = 0;
        for piece in &pieces {
            let printed = match piece {
                Piece::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Piece::Text => row.text(next).to_owned(),
                Piece::Whole(width, true, _) => format!("{:01$}", row.int(next), width),
                Piece::Whole(width, _, true) => format!("{:<1$}", row.int(next), width),
                Piece::Whole(width, _, _) => format!("{:>1$}", row.int(next), width),
            };
            text.push_str(&printed);
            next += 1;
        }
        Ok(Cell::Text(text))
    });
    let result = DataType::String;
    let label = format!("FORMAT {format}");
    let expr = native(label, 0, &result, exprs, per_row(&result, true, run));
    Ok(Typed::computed(expr, result))
}

fn pieces(format: &str, span: Span) -> Result<Vec<Piece>, PortError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        let (flags, after) = rest.split_at(end);
        let refused = || unsupported(format!("the element %{flags}{after:.1} of FORMAT"), span);
        let width = flags.trim_start_matches(['0', '-']);
        let (zeros, left) = (flags.starts_with('0'), flags.starts_with('-'));
        let plain = flags.len() - width.len() == usize::from(zeros) + usize::from(left);
        let piece = match after.chars().next() {
            Some('%') if flags.is_empty() => {
                literal.push('%');
                None
            }
            Some('s') if flags.is_empty() => Some(Piece::Text),
            Some('d') if plain && flags.is_empty() => Some(Piece::Whole(0, false, false)),
            Some('d') if plain => {
                let width = width.parse().ok().filter(|width| *width <= WIDEST);
                Some(Piece::Whole(width.ok_or_else(refused)?, zeros, left))
            }
            _ => return Err(refused()),
        };
        if let Some(piece) = piece {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(piece);
        }
        rest = &after[1..];
    }
    literal.push_str(rest);
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}
