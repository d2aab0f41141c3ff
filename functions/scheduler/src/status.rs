//! `GET /api/v1/scheduler/status`: whether the scheduler keeps up.

use axum::extract::State as Extract;
use chrono::{DateTime, Utc};
use common::http::Operator;
use common::http::extract::Json;
use common::http::problem::{Problem, ProblemBody};
use common::quota::EntryState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Context, State, queue, tick};

/// Where the scheduler stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// Schedules with a slot or a retry that is due and not yet published.
    pub due: usize,
    /// Runs that wait for a place.
    pub queued: usize,
    /// Runs that hold a place.
    pub running: usize,
    /// Seconds that the longest waiting run has waited; `null` where none waits.
    pub oldest_wait_seconds: Option<i64>,
    /// When the last tick ended; `null` where none ever did.
    pub last_tick: Option<DateTime<Utc>>,
    /// Seconds for which the oldest slot or retry has been due; 0 where none is. More than a minute or two means
    /// that ticks do not come, or fail.
    pub lag_seconds: i64,
}

/// Tells what is due, queued and running, and how far behind the scheduler is.
#[utoipa::path(
    get,
    path = "/api/v1/scheduler/status",
    operation_id = "read_scheduler_status",
    responses(
        (status = 200, description = "Where it stands", body = Status),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn read(
    _operator: Operator,
    Extract(state): Extract<State>,
) -> Result<Json<Status>, Problem> {
    Ok(Json(status(&state.context).await?))
}

async fn status(context: &Context) -> Result<Status, Problem> {
    let now = context.gate.clock.now();
    let due = context.schedules.due(now).await?;
    let rows = context.gate.ledger.rows().await?;
    let entries = || rows.iter().flat_map(|row| &row.account.entries);
    Ok(Status {
        due: due.len(),
        queued: entries().filter(|entry| entry.state == EntryState::Queued).count(),
        running: entries().filter(|entry| entry.state == EntryState::Active).count(),
        oldest_wait_seconds: queue::oldest_wait(&context.gate, &rows)
            .map(|wait| wait.num_seconds()),
        last_tick: context.schedules.last_tick().await?,
        lag_seconds: tick::lag(&due, now).num_seconds(),
    })
}
