//! Two hundred runs of five tenants, and a death at every crash point: nothing is lost, nothing is done twice, no
//! slot stays taken and nothing goes on for ever.
//!
//! The job is the real one, over statements that go on without it. A death is a future that is dropped where it
//! stands: one process, or the whole deployment with all of its executions, which then boots again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::TimeDelta;
use common::submit::{Refusal, Submission, cancel, submit};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::executions::{Mood, Phase};
use super::faults::stands_at;
use super::schedules::Calendar;
use super::world::{Quota, World};
use super::{Driver, Task, walk};

mod points;
mod statements;
mod workers;

use points::{POINTS, Point, Process};
use statements::Statements;

const TENANTS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
const QUOTA: Quota = Quota { daily: 400, monthly: 4_000, queued: 100, tenants: &TENANTS };
/// A tenant's own requests, and the slots that its schedule has missed when the first tick comes.
const TRIGGERS: u32 = 25;
const SLOTS: i64 = 15;
/// Tasks at once.
const BUSY: usize = 30;
/// Calls between two deaths, so that the deployment comes to something meanwhile.
const SPARED: u32 = 60;

struct Alive {
    process: Process,
    task: Task,
    /// A worker's execution, and how it is told to stop.
    execution: Option<(usize, CancellationToken)>,
}

struct Batch {
    driver: Driver,
    statements: Arc<Statements>,
    alive: Vec<Alive>,
    /// Requests that were not answered yet.
    unanswered: Arc<std::sync::Mutex<BTreeSet<(&'static str, u32)>>>,
    accepted: Arc<AtomicUsize>,
    /// No key is as high.
    sent: u32,
    unmet: Vec<Point>,
    met: Vec<(&'static str, &'static str)>,
    spared: u32,
}

impl Batch {
    fn new(seed: u64) -> Self {
        let mut driver = Driver::new(seed, QUOTA);
        let statements = Arc::new(Statements::new(driver.world.state.clone()));
        driver.world.scheduler.warehouse = statements.clone();
        driver.calendar = Some(Calendar::default());
        for tenant in TENANTS {
            driver.make_schedule(tenant, 0, TimeDelta::hours(SLOTS));
        }
        let keys = TENANTS.iter().flat_map(|tenant| (0..TRIGGERS).map(|key| (*tenant, key)));
        Self {
            driver,
            statements,
            alive: Vec::new(),
            unanswered: Arc::new(std::sync::Mutex::new(keys.collect())),
            accepted: Arc::default(),
            sent: TRIGGERS,
            unmet: POINTS.to_vec(),
            met: Vec::new(),
            spared: 0,
        }
    }

    fn world(&self) -> &World {
        &self.driver.world
    }

    fn start(&mut self, process: Process, task: impl Future<Output = ()> + 'static) {
        self.alive.push(Alive { process, task: Box::pin(task), execution: None });
    }

    fn turn(&mut self) {
        // As many at once as come to their ends.
        let least = if self.alive.len() < BUSY { 0 } else { 18 };
        match self.driver.rng.random_range(least..100) {
            0..1 => self.trigger(),
            1..2 => self.deliver_request(),
            2..3 => self.tick(),
            3..5 => self.reap(),
            5..9 => self.tell_of_an_end(),
            9..10 => self.cancel(),
            10..15 => self.start_workers(),
            15..16 => {
                let seconds = self.driver.rng.random_range(1..90);
                self.world().advance(TimeDelta::seconds(seconds));
            }
            16..17 => {
                // Most of the time launches are well.
                let moods = [Mood::LosesAnswers, Mood::Busy, Mood::Refuses, Mood::Refuses];
                let mood = moods.get(self.driver.pick(12)).copied().unwrap_or(Mood::Accepts);
                *self.world().executions.mood.lock().unwrap() = mood;
            }
            17..18 => self.start_queue(),
            _ if self.alive.is_empty() => {}
            _ => {
                let index = self.driver.pick(self.alive.len());
                for _ in 0..=self.driver.pick(6) {
                    if self.poll(index) {
                        break;
                    }
                }
            }
        }
    }

