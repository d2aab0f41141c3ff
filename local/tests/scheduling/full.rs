//! A tenant keeps a hundred schedules and no more.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use crate::asked::{list, make, noon, patch, post, removal, stored, with};
use crate::scheduled::{daily, put};
use crate::world::{Tenant, World};

/// A tenant with so many schedules, each a second younger than the one before.
async fn with_schedules(world: &World, id: &str, schedules: u128) -> Tenant {
    let tenant = world.onboard(id, "STARTER").await;
    for n in 0..schedules {
        world.pass(TimeDelta::seconds(1));
        put(world, &daily(world, &tenant, n)).await;
    }
    tenant
}

#[tokio::test]
async fn the_hundredth_is_made_and_the_next_is_not() {
    let world = World::new();
    let acme = with_schedules(&world, "acme", 99).await;
    let beta = world.onboard("beta", "STARTER").await;
    let hundredth = make(&world, &acme, &with(json!({"is_active": false}))).await;
    let all = list(&world, &acme).await;
    assert_eq!((all.len(), &all[99]), (100, &hundredth), "paused ones count");
    let made: Vec<&str> = all.iter().map(|s| s["created_at"].as_str().unwrap()).collect();
    assert!(made.is_sorted(), "oldest first");

    let full = post(&world, &acme, &noon()).await;
    assert_eq!((full.status, full.problem()), (409, "too-many-schedules"), "{}", full.body);
    assert_eq!(full.body["limit"], 100);
    let detail = full.body["detail"].as_str().unwrap();
    assert!(detail.contains("100") && detail.contains("delete one"), "{detail}");
    assert_eq!(stored(&world, &acme).await.len(), 100);
    make(&world, &beta, &noon()).await;

    patch(&world, &acme, &hundredth, &json!({"priority": 1})).await;
    assert_eq!(world.send(removal(&acme, &hundredth)).await.status, 204);
    make(&world, &acme, &noon()).await;
    assert_eq!(post(&world, &acme, &noon()).await.status, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_at_once_five_fill_the_hundred() {
    let world = Arc::new(World::new());
    let acme = Arc::new(with_schedules(&world, "acme", 95).await);
    let asked = (0..20).map(|_| {
        let (world, acme) = (world.clone(), acme.clone());
        tokio::spawn(async move { post(&world, &acme, &noon()).await })
    });
    let mut made = 0;
    for answer in futures::future::join_all(asked).await {
        let answer = answer.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            assert_eq!((answer.status, answer.problem()), (409, "too-many-schedules"));
        }
    }
    assert_eq!(made, 5);
    assert_eq!(stored(&world, &acme).await.len(), 100);
}
