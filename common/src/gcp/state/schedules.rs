//! Schedules on BigQuery: all tenants' in one table, of which an instance changes one row set at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::State;
use super::group::same;
use super::runs::{array, read};
use crate::gcp::bigquery::{Client, Record, Statement, ToParam};
use crate::port::PortError;
use crate::schedule::{ConfigId, CronSchedule, Retry, RetryPolicy, Schedule};
use crate::state::{Advance, Created, ScheduleChange, Schedules};
use crate::tenant::TenantId;
use crate::warehouse::{DataType, Param, Value};

const GET: &str = "SELECT * FROM tenants.tenant_pipeline_configs WHERE config_id = @config";
const OF_TENANT: &str = "SELECT * FROM tenants.tenant_pipeline_configs
WHERE tenant_id = @tenant ORDER BY created_at, config_id";
const CREATE: &str = include_str!("../sql/schedule_create.sql");
const CHANGE: &str = "UPDATE tenants.tenant_pipeline_configs SET
  schedule_cron = @cron, timezone = @zone, parameters = PARSE_JSON(@parameters), is_active = @active,
  next_run_time = IF(@refire, @next, next_run_time), priority = @priority, catchup = @catchup, max_catchup = @max_catchup,
  retry_count = @retry_count, retry_backoff_seconds = @retry_backoff, revision = @revision + 1, updated_at = @updated_at
WHERE config_id = @config AND tenant_id = @tenant AND revision = @revision";
const DELETE: &str =
    "DELETE FROM tenants.tenant_pipeline_configs WHERE tenant_id = @tenant AND config_id = @config";
const DUE: &str = "SELECT c.* FROM tenants.tenant_pipeline_configs AS c
WHERE c.is_active
  AND (c.next_run_time <= @now OR EXISTS (SELECT 1 FROM UNNEST(c.retries) AS r WHERE r.due_at <= @now))
  AND c.tenant_id IN (SELECT s.tenant_id FROM tenants.tenant_subscriptions AS s WHERE s.status = 'ACTIVE')
ORDER BY c.next_run_time, c.config_id";
const ADVANCE: &str = include_str!("../sql/schedules_advance.sql");
const PLAN: &str = include_str!("../sql/retries_plan.sql");
const NOTE_TICK: &str = "MERGE tenants.scheduler_ticks AS t
USING (SELECT 'trigger' AS tick, @at AS ended_at) AS s ON t.tick = s.tick
WHEN MATCHED AND t.ended_at < s.ended_at THEN UPDATE SET ended_at = s.ended_at
WHEN NOT MATCHED THEN INSERT (tick, ended_at) VALUES (s.tick, s.ended_at)";
const LAST_TICK: &str =
    "SELECT MAX(t.ended_at) AS ended_at FROM tenants.scheduler_ticks AS t WHERE t.tick = 'trigger'";

/// A retry that is to wait, and of which schedule.
pub(super) type Planned = (ConfigId, Retry);

#[async_trait]
impl Schedules for State {
    /// One statement inserts the row and touches another one of the tenant: so two that make schedules of one
    /// tenant conflict, as two INSERTs would not. A tenant without any has none to touch, so `most` is exact where
    /// it is at least as many as the writers that a deployment has.
    async fn create_schedule(&self, schedule: &Schedule, most: u32) -> Result<Created, PortError> {
        let statement = values(Statement::new("schedule_create", CREATE), schedule)
            .bind("provider", schedule.template.provider())
            .bind("domain", schedule.template.domain())
            .bind("template", schedule.template.name())
            .bind("created_by", schedule.created_by.as_str())
            .bind("fingerprint", schedule.fingerprint.as_deref())
            .bind("created_at", schedule.created_at)
            .bind("most", most);
        let base = format!("schedule-{}", schedule.config_id);
        let mut first = 1;
        loop {
            if let Some(existing) = self.schedule(schedule.config_id).await? {
                return Ok(Created::Existed(Box::new(existing)));
            }
            let _turn = self.schedules.lock().await;
            let once = self.client.once(&base, first, &statement).await?;
            if once.mine {
                let made = self.schedule(schedule.config_id).await?.is_some();
                return Ok(if made { Created::Made } else { Created::Full });
            }
            // Somebody else's, of which nothing is left where the schedule was removed since, or found no room.
            first = once.number + 1;
        }
    }

