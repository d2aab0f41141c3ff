//! The functions that take a date part: adding, differences, truncation, extraction and formatting.

use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate};
use common::port::PortError;
use common::warehouse::DataType;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{invalid, unsupported};
use super::super::rowwise::{Cell, PerRow, native, per_row};
use super::super::typed::Typed;
use super::calendar::checked_instant;
use super::cast::DAY;
use crate::warehouse::values::{date, days};

/// A unit of the calendar or the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    /// A week that begins on this day, counted from Sunday = 0.
    Week(i32),
    IsoWeek,
    Month,
    Quarter,
    Year,
    IsoYear,
    DayOfWeek,
    DayOfYear,
    Date,
}

const WEEKDAYS: [&str; 7] =
    ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

impl Part {
    /// Reads a part's name; a week's first day stands in parentheses.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        if let Some(day) = name.strip_prefix("WEEK(").and_then(|rest| rest.strip_suffix(')')) {
            let at = WEEKDAYS.iter().position(|weekday| *weekday == day.trim())?;
            return i32::try_from(at).ok().map(Self::Week);
        }
        Some(match name.as_str() {
            "MICROSECOND" => Self::Microsecond,
            "MILLISECOND" => Self::Millisecond,
            "SECOND" => Self::Second,
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" => Self::Day,
            "WEEK" => Self::Week(0),
            "ISOWEEK" => Self::IsoWeek,
            "MONTH" => Self::Month,
            "QUARTER" => Self::Quarter,
            "YEAR" => Self::Year,
            "ISOYEAR" => Self::IsoYear,
            "DAYOFWEEK" => Self::DayOfWeek,
            "DAYOFYEAR" => Self::DayOfYear,
            "DATE" => Self::Date,
            _ => return None,
        })
    }

    /// The part as GoogleSQL writes it.
    fn written(self) -> String {
        match self {
            Self::Week(0) => "WEEK".to_owned(),
            Self::Week(day) => {
                let day = usize::try_from(day).ok().and_then(|day| WEEKDAYS.get(day));
                format!("WEEK({})", day.unwrap_or(&"SUNDAY"))
            }
            other => format!("{other:?}").to_ascii_uppercase(),
        }
    }

    /// The part's length where every one is equally long.
    fn micros(self) -> Option<i64> {
        Some(match self {
            Self::Microsecond => 1,
            Self::Millisecond => 1000,
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => DAY,
            Self::Week(_)
            | Self::IsoWeek
            | Self::Month
            | Self::Quarter
            | Self::Year
            | Self::IsoYear
            | Self::DayOfWeek
            | Self::DayOfYear
            | Self::Date => return None,
        })
    }
}

/// The functions of this family.
pub(crate) const NAMES: &[&str] = &[
    "DATE_ADD",
    "DATE_SUB",
    "TIMESTAMP_ADD",
    "TIMESTAMP_SUB",
    "DATE_DIFF",
    "TIMESTAMP_DIFF",
    "DATE_TRUNC",
    "TIMESTAMP_TRUNC",
    "LAST_DAY",
];

/// Binds one of [`NAMES`] or EXTRACT to its arguments and part.
pub(crate) fn bind(
    name: &str,
    part: Part,
    args: Vec<Typed>,
    span: Span,
) -> Result<Typed, PortError> {
    use DataType::{Date, Int64, Timestamp};
    let kinds: Vec<DataType> = args.iter().map(|a| a.kind.clone()).collect();
    let on_date = kinds.first() == Some(&Date);
    let (accepts, result, run): (&[DataType], DataType, Option<PerRow>) = match name {
        "DATE_ADD" | "DATE_SUB" => (&[Date, Int64], Date, add_days(part, name == "DATE_SUB")),
        "TIMESTAMP_ADD" | "TIMESTAMP_SUB" => {
            (&[Timestamp, Int64], Timestamp, add_micros(part, name == "TIMESTAMP_SUB"))
        }
        "DATE_DIFF" => (&[Date, Date], Int64, difference(part)),
        "TIMESTAMP_DIFF" => (&[Timestamp, Timestamp], Int64, part.micros().map(whole_units)),
        "DATE_TRUNC" if kinds.first() != Some(&Timestamp) => (&[Date], Date, truncate_date(part)),
        "TIMESTAMP_TRUNC" | "DATE_TRUNC" => (&[Timestamp], Timestamp, truncate_instant(part)),
        "LAST_DAY" => (&[Date], Date, last_day(part)),
        "EXTRACT" if on_date && part.micros().is_none_or(|length| length >= DAY) => {
            (&[Date], extract_kind(part), extract(part, true))
        }
        "EXTRACT" => (&[Timestamp], extract_kind(part), extract(part, false)),
        _ => (&[], Int64, None),
    };
    let Some(run) = run else {
        return Err(unsupported(format!("{name} with the part {}", part.written()), span));
    };
    if accepts.len() != args.len() {
        return Err(invalid(format!("{name} takes {} values", accepts.len()), span));
    }
    let mut exprs = Vec::new();
    for (arg, kind) in args.into_iter().zip(accepts) {
        exprs.push(arg.coerce(kind, span)?.expr);
    }
    let label = format!("{name} {part:?} {accepts:?}");
    let expr = native(label, 0, &result, exprs, per_row(&result, true, run));
    Ok(Typed::computed(expr, result))
}

