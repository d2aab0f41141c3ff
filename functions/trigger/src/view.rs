//! A run as the API shows it.

use chrono::{DateTime, Utc};
use common::run::{
    CheckResult, FailureKind, Run, RunId, RunSlot, RunStatus, Severity, StepLog, StepStatus,
};
use common::schedule::ConfigId;
use common::tenant::TenantId;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    #[schema(value_type = String, format = "uuid")]
    pipeline_logging_id: RunId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    pipeline_id: String,
    /// Who asked for it, as asserted by the caller.
    user_id: String,
    status: RunStatus,
    /// Why it is FAILED.
    failure_kind: Option<FailureKind>,
    /// One sentence about the end.
    message: Option<String>,
    /// Resolved parameters by name, defaults filled in.
    parameters: Map<String, Json>,
    attempt: u32,
    /// The slot of the schedule that asked for it.
    schedule: Option<ScheduledView>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// From its slot to its end.
    duration_ms: Option<i64>,
    cancel_requested_at: Option<DateTime<Utc>>,
    rows_written: u64,
    bytes_processed: u64,
}

/// Which attempt of which slot of a schedule a run is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduledView {
    #[schema(value_type = String, format = "uuid")]
    config_id: ConfigId,
    /// When the slot was due.
    slot: DateTime<Utc>,
    /// From 1; each is a run of its own.
    attempt: u32,
}

impl From<RunSlot> for ScheduledView {
    fn from(RunSlot { config_id, slot, attempt }: RunSlot) -> Self {
        Self { config_id, slot, attempt }
    }
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        let ending = run.ending;
        let duration = run.started_at.zip(run.ended_at).map(|(from, to)| to - from);
        Self {
            pipeline_logging_id: run.run_id,
            pipeline_id: run.pipeline.pipeline_id(&run.tenant_id),
            tenant_id: run.tenant_id,
            user_id: run.user_id.as_str().to_owned(),
            status: run.status,
            failure_kind: ending.as_ref().and_then(|e| e.failure_kind),
            rows_written: ending.as_ref().map_or(0, |e| e.rows_written),
            bytes_processed: ending.as_ref().map_or(0, |e| e.bytes_processed),
            message: ending.and_then(|e| e.message),
            parameters: plain(&run.parameters),
            attempt: run.attempt,
            schedule: run.slot.map(ScheduledView::from),
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            duration_ms: duration.map(|d| d.num_milliseconds()),
            cancel_requested_at: run.cancel_requested_at,
        }
    }
}

/// Stored parameters without their types: as a caller would send them.
fn plain(stored: &Json) -> Map<String, Json> {
    let values = stored.as_object().into_iter().flatten();
    values.map(|(name, typed)| (name.clone(), typed["value"].clone())).collect()
}

/// A run with all that it did so far.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunDetails {
    #[serde(flatten)]
    run: RunView,
    /// Its place in the queue, from 1, where it is queued.
    position: Option<u32>,
    /// Every try of every step, by start.
    steps: Vec<StepView>,
    /// Every check, by time.
    checks: Vec<CheckView>,
}

impl RunDetails {
    /// Puts the parts together.
    pub(crate) fn new(
        run: Run,
        position: Option<u32>,
        steps: Vec<StepLog>,
        checks: Vec<CheckResult>,
    ) -> Self {
        Self {
            run: run.into(),
            position,
            steps: steps.into_iter().map(StepView::from).collect(),
            checks: checks.into_iter().map(CheckView::from).collect(),
        }
    }
}

/// One try of a step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepView {
    step_id: String,
    step_type: String,
    /// The run's attempt.
    attempt: u32,
    /// The try within the attempt, from 1.
    try_number: u32,
    status: StepStatus,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    duration_ms: i64,
    rows_written: u64,
    bytes_processed: u64,
    job_id: Option<String>,
    error_kind: Option<String>,
    message: Option<String>,
}

impl From<StepLog> for StepView {
    fn from(step: StepLog) -> Self {
        Self {
            step_id: step.step_id,
            step_type: step.step_type,
            attempt: step.attempt,
            try_number: step.try_number,
            status: step.status,
            started_at: step.started_at,
            ended_at: step.ended_at,
            duration_ms: (step.ended_at - step.started_at).num_milliseconds(),
            rows_written: step.rows,
            bytes_processed: step.bytes,
            job_id: step.job_id,
            error_kind: step.error_kind,
            message: step.message,
        }
    }
}

/// The result of a check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckView {
    step_id: String,
    check_id: String,
    check_type: String,
    #[serde(rename = "table_name")]
    table: Option<String>,
    #[schema(inline)]
    severity: Severity,
    blocking: bool,
    passed: bool,
    observed: String,
    threshold: String,
    /// Up to five keys of failing rows.
    failing_keys: Vec<String>,
    checked_at: DateTime<Utc>,
}

impl From<CheckResult> for CheckView {
    fn from(check: CheckResult) -> Self {
        Self {
            step_id: check.step_id,
            check_id: check.check_id,
            check_type: check.check_type,
            table: check.table,
            severity: check.severity,
            blocking: check.blocking,
            passed: check.passed,
            observed: check.observed,
            threshold: check.threshold,
            failing_keys: check.failing_keys,
            checked_at: check.checked_at,
        }
    }
}
