//! The run's life under every interleaving: requests, duplicates, starts, ends, cancellations, plan changes,
//! midnight, bounds of the deployment and reaper passes, each cut anywhere, in one thread from one seed.
//!
//! A request is a future that the driver polls by hand, one port call at a time. It may go on, be held back
//! while hours pass, or die before or after the effect of any call.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use chrono::TimeDelta;
use common::events::Event;
use common::state::Ledger;
use common::submit::{Submission, cancel, submit};
use common::tenant::SubscriptionStatus;
use futures::executor::block_on;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

mod crash_points;
mod executions;
mod faults;
mod mailbox;
mod nothing;
mod schedules;
mod slots;
mod world;

use executions::{Mood, Phase};
use faults::{Side, stands_at};
use schedules::Calendar;
use world::{CONCURRENT, Quota, SMALL, TENANTS, World};

/// Slots of the whole deployment where it is bounded: fewer than both tenants' plans allow together.
const MAX_RUNNING: u32 = 3;

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Driver {
    world: World,
    rng: StdRng,
    tasks: Vec<Task>,
    events: Vec<Event>,
    /// Where there are schedules.
    calendar: Option<Calendar>,
}

impl Driver {
    fn new(seed: u64, quota: Quota) -> Self {
        let (rng, world) = (StdRng::seed_from_u64(seed), World::new(seed, quota));
        Self { world, rng, tasks: Vec::new(), events: Vec::new(), calendar: None }
    }

    /// A third of the seeds have a bound.
    fn bounded(mut self, seed: u64) -> Self {
        if seed.is_multiple_of(3) {
            self.world.bound(MAX_RUNNING);
        }
        self
    }

    fn pick(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    /// One port call of one task; true where the task ended.
    fn poll(&mut self, index: usize) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let ended = self.tasks[index].as_mut().poll(&mut context) == Poll::Ready(());
        if ended {
            drop(self.tasks.swap_remove(index));
        }
        ended
    }

    fn turn(&mut self, number: usize) {
        if self.world.gate.policy.max_running.is_some() && self.pick(100) == 0 {
            let most = self.rng.random_range(0..=MAX_RUNNING);
            self.change_bound(most);
        }
        let tenant = TENANTS[self.pick(TENANTS.len())];
        match self.pick(100) {
            _ if self.calendar.is_some() && self.pick(4) == 0 => self.calendar_turn(tenant),
            0..10 => self.trigger(tenant),
            10..55 if !self.tasks.is_empty() => {
                let index = self.pick(self.tasks.len());
                for _ in 0..=self.pick(6) {
                    if self.poll(index) {
                        break;
                    }
                    // Of the few calls that decide a slot, many are somebody's last.
                    if self.calendar.is_some() && decides_a_slot() && self.pick(10) == 0 {
                        drop(self.tasks.swap_remove(index));
                        break;
                    }
                }
            }
            55..58 if !self.tasks.is_empty() => {
                let index = self.pick(self.tasks.len());
                drop(self.tasks.swap_remove(index));
            }
            58..66 => self.move_execution(Phase::Fresh),
            66..74 => self.move_execution(Phase::Working),
            74..78 => self.kill_execution(),
            78..83 => self.cancel(tenant),
            83..86 => self.deliver(),
            86..89 => self.start_queue(),
            89..92 => self.reap(),
            92..93 => self.change_plan(tenant),
            93..95 => self.change_mood(),
            95..99 => self.world.advance(TimeDelta::seconds(self.rng.random_range(1..400))),
            99..100 => self.world.advance(TimeDelta::minutes(self.rng.random_range(10..300))),
            _ => {}
        }
        self.world.check_slots();
        if number.is_multiple_of(8) {
            self.world.check_rows();
            self.check_calendar();
        }
    }

    fn trigger(&mut self, tenant: &str) {
        let key = (self.pick(4) > 0).then(|| self.rng.random_range(0..12));
        let (gate, request) = (self.world.gate.clone(), World::request(tenant, key));
        let state = self.world.state.clone();
        self.tasks.push(Box::pin(async move {
            if let Ok(Submission::Accepted { run, .. }) = submit(&gate, &request).await {
                use common::state::Runs;
                let row = Runs::get(&*state, &run.tenant_id, run.run_id).await.unwrap();
                assert!(row.is_some(), "an accepted run has a row");
            }
        }));
    }

    fn cancel(&mut self, tenant: &str) {
        let runs = self.world.all_runs(tenant);
        if runs.is_empty() {
            return;
        }
        let run = runs[self.pick(runs.len().min(5))].clone();
        let gate = self.world.gate.clone();
        self.tasks.push(Box::pin(async move {
            cancel(&gate, &run.tenant_id, run.run_id).await.unwrap();
        }));
    }

    fn move_execution(&mut self, phase: Phase) {
        let found = self.world.executions.in_phase(phase);
        if found.is_empty() {
            return;
        }
        let (index, _) = found[self.pick(found.len())];
        match phase {
            Phase::Fresh => self.world.claim(index),
            Phase::Working => {
                // A run.finished may be lost, or come twice.
                let fails = self.calendar.is_some() && self.pick(2) == 0;
                if let Some(event) = self.world.finish(index, fails) {
                    for _ in 0..self.pick(3) {
                        self.events.push(event.clone());
                    }
                }
            }
            Phase::Gone => {}
        }
    }

    fn kill_execution(&mut self) {
        let phase = [Phase::Fresh, Phase::Working][self.pick(2)];
        let found = self.world.executions.in_phase(phase);
        if !found.is_empty() {
            let (index, _) = found[self.pick(found.len())];
            self.world.executions.set(index, Phase::Gone);
        }
    }

