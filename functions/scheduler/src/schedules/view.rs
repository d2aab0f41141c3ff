//! A schedule as the API shows it.

use chrono::{DateTime, FixedOffset, Utc};
use common::run::RunId;
use common::schedule::{CatchUp, ConfigId, Retry, Schedule, SlotRecord, SlotState};
use common::tenant::{TenantId, UserId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::coming;

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    #[schema(value_type = String, format = "uuid")]
    config_id: ConfigId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// Of its runs: `{tenant_id}-{provider}-{domain}-{pipeline_template}`.
    pipeline_id: String,
    provider: String,
    domain: String,
    pipeline_template: String,
    schedule_cron: String,
    timezone: &'static str,
    /// As they were sent.
    parameters: Map<String, Value>,
    /// `false` while it is paused.
    is_active: bool,
    /// Of its runs in the queue; lower starts sooner.
    priority: i64,
    catchup: CatchUp,
    /// How many missed slots `catchup` `all` runs.
    max_catchup: u32,
    /// How often a failed run is run again.
    retry_count: u32,
    /// Before the first retry; twice as many before each next one, a day at most.
    retry_backoff_seconds: u32,
    /// The first slot that no tick has seen; past where it is due or the schedule paused, `null` where it never
    /// fires again.
    next_run_time: Option<DateTime<Utc>>,
    /// The next five times from now on at which it fires, in its zone; of a paused one, those at which it would.
    next_run_times: Vec<DateTime<FixedOffset>>,
    /// Retries that wait for their time.
    retries: Vec<Retry>,
    /// The user that its runs are recorded for.
    #[schema(value_type = String)]
    created_by: UserId,
    created_at: DateTime<Utc>,
    /// When it was last changed by a request.
    updated_at: DateTime<Utc>,
}

impl ScheduleView {
    pub(super) fn new(schedule: Schedule, now: DateTime<Utc>) -> Self {
        let zone = schedule.zone;
        let local = |slot: DateTime<Utc>| slot.with_timezone(&zone).fixed_offset();
        Self {
            next_run_times: coming(&schedule, now).map(local).collect(),
            config_id: schedule.config_id,
            pipeline_id: schedule.template.pipeline_id(&schedule.tenant_id),
            tenant_id: schedule.tenant_id,
            provider: schedule.template.provider().to_owned(),
            domain: schedule.template.domain().to_owned(),
            pipeline_template: schedule.template.name().to_owned(),
            schedule_cron: schedule.cron.to_string(),
            timezone: zone.name(),
            parameters: schedule.parameters,
            is_active: schedule.is_active,
            priority: schedule.priority,
            catchup: schedule.catchup,
            max_catchup: schedule.max_catchup,
            retry_count: schedule.retry.count,
            retry_backoff_seconds: schedule.retry.backoff_seconds,
            next_run_time: schedule.next_run_time,
            retries: schedule.retries,
            created_by: schedule.created_by,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
        }
    }
}

/// A schedule with what became of its slots.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleDetails {
    #[serde(flatten)]
    schedule: ScheduleView,
    /// The newest twenty records: latest slot first, of one slot the latest attempt first.
    slots: Vec<SlotView>,
}

impl ScheduleDetails {
    pub(super) fn new(schedule: Schedule, records: Vec<SlotRecord>, now: DateTime<Utc>) -> Self {
        let slots = records.into_iter().map(SlotView::from).collect();
        Self { schedule: ScheduleView::new(schedule, now), slots }
    }
}

/// An attempt of a slot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SlotView {
    /// When the slot was due.
    slot: DateTime<Utc>,
    /// Which attempt, from 1.
    attempt: u32,
    state: SlotState,
    /// Its run; `null` where it has none.
    #[schema(value_type = Option<String>, format = "uuid")]
    pipeline_logging_id: Option<RunId>,
    /// Why it has no run, or what its run says of its end.
    reason: Option<String>,
    updated_at: DateTime<Utc>,
}

impl From<SlotRecord> for SlotView {
    fn from(record: SlotRecord) -> Self {
        Self {
            pipeline_logging_id: record.state.has_run().then(|| record.key.run_id()),
            slot: record.key.slot,
            attempt: record.key.attempt,
            state: record.state,
            reason: record.reason,
            updated_at: record.updated_at,
        }
    }
}
