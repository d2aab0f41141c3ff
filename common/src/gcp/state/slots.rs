//! The slots of schedules on BigQuery, each in its tenant's table.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::State;
use super::runs::{of, read};
use crate::gcp::bigquery::{Record, Statement};
use crate::port::PortError;
use crate::schedule::{ConfigId, SlotKey, SlotRecord, SlotState};
use crate::state::{Begun, Slots};
use crate::tenant::TenantId;

const ATTEMPTS: &str = "SELECT * FROM {dataset}.x_meta_scheduled_runs
WHERE tenant_id = @tenant AND config_id = @config AND slot = @slot ORDER BY attempt";
const OPEN: &str = "SELECT * FROM {dataset}.x_meta_scheduled_runs
WHERE tenant_id = @tenant AND state IN ('PENDING', 'SUBMITTED') ORDER BY slot, config_id, attempt";
const NEWEST: &str = "SELECT * FROM {dataset}.x_meta_scheduled_runs WHERE tenant_id = @tenant AND config_id = @config
ORDER BY slot DESC, attempt DESC LIMIT @limit";
const BEGIN: &str = "INSERT INTO {dataset}.x_meta_scheduled_runs
  (tenant_id, user_id, config_id, slot, slot_date, attempt, state, reason, updated_at)
SELECT @tenant, @user, @config, @slot, @date, @attempt, @state, @reason, @at FROM (SELECT 1)
WHERE NOT EXISTS (
  SELECT 1 FROM {dataset}.x_meta_scheduled_runs AS r
  WHERE r.config_id = @config AND r.slot = @slot
    AND (r.attempt = @attempt OR r.state IN ('PENDING', 'SUBMITTED', 'COMPLETED')))";
const SETTLE: &str = "UPDATE {dataset}.x_meta_scheduled_runs
SET state = @state, reason = @reason, pipeline_logging_id = @run, updated_at = @at
WHERE tenant_id = @tenant AND config_id = @config AND slot = @slot AND attempt = @attempt AND state IN UNNEST(@follows)";

#[async_trait]
impl Slots for State {
    /// The INSERT runs once under an id that the attempt derives, so two deliveries of it make one row. Two different
    /// attempts of a slot are not asked for at once: the next one is published only after the end of the last.
    async fn begin_attempt(&self, record: &SlotRecord) -> Result<Begun, PortError> {
        let SlotKey { tenant_id, config_id, slot, attempt } = &record.key;
        let statement = of_slot("slot_begin", BEGIN, tenant_id, *config_id, *slot)
            .bind("user", record.user_id.as_str())
            .bind("date", record.date)
            .bind("attempt", *attempt)
            .bind("state", record.state.as_str())
            .bind("reason", record.reason.as_deref())
            .bind("at", record.updated_at);
        let base = format!("slot-{config_id}-{}-a{attempt}", slot.timestamp_micros());
        let mut first = 1;
        loop {
            let attempts = self.attempts(tenant_id, *config_id, *slot).await?;
            if let Some(begun) = begun(attempts, *attempt) {
                return Ok(begun);
            }
            let once = self.client.once(&base, first, &statement).await?;
            if once.mine && once.ran.changed == 1 {
                return Ok(Begun::Record(record.clone()));
            }
            first = once.number + 1;
        }
    }

    async fn settle_attempt(
        &self,
        key: &SlotKey,
        state: SlotState,
        reason: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        let follows = state.follows().iter().map(|before| before.as_str().to_owned());
        let statement = of_slot("slot_settle", SETTLE, &key.tenant_id, key.config_id, key.slot)
            .bind("attempt", key.attempt)
            .bind("state", state.as_str())
            .bind("reason", reason)
            .bind("run", state.has_run().then(|| key.run_id().to_string()))
            .bind("at", at)
            .bind_list("follows", follows);
        Ok(self.client.run(&statement).await?.changed == 1)
    }

    async fn attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        slot: DateTime<Utc>,
    ) -> Result<Vec<SlotRecord>, PortError> {
        self.records(&of_slot("slot_attempts", ATTEMPTS, tenant, config_id, slot)).await
    }

    async fn open_attempts(&self, tenant: &TenantId) -> Result<Vec<SlotRecord>, PortError> {
        self.records(&of("slots_open", OPEN, tenant)).await
    }

    async fn newest_attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        limit: u32,
    ) -> Result<Vec<SlotRecord>, PortError> {
        let statement = of("slots_newest", NEWEST, tenant)
            .bind("config", config_id.to_string())
            .bind("limit", limit);
        self.records(&statement).await
    }
}

impl State {
    async fn records(&self, statement: &Statement) -> Result<Vec<SlotRecord>, PortError> {
        let ran = self.client.run(statement).await?;
        Record::all(&ran.rows).map(|row| record(&row)).collect()
    }
}

fn of_slot(
    name: &'static str,
    sql: &str,
    tenant: &TenantId,
    config_id: ConfigId,
    slot: DateTime<Utc>,
) -> Statement {
    of(name, sql, tenant).bind("config", config_id.to_string()).bind("slot", slot)
}

/// What is there already where an attempt begins.
fn begun(attempts: Vec<SlotRecord>, attempt: u32) -> Option<Begun> {
    let (own, others): (Vec<_>, Vec<_>) =
        attempts.into_iter().partition(|other| other.key.attempt == attempt);
    if let Some(own) = own.into_iter().next() {
        return Some(Begun::Record(own));
    }
    let in_the_way =
        |other: &SlotRecord| other.state.is_open() || other.state == SlotState::Completed;
    others.into_iter().find(in_the_way).map(Begun::Other)
}

fn record(row: &Record<'_>) -> Result<SlotRecord, PortError> {
    Ok(SlotRecord {
        key: SlotKey {
            tenant_id: row.get("tenant_id")?,
            config_id: ConfigId(row.get("config_id")?),
            slot: row.get("slot")?,
            attempt: row.get("attempt")?,
        },
        user_id: read::user(row, "user_id")?,
        date: row.get("slot_date")?,
        state: row.parse("state")?,
        reason: row.get("reason")?,
        updated_at: row.get("updated_at")?,
    })
}