    fn deliver(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let index = self.pick(self.events.len());
        let event = self.events.swap_remove(index);
        let scheduler = self.world.scheduler.clone();
        self.tasks.push(Box::pin(async move {
            scheduler::queue::handle(&scheduler, &event).await.unwrap();
        }));
    }

    fn start_queue(&mut self) {
        let scheduler = self.world.scheduler.clone();
        self.tasks.push(Box::pin(async move {
            scheduler::queue::process(&scheduler).await.unwrap();
        }));
    }

    fn reap(&mut self) {
        let scheduler = self.world.scheduler.clone();
        self.tasks.push(Box::pin(async move {
            assert_eq!(scheduler::reaper::pass(&scheduler).await.unwrap().failed, 0);
        }));
    }

    fn change_plan(&mut self, tenant: &str) {
        let status = [SubscriptionStatus::Active, SubscriptionStatus::Suspended][self.pick(4) / 3];
        let daily = self.rng.random_range(1..=self.world.quota.daily);
        self.world.change_plan(tenant, daily, self.rng.random_range(1..=CONCURRENT), status);
    }

    /// With the deployment's setting its processes change: who was in the middle of something dies.
    fn change_bound(&mut self, max_running: u32) {
        self.tasks.clear();
        self.world.bound(max_running);
    }

    fn change_mood(&mut self) {
        let moods = [Mood::Accepts, Mood::Accepts, Mood::LosesAnswers, Mood::Busy, Mood::Refuses];
        *self.world.executions.mood.lock().unwrap() = moods[self.pick(moods.len())];
    }

    /// Everybody still there goes on to the end.
    fn drain(&mut self) {
        while !self.tasks.is_empty() {
            self.poll(0);
            self.check_after_ledger();
        }
    }

    /// The same, but that some die where they decide a slot; whether any did.
    fn drain_mortals(&mut self) -> bool {
        let mut died = false;
        while !self.tasks.is_empty() {
            if !self.poll(0) && decides_a_slot() && self.pick(6) == 0 {
                drop(self.tasks.swap_remove(0));
                died = true;
            }
            self.check_after_ledger();
        }
        died
    }

    fn check_after_ledger(&self) {
        if stands_at().is_some_and(|(call, at)| call.starts_with("ledger") && at == Side::After) {
            self.world.check_slots();
        }
    }

    /// Everybody has gone on to the end, the bound is raised, the subscriptions are active and the reaper passes by.
    fn rest(&mut self) {
        *self.world.executions.mood.lock().unwrap() = Mood::Accepts;
        let daily = self.world.quota.daily;
        for tenant in TENANTS {
            self.world.change_plan(tenant, daily, CONCURRENT, SubscriptionStatus::Active);
        }
        if self.world.gate.policy.max_running.is_some() {
            self.change_bound(MAX_RUNNING);
        }
        let waiting = self.world.waiting();
        if self.calendar.is_some() {
            self.last_slots();
        }
        // Every pass may bring one run a step on: through each launch, or out of the queue.
        for pass in 0..if self.calendar.is_some() { 400 } else { 60 } {
            self.reap();
            if self.calendar.is_some() {
                self.tick();
                let messages = self.world.mailbox.messages.lock().unwrap().len();
                (0..messages).for_each(|index| self.deliver_request(index));
            }
            // At first some still die; what they left is done again.
            if self.calendar.is_some() && pass < 30 {
                if !self.drain_mortals() {
                    self.world.check_told();
                }
            } else {
                self.drain();
                self.world.check_told();
            }
            for phase in [Phase::Fresh, Phase::Working] {
                while !self.world.executions.in_phase(phase).is_empty() {
                    self.move_execution(phase);
                }
            }
            self.world.advance(TimeDelta::minutes(1));
            if self.calendar.is_some() && self.world.is_quiet() {
                break;
            }
        }
        self.check_slots_at_rest();
        self.world.check_at_rest(&waiting);
    }
}

/// Whether the task polled last stands at a call without which a slot is left half decided.
fn decides_a_slot() -> bool {
    stands_at().is_some_and(|(call, _)| {
        matches!(
            call,
            "events.run_requested"
                | "schedules.advance"
                | "schedules.plan_retry"
                | "slots.begin"
                | "slots.settle"
        )
    })
}

/// Walks seeds, so many unless another number is asked for.
fn walk(seeds: u64, life: impl Fn(u64)) {
    let more = std::env::var_os("SIMULATION_SEEDS").and_then(|n| n.to_str()?.parse().ok());
    for seed in 0..more.unwrap_or(seeds) {
        let life = std::panic::AssertUnwindSafe(|| life(seed));
        if let Err(panic) = std::panic::catch_unwind(life) {
            eprintln!("broken by seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn live(mut driver: Driver, turns: usize) {
    for number in 0..turns {
        driver.turn(number);
    }
    driver.rest();
}

#[test]
fn no_interleaving_breaks_a_promise() {
    walk(60, |seed| live(Driver::new(seed, SMALL).bounded(seed), 400));
}

#[test]
fn no_interleaving_breaks_a_promise_of_schedules() {
    walk(30, |seed| live(Driver::with_calendar(seed).bounded(seed), 500));
}

#[test]
fn a_word_of_an_end_that_did_not_come_frees_no_slot() {
    let mut driver = Driver::new(1, SMALL);
    driver.trigger("alpha");
    driver.drain();
    let run = driver.world.all_runs("alpha").remove(0);
    let (tenant_id, run_id, attempt) = (run.tenant_id.clone(), run.run_id, run.attempt);
    driver.events.push(Event::RunFinished { tenant_id, run_id, attempt });
    driver.deliver();
    driver.drain();
    let row = block_on(Ledger::row(&*driver.world.state, &run.tenant_id)).unwrap().unwrap();
    assert_eq!(row.account.counts(run.day).active, 1);
}
