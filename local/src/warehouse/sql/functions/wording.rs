//! How GoogleSQL reads numbers, dates and times from text.

use chrono::{NaiveDate, NaiveTime, Timelike};

use super::cast::DAY;
use crate::warehouse::numeric as decimal;
use crate::warehouse::values::days;

/// Why text was not read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Misread {
    /// It is no value of the type; `SAFE_CAST` answers NULL.
    Wrong(String),
    /// It may be one on BigQuery: refused also by `SAFE_CAST`.
    Unsure(String),
}

impl Misread {
    /// A value that the type does not hold.
    pub(crate) fn out_of_range(value: impl std::fmt::Display, kind: &str) -> Self {
        Self::Wrong(format!("{value} is out of range for {kind}"))
    }

    fn not(text: &str, kind: &str) -> Self {
        if text != text.trim() {
            return Self::Unsure(format!("'{text}' with spaces around a {kind} (TRIM it)"));
        }
        Self::Wrong(format!("'{text}' is not a {kind}"))
    }
}

/// INT64: decimal digits, or hexadecimal ones after `0x`.
pub(crate) fn int(text: &str) -> Result<i64, Misread> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((digits, 10), |hex| (hex, 16));
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(Misread::not(text, "INT64"));
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| Misread::not(text, "INT64"))
}

/// FLOAT64, with the names of NaN and the infinities.
pub(crate) fn float(text: &str) -> Result<f64, Misread> {
    let value: f64 = text.parse().map_err(|_| Misread::not(text, "FLOAT64"))?;
    if value.is_infinite() && text.chars().any(|c| c.is_ascii_digit()) {
        return Err(Misread::out_of_range(format!("'{text}'"), "FLOAT64"));
    }
    Ok(value)
}

/// NUMERIC, rounded half away from zero at the ninth decimal.
pub(crate) fn numeric(text: &str) -> Result<i128, Misread> {
    if text != text.trim() {
        return Err(Misread::not(text, "NUMERIC"));
    }
    decimal::parse(text).ok_or_else(|| Misread::not(text, "NUMERIC"))
}

/// BOOL: `true` or `false` in any case.
pub(crate) fn bool(text: &str) -> Result<bool, Misread> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Misread::not(text, "BOOL"))
    }
}

/// DATE, `YYYY-[M]M-[D]D`, as days since 1970.
pub(crate) fn date(text: &str) -> Result<i32, Misread> {
    day(text).map(days).ok_or_else(|| Misread::not(text, "DATE"))
}

fn day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let year = number(year, 4..=4)?;
    if parts.next().is_some() || year == 0 {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(month, 1..=2)?, number(day, 1..=2)?)
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// TIME, `[H]H:[M]M:[S]S[.ffffff]`, as microseconds since midnight.
pub(crate) fn time(text: &str) -> Result<i64, Misread> {
    clock(text).ok_or_else(|| Misread::not(text, "TIME"))
}

fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if parts.next().is_some() {
        return None;
    }
    let micros = number(fraction, 1..=6)? * 10_u32.pow(6 - u32::try_from(fraction.len()).ok()?);
    let time = NaiveTime::from_hms_micro_opt(
        number(hour, 1..=2)?,
        number(minute, 1..=2)?,
        number(second, 1..=2)?,
        micros,
    )?;
    Some(
        i64::from(time.num_seconds_from_midnight()) * 1_000_000
            + i64::from(time.nanosecond() / 1000),
    )
}

/// DATETIME, a date and optionally a time after a space or `T`, as microseconds since 1970.
pub(crate) fn datetime(text: &str) -> Result<i64, Misread> {
    moment(text).ok_or_else(|| Misread::not(text, "DATETIME"))
}

fn moment(text: &str) -> Option<i64> {
    let (date, time) = match text.find([' ', 'T', 't']) {
        Some(at) => (&text[..at], clock(&text[at + 1..])?),
        None => (text, 0),
    };
    Some(i64::from(days(day(date)?)) * DAY + time)
}

/// TIMESTAMP: a date and time with `Z`, an offset, ` UTC` or nothing, which is UTC; microseconds since 1970.
pub(crate) fn timestamp(text: &str) -> Result<i64, Misread> {
    let (moment_text, offset) = split_zone(text)?;
    let local = moment(moment_text).ok_or_else(|| Misread::not(text, "TIMESTAMP"))?;
    let instant = local - offset;
    if super::calendar::checked_instant(instant).is_err() {
        return Err(Misread::out_of_range(format!("'{text}'"), "TIMESTAMP"));
    }
    Ok(instant)
}

/// The text before the zone, and the zone's offset from UTC in microseconds.
fn split_zone(text: &str) -> Result<(&str, i64), Misread> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return Ok((utc, 0));
    }
    if let Some(utc) = text.strip_suffix(" UTC") {
        return Ok((utc, 0));
    }
    // An offset's sign comes after a time of day; the date's hyphens come before one.
    let Some(after_time) = text.find(':') else {
        // Behind a bare date an offset or a zone's name may stand on BigQuery.
        return match text.split_once([' ', 'T', 't', '+']) {
            Some(_) => Err(unsure_zone(text)),
            None if text.matches('-').count() > 2 => Err(unsure_zone(text)),
            None => Ok((text, 0)),
        };
    };
    if let Some(at) = text[after_time..].find(['+', '-']).map(|at| after_time + at) {
        let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
        let (hours, minutes) = text[at + 1..].split_once(':').unwrap_or((&text[at + 1..], "0"));
        let hours = number(hours, 1..=2).filter(|h| *h <= 14);
        let minutes = number(minutes, 1..=2).filter(|m| *m <= 59);
        let (Some(hours), Some(minutes)) = (hours, minutes) else {
            return Err(Misread::not(text, "TIMESTAMP"));
        };
        if hours == 14 && minutes > 0 {
            return Err(Misread::not(text, "TIMESTAMP"));
        }
        let offset = sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60) * 1_000_000;
        return Ok((&text[..at], offset));
    }
    if text.chars().any(char::is_alphabetic) && text.contains(' ') {
        return Err(unsure_zone(text));
    }
    Ok((text, 0))
}

fn unsure_zone(text: &str) -> Misread {
    Misread::Unsure(format!(
        "'{text}' with a named time zone (write the time of day and its offset, such as +02:00)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_in_every_spelling() {
        let expected = 1_726_696_800_000_000;
        for text in [
            "2024-09-18 22:00:00",
            "2024-09-18T22:00:00Z",
            "2024-09-18 22:00:00 UTC",
            "2024-09-18 22:00:00+00",
            "2024-09-19 00:00:00+02:00",
            "2024-9-18 22:0:0.000",
            "2024-09-18T17:00:00-05",
        ] {
            assert_eq!(timestamp(text), Ok(expected), "{text}");
        }
        assert_eq!(timestamp("2024-09-18"), Ok(1_726_617_600_000_000));
        for text in ["2024-13-01", "18.09.2024", "2024-09-18 24:00:00", "", "2024-09-18 22:00"] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(int("-0x1F"), Ok(-31));
        assert!(int("9223372036854775808").is_err());
        assert!(matches!(int(" 1"), Err(Misread::Unsure(_))));
        assert!(matches!(int("1.0"), Err(Misread::Wrong(_))));
        assert!(matches!(float("1e999"), Err(Misread::Wrong(_))));
        assert_eq!(bool("TRUE"), Ok(true));
    }
}
