//! Dates, times and time zones of the embedded warehouse, against BigQuery's documented answers.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

#[tokio::test]
async fn dates_and_times_are_made_and_taken_apart() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            "SELECT TIME(15, 30, 0), TIME(DATETIME '2008-12-25 15:30:00'), DATETIME(2008, 12, 25, 5, 30, 0), DATETIME(DATE '2008-12-25', TIME '15:30:00.5'), DATETIME(DATE '2008-12-25'), TIME '1:2:3' < TIME '01:02:04'",
            r#"["15:30:00","15:30:00","2008-12-25T05:30:00","2008-12-25T15:30:00.500","2008-12-25T00:00:00",true]"#,
        ),
        (
            "SELECT EXTRACT(HOUR FROM DATETIME '2008-12-25 15:30:00'), EXTRACT(WEEK FROM DATETIME '2005-01-03 12:34:56'), EXTRACT(ISOYEAR FROM DATETIME '2005-01-03 12:34:56'), EXTRACT(DATE FROM DATETIME '2008-12-25 15:30:00'), EXTRACT(TIME FROM DATETIME '2008-12-25 15:30:00'), EXTRACT(MINUTE FROM TIME '15:30:00'), EXTRACT(MICROSECOND FROM TIME '15:30:00.000012')",
            r#"[15,1,2005,"2008-12-25","15:30:00",30,12]"#,
        ),
        (
            "SELECT EXTRACT(WEEK(SUNDAY) FROM DATE '2017-11-05'), EXTRACT(WEEK(MONDAY) FROM DATE '2017-11-05'), EXTRACT(DATETIME FROM TIMESTAMP '2008-12-25 15:30:00+00'), EXTRACT(TIME FROM TIMESTAMP '2008-12-25 15:30:00+00'), EXTRACT(DAYOFWEEK FROM DATETIME '2008-12-25 15:30:00')",
            r#"[45,44,"2008-12-25T15:30:00","15:30:00",5]"#,
        ),
        (
            "SELECT CURRENT_DATE(), CURRENT_DATETIME(), CURRENT_TIME(), CURRENT_DATE('+12:00'), CURRENT_DATETIME('Europe/Berlin'), CURRENT_TIME('America/New_York')",
            r#"["2026-02-10","2026-02-10T12:34:56.789012","12:34:56.789012","2026-02-11","2026-02-10T13:34:56.789012","07:34:56.789012"]"#,
        ),
        (
            "SELECT CAST(DATETIME '2017-01-02 03:04:05' AS STRING), CAST(TIME '03:04:05' AS STRING), CAST(TIMESTAMP '2017-01-02 03:04:05.000001+00' AS STRING), CAST(DATETIME '2017-01-02 03:04:05' AS TIME), CAST('12:00:00' AS TIME), STRING(DATE '2017-01-02')",
            r#"["2017-01-02 03:04:05","03:04:05","2017-01-02 03:04:05.000001+00","03:04:05","12:00:00","2017-01-02"]"#,
        ),
        (
            "SELECT PARSE_TIME('%H:%M:%S', '15:30:01'), PARSE_TIME('%R', '7:05'), SAFE.PARSE_TIME('%H', '25'), TIME(CAST(NULL AS TIMESTAMP))",
            r#"["15:30:01","07:05:00",null,null]"#,
        ),
    ])
    .await;
    let columns = r#"[{"name":"c","type":"TIME"},{"name":"m","type":"DATETIME"}]"#;
    folder
        .load("d.t", columns, Format::Ndjson, r#"{"c":"10:00:00","m":"2026-01-01T10:00:00"}"#)
        .await;
    folder.answers_one(&[(
        "SELECT TIME_ADD(c, INTERVAL 15 HOUR), c > '09:00:00', DATETIME_TRUNC(m, DAY), m - INTERVAL 1 MONTH, FORMAT_TIME('%R', c) FROM d.t WHERE c IN (TIME '10:00:00')",
        r#"["01:00:00",true,"2026-01-01T00:00:00","2025-12-01T10:00:00","10:00"]"#,
    )])
    .await;
    folder
        .refuses(&[
            ("SELECT TIME(24, 0, 0)", "no time of day"),
            ("SELECT TIME(0, 0, 60)", "a second 60"),
            ("SELECT CAST(TIME '10:00:00.5' AS STRING)", "a fraction of a second"),
            ("SELECT DATETIME(2026, 2, 30, 0, 0, 0)", "no date"),
            ("SELECT EXTRACT(HOUR FROM DATE '2026-01-01')", "EXTRACT with the part HOUR at 1:31"),
            ("SELECT EXTRACT(DAY FROM TIME '10:00:00')", "EXTRACT with the part DAY"),
            ("SELECT PARSE_TIME('%F', '2026-01-01')", "a date in PARSE_TIME"),
        ])
        .await;
}

