//! DATE and TIMESTAMP functions without a date part.

use chrono::NaiveDate;
use common::warehouse::DataType::{Date, Datetime, Int64, String as Text, Timestamp};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::cast::{DAY, day_of};
use super::wording::Misread;
use super::{Overload, fixed};
use crate::warehouse::values::days;

/// Making dates and instants, and the epoch conversions.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("DATE", &[Int64, Int64, Int64], Date, |r| {
        let (y, m, d) = (r.int(0), r.int(1), r.int(2));
        let parts = (i32::try_from(y), u32::try_from(m), u32::try_from(d));
        let (Ok(year), Ok(month), Ok(day)) = parts else {
            return Err(format!("DATE({y}, {m}, {d}) is no date"));
        };
        let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| (1..=9999).contains(&year));
        date.map(|d| Cell::Date(days(d))).ok_or_else(|| format!("DATE({y}, {m}, {d}) is no date"))
    }),
    fixed("DATE", &[Timestamp], Date, |r| day_of(r.micros(0)).map_err(message)),
    fixed("DATE", &[Datetime], Date, |r| day_of(r.micros(0)).map_err(message)),
    fixed("DATE", &[Date], Date, |r| Ok(Cell::Date(r.date(0)))),
    fixed("TIMESTAMP", &[Timestamp], Timestamp, |r| Ok(Cell::Micros(r.micros(0)))),
    fixed("TIMESTAMP", &[Date], Timestamp, |r| Ok(Cell::Micros(i64::from(r.date(0)) * DAY))),
    fixed("TIMESTAMP", &[Datetime], Timestamp, |r| Ok(Cell::Micros(r.micros(0)))),
    fixed("TIMESTAMP", &[Text], Timestamp, |r| {
        super::wording::timestamp(r.text(0)).map(Cell::Micros).map_err(message)
    }),
    fixed("DATETIME", &[Timestamp], Datetime, |r| Ok(Cell::Micros(r.micros(0)))),
    fixed("DATETIME", &[Date], Datetime, |r| Ok(Cell::Micros(i64::from(r.date(0)) * DAY))),
    fixed("UNIX_DATE", &[Date], Int64, |r| Ok(Cell::Int(i64::from(r.date(0))))),
    fixed("DATE_FROM_UNIX_DATE", &[Int64], Date, |r| {
        let day = i32::try_from(r.int(0)).ok().filter(|day| DAYS.contains(day));
        day.map(Cell::Date)
            .ok_or_else(|| format!("day {} lies outside the years 0001 to 9999", r.int(0)))
    }),
    fixed("UNIX_SECONDS", &[Timestamp], Int64, |r| {
        Ok(Cell::Int(r.micros(0).div_euclid(1_000_000)))
    }),
    fixed("UNIX_MILLIS", &[Timestamp], Int64, |r| Ok(Cell::Int(r.micros(0).div_euclid(1000)))),
    fixed("UNIX_MICROS", &[Timestamp], Int64, |r| Ok(Cell::Int(r.micros(0)))),
    fixed("TIMESTAMP_SECONDS", &[Int64], Timestamp, |r| instant(r.int(0), 1_000_000)),
    fixed("TIMESTAMP_MILLIS", &[Int64], Timestamp, |r| instant(r.int(0), 1000)),
    fixed("TIMESTAMP_MICROS", &[Int64], Timestamp, |r| instant(r.int(0), 1)),
];

/// The first day of the year 1 and the last of 9999.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// The first microsecond of the year 1 and the last of 9999.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// An instant if BigQuery's TIMESTAMP holds it.
pub(crate) fn checked_instant(micros: i64) -> Result<Cell, String> {
    if INSTANTS.contains(&micros) {
        return Ok(Cell::Micros(micros));
    }
    Err(format!("a TIMESTAMP of {micros} microseconds lies outside the years 0001 to 9999"))
}

fn instant(count: i64, unit: i64) -> Result<Cell, String> {
    let micros = count.checked_mul(unit).ok_or_else(|| format!("{count} is no TIMESTAMP"))?;
    checked_instant(micros)
}

/// What is wrong with a value.
pub(super) fn message(misread: Misread) -> String {
    match misread {
        Misread::Wrong(message) => message,
        Misread::Unsure(message) => not_here(message),
    }
}
