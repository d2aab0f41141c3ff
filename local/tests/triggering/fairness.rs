//! Turns under a bound of the whole deployment: no tenant with work waits for more than one round of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use common::quota::EntryState;
use common::run::RunId;
use common::state::Ledger;
use common::tenant::TenantId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{Tenant, World};

const MOST: u32 = 6;
/// What the large tenant's plan and the others' plans allow at once.
const LARGE: usize = 20;
const SMALL: usize = 3;
/// On two busy cores the slowest test takes a fraction of it.
const PATIENCE: Duration = Duration::from_mins(5);

/// How the runs of a course end.
#[derive(Clone, Copy)]
struct Course {
    name: &'static str,
    /// Which of those at work ends next; without a seed the one that began first.
    seed: Option<u64>,
    /// Runs of the large tenant; each of nine others queues ten.
    large: usize,
    /// Whether time passes between two ends.
    moving: bool,
    /// Whether words of ends are lost, or come several times and late.
    unreliable: bool,
}

const FIFO: Course =
    Course { name: "fifo", seed: None, large: 500, moving: false, unreliable: false };

#[tokio::test]
async fn no_tenant_with_work_waits_for_more_than_one_round_of_the_others() {
    follow(FIFO).await;
}

#[tokio::test]
async fn turns_hold_whichever_run_ends_next_and_whatever_is_heard_of_it() {
    let mixed = Course { name: "mixed", seed: Some(1), large: 60, ..FIFO };
    let courses = [
        mixed,
        Course { name: "moving", moving: true, ..mixed },
        Course { name: "mixed again", seed: Some(2), ..mixed },
        Course { name: "unreliable", seed: Some(3), unreliable: true, moving: true, ..mixed },
    ];
    for course in courses {
        follow(course).await;
    }
}

/// Queues everything, then lets runs end one by one until none is left.
async fn follow(course: Course) {
    let world = crowd(course.large).await;
    let mut order = Order::new(&world).await;
    let mut dice = StdRng::seed_from_u64(course.seed.unwrap_or(0));
    let mut late = Vec::new();
    loop {
        order.look(&world, course.name);
        assert!(order.at_work.len() <= MOST as usize, "{}", course.name);
        if order.seen.is_multiple_of(16) {
            assert!(active(&world).await <= MOST as usize, "{}", course.name);
        }
        let at_work: Vec<RunId> = order.at_work.iter().map(|(_, run)| *run).collect();
        if at_work.is_empty() && order.waits.values().all(|runs| *runs == 0) {
            break;
        }
        if course.moving {
            world.pass(TimeDelta::milliseconds(dice.random_range(0..3_000)));
        }
        if !at_work.is_empty() {
            let next = course.seed.map_or(0, |_| dice.random_range(0..at_work.len()));
            let event = world.end(at_work[next]).await;
            order.ended(at_work[next]);
            let times = if course.unreliable { dice.random_range(0..3) } else { 1 };
            for _ in 0..times {
                late.push(event.clone());
            }
        }
        let keep = if course.unreliable { dice.random_range(0..3) } else { 0 };
        while late.len() > keep {
            let at = dice.random_range(0..late.len());
            world.hear(&late.swap_remove(at)).await;
            order.look(&world, course.name);
        }
        if course.unreliable && (at_work.is_empty() || dice.random_range(0..8) == 0) {
            world.reap().await;
        }
    }
    let all = course.large + 90;
    assert_eq!(world.launcher.all().len(), all, "{}: every run once", course.name);
    let runs: BTreeSet<RunId> = world.launcher.all().iter().map(|e| e.launch.run_id).collect();
    assert_eq!(runs.len(), all, "{}", course.name);
}