#[tokio::test]
async fn dates_and_times_are_moved_and_compared() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            "SELECT DATETIME_ADD(DATETIME '2008-12-25 15:30:00', INTERVAL 10 MINUTE), DATETIME_SUB(DATETIME '2008-12-25 15:30:00', INTERVAL 10 MINUTE), DATETIME_ADD(DATETIME '2016-01-31 01:00:00', INTERVAL 1 MONTH), DATETIME_SUB(DATETIME '2026-01-01', INTERVAL 1 WEEK)",
            r#"["2008-12-25T15:40:00","2008-12-25T15:20:00","2016-02-29T01:00:00","2025-12-25T00:00:00"]"#,
        ),
        (
            "SELECT DATETIME_DIFF(DATETIME '2010-07-07 10:20:00', DATETIME '2008-12-25 15:30:00', DAY), DATETIME_DIFF(DATETIME '2017-10-15 00:00:00', DATETIME '2017-10-14 00:00:00', WEEK), DATETIME_DIFF('2017-12-30 00:00:00', '2014-12-30 00:00:00', ISOYEAR), DATETIME_DIFF(DATETIME '2001-02-01 01:00:00', DATETIME '2001-02-01 00:59:59', HOUR), DATETIME_DIFF(DATETIME '2017-12-18', DATETIME '2017-12-17', WEEK(MONDAY))",
            "[559,1,2,1,1]",
        ),
        (
            "SELECT TIME_DIFF(TIME '15:30:00', TIME '14:35:00', MINUTE), TIME_DIFF(TIME '00:59:59', TIME '01:00:00', HOUR), TIME_ADD(TIME '23:30:00', INTERVAL 1 HOUR), TIME_SUB(TIME '00:10:00', INTERVAL 20 MINUTE), TIME_TRUNC(TIME '15:30:00', HOUR)",
            r#"[55,-1,"00:30:00","23:50:00","15:00:00"]"#,
        ),
        (
            "SELECT DATETIME_TRUNC(DATETIME '2008-12-25 15:30:00', DAY), DATETIME_TRUNC(DATETIME '2017-11-05 00:00:00', WEEK(MONDAY)), DATETIME_TRUNC('2015-06-15 00:00:00', ISOYEAR), DATETIME_TRUNC(DATETIME '2015-06-15 10:20:30', MINUTE)",
            r#"["2008-12-25T00:00:00","2017-10-30T00:00:00","2014-12-29T00:00:00","2015-06-15T10:20:00"]"#,
        ),
        (
            "SELECT LAST_DAY(DATE '2008-11-25'), LAST_DAY(DATE '2008-11-25', YEAR), LAST_DAY(DATE '2008-11-10', WEEK(SUNDAY)), LAST_DAY(DATE '2008-11-10', WEEK(MONDAY)), LAST_DAY(DATETIME '2008-11-25 15:30:00', MONTH), LAST_DAY(DATE '2020-06-01', ISOYEAR), LAST_DAY(DATE '2025-06-01', ISOYEAR)",
            r#"["2008-11-30","2008-12-31","2008-11-15","2008-11-16","2008-11-30","2021-01-03","2025-12-28"]"#,
        ),
        (
            "SELECT DATE '2026-01-01' + 5, 5 + DATE '2026-01-01', DATE '2026-01-01' - 1, DATE '2026-01-01' + INTERVAL 1 DAY, DATETIME '2026-01-01 00:00:00' + INTERVAL 2 QUARTER, TIMESTAMP '2026-01-01 00:00:00+00' - INTERVAL 90 MINUTE, INTERVAL 1 HOUR + TIMESTAMP '2026-01-01 00:00:00+00'",
            r#"["2026-01-06","2026-01-06","2025-12-31","2026-01-02T00:00:00","2026-07-01T00:00:00","2025-12-31T22:30:00Z","2026-01-01T01:00:00Z"]"#,
        ),
        (
            "SELECT GENERATE_DATE_ARRAY('2016-10-05', '2016-10-09', INTERVAL 2 DAY), GENERATE_DATE_ARRAY('2016-01-01', '2016-12-31', INTERVAL 4 MONTH), GENERATE_DATE_ARRAY('2016-10-10', '2016-10-05', INTERVAL -3 DAY), GENERATE_DATE_ARRAY('2016-01-01', '2016-01-20', INTERVAL 1 WEEK), GENERATE_TIMESTAMP_ARRAY('2016-10-05 00:00:00', '2016-10-05 02:00:00', INTERVAL 1 HOUR)",
            r#"[["2016-10-05","2016-10-07","2016-10-09"],["2016-01-01","2016-05-01","2016-09-01"],["2016-10-10","2016-10-07"],["2016-01-01","2016-01-08","2016-01-15"],["2016-10-05T00:00:00Z","2016-10-05T01:00:00Z","2016-10-05T02:00:00Z"]]"#,
        ),
    ])
    .await;
    folder
        .refuses(&[
            ("SELECT DATE '2026-01-02' - DATE '2026-01-01'", "- on a DATE"),
            ("SELECT TIMESTAMP '2026-01-02 00:00:00+00' + INTERVAL 1 MONTH", "with the part MONTH"),
            ("SELECT DATETIME '9999-12-31 00:00:00' + INTERVAL 1 DAY", "outside the years"),
            (
                "SELECT GENERATE_DATE_ARRAY('2026-01-31', '2026-12-31', INTERVAL 1 MONTH)",
                "after the 28th",
            ),
            (
                "SELECT GENERATE_DATE_ARRAY('2026-01-31', '2026-12-31', INTERVAL 0 DAY)",
                "the step 0",
            ),
            ("SELECT LAST_DAY(DATE '2026-01-01', DAY)", "LAST_DAY with the part DAY"),
            ("SELECT TIME_ADD(TIME '10:00:00', INTERVAL 1 DAY)", "TIME_ADD with the part DAY"),
            ("SELECT DATETIME_ADD(DATETIME '2026-01-01', 5)", "a value and an INTERVAL"),
            ("SELECT 1 + INTERVAL 1 DAY", "beside a value of INT64"),
        ])
        .await;
}

