//! What holds of schedules and their slots, whoever is in the middle of what.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use common::events::RunRequested;
use common::run::{Run, RunStatus};
use common::schedule::{ConfigId, SlotKey, SlotState, is_retried};
use common::state::{Ledger, Schedules, Slots};
use common::tenant::{SubscriptionStatus, TenantId};
use futures::executor::block_on;

use super::Driver;
use super::faults::{Side, stands_at};
use super::mailbox::Message;
use super::world::World;

type SlotId = (ConfigId, DateTime<Utc>);

impl World {
    /// The runs of slots, by their slots and attempts.
    fn runs_of_slots(&self, tenant: &str) -> BTreeMap<SlotId, BTreeMap<u32, Run>> {
        let mut found: BTreeMap<SlotId, BTreeMap<u32, Run>> = BTreeMap::new();
        for run in self.all_runs(tenant) {
            if let Some(slot) = run.slot {
                found.entry((slot.config_id, slot.slot)).or_default().insert(slot.attempt, run);
            }
        }
        found
    }

    /// The rows alone say it: no second run beside one that is open or has completed.
    fn check_attempts(&self) {
        for tenant in self.quota.tenants {
            for (slot, attempts) in self.runs_of_slots(tenant) {
                for (expected, (attempt, run)) in (1..).zip(&attempts) {
                    assert_eq!(*attempt, expected, "{slot:?}: an attempt was left out");
                    let is_last = attempts.range(attempt + 1..).next().is_none();
                    let is_over = run.status.is_final() && run.status != RunStatus::Completed;
                    let status = run.status;
                    assert!(
                        is_last || is_over,
                        "{slot:?}: a run after attempt {attempt}, {status}"
                    );
                }
            }
        }
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_quiet(&self) -> bool {
        let quiet = |name: &&str| {
            let id = TenantId::parse(name).unwrap();
            let schedules = block_on(self.state.schedules_of(&id)).unwrap();
            let row = block_on(Ledger::row(&*self.state, &id)).unwrap().unwrap();
            let counts = row.account.counts(self.now().date_naive());
            (counts.active, counts.queued) == (0, 0)
                && schedules.iter().all(|schedule| schedule.retries.is_empty())
                && self.all_runs(name).iter().all(|run| run.status.is_final())
                && block_on(self.state.open_attempts(&id)).unwrap().is_empty()
        };
        self.mailbox.messages.lock().unwrap().is_empty() && self.quota.tenants.iter().all(quiet)
    }
}

impl Driver {
    /// While everybody works.
    pub(crate) fn check_calendar(&mut self) {
        let Some(calendar) = &mut self.calendar else { return };
        self.world.check_attempts();
        let published = self.world.mailbox.published.lock().unwrap();
        for request in &published[calendar.looked_at..] {
            let known = calendar.known.iter().find(|k| k.made.config_id == request.config_id);
            let known = known.unwrap();
            assert!(known.has(request.slot), "{request:?}: of no cron that was in force then");
            assert!(request.attempt <= known.made.retry.count + 1, "{request:?}: too many");
        }
        calendar.looked_at = published.len();
        for known in calendar.known.iter_mut().filter(|known| !known.is_deleted) {
            let id = known.made.config_id;
            let schedule = block_on(self.world.state.schedule(id)).unwrap().unwrap();
            let (revision, next) = (schedule.revision, schedule.next_run_time);
            let went_on = known.seen.0 != revision || known.seen.1 <= next;
            assert!(went_on, "{id}: back from {:?} to {next:?}", known.seen.1);
            known.seen = (revision, next);
        }
    }

