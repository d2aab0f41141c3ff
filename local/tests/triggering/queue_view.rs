//! `x_meta_pipeline_queue`, what a tenant reads of its queue: a view over its runs.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use common::port::PortError;
use common::run::RunId;
use common::warehouse::{Query, Rows, Value, Warehouse};

use crate::world::{Tenant, World};

/// Each run of the view with its state, priority, user and the minutes of its two times.
async fn queue(world: &World, tenant: &Tenant) -> Vec<(String, String)> {
    let columns = "pipeline_logging_id, state, priority, user_id, queued_at, updated_at";
    let filter = "WHERE tenant_id IS NOT NULL AND pipeline_id LIKE '%-gcp-cost-billing'";
    let sql = format!("SELECT {columns} FROM x_meta_pipeline_queue {filter}");
    let text = |cell: &Value| match cell {
        Value::Timestamp(at) => at.format("%H:%M").to_string(),
        other => other.to_string(),
    };
    let row =
        |row: &Vec<Value>| (text(&row[0]), row[1..].iter().map(text).collect::<Vec<_>>().join(" "));
    let mut found: Vec<_> = read(world, tenant, &sql).await.unwrap().rows.iter().map(row).collect();
    found.sort();
    found
}

async fn read(world: &World, tenant: &Tenant, sql: &str) -> Result<Rows, PortError> {
    let default_dataset = Some(tenant.tenant_id().dataset());
    let query = Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset };
    world.warehouse.query(&query, None).await
}

/// What is expected, as [`queue`] answers it.
fn rows(expected: &[(RunId, &str)]) -> Vec<(String, String)> {
    let mut rows: Vec<_> =
        expected.iter().map(|(run, text)| (run.to_string(), (*text).to_owned())).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_tenant_reads_its_queue_as_its_runs_move() {
    let world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let beta = world.onboard("beta", "STARTER").await;
    let mut slots = Vec::new();
    for _ in 0..3 {
        slots.push(world.accepted(&acme).await);
    }
    assert_eq!(queue(&world, &acme).await, [], "who got a slot at once was never queued");

    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(world.accepted(&acme).await);
    }
    let of_beta = [world.accepted(&beta).await, world.accepted(&beta).await];
    let queued = "QUEUED 100 alice 10:00 10:00";
    assert_eq!(
        queue(&world, &acme).await,
        rows(&waits.iter().map(|r| (*r, queued)).collect::<Vec<_>>())
    );
    assert_eq!(queue(&world, &beta).await, rows(&[(of_beta[1], queued)]), "its own alone");

    // At the very moment at which it was queued.
    world.finish(slots[0]).await;
    let started = "STARTED 100 alice 10:00 10:00";
    world.pass(TimeDelta::minutes(1));
    world.finish(slots[1]).await;
    world.pass(TimeDelta::minutes(1));
    assert_eq!(world.cancel(&acme, waits[2]).await.body["status"], "CANCELLED");
    let moved = [
        (waits[0], started),
        (waits[1], "STARTED 100 alice 10:00 10:01"),
        (waits[2], "CANCELLED 100 alice 10:00 10:02"),
        (waits[3], queued),
    ];
    assert_eq!(queue(&world, &acme).await, rows(&moved));

    // How it goes on after it has left the queue is not the queue's to say.
    for run in [slots[2], waits[0], waits[1]] {
        world.claim(run).await;
    }
    world.pass(TimeDelta::hours(24));
    world.reap().await;
    let ended = [moved[0], moved[1], moved[2], (waits[3], "EXPIRED 100 alice 10:00 10:02")];
    assert_eq!(queue(&world, &acme).await, rows(&ended));
    assert_eq!(queue(&world, &beta).await.len(), 1);

    // Rows of an older release say by their times that they were queued.
    let file = rusqlite::Connection::open(world.folder().join("headgate.db")).unwrap();
    let change = "UPDATE x_meta_pipeline_runs SET queued = NULL, priority = NULL";
    assert_eq!(file.execute(change, []).unwrap(), 9);
    assert_eq!(queue(&world, &acme).await, rows(&ended[1..]));
}

#[tokio::test]
async fn a_tenant_without_a_dataset_has_no_queue_to_read() {
    let world = World::new();
    let nobody = Tenant { id: "nobody".to_owned(), key: String::new() };
    let answer = read(&world, &nobody, "SELECT * FROM x_meta_pipeline_queue").await;
    assert!(matches!(answer, Err(PortError::NotFound(_))), "{answer:?}");
}
