//! The driver's turns of schedules: ticks, deliveries of run requests and the owners' changes, each cut anywhere.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use common::events::RunRequested;
use common::pipeline::TemplateId;
use common::schedule::{CatchUp, ConfigId, CronSchedule, RetryPolicy, Schedule};
use common::state::{ScheduleChange, Schedules};
use common::tenant::{TenantId, UserId};
use futures::executor::block_on;
use rand::RngExt;
use serde_json::Map;
use uuid::Uuid;

use super::Driver;
use super::world::{Quota, TENANTS};

/// Enough for many retries, and met now and then all the same.
pub(crate) const ROOMY: Quota = Quota { daily: 30, monthly: 45, queued: 20, tenants: &TENANTS };
/// No two of them fire at the same minute, so that a slot tells which of them it is of.
const CRONS: [&str; 4] = ["0 * * * *", "5,20,35,50 * * * *", "12,32,52 * * * *", "47 * * * *"];
/// Does not fire while a simulation goes on.
const QUIET: &str = "0 0 1 12 *";
const POLICIES: [(CatchUp, u32, RetryPolicy); 4] = [
    (CatchUp::All, 1_000, RetryPolicy { count: 2, backoff_seconds: 60 }),
    (CatchUp::Last, 24, RetryPolicy { count: 1, backoff_seconds: 300 }),
    (CatchUp::None, 24, RetryPolicy { count: 0, backoff_seconds: 60 }),
    (CatchUp::All, 2, RetryPolicy { count: 3, backoff_seconds: 30 }),
];

/// The time that a cron of a schedule was in force.
pub(crate) struct Era {
    cron: CronSchedule,
    pub(crate) from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

/// What the driver knows of a schedule that it made.
pub(crate) struct Known {
    pub(crate) made: Schedule,
    pub(crate) eras: Vec<Era>,
    pub(crate) is_deleted: bool,
    /// The revision and the next slot, as they were seen last.
    pub(crate) seen: (i64, Option<DateTime<Utc>>),
}

#[derive(Default)]
pub(crate) struct Calendar {
    pub(crate) known: Vec<Known>,
    /// How many of the published requests have been looked at.
    pub(crate) looked_at: usize,
}

impl Known {
    /// Whether a slot is one of the schedule's at all.
    pub(crate) fn has(&self, slot: DateTime<Utc>) -> bool {
        self.eras.iter().any(|era| {
            let is_within = era.from < slot && era.until.is_none_or(|until| slot <= until);
            let before = slot - TimeDelta::microseconds(1);
            is_within && era.cron.next(self.made.zone, before) == Some(slot)
        })
    }

    /// The slots of the cron in force, up to a moment.
    fn fires(&self, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let era = self.eras.last().unwrap();
        let next = |after| era.cron.next(self.made.zone, after).filter(|slot| *slot <= now);
        std::iter::successors(next(era.from), |slot| next(*slot)).collect()
    }
}

impl Driver {
    /// A driver of a deployment with schedules.
    pub(crate) fn with_calendar(seed: u64) -> Self {
        let mut driver = Self::new(seed, ROOMY);
        driver.calendar = Some(Calendar::default());
        for tenant in TENANTS {
            for policy in 0..POLICIES.len() {
                driver.make_schedule(tenant, policy, TimeDelta::zero());
            }
        }
        driver
    }

    pub(crate) fn calendar_turn(&mut self, tenant: &str) {
        match self.pick(24) {
            0..6 => self.tick(),
            6..22 => {
                let messages = self.world.mailbox.messages.lock().unwrap().len();
                if messages > 0 {
                    let index = self.pick(messages);
                    self.deliver_request(index);
                }
            }
            _ => self.change_schedule(tenant),
        }
    }

