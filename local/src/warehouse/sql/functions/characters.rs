//! STRING functions that look at single characters: searching, repeating, code points, splitting.

use common::warehouse::DataType::{self, Int64, String as Text};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::text::{LONGEST, count, too_long};
use super::{Overload, fixed, listing};

const T: &[DataType] = &[Text];
const TT: &[DataType] = &[Text, Text];
const I: &[DataType] = &[Int64];

/// INSTR, REPEAT, INITCAP, TRANSLATE, SPLIT and the code points.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("CHARACTER_LENGTH", T, Int64, |r| Ok(count(r.text(0).chars().count()))),
    fixed("INSTR", TT, Int64, |r| instr(r.text(0), r.text(1), 1, 1)),
    fixed("INSTR", &[Text, Text, Int64], Int64, |r| instr(r.text(0), r.text(1), r.int(2), 1)),
    fixed("INSTR", &[Text, Text, Int64, Int64], Int64, |r| {
        instr(r.text(0), r.text(1), r.int(2), r.int(3))
    }),
    fixed("REPEAT", &[Text, Int64], Text, |r| {
        let times = usize::try_from(r.int(1))
            .map_err(|_| format!("REPEAT of a negative number of times: {}", r.int(1)))?;
        if r.text(0).len().saturating_mul(times) > LONGEST {
            return Err(too_long("REPEAT"));
        }
        Ok(Cell::Text(r.text(0).repeat(times)))
    }),
    fixed("INITCAP", T, Text, |r| initcap(r.text(0), BETWEEN_WORDS)),
    fixed("INITCAP", TT, Text, |r| initcap(r.text(0), r.text(1))),
    fixed("TRANSLATE", &[Text, Text, Text], Text, |r| translate(r.text(0), r.text(1), r.text(2))),
    fixed("ASCII", T, Int64, |r| match r.text(0).chars().next() {
        None => Ok(Cell::Int(0)),
        Some(c) if c.is_ascii() => Ok(Cell::Int(i64::from(u32::from(c)))),
        Some(c) => Err(format!("ASCII of '{c}', which is not ASCII")),
    }),
    fixed("UNICODE", T, Int64, |r| {
        Ok(Cell::Int(r.text(0).chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    }),
    // CHR(0) is the empty text.
    fixed("CHR", I, Text, |r| match r.int(0) {
        0 => Ok(Cell::Text(String::new())),
        code => {
            let c = u32::try_from(code).ok().and_then(char::from_u32);
            c.map(|c| Cell::Text(c.to_string()))
                .ok_or_else(|| format!("CHR({code}): no such code point"))
        }
    }),
    fixed("EDIT_DISTANCE", TT, Int64, |r| edit_distance(r.text(0), r.text(1))),
    listing("SPLIT", T, Text, |r| split(r.text(0), ",")),
    listing("SPLIT", TT, Text, |r| split(r.text(0), r.text(1))),
    listing("TO_CODE_POINTS", T, Int64, |r| {
        Ok(Cell::List(r.text(0).chars().map(|c| Cell::Int(i64::from(u32::from(c)))).collect()))
    }),
];

/// What INITCAP takes for the space between two words.
const BETWEEN_WORDS: &str = " \t\n\u{b}\u{c}\r[](){}/|\\<>!?@\"^#$&~_,.:;*%+-";

/// The 1-based place of the n-th match, overlapping ones included; 0 without one. A negative position searches
/// backwards from that many characters before the end.
fn instr(text: &str, sought: &str, position: i64, occurrence: i64) -> Result<Cell, String> {
    if position == 0 {
        return Err("INSTR at the position 0".to_owned());
    }
    let nth = match usize::try_from(occurrence) {
        Ok(n) if n > 0 => n - 1,
        _ => return Err(format!("INSTR of the occurrence {occurrence}")),
    };
    if sought.is_empty() {
        return Err(not_here("INSTR of an empty text"));
    }
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let starts = |at: &usize| text[characters[*at].0..].starts_with(sought);
    let size = characters.len();
    let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    let found = if position > 0 {
        (distance - 1..size).filter(starts).nth(nth)
    } else if distance > size {
        None
    } else {
        (0..=size - distance).rev().filter(starts).nth(nth)
    };
    Ok(found.map_or(Cell::Int(0), |at| count(at + 1)))
}

fn initcap(text: &str, between: &str) -> Result<Cell, String> {
    // Beyond ASCII, letters of three cases and of several characters are not written down.
    if !text.is_ascii() {
        return Err(not_here("INITCAP of other than ASCII"));
    }
    let mut begins = true;
    let cased = text.chars().map(|c| {
        let letter = if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        begins = between.contains(c);
        letter
    });
    Ok(Cell::Text(cased.collect()))
}

fn translate(text: &str, from: &str, to: &str) -> Result<Cell, String> {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    for (at, c) in from.iter().enumerate() {
        if from[..at].contains(c) {
            return Err(format!("TRANSLATE from the character '{c}' twice"));
        }
    }
    let translated = text.chars().filter_map(|c| match from.iter().position(|f| *f == c) {
        Some(at) => to.get(at).copied(),
        None => Some(c),
    });
    Ok(Cell::Text(translated.collect()))
}

fn split(text: &str, by: &str) -> Result<Cell, String> {
    if by.is_empty() && text.is_empty() {
        return Err(not_here("SPLIT of an empty text by an empty one"));
    }
    let pieces: Vec<String> = if by.is_empty() {
        text.chars().map(String::from).collect()
    } else {
        text.split(by).map(str::to_owned).collect()
    };
    Ok(Cell::List(pieces.into_iter().map(Cell::Text).collect()))
}

/// The fewest characters to insert, delete or replace.
fn edit_distance(from: &str, to: &str) -> Result<Cell, String> {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, c) in from.chars().enumerate() {
        if (at + 1).saturating_mul(to.len()) > LONGEST {
            return Err(too_long("EDIT_DISTANCE of texts"));
        }
        let mut corner = row[0];
        row[0] = at + 1;
        for (place, other) in to.iter().enumerate() {
            let replaced = corner + usize::from(c != *other);
            corner = row[place + 1];
            row[place + 1] = replaced.min(corner + 1).min(row[place] + 1);
        }
    }
    Ok(count(row[to.len()]))
}
