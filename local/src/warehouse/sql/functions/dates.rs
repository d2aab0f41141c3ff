//! The functions that take a date part: adding, differences, truncation, extraction and formatting.

use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate};
use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::Date32Type;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::refusal::{invalid, not_here, unsupported};
use super::super::rowwise::{ByRow, Cell, PerRow, Row, Whole, per_row};
use super::super::typed::Typed;
use super::calendar::checked_instant;
use super::cast::DAY;
use super::zones::Zone;
use crate::warehouse::values::{date, days};

mod extract;
mod part;
mod series;

pub(crate) use part::Part;

/// The functions of this family.
pub(crate) const NAMES: &[&str] = &[
    "DATE_ADD",
    "DATE_SUB",
    "DATETIME_ADD",
    "DATETIME_SUB",
    "TIME_ADD",
    "TIME_SUB",
    "TIMESTAMP_ADD",
    "TIMESTAMP_SUB",
    "DATE_DIFF",
    "DATETIME_DIFF",
    "TIME_DIFF",
    "TIMESTAMP_DIFF",
    "DATE_TRUNC",
    "DATETIME_TRUNC",
    "TIME_TRUNC",
    "TIMESTAMP_TRUNC",
    "LAST_DAY",
];

/// The functions whose last value may be an INTERVAL and need not.
pub(crate) const SERIES: &[&str] = &["GENERATE_DATE_ARRAY", "GENERATE_TIMESTAMP_ARRAY"];

/// Binds one of [`NAMES`], of [`SERIES`] or EXTRACT to its arguments, its part and its time zone.
pub(crate) fn bind(
    name: &str,
    part: Part,
    args: Vec<Typed>,
    zone: Zone,
    span: Span,
) -> Result<Typed, PortError> {
    use DataType::{Date, Datetime, Int64, Time, Timestamp};
    let kind = args.first().map_or(Timestamp, |a| a.kind.clone());
    let less = name.ends_with("_SUB");
    let list = |kind: DataType| DataType::Array(Box::new(kind));
    let (accepts, result, run): (&[DataType], DataType, Option<PerRow>) = match (name, &kind) {
        ("DATE_ADD" | "DATE_SUB", _) => (&[Date, Int64], Date, add_days(part, less)),
        ("DATETIME_ADD" | "DATETIME_SUB", _) => {
            (&[Datetime, Int64], Datetime, add_local(part, less))
        }
        ("TIME_ADD" | "TIME_SUB", _) => (&[Time, Int64], Time, turn(part, less)),
        ("TIMESTAMP_ADD" | "TIMESTAMP_SUB", _) => {
            (&[Timestamp, Int64], Timestamp, add_micros(part, less))
        }
        ("DATE_DIFF", _) => (&[Date, Date], Int64, difference(part)),
        ("DATETIME_DIFF", _) => (&[Datetime, Datetime], Int64, boundaries(part)),
        ("TIME_DIFF", _) => (&[Time, Time], Int64, clock_difference(part)),
        ("TIMESTAMP_DIFF", _) => (&[Timestamp, Timestamp], Int64, part.micros().map(whole_units)),
        ("TIMESTAMP_TRUNC", _) | ("DATE_TRUNC", Timestamp) => {
            (&[Timestamp], Timestamp, truncate_instant(part, zone))
        }
        ("DATETIME_TRUNC", _) | ("DATE_TRUNC", Datetime) => {
            (&[Datetime], Datetime, truncate_instant(part, Zone::UTC))
        }
        ("DATE_TRUNC", _) => (&[Date], Date, truncate_date(part)),
        ("TIME_TRUNC", _) => (&[Time], Time, truncate_time(part)),
        ("LAST_DAY", Datetime) => (&[Datetime], Date, last_day(part, true)),
        ("LAST_DAY", _) => (&[Date], Date, last_day(part, false)),
        ("EXTRACT", Date) => (&[Date], extract::kind(part), extract::of_date(part)),
        ("EXTRACT", Datetime) => (&[Datetime], extract::kind(part), extract::of_datetime(part)),
        ("EXTRACT", Time) => (&[Time], extract::kind(part), extract::of_time(part)),
        ("EXTRACT", _) => {
            (&[Timestamp], extract::kind(part), Some(extract::of_instant(part, zone)))
        }
        ("GENERATE_DATE_ARRAY", _) => (&[Date, Date, Int64], list(Date), series::days(part)),
        ("GENERATE_TIMESTAMP_ARRAY", _) => {
            (&[Timestamp, Timestamp, Int64], list(Timestamp), series::instants(part))
        }
        _ => (&[], Int64, None),
    };
    let Some(run) = run else {
        return Err(unsupported(format!("{name} with the part {}", part.written()), span));
    };
    if zone != Zone::UTC && (accepts != [Timestamp] || kind == Datetime) {
        return Err(invalid(format!("{name} of other than a TIMESTAMP in a time zone"), span));
    }
    if accepts.len() != args.len() {
        return Err(invalid(format!("{name} takes {} values", accepts.len()), span));
    }
    let mut exprs = Vec::new();
    for (arg, kind) in args.into_iter().zip(accepts) {
        exprs.push(arg.coerce(kind, span)?.expr);
    }
    let label = format!("{name} {part:?} {accepts:?} {zone:?}");
    let whole = (name == "DATE_TRUNC" && result == Date).then(|| truncated_dates(part));
    let expr = per_row(label, &result, exprs, ByRow { run, whole });
    Ok(Typed::computed(expr, result))
}

