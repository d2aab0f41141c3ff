//! Which texts are refused, and in which words; which short forms are read.

use chrono_tz::Tz;
use common::schedule::CronSchedule;

use crate::{fires, parse};

const MINUTE: &str = "must be a number from 0 to 59, alone or with `*` `,` `-` `/`";
const HOUR: &str = "must be a number from 0 to 23, alone or with `*` `,` `-` `/`";
const DAY: &str = "must be a number from 1 to 31, alone or with `*` `,` `-` `/`";
const MONTH: &str =
    "must be a number from 1 to 12 or a name from JAN to DEC, alone or with `*` `,` `-` `/`";
const WEEKDAY: &str =
    "must be a number from 0 to 7 or a name from SUN to SAT, alone or with `*` `,` `-` `/`";
const ALONE: &str = "`*` stands alone or with a step: leave the rest of the list out";

/// Text, field, the part that is wrong, and the rule.
const FIELDS: &[(&str, &str, &str, &str)] = &[
    // Out of range.
    ("60 * * * *", "minute", "60", MINUTE),
    ("0,15,61 * * * *", "minute", "61", MINUTE),
    ("99999999999999999999 * * * *", "minute", "99999999999999999999", MINUTE),
    ("* 24 * * *", "hour", "24", HOUR),
    ("* 20-24 * * *", "hour", "24", HOUR),
    ("* * 0 * *", "day-of-month", "0", DAY),
    ("* * 32 * *", "day-of-month", "32", DAY),
    ("* * * 0 *", "month", "0", MONTH),
    ("* * * 13 *", "month", "13", MONTH),
    ("* * * * 8", "day-of-week", "8", WEEKDAY),
    // Not numbers.
    ("-1 * * * *", "minute", "", MINUTE),
    ("+1 * * * *", "minute", "+1", MINUTE),
    ("1.5 * * * *", "minute", "1.5", MINUTE),
    ("٣ * * * *", "minute", "٣", MINUTE),
    ("0,,5 * * * *", "minute", "", MINUTE),
    ("0, * * * *", "minute", "", MINUTE),
    ("5- * * * *", "minute", "", MINUTE),
    ("1-2-3 * * * *", "minute", "2-3", MINUTE),
    ("** * * * *", "minute", "**", MINUTE),
    ("*-5 * * * *", "minute", "*", MINUTE),
    ("H * * * *", "minute", "H", MINUTE),
    ("0~59 * * * *", "minute", "0~59", MINUTE),
    ("0 0\n1 * * *", "hour", "0\n1", HOUR),
    // Names where they are not, or that are none.
    ("SUN * * * *", "minute", "SUN", MINUTE),
    ("0 0 * MON *", "month", "MON", MONTH),
    ("0 0 * JANUARY *", "month", "JANUARY", MONTH),
    ("0 0 * JANFEB *", "month", "JANFEB", MONTH),
    ("0 0 * * MONTUE", "day-of-week", "MONTUE", WEEKDAY),
    ("0 0 * * JAN", "day-of-week", "JAN", WEEKDAY),
    // What other crons know.
    ("0 0 L * *", "day-of-month", "L", DAY),
    ("0 0 LW * *", "day-of-month", "LW", DAY),
    ("0 0 15W * *", "day-of-month", "15W", DAY),
    ("0 0 ? * *", "day-of-month", "?", DAY),
    ("0 0 * * 5L", "day-of-week", "5L", WEEKDAY),
    ("0 0 * * 5#2", "day-of-week", "5#2", WEEKDAY),
    ("0 0 * * ?", "day-of-week", "?", WEEKDAY),
    ("0 0 13 * +5", "day-of-week", "+5", WEEKDAY),
    ("0 0 * * %", "day-of-week", "%", WEEKDAY),
    // Ranges that go down.
    ("50-10 * * * *", "minute", "50-10", "a range must go up: write two, 50-59 and 0-10"),
    ("0 22-2 * * *", "hour", "22-2", "a range must go up: write two, 22-23 and 0-2"),
    ("0 0 * NOV-FEB *", "month", "NOV-FEB", "a range must go up: write two, 11-12 and 1-2"),
    ("0 0 * * SAT-MON", "day-of-week", "SAT-MON", "a range must go up: write two, 6-7 and 0-1"),
    ("0 0 * * 5-0", "day-of-week", "5-0", "a range must go up: write two, 5-7 and 0-0"),
    // Steps.
    ("*/0 * * * *", "minute", "*/0", "a step must be a number from 1 to 59"),
    ("*/60 * * * *", "minute", "*/60", "a step must be a number from 1 to 59"),
    ("*/ * * * *", "minute", "*/", "a step must be a number from 1 to 59"),
    ("*/-2 * * * *", "minute", "*/-2", "a step must be a number from 1 to 59"),
    ("*/2/3 * * * *", "minute", "*/2/3", "a step must be a number from 1 to 59"),
    ("0 */24 * * *", "hour", "*/24", "a step must be a number from 1 to 23"),
    ("/5 * * * *", "minute", "", MINUTE),
    ("5/15 * * * *", "minute", "5/15", "a step needs `*` or a range before it: write 5-59/15"),
    ("*,5 * * * *", "minute", "*", ALONE),
    ("0 0 1,* * *", "day-of-month", "*", ALONE),
];

