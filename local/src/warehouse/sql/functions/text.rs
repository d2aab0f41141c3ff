//! STRING functions: positions and lengths count Unicode characters.

use common::warehouse::DataType::{self, Bool, Bytes, Int64, String as Text};

use super::super::rowwise::Cell;
use super::{Overload, fixed};

const T: &[DataType] = &[Text];
const TT: &[DataType] = &[Text, Text];

/// Case, trimming, searching and cutting of text.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("LOWER", T, Text, |r| Ok(Cell::Text(r.text(0).to_lowercase()))),
    fixed("UPPER", T, Text, |r| Ok(Cell::Text(r.text(0).to_uppercase()))),
    fixed("LENGTH", T, Int64, |r| Ok(count(r.text(0).chars().count()))),
    fixed("CHAR_LENGTH", T, Int64, |r| Ok(count(r.text(0).chars().count()))),
    fixed("LENGTH", &[Bytes], Int64, |r| Ok(count(r.bytes(0).len()))),
    fixed("BYTE_LENGTH", T, Int64, |r| Ok(count(r.text(0).len()))),
    Overload {
        name: "CONCAT",
        args: T,
        variadic: true,
        list: false,
        result: Text,
        run: |r| Ok(Cell::Text((0..r.len()).map(|i| r.text(i)).collect())),
        whole: None,
    },
    fixed("||", TT, Text, |r| Ok(Cell::Text([r.text(0), r.text(1)].concat()))),
    fixed("TRIM", T, Text, |r| Ok(Cell::Text(r.text(0).trim().to_owned()))),
    fixed("LTRIM", T, Text, |r| Ok(Cell::Text(r.text(0).trim_start().to_owned()))),
    fixed("RTRIM", T, Text, |r| Ok(Cell::Text(r.text(0).trim_end().to_owned()))),
    fixed("TRIM", TT, Text, |r| {
        Ok(Cell::Text(r.text(0).trim_matches(among(r.text(1))).to_owned()))
    }),
    fixed("LTRIM", TT, Text, |r| {
        Ok(Cell::Text(r.text(0).trim_start_matches(among(r.text(1))).to_owned()))
    }),
    fixed("RTRIM", TT, Text, |r| {
        Ok(Cell::Text(r.text(0).trim_end_matches(among(r.text(1))).to_owned()))
    }),
    fixed("STARTS_WITH", TT, Bool, |r| Ok(Cell::Bool(r.text(0).starts_with(r.text(1))))),
    fixed("ENDS_WITH", TT, Bool, |r| Ok(Cell::Bool(r.text(0).ends_with(r.text(1))))),
    fixed("STRPOS", TT, Int64, |r| {
        let found = r.text(0).find(r.text(1));
        Ok(found.map_or(Cell::Int(0), |at| count(r.text(0)[..at].chars().count() + 1)))
    }),
    fixed("REPLACE", &[Text, Text, Text], Text, |r| {
        let (text, from, to) = (r.text(0), r.text(1), r.text(2));
        let found = if from.is_empty() { 0 } else { text.matches(from).count() };
        if found.saturating_mul(to.len()) > LONGEST {
            return Err(too_long("REPLACE"));
        }
        Ok(Cell::Text(if from.is_empty() { text.to_owned() } else { text.replace(from, to) }))
    }),
    fixed("REVERSE", T, Text, |r| Ok(Cell::Text(r.text(0).chars().rev().collect()))),
    fixed("SUBSTR", &[Text, Int64], Text, |r| cut(r.text(0), r.int(1), None)),
    fixed("SUBSTR", &[Text, Int64, Int64], Text, |r| cut(r.text(0), r.int(1), Some(r.int(2)))),
    fixed("SUBSTRING", &[Text, Int64], Text, |r| cut(r.text(0), r.int(1), None)),
    fixed("SUBSTRING", &[Text, Int64, Int64], Text, |r| cut(r.text(0), r.int(1), Some(r.int(2)))),
    fixed("LEFT", &[Text, Int64], Text, |r| {
        let length = usize::try_from(r.int(1)).map_err(|_| negative("LEFT", r.int(1)))?;
        Ok(Cell::Text(r.text(0).chars().take(length).collect()))
    }),
    fixed("RIGHT", &[Text, Int64], Text, |r| {
        let length = usize::try_from(r.int(1)).map_err(|_| negative("RIGHT", r.int(1)))?;
        let skip = r.text(0).chars().count().saturating_sub(length);
        Ok(Cell::Text(r.text(0).chars().skip(skip).collect()))
    }),
    fixed("LPAD", &[Text, Int64], Text, |r| pad(r.text(0), r.int(1), " ", true)),
    fixed("LPAD", &[Text, Int64, Text], Text, |r| pad(r.text(0), r.int(1), r.text(2), true)),
    fixed("RPAD", &[Text, Int64], Text, |r| pad(r.text(0), r.int(1), " ", false)),
    fixed("RPAD", &[Text, Int64, Text], Text, |r| pad(r.text(0), r.int(1), r.text(2), false)),
    fixed("like", TT, Bool, |r| {
        let text: Vec<char> = r.text(0).chars().collect();
        Ok(Cell::Bool(like(&text, &pattern(r.text(1))?)))
    }),
];

