//! Backfills that are interrupted: what was admitted is answered, and the same request goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use chrono::TimeDelta;
use common::clock::Clock;
use common::http::{Keyring, Options, shell};
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use common::quota::Change;
use common::state::{Answer as LedgerAnswer, Batch, Ledger, LedgerRow};
use common::submit::Gate;
use common::tenant::TenantId;
use common::warehouse::Ensured;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{backfill, dates, days_of, ids, listed, path, range, today};
use crate::launcher::Mood;
use crate::world::{Tenant, World};

async fn onboarded(plan: &str) -> (Arc<World>, Arc<Tenant>) {
    let world = Arc::new(World::new());
    let acme = world.onboard("acme", plan).await;
    (world, Arc::new(acme))
}

/// Sends a request through the routes over another gate.
async fn through(world: &World, gate: Gate, request: Request<Body>) -> (u16, Value) {
    let keyring = Arc::new(Keyring::new(world.state.clone(), world.clock.clone()));
    let options = Options::new(gate.clock.clone(), gate.chance.clone());
    let app =
        shell(trigger::app(trigger::State { gate, keyring, ..world.trigger.clone() }), options);
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Every launch takes a while.
struct Slow(Arc<World>);

#[async_trait]
impl JobLauncher for Slow {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        self.0.pass(TimeDelta::seconds(4));
        self.0.launcher.launch(launch).await
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        self.0.launcher.state(execution).await
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        self.0.launcher.cancel(execution).await
    }
}

/// The answer to the `nth` change is lost after it took effect; just before, `meanwhile` is asked for.
struct Lost {
    world: Arc<World>,
    acme: Arc<Tenant>,
    nth: u32,
    seen: AtomicU32,
    meanwhile: Option<Value>,
}

#[async_trait]
impl Ledger for Lost {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        self.world.state.create(tenant).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<LedgerAnswer>, PortError> {
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 != self.nth {
            return self.world.state.apply(batch).await;
        }
        if let Some(body) = &self.meanwhile {
            backfill(&self.world, &self.acme, body).await;
        }
        self.world.state.apply(batch).await?;
        Err(PortError::Unavailable("the answer was lost".to_owned()))
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        self.world.state.row(tenant).await
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        self.world.state.rows().await
    }
}

