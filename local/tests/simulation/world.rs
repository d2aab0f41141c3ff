//! One deployment in one thread: real gate, queue, reaper and SQLite state under a clock and executions
//! that the driver moves.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use common::clock::{Chance, Clock};
use common::events::{Event, EventPublisher};
use common::http::Keyring;
use common::jobs::JobLauncher;
use common::keys::Secret;
use common::pipeline::Catalog;
use common::quota::EntryState;
use common::run::{Ending, FailureKind, Run, RunId, RunStatus};
use common::state::contract::subscription;
use common::state::{
    Ledger, Page, RunFilter, Runs, Schedules, Slots, TenantChange, Tenants, Transition,
};
use common::submit::{Derived, Gate, Policy, Request};
use common::tenant::{SubscriptionStatus, TenantId, UserId};
use futures::executor::block_on;
use local::admin;
use local::db::Db;
use local::state::SqliteState;
use serde_json::Map;

use super::executions::{Executions, Phase};
use super::faults::Stepped;
use super::mailbox::Mailbox;
use super::nothing::Nothing;

pub(crate) const TENANTS: [&str; 2] = ["alpha", "beta"];
pub(crate) const CONCURRENT: u32 = 2;

/// The quota of a simulated tenant.
#[derive(Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) daily: u32,
    pub(crate) monthly: u32,
    pub(crate) queued: u32,
    pub(crate) tenants: &'static [&'static str],
}

/// Small, so that every limit is met often.
pub(crate) const SMALL: Quota = Quota { daily: 6, monthly: 9, queued: 3, tenants: &TENANTS };

const TEMPLATE: &str = "
description: Two statements.
steps:
  - id: only
    type: sql
    query: SELECT 1 AS one
    target: {table: ones}
    mode: replace
    retries: {max_attempts: 2}
  - id: then
    type: sql
    depends_on: [only]
    query: SELECT 2 AS two
    target: {table: twos}
    mode: replace
    retries: {max_attempts: 2}
";

pub(crate) struct World {
    pub(crate) state: Arc<SqliteState>,
    pub(crate) executions: Arc<Executions>,
    pub(crate) scheduler: scheduler::Context,
    pub(crate) gate: Gate,
    pub(crate) trigger: trigger::State,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) quota: Quota,
    now: Arc<AtomicI64>,
    /// No more slots are held than this: the bound, or what was held when it was lowered and runs on.
    ceiling: Cell<usize>,
    finals: HashMap<RunId, (RunStatus, DateTime<Utc>)>,
    claims: HashMap<RunId, u32>,
}

impl World {
    pub(crate) fn new(seed: u64, quota: Quota) -> Self {
        let start: DateTime<Utc> = "2026-01-30T20:00:00Z".parse().unwrap();
        let now = Arc::new(AtomicI64::new(start.timestamp_micros()));
        let hand = Arc::clone(&now);
        let clock = Clock::from_fn(move || {
            DateTime::from_timestamp_micros(hand.load(Ordering::Relaxed)).unwrap()
        });
        let db = Arc::new(Db::in_memory().unwrap());
        let state = Arc::new(SqliteState::open(db, clock.clone()).unwrap());
        for name in quota.tenants {
            let mut subscription = subscription(name);
            subscription.limits.daily_limit = quota.daily;
            subscription.limits.monthly_limit = quota.monthly;
            subscription.limits.concurrent_limit = CONCURRENT;
            subscription.limits.max_queued = quota.queued;
            block_on(state.create_subscription(&subscription)).unwrap();
            block_on(Ledger::create(&*state, &subscription.tenant_id)).unwrap();
        }
        let executions = Arc::new(Executions::new());
        let ledger: Arc<dyn Ledger> = state.clone();
        let runs: Arc<dyn Runs> = state.clone();
        let jobs: Arc<dyn JobLauncher> = executions.clone();
        let catalog = Catalog::from_files([("example/etl/one.yml", TEMPLATE)]).unwrap();
        let gate = Gate {
            ledger: Arc::new(Stepped(ledger)),
            runs: Arc::new(Stepped(runs)),
            jobs: Arc::new(Stepped(jobs)),
            templates: Arc::new(catalog),
            clock,
            chance: Chance::seeded(seed),
            policy: Policy { queued_for: TimeDelta::hours(3), ..Policy::default() },
        };
        let mailbox = Arc::new(Mailbox::default());
        let plans: Arc<dyn Schedules> = state.clone();
        let slots: Arc<dyn Slots> = state.clone();
        let events: Arc<dyn EventPublisher> = mailbox.clone();
        let scheduler = scheduler::Context {
            gate: gate.clone(),
            warehouse: Arc::new(Nothing),
            schedules: Arc::new(Stepped(plans)),
            slots: Arc::new(Stepped(slots)),
            events: Arc::new(Stepped(events)),
        };
        let trigger = trigger::State {
            gate: gate.clone(),
            keyring: Arc::new(Keyring::new(state.clone(), gate.clock.clone())),
            schedules: scheduler.schedules.clone(),
            slots: scheduler.slots.clone(),
            pushers: admin::operators(&Secret::new("nobody asks")),
        };
        Self {
            state,
            executions,
            scheduler,
            gate,
            trigger,
            mailbox,
            quota,
            now,
            ceiling: Cell::new(0),
            finals: HashMap::new(),
            claims: HashMap::new(),
        }
    }