    /// One call of one task, at whose end the process may die; true where the task is gone.
    fn poll(&mut self, index: usize) -> bool {
        if let Some((execution, stop)) = &self.alive[index].execution
            && self.world().executions.list.lock().unwrap()[*execution].stop
        {
            stop.cancel();
        }
        let mut context = Context::from_waker(Waker::noop());
        let alive = &mut self.alive[index];
        if alive.task.as_mut().poll(&mut context) == Poll::Ready(()) {
            let alive = self.alive.swap_remove(index);
            self.bury(&alive);
            return true;
        }
        self.spared = self.spared.saturating_sub(1);
        let here = |point: &&Point| {
            (point.process, Some((point.call, point.side))) == (alive.process, stands_at())
        };
        let met = self.unmet.iter().position(|point| here(&point));
        match met {
            Some(point) if self.spared == 0 => {
                let point = self.unmet.swap_remove(point);
                self.die(index, point);
                true
            }
            _ => false,
        }
    }

    fn die(&mut self, index: usize, point: Point) {
        self.spared = SPARED;
        let whole = point.process != Process::Worker && self.met.len().is_multiple_of(3);
        self.met.push((point.name, if whole { "with all of the deployment" } else { "alone" }));
        let dead = self.alive.swap_remove(index);
        self.bury(&dead);
        if whole {
            for alive in std::mem::take(&mut self.alive) {
                self.bury(&alive);
            }
            for phase in [Phase::Fresh, Phase::Working] {
                for (index, _) in self.world().executions.in_phase(phase) {
                    self.world().executions.set(index, Phase::Gone);
                }
            }
        }
    }

    /// An execution is gone with its worker.
    fn bury(&self, dead: &Alive) {
        if let Some((execution, _)) = dead.execution {
            self.world().executions.set(execution, Phase::Gone);
        }
    }

