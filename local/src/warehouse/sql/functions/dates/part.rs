//! The parts of dates and times.

use super::super::cast::DAY;

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
    Time,
    Datetime,
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
            "TIME" => Self::Time,
            "DATETIME" => Self::Datetime,
            _ => return None,
        })
    }

    /// The part as GoogleSQL writes it.
    pub(super) fn written(self) -> String {
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
    pub(super) fn micros(self) -> Option<i64> {
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
            | Self::Date
            | Self::Time
            | Self::Datetime => return None,
        })
    }
}
