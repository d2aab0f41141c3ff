//! What a subscription's status, a change of plan and midnight do to triggering.

use chrono::TimeDelta;
use common::warehouse::{Query, Warehouse};
use serde_json::json;

use crate::world::{Tenant, World};

/// The same, until the day or the month lets no more in.
async fn use_up(world: &World, tenant: &Tenant, runs: u32) {
    for _ in 0..runs {
        let run = world.accepted(tenant).await;
        world.finish(run).await;
    }
}

async fn today(world: &World, tenant: &Tenant) -> (u64, u64) {
    let usage = world.usage(tenant).await;
    let number = |member: &str| usage[member].as_u64().unwrap();
    (number("pipelines_run_today"), number("pipelines_run_this_month"))
}

#[tokio::test]
async fn an_inactive_subscription_starts_nothing() {
    for status in ["SUSPENDED", "CANCELLED"] {
        let world = World::new();
        let acme = world.onboard("acme", "STARTER").await;
        let (running, queued) = (world.accepted(&acme).await, world.accepted(&acme).await);
        world.change(&acme, json!({ "status": status })).await;
        // At once by the ledger, then by the key's own row, and never by a cache alone.
        for seconds in [0, 1, 29, 30, 3_600] {
            world.pass(TimeDelta::seconds(seconds));
            let answer = world.trigger(&acme).await;
            assert_eq!((answer.status, answer.problem()), (403, "subscription-inactive"));
        }
        assert_eq!(today(&world, &acme).await, (2, 2), "refusals do not count");

        let list = world.send(acme.get(&acme.runs())).await;
        assert_eq!(list.body["runs"].as_array().unwrap().len(), 2, "what was is still read");
        world.finish(running).await;
        assert_eq!(world.reap().await.started, 0);
        assert_eq!(world.status(&acme, queued).await, "QUEUED", "{status}");
        assert_eq!(world.launcher.all().len(), 1);

        world.change(&acme, json!({"status": "ACTIVE"})).await;
        assert_eq!(world.reap().await.started, 1);
        assert_eq!(world.status(&acme, queued).await, "RUNNING");
        world.pass(TimeDelta::seconds(5));
        assert_eq!(world.trigger(&acme).await.status, 202, "seen within the time of the cache");
        assert_eq!(today(&world, &acme).await, (3, 3));
    }
}

#[tokio::test]
async fn a_queued_run_of_a_suspended_tenant_can_be_cancelled() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    world.accepted(&acme).await;
    let queued = world.accepted(&acme).await;
    world.change(&acme, json!({"status": "SUSPENDED"})).await;
    assert_eq!(world.cancel(&acme, queued).await.status, 200);
    assert_eq!(today(&world, &acme).await, (1, 1));
}

#[tokio::test]
async fn a_change_of_plan_holds_for_the_next_admission() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    use_up(&world, &acme, 6).await;
    let full = world.trigger(&acme).await;
    assert_eq!((full.status, &full.body["limit"]), (429, &json!("daily_limit")));

    world.change(&acme, json!({"subscription_plan": "PROFESSIONAL"})).await;
    let mut running = Vec::new();
    for _ in 0..3 {
        let answer = world.trigger(&acme).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        running.push(answer.run_id());
    }
    assert_eq!(today(&world, &acme).await, (9, 9));

    world.change(&acme, json!({"subscription_plan": "STARTER"})).await;
    assert_eq!(today(&world, &acme).await, (9, 9), "what was counted stays");
    let full = world.trigger(&acme).await;
    assert_eq!((full.status, &full.body["daily_limit"]), (429, &json!(6)));
    assert_eq!(full.body["pipelines_run_today"], 9);
    for run in &running {
        assert_eq!(world.status(&acme, *run).await, "RUNNING", "what runs goes on");
    }

    world.change(&acme, json!({"limits": {"daily_limit": 20}})).await;
    let answer = world.trigger(&acme).await;
    assert_eq!(answer.status, 202, "three run where one may: {}", answer.body);
    let queued = answer.run_id();
    for run in running {
        assert_eq!(world.status(&acme, queued).await, "QUEUED");
        world.finish(run).await;
    }
    assert_eq!(world.status(&acme, queued).await, "RUNNING", "the last one made room");
    assert_eq!(today(&world, &acme).await, (10, 10));
}

#[tokio::test]
async fn midnight_frees_the_day_and_the_first_frees_the_month() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    world.set_time("2025-11-17T23:59:58Z");
    use_up(&world, &acme, 4).await;
    let (running, queued) = (world.accepted(&acme).await, world.accepted(&acme).await);
    let full = world.trigger(&acme).await;
    assert_eq!((full.status, &full.body["limit"]), (429, &json!("daily_limit")));
    assert_eq!(full.retry_after(), 2, "to midnight");

    world.set_time("2025-11-18T00:00:00Z");
    assert_eq!(today(&world, &acme).await, (0, 6));
    assert_eq!(view(&world).await, [("2025-11-17", 6), ("2025-11-18", 0)].map(day));
    world.finish(running).await;
    world.finish(queued).await;
    assert_eq!(today(&world, &acme).await, (0, 6), "a run counts for the day it was let in on");

    world.change(&acme, json!({"limits": {"monthly_limit": 7}})).await;
    use_up(&world, &acme, 1).await;
    let full = world.trigger(&acme).await;
    assert_eq!((full.status, &full.body["limit"]), (429, &json!("monthly_limit")));
    assert_eq!(full.retry_after(), TimeDelta::days(13).num_seconds(), "to the first");
    world.set_time("2025-11-30T23:59:59Z");
    assert_eq!(world.trigger(&acme).await.status, 429);
    world.set_time("2025-12-01T00:00:00Z");
    assert_eq!(world.trigger(&acme).await.status, 200);
    assert_eq!(today(&world, &acme).await, (1, 1));
    let days = [("2025-11-17", 6), ("2025-11-18", 1), ("2025-12-01", 1)].map(day);
    assert_eq!(view(&world).await, days);
}

fn day((day, runs): (&str, u32)) -> String {
    format!("{day} {runs}")
}

/// The usage view, by day.
async fn view(world: &World) -> Vec<String> {
    let sql = "SELECT usage_date, pipelines_run_today FROM tenants.tenant_usage_quotas \
               WHERE tenant_id = 'acme' ORDER BY usage_date";
    let params = std::collections::BTreeMap::new();
    let query = Query { sql: sql.to_owned(), params, default_dataset: None };
    let rows = world.warehouse.query(&query, None).await.unwrap().rows;
    rows.iter().map(|row| format!("{} {}", row[0], row[1])).collect()
}
