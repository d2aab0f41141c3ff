use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::pipeline::parse;

fn template(parameters: &str) -> Template {
    let text = format!(
        "description: x\nparameters:\n{parameters}steps:\n  - id: a\n    type: sql\n    query: SELECT @date, @end_date\n    \
         target: {{table: a, partition_by: day}}\n    mode: {{overwrite_partition: {{from: \"@date\", to: \"@end_date\"}}}}\n"
    );
    parse::file("a/b/c.yml", &text).unwrap_or_else(|found| panic!("{found:?}"))
}

fn now() -> DateTime<Utc> {
    "2025-11-17T23:30:00Z".parse().unwrap()
}

fn daily() -> Template {
    template("  date: {type: DATE, required: true}\n  end_date: {type: DATE, default: \"@date\"}\n")
}

fn given(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        other => panic!("{other}"),
    }
}

#[test]
fn a_default_follows_the_other_parameter() {
    let resolved = resolve(&daily(), &given(json!({"date": "2025-11-17"})), now()).unwrap();
    assert_eq!(resolved["end_date"], resolved["date"]);
    assert_eq!(resolved["date"].value.to_string(), "2025-11-17");
}

#[test]
fn every_wrong_parameter_is_named_with_its_value_and_rule() {
    let cases = [
        (json!({}), "parameter date: required, of type DATE, not absent"),
        (json!({"date": 20_251_117}), "YYYY-MM-DD, not 20251117"),
        (json!({"date": "2025-11-31"}), "YYYY-MM-DD, not \"2025-11-31\""),
        (json!({"date": "2025-1-1"}), "YYYY-MM-DD"),
        (json!({"date": "2025-11-17' OR TRUE --"}), "YYYY-MM-DD"),
        (json!({"date": null}), "a date, YYYY-MM-DD, not null"),
        (
            json!({"date": "2025-11-17", "region": "eu"}),
            "not a parameter of a/b/c, which takes date, end_date",
        ),
        (json!({"date": "2025-11-17", "tenant_id": "other"}), "the tenant comes from the API key"),
        (
            json!({"date": "2025-11-17", "end_date": "2025-11-16"}),
            "end_date: not before date (2025-11-17)",
        ),
        (json!({"date": "2024-01-01", "end_date": "2025-01-01"}), "at most 366 days"),
    ];
    for (sent, expected) in cases {
        let errors = resolve(&daily(), &given(sent.clone()), now()).unwrap_err();
        assert!(errors.iter().any(|e| e.to_string().contains(expected)), "{sent}: {errors:?}");
    }
    let many = given(json!({"date": 1, "end_date": 2, "x": "y".repeat(1_000)}));
    let errors = resolve(&daily(), &many, now()).unwrap_err();
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().all(|error| error.value.len() < 200));
}

#[test]
fn a_day_of_a_zone_is_the_one_there_when_the_run_is_asked_for() {
    let cases = [
        ("today", "", "2025-11-17"),
        ("yesterday", "", "2025-11-16"),
        ("today", ", timezone: Europe/Vienna", "2025-11-18"),
        ("yesterday", ", timezone: Pacific/Kiritimati", "2025-11-17"),
        ("today", ", timezone: America/Los_Angeles", "2025-11-17"),
    ];
    for (default, zone, day) in cases {
        let template = template(&format!(
            "  date: {{type: DATE, default: {default}{zone}}}\n  end_date: {{type: DATE, default: \"@date\"}}\n"
        ));
        let resolved = resolve(&template, &Map::new(), now()).unwrap();
        assert_eq!(resolved["date"].value.to_string(), day, "{default}{zone}");
        assert_eq!(resolved["end_date"], resolved["date"]);
    }
}

#[test]
fn numbers_are_taken_exactly_or_not_at_all() {
    let accepted = [
        ("12.50", "12.5"),
        ("-0.000000001", "-0.000000001"),
        ("007", "7"),
        ("-0.0", "0"),
        ("99999999999999999999999999999.999999999", "99999999999999999999999999999.999999999"),
    ];
    for (text, exact) in accepted {
        assert_eq!(numeric(text).as_deref(), Ok(exact));
    }
    for text in [
        "",
        "-",
        ".5",
        "5.",
        "1e3",
        "+1",
        " 1",
        "1_0",
        "0.0000000001",
        "100000000000000000000000000000",
    ] {
        assert!(numeric(text).is_err(), "{text}");
    }
}

fn scalar() -> impl Strategy<Value = (&'static str, Json)> {
    prop_oneof![
        ".{0,40}".prop_map(|text| ("STRING", json!(text.replace('\0', "")))),
        any::<i64>().prop_map(|n| ("INT64", json!(n))),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| ("FLOAT64", json!(x))),
        any::<bool>().prop_map(|b| ("BOOL", json!(b))),
        (1..=9999, 1..=12_u32, 1..=28_u32)
            .prop_map(|(y, m, d)| ("DATE", json!(format!("{y:04}-{m:02}-{d:02}")))),
        (-62_135_596_800_000_000_i64..253_402_300_800_000_000).prop_map(|micros| {
            let instant = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            ("TIMESTAMP", json!(instant.to_rfc3339()))
        }),
        (any::<i64>(), 0..1_000_000_000_u32)
            .prop_map(|(whole, nano)| ("NUMERIC", json!(format!("{whole}.{nano:09}")))),
    ]
}

proptest! {
    #[test]
    fn what_is_accepted_is_stored_without_loss((kind, value) in scalar(), count in 0..3_usize) {
        for (kind, value) in
            [(kind.to_owned(), value.clone()), (format!("ARRAY<{kind}>"), json!(vec![value; count]))]
        {
            let kind: ParamType = kind.parse().unwrap();
            let value = literal(&kind, &value).map_err(TestCaseError::fail)?;
            let param = Param { kind: kind.data_type().clone(), value };
            let params = BTreeMap::from([("p".to_owned(), param)]);
            let text = to_stored(&params).to_string();
            prop_assert_eq!(from_stored(&serde_json::from_str(&text).unwrap()), Ok(params));
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused((kind, value) in scalar(), (other, _) in scalar()) {
        // A STRING takes every text, NUMERIC and FLOAT64 take whole numbers: those are not wrong.
        let fits = kind == other
            || (other == "STRING" && value.is_string())
            || (kind == "INT64" && ["NUMERIC", "FLOAT64"].contains(&other))
            || kind == "STRING"
            || (kind == "FLOAT64" && value.as_i64().is_some());
        let array = format!("ARRAY<{other}>").parse().unwrap();
        prop_assert!(literal(&array, &value).is_err());
        let nested = json!([value]);
        let other: ParamType = other.parse().unwrap();
        prop_assert!(fits || literal(&other, &value).is_err(), "{} as {}", value, other);
        prop_assert!(literal(&other, &Json::Null).is_err());
        prop_assert!(literal(&other, &nested).is_err());
    }
}