/// One ENTERPRISE tenant that came first with its runs, then nine PROFESSIONAL ones with ten each.
async fn crowd(large: usize) -> World {
    let mut world = World::new();
    world.bound(Some(MOST));
    let first = world.onboard("tenant_0", "ENTERPRISE").await;
    for _ in 0..large {
        world.accepted(&first).await;
    }
    for n in 1..10 {
        let tenant = world.onboard(&format!("tenant_{n}"), "PROFESSIONAL").await;
        for _ in 0..10 {
            let answer = world.trigger(&tenant).await;
            assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("QUEUED")));
        }
    }
    world
}

/// How many slots are held, over all tenants.
async fn active(world: &World) -> usize {
    let rows = world.state.rows().await.unwrap();
    let entries = rows.iter().flat_map(|row| &row.account.entries);
    entries.filter(|entry| entry.state == EntryState::Active).count()
}

/// Follows the order of starts, and who was passed by whom while it waited.
struct Order {
    seen: usize,
    /// Runs that are queued.
    waits: BTreeMap<TenantId, usize>,
    at_work: Vec<(TenantId, RunId)>,
    /// How often the second has started since the first began to wait, or started.
    passed: BTreeMap<(TenantId, TenantId), usize>,
}

impl Order {
    /// From a moment at which every slot is held by the large tenant and the others have started nothing.
    async fn new(world: &World) -> Self {
        let rows = world.state.rows().await.unwrap();
        let queued = |entries: &[common::quota::Entry]| {
            entries.iter().filter(|e| e.state == EntryState::Queued).count()
        };
        let waits = rows.iter().map(|r| (r.tenant_id.clone(), queued(&r.account.entries)));
        let executions = world.launcher.all();
        let at_work = executions.iter().map(|e| (e.launch.tenant_id.clone(), e.launch.run_id));
        let (waits, at_work): (_, Vec<_>) = (waits.collect(), at_work.collect());
        assert_eq!(at_work.len(), MOST as usize);
        Self { seen: at_work.len(), waits, at_work, passed: BTreeMap::new() }
    }

    /// Takes in what has started since.
    fn look(&mut self, world: &World, course: &str) {
        for execution in world.launcher.all().into_iter().skip(self.seen) {
            self.seen += 1;
            let starts = execution.launch.tenant_id;
            let passed: Vec<TenantId> = self
                .waits
                .keys()
                .filter(|t| **t != starts && self.could_start(t))
                .cloned()
                .collect();
            for waits in passed {
                let times = self.passed.entry((waits.clone(), starts.clone())).or_default();
                *times += 1;
                let number = self.seen;
                assert!(*times <= 1, "{course}, start {number}: {starts} twice before {waits}");
            }
            self.passed.retain(|(waits, _), _| *waits != starts);
            *self.waits.get_mut(&starts).unwrap() -= 1;
            self.at_work.push((starts, execution.launch.run_id));
        }
        let resting: Vec<TenantId> =
            self.waits.keys().filter(|tenant| !self.could_start(tenant)).cloned().collect();
        self.passed.retain(|(waits, _), _| !resting.contains(waits));
    }

    fn ended(&mut self, run: RunId) {
        self.at_work.retain(|(_, at_work)| *at_work != run);
    }

    /// Whether a tenant has work that its own plan would let start.
    fn could_start(&self, tenant: &TenantId) -> bool {
        let most = if tenant.as_str() == "tenant_0" { LARGE } else { SMALL };
        self.waits[tenant] > 0 && self.at_work.iter().filter(|(t, _)| t == tenant).count() < most
    }
}

