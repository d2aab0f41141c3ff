//! Which slots of a schedule a tick runs, by its catch-up policy.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{CatchUp, Schedule};

/// A slot that a tick sees within this is on time, not missed: a tick comes every minute, and one may fail.
pub const ON_TIME: TimeDelta = TimeDelta::minutes(2);
/// The most slots that are on time at once: one a minute, both ends included.
const ON_TIME_MOST: u32 = 3;
/// How far back fires are looked for at first; each next look goes this many times further.
const FIRST_WINDOW: TimeDelta = TimeDelta::hours(1);
const FURTHER: i32 = 24;

/// What a tick at some moment makes of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSlots {
    /// The slots to run, oldest first.
    pub run: Vec<DateTime<Utc>>,
    /// Whether older slots are left out, as the policy says.
    pub skipped: bool,
    /// The slot after all of them.
    pub next: Option<DateTime<Utc>>,
}

impl Schedule {
    /// The slots from `next_run_time` to `now`, both included, that run: those on time, and of the missed ones those
    /// that the policy says. `last` runs a missed one only where none is on time.
    pub fn due_slots(&self, now: DateTime<Utc>) -> DueSlots {
        let Some(first) = self.next_run_time.filter(|first| *first <= now) else {
            return DueSlots { run: Vec::new(), skipped: false, next: self.next_run_time };
        };
        let is_late = |slot: &DateTime<Utc>| now - *slot > ON_TIME;
        let most = self.max_catchup.max(ON_TIME_MOST) as usize;
        let fires = self.newest_fires(first, now, most);
        let on_time = fires.iter().filter(|slot| !is_late(slot)).count();
        let wanted = match self.catchup {
            CatchUp::None => on_time,
            CatchUp::Last => on_time.max(1),
            CatchUp::All => on_time.max(self.max_catchup as usize),
        };
        let run = fires[fires.len().saturating_sub(wanted)..].to_vec();
        let skipped = run.first().is_none_or(|oldest| *oldest > first);
        DueSlots { run, skipped, next: self.next_after(now) }
    }

    /// The newest `most` fires of those from `first`, which is one whatever the zone's rules say by now, to `now`. It
    /// looks back step by step, so that a schedule of every minute that was paused for years costs no more than one
    /// that was paused for an hour.
    fn newest_fires(
        &self,
        first: DateTime<Utc>,
        now: DateTime<Utc>,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut window = FIRST_WINDOW;
        loop {
            let from = now.checked_sub_signed(window).filter(|from| *from > first);
            let mut fires = VecDeque::new();
            fires.extend(from.is_none().then_some(first));
            let mut after = from.map_or(first, |from| from - TimeDelta::microseconds(1));
            while let Some(fire) = self.next_after(after).filter(|fire| *fire <= now) {
                if fires.len() == most {
                    fires.pop_front();
                }
                fires.push_back(fire);
                after = fire;
            }
            if fires.len() == most || from.is_none() {
                return fires.into();
            }
            window = window.checked_mul(FURTHER).unwrap_or(TimeDelta::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::tests::schedule;

    /// Policy, bound and now; the slots that run, whether others are left out, and the next one.
    type Case = (CatchUp, u32, &'static str, &'static [&'static str], bool, &'static str);

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn missed_slots_run_as_the_policy_says() {
        let hours = |run: &[DateTime<Utc>]| -> Vec<String> {
            run.iter().map(|slot| slot.format("%d %H:%M").to_string()).collect()
        };
        // Every six hours; the slot of 06:00 on the 3rd is the first that no tick saw.
        let cases: [Case; 12] = [
            (CatchUp::Last, 24, "2026-03-03T05:59:59Z", &[], false, "03 06:00"),
            (CatchUp::None, 24, "2026-03-03T06:00:00Z", &["03 06:00"], false, "03 12:00"),
            (CatchUp::None, 24, "2026-03-03T06:02:00Z", &["03 06:00"], false, "03 12:00"),
            (CatchUp::None, 24, "2026-03-03T06:02:01Z", &[], true, "03 12:00"),
            (CatchUp::None, 24, "2026-03-04T06:01:00Z", &["04 06:00"], true, "04 12:00"),
            (CatchUp::None, 24, "2026-03-04T07:00:00Z", &[], true, "04 12:00"),
            (CatchUp::Last, 24, "2026-03-04T07:00:00Z", &["04 06:00"], true, "04 12:00"),
            (CatchUp::Last, 24, "2026-03-03T07:00:00Z", &["03 06:00"], false, "03 12:00"),
            (
                CatchUp::All,
                24,
                "2026-03-04T07:00:00Z",
                &["03 06:00", "03 12:00", "03 18:00", "04 00:00", "04 06:00"],
                false,
                "04 12:00",
            ),
            (CatchUp::All, 2, "2026-03-04T07:00:00Z", &["04 00:00", "04 06:00"], true, "04 12:00"),
            (CatchUp::All, 2, "2029-03-04T07:00:00Z", &["04 00:00", "04 06:00"], true, "04 12:00"),
            (CatchUp::Last, 24, "2029-03-04T07:00:00Z", &["04 06:00"], true, "04 12:00"),
        ];
        for (catchup, max_catchup, now, run, skipped, next) in cases {
            let mut schedule = schedule("0 */6 * * *", "UTC");
            schedule.next_run_time = Some(at("2026-03-03T06:00:00Z"));
            (schedule.catchup, schedule.max_catchup) = (catchup, max_catchup);
            let due = schedule.due_slots(at(now));
            assert_eq!(hours(&due.run), run, "{catchup} at {now}");
            assert_eq!(due.skipped, skipped, "{catchup} at {now}");
            assert_eq!(hours(&[due.next.unwrap()]), [next], "{catchup} at {now}");
        }
    }

    #[test]
    fn every_slot_on_time_runs_whatever_the_policy() {
        for catchup in [CatchUp::None, CatchUp::Last, CatchUp::All] {
            let mut schedule = schedule("* * * * *", "UTC");
            schedule.next_run_time = Some(at("2026-03-03T11:01:00Z"));
            (schedule.catchup, schedule.max_catchup) = (catchup, 1);
            let due = schedule.due_slots(at("2026-03-03T11:02:01Z"));
            assert_eq!(due.run, [at("2026-03-03T11:01:00Z"), at("2026-03-03T11:02:00Z")]);
            assert!(!due.skipped, "{catchup}");
            let due = schedule.due_slots(at("2026-03-03T11:05:00Z"));
            let on_time = ["2026-03-03T11:03:00Z", "2026-03-03T11:04:00Z", "2026-03-03T11:05:00Z"];
            assert_eq!(due.run, on_time.map(at), "{catchup}");
            assert!(due.skipped, "{catchup}");
        }
    }

    #[test]
    fn a_slot_that_was_promised_runs_although_the_zone_has_other_rules_by_now() {
        let mut schedule = schedule("0 12 * * *", "UTC");
        schedule.next_run_time = Some(at("2026-03-03T12:30:00Z"));
        let due = schedule.due_slots(at("2026-03-03T12:30:05Z"));
        assert_eq!(due.run, [at("2026-03-03T12:30:00Z")]);
        assert_eq!(due.next, Some(at("2026-03-04T12:00:00Z")));
    }

    #[test]
    fn what_never_fires_again_has_no_slot() {
        let mut schedule = schedule("0 6 * * *", "UTC");
        schedule.next_run_time = None;
        let due = schedule.due_slots(at("2026-03-03T06:00:00Z"));
        assert_eq!(due, DueSlots { run: Vec::new(), skipped: false, next: None });
    }
}
