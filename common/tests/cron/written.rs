//! Expressions written out, every syntax among them, over years of every zone.

use crate::oracle::{Fields, clocks, span};
use crate::{fires, parse, same};

const EXPRESSIONS: [&str; 74] = [
    // Every minute, and steps of minutes.
    "* * * * *",
    "*/2 * * * *",
    "*/5 * * * *",
    "*/7 * * * *",
    "*/15 * * * *",
    "*/45 * * * *",
    "*/59 * * * *",
    "1-59/2 * * * *",
    "10-40/15 * * * *",
    "0,30 * * * *",
    "30,0,30 * * * *",
    "*/20,7,50-52 * * * *",
    "00,015,0030 * * * *",
    "0 * * * *",
    "59 * * * *",
    "* 0 * * *",
    "* 1 * * *",
    "* 2 * * *",
    "* 23 * * *",
    "*/10 0-3 * * *",
    // Once a day: around midnight and at the hours at which zones jump.
    "0 0 * * *",
    "1 0 * * *",
    "15 0 * * *",
    "30 0 * * *",
    "59 0 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "45 1 * * *",
    "0 2 * * *",
    "1 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "30 3 * * *",
    "45 3 * * *",
    "0 4 * * *",
    "30 23 * * *",
    "59 23 * * *",
    "0 12 * * *",
    // Several hours.
    "0 */2 * * *",
    "30 */6 * * *",
    "0 1-4 * * *",
    "30 1,2,3 * * *",
    "0,59 0,2,23 * * *",
    "5 4-20/8 * * *",
    "0 0,12 1 */2 *",
    // Days of the month and months.
    "0 0 1 * *",
    "0 6 31 * *",
    "30 2 28-31 * *",
    "0 0 29 2 *",
    "59 23 31 12 *",
    "0 0 1 1 *",
    "0 0 30 12 *",
    "12 3 30 DEC *",
    "0 0 1,15 jan,Jul *",
    "0 3 10-20/5 3-11/4 *",
    "0 0 */10 * *",
    "0 0 */31 * *",
    "0 0 1 JAN-MAR,OCT-DEC *",
    // Weekdays by number and by name.
    "30 2 * * 0",
    "30 2 * * 7",
    "30 2 * * SUN",
    "0 9 * * MON-FRI",
    "0 0 * * fri-sun",
    "0 0 * * 1-7/2",
    "0 0 * * */3",
    "0 8 * 3,10 sat,Sun",
    // Both: either, unless one begins with `*`.
    "0 0 13 * 5",
    "30 2 1-7 * SUN",
    "0 0 */2 * 1",
    "0 0 1-31/2 * 1",
    "0 0 1,2,3 * */2",
    "59 23 29 2 6",
];

/// An expression that fires more often than this in a day is compared around the jumps only.
const OFTEN: usize = 4;

/// In seconds; longer than a day, since one zone skips a whole one.
const AROUND: i64 = 26 * 60 * 60;

#[test]
fn every_written_expression_fires_as_the_clock_shows() {
    for clock in clocks() {
        let (begin, end) = span();
        let quiet = (begin, begin + AROUND);
        let jumps = || clock.jumps.iter().map(|jump| jump * 60);
        // Asked in the middle of a repeated hour, where the clock shows less than it has shown.
        let inside = jumps().map(|jump| (jump + 15 * 60, jump + 4 * 60 * 60));
        let around = jumps().map(|jump| (jump - AROUND, jump + AROUND)).chain([quiet]);
        let often: Vec<_> = inside.clone().chain(around).collect();
        let seldom: Vec<_> = inside.chain([(begin, end)]).collect();
        for text in EXPRESSIONS {
            let (schedule, fields) = (parse(text), Fields::expand(text));
            let windows = if fields.a_day() > OFTEN { &often } else { &seldom };
            for window in windows {
                let (from, to) = (window.0.max(begin), window.1.min(end));
                let found = fires(&schedule, clock.zone, from, to);
                same(text, clock.zone, &found, &clock.fires(&fields, from, to));
            }
        }
    }
}

#[test]
fn the_clocks_that_are_watched_jump() {
    for clock in clocks() {
        let zone = clock.zone.name();
        let steady = ["UTC", "Asia/Kolkata", "Asia/Kathmandu"].contains(&zone);
        assert_eq!(clock.jumps.is_empty(), steady, "{zone}");
    }
}