#[tokio::test]
async fn a_bound_of_zero_stops_all_starts_and_still_admits() {
    let mut world = World::new();
    world.bound(Some(2));
    let tenants =
        [world.onboard("acme", "PROFESSIONAL").await, world.onboard("beta", "SCALE").await];
    let mut runs = Vec::new();
    for tenant in &tenants {
        for _ in 0..3 {
            runs.push((tenant, world.accepted(tenant).await));
        }
    }
    assert_eq!(world.launcher.all().len(), 2);

    world.bound(Some(0));
    for tenant in &tenants {
        let answer = world.trigger(tenant).await;
        assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("QUEUED")));
        runs.push((tenant, answer.run_id()));
    }
    // What runs goes on to its end, and nothing takes its place.
    for execution in world.launcher.all() {
        assert!(!execution.ended && !execution.stop.is_cancelled());
        world.finish(execution.launch.run_id).await;
        assert_eq!(world.reap().await.started, 0);
    }
    assert_eq!((world.launcher.all().len(), active(&world).await), (2, 0));

    world.bound(Some(1));
    assert_eq!(world.reap().await.started, 1);
    while let Some(at_work) = world.launcher.all().into_iter().find(|e| !e.ended) {
        assert_eq!(active(&world).await, 1);
        world.finish(at_work.launch.run_id).await;
    }
    let order: Vec<String> =
        world.launcher.all().iter().map(|e| e.launch.tenant_id.to_string()).collect();
    // After acme's two, beta, which had never started; then each in its turn.
    assert_eq!(order, ["acme", "acme", "beta", "acme", "beta", "acme", "beta", "beta"]);
    for (tenant, run) in runs {
        assert_eq!(world.status(tenant, run).await, "COMPLETED");
    }
}

#[tokio::test]
async fn a_bound_lowered_below_what_runs_ends_nothing_and_starts_nothing() {
    let mut world = World::new();
    let acme = world.onboard("acme", "PROFESSIONAL").await;
    let beta = world.onboard("beta", "PROFESSIONAL").await;
    let mut runs = Vec::new();
    for tenant in [&acme, &acme, &beta, &beta] {
        runs.push(world.accepted(tenant).await);
    }
    world.bound(Some(2));
    let waits = world.accepted(&acme).await;
    for (ended, at_work) in [(0, 3), (1, 2), (2, 2)] {
        world.finish(runs[ended]).await;
        assert_eq!(active(&world).await, at_work);
        assert!(world.launcher.all().iter().all(|e| !e.stop.is_cancelled()));
        let expected = if ended == 2 { "RUNNING" } else { "QUEUED" };
        assert_eq!(world.status(&acme, waits).await, expected, "after {ended}");
    }
}

/// Submissions and ends at the same time, each from tasks of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_run_at_once_than_the_bound_however_many_come_at_once() {
    let mut world = World::new();
    world.bound(Some(4));
    let mut tenants: Vec<Tenant> = Vec::new();
    for n in 0..4 {
        let tenant = world.onboard(&format!("tenant_{n}"), "ENTERPRISE").await;
        world.change(&tenant, json!({"limits": {"concurrent_limit": 3}})).await;
        tenants.push(tenant);
    }
    let world = Arc::new(world);
    let mut tasks = JoinSet::new();
    for tenant in tenants {
        let world = world.clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                world.accepted(&tenant).await;
            }
        });
    }
    let worker = world.clone();
    tasks.spawn(async move { work_off(worker, 80).await });
    tokio::time::timeout(PATIENCE, tasks.join_all()).await.expect("not at rest in time");
    assert_eq!(world.launcher.all().len(), 80);
}

/// Ends what is at work until so many runs have ended; each end is heard of in a task of its own.
async fn work_off(world: Arc<World>, runs: usize) {
    let mut ended = 0;
    while ended < runs {
        assert!(active(&world).await <= 4);
        let at_work: Vec<_> = world.launcher.all().into_iter().filter(|e| !e.ended).collect();
        assert!(at_work.len() <= 4, "{} at work", at_work.len());
        if at_work.is_empty() {
            // A run that got its slot before its row was written is started by the reaper.
            world.reap().await;
        }
        let mut words = JoinSet::new();
        for execution in at_work {
            let event = world.end(execution.launch.run_id).await;
            ended += 1;
            let world = world.clone();
            words.spawn(async move { world.hear(&event).await });
        }
        words.join_all().await;
        tokio::task::yield_now().await;
    }
}
