//! Changing, pausing and resuming schedules: what moves the next slot, and that no change is lost.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::asked::{
    change, errors, make, noon, patch, read, removal, send_to, stored, with, without_templates,
};
use crate::scheduled::{at, daily, key, put, tick};
use crate::world::{Tenant, World};

/// Noon in Vienna was due three minutes ago, and no tick came.
async fn overdue() -> (World, Tenant, Value) {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let made = make(&world, &acme, &noon()).await;
    assert_eq!(made["next_run_time"], "2025-11-17T11:00:00Z");
    world.set_time("2025-11-17T11:03:00Z");
    (world, acme, made)
}

#[tokio::test]
async fn only_another_cron_or_zone_moves_the_next_slot_and_to_none_that_is_past() {
    // A change, and where the next slot moves to.
    let cases = [
        (json!({"schedule_cron": "0 */6 * * *"}), Some("2025-11-17T17:00:00Z")),
        (json!({"schedule_cron": "5 12 * * *"}), Some("2025-11-17T11:05:00Z")),
        (json!({"schedule_cron": "1 12 * * *"}), Some("2025-11-18T11:01:00Z")),
        (json!({"timezone": "UTC"}), Some("2025-11-17T12:00:00Z")),
        (json!({"timezone": "Asia/Tokyo"}), Some("2025-11-18T03:00:00Z")),
        (json!({"timezone": "Europe/Rome"}), Some("2025-11-18T11:00:00Z")),
        (
            json!({"schedule_cron": "0 9 * * *", "timezone": "UTC", "is_active": true}),
            Some("2025-11-18T09:00:00Z"),
        ),
        (json!({"schedule_cron": "0 12 * * *"}), None),
        (json!({"timezone": "Europe/Vienna"}), None),
        (json!({"schedule_cron": "0 12 * * *", "timezone": "Europe/Vienna"}), None),
        (json!({"parameters": {"date": "{{ slot_date }}"}}), None),
        (json!({"priority": 1}), None),
        (json!({"catchup": "all", "max_catchup": 3}), None),
        (json!({"retry_count": 2, "retry_backoff_seconds": 60}), None),
        (json!({"is_active": true}), None),
    ];
    for (changes, moved) in cases {
        let (world, acme, made) = overdue().await;
        let answered = patch(&world, &acme, &made, &changes).await;
        let next = moved.unwrap_or("2025-11-17T11:00:00Z");
        assert_eq!(answered["next_run_time"], next, "{changes}");
        for (field, value) in changes.as_object().unwrap() {
            assert_eq!(&answered[field], value, "{changes}");
        }
        for (field, value) in made.as_object().unwrap() {
            let derived = ["next_run_time", "next_run_times", "updated_at"];
            if changes.get(field).is_none() && !derived.contains(&field.as_str()) {
                assert_eq!(&answered[field], value, "{changes} changed {field}");
            }
        }
        assert_eq!(answered["updated_at"], "2025-11-17T11:03:00Z", "{changes}");
        let mut details = read(&world, &acme, &made).await;
        details.as_object_mut().unwrap().remove("slots");
        assert_eq!(details, answered, "{changes}");
        let [schedule] = &stored(&world, &acme).await[..] else { panic!("one schedule") };
        assert_eq!((schedule.next_run_time, schedule.revision), (Some(at(next)), 2), "{changes}");
        let published = tick(&world).await.published;
        assert_eq!(published, usize::from(moved.is_none()), "{changes}");
    }
}

#[tokio::test]
async fn a_pause_keeps_the_next_slot_and_resuming_catches_up_from_there() {
    for (catchup, dates) in [
        ("none", &[][..]),
        ("last", &["2025-11-19"]),
        ("all", &["2025-11-16", "2025-11-17", "2025-11-18", "2025-11-19"]),
    ] {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        let made = make(&world, &acme, &with(json!({"catchup": catchup}))).await;
        let paused = patch(&world, &acme, &made, &json!({"is_active": false})).await;
        assert_eq!(paused["next_run_time"], "2025-11-17T11:00:00Z");
        assert_eq!(paused["next_run_times"][0], "2025-11-17T12:00:00+01:00");
        world.set_time("2025-11-20T12:00:00Z");
        assert_eq!(tick(&world).await.due, 0, "{catchup}");
        let still = read(&world, &acme, &made).await;
        assert_eq!(still["next_run_time"], "2025-11-17T11:00:00Z", "where it stood");
        assert_eq!(still["next_run_times"][0], "2025-11-21T12:00:00+01:00", "as if it were active");
        let resumed = patch(&world, &acme, &made, &json!({"is_active": true})).await;
        assert_eq!(resumed["next_run_time"], "2025-11-17T11:00:00Z");
        assert_eq!(tick(&world).await.published, dates.len(), "{catchup}");
        let mut ran: Vec<String> = Vec::new();
        for run in world.runs(&acme).await {
            ran.push(run.parameters["date"]["value"].as_str().unwrap().to_owned());
        }
        ran.sort();
        assert_eq!(ran, dates, "{catchup}");
        assert_eq!(
            read(&world, &acme, &made).await["next_run_time"],
            "2025-11-21T11:00:00Z",
            "{catchup}"
        );
    }
}

