//! Runs on SQLite: one row per run, changed only from the state that a transition leaves.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::pipeline::TemplateId;
use common::port::PortError;
use common::run::{CheckResult, Ending, Run, RunId, RunSlot, StepLog};
use common::state::{Inserted, Page, RunFilter, Runs, Transition};
use common::tenant::{TenantId, UserId};
use rusqlite::{Transaction, named_params, params};

use super::{Columns, SqliteState, all, change, corrupt, first, micros};

/// What the priority of a row older than its column is read as.
const OLDER_PRIORITY: i64 = 100;

const INSERT: &str = "INSERT INTO x_meta_pipeline_runs
     (pipeline_logging_id, tenant_id, user_id, pipeline_id, provider, domain, pipeline_template, priority,
      queued, status, parameters, fingerprint, day, attempt, timeout_seconds, max_bytes, max_parallel,
      created_at, started_at, start_by, launch_refused, config_id, slot, slot_attempt)
     VALUES (:run, :tenant, :user, :pipeline, :provider, :domain, :template, :priority, :queued, :status,
      :parameters, :fingerprint, :day, :attempt, :timeout, :max_bytes, :max_parallel, :created_at, :started_at,
      :start_by, 0, :config, :slot, :slot_attempt)";
const GET: &str =
    "SELECT * FROM x_meta_pipeline_runs WHERE tenant_id = ?1 AND pipeline_logging_id = ?2";
const GET_ALL: &str = "SELECT * FROM x_meta_pipeline_runs WHERE tenant_id = ?1
     AND pipeline_logging_id IN (SELECT value FROM json_each(?2))";
const UNFINISHED: &str = "SELECT * FROM x_meta_pipeline_runs
     WHERE tenant_id = ?1 AND status IN ('QUEUED', 'RUNNING') ORDER BY created_at";
const LIST: &str = "SELECT * FROM x_meta_pipeline_runs WHERE tenant_id = :tenant
     AND (:status IS NULL OR status = :status)
     AND (:pipeline IS NULL OR pipeline_id = :pipeline)
     AND (:from IS NULL OR created_at >= :from) AND (:until IS NULL OR created_at < :until)
     AND (:after_at IS NULL OR (created_at, pipeline_logging_id) < (:after_at, :after_run))
     ORDER BY created_at DESC, pipeline_logging_id DESC LIMIT :limit";
const START: &str =
    "UPDATE x_meta_pipeline_runs SET status = 'RUNNING', started_at = ?3, start_by = ?4
     WHERE tenant_id = ?1 AND pipeline_logging_id = ?2 AND status = 'QUEUED' AND attempt = ?5";
const LAUNCHED: &str = "UPDATE x_meta_pipeline_runs SET execution = ?4
     WHERE tenant_id = ?1 AND pipeline_logging_id = ?2 AND status = 'RUNNING' AND attempt = ?3
     AND claimed_at IS NULL";
const RELAUNCH: &str =
    "UPDATE x_meta_pipeline_runs SET attempt = ?4, start_by = ?5, execution = NULL
     WHERE tenant_id = ?1 AND pipeline_logging_id = ?2 AND status = 'RUNNING' AND attempt = ?3
     AND claimed_at IS NULL";
const CLAIM: &str = "UPDATE x_meta_pipeline_runs SET claimed_at = ?5, execution = ?4
     WHERE tenant_id = ?1 AND pipeline_logging_id = ?2 AND status = 'RUNNING' AND attempt = ?3
     AND claimed_at IS NULL AND cancel_requested_at IS NULL";
const REQUEST_CANCEL: &str = "UPDATE x_meta_pipeline_runs SET cancel_requested_at = ?3
     WHERE tenant_id = ?1 AND pipeline_logging_id = ?2 AND status IN ('QUEUED', 'RUNNING')
     AND cancel_requested_at IS NULL";
