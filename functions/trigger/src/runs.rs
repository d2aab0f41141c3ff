//! `GET /api/v1/pipelines/runs/…`: what became of runs.

use axum::extract::State as Extract;
use chrono::{DateTime, NaiveDate, Utc};
use common::http::Caller;
use common::http::extract::{Json, Path, Query};
use common::http::problem::{FieldError, Kind, Problem, ProblemBody};
use common::run::{Run, RunId, RunStatus};
use common::state::{Page, RunFilter};
use common::tenant::TenantId;
use serde::{Deserialize, Serialize};
use tracing::Span;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::view::{RunDetails, RunView};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 200;

/// Which runs, and which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only of this status.
    status: Option<RunStatus>,
    /// Only of this pipeline, such as `acme-gcp-cost-billing`.
    pipeline_id: Option<String>,
    /// Only those created on this UTC day or later.
    from: Option<NaiveDate>,
    /// Only those created on this UTC day or before.
    to: Option<NaiveDate>,
    /// At most so many, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// A part of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    /// Newest first.
    runs: Vec<RunView>,
    /// Where the next part begins; `null` where this is the last.
    next_cursor: Option<String>,
}

/// Lists a tenant's runs, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/pipelines/runs/{tenant_id}",
    tag = "runs",
    operation_id = "list_runs",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
        ListQuery,
    ),
    responses(
        (status = 200, description = "A part of the list", body = RunList),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A query value is not allowed", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(tenant): Path<String>,
    query: Result<Query<ListQuery>, Problem>,
) -> Result<Json<RunList>, Problem> {
    caller.authorize_path(&tenant)?;
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        let rule = format!("must be 1 to {MOST}");
        return Err(Problem::invalid(&[FieldError::new("limit", limit, rule)]));
    }
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let filter = RunFilter {
        status: query.status,
        pipeline_id: query.pipeline_id,
        from: query.from,
        to: query.to,
    };
    // One more than asked for tells whether there is a next part.
    let page = Page { after, limit: limit + 1 };
    let mut runs = state.gate.runs.list(&caller.tenant_id, &filter, page).await?;
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next_cursor = runs.last().filter(|_| more).map(cursor);
    Ok(Json(RunList { runs: runs.into_iter().map(RunView::from).collect(), next_cursor }))
}

fn cursor(run: &Run) -> String {
    format!("{}.{}", run.created_at.timestamp_micros(), run.run_id.0.simple())
}

fn parse_cursor(text: &str) -> Result<(DateTime<Utc>, RunId), Problem> {
    let parsed = text.split_once('.').and_then(|(at, run)| {
        let at = DateTime::from_timestamp_micros(at.parse().ok()?)?;
        Some((at, run.parse().ok()?))
    });
    parsed.ok_or_else(|| {
        let rule = "must be the next_cursor of an earlier answer";
        Problem::invalid(&[FieldError::new("cursor", text, rule)])
    })
}

/// Reads a run with its steps, their tries, and its checks.
#[utoipa::path(
    get,
    path = "/api/v1/pipelines/runs/{tenant_id}/{pipeline_logging_id}",
    tag = "runs",
    operation_id = "read_run",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("pipeline_logging_id" = String, Path, description = "The run"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
    ),
    responses(
        (status = 200, description = "The run", body = RunDetails),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such run", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn read(
    Extract(state): Extract<State>,
    caller: Caller,
    Path((tenant, run)): Path<(String, String)>,
) -> Result<Json<RunDetails>, Problem> {
    caller.authorize_path(&tenant)?;
    let run_id = parse_run_id(&run)?;
    details(&state, &caller.tenant_id, run_id).await?.map(Json).ok_or_else(|| unknown(run_id))
}

async fn details(
    state: &State,
    tenant: &TenantId,
    run_id: RunId,
) -> Result<Option<RunDetails>, Problem> {
    let Some(run) = state.gate.runs.get(tenant, run_id).await? else { return Ok(None) };
    let position = match run.status {
        RunStatus::Queued => {
            let row = state.gate.ledger.row(tenant).await?;
            row.and_then(|row| row.account.position(run_id))
        }
        _ => None,
    };
    let (steps, checks) = state.gate.runs.details(tenant, run_id).await?;
    Ok(Some(RunDetails::new(run, position, steps, checks)))
}

/// The path's run; a text that is no id names no run.
pub(crate) fn parse_run_id(text: &str) -> Result<RunId, Problem> {
    let run_id = text
        .parse()
        .map_err(|_| Problem::new(Kind::NotFound, format!("there is no run {}", shown(text))))?;
    Span::current().record("run.id", text);
    Ok(run_id)
}

/// What a path names, for an answer: its beginning, without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

/// The tenant has no such run.
pub(crate) fn unknown(run_id: RunId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no run {run_id}"))
}