    async fn schedule(&self, config_id: ConfigId) -> Result<Option<Schedule>, PortError> {
        let statement = Statement::new("schedule", GET).bind("config", config_id.to_string());
        let ran = self.client.run(&statement).await?;
        Record::all(&ran.rows).next().map(|row| schedule(&row)).transpose()
    }

    async fn schedules_of(&self, tenant: &TenantId) -> Result<Vec<Schedule>, PortError> {
        let statement = Statement::new("schedules_of", OF_TENANT)
            .label("tenant", tenant)
            .bind("tenant", tenant.as_str());
        readable(&self.client, &statement).await
    }

    async fn change_schedule(&self, changed: &ScheduleChange) -> Result<bool, PortError> {
        let statement = values(Statement::new("schedule_change", CHANGE), &changed.schedule)
            .bind("refire", changed.refire);
        let _turn = self.schedules.lock().await;
        Ok(self.client.run(&statement).await?.changed == 1)
    }

    async fn delete_schedule(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
    ) -> Result<bool, PortError> {
        let statement = Statement::new("schedule_delete", DELETE)
            .label("tenant", tenant)
            .bind("tenant", tenant.as_str())
            .bind("config", config_id.to_string());
        let _turn = self.schedules.lock().await;
        Ok(self.client.run(&statement).await?.changed == 1)
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Schedule>, PortError> {
        readable(&self.client, &Statement::new("schedules_due", DUE).bind("now", now)).await
    }

    async fn advance(&self, advances: &[Advance], at: DateTime<Utc>) -> Result<usize, PortError> {
        let _turn = self.schedules.lock().await;
        let mut count = 0;
        if !advances.is_empty() {
            let published = advances.iter().flat_map(|advance| {
                advance.published.iter().map(|(slot, attempt)| {
                    vec![
                        ("config", advance.config_id.to_string().to_param()),
                        ("slot", slot.to_param()),
                        ("attempt", attempt.to_param()),
                    ]
                })
            });
            let statement = Statement::new("schedules_advance", ADVANCE)
                .bind_param("advances", &array(advances.iter().map(advance_fields).collect()))
                .bind_param("published", &or_none(published.collect()));
            count = self.client.run(&statement).await?.changed;
        }
        self.client.run(&Statement::new("tick_note", NOTE_TICK).bind("at", at)).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn plan_retry(&self, config_id: ConfigId, retry: &Retry) -> Result<(), PortError> {
        let (client, turn) = (self.client.clone(), Arc::clone(&self.schedules));
        let work = move |batch: Vec<Planned>| {
            let (client, turn) = (client.clone(), Arc::clone(&turn));
            async move {
                let _turn = turn.lock().await;
                let planned = plan(&client, &batch).await;
                let answer = |_| planned.as_ref().copied().map_err(same);
                batch.iter().map(answer).collect()
            }
        };
        self.retries.submit((config_id, *retry), work).await
    }

    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        let ran = self.client.run(&Statement::new("tick_last", LAST_TICK)).await?;
        Record::all(&ran.rows).next().map_or(Ok(None), |row| row.get("ended_at"))
    }
}

async fn plan(client: &Client, batch: &[Planned]) -> Result<(), PortError> {
    let mut once = BTreeSet::new();
    let new =
        batch.iter().filter(|(config, retry)| once.insert((*config, retry.slot, retry.attempt)));
    let fields = |(config, retry): &Planned| {
        vec![
            ("config", config.to_string().to_param()),
            ("slot", retry.slot.to_param()),
            ("day", retry.date.to_param()),
            ("attempt", retry.attempt.to_param()),
            ("due_at", retry.due_at.to_param()),
        ]
    };
    let statement = Statement::new("retries_plan", PLAN)
        .bind_param("retries", &array(new.map(fields).collect()));
    client.run(&statement).await.map(|_| ())
}

fn advance_fields(advance: &Advance) -> Vec<(&'static str, Param)> {
    let (revision, read) = advance.read;
    vec![
        ("config", advance.config_id.to_string().to_param()),
        ("revision", revision.to_param()),
        ("read_next", read.to_param()),
        ("next", advance.next_run_time.to_param()),
    ]
}

/// The retries that were published; typed also where there are none.
fn or_none(published: Vec<Vec<(&'static str, Param)>>) -> Param {
    if !published.is_empty() {
        return array(published);
    }
    let fields =
        [("config", DataType::String), ("slot", DataType::Timestamp), ("attempt", DataType::Int64)];
    let fields = fields.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
    Param {
        kind: DataType::Array(Box::new(DataType::Struct(fields))),
        value: Value::Array(Vec::new()),
    }
}

/// Binds what creating and changing a schedule both write.
fn values(statement: Statement, of: &Schedule) -> Statement {
    statement
        .label("tenant", &of.tenant_id)
        .bind("config", of.config_id.to_string())
        .bind("tenant", of.tenant_id.as_str())
        .bind("cron", of.cron.as_str())
        .bind("zone", of.zone.name())
        .bind("parameters", serde_json::Value::from(of.parameters.clone()).to_string())
        .bind("active", of.is_active)
        .bind("next", of.next_run_time)
        .bind("priority", of.priority)
        .bind("catchup", of.catchup.as_str())
        .bind("max_catchup", of.max_catchup)
        .bind("retry_count", of.retry.count)
        .bind("retry_backoff", of.retry.backoff_seconds)
        .bind("revision", of.revision)
        .bind("updated_at", of.updated_at)
}

/// The rows that can be read. One that cannot, as a release that knows other zones or refuses more may have left
/// it, is logged and does not stop the others.
async fn readable(client: &Client, statement: &Statement) -> Result<Vec<Schedule>, PortError> {
    let ran = client.run(statement).await?;
    let read = |row: Record<'_>| match schedule(&row) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            let config = row.get::<String>("config_id").unwrap_or_default();
            tracing::error!(config.id = config, %error, "a schedule cannot be read and does not run");
            None
        }
    };
    Ok(Record::all(&ran.rows).filter_map(read).collect())
}