    /// Every slot that was asked for has come to an end that its run's row confirms, and was retried as often as
    /// its schedule says.
    pub(crate) fn check_slots_at_rest(&self) {
        let Some(calendar) = &self.calendar else { return };
        let published = self.world.mailbox.published.lock().unwrap();
        let mut expected: BTreeMap<(TenantId, SlotId), BTreeSet<u32>> = BTreeMap::new();
        for request in published.iter() {
            let slot = (request.tenant_id.clone(), (request.config_id, request.slot));
            expected.entry(slot).or_default().insert(request.attempt);
        }
        for ((tenant_id, (config_id, slot)), attempts) in expected {
            let records = block_on(self.world.state.attempts(&tenant_id, config_id, slot)).unwrap();
            let recorded: BTreeSet<u32> = records.iter().map(|record| record.key.attempt).collect();
            assert_eq!(recorded, attempts, "{config_id} {slot}: what was asked for is recorded");
            let known = calendar.known.iter().find(|k| k.made.config_id == config_id).unwrap();
            let policy = known.made.retry;
            let last = records.last().unwrap();
            for record in &records {
                let SlotKey { attempt, .. } = record.key;
                let run = self.world.run(&tenant_id, record.key.run_id());
                let state = run.as_ref().map(|run| SlotState::of(run.status));
                let what = format!("{config_id} {slot} {attempt}: {record:?}, its run {state:?}");
                assert!(!record.state.is_open(), "{what}");
                assert_eq!(record.state.has_run().then_some(record.state), state, "{what}");
                let kind = run.as_ref().and_then(|run| run.ending.as_ref()?.failure_kind);
                let goes_on = run.is_some_and(|run| is_retried(run.status, kind));
                assert!(goes_on || record == last, "{what}: retried for nothing");
                if record == last && goes_on && !known.is_deleted {
                    assert_eq!(attempt, policy.count + 1, "{what}: its retry was lost");
                }
            }
        }
        let known: HashSet<SlotId> = published.iter().map(|r| (r.config_id, r.slot)).collect();
        for tenant in self.world.quota.tenants {
            let runs = self.world.runs_of_slots(tenant);
            assert!(runs.keys().all(|slot| known.contains(slot)), "a run that nobody asked for");
        }
    }
}

/// Polls the task that came last until it stands before a call.
fn poll_to(driver: &mut Driver, call: &str) {
    let index = driver.tasks.len() - 1;
    loop {
        assert!(!driver.poll(index), "it ended before {call}");
        if stands_at() == Some((call, Side::Before)) {
            return;
        }
    }
}

/// A driver, and a message of a slot that is due.
fn due() -> (Driver, Message) {
    let mut driver = Driver::with_calendar(1);
    driver.world.advance(TimeDelta::hours(1));
    driver.tick();
    driver.drain();
    let message = driver.world.mailbox.messages.lock().unwrap()[0].clone();
    (driver, message)
}

fn state_of(driver: &Driver, message: &Message) -> SlotState {
    let RunRequested { tenant_id, config_id, slot, .. } = &message.request;
    let records = block_on(driver.world.state.attempts(tenant_id, *config_id, *slot)).unwrap();
    records[0].state
}

#[test]
fn a_slot_whose_schedule_is_gone_keeps_the_run_that_it_has() {
    let (mut driver, message) = due();
    driver.deliver_request(0);
    poll_to(&mut driver, "slots.settle");
    driver.tasks.clear();
    let RunRequested { tenant_id, config_id, .. } = &message.request;
    assert!(block_on(driver.world.state.delete_schedule(tenant_id, *config_id)).unwrap());
    driver.deliver_request(0);
    driver.drain();
    assert_eq!(state_of(&driver, &message), SlotState::Submitted);
}

#[test]
fn a_slot_that_was_refused_and_let_in_at_once_has_a_run() {
    let (mut driver, message) = due();
    let tenant = message.request.tenant_id.as_str();
    let change = |driver: &Driver, daily| {
        driver.world.change_plan(tenant, daily, 2, SubscriptionStatus::Active);
    };
    change(&driver, 0);
    driver.deliver_request(0);
    poll_to(&mut driver, "slots.settle");
    change(&driver, 9);
    driver.deliver_request(0);
    poll_to(&mut driver, "slots.settle");
    driver.tasks.pop();
    driver.drain();
    assert_eq!(state_of(&driver, &message), SlotState::Submitted);
}

#[test]
fn a_slot_that_was_refused_before_it_was_let_in_is_found_by_the_reaper() {
    let (mut driver, message) = due();
    let tenant = message.request.tenant_id.as_str();
    let change = |driver: &Driver, daily| {
        driver.world.change_plan(tenant, daily, 2, SubscriptionStatus::Active);
    };
    change(&driver, 0);
    driver.deliver_request(0);
    poll_to(&mut driver, "slots.settle");
    change(&driver, 9);
    driver.deliver_request(0);
    poll_to(&mut driver, "runs.insert");
    // The refusal is recorded while the other has no row yet, and that one dies with its row.
    while !driver.poll(0) {}
    assert_eq!(state_of(&driver, &message), SlotState::SkippedQuota);
    poll_to(&mut driver, "jobs.launch");
    driver.tasks.clear();
    driver.reap();
    driver.drain();
    assert_eq!(state_of(&driver, &message), SlotState::Submitted);
}
