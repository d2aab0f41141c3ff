//! Rows of runs, steps and checks as what they stand for.

use std::time::Duration;

use crate::gcp::bigquery::Record;
use crate::pipeline::TemplateId;
use crate::plan::steps_at_once;
use crate::port::PortError;
use crate::run::{CheckResult, Ending, Run, RunId, RunSlot, RunStatus, StepLog};
use crate::schedule::ConfigId;
use crate::tenant::UserId;

/// What the priority of a row older than its column is read as.
const OLDER_PRIORITY: i64 = 100;

pub(super) fn run(row: &Record<'_>) -> Result<Run, PortError> {
    let status: RunStatus = row.parse("status")?;
    let ending = if status.is_final() {
        Some(Ending {
            status,
            failure_kind: row.parse_opt("failure_kind")?,
            message: row.get("message")?,
            rows_written: row.get::<Option<u64>>("rows_written")?.unwrap_or(0),
            bytes_processed: row.get::<Option<u64>>("bytes_processed")?.unwrap_or(0),
        })
    } else {
        None
    };
    Ok(Run {
        run_id: RunId(row.get("pipeline_logging_id")?),
        tenant_id: row.get("tenant_id")?,
        user_id: user(row, "user_id")?,
        pipeline: pipeline(row)?,
        priority: row.get::<Option<i64>>("priority")?.unwrap_or(OLDER_PRIORITY),
        status,
        slot: slot(row)?,
        parameters: row.json("parameters")?,
        fingerprint: row.get("fingerprint")?,
        day: row.get("day")?,
        attempt: row.get("attempt")?,
        timeout: Duration::from_secs(row.get("timeout_seconds")?),
        max_bytes: row.get("max_bytes")?,
        max_parallel: row.get::<Option<u32>>("max_parallel")?.unwrap_or_else(steps_at_once),
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        start_by: row.get("start_by")?,
        claimed_at: row.get("claimed_at")?,
        execution: row.get("execution")?,
        cancel_requested_at: row.get("cancel_requested_at")?,
        ended_at: row.get("ended_at")?,
        launch_refused: row.get("launch_refused")?,
        ending,
    })
}

fn slot(row: &Record<'_>) -> Result<Option<RunSlot>, PortError> {
    let Some(config_id) = row.get::<Option<_>>("config_id")?.map(ConfigId) else {
        return Ok(None);
    };
    Ok(Some(RunSlot { config_id, slot: row.get("slot")?, attempt: row.get("slot_attempt")? }))
}

/// The template that a row of a run or a schedule names.
pub(in crate::gcp::state) fn pipeline(row: &Record<'_>) -> Result<TemplateId, PortError> {
    let part = |name| row.get::<String>(name);
    TemplateId::new(&part("provider")?, &part("domain")?, &part("pipeline_template")?)
        .map_err(|e| PortError::other("the column pipeline_template", e.to_string()))
}

/// The person that a column names.
pub(in crate::gcp::state) fn user(row: &Record<'_>, column: &str) -> Result<UserId, PortError> {
    UserId::parse(&row.get::<String>(column)?)
        .map_err(|e| PortError::other(format!("the column {column}"), e))
}

pub(super) fn step(row: &Record<'_>) -> Result<StepLog, PortError> {
    Ok(StepLog {
        run_id: RunId(row.get("pipeline_logging_id")?),
        tenant_id: row.get("tenant_id")?,
        user_id: user(row, "user_id")?,
        step_id: row.get("step_id")?,
        step_type: row.get("step_type")?,
        attempt: row.get("attempt")?,
        try_number: row.get("try_number")?,
        status: row.parse("status")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        rows: row.get("rows_written")?,
        bytes: row.get("bytes_processed")?,
        job_id: row.get("job_id")?,
        error_kind: row.get("error_kind")?,
        message: row.get("message")?,
    })
}

pub(super) fn check(row: &Record<'_>) -> Result<CheckResult, PortError> {
    Ok(CheckResult {
        run_id: RunId(row.get("pipeline_logging_id")?),
        tenant_id: row.get("tenant_id")?,
        user_id: user(row, "user_id")?,
        step_id: row.get("step_id")?,
        check_id: row.get("check_id")?,
        check_type: row.get("check_type")?,
        table: row.get("table_name")?,
        severity: row.parse("severity")?,
        blocking: row.get("blocking")?,
        passed: row.get("passed")?,
        observed: row.get("observed")?,
        threshold: row.get("threshold")?,
        failing_keys: row.get("failing_keys")?,
        checked_at: row.get("checked_at")?,
    })
}
