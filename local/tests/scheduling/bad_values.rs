//! Values that a schedule may not have, when it is made and when it is changed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::asked::{change, errors, make, path, place, post, with};
use crate::refusal::{Case, refused, used};

/// A settable field, a value that it may not have, and a part of the rule.
fn settable() -> Vec<(&'static str, Value, &'static str)> {
    let no_time = "must have five fields";
    let zone = "exact name of an IANA time zone";
    let priority = "must be a whole number from 0 to 1000";
    let bound = "must be a whole number from 1 to 366";
    let retries = "must be a whole number from 0 to 10";
    let backoff = "must be a whole number from 0 to 86400";
    let mut cases = vec![
        ("schedule_cron", json!(12), "must be a text"),
        ("schedule_cron", json!(""), no_time),
        ("schedule_cron", json!("* * * *"), no_time),
        ("schedule_cron", json!("0 0 12 * * *"), "seconds and years cannot be given"),
        ("schedule_cron", json!("61 * * * *"), "minute has \"61\", but must be a number"),
        ("schedule_cron", json!("0 12 * * FUNDAY"), "day-of-week has \"FUNDAY\""),
        ("schedule_cron", json!("0 0 30 2 *"), "never fires"),
        ("schedule_cron", json!("@reboot"), "the nicknames are"),
        ("schedule_cron", json!("1,".repeat(200)), "100 at most"),
        ("timezone", json!(1), "must be a text"),
        ("timezone", json!(""), zone),
        ("timezone", json!("europe/vienna"), "did you mean Europe/Vienna?"),
        ("timezone", json!("Europe/Wien"), zone),
        ("timezone", json!("Mars/Phobos"), zone),
        ("timezone", json!("+02:00"), zone),
        ("timezone", json!(" UTC"), "did you mean UTC?"),
        ("timezone", json!("x".repeat(5_000)), zone),
        ("parameters", json!([]), "must be a JSON object"),
        ("parameters", json!("date"), "must be a JSON object"),
        ("parameters", json!(7), "must be a JSON object"),
        ("catchup", json!("ALL"), "must be none, last or all"),
        ("catchup", json!(["all"]), "must be none, last or all"),
        ("catchup", json!(false), "must be none, last or all"),
    ];
    for (field, rule, outside) in [
        ("priority", priority, 1_001),
        ("max_catchup", bound, 367),
        ("retry_count", retries, 11),
        ("retry_backoff_seconds", backoff, 86_401),
    ] {
        let others = [json!(-1), json!(outside), json!(1.5), json!(2.0), json!("1"), json!(true)];
        let large = [json!(u64::MAX), json!(4_294_967_296_u64 + 5), json!(1e300)];
        cases.extend(others.into_iter().chain(large).map(|value| (field, value, rule)));
    }
    cases.push(("max_catchup", json!(0), bound));
    let flags = [json!("false"), json!(0), json!({})].map(|v| ("is_active", v, "true or false"));
    cases.extend(flags);
    let fields = [
        "schedule_cron",
        "timezone",
        "parameters",
        "priority",
        "catchup",
        "max_catchup",
        "retry_count",
        "retry_backoff_seconds",
        "is_active",
    ];
    cases.extend(fields.map(|field| (field, Value::Null, "must be")));
    cases
}

/// Parameters that the template refuses, the parameter, and a part of the rule. It is the morning of 17 November.
fn parameters() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({}), "date", "required, of type DATE"),
        (json!({"date": 20_251_117}), "date", "YYYY-MM-DD"),
        (json!({"date": "yesterday"}), "date", "YYYY-MM-DD"),
        (json!({"date": "{{ slot_date - 1 month }}"}), "date", "relative to the slot such as"),
        (json!({"date": "{{ today }}"}), "date", "relative to the slot such as"),
        (json!({"date": "on {{ slot_date }}"}), "date", "relative to the slot such as"),
        (json!({"date": "2025-11-01", "tenant_id": "beta"}), "tenant_id", "never a parameter"),
        (json!({"date": "2025-11-01", "region": "eu"}), "region", "not a parameter of gcp/cost"),
        (
            json!({"date": "{{ slot_date }}", "end_date": "{{ slot_date - 1 day }}"}),
            "end_date",
            "not before date (2025-11-17)",
        ),
        (
            json!({"date": "{{ slot_date }}", "end_date": "2025-11-19"}),
            "end_date",
            "not before date (2025-11-20); the slot of 2025-11-20T12:00:00+01:00 breaks it",
        ),
        (
            json!({"date": "2024-11-20", "end_date": "{{ slot_date }}"}),
            "end_date",
            "the slot of 2025-11-21T12:00:00+01:00 breaks it",
        ),
    ]
}