/// Text and the whole message.
const TEXTS: &[(&str, &str)] = &[
    (
        "",
        "cron is \"\", but must have five fields, minute hour day-of-month month day-of-week, not 0: write `*` \
         for a field that does not matter",
    ),
    (
        "0 0 * *",
        "cron is \"0 0 * *\", but must have five fields, minute hour day-of-month month day-of-week, not 4: \
         write `*` for a field that does not matter",
    ),
    (
        "0 0 0 * * *",
        "cron is \"0 0 0 * * *\", but must have five fields, minute hour day-of-month month day-of-week, not 6: \
         seconds and years cannot be given, leave them out",
    ),
    (
        "0 0 0 * * * 2030",
        "cron is \"0 0 0 * * * 2030\", but must have five fields, minute hour day-of-month month day-of-week, \
         not 7: seconds and years cannot be given, leave them out",
    ),
    (
        "@reboot",
        "cron is \"@reboot\", but the nicknames are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and \
         @annually: write one of them, or five fields",
    ),
    (
        "@daily 5",
        "cron is \"@daily 5\", but the nicknames are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and \
         @annually: write one of them, or five fields",
    ),
    (
        "0 0 30 2 *",
        "cron is \"0 0 30 2 *\", but never fires: no month that it names has such a day",
    ),
];

const NEVER: &[&str] =
    &["0 0 30 2 *", "* * 30,31 FEB *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 */2", "0 0 30-31/1 2 *"];

#[test]
fn a_refusal_names_the_field_the_value_and_the_rule() {
    for (text, field, value, rule) in FIELDS {
        let error = CronSchedule::parse(text).expect_err(text).to_string();
        assert_eq!(error, format!("{field} has {value:?}, but {rule}"), "{text}");
    }
    for (text, message) in TEXTS {
        assert_eq!(CronSchedule::parse(text).expect_err(text).to_string(), *message);
    }
}

#[test]
fn what_never_fires_is_refused() {
    for text in NEVER {
        let error = CronSchedule::parse(text).expect_err(text).to_string();
        assert!(error.contains("never fires"), "{text}: {error}");
    }
    // One of the two days is enough, and so is a leap year.
    for text in ["0 0 30 2 1", "0 0 29 2 *", "0 0 31 1,2 *"] {
        parse(text);
    }
}

#[test]
fn a_text_has_at_most_100_bytes() {
    let text = |minutes: usize| format!("{} * * * *", vec!["1"; minutes].join(","));
    let (longest, longer) = (text(46), format!("{}0", text(46)));
    assert_eq!((longest.len() + 1, longer.len()), (100, 100));
    parse(&longest);
    parse(&format!("{longest} "));
    let error = CronSchedule::parse(&format!("{longest}  ")).expect_err("101 bytes").to_string();
    let message =
        "cron has 101 bytes, but may have 100 at most: write ranges and steps for long lists";
    assert_eq!(error, message);
}

#[test]
fn nicknames_are_the_fields_they_stand_for() {
    const NICKNAMES: [(&str, &str); 8] = [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        (" @Daily ", "0 0 * * *"),
    ];
    let (from, to) = (1_735_689_600, 1_735_689_600 + 800 * 24 * 60 * 60);
    for (nickname, text) in NICKNAMES {
        let found = fires(&parse(nickname), Tz::Europe__Vienna, from, to);
        let same = found == fires(&parse(text), Tz::Europe__Vienna, from, to);
        assert!(same && found.len() > 1, "{nickname}");
        assert_eq!(parse(nickname).as_str(), nickname);
    }
}

#[test]
fn a_schedule_keeps_its_text_as_sent() {
    for text in ["0 0 * * *", "  00\t0 * jan sUn ", "@Hourly"] {
        let schedule: CronSchedule = text.parse().unwrap();
        assert_eq!((schedule.as_str(), schedule.to_string().as_str()), (text, text));
        assert_eq!(format!("{schedule:?}"), format!("CronSchedule({text:?})"));
    }
}
