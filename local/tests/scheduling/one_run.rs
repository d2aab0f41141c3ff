//! What a scheduled run is: whose, when, with what.

use common::schedule::Schedule;
use serde_json::json;

use crate::scheduled::{daily, put, run_of, tick, told};
use crate::world::World;

#[tokio::test]
async fn a_scheduled_run_is_its_creators_at_its_priority_with_the_slots_own_date() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    // Nine in the morning of the 18th in Auckland is eight in the evening of the 17th in UTC.
    let schedule = Schedule {
        cron: "0 9 * * *".parse().unwrap(),
        zone: "Pacific/Auckland".parse().unwrap(),
        parameters: json!({"date": "{{ slot_date - 1 day }}", "end_date": "{{ slot_date }}"})
            .as_object()
            .unwrap()
            .clone(),
        priority: 7,
        ..daily(&world, &acme, 1)
    };
    let schedule = Schedule { next_run_time: schedule.next_after(world.clock.now()), ..schedule };
    put(&world, &schedule).await;
    world.set_time("2025-11-17T20:00:00Z");
    assert_eq!(tick(&world).await.published, 1);
    let run = run_of(&schedule, "2025-11-17T20:00:00Z", 1);
    let read = world.read(&acme, run).await;
    let expected = json!({
        "config_id": schedule.config_id, "slot": "2025-11-17T20:00:00Z", "attempt": 1,
    });
    assert_eq!(read["schedule"], expected);
    assert_eq!(read["user_id"], "zoë");
    assert_eq!(read["parameters"], json!({"date": "2025-11-17", "end_date": "2025-11-18"}));
    let entry = world.ledger(&acme).await.account.entries[0].clone();
    assert_eq!((entry.run_id, entry.priority), (run, 7));
    world.work(run).await;
    assert_eq!(told(&world, &schedule).await, ["17 20:00 1 FAILED"], "there is no export to read");

    let triggered = world.accepted(&acme).await;
    assert_eq!(world.read(&acme, triggered).await["schedule"], json!(null));
}
