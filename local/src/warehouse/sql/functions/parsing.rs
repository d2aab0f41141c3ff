//! `PARSE_DATE` and its siblings: text read by a format's elements.

use chrono::NaiveDate;
use common::warehouse::DataType::{self, Date, Datetime, String as Text, Time, Timestamp};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::calendar::checked_instant;
use super::cast::DAY;
use super::zones::Zone;
use super::{Overload, fixed};
use crate::warehouse::values::days;

const TT: &[DataType] = &[Text, Text];

/// `PARSE_DATE`, `PARSE_DATETIME`, `PARSE_TIME` and `PARSE_TIMESTAMP`.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("PARSE_DATE", TT, Date, |r| {
        read(r.text(0), r.text(1), false).map(|(day, _)| Cell::Date(day))
    }),
    fixed("PARSE_DATETIME", TT, Datetime, |r| moment(r.text(0), r.text(1)).map(Cell::Micros)),
    fixed("PARSE_TIMESTAMP", TT, Timestamp, |r| checked_instant(moment(r.text(0), r.text(1))?)),
    fixed("PARSE_TIMESTAMP", &[Text, Text, Text], Timestamp, |r| {
        let zone = Zone::parse(r.text(2))?;
        checked_instant(zone.instant(moment(r.text(0), r.text(1))?)?)
    }),
    fixed("PARSE_TIME", TT, Time, |r| {
        if items(r.text(0))?.iter().any(|item| item.is_field() && slot(*item) < 3) {
            return Err(not_here(format!("a date in PARSE_TIME('{}', …)", r.text(0))));
        }
        read(r.text(0), r.text(1), true).map(|(_, time)| Cell::Micros(time))
    }),
];

/// One piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// This character.
    Literal(char),
    /// Any number of spaces.
    Space,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Seconds with up to six decimals.
    Fraction,
}

impl Item {
    /// The values it takes.
    fn range(self) -> (u32, u32) {
        match self {
            Self::Year => (1, 9999),
            Self::Month => (1, 12),
            Self::Day => (1, 31),
            Self::Hour => (0, 23),
            Self::Minute | Self::Second | Self::Fraction => (0, 59),
            Self::Literal(_) | Self::Space => (0, 0),
        }
    }

    fn is_field(self) -> bool {
        !matches!(self, Self::Literal(_) | Self::Space)
    }
}

fn items(format: &str) -> Result<Vec<Item>, String> {
    const DATE: [Item; 5] =
        [Item::Year, Item::Literal('-'), Item::Month, Item::Literal('-'), Item::Day];
    const TIME: [Item; 5] =
        [Item::Hour, Item::Literal(':'), Item::Minute, Item::Literal(':'), Item::Second];
    let mut items = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            items.push(if c.is_ascii_whitespace() { Item::Space } else { Item::Literal(c) });
            continue;
        }
        match rest.next() {
            Some('Y') => items.push(Item::Year),
            Some('m') => items.push(Item::Month),
            Some('d') => items.push(Item::Day),
            Some('H') => items.push(Item::Hour),
            Some('M') => items.push(Item::Minute),
            Some('S') => items.push(Item::Second),
            Some('F') => items.extend(DATE),
            Some('T') => items.extend(TIME),
            Some('R') => items.extend(&TIME[..3]),
            Some('%') => items.push(Item::Literal('%')),
            Some('E') if rest.as_str().starts_with("*S") => {
                rest.nth(1);
                items.push(Item::Fraction);
            }
            Some(c) => return Err(not_here(format!("the element %{c} of '{format}'"))),
            None => return Err(not_here(format!("the % at the end of '{format}'"))),
        }
    }
    let fields: Vec<Item> = items.iter().copied().filter(|item| item.is_field()).collect();
    for (at, field) in fields.iter().enumerate() {
        if fields[..at].iter().any(|other| slot(*other) == slot(*field)) {
            return Err(not_here(format!("the same element twice in '{format}'")));
        }
    }
    Ok(items)
}

fn slot(item: Item) -> usize {
    match item {
        Item::Year => 0,
        Item::Month => 1,
        Item::Day => 2,
        Item::Hour => 3,
        Item::Minute => 4,
        Item::Second | Item::Fraction => 5,
        Item::Literal(_) | Item::Space => 6,
    }
}

fn moment(format: &str, text: &str) -> Result<i64, String> {
    read(format, text, true).map(|(day, time)| i64::from(day) * DAY + time)
}

/// The day and the time of day; what the format leaves out is that of 1970-01-01 00:00:00.
fn read(format: &str, text: &str, with_time: bool) -> Result<(i32, i64), String> {
    let wrong = || format!("'{text}' is not of the format '{format}'");
    let items = items(format)?;
    let mut rest = text.trim_ascii_start();
    let mut found = [1970, 1, 1, 0, 0, 0, 0];
    let mut micros = 0;
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Space => rest = rest.trim_ascii_start(),
            Item::Literal(c) => rest = rest.strip_prefix(*c).ok_or_else(wrong)?,
            field => {
                if !with_time && slot(*field) > 2 {
                    return Err(not_here(format!("a time of day in PARSE_DATE('{format}', …)")));
                }
                if rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '+' || c == '-') {
                    return Err(not_here(format!("'{text}' of the format '{format}'")));
                }
                let most = if *field == Item::Year { 4 } else { 2 };
                let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                let (digits, after) = rest.split_at(length);
                let value: u32 = digits.parse().map_err(|_| wrong())?;
                let (low, high) = field.range();
                let inside = (low..=high).contains(&value);
                // How digits are shared out among fields without anything between them is not written down.
                let beside = items.get(at + 1).is_some_and(|next| next.is_field());
                let short = length < most && (beside || *field == Item::Year);
                let leap = slot(*field) == 5 && value == 60;
                if short || leap || (beside && !inside) {
                    return Err(not_here(format!("'{text}' of the format '{format}'")));
                }
                if !inside {
                    return Err(wrong());
                }
                found[slot(*field)] = value;
                rest = after;
                if *field == Item::Fraction {
                    (micros, rest) = fraction(rest)?;
                }
            }
        }
    }
    if !rest.trim_ascii_start().is_empty() {
        return Err(wrong());
    }
    let [year, month, day, hour, minute, second, _] = found;
    let date = i32::try_from(year).ok().and_then(|y| NaiveDate::from_ymd_opt(y, month, day));
    let date = date.ok_or_else(wrong)?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Ok((days(date), seconds * 1_000_000 + micros))
}

/// The decimals after a point, if there are any, as microseconds.
fn fraction(text: &str) -> Result<(i64, &str), String> {
    let Some(decimals) = text.strip_prefix('.') else { return Ok((0, text)) };
    let length = decimals.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=6).contains(&length) {
        return Err(not_here("a second of other than one to six decimals"));
    }
    let (digits, rest) = decimals.split_at(length);
    let micros = format!("{digits:0<6}").parse().map_err(|_| format!("'{digits}' is no number"))?;
    Ok((micros, rest))
}
