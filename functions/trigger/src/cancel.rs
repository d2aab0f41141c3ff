//! `POST …/cancel`: the end of a run is asked for.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use common::http::Caller;
use common::http::extract::{Json, Path};
use common::http::problem::{Kind, Problem, ProblemBody};
use common::run::{RunId, RunStatus};
use common::submit::{self, Cancelled};
use common::tenant::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use crate::runs::{parse_run_id, unknown};

/// Where the run stands after the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelAnswer {
    #[schema(value_type = String, format = "uuid")]
    pipeline_logging_id: RunId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// `CANCELLED`, or `RUNNING` until its execution has stopped.
    status: RunStatus,
    message: &'static str,
}

/// Cancels a run: a queued one at once, a running one as soon as its execution has stopped.
#[utoipa::path(
    post,
    path = "/api/v1/pipelines/runs/{tenant_id}/{pipeline_logging_id}/cancel",
    tag = "runs",
    operation_id = "cancel_run",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("pipeline_logging_id" = String, Path, description = "The run"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
    ),
    responses(
        (status = 200, description = "The run is cancelled", body = CancelAnswer),
        (status = 202, description = "The run is being stopped", body = CancelAnswer),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The run ended otherwise", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(
    Extract(state): Extract<State>,
    caller: Caller,
    Path((tenant, run)): Path<(String, String)>,
) -> Result<(StatusCode, Json<CancelAnswer>), Problem> {
    caller.authorize_path(&tenant)?;
    let run_id = parse_run_id(&run)?;
    let run = match submit::cancel(&state.gate, &caller.tenant_id, run_id).await? {
        Cancelled::Unknown => return Err(unknown(run_id)),
        Cancelled::Ended(run) | Cancelled::Accepted(run) => run,
    };
    let (code, message) = match run.status {
        RunStatus::Cancelled => (StatusCode::OK, "Pipeline cancelled"),
        RunStatus::Queued | RunStatus::Running => {
            (StatusCode::ACCEPTED, "Pipeline is being cancelled")
        }
        RunStatus::Completed | RunStatus::Failed | RunStatus::TimedOut | RunStatus::Expired => {
            let detail = format!("run {run_id} ended before: {}", run.status);
            return Err(
                Problem::new(Kind::RunEnded, detail).with("run_status", run.status.as_str())
            );
        }
    };
    let answer = CancelAnswer {
        pipeline_logging_id: run.run_id,
        tenant_id: run.tenant_id,
        status: run.status,
        message,
    };
    Ok((code, Json(answer)))
}
