//! Fires written out by hand: the jumps of real zones, leap days and the years' ends.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::parse;

/// Expression, zone, an instant, and the first fires after it.
type Known = (&'static str, Tz, &'static str, &'static [&'static str]);

const JUMPS: &[Known] = &[
    // 02:00 becomes 03:00: what is skipped fires at 03:00, once, with what 03:00 itself names.
    (
        "30 2 * * *",
        Tz::Europe__Vienna,
        "2026-03-28T12:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    ),
    (
        "*/15 2 * * *",
        Tz::Europe__Vienna,
        "2026-03-28T12:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
    ),
    (
        "*/30 * * * *",
        Tz::Europe__Vienna,
        "2026-03-29T00:00:00Z",
        &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
    ),
    (
        "0 2 * * *",
        Tz::America__New_York,
        "2026-03-07T12:00:00Z",
        &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"],
    ),
    // 03:00 becomes 02:00: the second pass does not fire, also when asked in its middle.
    (
        "30 2 * * *",
        Tz::Europe__Vienna,
        "2026-10-24T12:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    ),
    (
        "0,30 * * * *",
        Tz::Europe__Vienna,
        "2026-10-24T23:30:00Z",
        &["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"],
    ),
    ("* * * * *", Tz::Europe__Vienna, "2026-10-25T01:00:00Z", &["2026-10-25T02:00:00Z"]),
    ("* * * * *", Tz::Europe__Vienna, "2026-10-25T01:15:30Z", &["2026-10-25T02:00:00Z"]),
    // Half an hour.
    ("15 2 * * *", Tz::Australia__Lord_Howe, "2026-10-03T00:00:00Z", &["2026-10-03T15:30:00Z"]),
    (
        "45 1 * * *",
        Tz::Australia__Lord_Howe,
        "2026-04-04T00:00:00Z",
        &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
    ),
    // A day without midnight, and an evening with two times 23:30.
    (
        "0 0 * * *",
        Tz::America__Sao_Paulo,
        "2018-11-03T12:00:00Z",
        &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
    ),
    (
        "30 23 * * *",
        Tz::America__Sao_Paulo,
        "2018-02-17T12:00:00Z",
        &["2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"],
    ),
    ("0 0 * * *", Tz::America__Sao_Paulo, "2018-02-17T12:00:00Z", &["2018-02-18T03:00:00Z"]),
    // Days that never were: 30 December 2011 and 21 August 1993.
    (
        "0 12 30 12 *",
        Tz::Pacific__Apia,
        "2011-12-01T00:00:00Z",
        &["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"],
    ),
    (
        "0 12 * * *",
        Tz::Pacific__Apia,
        "2011-12-29T22:00:00Z",
        &["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
    ),
    (
        "0 */6 * * *",
        Tz::Pacific__Apia,
        "2011-12-30T04:00:00Z",
        &["2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z"],
    ),
    (
        "0 12 * * *",
        Tz::Pacific__Kwajalein,
        "1993-08-21T00:00:00Z",
        &["1993-08-21T12:00:00Z", "1993-08-22T00:00:00Z"],
    ),
    // Offsets that are no whole hours.
    ("0 0 * * *", Tz::Asia__Kolkata, "2026-01-01T00:00:00Z", &["2026-01-01T18:30:00Z"]),
    ("0 0 * * *", Tz::Asia__Kathmandu, "2026-01-01T00:00:00Z", &["2026-01-01T18:15:00Z"]),
    ("0 0 * * *", Tz::Pacific__Chatham, "2026-01-01T00:00:00Z", &["2026-01-01T10:15:00Z"]),
];

const CALENDAR: &[Known] = &[
    // 2100 has no 29 February.
    (
        "0 0 29 2 *",
        Tz::UTC,
        "2092-03-01T00:00:00Z",
        &["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"],
    ),
    ("0 0 29 2 */7", Tz::UTC, "2088-03-01T00:00:00Z", &["2128-02-29T00:00:00Z"]),
    // Strictly after.
    ("0 10 * * *", Tz::UTC, "2026-01-01T10:00:00Z", &["2026-01-02T10:00:00Z"]),
    ("0 10 * * *", Tz::UTC, "2026-01-01T09:59:59.999999999Z", &["2026-01-01T10:00:00Z"]),
    ("0 10 * * *", Tz::UTC, "2026-01-01T10:00:00.000000001Z", &["2026-01-02T10:00:00Z"]),
    // Friday the 13th is two rules: 13 February 2026 is a Friday.
    (
        "0 0 13 * 5",
        Tz::UTC,
        "2026-02-06T00:00:00Z",
        &[
            "2026-02-13T00:00:00Z",
            "2026-02-20T00:00:00Z",
            "2026-02-27T00:00:00Z",
            "2026-03-06T00:00:00Z",
            "2026-03-13T00:00:00Z",
        ],
    ),
    // A day field that begins with `*` is no rule of its own: odd days that are Mondays.
    (
        "0 0 */2 * MON",
        Tz::UTC,
        "2026-06-01T00:00:00Z",
        &["2026-06-15T00:00:00Z", "2026-06-29T00:00:00Z", "2026-07-13T00:00:00Z"],
    ),
    (
        "0 0 1-31/2 * MON",
        Tz::UTC,
        "2026-06-05T00:00:00Z",
        &["2026-06-07T00:00:00Z", "2026-06-08T00:00:00Z", "2026-06-09T00:00:00Z"],
    ),
    // The years in which schedules fire, told by the zone's clock.
    ("0 0 1 1 *", Tz::UTC, "1960-05-01T00:00:00Z", &["1970-01-01T00:00:00Z"]),
    ("0 0 1 1 *", Tz::Asia__Kolkata, "1960-05-01T00:00:00Z", &["1969-12-31T18:30:00Z"]),
    ("59 23 31 12 *", Tz::UTC, "2199-12-31T23:58:00Z", &["2199-12-31T23:59:00Z"]),
    ("59 23 31 12 *", Tz::Etc__GMTPlus12, "2199-12-31T23:59:00Z", &["2200-01-01T11:59:00Z"]),
];

fn check(table: &[Known]) {
    for (text, zone, after, expected) in table {
        let after: DateTime<Utc> = after.parse().unwrap();
        let schedule = parse(text);
        let fires = schedule.fires(*zone, after).take(expected.len());
        let fires: Vec<String> =
            fires.map(|fire| fire.to_rfc3339_opts(SecondsFormat::AutoSi, true)).collect();
        assert_eq!(fires, *expected, "{text} in {zone} after {after}");
    }
}

#[test]
fn a_skipped_time_fires_after_the_gap_and_a_repeated_one_the_first_time() {
    check(JUMPS);
}

#[test]
fn days_and_years_are_those_of_the_calendar() {
    check(CALENDAR);
}

#[test]
fn after_the_last_year_nothing_fires() {
    let every_minute = parse("* * * * *");
    let last: DateTime<Utc> = "2199-12-31T23:59:00Z".parse().unwrap();
    for after in [last, last + TimeDelta::days(400), DateTime::<Utc>::MAX_UTC] {
        assert_eq!(every_minute.next(Tz::UTC, after), None, "{after}");
    }
    for zone in [Tz::Etc__GMTPlus12, Tz::Etc__GMTMinus14] {
        assert_eq!(every_minute.next(zone, DateTime::<Utc>::MAX_UTC), None);
        assert!(every_minute.next(zone, DateTime::<Utc>::MIN_UTC).is_some());
    }
}

#[test]
fn a_fire_stands_for_the_date_that_the_fields_name() {
    for (text, zone, fire, date) in [
        ("30 2 * * *", "Europe/Vienna", "2026-03-29T01:00:00Z", "2026-03-29"),
        ("0 9 * * *", "Pacific/Auckland", "2026-01-04T20:00:00Z", "2026-01-05"),
        // The last hour of the 28th is skipped: what it names fires at midnight and is still of the 28th.
        ("30 23 * * *", "America/Nuuk", "2026-03-29T01:00:00Z", "2026-03-28"),
        ("30 23 * * *", "America/Nuuk", "2026-03-30T00:30:00Z", "2026-03-29"),
        ("0 0 * * *", "America/Nuuk", "2026-03-29T01:00:00Z", "2026-03-29"),
        ("*/30 * * * *", "America/Nuuk", "2026-03-29T01:00:00Z", "2026-03-29"),
        // The 30th is skipped.
        ("0 12 30 * *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30"),
        ("0 12 * * *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30"),
        ("0 12 * * *", "Pacific/Apia", "2011-12-30T22:00:00Z", "2011-12-31"),
    ] {
        let (zone, fire): (Tz, DateTime<Utc>) = (zone.parse().unwrap(), fire.parse().unwrap());
        let cron = parse(text);
        let before = fire - TimeDelta::seconds(1);
        assert_eq!(cron.next(zone, before), Some(fire), "{text} {zone}");
        assert_eq!(cron.date(zone, fire).to_string(), date, "{text} {zone} {fire}");
    }
}
