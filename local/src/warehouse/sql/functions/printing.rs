//! `FORMAT`: numbers, text and values by a constant format; what else `%` may stand for is refused.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::expr::choose;
use super::super::refusal::{invalid, not_here, unsupported};
use super::super::rowwise::{Cell, PerRow, per_row};
use super::super::typed::{Origin, Typed};
use super::cast::convert;
use crate::warehouse::numeric;

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
    /// A FLOAT64 with so many decimals.
    Float(usize),
    /// A NUMERIC with so many decimals.
    Numeric(usize),
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
    let mut pieces = pieces(&format, span)?;
    let mut exprs = Vec::new();
    let mut label = format!("FORMAT {format}");
    for piece in &mut pieces {
        if matches!(piece, Piece::Literal(_)) {
            continue;
        }
        let value = args.next();
        let value = value.ok_or_else(|| invalid("FORMAT with fewer values than elements", span))?;
        let value = taken(piece, value, span)?;
        label = label + " " + &value.kind.to_string();
        exprs.push(value.expr);
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
                Piece::Text | Piece::Any => row.text(next).to_owned(),
                Piece::Grouped => grouped(row.int(next)),
                Piece::Hexadecimal(_) if row.int(next) < 0 => {
                    return Err(not_here("a negative number in hexadecimal digits"));
                }
                Piece::Hexadecimal(true) => format!("{:X}", row.int(next)),
                Piece::Hexadecimal(false) => format!("{:x}", row.int(next)),
                Piece::Float(decimals) => float(row.float(next), *decimals)?,
                Piece::Numeric(decimals) => decimal(row.numeric(next), *decimals)?,
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
    let expr = per_row(label, &result, exprs, run);
    Ok(Typed::computed(expr, result))
}

/// The value as its element takes it.
fn taken(piece: &mut Piece, value: Typed, span: Span) -> Result<Typed, PortError> {
    use DataType::{
        Bool, Date, Datetime, Float64, Int64, Numeric, String as Text, Time, Timestamp,
    };
    match piece {
        Piece::Literal(_) | Piece::Text => value.coerce(&Text, span),
        Piece::Whole(..) | Piece::Grouped | Piece::Hexadecimal(_) => value.coerce(&Int64, span),
        Piece::Float(decimals) | Piece::Numeric(decimals) => {
            if value.kind == Numeric {
                *piece = Piece::Numeric(*decimals);
                return Ok(value);
            }
            if value.kind != Float64 {
                let kind = value.kind_name();
                return Err(invalid(format!("%f takes a FLOAT64 or a NUMERIC, not {kind}"), span));
            }
            Ok(value)
        }
        Piece::Any => match &value.kind {
            Text | Int64 | Bool | Numeric | Date | Datetime | Time | Timestamp => {
                let null = value.expr.clone().is_not_null();
                let text = convert(value.expr, &value.kind, &Text, false);
                let written = Typed::known(Value::String("NULL".to_owned()), Text, span)?;
                choose(vec![null], vec![Typed::computed(text, Text), written], span)
            }
            other => Err(unsupported(format!("%t of a {other} in FORMAT"), span)),
        },
    }
}

/// The most decimals of `%f`.
const MOST_DECIMALS: usize = 30;

/// A whole number with commas.
fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = if value < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A double with so many decimals; halves and what becomes -0 are left to BigQuery.
fn float(value: f64, decimals: usize) -> Result<String, String> {
    let unsure = || not_here(format!("%.{decimals}f of {value}"));
    if !value.is_finite() {
        return Err(unsure());
    }
    // 1074 binary places are as many decimal ones: these are all digits that the double has.
    let all = format!("{:.1100}", value.abs());
    let point = all.find('.').unwrap_or(all.len());
    let rest = &all[point + 1 + decimals..];
    if rest.starts_with('5') && rest[1..].bytes().all(|digit| digit == b'0') {
        return Err(unsure());
    }
    let text = format!("{value:.decimals$}");
    let zero = text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    if zero && text.starts_with('-') { Err(unsure()) } else { Ok(text) }
}

/// A NUMERIC with so many decimals; halves are left to BigQuery.
fn decimal(value: i128, decimals: usize) -> Result<String, String> {
    let unsure = || not_here(format!("%.{decimals}f of the NUMERIC {}", numeric::format(value)));
    let digits = i64::try_from(decimals).map_err(|e| e.to_string())?;
    let rounded = numeric::round(value, digits).ok_or_else(unsure)?;
    // Half of the last decimal, scaled.
    let half = u32::try_from(8 - digits).ok().map(|power| 5 * 10_i128.pow(power));
    if half.is_some_and(|half| (rounded - value).abs() == half) || (rounded == 0 && value < 0) {
        return Err(unsure());
    }
    let text = numeric::format(rounded);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let point = if decimals == 0 { "" } else { "." };
    Ok(format!("{whole}{point}{fraction:0<decimals$}"))
}

fn pieces(format: &str, span: Span) -> Result<Vec<Piece>, PortError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end =
            rest.find(|c: char| !c.is_ascii_digit() && !"-.'".contains(c)).unwrap_or(rest.len());
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
            Some('t') if flags.is_empty() => Some(Piece::Any),
            Some('x') if flags.is_empty() => Some(Piece::Hexadecimal(false)),
            Some('X') if flags.is_empty() => Some(Piece::Hexadecimal(true)),
            Some('d') if flags == "'" => Some(Piece::Grouped),
            Some('f') if flags.is_empty() => Some(Piece::Float(6)),
            Some('f') => {
                let decimals = flags.strip_prefix('.').and_then(|digits| digits.parse().ok());
                let decimals = decimals.filter(|decimals| *decimals <= MOST_DECIMALS);
                Some(Piece::Float(decimals.ok_or_else(refused)?))
            }
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