    /// A client sends a request, and sends it again until it is answered.
    fn trigger(&mut self) {
        let mut waiting: Vec<_> = self.unanswered.lock().unwrap().iter().copied().collect();
        if waiting.is_empty() {
            // Goes on where a death of a request, or of what becomes of it, has not come yet.
            let one_more = (TENANTS[self.driver.pick(TENANTS.len())], self.sent);
            waiting.push(one_more);
            self.unanswered.lock().unwrap().insert(one_more);
            self.sent += 1;
        }
        let (tenant, key) = waiting[self.driver.pick(waiting.len())];
        let (gate, request) = (self.world().gate.clone(), World::request(tenant, Some(key)));
        let (unanswered, accepted) = (self.unanswered.clone(), self.accepted.clone());
        self.start(Process::Gate, async move {
            let answer = submit(&gate, &request).await;
            let answered = matches!(
                answer,
                Ok(Submission::Accepted { .. } | Submission::Refused(Refusal::LaunchRefused(_)))
            );
            if answered && unanswered.lock().unwrap().remove(&(tenant, key)) {
                accepted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    fn deliver_request(&mut self) {
        let messages = self.world().mailbox.messages.lock().unwrap().clone();
        if messages.is_empty() {
            return;
        }
        let message = messages[self.driver.pick(messages.len())].clone();
        let (trigger, mailbox) = (self.world().trigger.clone(), self.world().mailbox.clone());
        self.start(Process::Requests, async move {
            if trigger::requests::handle(&trigger, &message.request).await.is_ok() {
                mailbox.handled(message.id);
            }
        });
    }

    fn tick(&mut self) {
        let scheduler = self.world().scheduler.clone();
        self.start(Process::Tick, async move {
            scheduler::tick::tick(&scheduler).await.unwrap();
        });
    }

    fn reap(&mut self) {
        let scheduler = self.world().scheduler.clone();
        self.start(Process::Reaper, async move {
            scheduler::reaper::pass(&scheduler).await.unwrap();
        });
    }

    fn start_queue(&mut self) {
        let scheduler = self.world().scheduler.clone();
        self.start(Process::Queue, async move {
            scheduler::queue::process(&scheduler).await.unwrap();
        });
    }

    /// Delivers a `run.finished`; one of three is lost.
    fn tell_of_an_end(&mut self) {
        let end = self.world().mailbox.ends.lock().unwrap().pop();
        let Some(end) = end.filter(|_| self.driver.pick(3) > 0) else { return };
        let scheduler = self.world().scheduler.clone();
        self.start(Process::Queue, async move {
            scheduler::queue::handle(&scheduler, &end).await.unwrap();
        });
    }

    fn cancel(&mut self) {
        let tenant = TENANTS[self.driver.pick(TENANTS.len())];
        let mut runs = self.world().all_runs(tenant);
        runs.retain(|run| !run.status.is_final());
        // A few of all: what is cancelled comes to no other crash point.
        if runs.is_empty() || self.driver.pick(4) > 0 {
            return;
        }
        let run = runs.swap_remove(self.driver.pick(runs.len()));
        let gate = self.world().gate.clone();
        self.start(Process::Cancel, async move {
            cancel(&gate, &run.tenant_id, run.run_id).await.unwrap();
        });
    }

    /// Nobody dies any more: everything comes to its end.
    async fn rest(&mut self) {
        self.unmet.clear();
        *self.world().executions.mood.lock().unwrap() = Mood::Accepts;
        let mut passes = 0;
        loop {
            let unanswered = self.unanswered.lock().unwrap().len();
            (0..unanswered).for_each(|_| self.trigger());
            let messages = self.world().mailbox.messages.lock().unwrap().len();
            (0..messages).for_each(|_| self.deliver_request());
            self.tick();
            self.reap();
            self.start_workers();
            let mut rounds = 0;
            while !self.alive.is_empty() {
                for index in (0..self.alive.len()).rev() {
                    self.poll(index);
                }
                // Waits between tries pass as well.
                tokio::time::advance(Duration::from_millis(50)).await;
                rounds += 1;
                assert!(rounds < 100_000, "somebody waits for ever");
            }
            self.world().advance(TimeDelta::minutes(1));
            let answered = self.unanswered.lock().unwrap().is_empty();
            if answered && self.world().is_quiet() {
                return;
            }
            passes += 1;
            assert!(passes < 400, "something goes on for ever");
        }
    }
}

#[test]
fn a_death_at_every_crash_point_loses_nothing_and_does_nothing_twice() {
    walk(2, |seed| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(live(seed));
    });
}

async fn live(seed: u64) {
    let mut batch = Batch::new(seed);
    let mut turns = 0;
    while !batch.unmet.is_empty() {
        batch.turn();
        turns += 1;
        if turns % 20 == 0 {
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        if turns % 200 == 0 {
            batch.land_some().await;
            batch.driver.world.check_slots_held();
        }
        assert!(turns < 60_000, "never came to {:?}", batch.unmet);
    }
    batch.driver.last_slots();
    batch.rest().await;

    let ends = batch.check_work();
    batch.driver.check_calendar();
    batch.driver.check_slots_at_rest();
    batch.driver.world.check_at_rest(&[]);
    let slots: BTreeSet<_> = {
        let published = batch.world().mailbox.published.lock().unwrap();
        published.iter().map(|request| (request.config_id, request.slot)).collect()
    };
    let accepted = batch.accepted.load(Ordering::Relaxed);
    for (name, how) in &batch.met {
        println!("{name}: {how}");
    }
    println!("{} deaths in {turns} turns", batch.met.len());
    println!("{accepted} requests, {} slots: {ends:?}", slots.len());
    assert_eq!(accepted, (TENANTS.len() - 1) * TRIGGERS as usize + batch.sent as usize);
    assert!(accepted + slots.len() >= 200);
}
