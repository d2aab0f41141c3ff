//! `FORMAT_DATE` and its siblings: the elements whose text is the same everywhere.

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use common::warehouse::DataType::{Date, Datetime, String as Text, Time, Timestamp};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::cast::DAY;
use super::zones::{Zone, written};
use super::{Overload, fixed};

/// The functions, each with a constant format or a computed one.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("FORMAT_DATE", &[Text, Date], Text, |r| {
        render(r.text(0), "FORMAT_DATE", i64::from(r.date(1)) * DAY, 0)
    }),
    fixed("FORMAT_DATETIME", &[Text, Datetime], Text, |r| {
        render(r.text(0), "FORMAT_DATETIME", r.micros(1), 0)
    }),
    fixed("FORMAT_TIME", &[Text, Time], Text, |r| render(r.text(0), "FORMAT_TIME", r.micros(1), 0)),
    fixed("FORMAT_TIMESTAMP", &[Text, Timestamp], Text, |r| {
        render(r.text(0), "FORMAT_TIMESTAMP", r.micros(1), 0)
    }),
    fixed("FORMAT_TIMESTAMP", &[Text, Timestamp, Text], Text, |r| {
        let ahead = Zone::parse(r.text(2))?.ahead(r.micros(1))?;
        render(r.text(0), "FORMAT_TIMESTAMP", r.micros(1) + ahead, ahead)
    }),
];

/// The functions whose first value is a format.
pub(crate) const NAMES: &[&str] =
    &["FORMAT_DATE", "FORMAT_DATETIME", "FORMAT_TIME", "FORMAT_TIMESTAMP"];

/// Elements of a date, of a time of day, and of an instant's offset from UTC.
const OF_DATE: &[&str] = &[
    "Y", "m", "d", "F", "j", "G", "V", "u", "a", "A", "b", "B", "h", "y", "e", "Q", "D", "w", "g",
];
const OF_TIME: &[&str] =
    &["H", "M", "S", "T", "R", "I", "p", "E*S", "E1S", "E2S", "E3S", "E4S", "E5S", "E6S"];
const OF_ZONE: &[&str] = &["z", "Ez"];
const ALWAYS: &[&str] = &["%", "n", "t"];

/// Pieces of a format: text, then an element's name.
fn pieces(format: &str) -> Vec<(&str, &str)> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let after = &rest[at + 1..];
        let length = match after.as_bytes() {
            [b'E', b'z', ..] => 2,
            [b'E', _, b'S', ..] => 3,
            _ => after.chars().next().map_or(0, char::len_utf8),
        };
        let length = if after.is_char_boundary(length) { length } else { 1 };
        pieces.push((&rest[..at], &after[..length]));
        rest = &after[length..];
    }
    pieces.push((rest, "end"));
    pieces
}

/// The first element of a format that the function is not known to print.
pub(crate) fn unknown<'f>(format: &'f str, name: &str) -> Option<&'f str> {
    pieces(format).into_iter().map(|(_, element)| element).find(|element| !known(element, name))
}

fn known(element: &str, name: &str) -> bool {
    let dated = name != "FORMAT_TIME" && OF_DATE.contains(&element);
    let timed = name != "FORMAT_DATE" && OF_TIME.contains(&element);
    let zoned = name == "FORMAT_TIMESTAMP" && OF_ZONE.contains(&element);
    dated || timed || zoned || element == "end" || ALWAYS.contains(&element)
}

fn render(format: &str, name: &str, local: i64, ahead: i64) -> Result<Cell, String> {
    let moment = DateTime::from_timestamp_micros(local).map(|moment| moment.naive_utc());
    let moment = moment.ok_or_else(|| format!("{name} of a day outside the years 0001 to 9999"))?;
    let mut text = String::new();
    for (literal, element) in pieces(format) {
        if !known(element, name) {
            return Err(not_here(format!("the element %{element} of {name}")));
        }
        text.push_str(literal);
        // BigQuery and others differ in how they pad a year of three digits.
        if OF_DATE.contains(&element) && !(1000..=9999).contains(&moment.year()) {
            return Err(not_here(format!("{name} of a day below the year 1000")));
        }
        text.push_str(&printed(element, moment, ahead));
    }
    Ok(Cell::Text(text))
}

fn printed(element: &str, moment: NaiveDateTime, ahead: i64) -> String {
    let fraction = format!("{:06}", moment.nanosecond() / 1000);
    match element {
        "end" => String::new(),
        "Q" => (moment.month0() / 3 + 1).to_string(),
        "E*S" => {
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{:02}{point}{fraction}", moment.second())
        }
        "z" | "Ez" => {
            let full = written(ahead);
            let (hours, minutes) = full.split_at(3);
            let minutes = minutes.strip_prefix(':').unwrap_or("00");
            format!("{hours}{}{minutes}", if element == "Ez" { ":" } else { "" })
        }
        _ => match element.strip_prefix('E').and_then(|e| e.strip_suffix('S')) {
            Some(digits) => {
                let digits = digits.parse().unwrap_or(6);
                format!("{:02}.{}", moment.second(), &fraction[..digits])
            }
            None => moment.format(&format!("%{element}")).to_string(),
        },
    }
}
