//! Which slots of a schedule a tick runs, by its catch-up policy.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{CatchUp, Schedule};

/// A slot that a tick sees within this is on time, not missed: a tick comes every minute, and one may fail.
pub const ON_TIME: TimeDelta = TimeDelta::minutes(2);
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
    /// The slots from `next_run_time` to `now`, both included, that the policy runs.
    pub fn due_slots(&self, now: DateTime<Utc>) -> DueSlots {
        let next = self.next_after(now);
        let Some(first) = self.next_run_time.filter(|first| *first <= now) else {
            return DueSlots { run: Vec::new(), skipped: false, next: self.next_run_time };
        };
        let most = match self.catchup {
            CatchUp::None | CatchUp::Last => 1,
            CatchUp::All => self.max_catchup.max(1) as usize,
        };
        let mut run = self.newest_fires(first, now, most);
        let skipped = run.first().is_some_and(|oldest| *oldest > first);
        let late = |slot: &DateTime<Utc>| now - *slot > ON_TIME;
        match self.catchup {
            CatchUp::None if run.iter().any(late) => {
                DueSlots { run: Vec::new(), skipped: true, next }
            }
            CatchUp::None | CatchUp::Last | CatchUp::All => {
                run.shrink_to_fit();
                DueSlots { run, skipped, next }
            }
        }
    }

    /// The newest `most` fires of those from `first` to `now`. It looks back step by step, so that a schedule of
    /// every minute that was paused for years costs no more than one that was paused for an hour.
    fn newest_fires(
        &self,
        first: DateTime<Utc>,
        now: DateTime<Utc>,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut window = FIRST_WINDOW;
        loop {
            let from = now.checked_sub_signed(window).map_or(first, |from| from.max(first));
            let mut fires = VecDeque::new();
            let mut after = from - TimeDelta::microseconds(1);
            while let Some(fire) = self.next_after(after).filter(|fire| *fire <= now) {
                if fires.len() == most {
                    fires.pop_front();
                }
                fires.push_back(fire);
                after = fire;
            }
            if fires.len() == most || from == first {
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
    fn what_never_fires_again_has_no_slot() {
        let mut schedule = schedule("0 6 * * *", "UTC");
        schedule.next_run_time = None;
        let due = schedule.due_slots(at("2026-03-03T06:00:00Z"));
        assert_eq!(due, DueSlots { run: Vec::new(), skipped: false, next: None });
    }
}
