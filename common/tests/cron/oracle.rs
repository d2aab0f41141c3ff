//! The oracle: fields as plain sets, and a zone's clock watched from one UTC minute to the next.
//!
//! It asks the time zone database one thing only, which local time an instant has, and never the reverse.

use std::sync::OnceLock;

use chrono::{DateTime, Datelike, Offset, TimeZone};
use chrono_tz::Tz;

/// A day's minutes.
const DAY: i64 = 24 * 60;

/// The years that the clocks are watched in; what is strange about the zones lies within.
const YEARS: (i32, i32) = (2009, 2012);

/// Each with something of its own.
const ZONES: [Tz; 13] = [
    Tz::UTC,
    Tz::Europe__Vienna,
    Tz::America__New_York,
    // +05:30 and +05:45, no jumps.
    Tz::Asia__Kolkata,
    Tz::Asia__Kathmandu,
    // +12:45 and +13:45.
    Tz::Pacific__Chatham,
    // No 30 December in 2011.
    Tz::Pacific__Apia,
    // Jumps of half an hour.
    Tz::Australia__Lord_Howe,
    // Jumps at midnight: days without 00:00, evenings with two.
    Tz::America__Sao_Paulo,
    Tz::America__Havana,
    // Back for Ramadan and forth again.
    Tz::Africa__Casablanca,
    Tz::Africa__Cairo,
    // Jumps of two and three hours.
    Tz::Antarctica__Casey,
];

/// When a zone's clock first shows each local minute; minutes count from 1970.
pub(crate) struct Clock {
    pub(crate) zone: Tz,
    /// The local minute that `reached` begins with.
    first: i64,
    /// The UTC minute at which the clock first shows each local minute, or a later one if it skips that.
    reached: Vec<i64>,
    /// The UTC minutes at which the offset changes.
    pub(crate) jumps: Vec<i64>,
}

/// The clocks of all [`ZONES`], watched once.
pub(crate) fn clocks() -> &'static [Clock] {
    static CLOCKS: OnceLock<Vec<Clock>> = OnceLock::new();
    CLOCKS.get_or_init(|| ZONES.into_iter().map(Clock::watch).collect())
}

impl Clock {
    fn watch(zone: Tz) -> Self {
        let start = days_to(YEARS.0) * DAY;
        let first = start + offset(zone, start);
        let mut clock = Self { zone, first, reached: Vec::new(), jumps: Vec::new() };
        let (mut next, mut last) = (first, offset(zone, start));
        for day in days_to(YEARS.0)..days_to(YEARS.1 + 1) {
            // No zone here changes its offset and changes it back within a day.
            let quiet = offset(zone, day * DAY) == last && offset(zone, (day + 1) * DAY) == last;
            for utc in day * DAY..(day + 1) * DAY {
                let offset = if quiet { last } else { offset(zone, utc) };
                if offset != last {
                    clock.jumps.push(utc);
                    last = offset;
                }
                // Nothing while the clock repeats what it has shown; more than one minute after a gap.
                while next <= utc + offset {
                    clock.reached.push(utc);
                    next += 1;
                }
            }
        }
        clock
    }

    /// The UTC minutes at which the fields fire, after `from` up to `to`, both in seconds.
    pub(crate) fn fires(&self, fields: &Fields, from: i64, to: i64) -> Vec<i64> {
        let index = |seconds: i64| whole(self.reached.partition_point(|utc| utc * 60 <= seconds));
        let (begin, end) = (self.first + index(from), self.first + index(to));
        let mut fires = Vec::new();
        for day in begin.div_euclid(DAY)..=end.div_euclid(DAY) {
            if !fields.on_day(day) {
                continue;
            }
            for hour in (0..24).filter(|hour| fields.hours[*hour]) {
                for minute in (0..60).filter(|minute| fields.minutes[*minute]) {
                    let local = day * DAY + whole(hour * 60 + minute);
                    if local < begin || local >= end {
                        continue;
                    }
                    let utc = self.reached[usize::try_from(local - self.first).unwrap()];
                    if fires.last() != Some(&utc) {
                        fires.push(utc);
                    }
                }
            }
        }
        fires
    }
}

/// The seconds between which every clock is known from side to side.
pub(crate) fn span() -> (i64, i64) {
    ((days_to(YEARS.0) + 2) * DAY * 60, (days_to(YEARS.1 + 1) - 2) * DAY * 60)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// The days from 1970 to a year.
fn days_to(year: i32) -> i64 {
    chrono::NaiveDate::from_yo_opt(year, 1).unwrap().to_epoch_days().into()
}

/// Local minus UTC, in minutes.
fn offset(zone: Tz, utc: i64) -> i64 {
    let utc = DateTime::from_timestamp(utc * 60, 0).unwrap().naive_utc();
    let seconds = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    assert_eq!(seconds % 60, 0, "{zone}");
    (seconds / 60).into()
}

/// The values of each field, true where it holds.
pub(crate) struct Fields {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    /// Whether a day has to match both of its fields.
    both: bool,
}

const MONTHS: &str = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
const WEEKDAYS: &str = "SUN MON TUE WED THU FRI SAT";

impl Fields {
    /// Expands five well-formed fields.
    pub(crate) fn expand(text: &str) -> Self {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let mut weekdays = set(fields[4], 0, 7, WEEKDAYS);
        weekdays[0] |= weekdays[7];
        Self {
            minutes: set(fields[0], 0, 59, ""),
            hours: set(fields[1], 0, 23, ""),
            days: set(fields[2], 1, 31, ""),
            months: set(fields[3], 1, 12, MONTHS),
            weekdays,
            both: fields[2].starts_with('*') || fields[4].starts_with('*'),
        }
    }

    /// How many times a matching day names.
    pub(crate) fn a_day(&self) -> usize {
        let count = |set: &[bool]| set.iter().filter(|value| **value).count();
        count(&self.minutes) * count(&self.hours)
    }

    /// Whether any day of the calendar, which repeats itself after 400 years, matches.
    pub(crate) fn on_any_day(&self) -> bool {
        (days_to(2000)..days_to(2400)).any(|day| self.on_day(day))
    }

    fn on_day(&self, day: i64) -> bool {
        let date = DateTime::from_timestamp(day * DAY * 60, 0).unwrap().date_naive();
        let on_day = self.days[date.day() as usize];
        // 1 January 1970 was a Thursday.
        let on_weekday = self.weekdays[usize::try_from((day + 4).rem_euclid(7)).unwrap()];
        let matches = if self.both { on_day && on_weekday } else { on_day || on_weekday };
        matches && self.months[date.month() as usize]
    }
}

fn set(field: &str, lowest: usize, highest: usize, names: &str) -> Vec<bool> {
    let value = |text: &str| {
        let upper = text.to_uppercase();
        match names.split(' ').position(|name| name == upper) {
            Some(at) => at + lowest,
            None => text.parse().unwrap(),
        }
    };
    let mut set = vec![false; highest + 1];
    for item in field.split(',') {
        let (span, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, mut to) = match span.split_once('-') {
            _ if span == "*" => (lowest, highest),
            Some((from, to)) => (value(from), value(to)),
            None => (value(span), value(span)),
        };
        if span.to_uppercase().ends_with("-SUN") && from > 0 {
            to = 7;
        }
        for at in (from..=to).step_by(step.parse().unwrap()) {
            set[at] = true;
        }
    }
    set
}