    /// The operator bounds the deployment anew. Nobody may be under way who still goes by the old bound.
    pub(crate) fn bound(&mut self, max_running: u32) {
        self.gate.policy.max_running = Some(max_running);
        self.scheduler.gate.policy.max_running = Some(max_running);
        self.trigger.gate.policy.max_running = Some(max_running);
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.gate.clock.now()
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.now.fetch_add(by.num_microseconds().unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn request(tenant: &str, key: Option<u32>) -> Request {
        let tenant_id = TenantId::parse(tenant).unwrap();
        let derived = key.map(|key| Derived {
            run_id: RunId::of_key(&tenant_id, "simulated", &key.to_string()),
            fingerprint: "same".to_owned(),
        });
        Request {
            tenant_id,
            user_id: UserId::parse("driver").unwrap(),
            provider: "example".to_owned(),
            domain: "etl".to_owned(),
            template: "one".to_owned(),
            parameters: Map::new(),
            derived,
            slot: None,
            priority: i64::from(key.unwrap_or(0) % 2),
        }
    }

    /// An execution comes to its claim; where it is not its run's, it ends without work.
    pub(crate) fn claim(&mut self, index: usize) {
        let execution = self.executions.list.lock().unwrap()[index].clone();
        let launch = &execution.launch;
        let claim =
            Transition::Claim { attempt: launch.attempt, execution: execution.id, at: self.now() };
        let mine =
            block_on(self.state.transition(&launch.tenant_id, launch.run_id, &claim)).unwrap();
        if mine {
            *self.claims.entry(launch.run_id).or_default() += 1;
        }
        self.executions.set(index, if mine { Phase::Working } else { Phase::Gone });
    }

    /// A working execution ends its run, as the job does; `None` where it was stopped without a request.
    pub(crate) fn finish(&mut self, index: usize, fails: bool) -> Option<Event> {
        let execution = self.executions.list.lock().unwrap()[index].clone();
        let launch = &execution.launch;
        let run = self.run(&launch.tenant_id, launch.run_id).unwrap();
        assert_eq!(run.status, RunStatus::Running, "{}: ended under its execution", run.run_id);
        self.executions.set(index, Phase::Gone);
        let status = match (execution.stop, run.cancel_requested_at) {
            (true, Some(_)) => RunStatus::Cancelled,
            (true, None) => return None,
            (false, _) if fails => RunStatus::Failed,
            (false, _) => RunStatus::Completed,
        };
        let kind = (status == RunStatus::Failed).then_some(FailureKind::Step);
        let ending = Ending::of(status, kind, "ended");
        let end = Transition::EndClaimed { attempt: launch.attempt, ending, at: self.now() };
        assert!(block_on(self.state.transition(&launch.tenant_id, launch.run_id, &end)).unwrap());
        Some(Event::RunFinished {
            tenant_id: launch.tenant_id.clone(),
            run_id: launch.run_id,
            attempt: launch.attempt,
        })
    }

    /// The operator changes a tenant's limits or status.
    pub(crate) fn change_plan(
        &self,
        tenant: &str,
        daily: u32,
        concurrent: u32,
        status: SubscriptionStatus,
    ) {
        let id = TenantId::parse(tenant).unwrap();
        let read = block_on(Ledger::row(&*self.state, &id)).unwrap().unwrap().subscription.unwrap();
        let mut subscription = read.clone();
        subscription.limits.daily_limit = daily;
        subscription.limits.concurrent_limit = concurrent;
        subscription.status = status;
        assert!(block_on(self.state.change(&TenantChange { subscription, read })).unwrap());
    }

    pub(crate) fn run(&self, tenant: &TenantId, run_id: RunId) -> Option<Run> {
        block_on(Runs::get(&*self.state, tenant, run_id)).unwrap()
    }

    pub(crate) fn all_runs(&self, tenant: &str) -> Vec<Run> {
        let id = TenantId::parse(tenant).unwrap();
        let page = Page { after: None, limit: 100_000 };
        block_on(Runs::list(&*self.state, &id, &RunFilter::default(), page)).unwrap()
    }

    /// What holds at every moment, whoever is in the middle of what: no more slots than allowed.
    pub(crate) fn check_slots(&self) {
        for name in self.quota.tenants {
            let id = TenantId::parse(name).unwrap();
            let working = self.executions.in_phase(Phase::Working);
            let working = working.iter().filter(|(_, e)| e.launch.tenant_id == id).count();
            assert!(working <= CONCURRENT as usize, "{name}: {working} at work");
        }
        self.check_slots_held();
    }

    /// The same of the ledger alone.
    pub(crate) fn check_slots_held(&self) {
        let mut held = 0;
        for name in self.quota.tenants {
            let id = TenantId::parse(name).unwrap();
            let row = block_on(Ledger::row(&*self.state, &id)).unwrap().unwrap();
            let active = row.account.entries.iter().filter(|e| e.state == EntryState::Active);
            let active = active.count();
            assert!(active <= CONCURRENT as usize, "{name}");
            held += active;
        }
        if let Some(bound) = self.gate.policy.max_running {
            assert!(held <= self.ceiling.get().max(bound as usize), "{held} slots of {bound}");
            self.ceiling.set(held);
        }
    }

    /// The same of the rows: what is final stays, nothing works twice, no day or month is overdrawn.
    pub(crate) fn check_rows(&mut self) {
        for name in self.quota.tenants {
            let id = TenantId::parse(name).unwrap();
            let row = block_on(Ledger::row(&*self.state, &id)).unwrap().unwrap();
            let mut counted: BTreeMap<NaiveDate, u32> = BTreeMap::new();
            for run in self.all_runs(name) {
                let seen = self.finals.get(&run.run_id);
                if let Some((status, at)) = seen {
                    assert_eq!(
                        (run.status, run.ended_at.unwrap()),
                        (*status, *at),
                        "final is final"
                    );
                } else if run.status.is_final() {
                    self.finals.insert(run.run_id, (run.status, run.ended_at.unwrap()));
                }
                if run.claimed_at.is_some() {
                    *counted.entry(run.day).or_default() += 1;
                }
                assert!(self.claims.get(&run.run_id).is_none_or(|n| *n == 1), "worked once");
            }
            let month = |d: &NaiveDate| d.format("%Y-%m").to_string();
            let mut months: BTreeMap<String, u32> = BTreeMap::new();
            for (day, runs) in &counted {
                assert!(*runs <= self.quota.daily, "{name} ran {runs} on {day}");
                assert!(
                    row.account.days.get(day).copied().unwrap_or(0) >= *runs,
                    "{name} on {day}"
                );
                *months.entry(month(day)).or_default() += runs;
            }
            assert!(months.values().all(|runs| *runs <= self.quota.monthly), "{name}: {months:?}");
        }
    }

    /// Runs that wait for a slot, whose end nobody has asked for and that will not be too old in an hour.
    pub(crate) fn waiting(&self) -> Vec<Run> {
        let young = self.now() - TimeDelta::minutes(110);
        let mut runs: Vec<Run> =
            self.quota.tenants.iter().flat_map(|name| self.all_runs(name)).collect();
        runs.retain(|run| {
            run.status == RunStatus::Queued
                && run.cancel_requested_at.is_none()
                && run.created_at > young
        });
        runs
    }

    /// After a whole pass every execution whose run's end was asked for has been told.
    pub(crate) fn check_told(&self) {
        for (_, execution) in self.executions.in_phase(Phase::Working) {
            let run = self.run(&execution.launch.tenant_id, execution.launch.run_id).unwrap();
            assert!(run.cancel_requested_at.is_none() || execution.stop, "{} not told", run.run_id);
        }
    }

    /// What holds when everything has come to rest: nothing open, nothing lost, the counts are the rows'.
    pub(crate) fn check_at_rest(&mut self, waited: &[Run]) {
        self.check_slots();
        self.check_rows();
        for run in waited {
            let run = self.run(&run.tenant_id, run.run_id).unwrap();
            assert_ne!(run.status, RunStatus::Expired, "{} was never started", run.run_id);
        }
        for name in self.quota.tenants {
            let id = TenantId::parse(name).unwrap();
            let row = block_on(Ledger::row(&*self.state, &id)).unwrap().unwrap();
            let open = |state| matches!(state, EntryState::Queued | EntryState::Active);
            let held: Vec<_> = row.account.entries.iter().filter(|e| open(e.state)).collect();
            assert!(held.is_empty(), "{name}: still held {held:?}");
            let runs = self.all_runs(name);
            assert!(runs.iter().all(|r| r.status.is_final()), "{name}: not all runs have ended");
            let mut counts: BTreeMap<NaiveDate, u32> = BTreeMap::new();
            for run in &runs {
                let from_queue = run.started_at.is_none();
                if !from_queue && !run.launch_refused {
                    *counts.entry(run.day).or_default() += 1;
                }
            }
            let days: BTreeMap<NaiveDate, u32> =
                row.account.days.into_iter().filter(|(_, runs)| *runs > 0).collect();
            assert_eq!(days, counts, "{name}: counted is not what ran");
        }
    }
}
