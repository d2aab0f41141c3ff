//! Schedules on SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::pipeline::TemplateId;
use common::port::PortError;
use common::schedule::{ConfigId, CronSchedule, Retry, RetryPolicy, Schedule};
use common::state::{Advance, Created, ScheduleChange, Schedules};
use common::tenant::{TenantId, UserId};
use rusqlite::{Transaction, named_params, params};

use super::{Columns, SqliteState, all, change, corrupt, first, micros};

const GET: &str = "SELECT * FROM \"tenants.tenant_pipeline_configs\" WHERE config_id = ?1";
const OF_TENANT: &str = "SELECT * FROM \"tenants.tenant_pipeline_configs\" WHERE tenant_id = ?1
     ORDER BY created_at, config_id";
const COUNT: &str =
    "SELECT COUNT(*) AS n FROM \"tenants.tenant_pipeline_configs\" WHERE tenant_id = ?1";
const CREATE: &str = "INSERT INTO \"tenants.tenant_pipeline_configs\"
     (config_id, tenant_id, provider, domain, pipeline_template, schedule_cron, timezone, parameters, is_active,
      next_run_time, priority, catchup, max_catchup, retry_count, retry_backoff_seconds, retries, created_by,
      fingerprint, revision, created_at, updated_at)
     VALUES (:config, :tenant, :provider, :domain, :template, :cron, :zone, :parameters, :active, :next, :priority,
      :catchup, :max_catchup, :retry_count, :retry_backoff, '[]', :created_by, :fingerprint, :revision,
      :created_at, :updated_at)";
const CHANGE: &str = "UPDATE \"tenants.tenant_pipeline_configs\" SET
     schedule_cron = :cron, timezone = :zone, parameters = :parameters, is_active = :active,
     next_run_time = CASE WHEN :refire THEN :next ELSE next_run_time END, priority = :priority,
     catchup = :catchup, max_catchup = :max_catchup, retry_count = :retry_count,
     retry_backoff_seconds = :retry_backoff, revision = :revision + 1, updated_at = :updated_at
     WHERE config_id = :config AND tenant_id = :tenant AND revision = :revision";
const DELETE: &str =
    "DELETE FROM \"tenants.tenant_pipeline_configs\" WHERE tenant_id = ?1 AND config_id = ?2";
const DUE: &str = "SELECT c.* FROM \"tenants.tenant_pipeline_configs\" AS c
     JOIN \"tenants.tenant_subscriptions\" AS s ON s.tenant_id = c.tenant_id AND s.status = 'ACTIVE'
     WHERE c.is_active AND (c.next_run_time <= ?1 OR c.retries <> '[]')
     ORDER BY c.next_run_time, c.config_id";
const ADVANCE: &str =
    "UPDATE \"tenants.tenant_pipeline_configs\" SET next_run_time = ?4, retries = ?5
     WHERE config_id = ?1 AND revision = ?2 AND next_run_time IS ?3";
const RETRIES: &str =
    "SELECT retries FROM \"tenants.tenant_pipeline_configs\" WHERE config_id = ?1";
const PLAN: &str =
    "UPDATE \"tenants.tenant_pipeline_configs\" SET retries = ?2 WHERE config_id = ?1";
const NOTE_TICK: &str =
    "INSERT INTO \"tenants.scheduler_ticks\" (tick, ended_at) VALUES ('trigger', ?1)
     ON CONFLICT (tick) DO UPDATE SET ended_at = MAX(ended_at, excluded.ended_at)";
const LAST_TICK: &str = "SELECT ended_at FROM \"tenants.scheduler_ticks\" WHERE tick = 'trigger'";

#[async_trait]
impl Schedules for SqliteState {
    async fn create_schedule(&self, schedule: &Schedule, most: u32) -> Result<Created, PortError> {
        self.db.write(|tx| {
            let existing = first(tx, GET, [schedule.config_id.to_string()], read)?;
            if let Some(existing) = existing {
                return Ok(Created::Existed(Box::new(existing)));
            }
            let tenant = [schedule.tenant_id.as_str()];
            let held: u32 = first(tx, COUNT, tenant, |row| row.number("n"))?.unwrap_or(0);
            if held >= most {
                return Ok(Created::Full);
            }
            create(tx, schedule)?;
            Ok(Created::Made)
        })
    }

    async fn schedule(&self, config_id: ConfigId) -> Result<Option<Schedule>, PortError> {
        self.db.read(|tx| first(tx, GET, [config_id.to_string()], read))
    }

    async fn schedules_of(&self, tenant: &TenantId) -> Result<Vec<Schedule>, PortError> {
        self.db.read(|tx| readable(tx, OF_TENANT, [tenant.as_str()]))
    }

    async fn change_schedule(&self, changed: &ScheduleChange) -> Result<bool, PortError> {
        let Schedule {
            config_id,
            tenant_id,
            template: _,
            cron,
            zone,
            parameters,
            is_active,
            next_run_time,
            priority,
            catchup,
            max_catchup,
            retry,
            retries: _,
            created_by: _,
            fingerprint: _,
            revision,
            created_at: _,
            updated_at,
        } = &changed.schedule;
        let values = named_params! {
            ":config": config_id.to_string(),
            ":tenant": tenant_id.as_str(),
            ":cron": cron.as_str(),
            ":zone": zone.name(),
            ":parameters": serde_json::Value::from(parameters.clone()).to_string(),
            ":active": is_active,
            ":refire": changed.refire,
            ":next": next_run_time.map(micros),
            ":priority": priority,
            ":catchup": catchup.as_str(),
            ":max_catchup": max_catchup,
            ":retry_count": retry.count,
            ":retry_backoff": retry.backoff_seconds,
            ":revision": revision,
            ":updated_at": micros(*updated_at),
        };
        self.db.write(|tx| Ok(change(tx, CHANGE, values)? == 1))
    }