#[tokio::test]
async fn what_a_schedule_may_not_be_made_of_is_named_and_nothing_is_written() {
    let (world, acme, beta) = used().await;
    let mut cases = settable();
    for field in ["provider", "domain", "pipeline_template"] {
        let others = [json!(null), json!(7), json!(["gcp"])];
        cases.extend(others.map(|value| (field, value, "must be a text")));
    }
    let mut bodies: Vec<(Value, String, &str)> = Vec::new();
    for (field, value, rule) in cases {
        // The bound is for the policy that has one.
        let catchup = if field == "max_catchup" { "all" } else { "last" };
        let mut body = with(json!({"catchup": catchup}));
        body[field] = value;
        bodies.push((body, field.to_owned(), rule));
    }
    for field in ["provider", "domain", "pipeline_template", "schedule_cron"] {
        let mut body = with(json!({}));
        body.as_object_mut().unwrap().remove(field);
        bodies.push((body, field.to_owned(), "is required"));
    }
    for (part, value, rule) in [
        ("pipeline_template", "billin", "no gcp/cost/billin; did you mean gcp/cost/billing?"),
        ("pipeline_template", "", "are each [a-z][a-z0-9_]*"),
        ("pipeline_template", "../cost/billing", "are each [a-z][a-z0-9_]*"),
        ("domain", "COST", "are each [a-z][a-z0-9_]*"),
        ("provider", "oracle", "there is no oracle/cost/billing"),
    ] {
        bodies.push((with(json!({part: value})), "pipeline_template".to_owned(), rule));
    }
    for (sent, name, rule) in parameters() {
        bodies.push((with(json!({"parameters": sent})), format!("parameters.{name}"), rule));
    }
    for policy in ["none", "last"] {
        let body = with(json!({"catchup": policy, "max_catchup": 5}));
        bodies.push((body, "max_catchup".to_owned(), "is for catchup all"));
    }
    bodies.push((with(json!({"max_catchup": 5})), "max_catchup".to_owned(), "catchup is last"));
    for field in ["tenant_id", "config_id", "created_by", "next_run_time", "cron", "Timezone"] {
        bodies.push((with(json!({field: "x"})), field.to_owned(), "is not known here"));
    }

    let mut requests: Vec<Case> = Vec::new();
    for (body, field, rule) in &bodies {
        let found = errors(&post(&world, &acme, body).await);
        let [(named, said)] = &found[..] else { panic!("{body}: {found:?}") };
        assert!(named == field && said.contains(rule), "{body}: {found:?}");
        requests.push((acme.post(&path(&acme), body), 422, "invalid-parameters", ""));
    }
    refused(&world, &[&acme, &beta], requests).await;
    make(&world, &acme, &with(json!({}))).await;
}

#[tokio::test]
async fn what_a_schedule_may_not_be_changed_to_is_named_and_nothing_is_written() {
    let (world, acme, beta) = used().await;
    let all = make(&world, &acme, &with(json!({"catchup": "all"}))).await;
    let mut patches: Vec<(Value, String, &str)> = settable()
        .into_iter()
        .map(|(f, value, rule)| (json!({f: value}), f.to_owned(), rule))
        .collect();
    for (sent, name, rule) in parameters() {
        patches.push((json!({"parameters": sent}), format!("parameters.{name}"), rule));
    }
    for field in ["provider", "domain", "pipeline_template"] {
        for value in [json!("gcp"), json!("billing"), json!(null)] {
            patches.push((json!({field: value}), field.to_owned(), "delete the schedule and make"));
        }
    }
    for field in ["tenant_id", "config_id", "created_by", "next_run_time", "cron", "retry"] {
        patches.push((json!({field: "x"}), field.to_owned(), "is not known here"));
    }
    let bounded = json!({"catchup": "last", "max_catchup": 3});
    patches.push((bounded, "max_catchup".to_owned(), "catchup is last: leave it out"));
    patches.push((json!({}), "body".to_owned(), "names nothing to change"));

    let mut requests: Vec<Case> = Vec::new();
    for (patch, field, rule) in &patches {
        let found = errors(&world.send(change(&acme, &all, patch)).await);
        let [(named, said)] = &found[..] else { panic!("{patch}: {found:?}") };
        assert!(named == field && said.contains(rule), "{patch}: {found:?}");
        requests.push((change(&acme, &all, patch), 422, "invalid-parameters", ""));
    }
    for (body, status, kind) in [
        ("", 400, "malformed-request"),
        ("{", 400, "malformed-request"),
        ("[]", 422, "invalid-parameters"),
        ("{\"priority\": 1, \"priority\": 2}", 422, "invalid-parameters"),
    ] {
        let request = acme.request("PATCH", &place(&acme, &all));
        let request = request.header("content-type", "application/json");
        requests.push((request.body(body.into()).unwrap(), status, kind, ""));
    }
    refused(&world, &[&acme, &beta], requests).await;
    let last = make(&world, &acme, &with(json!({"catchup": "last"}))).await;
    let found = errors(&world.send(change(&acme, &last, &json!({"max_catchup": 3}))).await);
    assert_eq!(found[0].0, "max_catchup", "the schedule's own policy decides");
}

#[tokio::test]
async fn one_answer_tells_all_that_is_wrong() {
    let (world, acme, _) = used().await;
    let wrong = json!({
        "schedule_cron": "61 * * * *",
        "timezone": "Mars/Phobos",
        "parameters": {"date": 7, "region": "eu"},
        "priority": -1,
        "catchup": "some",
        "max_catchup": 0,
        "retry_count": 11,
        "retry_backoff_seconds": null,
        "is_active": 1,
    });
    let told = |answer| {
        let found = errors(&answer).into_iter().map(|(field, _)| field);
        found.collect::<BTreeSet<String>>()
    };
    let mut expected: BTreeSet<String> = wrong.as_object().unwrap().keys().cloned().collect();
    expected.remove("parameters");
    expected.extend(["parameters.date", "parameters.region"].map(str::to_owned));
    assert_eq!(told(post(&world, &acme, &with(wrong.clone())).await), expected);

    let made = make(&world, &acme, &with(json!({}))).await;
    assert_eq!(told(world.send(change(&acme, &made, &wrong)).await), expected);

    let mut nothing = wrong.clone();
    nothing.as_object_mut().unwrap().remove("schedule_cron");
    let found = told(post(&world, &acme, &nothing).await);
    let parts = ["provider", "domain", "pipeline_template", "schedule_cron", "priority"];
    assert!(parts.iter().all(|part| found.contains(*part)), "{found:?}");
}