const END: &str = "UPDATE x_meta_pipeline_runs SET status = :status, failure_kind = :kind,
     message = :message, rows_written = :rows, bytes_processed = :bytes, ended_at = :at,
     launch_refused = :refused WHERE tenant_id = :tenant AND pipeline_logging_id = :run";
const LOG_STEP: &str = "INSERT INTO x_meta_step_logs
     (pipeline_logging_id, tenant_id, user_id, step_id, step_type, attempt, try_number, status,
      started_at, ended_at, rows_written, bytes_processed, job_id, error_kind, message)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
     ON CONFLICT DO NOTHING";
const LOG_CHECK: &str = "INSERT INTO x_meta_dq_results
     (pipeline_logging_id, tenant_id, user_id, step_id, check_id, check_type, table_name, severity,
      blocking, passed, observed, threshold, failing_keys, checked_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING";
const STEPS: &str =
    "SELECT * FROM x_meta_step_logs WHERE tenant_id = ?1 AND pipeline_logging_id = ?2
     ORDER BY started_at, ended_at, step_id, try_number";
const CHECKS: &str =
    "SELECT * FROM x_meta_dq_results WHERE tenant_id = ?1 AND pipeline_logging_id = ?2
     ORDER BY checked_at, rowid";

#[async_trait]
impl Runs for SqliteState {
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError> {
        self.db.write(|tx| {
            // Asked inside the transaction: whoever waited for its turn too long comes too late.
            if self.clock.now() >= record_before {
                return Ok(Inserted::TooLate);
            }
            insert(tx, run)?;
            Ok(Inserted::Recorded)
        })
    }

    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError> {
        self.db.read(|tx| first(tx, GET, params![tenant.as_str(), run_id.to_string()], read_run))
    }

    async fn get_all(&self, tenant: &TenantId, runs: &[RunId]) -> Result<Vec<Run>, PortError> {
        let ids: serde_json::Value = runs.iter().map(RunId::to_string).collect();
        let ids = ids.to_string();
        self.db.read(|tx| all(tx, GET_ALL, params![tenant.as_str(), ids], read_run))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError> {
        let midnight =
            |day: chrono::NaiveDate| micros(day.and_time(chrono::NaiveTime::MIN).and_utc());
        let until = filter.to.and_then(|day| day.succ_opt()).map(midnight);
        let values = named_params! {
            ":tenant": tenant.as_str(),
            ":status": filter.status.map(common::run::RunStatus::as_str),
            ":pipeline": filter.pipeline_id,
            ":from": filter.from.map(midnight),
            ":until": until,
            ":after_at": page.after.map(|(at, _)| micros(at)),
            ":after_run": page.after.map(|(_, run)| run.to_string()),
            ":limit": page.limit,
        };
        self.db.read(|tx| all(tx, LIST, values, read_run))
    }

    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError> {
        self.db.read(|tx| all(tx, UNFINISHED, [tenant.as_str()], read_run))
    }

    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        self.db.write(|tx| Ok(apply(tx, tenant, run_id, transition)? == 1))
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let values = params![
            step.run_id.to_string(),
            step.tenant_id.as_str(),
            step.user_id.as_str(),
            step.step_id,
            step.step_type,
            step.attempt,
            step.try_number,
            step.status.as_str(),
            micros(step.started_at),
            micros(step.ended_at),
            number(step.rows),
            number(step.bytes),
            step.job_id,
            step.error_kind,
            step.message,
        ];
        self.db.write(|tx| change(tx, LOG_STEP, values).map(|_| ()))
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        self.db.write(|tx| {
            for check in checks {
                let keys = serde_json::to_string(&check.failing_keys)
                    .map_err(|e| PortError::other("failing keys as JSON", e))?;
                let values = params![
                    check.run_id.to_string(),
                    check.tenant_id.as_str(),
                    check.user_id.as_str(),
                    check.step_id,
                    check.check_id,
                    check.check_type,
                    check.table,
                    check.severity.as_str(),
                    check.blocking,
                    check.passed,
                    check.observed,
                    check.threshold,
                    keys,
                    micros(check.checked_at),
                ];
                change(tx, LOG_CHECK, values)?;
            }
            Ok(())
        })
    }

    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        let run = run_id.to_string();
        self.db.read(|tx| {
            let steps = all(tx, STEPS, params![tenant.as_str(), run], read_step)?;
            let checks = all(tx, CHECKS, params![tenant.as_str(), run], read_check)?;
            Ok((steps, checks))
        })
    }
}

