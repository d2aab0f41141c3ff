//! A backfill as it is answered: admitted, or with `dry_run` as it would be.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use common::plan::Limits;
use common::quota::{Counts, Limit};
use common::run::{Run, RunId, RunStatus};
use common::tenant::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::known::Known;
use super::order::Order;
use crate::run::limit_name;

/// What every day of a backfill came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillAnswer {
    #[schema(value_type = String)]
    tenant_id: TenantId,
    pipeline_id: String,
    /// The first day.
    from: NaiveDate,
    /// The last day, included.
    to: NaiveDate,
    /// Nothing was written.
    dry_run: bool,
    /// The days that have a run, oldest first; with `dry_run` all days.
    runs: Vec<DayRun>,
    /// The days that have none, oldest first: the same request goes on with them.
    not_admitted: Vec<NaiveDate>,
    /// The limit that the first of them met; null where it was none.
    limit: Option<LimitReached>,
    /// When that limit may let a run in again.
    retry_at: Option<DateTime<Utc>>,
    /// With `dry_run`: how far the plan would let it go.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
    /// For people.
    message: String,
}

/// The run of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayRun {
    pub(super) date: NaiveDate,
    #[schema(value_type = String, format = "uuid")]
    pipeline_logging_id: RunId,
    /// Null where there is no run yet, as `dry_run` tells.
    status: Option<RunStatus>,
    /// Its place in the queue, from 1, where it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    /// Whether the run was found there; false where this request made it, or would.
    pub(super) existed: bool,
}

impl DayRun {
    /// A day with its row.
    pub(super) fn of(date: NaiveDate, run: &Run, position: Option<u32>, existed: bool) -> Self {
        Self { position, existed, ..Self::new(date, run.run_id, run.status) }
    }

    /// A day whose run this request made.
    pub(super) fn new(date: NaiveDate, run_id: RunId, status: RunStatus) -> Self {
        let status = Some(status);
        Self { date, pipeline_logging_id: run_id, status, position: None, existed: false }
    }
}

/// Where the tenant stands.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    pipelines_run_today: u32,
    daily_limit: u32,
    pipelines_run_this_month: u32,
    monthly_limit: u32,
    pipelines_running: u32,
    concurrent_limit: u32,
    pipelines_queued: u32,
    max_queued: u32,
}

impl Usage {
    fn new(limits: Limits, counts: Counts) -> Self {
        Self {
            pipelines_run_today: counts.today,
            daily_limit: limits.daily_limit,
            pipelines_run_this_month: counts.month,
            monthly_limit: limits.monthly_limit,
            pipelines_running: counts.active,
            concurrent_limit: limits.concurrent_limit,
            pipelines_queued: counts.queued,
            max_queued: limits.max_queued,
        }
    }
}

/// The limit that ended the admitting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitReached {
    /// `daily_limit`, `monthly_limit` or `max_queued`.
    limit: &'static str,
    #[serde(flatten)]
    usage: Usage,
}

impl LimitReached {
    /// As the gate said it.
    pub(super) fn new(limit: Limit, limits: Limits, counts: Counts) -> Self {
        Self { limit: limit_name(limit), usage: Usage::new(limits, counts) }
    }
}

/// How many of the days that have no run the plan would let in, if nothing else were triggered. Past
/// `max_queued` waiting runs they take more than one request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quota {
    /// By the end of this UTC day.
    would_admit_today: u32,
    /// By the end of this UTC month.
    would_admit_this_month: u32,
    #[serde(flatten)]
    usage: Usage,
}

impl Quota {
    fn new(new: u32, limits: Limits, counts: Counts, today: NaiveDate) -> Self {
        let left_today = limits.daily_limit.saturating_sub(counts.today);
        let left_month = limits.monthly_limit.saturating_sub(counts.month);
        let days_after = u32::from(today.num_days_in_month()).saturating_sub(today.day());
        let by_days = days_after.saturating_mul(limits.daily_limit).saturating_add(left_today);
        Self {
            would_admit_today: new.min(left_today).min(left_month),
            would_admit_this_month: new.min(by_days).min(left_month),
            usage: Usage::new(limits, counts),
        }
    }
}

impl BackfillAnswer {
    /// Without a limit.
    pub(super) fn new(
        order: &Order,
        runs: Vec<DayRun>,
        not_admitted: Vec<NaiveDate>,
        message: String,
    ) -> Self {
        Self {
            tenant_id: order.tenant().clone(),
            pipeline_id: order.template.pipeline_id(order.tenant()),
            from: order.from,
            to: order.to,
            dry_run: order.dry_run,
            runs,
            not_admitted,
            limit: None,
            retry_at: None,
            quota: None,
            message,
        }
    }

    /// The same, ended by a limit.
    pub(super) fn at_limit(self, limit: LimitReached, retry_at: DateTime<Utc>) -> Self {
        Self { limit: Some(limit), retry_at: Some(retry_at), ..self }
    }
}

/// The answer to a `dry_run`.
pub(super) fn preview(
    order: &Order,
    known: &Known,
    limits: Limits,
    counts: Counts,
    today: NaiveDate,
) -> BackfillAnswer {
    let new = |date| DayRun {
        date,
        pipeline_logging_id: order.run_id(date),
        status: None,
        position: None,
        existed: false,
    };
    let days = order.dates().map(|date| known.day(order, date).unwrap_or_else(|| new(date)));
    let runs: Vec<DayRun> = days.collect();
    let missing = runs.iter().filter(|run| !run.existed).count();
    let message = format!("{missing} of {} days have no run yet; nothing was written", runs.len());
    let missing = u32::try_from(missing).unwrap_or(u32::MAX);
    let quota = Quota::new(missing, limits, counts, today);
    BackfillAnswer { quota: Some(quota), ..BackfillAnswer::new(order, runs, Vec::new(), message) }
}
