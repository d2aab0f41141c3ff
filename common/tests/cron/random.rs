//! Properties of expressions, zones and instants drawn at random.

use chrono_tz::TZ_VARIANTS;
use common::schedule::{CronSchedule, InvalidCron};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::oracle::{Fields, clocks, span};
use crate::{fires, instant, same};

/// How many fires of a random schedule are compared.
const COMPARED: usize = 30;

/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "mar", "apr", "May", "Jun", "JUL", "aUG", "Sep", "OCT", "nov", "DEC"];
const WEEKDAYS: [&str; 7] = ["Sun", "MON", "tue", "Wed", "THU", "fri", "SAT"];

/// One value, as a number or as a name.
fn value(lowest: u32, highest: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let number = (lowest..=highest).prop_map(|number| number.to_string());
    if names.is_empty() {
        return number.boxed();
    }
    prop_oneof![3 => number, 1 => select(names).prop_map(str::to_owned)].boxed()
}

/// A list of numbers, names, ranges and steps.
fn field(lowest: u32, highest: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let range = (lowest..=highest)
        .prop_flat_map(move |from| (Just(from), from..=highest))
        .prop_map(|(from, to)| format!("{from}-{to}"));
    let span = prop_oneof![Just("*".to_owned()), range.clone()];
    let step = (span, 1..=highest).prop_map(|(span, step)| format!("{span}/{step}"));
    let item = prop_oneof![3 => value(lowest, highest, names), 1 => range, 1 => step];
    let list = prop::collection::vec(item, 1..4).prop_map(|items| items.join(","));
    prop_oneof![2 => Just("*".to_owned()), 3 => list].boxed()
}

fn expression() -> impl Strategy<Value = String> {
    let weekday = prop_oneof![5 => field(0, 7, &WEEKDAYS), 1 => Just("FRI-Sun".to_owned())];
    let fields =
        (field(0, 59, &[]), field(0, 23, &[]), field(1, 31, &[]), field(1, 12, &MONTHS), weekday);
    fields
        .prop_map(|(minute, hour, day, month, weekday)| {
            format!("{minute} {hour} {day} {month} {weekday}")
        })
        .prop_filter("a text has at most 100 bytes", |text| text.len() <= 100)
}

/// What looks like cron and is not always.
fn hostile() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[0-9*,/ -]{0,8}",
        "[0-9*,/A-Za-z@LW#?+%~ \t\n-]{0,12}",
        select(&["JAN", "SUN", "-SUN", "*/0", "99999999999", "@daily", "1-", "L", "0-7"][..])
            .prop_map(str::to_owned),
    ];
    let words = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    prop_oneof![1 => any::<String>(), 3 => words]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions_fire_as_the_clock_shows(
        text in expression(),
        clock in any::<Index>(),
        jump in any::<Index>(),
        near in prop_oneof![-2 * DAY..2 * DAY, -DAY / 8..DAY / 8],
        anywhere in any::<Index>(),
        by_jump in any::<bool>(),
    ) {
        let fields = Fields::expand(&text);
        let schedule = match CronSchedule::parse(&text) {
            Err(error) => {
                let never = matches!(error, InvalidCron::Never { .. });
                prop_assert!(never && !fields.on_any_day(), "{text}: {error}");
                return Ok(());
            }
            Ok(schedule) => schedule,
        };
        let clock = clock.get(clocks());
        let (begin, end) = span();
        let from = if by_jump && !clock.jumps.is_empty() {
            jump.get(&clock.jumps) * 60 + near
        } else {
            begin + i64::try_from(anywhere.index(usize::try_from(end - begin)?))?
        };
        let from = from.clamp(begin, end);
        // Up to as many days as hold the fires that are compared; rare ones up to the clock's end.
        let mut to = from + DAY;
        let mut expected = clock.fires(&fields, from, to);
        while expected.len() < COMPARED && to < end {
            to = end.min(from + (to - from) * 4);
            expected = clock.fires(&fields, from, to);
        }
        expected.truncate(COMPARED);
        let to = if expected.len() < COMPARED { to } else { expected[COMPARED - 1] * 60 };
        same(&text, clock.zone, &fires(&schedule, clock.zone, from, to), &expected);
    }

    #[test]
    fn a_fire_is_the_first_after_whatever_instant(
        text in expression(),
        zone in select(&TZ_VARIANTS[..]),
        after in -3 * 366 * DAY..229 * 365 * DAY,
        later in 0..1_000,
    ) {
        let Ok(schedule) = CronSchedule::parse(&text) else { return Ok(()) };
        let after = instant(after);
        // Near the last of the years a rare schedule has no fire left.
        let Some(fire) = schedule.next(zone, after) else { return Ok(()) };
        prop_assert!(fire > after);
        // Whoever asks between the two gets the same answer, and whoever asks at the fire a later one.
        let between = after + (fire - after) * later / 1_000;
        if between < fire {
            prop_assert_eq!(schedule.next(zone, between), Some(fire));
        }
        if let Some(second) = schedule.next(zone, fire) {
            prop_assert!(second > fire);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in hostile()) {
        if let Ok(schedule) = CronSchedule::parse(&text) {
            prop_assert_eq!(schedule.as_str(), &text);
            prop_assert!(schedule.next(chrono_tz::UTC, instant(0)).is_some());
        }
    }

    #[test]
    fn no_expression_that_keeps_the_rules_is_unread(text in hostile()) {
        let error = CronSchedule::parse(&text).err();
        let unread = matches!(error, Some(InvalidCron::Unread { .. }));
        prop_assert!(!unread, "{error:?}");
    }
}
