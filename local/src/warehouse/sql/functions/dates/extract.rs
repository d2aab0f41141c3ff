//! EXTRACT: parts of dates and times.

use std::sync::Arc;

use chrono::Datelike;
use common::warehouse::DataType;

use super::super::super::rowwise::{Cell, PerRow};
use super::super::cast::DAY;
use super::super::zones::Zone;
use super::{Part, day_of, split};

/// The type of a part.
pub(super) fn kind(part: Part) -> DataType {
    match part {
        Part::Date => DataType::Date,
        Part::Time => DataType::Time,
        Part::Datetime => DataType::Datetime,
        _ => DataType::Int64,
    }
}

/// Whether a part is one of the time of day.
fn of_clock(part: Part) -> bool {
    part.micros().is_some_and(|unit| unit < DAY)
}

pub(super) fn of_date(part: Part) -> Option<PerRow> {
    if of_clock(part) || kind(part) != DataType::Int64 {
        return None;
    }
    Some(Arc::new(move |row| of(part, row.date(0), 0)))
}

pub(super) fn of_datetime(part: Part) -> Option<PerRow> {
    if part == Part::Datetime {
        return None;
    }
    Some(Arc::new(move |row| {
        let (day, rest) = split(row.micros(0))?;
        of(part, day, rest)
    }))
}

pub(super) fn of_time(part: Part) -> Option<PerRow> {
    of_clock(part).then_some(())?;
    Some(Arc::new(move |row| of(part, 0, row.micros(0))))
}

pub(super) fn of_instant(part: Part, zone: Zone) -> PerRow {
    Arc::new(move |row| {
        let (day, rest) = split(zone.local(row.micros(0))?)?;
        of(part, day, rest)
    })
}

fn of(part: Part, day: i32, rest: i64) -> Result<Cell, String> {
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
        Part::Time => return Ok(Cell::Micros(rest)),
        Part::Datetime => return Ok(Cell::Micros(i64::from(day) * DAY + rest)),
    }))
}
