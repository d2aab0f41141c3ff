//! When a schedule fires: the instants that five cron fields mean in a time zone.
//!
//! The expression names local times, minute by minute. `croner` finds them on a wall clock that never jumps;
//! the step from a local time to an instant is taken here, because this is where a zone's jumps are decided:
//!
//! - a local time that occurs once is that instant;
//! - one that occurs twice is the first of the two, so a repeated hour fires once;
//! - one that is skipped is the first instant after the gap, and all that one gap skips fire there together.
//!
//! In other words: a local time fires at the first instant whose local time has reached it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

mod text;

pub use text::InvalidCron;

/// The local years in which schedules fire; they bound every search. Zones' rules are known up to 2099, the
/// offset of its last days stays after that.
const YEARS: &str = "1970-2199";

/// Before the first of [`YEARS`] in every zone.
const START: DateTime<Utc> = DateTime::from_timestamp_nanos(-7 * 86_400 * 1_000_000_000);

/// The beginning of 2172. The 28 years from there to the last of [`YEARS`] have every date on every weekday, also
/// 29 February: what does not fire in them never does.
const CYCLE: DateTime<Utc> = DateTime::from_timestamp_nanos(73_779 * 86_400 * 1_000_000_000);

/// Seconds from 1970 to after the last of [`YEARS`] in every zone, and far from what a date can hold.
const END: i64 = 230 * 366 * 86_400;

/// Five cron fields (minute, hour, day-of-month, month, day-of-week) or a nickname for them, kept as sent.
///
/// A field is `*`, a number, a range `a-b`, either of `*` and a range with a step `/n`, or a list of these with
/// commas. Months and weekdays also have names, JAN to DEC and SUN to SAT, in any case; 0 and 7 are Sunday, and
/// a range may end on SUN. The nicknames are `@hourly`, `@daily` or `@midnight`, `@weekly`, `@monthly`, and
/// `@yearly` or `@annually`.
///
/// Where both day fields say something a day has to match one of them. A day field that begins with `*`, as
/// `*/2` does, counts as one that says nothing for this rule: then a day has to match both. That is what
/// crontab(5) does; POSIX knows no steps.
#[derive(Clone, PartialEq, Eq)]
pub struct CronSchedule {
    text: String,
    local: Cron,
}

impl CronSchedule {
    /// Reads an expression; the error says which field has what and which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let fields = text::fields(text)?;
        let [_, _, day, _, weekday] = &fields;
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .dom_and_dow(day.starts_with('*') || weekday.starts_with('*'))
            .build();
        let local = parser.parse(&format!("0 {} {YEARS}", fields.join(" "))).map_err(|error| {
            InvalidCron::Unread { text: text.to_owned(), rule: error.to_string() }
        })?;
        let schedule = Self { text: text.to_owned(), local };
        match schedule.next_local(CYCLE.naive_utc()) {
            Some(_) => Ok(schedule),
            None => Err(InvalidCron::Never { text: schedule.text }),
        }
    }

    /// The expression as it was sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first fire strictly after an instant; `None` where there is none in the zone's years 1970 to 2199.
    pub fn next(&self, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if after.timestamp() >= END {
            return None;
        }
        let after = after.max(START);
        let mut local = after.with_timezone(&zone).naive_local();
        // What the wall clock has already shown has already fired. It has also shown more than it shows now
        // while it repeats itself: those candidates are behind, one by one, as many as the repeated stretch has.
        loop {
            local = self.next_local(local)?;
            let fire = first_instant(zone, local)?;
            if fire > after {
                return Some(fire);
            }
        }
    }

    /// The date of the local time that a fire stands for. At the end of a gap that is the time which the fields
    /// name, where they name it, else the first one that was skipped: it may be of a day before.
    pub fn date(&self, zone: Tz, fire: DateTime<Utc>) -> NaiveDate {
        let shown = fire.with_timezone(&zone).naive_local();
        let just_before = TimeDelta::seconds(1);
        let named = |after| self.next_local(after).filter(|named| *named <= shown);
        if named(shown - just_before).is_some() {
            return shown.date();
        }
        let before = (fire - just_before).with_timezone(&zone).naive_local();
        named(before).unwrap_or(shown).date()
    }

    /// Every fire strictly after an instant, in order.
    pub fn fires(&self, zone: Tz, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next(zone, after), move |last| self.next(zone, *last))
    }

    /// The first local time strictly after another that the fields name, as if no clock ever jumped.
    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // The only error of a search is that the years end.
        self.local.find_next_occurrence(&after, false).ok()
    }
}

/// The first instant whose local time has reached `local`.
fn first_instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let instant = match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(only) => only,
        MappedLocalTime::Ambiguous(first, _) => first,
        MappedLocalTime::None => GapInfo::new(&local, &zone)?.end?,
    };
    Some(instant.with_timezone(&Utc))
}

impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parsed form is a bitmap of thousands of years, which tells a reader nothing.
impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CronSchedule").field(&self.text).finish()
    }
}

impl FromStr for CronSchedule {
    type Err = InvalidCron;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
