//! Time zones: what the clock shows there at an instant, and which instant a local time is.

use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, Offset, TimeZone};
use chrono_tz::Tz;

use super::super::refusal::not_here;

/// A zone by name or by its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Zone {
    /// So many microseconds ahead of UTC.
    Fixed(i64),
    /// With the rules of its name.
    Named(Tz),
}

/// Rules are known up to here; later ones are only expected.
const LAST_YEAR: i32 = 2036;

/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

impl Zone {
    /// UTC.
    pub(crate) const UTC: Self = Self::Fixed(0);

    /// Reads `Area/City`, `UTC` or `±H[H][:MM]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "UTC" | "Etc/UTC") {
            return Ok(Self::UTC);
        }
        if let Some(digits) = text.strip_prefix(['+', '-']) {
            let ahead = offset(digits).ok_or_else(|| unknown(text))?;
            return Ok(Self::Fixed(if text.starts_with('-') { -ahead } else { ahead }));
        }
        text.parse().map(Self::Named).map_err(|_| unknown(text))
    }

    /// How far the zone's clocks are ahead of UTC at an instant.
    pub(crate) fn ahead(self, instant: i64) -> Result<i64, String> {
        let tz = match self {
            Self::Fixed(ahead) => return Ok(ahead),
            Self::Named(tz) => tz,
        };
        let utc = moment(instant)?;
        let seconds = tz.offset_from_utc_datetime(&utc).fix().local_minus_utc();
        if utc.year() > LAST_YEAR || seconds % 60 != 0 {
            return Err(not_here(format!("the clock of {tz} at {utc} UTC")));
        }
        Ok(i64::from(seconds) * 1_000_000)
    }

    /// The local time of an instant.
    pub(crate) fn local(self, instant: i64) -> Result<i64, String> {
        Ok(instant + self.ahead(instant)?)
    }

    /// The instant of a local time; one that the zone's clocks show never or twice is refused.
    pub(crate) fn instant(self, local: i64) -> Result<i64, String> {
        let tz = match self {
            Self::Fixed(ahead) => return Ok(local - ahead),
            Self::Named(tz) => tz,
        };
        let shown = moment(local)?;
        match tz.from_local_datetime(&shown) {
            LocalResult::Single(found) => {
                let instant = found.timestamp_micros();
                self.ahead(instant).map(|_| instant)
            }
            LocalResult::None | LocalResult::Ambiguous(..) => {
                Err(not_here(format!("{shown}, which {tz} has never or twice,")))
            }
        }
    }

    /// Whether hours begin there when they begin in UTC.
    pub(crate) fn whole_hours(self, instant: i64) -> Result<bool, String> {
        Ok(self.ahead(instant)? % HOUR == 0)
    }
}

fn unknown(text: &str) -> String {
    not_here(format!("the time zone '{text}'"))
}

fn moment(micros: i64) -> Result<chrono::NaiveDateTime, String> {
    DateTime::from_timestamp_micros(micros)
        .map(|instant| instant.naive_utc())
        .ok_or_else(|| "a TIMESTAMP lies outside the years 0001 to 9999".to_owned())
}

fn offset(digits: &str) -> Option<i64> {
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "00"));
    let plain = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !plain(hours, 2) || !plain(minutes, 2) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 14 * 60).then_some(all * 60_000_000)
}

/// How an offset is written: `+02`, with minutes where there are some.
pub(crate) fn written(ahead: i64) -> String {
    let minutes = ahead / 60_000_000;
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    if rest == 0 { format!("{sign}{hours:02}") } else { format!("{sign}{hours:02}:{rest:02}") }
}