/// The longest text that padding or replacing makes, so that one cell does not exhaust memory.
pub(super) const LONGEST: usize = 1 << 20;

pub(super) fn too_long(name: &str) -> String {
    format!("{name} to more than {LONGEST} characters is not supported by the embedded warehouse")
}

pub(super) fn count(n: usize) -> Cell {
    Cell::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn among(set: &str) -> impl Fn(char) -> bool + '_ {
    move |c| set.contains(c)
}

pub(super) fn negative(name: &str, length: i64) -> String {
    format!("{name} with the negative length {length}")
}

fn cut(text: &str, position: i64, length: Option<i64>) -> Result<Cell, String> {
    let (start, take) = span(text.chars().count(), position, length)?;
    Ok(Cell::Text(text.chars().skip(start).take(take).collect()))
}

/// What SUBSTR skips and takes of so many: 1-based, a negative position counts from the end, 0 is taken as 1.
pub(super) fn span(
    size: usize,
    position: i64,
    length: Option<i64>,
) -> Result<(usize, usize), String> {
    let take = match length {
        Some(length) => usize::try_from(length).map_err(|_| negative("SUBSTR", length))?,
        None => usize::MAX,
    };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let start = match position {
        0 => 0,
        1.. => position - 1,
        _ => (size + position).max(0),
    };
    Ok((usize::try_from(start).unwrap_or(usize::MAX), take))
}

fn pad(text: &str, length: i64, with: &str, left: bool) -> Result<Cell, String> {
    let length = usize::try_from(length).map_err(|_| negative("LPAD or RPAD", length))?;
    if with.is_empty() {
        return Err("LPAD or RPAD with an empty pattern".to_owned());
    }
    let size = text.chars().count();
    if size >= length {
        return Ok(Cell::Text(text.chars().take(length).collect()));
    }
    if length > LONGEST {
        return Err(too_long("LPAD or RPAD"));
    }
    let padding: String = with.chars().cycle().take(length - size).collect();
    Ok(Cell::Text(if left { padding + text } else { text.to_owned() + &padding }))
}

enum Piece {
    One(char),
    AnyOne,
    AnyMany,
}

fn pattern(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        pieces.push(match c {
            '%' => Piece::AnyMany,
            '_' => Piece::AnyOne,
            '\\' => {
                Piece::One(characters.next().ok_or("a LIKE pattern ends with a single backslash")?)
            }
            other => Piece::One(other),
        });
    }
    Ok(pieces)
}

/// Greedy match with one point to come back to: linear in text times pattern.
fn like(text: &[char], pattern: &[Piece]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        let fits = match pattern.get(p) {
            Some(Piece::AnyMany) => {
                back = Some((t, p + 1));
                p += 1;
                continue;
            }
            Some(Piece::AnyOne) => true,
            Some(Piece::One(c)) => *c == text[t],
            None => false,
        };
        if fits {
            (t, p) = (t + 1, p + 1);
        } else if let Some((from, after)) = back {
            back = Some((from + 1, after));
            (t, p) = (from + 1, after);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|piece| matches!(piece, Piece::AnyMany))
}