#[tokio::test]
async fn dates_and_times_are_written_by_a_format() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            "SELECT FORMAT_DATE('%b-%d-%Y', DATE '2008-12-25'), FORMAT_DATE('%b %Y', DATE '2008-12-25'), FORMAT_DATETIME('%b-%d-%Y', DATETIME '2008-12-25 15:30:00'), FORMAT_TIME('%R', TIME '15:30:00'), FORMAT_TIMESTAMP('%b-%d-%Y', TIMESTAMP '2050-12-25 15:30:55+00')",
            r#"["Dec-25-2008","Dec 2008","Dec-25-2008","15:30","Dec-25-2050"]"#,
        ),
        (
            "SELECT FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2026-01-02 03:04:05.123456+00'), FORMAT_TIMESTAMP('%E*S|%E3S|%Ez|%z', TIMESTAMP '2026-01-02 03:04:05.120000+00'), FORMAT_DATE('Q%Q %G-W%V %u %w %%', DATE '2026-01-04'), FORMAT_DATETIME('%I:%M %p', DATETIME '2026-01-02 15:04:05')",
            r#"["2026-01-02 03:04:05","05.12|05.120|+00:00|+0000","Q1 2026-W01 7 0 %","03:04 PM"]"#,
        ),
        (
            "SELECT FORMAT_TIMESTAMP('%F %R %Ez', TIMESTAMP '2026-07-01 22:30:00+00', 'Europe/Berlin'), FORMAT_TIMESTAMP(f, TIMESTAMP '2026-07-01 22:30:00+00'), FORMAT_DATE(f, NULL) FROM UNNEST(['%Y']) AS f",
            r#"["2026-07-02 00:30 +02:00","2026",null]"#,
        ),
    ])
    .await;
    folder
        .refuses(&[
            ("SELECT FORMAT_DATE('%H', DATE '2026-01-01')", "the element %H of FORMAT_DATE at 1:8"),
            ("SELECT FORMAT_TIMESTAMP('%Z', TIMESTAMP '2026-01-01 00:00:00+00')", "the element %Z"),
            ("SELECT FORMAT_TIME('%Y', TIME '10:00:00')", "the element %Y"),
            ("SELECT FORMAT_DATE(f, DATE '2026-01-01') FROM UNNEST(['%c']) AS f", "the element %c"),
            ("SELECT FORMAT_DATE('%Y', DATE '0999-01-01')", "below the year 1000"),
            ("SELECT FORMAT_DATE('%', DATE '2026-01-01')", "the element %"),
        ])
        .await;
}