fn day_cell(day: Option<NaiveDate>) -> Result<Cell, String> {
    day.filter(|d| (1..=9999).contains(&d.year()))
        .map(|d| Cell::Date(days(d)))
        .ok_or_else(|| "a DATE lies outside the years 0001 to 9999".to_owned())
}

fn day_of(days: i32) -> Result<NaiveDate, String> {
    date(days).ok_or_else(|| "a DATE lies outside the years 0001 to 9999".to_owned())
}

fn add_days(part: Part, subtract: bool) -> Option<PerRow> {
    let (months, length) = match part {
        Part::Day => (0, 1),
        Part::Week(0) => (0, 7),
        Part::Month => (1, 0),
        Part::Quarter => (3, 0),
        Part::Year => (12, 0),
        _ => return None,
    };
    Some(Arc::new(move |row| {
        let start = day_of(row.date(0))?;
        let count = if subtract { row.int(1).checked_neg() } else { Some(row.int(1)) };
        let size = count.and_then(|c| c.checked_mul(if months > 0 { months } else { length }));
        let Some(size) = size else { return day_cell(None) };
        let by = size.unsigned_abs();
        day_cell(if months > 0 {
            let by = u32::try_from(by).ok().map(Months::new);
            by.and_then(|by| {
                if size < 0 { start.checked_sub_months(by) } else { start.checked_add_months(by) }
            })
        } else if size < 0 {
            start.checked_sub_days(Days::new(by))
        } else {
            start.checked_add_days(Days::new(by))
        })
    }))
}

fn add_micros(part: Part, subtract: bool) -> Option<PerRow> {
    let unit = part.micros()?;
    Some(Arc::new(move |row| {
        let size = row.int(1).checked_mul(unit);
        let moved = size.and_then(|size| {
            if subtract { row.micros(0).checked_sub(size) } else { row.micros(0).checked_add(size) }
        });
        checked_instant(moved.ok_or("a TIMESTAMP lies outside the years 0001 to 9999")?)
    }))
}

fn whole_units(unit: i64) -> PerRow {
    Arc::new(move |row| {
        let apart = row.micros(0).checked_sub(row.micros(1)).ok_or("INT64 overflow")?;
        Ok(Cell::Int(apart / unit))
    })
}

/// How many units began since some fixed day: differences count the boundaries between two days.
fn ordinal(day: i32, part: Part) -> Result<i64, String> {
    let date = day_of(day)?;
    Ok(match part {
        Part::Day => i64::from(day),
        // 1970-01-01 was a Thursday: day 3 began a week on a Sunday.
        Part::Week(start) => i64::from((day + 4 - start).div_euclid(7)),
        Part::IsoWeek => i64::from((day + 3).div_euclid(7)),
        Part::Month => i64::from(date.year()) * 12 + i64::from(date.month0()),
        Part::Quarter => i64::from(date.year()) * 4 + i64::from(date.month0() / 3),
        Part::Year => i64::from(date.year()),
        Part::IsoYear => i64::from(date.iso_week().year()),
        other => return Err(format!("{} is no part of a DATE's difference", other.written())),
    })
}

fn difference(part: Part) -> Option<PerRow> {
    ordinal(0, part).ok()?;
    Some(Arc::new(move |row| {
        Ok(Cell::Int(ordinal(row.date(0), part)? - ordinal(row.date(1), part)?))
    }))
}