#[tokio::test]
async fn another_cron_while_paused_forgets_what_was_missed() {
    let (world, acme, made) = overdue().await;
    patch(&world, &acme, &made, &json!({"is_active": false, "catchup": "all"})).await;
    world.set_time("2025-11-20T12:00:00Z");
    let changes = json!({"schedule_cron": "0 18 * * *"});
    let answered = patch(&world, &acme, &made, &changes).await;
    assert_eq!(answered["next_run_time"], "2025-11-20T17:00:00Z");
    patch(&world, &acme, &made, &json!({"is_active": true})).await;
    assert_eq!(tick(&world).await.published, 0);
    world.set_time("2025-11-20T17:00:00Z");
    assert_eq!(tick(&world).await.published, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_changes_at_once_none_is_lost() {
    for _ in 0..10 {
        let world = Arc::new(World::new());
        let acme = Arc::new(world.onboard("acme", "STARTER").await);
        let made = Arc::new(make(&world, &acme, &with(json!({"catchup": "all"}))).await);
        let changes = [
            json!({"schedule_cron": "0 18 * * *"}),
            json!({"timezone": "Asia/Tokyo"}),
            json!({"parameters": {"date": "2025-11-01"}}),
            json!({"priority": 7}),
            json!({"max_catchup": 3}),
            json!({"retry_count": 4}),
            json!({"retry_backoff_seconds": 11}),
            json!({"is_active": false}),
        ];
        let asked = changes.clone().map(|changes| {
            let (world, acme, made) = (world.clone(), acme.clone(), made.clone());
            tokio::spawn(async move {
                // Where others kept coming first it says so, and is asked again: each of them is done then.
                for _ in 0..20 {
                    let answer = world.send(change(&acme, &made, &changes)).await;
                    if answer.status == 200 {
                        return;
                    }
                    assert_eq!((answer.status, answer.problem()), (409, "in-progress"));
                    assert!(answer.retry_after() >= 1);
                }
                panic!("{changes} never took effect");
            })
        });
        for done in futures::future::join_all(asked).await {
            done.unwrap();
        }
        let answered = read(&world, &acme, &made).await;
        for (field, value) in changes.iter().flat_map(|c| c.as_object().unwrap()) {
            assert_eq!(&answered[field], value, "{answered}");
        }
        assert_eq!(answered["next_run_time"], "2025-11-18T09:00:00Z");
        assert_eq!(stored(&world, &acme).await[0].revision, 9);
    }
}

#[tokio::test]
async fn a_change_keeps_the_retries_that_wait() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let schedule = daily(&world, &acme, 1);
    put(&world, &schedule).await;
    let retry = common::schedule::Retry {
        slot: key(&schedule, "2025-11-16T11:00:00Z", 2).slot,
        date: "2025-11-16".parse().unwrap(),
        attempt: 2,
        due_at: at("2025-11-17T11:30:00Z"),
    };
    common::state::Schedules::plan_retry(&*world.state, schedule.config_id, &retry).await.unwrap();
    let made = json!({"config_id": schedule.config_id.to_string()});
    let changes = json!({"schedule_cron": "0 18 * * *", "retry_count": 0});
    let answered = patch(&world, &acme, &made, &changes).await;
    let waits = json!([
        {
            "slot": "2025-11-16T11:00:00Z", "date": "2025-11-16", "attempt": 2,
            "due_at": "2025-11-17T11:30:00Z",
        },
    ]);
    assert_eq!(answered["retries"], waits);
    assert_eq!(read(&world, &acme, &made).await["retries"], waits);
}

#[tokio::test]
async fn a_schedule_without_a_template_can_be_paused_and_removed_alone() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let made = make(&world, &acme, &noon()).await;
    let app = without_templates(&world);
    for changes in [
        json!({"priority": 5}),
        json!({"schedule_cron": "0 18 * * *"}),
        json!({"is_active": true}),
        json!({"is_active": false, "priority": 5}),
    ] {
        let answer = send_to(&app, change(&acme, &made, &changes)).await;
        let found = errors(&answer);
        let [(field, rule)] = &found[..] else { panic!("{changes}: {found:?}") };
        assert_eq!(field, "pipeline_template", "{changes}");
        assert!(rule.contains("no template gcp/cost/billing any more"), "{rule}");
    }
    assert_eq!(stored(&world, &acme).await[0].revision, 1, "nothing was changed");
    let request = change(&acme, &made, &json!({"is_active": false}));
    let paused = send_to(&app, request).await;
    assert_eq!((paused.status, &paused.body["is_active"]), (200, &json!(false)));
    assert_eq!(send_to(&app, removal(&acme, &made)).await.status, 204);
}

#[tokio::test]
async fn parameters_that_fit_no_more_stop_every_change_but_a_pause() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let parameters = json!({"date": "{{ slot_date }}", "end_date": "2025-11-24"});
    let made = make(&world, &acme, &with(json!({"parameters": parameters}))).await;
    world.set_time("2025-11-23T12:00:00Z");
    let found = errors(&world.send(change(&acme, &made, &json!({"priority": 5}))).await);
    assert_eq!(found[0].0, "parameters.end_date", "{found:?}");
    patch(&world, &acme, &made, &json!({"is_active": false})).await;
    let found = errors(&world.send(change(&acme, &made, &json!({"is_active": true}))).await);
    assert_eq!(found[0].0, "parameters.end_date", "{found:?}");
    let both = json!({"is_active": true, "parameters": {"date": "{{ slot_date }}"}});
    patch(&world, &acme, &made, &both).await;
}
