//! A run: its row, the states it goes through, and what it leaves behind of steps and checks.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pipeline::TemplateId;
use crate::schedule::ConfigId;
use crate::tenant::{TenantId, UserId, stored_as_text};
use crate::warehouse::JobId;

/// A run's id, the `pipeline_logging_id` of every answer and table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

/// The namespace of ids derived from something else; part of every such id, so never changed.
pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(0x8f0e_6c5a_3b1d_4e7c_9a42_5d1c_77b0_e614);

impl RunId {
    /// The id that a tenant's `Idempotency-Key` on a route stands for: the same for ever.
    pub fn of_key(tenant: &TenantId, route: &str, key: &str) -> Self {
        let name = format!("{tenant}\n{route}\n{key}");
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The id of the run that a backfill makes for a day: the same for ever. `others` is the fingerprint of the
    /// parameters beside `date_parameter`; another `key` stands for another run of the same day.
    pub fn of_backfill(
        tenant: &TenantId,
        template: &TemplateId,
        date_parameter: &str,
        others: &str,
        date: NaiveDate,
        key: Option<&str>,
    ) -> Self {
        let mut name =
            format!("{tenant}\nbackfill\n{template}\n{date_parameter}\n{others}\n{date}");
        if let Some(key) = key {
            name.push('\n');
            name.push_str(key);
        }
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// The warehouse job of the `try_number`th try of a step in the run's `attempt`th execution.
    pub fn job(self, step: &str, attempt: u32, try_number: u32) -> JobId {
        JobId(format!("run-{}-{step}-a{attempt}-{try_number}", self.0.simple()))
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Where a run stands. The last five are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// Admitted, waits for a slot.
    Queued,
    /// Holds a slot.
    Running,
    /// Every step ended well.
    Completed,
    /// It did not; `failure_kind` says why.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
    /// It outlived its timeout.
    TimedOut,
    /// It waited too long for a slot.
    Expired,
}

impl RunStatus {
    /// Whether the run has ended for good.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Expired => {
                true
            }
        }
    }
}

stored_as_text!(RunStatus {
    Queued = "QUEUED",
    Running = "RUNNING",
    Completed = "COMPLETED",
    Failed = "FAILED",
    Cancelled = "CANCELLED",
    TimedOut = "TIMED_OUT",
    Expired = "EXPIRED",
});

/// Why a run is FAILED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureKind {
    /// A blocking check of severity `error` did not pass.
    DataQuality,
    /// A statement would have read or written what it may not.
    Guard,
    /// A step failed.
    Step,
    /// The template or its parameters cannot be used any more.
    Template,
    /// No execution began in time, or none could be launched.
    Start,
    /// The execution ended without saying how.
    Lost,
    /// A defect of Headgate.
    Bug,
}

stored_as_text!(FailureKind {
    DataQuality = "DATA_QUALITY",
    Guard = "GUARD",
    Step = "STEP",
    Template = "TEMPLATE",
    Start = "START",
    Lost = "LOST",
    Bug = "BUG",
});

/// How a run ended, decided once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// A final status.
    pub status: RunStatus,
    /// Why, where it is FAILED.
    pub failure_kind: Option<FailureKind>,
    /// One sentence for the reader of the run.
    pub message: Option<String>,
    /// Rows written by all steps.
    pub rows_written: u64,
    /// Bytes read by all steps.
    pub bytes_processed: u64,
}

impl Ending {
    /// An ending without work of its own.
    pub fn of(status: RunStatus, kind: Option<FailureKind>, message: impl Into<String>) -> Self {
        Self {
            status,
            failure_kind: kind,
            message: Some(message.into()),
            rows_written: 0,
            bytes_processed: 0,
        }
    }

    /// Tells in the log that a run has ended, whoever wrote the end: what is counted and alerted on. `written` says
    /// whether this end stands; where it does not, another came first.
    pub fn log(&self, tenant: &TenantId, run_id: RunId, written: bool) {
        tracing::info!(
            tenant.id = %tenant,
            run.id = %run_id,
            status = %self.status,
            failure_kind = self.failure_kind.map(tracing::field::display),
            reason = self.message,
            written,
            "the run has ended"
        );
    }
}

/// Which attempt of which slot of a schedule a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSlot {
    /// The schedule.
    pub config_id: ConfigId,
    /// When the slot was due.
    pub slot: DateTime<Utc>,
    /// Which attempt, from 1; each is a run of its own.
    pub attempt: u32,
}