fn first_day(day: i32, part: Part) -> Option<NaiveDate> {
    let date = date(day)?;
    let week = |start: i32| self::date(day - (day + 4 - start).rem_euclid(7));
    match part {
        Part::Day => Some(date),
        Part::Week(start) => week(start),
        Part::IsoWeek => week(1),
        Part::Month => date.with_day(1),
        Part::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1),
        Part::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        Part::IsoYear => {
            NaiveDate::from_isoywd_opt(date.iso_week().year(), 1, chrono::Weekday::Mon)
        }
        _ => None,
    }
}

fn truncate_date(part: Part) -> Option<PerRow> {
    first_day(0, part)?;
    Some(Arc::new(move |row| day_cell(first_day(row.date(0), part))))
}

fn truncate_instant(part: Part) -> Option<PerRow> {
    if let Some(unit) = part.micros() {
        return Some(Arc::new(move |row| {
            checked_instant(row.micros(0) - row.micros(0).rem_euclid(unit))
        }));
    }
    first_day(0, part)?;
    Some(Arc::new(move |row| {
        let day = i32::try_from(row.micros(0).div_euclid(DAY)).map_err(|e| e.to_string())?;
        let first =
            first_day(day, part).ok_or("a TIMESTAMP lies outside the years 0001 to 9999")?;
        checked_instant(i64::from(days(first)) * DAY)
    }))
}

fn last_day(part: Part) -> Option<PerRow> {
    let months = match part {
        Part::Month => 1,
        Part::Quarter => 3,
        Part::Year => 12,
        _ => return None,
    };
    Some(Arc::new(move |row| {
        let next =
            first_day(row.date(0), part).and_then(|d| d.checked_add_months(Months::new(months)));
        day_cell(next.and_then(|d| d.checked_sub_days(Days::new(1))))
    }))
}

fn extract_kind(part: Part) -> DataType {
    if part == Part::Date { DataType::Date } else { DataType::Int64 }
}

fn extract(part: Part, of_date: bool) -> Option<PerRow> {
    if of_date && part == Part::Date {
        return None;
    }
    Some(Arc::new(move |row| {
        let (day, rest) = if of_date {
            (row.date(0), 0)
        } else {
            let day = i32::try_from(row.micros(0).div_euclid(DAY)).map_err(|e| e.to_string())?;
            (day, row.micros(0).rem_euclid(DAY))
        };
        let date = day_of(day)?;
        let weekday = i64::from(date.weekday().num_days_from_sunday());
        Ok(Cell::Int(match part {
            Part::Microsecond => rest % 1_000_000,
            Part::Millisecond => rest / 1000 % 1000,
            Part::Second => rest / 1_000_000 % 60,
            Part::Minute => rest / 60_000_000 % 60,
            Part::Hour => rest / 3_600_000_000,
            Part::Day => i64::from(date.day()),
            Part::Week(start) => {
                (i64::from(date.ordinal0()) + 7 - (weekday - i64::from(start)).rem_euclid(7)) / 7
            }
            Part::IsoWeek => i64::from(date.iso_week().week()),
            Part::Month => i64::from(date.month()),
            Part::Quarter => i64::from(date.month0() / 3 + 1),
            Part::Year => i64::from(date.year()),
            Part::IsoYear => i64::from(date.iso_week().year()),
            Part::DayOfWeek => weekday + 1,
            Part::DayOfYear => i64::from(date.ordinal()),
            Part::Date => return Ok(Cell::Date(day)),
        }))
    }))
}

/// Binds `FORMAT_DATE('…', date)`: the elements whose text is the same everywhere.
pub(crate) fn format_date(format: &str, day: Typed, span: Span) -> Result<Typed, PortError> {
    let mut elements = format.chars();
    while let Some(c) = elements.next() {
        if c == '%' {
            let element = elements.next().unwrap_or(' ');
            if !"YmdFjGVuaAbBy%".contains(element) {
                let what = format!("the element %{element} of FORMAT_DATE");
                return Err(unsupported(what, span));
            }
        }
    }
    let day = day.coerce(&DataType::Date, span)?;
    let pattern = format.to_owned();
    let run: PerRow = Arc::new(move |row| {
        let day = day_of(row.date(0))?;
        // BigQuery and others differ in how they pad a year of three digits.
        if day.year() < 1000 {
            return Err("FORMAT_DATE of a day below the year 1000 is not supported by the embedded warehouse".into());
        }
        Ok(Cell::Text(day.format(&pattern).to_string()))
    });
    let result = DataType::String;
    let label = format!("FORMAT_DATE {format}");
    let expr = native(label, 0, &result, vec![day.expr], per_row(&result, true, run));
    Ok(Typed::computed(expr, result))
}