#[tokio::test]
async fn no_day_is_begun_after_fifteen_seconds() {
    let (world, acme) = onboarded("SCALE").await;
    let slow = Gate { jobs: Arc::new(Slow(world.clone())), ..world.gate().clone() };
    let (status, answer) = through(&world, slow, acme.post(&path(&acme), &range(10))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(days_of(&answer), dates(1..=4), "begun after 0, 4, 8 and 12 seconds");
    assert_eq!(answer["not_admitted"], json!(dates(5..=10)));
    assert_eq!((&answer["limit"], &answer["retry_at"]), (&Value::Null, &Value::Null));
    assert!(answer["message"].as_str().unwrap().contains("goes on where it stopped"), "{answer}");
    assert_eq!(today(&world, &acme).await, 4);
    let rest = backfill(&world, &acme, &range(10)).await;
    assert_eq!((days_of(&rest), today(&world, &acme).await), (dates(1..=10), 10));
}

#[tokio::test]
async fn days_that_have_runs_take_none_of_the_time() {
    let (world, acme) = onboarded("SCALE").await;
    backfill(&world, &acme, &range(20)).await;
    let (clock, reads) = (world.clock.clone(), AtomicU32::new(0));
    let ticking = Clock::from_fn(move || {
        clock.now() + TimeDelta::seconds(reads.fetch_add(1, Ordering::Relaxed).into())
    });
    let gate = Gate { clock: ticking, ..world.gate().clone() };
    let (status, answer) = through(&world, gate, acme.post(&path(&acme), &range(21))).await;
    assert_eq!((status, days_of(&answer)), (200, dates(1..=21)), "{answer}");
}

#[tokio::test]
async fn what_was_admitted_before_the_trouble_is_answered() {
    let (world, acme) = onboarded("PROFESSIONAL").await;
    let meanwhile = Some(json!({"from": "2025-11-05", "to": "2025-11-06"}));
    let (seen, nth) = (AtomicU32::new(0), 3);
    let lost = Lost { world: world.clone(), acme: acme.clone(), nth, seen, meanwhile };
    let gate = Gate { ledger: Arc::new(lost), ..world.gate().clone() };
    let (status, answer) = through(&world, gate, acme.post(&path(&acme), &range(8))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(days_of(&answer), dates([1, 2, 5, 6]), "also what another request made meanwhile");
    let existed: Vec<bool> = listed(&answer).into_iter().map(|(_, _, existed)| existed).collect();
    assert_eq!(existed, [false, false, true, true]);
    assert_eq!(answer["not_admitted"], json!(dates([3, 4, 7, 8])));
    assert_eq!(answer["limit"], Value::Null);

    // The lost day was counted and has no run: nobody but its request could record it.
    let again = backfill(&world, &acme, &range(8)).await;
    assert_eq!(again["not_admitted"], json!(dates([3, 4, 7, 8])), "{again}");
    assert!(again["message"].as_str().unwrap().contains("2025-11-03"), "{again}");
    assert_eq!(today(&world, &acme).await, 5);

    world.pass(world.gate().policy.record_within * 2 + TimeDelta::seconds(1));
    world.reap().await;
    assert_eq!(today(&world, &acme).await, 4, "its count is given back");
    let rest = backfill(&world, &acme, &range(8)).await;
    assert_eq!((days_of(&rest), &rest["not_admitted"]), (dates(1..=8), &json!([])));
    assert_eq!((today(&world, &acme).await, world.runs(&acme).await.len()), (8, 8));
}

#[tokio::test]
async fn trouble_at_the_first_day_is_answered_as_an_error() {
    let (world, acme) = onboarded("PROFESSIONAL").await;
    let mut dry = range(3);
    dry["dry_run"] = json!(true);
    let first = ids(&backfill(&world, &acme, &dry).await)[0];
    let (seen, nth) = (AtomicU32::new(0), 1);
    let lost = Lost { world: world.clone(), acme: acme.clone(), nth, seen, meanwhile: None };
    let gate = Gate { ledger: Arc::new(lost), ..world.gate().clone() };
    let (status, answer) = through(&world, gate, acme.post(&path(&acme), &range(3))).await;
    assert_eq!((status, &answer["type"]), (503, &json!("/problems/unavailable")), "{answer}");
    assert!(!answer.to_string().contains("lost"), "a backend's words stay inside: {answer}");

    let answer = world.send(acme.post(&path(&acme), &range(3))).await;
    assert_eq!((answer.status, answer.problem()), (409, "in-progress"), "{}", answer.body);
    assert!(answer.retry_after() >= 1);
    assert!(answer.body["detail"].as_str().unwrap().contains("2025-11-01"), "{}", answer.body);
    assert_eq!((today(&world, &acme).await, world.runs(&acme).await.len()), (1, 0));

    let attempt = world.ledger(&acme).await.account.entries[0].clone();
    assert_eq!(attempt.run_id, first);
    let refund = Change::Refund { run_id: first, attempt: 1, from: attempt.state };
    world.gate().apply(&acme.tenant_id(), refund).await.unwrap();
    let answer = backfill(&world, &acme, &range(3)).await;
    assert_eq!((ids(&answer)[0], days_of(&answer)), (first, dates(1..=3)));
    assert_eq!(today(&world, &acme).await, 3);
}

#[tokio::test]
async fn a_launcher_that_refuses_for_good_ends_the_admitting() {
    let (world, acme) = onboarded("STARTER").await;
    let day =
        |day: u32, status: &str, existed| (format!("2025-11-{day:02}"), status.to_owned(), existed);
    *world.launcher.mood.lock().unwrap() = Mood::Refuses;
    let first = backfill(&world, &acme, &range(4)).await;
    assert_eq!(listed(&first), [day(1, "FAILED", false)]);
    assert_eq!(first["not_admitted"], json!(dates(2..=4)));
    assert_eq!((&first["limit"], today(&world, &acme).await), (&Value::Null, 0));
    let message = first["message"].as_str().unwrap();
    assert!(message.contains("does not count") && !message.contains("run.jobs.run"), "{message}");

    *world.launcher.mood.lock().unwrap() = Mood::Accepts;
    let next = backfill(&world, &acme, &range(4)).await;
    assert_eq!(
        listed(&next),
        [
            day(1, "FAILED", true),
            day(2, "RUNNING", false),
            day(3, "QUEUED", false),
            day(4, "QUEUED", false)
        ]
    );
    assert_eq!(today(&world, &acme).await, 3);
}