    async fn delete_schedule(
        &self,
        tenant: &TenantId,
        config_id: ConfigId,
    ) -> Result<bool, PortError> {
        let values = params![tenant.as_str(), config_id.to_string()];
        self.db.write(|tx| Ok(change(tx, DELETE, values)? == 1))
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Schedule>, PortError> {
        let mut due = self.db.read(|tx| readable(tx, DUE, [micros(now)]))?;
        due.retain(|schedule| {
            let retries = schedule.retries.iter().map(|retry| retry.due_at);
            schedule.next_run_time.into_iter().chain(retries).any(|at| at <= now)
        });
        Ok(due)
    }

    async fn advance(&self, advances: &[Advance], at: DateTime<Utc>) -> Result<usize, PortError> {
        self.db.write(|tx| {
            let mut count = 0;
            for advance in advances {
                let config = advance.config_id.to_string();
                let Some(mut waiting) = retries(tx, advance.config_id)? else { continue };
                waiting.retain(|retry| !advance.published.contains(&(retry.slot, retry.attempt)));
                let (revision, from) = advance.read;
                let values = params![
                    config,
                    revision,
                    from.map(micros),
                    advance.next_run_time.map(micros),
                    stored(&waiting)?
                ];
                count += change(tx, ADVANCE, values)?;
            }
            change(tx, NOTE_TICK, [micros(at)])?;
            Ok(count)
        })
    }

    async fn plan_retry(&self, config_id: ConfigId, retry: &Retry) -> Result<(), PortError> {
        self.db.write(|tx| {
            let Some(mut waiting) = retries(tx, config_id)? else { return Ok(()) };
            let same = |other: &Retry| (other.slot, other.attempt) == (retry.slot, retry.attempt);
            if !waiting.iter().any(same) {
                waiting.push(*retry);
                change(tx, PLAN, params![config_id.to_string(), stored(&waiting)?])?;
            }
            Ok(())
        })
    }

    async fn last_tick(&self) -> Result<Option<DateTime<Utc>>, PortError> {
        self.db.read(|tx| first(tx, LAST_TICK, [], |row| row.time("ended_at")))
    }
}

fn create(tx: &Transaction<'_>, schedule: &Schedule) -> Result<(), PortError> {
    let values = named_params! {
        ":config": schedule.config_id.to_string(),
        ":tenant": schedule.tenant_id.as_str(),
        ":provider": schedule.template.provider(),
        ":domain": schedule.template.domain(),
        ":template": schedule.template.name(),
        ":cron": schedule.cron.as_str(),
        ":zone": schedule.zone.name(),
        ":parameters": serde_json::Value::from(schedule.parameters.clone()).to_string(),
        ":active": schedule.is_active,
        ":next": schedule.next_run_time.map(micros),
        ":priority": schedule.priority,
        ":catchup": schedule.catchup.as_str(),
        ":max_catchup": schedule.max_catchup,
        ":retry_count": schedule.retry.count,
        ":retry_backoff": schedule.retry.backoff_seconds,
        ":created_by": schedule.created_by.as_str(),
        ":fingerprint": schedule.fingerprint,
        ":revision": schedule.revision,
        ":created_at": micros(schedule.created_at),
        ":updated_at": micros(schedule.updated_at),
    };
    change(tx, CREATE, values).map(|_| ())
}

/// The rows that can be read. One that cannot, as a release that knows other zones or refuses more may have left
/// it, is logged and does not stop the others.
fn readable(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Schedule>, PortError> {
    let rows = all(tx, sql, params, |row| {
        let config: String = row.get("config_id")?;
        Ok(read(row).map_err(|error| {
            tracing::error!(config.id = config, %error, "a schedule cannot be read and does not run");
        }))
    })?;
    Ok(rows.into_iter().filter_map(Result::ok).collect())
}

/// The retries that wait; `None` where the schedule is gone.
fn retries(tx: &Transaction<'_>, config_id: ConfigId) -> Result<Option<Vec<Retry>>, PortError> {
    first(tx, RETRIES, [config_id.to_string()], |row| row.json_opt("retries"))
        .map(|found| found.map(Option::unwrap_or_default))
}

fn stored(retries: &[Retry]) -> Result<String, PortError> {
    serde_json::to_string(retries).map_err(|e| PortError::other("retries as JSON", e))
}

fn read(row: &Columns<'_>) -> Result<Schedule, PortError> {
    let part = |name| row.get::<String>(name);
    Ok(Schedule {
        config_id: row.parse("config_id")?,
        tenant_id: row.tenant()?,
        template: TemplateId::new(
            &part("provider")?,
            &part("domain")?,
            &part("pipeline_template")?,
        )
        .map_err(|e| corrupt("pipeline_template", e))?,
        cron: CronSchedule::parse(&part("schedule_cron")?)
            .map_err(|e| corrupt("schedule_cron", e))?,
        zone: row.parse("timezone")?,
        parameters: row.json("parameters")?,
        is_active: row.get("is_active")?,
        next_run_time: row.time_opt("next_run_time")?,
        priority: row.get("priority")?,
        catchup: row.parse("catchup")?,
        max_catchup: row.number("max_catchup")?,
        retry: RetryPolicy {
            count: row.number("retry_count")?,
            backoff_seconds: row.number("retry_backoff_seconds")?,
        },
        retries: row.json_opt("retries")?.unwrap_or_default(),
        created_by: UserId::parse(&part("created_by")?).map_err(|e| corrupt("created_by", e))?,
        fingerprint: row.get("fingerprint")?,
        revision: row.get("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
