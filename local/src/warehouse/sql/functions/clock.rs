//! TIME and DATETIME from their parts and from each other, and local times of zones.

use chrono::NaiveDate;
use common::warehouse::DataType::{self, Date, Datetime, Int64, String as Text, Time, Timestamp};

use super::super::refusal::not_here;
use super::super::rowwise::{Cell, Row};
use super::calendar::{checked_instant, message};
use super::cast::{DAY, day_of};
use super::wording;
use super::zones::{Zone, written};
use super::{Overload, fixed};
use crate::warehouse::values::days;

const ZONED: &[DataType] = &[Timestamp, Text];

/// TIME, DATETIME, DATE and TIMESTAMP in a zone, and STRING of an instant.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("TIME", &[Int64, Int64, Int64], Time, |r| of_day(r, 0).map(Cell::Micros)),
    fixed("TIME", &[Datetime], Time, |r| Ok(Cell::Micros(r.micros(0).rem_euclid(DAY)))),
    fixed("TIME", &[Timestamp], Time, |r| Ok(Cell::Micros(r.micros(0).rem_euclid(DAY)))),
    fixed("TIME", ZONED, Time, |r| Ok(Cell::Micros(local(r)?.rem_euclid(DAY)))),
    fixed("DATETIME", &[Int64, Int64, Int64, Int64, Int64, Int64], Datetime, |r| {
        let (year, month, day) = (r.int(0), r.int(1), r.int(2));
        let parts = (i32::try_from(year), u32::try_from(month), u32::try_from(day));
        let date = match parts {
            (Ok(y), Ok(m), Ok(d)) if (1..=9999).contains(&y) => NaiveDate::from_ymd_opt(y, m, d),
            _ => None,
        };
        let date = date.ok_or_else(|| format!("DATETIME({year}, {month}, {day}, …) is no date"))?;
        Ok(Cell::Micros(i64::from(days(date)) * DAY + of_day(r, 3)?))
    }),
    fixed("DATETIME", &[Date, Time], Datetime, |r| {
        Ok(Cell::Micros(i64::from(r.date(0)) * DAY + r.micros(1)))
    }),
    fixed("DATETIME", &[Datetime], Datetime, |r| Ok(Cell::Micros(r.micros(0)))),
    fixed("DATETIME", ZONED, Datetime, |r| {
        let local = local(r)?;
        checked_instant(local)
    }),
    fixed("DATE", ZONED, Date, |r| day_of(local(r)?).map_err(message)),
    fixed("TIMESTAMP", &[Datetime, Text], Timestamp, |r| {
        checked_instant(Zone::parse(r.text(1))?.instant(r.micros(0))?)
    }),
    fixed("TIMESTAMP", &[Date, Text], Timestamp, |r| {
        checked_instant(Zone::parse(r.text(1))?.instant(i64::from(r.date(0)) * DAY)?)
    }),
    fixed("TIMESTAMP", &[Text, Text], Timestamp, |r| {
        // What an offset in the text means beside a zone is another matter.
        let local = wording::datetime(r.text(0))
            .map_err(|_| not_here(format!("TIMESTAMP('{}', '{}')", r.text(0), r.text(1))))?;
        checked_instant(Zone::parse(r.text(1))?.instant(local)?)
    }),
    fixed("STRING", &[Timestamp], Text, |r| instant(r.micros(0), Zone::UTC).map(Cell::Text)),
    fixed("STRING", ZONED, Text, |r| instant(r.micros(0), Zone::parse(r.text(1))?).map(Cell::Text)),
    fixed("STRING", &[Date], Text, |r| {
        super::cast::moment(i64::from(r.date(0)) * DAY, "%Y-%m-%d").map(Cell::Text).map_err(message)
    }),
    fixed("STRING", &[Datetime], Text, |r| {
        super::cast::whole(r.micros(0), super::cast::DATETIME).map(Cell::Text).map_err(message)
    }),
    fixed("STRING", &[Time], Text, |r| {
        super::cast::whole(r.micros(0), super::cast::TIME).map(Cell::Text).map_err(message)
    }),
];

fn local(row: &Row<'_>) -> Result<i64, String> {
    Zone::parse(row.text(1))?.local(row.micros(0))
}

/// Hours, minutes and seconds from an argument on, as microseconds since midnight.
fn of_day(row: &Row<'_>, first: usize) -> Result<i64, String> {
    let (hour, minute, second) = (row.int(first), row.int(first + 1), row.int(first + 2));
    if (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second) {
        return Ok((hour * 3600 + minute * 60 + second) * 1_000_000);
    }
    // A 60th second is the next minute on BigQuery, or is not.
    if second == 60 {
        return Err(not_here("a second 60"));
    }
    Err(format!("{hour}:{minute}:{second} is no time of day"))
}

/// An instant as STRING and CAST write it: with three, six or no decimals, and the zone's offset.
pub(crate) fn instant(micros: i64, zone: Zone) -> Result<String, String> {
    let ahead = zone.ahead(micros)?;
    let shown = super::cast::moment(micros + ahead, super::cast::DATETIME).map_err(message)?;
    Ok(format!("{shown}{}", written(ahead)))
}
