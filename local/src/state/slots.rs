//! The slots of schedules on SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::port::PortError;
use common::schedule::{ConfigId, SlotKey, SlotRecord, SlotState};
use common::state::{Begun, Slots};
use common::tenant::{TenantId, UserId};
use rusqlite::{Transaction, named_params, params};

use super::{Columns, SqliteState, all, change, corrupt, micros};

const ATTEMPTS: &str = "SELECT * FROM x_meta_scheduled_runs
     WHERE tenant_id = ?1 AND config_id = ?2 AND slot = ?3 ORDER BY attempt";
const OPEN: &str = "SELECT * FROM x_meta_scheduled_runs
     WHERE tenant_id = ?1 AND state IN ('PENDING', 'SUBMITTED') ORDER BY slot, config_id, attempt";
const NEWEST: &str = "SELECT * FROM x_meta_scheduled_runs WHERE tenant_id = ?1 AND config_id = ?2
     ORDER BY slot DESC, attempt DESC LIMIT ?3";
const BEGIN: &str = "INSERT INTO x_meta_scheduled_runs
     (tenant_id, user_id, config_id, slot, slot_date, attempt, state, reason, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const SETTLE: &str = "UPDATE x_meta_scheduled_runs SET state = :state, reason = :reason,
     pipeline_logging_id = :run, updated_at = :at
     WHERE tenant_id = :tenant AND config_id = :config AND slot = :slot AND attempt = :attempt
     AND state IN (SELECT value FROM json_each(:follows))";

#[async_trait]
impl Slots for SqliteState {
    async fn begin_attempt(&self, record: &SlotRecord) -> Result<Begun, PortError> {
        let SlotKey { tenant_id, config_id, slot, attempt } = &record.key;
        self.db.write(|tx| {
            let attempts = attempts(tx, tenant_id, *config_id, *slot)?;
            let (own, others): (Vec<_>, Vec<_>) =
                attempts.into_iter().partition(|other| other.key.attempt == *attempt);
            if let Some(own) = own.into_iter().next() {
                return Ok(Begun::Record(own));
            }
            let in_the_way =
                |other: &SlotRecord| other.state.is_open() || other.state == SlotState::Completed;
            if let Some(other) = others.into_iter().find(in_the_way) {
                return Ok(Begun::Other(other));
            }
            let values = params![
                tenant_id.as_str(),
                record.user_id.as_str(),
                config_id.to_string(),
                micros(*slot),
                record.date.to_string(),
                attempt,
                record.state.as_str(),
                record.reason,
                micros(record.updated_at),
            ];
            change(tx, BEGIN, values)?;
            Ok(Begun::Record(record.clone()))
        })
    }

    async fn settle_attempt(
        &self,
        key: &SlotKey,
        state: SlotState,
        reason: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<bool, PortError> {
        let follows: serde_json::Value =
            state.follows().iter().map(|before| before.as_str()).collect();
        let run = state.has_run().then(|| key.run_id().to_string());
        let values = named_params! {
            ":tenant": key.tenant_id.as_str(),
            ":config": key.config_id.to_string(),
            ":slot": micros(key.slot),
            ":attempt": key.attempt,
            ":state": state.as_str(),
            ":reason": reason,
            ":run": run,
            ":at": micros(at),
            ":follows": follows.to_string(),
        };
        self.db.write(|tx| Ok(change(tx, SETTLE, values)? == 1))
    }

    async fn attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        slot: DateTime<Utc>,
    ) -> Result<Vec<SlotRecord>, PortError> {
        self.db.read(|tx| attempts(tx, tenant, config_id, slot))
    }

    async fn open_attempts(&self, tenant: &TenantId) -> Result<Vec<SlotRecord>, PortError> {
        self.db.read(|tx| all(tx, OPEN, [tenant.as_str()], read))
    }

    async fn newest_attempts(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
        limit: u32,
    ) -> Result<Vec<SlotRecord>, PortError> {
        let values = params![tenant.as_str(), config_id.to_string(), limit];
        self.db.read(|tx| all(tx, NEWEST, values, read))
    }
}

fn attempts(
    tx: &Transaction<'_>,
    tenant: &TenantId,
    config_id: ConfigId,
    slot: DateTime<Utc>,
) -> Result<Vec<SlotRecord>, PortError> {
    all(tx, ATTEMPTS, params![tenant.as_str(), config_id.to_string(), micros(slot)], read)
}

fn read(row: &Columns<'_>) -> Result<SlotRecord, PortError> {
    Ok(SlotRecord {
        key: SlotKey {
            tenant_id: row.tenant()?,
            config_id: row.parse("config_id")?,
            slot: row.time("slot")?,
            attempt: row.number("attempt")?,
        },
        user_id: UserId::parse(&row.get::<String>("user_id")?)
            .map_err(|e| corrupt("user_id", e))?,
        date: row.parse("slot_date")?,
        state: row.parse("state")?,
        reason: row.get("reason")?,
        updated_at: row.time("updated_at")?,
    })
}