fn valid(day: Option<NaiveDate>) -> Result<NaiveDate, String> {
    day.filter(|d| (1..=9999).contains(&d.year()))
        .ok_or_else(|| "a DATE lies outside the years 0001 to 9999".to_owned())
}

fn day_cell(day: Option<NaiveDate>) -> Result<Cell, String> {
    valid(day).map(|d| Cell::Date(days(d)))
}

fn day_of(days: i32) -> Result<NaiveDate, String> {
    date(days).ok_or_else(|| "a DATE lies outside the years 0001 to 9999".to_owned())
}

/// A day moved by a number of parts.
fn shift(part: Part, subtract: bool) -> Option<impl Fn(i32, i64) -> Result<NaiveDate, String>> {
    let (months, length) = match part {
        Part::Day => (0, 1),
        Part::Week(0) => (0, 7),
        Part::Month => (1, 0),
        Part::Quarter => (3, 0),
        Part::Year => (12, 0),
        _ => return None,
    };
    Some(move |start: i32, count: i64| {
        let start = day_of(start)?;
        let count = if subtract { count.checked_neg() } else { Some(count) };
        let size = count.and_then(|c| c.checked_mul(if months > 0 { months } else { length }));
        let Some(size) = size else { return valid(None) };
        let by = size.unsigned_abs();
        valid(if months > 0 {
            let by = u32::try_from(by).ok().map(Months::new);
            by.and_then(|by| {
                if size < 0 { start.checked_sub_months(by) } else { start.checked_add_months(by) }
            })
        } else if size < 0 {
            start.checked_sub_days(Days::new(by))
        } else {
            start.checked_add_days(Days::new(by))
        })
    })
}

fn add_days(part: Part, subtract: bool) -> Option<PerRow> {
    let moved = shift(part, subtract)?;
    Some(Arc::new(move |row| moved(row.date(0), row.int(1)).map(|day| Cell::Date(days(day)))))
}

/// Of a DATETIME: parts of the calendar move its day, others its clock.
fn add_local(part: Part, subtract: bool) -> Option<PerRow> {
    let Some(moved) = shift(part, subtract) else { return add_micros(part, subtract) };
    Some(Arc::new(move |row| {
        let (day, rest) = split(row.micros(0))?;
        Ok(Cell::Micros(i64::from(days(moved(day, row.int(1))?)) * DAY + rest))
    }))
}

