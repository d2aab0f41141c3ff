//! The verbs of schedules and of their slots.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::port::PortError;
use crate::schedule::{ConfigId, Retry, Schedule, SlotKey, SlotRecord, SlotState};
use crate::tenant::TenantId;

/// Whether a schedule was recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It has a row now.
    Made,
    /// Its id had this row.
    Existed(Box<Schedule>),
    /// The tenant holds as many as it may.
    Full,
}

/// What the owner of a schedule changes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleChange {
    /// What it becomes: all but its ids, its creation, its retries and, unless `refire`, its next slot. Its
    /// `revision` is the one that was read: where the row has another by now, nothing changes.
    pub schedule: Schedule,
    /// Whether the next slot changes too.
    pub refire: bool,
}

/// How far a tick has brought a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The schedule.
    pub config_id: ConfigId,
    /// The revision and the next slot that the tick read: where the row has others by now, nothing changes.
    pub read: (i64, Option<DateTime<Utc>>),
    /// The next slot.
    pub next_run_time: Option<DateTime<Utc>>,
    /// Retries that were published, as slot and attempt: they no longer wait.
    pub published: Vec<(DateTime<Utc>, u32)>,
}

/// Schedules of all tenants.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Records a schedule unless its id has a row or its tenant has `most` of them.
    async fn create_schedule(&self, schedule: &Schedule, most: u32) -> Result<Created, PortError>;

    /// A schedule, whose ever it is.
    async fn schedule(&self, config_id: ConfigId) -> Result<Option<Schedule>, PortError>;

    /// A tenant's schedules, oldest first by (`created_at`, `config_id`).
    async fn schedules_of(&self, tenant: &TenantId) -> Result<Vec<Schedule>, PortError>;

    /// Compare-and-set on the revision, which it counts on; answers whether it took effect.
    async fn change_schedule(&self, change: &ScheduleChange) -> Result<bool, PortError>;

    /// Removes a tenant's schedule; answers whether there was one. Its slots' records stay.
    async fn delete_schedule(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
    ) -> Result<bool, PortError>;

    /// The active schedules of tenants with an ACTIVE subscription whose next slot or a retry of which is due
    /// by `now`: one statement, however many. A row that cannot be read is logged and left out, here and in
    /// [`Self::schedules_of`]: it does not stop the others.
    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Schedule>, PortError>;

    /// Advances schedules, each by compare-and-set, and notes that a tick ended `at` that time: one statement
    /// each, however many schedules. Answers how many were advanced.
    async fn advance(&self, advances: &[Advance], at: DateTime<Utc>) -> Result<usize, PortError>;

    /// Lets a retry wait for its time; one of the same slot and attempt is there once. Nothing where the
    /// schedule is gone.
    async fn plan_retry(&self, config_id: ConfigId, retry: &Retry) -> Result<(), PortError>;

    /// When the last tick ended.
    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError>;
}

/// What was found where an attempt of a slot begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The attempt's own record, as it is now.
    Record(SlotRecord),
    /// Another attempt of the slot is open or completed: this one has no record and gets none.
    Other(SlotRecord),
}

/// The slots of schedules, each in its tenant's tables.
#[async_trait]
pub trait Slots: Send + Sync {
    /// Records an attempt as it is given, PENDING, unless it has a record, or another attempt of its slot is open
    /// or completed.
    async fn begin_attempt(&self, record: &SlotRecord) -> Result<Begun, PortError>;

    /// Changes a record's state, if it is in one that the new one [follows](SlotState::follows); answers whether
    /// it was.
    async fn settle_attempt(
        &self,
        key: &SlotKey,
        state: SlotState,
        reason: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError>;

    /// The attempts of a slot, in their order.
    async fn attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        slot: DateTime<Utc>,
    ) -> Result<Vec<SlotRecord>, PortError>;

    /// A tenant's attempts that are PENDING or SUBMITTED.
    async fn open_attempts(&self, tenant: &TenantId) -> Result<Vec<SlotRecord>, PortError>;

    /// A schedule's newest attempts: latest slot first, at most `limit`.
    async fn newest_attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        limit: u32,
    ) -> Result<Vec<SlotRecord>, PortError>;
}
