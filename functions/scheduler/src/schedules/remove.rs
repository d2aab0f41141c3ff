//! Removes a schedule.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use common::http::Caller;
use common::http::extract::Path;
use common::http::problem::{Problem, ProblemBody};
use common::tenant::UserId;

use super::{parse, unknown};
use crate::State;

/// Removes a schedule and the retries that wait in it.
///
/// Its runs go on and stay, and so do the records of its slots. A run that was asked for and is not yet let in is
/// refused.
#[utoipa::path(
    delete,
    path = "/api/v1/scheduler/tenant/{tenant_id}/pipelines/{config_id}",
    operation_id = "remove_schedule",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("config_id" = String, Path, description = "The schedule"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such schedule", body = ProblemBody, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(
    Extract(state): Extract<State>,
    caller: Caller,
    Path((tenant, config)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.authorize_path(&tenant)?;
    let config_id = parse(&config)?;
    if !state.context.schedules.delete_schedule(&caller.tenant_id, config_id).await? {
        return Err(unknown());
    }
    let user = caller.user_id.as_ref().map(UserId::as_str);
    tracing::info!(config.id = %config_id, user, "schedule removed");
    Ok(StatusCode::NO_CONTENT)
}