/// Of a TIME, which goes on from the other side of midnight.
fn turn(part: Part, subtract: bool) -> Option<PerRow> {
    let unit = part.micros().filter(|unit| *unit < DAY)?;
    Some(Arc::new(move |row| {
        let size = i128::from(row.int(1)) * i128::from(unit);
        let moved = i128::from(row.micros(0)) + if subtract { -size } else { size };
        let wrapped = i64::try_from(moved.rem_euclid(i128::from(DAY)));
        wrapped.map(Cell::Micros).map_err(|e| e.to_string())
    }))
}

/// The day and the time of day.
fn split(micros: i64) -> Result<(i32, i64), String> {
    let day = i32::try_from(micros.div_euclid(DAY)).map_err(|e| e.to_string())?;
    Ok((day, micros.rem_euclid(DAY)))
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

/// Of two DATETIMEs: the boundaries between them, of the clock as of the calendar.
fn boundaries(part: Part) -> Option<PerRow> {
    let Some(unit) = part.micros() else {
        ordinal(0, part).ok()?;
        return Some(Arc::new(move |row| {
            let ((a, _), (b, _)) = (split(row.micros(0))?, split(row.micros(1))?);
            Ok(Cell::Int(ordinal(a, part)? - ordinal(b, part)?))
        }));
    };
    Some(Arc::new(move |row| {
        Ok(Cell::Int(row.micros(0).div_euclid(unit) - row.micros(1).div_euclid(unit)))
    }))
}

fn clock_difference(part: Part) -> Option<PerRow> {
    let unit = part.micros().filter(|unit| *unit < DAY)?;
    Some(Arc::new(move |row| Ok(Cell::Int(row.micros(0) / unit - row.micros(1) / unit))))
}

fn truncate_time(part: Part) -> Option<PerRow> {
    let unit = part.micros().filter(|unit| *unit < DAY)?;
    Some(Arc::new(move |row| Ok(Cell::Micros(row.micros(0) - row.micros(0) % unit))))
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

fn truncated_dates(part: Part) -> Whole {
    let first = move |row: &Row<'_>| valid(first_day(row.date(0), part)).ok().map(days);
    Arc::new(move |batch| batch.each::<Date32Type>(first).map(|days| Arc::new(days) as ArrayRef))
}

fn truncate_instant(part: Part, zone: Zone) -> Option<PerRow> {
    if let Some(unit) = part.micros().filter(|unit| *unit < DAY) {
        return Some(Arc::new(move |row| {
            let instant = row.micros(0);
            if part == Part::Hour && !zone.whole_hours(instant)? {
                return Err(not_here("truncation to an hour in a zone without whole ones"));
            }
            checked_instant(instant - instant.rem_euclid(unit))
        }));
    }
    first_day(0, part)?;
    Some(Arc::new(move |row| {
        let (day, _) = split(zone.local(row.micros(0))?)?;
        let first =
            first_day(day, part).ok_or("a TIMESTAMP lies outside the years 0001 to 9999")?;
        checked_instant(zone.instant(i64::from(days(first)) * DAY)?)
    }))
}

fn last_day(part: Part, of_datetime: bool) -> Option<PerRow> {
    first_day(0, part).filter(|_| part != Part::Day)?;
    Some(Arc::new(move |row| {
        let day = if of_datetime { split(row.micros(0))?.0 } else { row.date(0) };
        let first = first_day(day, part);
        let months = |count| first.and_then(|d| d.checked_add_months(Months::new(count)));
        let next = match part {
            Part::Month => months(1),
            Part::Quarter => months(3),
            Part::Year => months(12),
            // 53 weeks after a year's first one, the next year has begun and its first week not passed by one.
            Part::IsoYear => first
                .and_then(|d| d.checked_add_days(Days::new(53 * 7)))
                .and_then(|d| first_day(days(d), part)),
            Part::Week(_) | Part::IsoWeek => first.and_then(|d| d.checked_add_days(Days::new(7))),
            _ => return Err(format!("LAST_DAY of a {}", part.written())),
        };
        day_cell(next.and_then(|d| d.checked_sub_days(Days::new(1))))
    }))
}
