//! A schedule: which pipeline runs by itself, when and with what; and what becomes of each of its slots.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::pipeline::TemplateId;
use crate::run::{FailureKind, NAMESPACE, RunId, RunStatus};
use crate::tenant::{TenantId, UserId, stored_as_text};

mod cron;
mod due;

pub use cron::{CronSchedule, InvalidCron};
pub use due::{DueSlots, ON_TIME};

/// The longest wait before a retry.
const LONGEST_BACKOFF: TimeDelta = TimeDelta::days(1);

/// A schedule's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigId(pub Uuid);

impl ConfigId {
    /// The id that a tenant's `Idempotency-Key` on the creating route stands for: the same for ever.
    pub fn of_key(tenant: &TenantId, key: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{tenant}\nschedule\n{key}").as_bytes()))
    }
}

impl std::fmt::Display for ConfigId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ConfigId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// What happens to slots that no tick saw in time: the scheduler was down, or the schedule paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// None of them runs.
    None,
    /// The latest runs.
    Last,
    /// All run, the newest of them where there are more than the schedule's bound.
    All,
}

stored_as_text!(CatchUp { None = "none", Last = "last", All = "all" });

/// How often a slot whose run failed is run again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Runs after the first.
    pub count: u32,
    /// Seconds before the first retry; twice as many before each next one, a day at most.
    pub backoff_seconds: u32,
}

impl RetryPolicy {
    /// When attempt `failed` + 1 is due, where the policy allows one.
    pub fn next(&self, failed: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if failed > self.count {
            return None;
        }
        let doubled = 2_i32.checked_pow(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = TimeDelta::seconds(i64::from(self.backoff_seconds)).checked_mul(doubled);
        Some(now + wait.map_or(LONGEST_BACKOFF, |wait| wait.min(LONGEST_BACKOFF)))
    }
}

/// A retry that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Retry {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// Its date when it fired.
    pub date: NaiveDate,
    /// The attempt that is to run.
    pub attempt: u32,
    /// When it is published.
    pub due_at: DateTime<Utc>,
}

/// A schedule's row in `tenants.tenant_pipeline_configs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its id.
    pub config_id: ConfigId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The template it runs.
    pub template: TemplateId,
    /// When, in [`Schedule::zone`]'s local time.
    pub cron: CronSchedule,
    /// The zone that the cron and relative dates are read in.
    pub zone: Tz,
    /// Parameters as sent; dates may be relative to the slot.
    pub parameters: Map<String, Json>,
    /// `false` while it is paused.
    pub is_active: bool,
    /// The next slot; `None` where it never fires again.
    pub next_run_time: Option<DateTime<Utc>>,
    /// Of its runs in the queue; lower starts sooner.
    pub priority: i64,
    /// What happens to missed slots.
    pub catchup: CatchUp,
    /// How many missed slots [`CatchUp::All`] runs.
    pub max_catchup: u32,
    /// What happens after a failed run.
    pub retry: RetryPolicy,
    /// Retries that wait for a tick.
    pub retries: Vec<Retry>,
    /// The user that its runs are recorded for.
    pub created_by: UserId,
    /// SHA-256 of what an `Idempotency-Key` was first sent with, in hex.
    pub fingerprint: Option<String>,
    /// Counts the changes made by its owner.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its owner changed it last.
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// The first slot after an instant.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.next(self.zone, after)
    }

    /// The date of a slot: that of the local time which the cron names, also where its zone skips that time.
    pub fn date(&self, slot: DateTime<Utc>) -> NaiveDate {
        self.cron.date(self.zone, slot)
    }
}

/// One attempt of one slot of a schedule, as its run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The schedule.
    pub config_id: ConfigId,
    /// When the slot was due.
    pub at: DateTime<Utc>,
    /// Its date when it fired.
    pub date: NaiveDate,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// What names a row of `x_meta_scheduled_runs`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SlotKey {
    /// Whose slot.
    pub tenant_id: TenantId,
    /// The schedule.
    pub config_id: ConfigId,
    /// When the slot was due.
    pub slot: DateTime<Utc>,
    /// Which attempt, from 1.
    pub attempt: u32,
}

impl SlotKey {
    /// The id of the attempt's run: the same for ever.
    pub fn run_id(&self) -> RunId {
        let Self { tenant_id, config_id, slot, attempt } = self;
        let name =
            format!("{tenant_id}\nslot\n{config_id}\n{}\n{attempt}", slot.timestamp_micros());
        RunId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }
}

/// What became of an attempt of a slot. The last five are the ends of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SlotState {
    /// Its request has arrived; nothing is decided.
    Pending,
    /// It has a run, which has not ended.
    Submitted,
    /// A limit of the plan was reached: it has no run.
    SkippedQuota,
    /// It cannot run as it is: it has no run.
    Refused,
    /// Its run completed.
    Completed,
    /// Its run failed.
    Failed,
    /// Its run was cancelled.
    Cancelled,
    /// Its run outlived its timeout.
    TimedOut,
    /// Its run waited too long for a slot.
    Expired,
}

stored_as_text!(SlotState {
    Pending = "PENDING",
    Submitted = "SUBMITTED",
    SkippedQuota = "SKIPPED_QUOTA",
    Refused = "REFUSED",
    Completed = "COMPLETED",
    Failed = "FAILED",
    Cancelled = "CANCELLED",
    TimedOut = "TIMED_OUT",
    Expired = "EXPIRED",
});

