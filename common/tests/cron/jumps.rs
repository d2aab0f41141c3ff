//! Every jump of every zone, one by one, from 1970 on.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use common::schedule::CronSchedule;

use crate::{instant, parse};

/// Two jumps of a zone are further apart.
const APART: i64 = 14 * 24 * 60 * 60;

const YEARS: i64 = 130 * 365 * 24 * 60 * 60;

/// A schedule of once a day for each time of day that a jump touches.
#[derive(Default)]
struct Daily(HashMap<(u32, u32), CronSchedule>);

impl Daily {
    fn at(&mut self, local: NaiveDateTime) -> &CronSchedule {
        let (hour, minute) = (local.hour(), local.minute());
        self.0.entry((hour, minute)).or_insert_with(|| parse(&format!("{minute} {hour} * * *")))
    }
}

#[test]
fn every_gap_fires_at_its_end_and_every_repetition_stays_silent() {
    let mut daily = Daily::default();
    let (mut gaps, mut repetitions) = (0, 0);
    for zone in TZ_VARIANTS {
        for (jump, before, after) in jumps(zone) {
            // The first local time that is skipped, or the one that the clock goes back to.
            let local = jump.naive_utc() + TimeDelta::seconds(before.min(after));
            if local.second() != 0 {
                continue;
            }
            let size = TimeDelta::seconds((after - before).abs());
            let fire = daily.at(local).next(zone, jump - TimeDelta::seconds(1)).unwrap();
            if after > before {
                gaps += 1;
                assert_eq!(fire, jump, "{zone} skips {local}");
            } else {
                repetitions += 1;
                assert!(
                    fire > jump + size,
                    "{zone} repeats {local} at {jump}, but fires at {fire}"
                );
                let first = jump - size;
                let fire = daily.at(local).next(zone, first - TimeDelta::seconds(1));
                assert_eq!(fire, Some(first), "{zone} shows {local} first");
            }
        }
    }
    assert!(gaps > 10_000 && repetitions > 10_000, "{gaps} and {repetitions}");
}

/// The instants from which a zone's offset is another, and its seconds before and after.
fn jumps(zone: Tz) -> Vec<(DateTime<Utc>, i64, i64)> {
    let offset = |seconds: i64| -> i64 {
        let utc = instant(seconds).naive_utc();
        zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into()
    };
    let mut jumps = Vec::new();
    let (mut at, mut before) = (0, offset(0));
    while at < YEARS {
        let (mut low, mut high) = (at, at + APART);
        at = high;
        let after = offset(high);
        if after == before {
            continue;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if offset(middle) == before { low = middle } else { high = middle }
        }
        jumps.push((instant(high), before, after));
        before = after;
    }
    jumps
}