    /// Makes a schedule that no tick has seen since it was made, so long ago.
    pub(crate) fn make_schedule(&mut self, tenant: &str, policy: usize, ago: TimeDelta) {
        let (catchup, max_catchup, retry) = POLICIES[policy];
        let now = self.world.now() - ago;
        let cron = CronSchedule::parse(CRONS[self.pick(CRONS.len())]).unwrap();
        let zone = ["UTC", "Asia/Kolkata"][self.pick(2)].parse().unwrap();
        let config_id = ConfigId(Uuid::from_u128(self.rng.random()));
        let next_run_time = cron.next(zone, now);
        let schedule = Schedule {
            config_id,
            tenant_id: TenantId::parse(tenant).unwrap(),
            template: TemplateId::new("example", "etl", "one").unwrap(),
            cron: cron.clone(),
            zone,
            parameters: Map::new(),
            is_active: true,
            next_run_time,
            priority: 100,
            catchup,
            max_catchup,
            retry,
            retries: Vec::new(),
            created_by: UserId::parse("owner").unwrap(),
            fingerprint: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        block_on(self.world.state.create_schedule(&schedule, 100)).unwrap();
        let era = Era { cron, from: now, until: None };
        let seen = (1, next_run_time);
        let known = Known { made: schedule, eras: vec![era], is_deleted: false, seen };
        self.calendar.as_mut().unwrap().known.push(known);
    }

    /// An owner pauses, resumes, edits or removes one of its schedules, or makes another.
    fn change_schedule(&mut self, tenant: &str) {
        let known = &self.calendar.as_ref().unwrap().known;
        let own = |k: &Known| !k.is_deleted && k.made.tenant_id.as_str() == tenant;
        let living: Vec<usize> = (0..known.len()).filter(|i| own(&known[*i])).collect();
        if living.is_empty() {
            let policy = self.pick(POLICIES.len());
            return self.make_schedule(tenant, policy, TimeDelta::zero());
        }
        let index = living[self.pick(living.len())];
        match self.pick(8) {
            0..5 => self.edit(index, |schedule| schedule.is_active = !schedule.is_active, None),
            5..7 => {
                let cron = CRONS[self.pick(CRONS.len())];
                self.edit(index, |_| {}, Some(cron));
            }
            _ => {
                let now = self.world.now();
                let known = &mut self.calendar.as_mut().unwrap().known[index];
                let (tenant_id, config_id) = (&known.made.tenant_id, known.made.config_id);
                assert!(block_on(self.world.state.delete_schedule(tenant_id, config_id)).unwrap());
                known.is_deleted = true;
                known.eras.last_mut().unwrap().until = Some(now);
                let policy = self.pick(POLICIES.len());
                self.make_schedule(tenant, policy, TimeDelta::zero());
            }
        }
    }

    fn edit(&mut self, index: usize, change: impl Fn(&mut Schedule), cron: Option<&str>) {
        let (world, now) = (&self.world, self.world.now());
        let known = &mut self.calendar.as_mut().unwrap().known[index];
        let mut schedule = block_on(world.state.schedule(known.made.config_id)).unwrap().unwrap();
        change(&mut schedule);
        if let Some(cron) = cron {
            schedule.cron = CronSchedule::parse(cron).unwrap();
            schedule.next_run_time = schedule.next_after(now);
            known.eras.last_mut().unwrap().until = Some(now);
            known.eras.push(Era { cron: schedule.cron.clone(), from: now, until: None });
        }
        schedule.updated_at = now;
        let change = ScheduleChange { schedule, refire: cron.is_some() };
        assert!(block_on(world.state.change_schedule(&change)).unwrap());
    }

    pub(crate) fn tick(&mut self) {
        let scheduler = self.world.scheduler.clone();
        self.tasks.push(Box::pin(async move {
            scheduler::tick::tick(&scheduler).await.unwrap();
        }));
    }

    /// Delivers a message; it is there until it was handled as often as it comes.
    pub(crate) fn deliver_request(&mut self, index: usize) {
        let message = self.world.mailbox.messages.lock().unwrap()[index].clone();
        let (trigger, mailbox) = (self.world.trigger.clone(), self.world.mailbox.clone());
        self.tasks.push(Box::pin(async move {
            if trigger::requests::handle(&trigger, &message.request).await.is_ok() {
                mailbox.handled(message.id);
            }
        }));
    }

    /// One more tick over schedules that are all active, after which none is due: nothing that a policy runs was
    /// left out. Then they fire no more.
    pub(crate) fn last_slots(&mut self) {
        self.drain();
        let known = self.calendar.as_ref().unwrap().known.iter();
        let living: Vec<usize> =
            known.enumerate().filter(|(_, k)| !k.is_deleted).map(|(i, _)| i).collect();
        for index in &living {
            self.edit(*index, |schedule| schedule.is_active = true, None);
        }
        self.tick();
        self.drain();
        self.check_calendar();
        let now = self.world.now();
        let published = self.world.mailbox.published.lock().unwrap().clone();
        let first = |r: &&RunRequested| r.attempt == 1;
        let published: HashSet<(ConfigId, DateTime<Utc>)> =
            published.iter().filter(first).map(|r| (r.config_id, r.slot)).collect();
        for index in living {
            let known = &self.calendar.as_ref().unwrap().known[index];
            let due = known.fires(now);
            let least = match known.made.catchup {
                CatchUp::None => 0,
                CatchUp::Last => 1,
                CatchUp::All => known.made.max_catchup as usize,
            };
            for slot in due.iter().rev().take(least) {
                let id = known.made.config_id;
                assert!(published.contains(&(id, *slot)), "{id}: {slot} was never asked for");
            }
        }
        self.quieten();
    }

    /// No schedule fires any more.
    fn quieten(&mut self) {
        for index in 0..self.calendar.as_ref().unwrap().known.len() {
            if !self.calendar.as_ref().unwrap().known[index].is_deleted {
                self.edit(index, |_| {}, Some(QUIET));
            }
        }
    }
}
