//! Making schedules: defaults, bounds, relative dates.

use serde_json::{Value, json};

use crate::asked::{list, make, noon, path, post, read, stored, with};
use crate::scheduled::{at, tick};
use crate::world::World;

#[tokio::test]
async fn a_schedule_has_what_was_sent_and_the_documented_defaults() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let least = json!({
        "provider": "gcp",
        "domain": "cost",
        "pipeline_template": "billing",
        "schedule_cron": "30 6 * * MON-FRI",
        "parameters": {"date": "{{ slot_date - 1 day }}"},
    });
    let answer = post(&world, &acme, &least).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.body["config_id"].clone();
    let place = format!("{}/{}", path(&acme), id.as_str().unwrap());
    assert_eq!(answer.headers["location"], place);
    let expected = json!({
        "config_id": id,
        "tenant_id": "acme",
        "pipeline_id": "acme-gcp-cost-billing",
        "provider": "gcp",
        "domain": "cost",
        "pipeline_template": "billing",
        "schedule_cron": "30 6 * * MON-FRI",
        "timezone": "UTC",
        "parameters": {"date": "{{ slot_date - 1 day }}"},
        "is_active": true,
        "priority": 100,
        "catchup": "last",
        "max_catchup": 24,
        "retry_count": 0,
        "retry_backoff_seconds": 300,
        "next_run_time": "2025-11-18T06:30:00Z",
        "next_run_times": [
            "2025-11-18T06:30:00Z",
            "2025-11-19T06:30:00Z",
            "2025-11-20T06:30:00Z",
            "2025-11-21T06:30:00Z",
            "2025-11-24T06:30:00Z",
        ],
        "retries": [],
        "created_by": "alice",
        "created_at": "2025-11-17T10:00:00Z",
        "updated_at": "2025-11-17T10:00:00Z",
    });
    assert_eq!(answer.body, expected);
    assert_eq!(list(&world, &acme).await, std::slice::from_ref(&expected));
    let mut details = read(&world, &acme, &answer.body).await;
    assert_eq!(details.as_object_mut().unwrap().remove("slots"), Some(json!([])));
    assert_eq!(details, expected);
}

#[tokio::test]
async fn every_bound_is_allowed_and_kept() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    for fields in [
        json!({"priority": 0, "catchup": "all", "max_catchup": 1, "retry_count": 0}),
        json!({"priority": 1_000, "catchup": "all", "max_catchup": 366, "retry_count": 10}),
        json!({"catchup": "none", "retry_backoff_seconds": 0}),
        json!({"catchup": "last", "retry_backoff_seconds": 86_400}),
        json!({"timezone": "Pacific/Apia", "schedule_cron": "@hourly", "is_active": false}),
        json!({"schedule_cron": "0 0 29 2 *", "timezone": "Asia/Kathmandu", "is_active": true}),
    ] {
        let made = make(&world, &acme, &with(fields.clone())).await;
        let details = read(&world, &acme, &made).await;
        for (field, value) in fields.as_object().unwrap() {
            assert_eq!(&made[field], value, "{field}");
            assert_eq!(&details[field], value, "{field}");
        }
    }
    assert_eq!(list(&world, &acme).await.len(), 6);
}

#[tokio::test]
async fn dates_relative_to_the_slot_are_kept_as_they_were_sent() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    for parameters in [
        json!({"date": "{{ slot_date }}"}),
        json!({"date": "{{slot_date-7 days}}", "end_date": "{{ slot_date - 1 day }}"}),
        json!({"date": "{{ slot_date - 365 days }}", "end_date": "{{ slot_date }}"}),
        json!({"date": "2025-11-20", "end_date": "{{ slot_date + 3 days }}"}),
        json!({"date": "2025-11-20"}),
    ] {
        let made = make(&world, &acme, &with(json!({"parameters": parameters}))).await;
        assert_eq!(made["parameters"], parameters);
        assert_eq!(read(&world, &acme, &made).await["parameters"], parameters);
    }
    let labels = json!({
        "pipeline_template": "labels",
        "parameters": {"date": "{{ slot_date }}", "label_keys": ["team", "{{ slot_date }}"]},
    });
    let answer = post(&world, &acme, &with(labels)).await;
    let error = &answer.body["errors"][0];
    assert_eq!(error["field"], "parameters.label_keys", "{}", answer.body);
    assert!(error["rule"].as_str().unwrap().contains("for DATE parameters"), "{error}");
    assert_eq!(error["value"], json!(["team", "{{ slot_date }}"]), "as it was sent");
}

#[tokio::test]
async fn making_a_schedule_fires_nothing_of_the_past() {
    for (now, first) in [
        ("2025-11-17T10:59:59.999999Z", "2025-11-17T11:00:00Z"),
        ("2025-11-17T11:00:00Z", "2025-11-18T11:00:00Z"),
        ("2025-11-17T11:00:30Z", "2025-11-18T11:00:00Z"),
    ] {
        for is_active in [true, false] {
            let world = World::new();
            let acme = world.onboard("acme", "STARTER").await;
            world.set_time(now);
            let body = with(json!({"is_active": is_active, "catchup": "all"}));
            let made = make(&world, &acme, &body).await;
            assert_eq!(made["next_run_time"], first, "{now} {is_active}");
            assert_eq!(tick(&world).await.published, 0, "{now} {is_active}");
            world.set_time(first);
            assert_eq!(tick(&world).await.published, usize::from(is_active), "{now}");
        }
    }
}

#[tokio::test]
async fn runs_of_a_schedule_are_as_it_says() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let mut request = acme.post(&path(&acme), &with(json!({"priority": 7})));
    let zoe = axum::http::HeaderValue::from_bytes("zoë".as_bytes()).unwrap();
    request.headers_mut().insert("x-user-id", zoe);
    let made = world.send(request).await.body;
    assert_eq!(made["created_by"], "zoë");
    world.set_time("2025-11-17T11:00:10Z");
    tick(&world).await;
    let [run] = &world.runs(&acme).await[..] else { panic!("one run") };
    assert_eq!(run.user_id.as_str(), "zoë");
    assert_eq!(run.parameters["date"]["value"], "2025-11-16");
    let id: Value = run.slot.unwrap().config_id.to_string().into();
    assert_eq!(id, made["config_id"]);
    let details = read(&world, &acme, &made).await;
    assert_eq!(details["slots"][0]["state"], "SUBMITTED");
    assert_eq!(details["slots"][0]["pipeline_logging_id"], run.run_id.to_string());
}

#[tokio::test]
async fn what_is_stored_is_what_the_tick_reads() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    make(&world, &acme, &noon()).await;
    let [schedule] = &stored(&world, &acme).await[..] else { panic!("one schedule") };
    assert_eq!(schedule.zone.name(), "Europe/Vienna");
    assert_eq!(schedule.next_run_time, Some(at("2025-11-17T11:00:00Z")));
    assert_eq!((schedule.revision, schedule.fingerprint.clone()), (1, None));
}