impl SlotState {
    /// What a run in this status makes of its slot.
    pub fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued | RunStatus::Running => Self::Submitted,
            RunStatus::Completed => Self::Completed,
            RunStatus::Failed => Self::Failed,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::TimedOut => Self::TimedOut,
            RunStatus::Expired => Self::Expired,
        }
    }

    /// Whether the attempt may still come to something by itself.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Submitted => true,
            Self::SkippedQuota
            | Self::Refused
            | Self::Completed
            | Self::Failed
            | Self::Cancelled
            | Self::TimedOut
            | Self::Expired => false,
        }
    }

    /// Whether the attempt has a run.
    pub fn has_run(self) -> bool {
        match self {
            Self::Pending | Self::SkippedQuota | Self::Refused => false,
            Self::Submitted
            | Self::Completed
            | Self::Failed
            | Self::Cancelled
            | Self::TimedOut
            | Self::Expired => true,
        }
    }

    /// The states that this one may follow. An attempt without a run may be asked for again; the end of a run is
    /// final; a run that exists outweighs what was thought before.
    pub fn follows(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::SkippedQuota, Self::Refused],
            Self::SkippedQuota | Self::Refused => &[Self::Pending],
            Self::Submitted => &[Self::Pending, Self::SkippedQuota, Self::Refused],
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Expired => {
                &[Self::Pending, Self::Submitted, Self::SkippedQuota, Self::Refused]
            }
        }
    }
}

/// A row of `x_meta_scheduled_runs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRecord {
    /// Which attempt of which slot.
    pub key: SlotKey,
    /// The schedule's creator.
    pub user_id: UserId,
    /// The slot's date when it fired.
    pub date: NaiveDate,
    /// What became of it.
    pub state: SlotState,
    /// Why it has no run, or what its run says of its end.
    pub reason: Option<String>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Whether a run that ended so is worth a retry: not where the same happens again, or somebody wanted the end.
pub fn is_retried(status: RunStatus, kind: Option<FailureKind>) -> bool {
    match status {
        RunStatus::Failed => !matches!(kind, Some(FailureKind::Guard | FailureKind::Template)),
        RunStatus::TimedOut => true,
        RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Completed
        | RunStatus::Cancelled
        | RunStatus::Expired => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schedule of a cron in a zone.
    pub(super) fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            config_id: ConfigId(Uuid::from_u128(7)),
            tenant_id: TenantId::parse("acme").unwrap(),
            template: TemplateId::new("gcp", "cost", "billing").unwrap(),
            cron: CronSchedule::parse(cron).unwrap(),
            zone: zone.parse().unwrap(),
            parameters: Map::new(),
            is_active: true,
            next_run_time: None,
            priority: 100,
            catchup: CatchUp::Last,
            max_catchup: 24,
            retry: RetryPolicy::default(),
            retries: Vec::new(),
            created_by: UserId::parse("zoë").unwrap(),
            fingerprint: None,
            revision: 1,
            created_at: at("2026-03-03T00:00:00Z"),
            updated_at: at("2026-03-03T00:00:00Z"),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_attempt_of_a_slot_stands_for_one_run_for_ever() {
        let key = |tenant: &str, config: u128, slot: &str, attempt| SlotKey {
            tenant_id: TenantId::parse(tenant).unwrap(),
            config_id: ConfigId(Uuid::from_u128(config)),
            slot: at(slot),
            attempt,
        };
        let id = key("acme", 7, "2025-11-17T06:00:00Z", 1).run_id();
        assert_eq!(id.to_string(), "8e171742-7ebf-597f-908a-8e01e4a68c4c");
        let others = [
            key("beta", 7, "2025-11-17T06:00:00Z", 1),
            key("acme", 8, "2025-11-17T06:00:00Z", 1),
            key("acme", 7, "2025-11-18T06:00:00Z", 1),
            key("acme", 7, "2025-11-17T06:00:00Z", 2),
        ];
        assert!(others.iter().all(|other| other.run_id() != id));
    }

    #[test]
    fn a_wait_doubles_up_to_a_day_and_retries_end() {
        let policy = RetryPolicy { count: 40, backoff_seconds: 300 };
        let wait = |failed| policy.next(failed, at("2025-11-17T06:00:00Z"));
        assert_eq!(wait(1), Some(at("2025-11-17T06:05:00Z")));
        assert_eq!(wait(2), Some(at("2025-11-17T06:10:00Z")));
        assert_eq!(wait(3), Some(at("2025-11-17T06:20:00Z")));
        for failed in [12, 31, 32, 33, 40] {
            assert_eq!(wait(failed), Some(at("2025-11-18T06:00:00Z")), "{failed}");
        }
        assert_eq!(wait(41), None);
        assert_eq!(RetryPolicy::default().next(1, at("2025-11-17T06:00:00Z")), None);
    }

    #[test]
    fn no_state_follows_the_end_of_a_run() {
        use SlotState::{Cancelled, Completed, Expired, Failed, TimedOut};
        for to in [SlotState::Pending, SlotState::Submitted, SlotState::SkippedQuota, Completed] {
            for end in [Completed, Failed, Cancelled, TimedOut, Expired] {
                assert!(!to.follows().contains(&end), "{end} to {to}");
            }
        }
    }
}
