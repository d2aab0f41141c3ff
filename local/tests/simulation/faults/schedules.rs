//! The turns of schedules, of their slots and of what is published.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::events::{Event, EventPublisher};
use common::port::PortError;
use common::schedule::{ConfigId, Retry, Schedule, SlotKey, SlotRecord, SlotState};
use common::state::{Advance, Begun, Created, ScheduleChange, Schedules, Slots};
use common::tenant::TenantId;

use super::{Stepped, stepped};

#[async_trait]
impl Schedules for Stepped<dyn Schedules> {
    async fn create_schedule(&self, schedule: &Schedule, most: u32) -> Result<Created, PortError> {
        stepped("schedules.create", self.0.create_schedule(schedule, most)).await
    }

    async fn schedule(&self, config_id: ConfigId) -> Result<Option<Schedule>, PortError> {
        stepped("schedules.schedule", self.0.schedule(config_id)).await
    }

    async fn schedules_of(&self, tenant: &TenantId) -> Result<Vec<Schedule>, PortError> {
        stepped("schedules.schedules_of", self.0.schedules_of(tenant)).await
    }

    async fn change_schedule(&self, change: &ScheduleChange) -> Result<bool, PortError> {
        stepped("schedules.change", self.0.change_schedule(change)).await
    }

    async fn delete_schedule(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
    ) -> Result<bool, PortError> {
        stepped("schedules.delete", self.0.delete_schedule(tenant, config_id)).await
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Schedule>, PortError> {
        stepped("schedules.due", self.0.due(now)).await
    }

    async fn advance(&self, advances: &[Advance], at: DateTime<Utc>) -> Result<usize, PortError> {
        stepped("schedules.advance", self.0.advance(advances, at)).await
    }

    async fn plan_retry(&self, config_id: ConfigId, retry: &Retry) -> Result<(), PortError> {
        stepped("schedules.plan_retry", self.0.plan_retry(config_id, retry)).await
    }

    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        stepped("schedules.last_tick", self.0.last_tick()).await
    }
}

#[async_trait]
impl Slots for Stepped<dyn Slots> {
    async fn begin_attempt(&self, record: &SlotRecord) -> Result<Begun, PortError> {
        stepped("slots.begin", self.0.begin_attempt(record)).await
    }

    async fn settle_attempt(
        &self,
        key: &SlotKey,
        state: SlotState,
        reason: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        stepped("slots.settle", self.0.settle_attempt(key, state, reason, at)).await
    }

    async fn attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        slot: DateTime<Utc>,
    ) -> Result<Vec<SlotRecord>, PortError> {
        stepped("slots.attempts", self.0.attempts(tenant, config_id, slot)).await
    }

    async fn open_attempts(&self, tenant: &TenantId) -> Result<Vec<SlotRecord>, PortError> {
        stepped("slots.open_attempts", self.0.open_attempts(tenant)).await
    }

    async fn newest_attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        limit: u32,
    ) -> Result<Vec<SlotRecord>, PortError> {
        stepped("slots.newest_attempts", self.0.newest_attempts(tenant, config_id, limit)).await
    }
}

#[async_trait]
impl EventPublisher for Stepped<dyn EventPublisher> {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        let name = match events.first() {
            Some(Event::RunFinished { .. }) => "events.run_finished",
            Some(Event::RunRequested(_)) | None => "events.run_requested",
        };
        stepped(name, self.0.publish(events)).await
    }
}
