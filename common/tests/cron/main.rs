//! When cron expressions fire, against an oracle that walks each zone's clock minute by minute.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::schedule::CronSchedule;

mod jumps;
mod known;
mod oracle;
mod random;
mod refused;
mod written;

fn parse(text: &str) -> CronSchedule {
    CronSchedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The instants of the product in minutes since 1970, those after `from` up to `to`, both in seconds.
fn fires(schedule: &CronSchedule, zone: Tz, from: i64, to: i64) -> Vec<i64> {
    let fires = schedule.fires(zone, instant(from)).map(|fire| fire.timestamp());
    fires.take_while(|fire| *fire <= to).map(minute).collect()
}

/// Seconds as minutes; schedules fire on whole ones.
fn minute(seconds: i64) -> i64 {
    assert_eq!(seconds % 60, 0, "{}", instant(seconds));
    seconds / 60
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Where two sequences part, told in the zone's local time.
fn same(text: &str, zone: Tz, found: &[i64], expected: &[i64]) {
    let parts = found.iter().zip(expected).position(|(one, other)| one != other);
    let at = parts.unwrap_or(found.len().min(expected.len()));
    let tell = |fires: &[i64]| fires.get(at).map(|m| instant(m * 60).with_timezone(&zone));
    assert!(
        found == expected,
        "{text} in {zone}: fire {at} is {:?}, but should be {:?}",
        tell(found),
        tell(expected)
    );
}