fn insert(tx: &Transaction<'_>, run: &Run) -> Result<(), PortError> {
    let values = named_params! {
        ":run": run.run_id.to_string(),
        ":tenant": run.tenant_id.as_str(),
        ":user": run.user_id.as_str(),
        ":pipeline": run.pipeline.pipeline_id(&run.tenant_id),
        ":provider": run.pipeline.provider(),
        ":domain": run.pipeline.domain(),
        ":template": run.pipeline.name(),
        ":priority": run.priority,
        ":queued": run.status == common::run::RunStatus::Queued,
        ":status": run.status.as_str(),
        ":parameters": run.parameters.to_string(),
        ":fingerprint": run.fingerprint,
        ":day": run.day.to_string(),
        ":attempt": run.attempt,
        ":timeout": i64::try_from(run.timeout.as_secs()).unwrap_or(i64::MAX),
        ":max_parallel": run.max_parallel,
        ":max_bytes": i64::try_from(run.max_bytes).unwrap_or(i64::MAX),
        ":created_at": micros(run.created_at),
        ":started_at": run.started_at.map(micros),
        ":start_by": run.start_by.map(micros),
        ":config": run.slot.map(|slot| slot.config_id.to_string()),
        ":slot": run.slot.map(|slot| micros(slot.slot)),
        ":slot_attempt": run.slot.map(|slot| slot.attempt),
    };
    change(tx, INSERT, values).map(|_| ())
}