/// A run's row in `x_meta_pipeline_runs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Who asked for it, as asserted by the caller.
    pub user_id: UserId,
    /// The template it follows.
    pub pipeline: TemplateId,
    /// Lower starts sooner.
    pub priority: i64,
    /// Where it stands.
    pub status: RunStatus,
    /// The slot of the schedule that asked for it.
    pub slot: Option<RunSlot>,
    /// Resolved parameters, as [`crate::pipeline`] stores them.
    pub parameters: serde_json::Value,
    /// SHA-256 of what an `Idempotency-Key` was first sent with, in hex.
    pub fingerprint: Option<String>,
    /// The UTC day it is counted in.
    pub day: NaiveDate,
    /// Which execution may claim it, from 1.
    pub attempt: u32,
    /// How long an execution may take.
    pub timeout: Duration,
    /// Bytes that its statements may read together: the plan's at admission.
    pub max_bytes: u64,
    /// Steps at once: the plan's at admission.
    pub max_parallel: u32,
    /// When it was admitted.
    pub created_at: DateTime<Utc>,
    /// When it got its slot.
    pub started_at: Option<DateTime<Utc>>,
    /// An execution that has not claimed the run by then is launched again.
    pub start_by: Option<DateTime<Utc>>,
    /// When an execution claimed it.
    pub claimed_at: Option<DateTime<Utc>>,
    /// The execution launched or claimed last.
    pub execution: Option<String>,
    /// When somebody asked for its end.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The launcher refused it for good: its count is given back.
    pub launch_refused: bool,
    /// How it ended; `None` while it has not.
    pub ending: Option<Ending>,
}

/// How one try of a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepStatus {
    /// It did what it says.
    Completed,
    /// It failed; another try may follow.
    Failed,
    /// It never ran, because of a step before it.
    Skipped,
    /// It was stopped.
    Cancelled,
}

stored_as_text!(StepStatus {
    Completed = "COMPLETED",
    Failed = "FAILED",
    Skipped = "SKIPPED",
    Cancelled = "CANCELLED",
});

/// One try of a step, a row of `x_meta_step_logs`; written once, when the try has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLog {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The run's user.
    pub user_id: UserId,
    /// The step's id in the template.
    pub step_id: String,
    /// `sql`, `load`, `check`, `export` or `notify`.
    pub step_type: String,
    /// The run's attempt.
    pub attempt: u32,
    /// The try of the step within that attempt, from 1.
    pub try_number: u32,
    /// How it ended.
    pub status: StepStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Rows written.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The warehouse's job.
    pub job_id: Option<String>,
    /// Why it failed: `GUARD`, `INVALID_QUERY`, `UNAVAILABLE`, `TIMEOUT` and the like.
    pub error_kind: Option<String>,
    /// One sentence about it.
    pub message: Option<String>,
}

/// What a failed check means.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is noted.
    Warn,
    /// It is an error; where the check is blocking the run ends FAILED.
    Error,
}

stored_as_text!(Severity { Warn = "warn", Error = "error" });

/// A check's result, a row of `x_meta_dq_results`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The run's user.
    pub user_id: UserId,
    /// The step that holds the check.
    pub step_id: String,
    /// The check's id.
    pub check_id: String,
    /// Its type, such as `not_null`.
    pub check_type: String,
    /// The table it looked at.
    pub table: Option<String>,
    /// What a failure means.
    pub severity: Severity,
    /// Whether a failure ends the run.
    pub blocking: bool,
    /// Whether it passed.
    pub passed: bool,
    /// What was found, such as `0`.
    pub observed: String,
    /// What was allowed, such as `= 0`.
    pub threshold: String,
    /// Up to five keys of failing rows, never whole rows.
    pub failing_keys: Vec<String>,
    /// When it was looked at.
    pub checked_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_stands_for_one_id_for_ever() {
        let tenant = TenantId::parse("acme").unwrap();
        let id = RunId::of_key(&tenant, "run/gcp/cost/billing", "k-1");
        assert_eq!(id.to_string(), "397c1639-22e8-54fe-907a-4b36dbe3efe4");
        assert_ne!(id, RunId::of_key(&tenant, "run/gcp/cost/billing", "k-2"));
        assert_ne!(id, RunId::of_key(&tenant, "run/gcp/cost", "k-1"));
    }

    #[test]
    fn a_backfilled_day_stands_for_one_id_for_ever() {
        let tenant = |id| TenantId::parse(id).unwrap();
        let template = |id: &str| id.parse::<TemplateId>().unwrap();
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let (acme, billing, day) = (tenant("acme"), template("gcp/cost/billing"), "2025-11-17");
        let id = RunId::of_backfill(&acme, &billing, "date", "f0", date(day), None);
        assert_eq!(id.to_string(), "57e38ab4-9ad5-50a3-bbdd-b80a464f0cef");
        let others = [
            RunId::of_backfill(&tenant("beta"), &billing, "date", "f0", date(day), None),
            RunId::of_backfill(&acme, &template("gcp/cost/labels"), "date", "f0", date(day), None),
            RunId::of_backfill(&acme, &billing, "end_date", "f0", date(day), None),
            RunId::of_backfill(&acme, &billing, "date", "f1", date(day), None),
            RunId::of_backfill(&acme, &billing, "date", "f0", date("2025-11-18"), None),
            RunId::of_backfill(&acme, &billing, "date", "f0", date(day), Some("k-1")),
            RunId::of_backfill(&acme, &billing, "date", "f0", date(day), Some("k-2")),
        ];
        let distinct: std::collections::HashSet<RunId> = others.into_iter().chain([id]).collect();
        assert_eq!(distinct.len(), 8);
    }
}