fn schedule(row: &Record<'_>) -> Result<Schedule, PortError> {
    let retries: Vec<Value> = row.get("retries")?;
    let retry = |value: &Value| {
        let record = Record::of(value)?;
        Ok(Retry {
            slot: record.get("slot")?,
            date: record.get("date")?,
            attempt: record.get("attempt")?,
            due_at: record.get("due_at")?,
        })
    };
    let cron: String = row.get("schedule_cron")?;
    Ok(Schedule {
        config_id: ConfigId(row.get("config_id")?),
        tenant_id: row.get("tenant_id")?,
        template: read::pipeline(row)?,
        cron: CronSchedule::parse(&cron)
            .map_err(|e| PortError::other("the column schedule_cron", e))?,
        zone: row.parse("timezone")?,
        parameters: row.json("parameters")?,
        is_active: row.get("is_active")?,
        next_run_time: row.get("next_run_time")?,
        priority: row.get("priority")?,
        catchup: row.parse("catchup")?,
        max_catchup: row.get("max_catchup")?,
        retry: RetryPolicy {
            count: row.get("retry_count")?,
            backoff_seconds: row.get("retry_backoff_seconds")?,
        },
        retries: retries.iter().map(retry).collect::<Result<_, PortError>>()?,
        created_by: read::user(row, "created_by")?,
        fingerprint: row.get("fingerprint")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