#[tokio::test]
async fn instants_are_seen_in_time_zones() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            "SELECT DATE(TIMESTAMP '2016-12-25 05:30:00+07', 'America/Los_Angeles'), DATETIME(TIMESTAMP '2008-12-25 05:30:00+00', 'America/Los_Angeles'), TIME(TIMESTAMP '2008-12-25 15:30:00+08', 'America/Los_Angeles'), TIMESTAMP('2008-12-25 15:30:00', 'America/Los_Angeles'), TIMESTAMP(DATETIME '2026-07-01 00:00:00', 'Europe/Berlin'), TIMESTAMP(DATE '2008-12-25', '+02:00')",
            r#"["2016-12-24","2008-12-24T21:30:00","23:30:00","2008-12-25T23:30:00Z","2026-06-30T22:00:00Z","2008-12-24T22:00:00Z"]"#,
        ),
        (
            "SELECT EXTRACT(DAY FROM TIMESTAMP '2008-12-25 05:30:00+00' AT TIME ZONE 'America/Los_Angeles'), EXTRACT(HOUR FROM TIMESTAMP '2026-01-01 00:00:00+00' AT TIME ZONE '+05:30'), EXTRACT(DATE FROM TIMESTAMP '2026-01-01 23:30:00+00' AT TIME ZONE 'Europe/Berlin')",
            r#"[24,5,"2026-01-02"]"#,
        ),
        (
            "SELECT TIMESTAMP_TRUNC(TIMESTAMP '2008-12-25 15:30:00+00', DAY, 'America/Los_Angeles'), TIMESTAMP_TRUNC(TIMESTAMP '2008-12-25 15:30:00+00', DAY, 'UTC'), TIMESTAMP_TRUNC(TIMESTAMP '2026-03-29 12:00:00+00', DAY, 'Europe/Berlin'), TIMESTAMP_TRUNC(TIMESTAMP '2026-03-29 12:34:00+00', HOUR, 'Europe/Berlin')",
            r#"["2008-12-25T08:00:00Z","2008-12-25T00:00:00Z","2026-03-28T23:00:00Z","2026-03-29T12:00:00Z"]"#,
        ),
        (
            "SELECT DATETIME(TIMESTAMP '2036-07-01 00:00:00+00', 'Europe/Berlin'), DATETIME(TIMESTAMP '2036-12-01 00:00:00+00', 'America/New_York'), DATETIME(TIMESTAMP '1970-01-01 00:00:00+00', 'Asia/Tokyo')",
            r#"["2036-07-01T02:00:00","2036-11-30T19:00:00","1970-01-01T09:00:00"]"#,
        ),
        (
            "SELECT STRING(TIMESTAMP '2008-12-25 15:30:00+00', 'America/Los_Angeles'), STRING(TIMESTAMP '2008-12-25 15:30:00+00'), STRING(TIMESTAMP '2008-12-25 15:30:00.5+00', 'Asia/Kolkata'), PARSE_TIMESTAMP('%F %R', '2026-07-01 12:00', 'Europe/Berlin')",
            r#"["2008-12-25 07:30:00-08","2008-12-25 15:30:00+00","2008-12-25 21:00:00.500+05:30","2026-07-01T10:00:00Z"]"#,
        ),
    ])
    .await;
    folder.refuses(&[
        ("SELECT TIMESTAMP(DATETIME '2026-03-29 02:30:00', 'Europe/Berlin')", "never or twice"),
        ("SELECT TIMESTAMP('2026-10-25 02:30:00', 'Europe/Berlin')", "never or twice"),
        ("SELECT TIMESTAMP('2026-10-25 02:30:00+00', 'Europe/Berlin')", "not supported"),
        ("SELECT DATE(TIMESTAMP '2060-01-01 00:00:00+00', 'Europe/Berlin')", "the clock of Europe/Berlin"),
        ("SELECT DATE(TIMESTAMP '1800-01-01 00:00:00+00', 'Europe/Berlin')", "the clock of Europe/Berlin"),
        ("SELECT DATE(TIMESTAMP '2026-01-01 00:00:00+00', 'Mars/Base')", "the time zone 'Mars/Base'"),
        ("SELECT CURRENT_DATE('+15:00')", "the time zone '+15:00'"),
        ("SELECT EXTRACT(DAY FROM DATETIME '2026-01-01' AT TIME ZONE 'Europe/Berlin')", "in a time zone"),
        ("SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-01-01 00:00:00+00', HOUR, 'Asia/Kolkata')", "whole ones"),
        ("SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-01-01 00:00:00+00', DAY, z) FROM UNNEST(['UTC']) AS z", "computed time zone"),
    ])
    .await;
}
