//! Arrays of days and instants at equal steps.

use std::sync::Arc;

use chrono::Datelike;

use super::super::super::refusal::not_here;
use super::super::super::rowwise::{Cell, PerRow};
use super::super::arrays::series;
use super::super::calendar::checked_instant;
use super::{Part, day_of, shift};
use crate::warehouse::values::days as since_1970;

/// `GENERATE_DATE_ARRAY` with an INTERVAL.
pub(super) fn days(part: Part) -> Option<PerRow> {
    let moved = shift(part, false)?;
    Some(Arc::new(move |row| {
        let (start, end, step) = (row.date(0), row.date(1), row.int(2));
        // Whether the 31st comes back after a shorter month is not written down.
        let months = !matches!(part, Part::Day | Part::Week(_));
        if months && day_of(start)?.day() > 28 {
            return Err(not_here("GENERATE_DATE_ARRAY by months from a day after the 28th"));
        }
        let next = |count: usize| {
            let count = i64::try_from(count).ok()?.checked_mul(step)?;
            moved(start, count).ok().map(since_1970).map(i64::from)
        };
        series("GENERATE_DATE_ARRAY", i64::from(end), step.cmp(&0), next, |day| {
            i32::try_from(day).map(Cell::Date).map_err(|e| e.to_string())
        })
    }))
}

/// `GENERATE_TIMESTAMP_ARRAY`.
pub(super) fn instants(part: Part) -> Option<PerRow> {
    let unit = part.micros()?;
    Some(Arc::new(move |row| {
        let (start, end, step) = (row.micros(0), row.micros(1), row.int(2));
        let next = |count: usize| {
            let by = i64::try_from(count).ok()?.checked_mul(step)?.checked_mul(unit)?;
            start.checked_add(by)
        };
        series("GENERATE_TIMESTAMP_ARRAY", end, step.cmp(&0), next, checked_instant)
    }))
}