fn apply(
    tx: &Transaction<'_>,
    tenant: &TenantId,
    run_id: RunId,
    transition: &Transition,
) -> Result<usize, PortError> {
    let (id, run) = (tenant.as_str(), run_id.to_string());
    match transition {
        Transition::Start { at, start_by, attempt } => {
            change(tx, START, params![id, run, micros(*at), micros(*start_by), attempt])
        }
        Transition::Launched { attempt, execution } => {
            change(tx, LAUNCHED, params![id, run, attempt, execution])
        }
        Transition::Relaunch { from, to, start_by } => {
            change(tx, RELAUNCH, params![id, run, from, to, micros(*start_by)])
        }
        Transition::Claim { attempt, execution, at } => {
            change(tx, CLAIM, params![id, run, attempt, execution, micros(*at)])
        }
        Transition::RequestCancel { at } => {
            change(tx, REQUEST_CANCEL, params![id, run, micros(*at)])
        }
        Transition::EndQueued { ending, at } => {
            end(tx, id, &run, "status = 'QUEUED' AND :attempt = 0", 0, ending, *at, false)
        }
        Transition::EndUnclaimed { attempt, ending, at, launch_refused } => {
            let from = "status = 'RUNNING' AND claimed_at IS NULL AND attempt = :attempt";
            end(tx, id, &run, from, *attempt, ending, *at, *launch_refused)
        }
        Transition::EndClaimed { attempt, ending, at } => {
            let from = "status = 'RUNNING' AND claimed_at IS NOT NULL AND attempt = :attempt";
            end(tx, id, &run, from, *attempt, ending, *at, false)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one row's columns")]
fn end(
    tx: &Transaction<'_>,
    tenant: &str,
    run: &str,
    from: &str,
    attempt: u32,
    ending: &Ending,
    at: DateTime<Utc>,
    launch_refused: bool,
) -> Result<usize, PortError> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let values = named_params! {
        ":tenant": tenant,
        ":run": run,
        ":attempt": attempt,
        ":status": ending.status.as_str(),
        ":kind": ending.failure_kind.map(common::run::FailureKind::as_str),
        ":message": ending.message,
        ":rows": number(ending.rows_written),
        ":bytes": number(ending.bytes_processed),
        ":at": micros(at),
        ":refused": launch_refused,
    };
    change(tx, &format!("{END} AND {from}"), values)
}

fn read_run(row: &Columns<'_>) -> Result<Run, PortError> {
    let status: common::run::RunStatus = row.parse("status")?;
    let ending = if status.is_final() {
        Some(Ending {
            status,
            failure_kind: row.parse_opt("failure_kind")?,
            message: row.get("message")?,
            rows_written: row.number("rows_written")?,
            bytes_processed: row.number("bytes_processed")?,
        })
    } else {
        None
    };
    Ok(Run {
        run_id: row.parse("pipeline_logging_id")?,
        tenant_id: row.tenant()?,
        user_id: user(row)?,
        pipeline: pipeline(row)?,
        priority: row.get::<Option<i64>>("priority")?.unwrap_or(OLDER_PRIORITY),
        status,
        slot: slot(row)?,
        parameters: row.json("parameters")?,
        fingerprint: row.get("fingerprint")?,
        day: row.parse("day")?,
        attempt: row.number("attempt")?,
        timeout: Duration::from_secs(row.number("timeout_seconds")?),
        max_bytes: row.number("max_bytes")?,
        max_parallel: row.max_parallel()?,
        created_at: row.time("created_at")?,
        started_at: row.time_opt("started_at")?,
        start_by: row.time_opt("start_by")?,
        claimed_at: row.time_opt("claimed_at")?,
        execution: row.get("execution")?,
        cancel_requested_at: row.time_opt("cancel_requested_at")?,
        ended_at: row.time_opt("ended_at")?,
        launch_refused: row.get("launch_refused")?,
        ending,
    })
}

fn slot(row: &Columns<'_>) -> Result<Option<RunSlot>, PortError> {
    let Some(config_id) = row.parse_opt("config_id")? else { return Ok(None) };
    let (slot, attempt) = (row.time("slot")?, row.number("slot_attempt")?);
    Ok(Some(RunSlot { config_id, slot, attempt }))
}

fn pipeline(row: &Columns<'_>) -> Result<TemplateId, PortError> {
    let part = |name| row.get::<String>(name);
    TemplateId::new(&part("provider")?, &part("domain")?, &part("pipeline_template")?)
        .map_err(|e| corrupt("pipeline_template", e))
}

fn user(row: &Columns<'_>) -> Result<UserId, PortError> {
    UserId::parse(&row.get::<String>("user_id")?).map_err(|e| corrupt("user_id", e))
}

fn read_step(row: &Columns<'_>) -> Result<StepLog, PortError> {
    Ok(StepLog {
        run_id: row.parse("pipeline_logging_id")?,
        tenant_id: row.tenant()?,
        user_id: user(row)?,
        step_id: row.get("step_id")?,
        step_type: row.get("step_type")?,
        attempt: row.number("attempt")?,
        try_number: row.number("try_number")?,
        status: row.parse("status")?,
        started_at: row.time("started_at")?,
        ended_at: row.time("ended_at")?,
        rows: row.number("rows_written")?,
        bytes: row.number("bytes_processed")?,
        job_id: row.get("job_id")?,
        error_kind: row.get("error_kind")?,
        message: row.get("message")?,
    })
}

fn read_check(row: &Columns<'_>) -> Result<CheckResult, PortError> {
    Ok(CheckResult {
        run_id: row.parse("pipeline_logging_id")?,
        tenant_id: row.tenant()?,
        user_id: user(row)?,
        step_id: row.get("step_id")?,
        check_id: row.get("check_id")?,
        check_type: row.get("check_type")?,
        table: row.get("table_name")?,
        severity: row.parse("severity")?,
        blocking: row.get("blocking")?,
        passed: row.get("passed")?,
        observed: row.get("observed")?,
        threshold: row.get("threshold")?,
        failing_keys: row.json("failing_keys")?,
        checked_at: row.time("checked_at")?,
    })
}
