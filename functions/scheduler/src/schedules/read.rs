//! Reads a tenant's schedules.

use axum::extract::State as Extract;
use common::http::Caller;
use common::http::extract::{Json, Path};
use common::http::problem::{Problem, ProblemBody};
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use super::view::{ScheduleDetails, ScheduleView};
use crate::State;

/// How many records of slots are shown of a schedule.
const SLOTS: u32 = 20;

/// All schedules of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleList {
    /// Oldest first, at most 100: as many as a tenant may keep.
    pipelines: Vec<ScheduleView>,
}

/// Lists a tenant's schedules, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/scheduler/tenant/{tenant_id}/pipelines",
    operation_id = "list_schedules",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
    ),
    responses(
        (status = 200, description = "All of them", body = ScheduleList),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<ScheduleList>, Problem> {
    caller.authorize_path(&tenant)?;
    let schedules = state.context.schedules.schedules_of(&caller.tenant_id).await?;
    let now = state.context.gate.clock.now();
    let pipelines = schedules.into_iter().map(|schedule| ScheduleView::new(schedule, now));
    Ok(Json(ScheduleList { pipelines: pipelines.collect() }))
}

/// Reads a schedule with the newest of its slots.
#[utoipa::path(
    get,
    path = "/api/v1/scheduler/tenant/{tenant_id}/pipelines/{config_id}",
    operation_id = "read_schedule",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("config_id" = String, Path, description = "The schedule"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
    ),
    responses(
        (status = 200, description = "The schedule", body = ScheduleDetails),
        (status = 404, description = "No such schedule", body = ProblemBody, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn read(
    Extract(state): Extract<State>,
    caller: Caller,
    Path((tenant, config)): Path<(String, String)>,
) -> Result<Json<ScheduleDetails>, Problem> {
    caller.authorize_path(&tenant)?;
    let schedule = find(&state, &caller, &config).await?;
    let (slots, config_id) = (&state.context.slots, schedule.config_id);
    let records = slots.newest_attempts(&caller.tenant_id, config_id, SLOTS).await?;
    Ok(Json(ScheduleDetails::new(schedule, records, state.context.gate.clock.now())))
}
