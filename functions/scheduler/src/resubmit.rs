//! `POST /api/v1/scheduler/resubmit/{config_id}`: an operator has a slot run that came to nothing.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use common::http::Operator;
use common::http::extract::{Json, Path};
use common::http::problem::{FieldError, Kind, Problem, ProblemBody};
use common::run::RunId;
use common::schedule::{ConfigId, Schedule, SlotKey, SlotRecord, SlotState};
use serde::{Deserialize, Serialize};
use tracing::Span;
use utoipa::ToSchema;

use crate::{Context, State, slots, tick};

/// Which slot.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResubmitRequest {
    /// When it was due, RFC 3339.
    slot: DateTime<Utc>,
}

/// The request that was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resubmitted {
    #[schema(value_type = String, format = "uuid")]
    config_id: ConfigId,
    tenant_id: String,
    slot: DateTime<Utc>,
    /// Which attempt of the slot this is.
    attempt: u32,
    /// The run that it becomes, if the gate lets it in.
    #[schema(value_type = String, format = "uuid")]
    pipeline_logging_id: RunId,
    message: &'static str,
}

/// Has a slot run again whose request was lost, refused or skipped, or whose run did not complete.
///
/// A slot has one open or completed run at most: while there is one, this is refused. A slot without a run gets
/// its first one, however often this is called.
#[utoipa::path(
    post,
    path = "/api/v1/scheduler/resubmit/{config_id}",
    operation_id = "resubmit_slot",
    params(("config_id" = String, Path, description = "The schedule")),
    request_body = ResubmitRequest,
    responses(
        (status = 202, description = "The run is asked for", body = Resubmitted),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resubmit(
    operator: Operator,
    Extract(state): Extract<State>,
    Path(config): Path<String>,
    Json(request): Json<ResubmitRequest>,
) -> Result<(StatusCode, Json<Resubmitted>), Problem> {
    let context = &state.context;
    let unknown = || Problem::new(Kind::NotFound, "there is no such schedule");
    let config_id: ConfigId = config.parse().map_err(|_| unknown())?;
    let schedule = context.schedules.schedule(config_id).await?.ok_or_else(unknown)?;
    // As precise as the stores.
    let (tenant, slot) = (&schedule.tenant_id, request.slot.trunc_subsecs(6));
    Span::current().record("tenant.id", tenant.as_str());
    let (attempt, date) = attempt(context, &schedule, slot).await?;
    let key = SlotKey { tenant_id: tenant.clone(), config_id, slot, attempt };
    context.events.publish(&[tick::request(&schedule, slot, date, attempt)]).await?;
    tracing::info!(operator = operator.name, config.id = %config_id, %slot, attempt, "slot resubmitted");
    let answer = Resubmitted {
        config_id,
        tenant_id: tenant.to_string(),
        slot,
        attempt,
        pipeline_logging_id: key.run_id(),
        message: "The slot's run is asked for",
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The attempt that is to run, with the slot's date: the last one where it has no run, else the one after it.
async fn attempt(
    context: &Context,
    schedule: &Schedule,
    slot: DateTime<Utc>,
) -> Result<(u32, NaiveDate), Problem> {
    let (tenant, config_id) = (&schedule.tenant_id, schedule.config_id);
    let attempts = || context.slots.attempts(tenant, config_id, slot);
    let Some(last) = attempts().await?.pop() else {
        was_due(schedule, slot, context.gate.clock.now())?;
        return Ok((1, schedule.date(slot)));
    };
    // The record may have missed the end of its run.
    let last = match context.gate.runs.get(tenant, last.key.run_id()).await? {
        Some(run) if run.status.is_final() && last.state.is_open() => {
            slots::settle(context, &run).await?;
            attempts().await?.pop().unwrap_or(last)
        }
        Some(_) if !last.state.has_run() => SlotRecord { state: SlotState::Submitted, ..last },
        Some(_) | None => last,
    };
    let taken = |said: &str| {
        let run = last.key.run_id();
        let detail = format!("{said}: run {run}");
        Err(Problem::new(Kind::SlotTaken, detail).with("pipeline_logging_id", run.to_string()))
    };
    match last.state {
        SlotState::Completed => taken("the slot's run has completed"),
        SlotState::Submitted => taken("the slot's run has not ended"),
        SlotState::Pending => Ok((last.key.attempt, last.date)),
        SlotState::SkippedQuota | SlotState::Refused => {
            let now = context.gate.clock.now();
            let reopen = SlotState::Pending;
            context.slots.settle_attempt(&last.key, reopen, None, now).await?;
            Ok((last.key.attempt, last.date))
        }
        SlotState::Failed | SlotState::Cancelled | SlotState::TimedOut | SlotState::Expired => {
            Ok((last.key.attempt + 1, last.date))
        }
    }
}

/// A slot that left no record has to be one of the schedule, and past.
fn was_due(schedule: &Schedule, slot: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Problem> {
    let just_before = slot - TimeDelta::microseconds(1);
    let is_past = (schedule.created_at..=now).contains(&slot);
    if is_past && schedule.next_after(just_before) == Some(slot) {
        return Ok(());
    }
    let rule = format!(
        "must be a time since the schedule was made at which '{}' in {} fires, or one that has a record",
        schedule.cron, schedule.zone
    );
    Err(Problem::invalid(&[FieldError::new("slot", slot.to_rfc3339(), rule)]))
}
