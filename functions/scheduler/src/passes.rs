//! The routes that the deployment calls by itself: the tick, the queue, the reaper, the ends of runs.

use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use common::http::extract::Json;
use common::http::problem::{Problem, ProblemBody};
use common::http::push::Push;

use crate::queue::Processed;
use crate::reaper::{self, Report};
use crate::tick::{self, Ticked};
use crate::{State, queue};

/// Asks for the runs of every slot that is due.
///
/// Called every minute. Called twice, or at the same time, it makes no run twice.
#[utoipa::path(
    post,
    path = "/api/v1/scheduler/trigger",
    operation_id = "tick",
    responses(
        (status = 200, description = "What the tick did", body = Ticked),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn trigger(
    Extract(state): Extract<State>,
    headers: HeaderMap,
) -> Result<Json<Ticked>, Problem> {
    state.callers.tick.authenticate(&headers).await?;
    Ok(Json(tick::tick(&state.context).await?))
}

/// Frees the places of runs whose end nobody told of, and starts queued runs wherever a place is free.
///
/// Called every minute.
#[utoipa::path(
    post,
    path = "/api/v1/scheduler/process-queue",
    operation_id = "process_queue",
    responses(
        (status = 200, description = "What was released and started", body = Processed),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn process_queue(
    Extract(state): Extract<State>,
    headers: HeaderMap,
) -> Result<Json<Processed>, Problem> {
    state.callers.queue.authenticate(&headers).await?;
    Ok(Json(queue::process(&state.context).await?))
}

/// Settles what dead processes left behind, then starts queued runs.
///
/// Called every few minutes. Runs that could not be settled are left to a later pass, and so are tenants that this one
/// has no time for.
#[utoipa::path(
    post,
    path = "/api/v1/scheduler/cleanup-orphaned-pipelines",
    operation_id = "cleanup_orphaned_pipelines",
    responses(
        (status = 200, description = "What the pass did", body = Report),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cleanup(
    Extract(state): Extract<State>,
    headers: HeaderMap,
) -> Result<Json<Report>, Problem> {
    state.callers.cleanup.authenticate(&headers).await?;
    Ok(Json(reaper::pass(&state.context).await?))
}

/// Takes the end of a run: frees its place, settles its slot, starts who waits.
///
/// 204 acknowledges the message; any other status has it delivered again.
#[utoipa::path(
    post,
    path = "/internal/run-events",
    operation_id = "push_run_event",
    request_body = Push,
    responses(
        (status = 204, description = "Handled: not to be delivered again"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn run_event(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    body: Result<Json<Push>, Problem>,
) -> Result<StatusCode, Problem> {
    state.callers.events.authenticate(&headers).await?;
    let event = match &body {
        Ok(Json(push)) => push.event().map_err(|poison| poison.to_string()),
        Err(problem) => Err(problem.detail().to_owned()),
    };
    match event {
        Ok(event) => queue::handle(&state.context, &event).await?,
        Err(error) => tracing::error!(error, "poison among the run events"),
    }
    Ok(StatusCode::NO_CONTENT)
}
