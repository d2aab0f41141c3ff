//! `POST /api/v1/pipelines/run/…`: a run is asked for.

use std::time::Duration;

use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use common::http::extract::{Json, Path};
use common::http::problem::{FieldError, Kind, Problem, ProblemBody};
use common::http::{Caller, idempotency_key};
use common::plan::Limits;
use common::quota::{Counts, Limit};
use common::run::{Run, RunId, RunStatus};
use common::submit::{Derived, Refusal, Request, Submission, fingerprint, submit};
use common::tenant::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::Span;
use utoipa::ToSchema;

use crate::State;
use crate::runs::shown;

/// What an `Idempotency-Key` is derived with: the key is the tenant's on this route, whatever the template.
const ROUTE: &str = "POST /api/v1/pipelines/run";
/// What a run that a person asks for starts with; a schedule may choose another.
const PRIORITY: i64 = 100;
/// How soon to ask again for what another request is just recording.
pub(crate) const RECORDING: Duration = Duration::from_secs(2);

/// Whose run of which template.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) tenant_id: String,
    pub(crate) provider: String,
    pub(crate) domain: String,
    pub(crate) template: String,
}

/// The run exists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Triggered {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    pipeline_logging_id: RunId,
    /// Whose it is.
    #[schema(value_type = String)]
    tenant_id: TenantId,
    /// `RUNNING` or `QUEUED`; for a repeated request the run's status now.
    status: RunStatus,
    /// Its place in the queue, from 1, where it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    /// For people.
    message: &'static str,
}

/// Triggers a run of a template within the tenant's plan.
#[utoipa::path(
    post,
    path = "/api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template}",
    tag = "runs",
    operation_id = "trigger_run",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("provider" = String, Path, example = "gcp"),
        ("domain" = String, Path, example = "cost"),
        ("template" = String, Path, example = "billing"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
        ("X-User-ID" = String, Header, description = "Who asks, 1 to 128 printable characters"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key makes one run"),
    ),
    request_body(content = Map<String, Value>, description = "The template's parameters"),
    responses(
        (status = 200, description = "The run holds a slot, or has ended where the request is a repeated one", body = Triggered),
        (status = 202, description = "The run waits for a slot", body = Triggered),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another tenant, or the subscription is not active", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such template", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The same request is being recorded", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Parameters, or the key was used for something else", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "A limit of the plan is reached", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn trigger(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(target): Path<Target>,
    headers: HeaderMap,
    body: Result<Option<Json<Map<String, Value>>>, Problem>,
) -> Result<Response, Problem> {
    caller.authorize_path(&target.tenant_id)?;
    let user_id = caller.require_user()?.clone();
    let parameters = body?.map(|Json(parameters)| parameters).unwrap_or_default();
    let template = format!("{}/{}/{}", target.provider, target.domain, target.template);
    let derived = idempotency_key(&headers)?.map(|key| Derived {
        run_id: RunId::of_key(&caller.tenant_id, ROUTE, key),
        fingerprint: fingerprint(&template, &parameters),
    });
    let request = Request {
        tenant_id: caller.tenant_id.clone(),
        user_id,
        provider: target.provider,
        domain: target.domain,
        template: target.template,
        parameters,
        slot: None,
        derived,
        priority: PRIORITY,
    };
    if request.derived.is_none() {
        // An early refusal; a repeated request is answered from its run, and admission decides the rest.
        caller.require_active()?;
    }
    match submit(&state.gate, &request).await? {
        Submission::Accepted { run, position, existed: _ } => {
            Span::current().record("run.id", run.run_id.to_string());
            Ok(accepted(&run, position))
        }
        Submission::Refused(refusal) => Err(refused(refusal, &template, &state)),
    }
}

fn accepted(run: &Run, position: Option<u32>) -> Response {
    let (code, message) = match run.status {
        RunStatus::Queued => (StatusCode::ACCEPTED, "Pipeline queued"),
        RunStatus::Running => (StatusCode::OK, "Pipeline triggered successfully"),
        RunStatus::Completed
        | RunStatus::Failed
        | RunStatus::Cancelled
        | RunStatus::TimedOut
        | RunStatus::Expired => (StatusCode::OK, "Pipeline was triggered before and has ended"),
    };
    let answer = Triggered {
        pipeline_logging_id: run.run_id,
        tenant_id: run.tenant_id.clone(),
        status: run.status,
        position,
        message,
    };
    (code, Json(answer)).into_response()
}

/// The refusal as it is answered.
pub(crate) fn refused(refusal: Refusal, template: &str, state: &State) -> Problem {
    match refusal {
        Refusal::UnknownTemplate => {
            Problem::new(Kind::NotFound, format!("there is no template {}", shown(template)))
        }
        Refusal::Parameters(errors) => {
            let errors: Vec<FieldError> = errors.into_iter().map(FieldError::from).collect();
            Problem::invalid(&errors)
        }
        Refusal::Inactive => {
            Problem::new(Kind::SubscriptionInactive, "the tenant's subscription is not active")
        }
        Refusal::Limit { limit, limits, counts, retry_at } => {
            let wait = (retry_at - state.gate.clock.now()).to_std().unwrap_or_default();
            over_limit(limit, limits, counts).retry_after(wait)
        }
        Refusal::KeyReused => Problem::new(
            Kind::IdempotencyMismatch,
            "this Idempotency-Key came with another template or other parameters before",
        ),
        Refusal::InProgress => Problem::new(
            Kind::InProgress,
            "another request with this Idempotency-Key is being recorded",
        )
        .retry_after(RECORDING),
        Refusal::LaunchRefused(run_id) => Problem::new(
            Kind::Internal,
            format!("run {run_id} could not be launched and does not count; tell your operator"),
        ),
    }
}

fn over_limit(limit: Limit, limits: Limits, counts: Counts) -> Problem {
    Problem::new(Kind::QuotaExceeded, limit_said(limit, limits, counts))
        .with("limit", limit_name(limit))
        .with("pipelines_run_today", counts.today)
        .with("daily_limit", limits.daily_limit)
        .with("pipelines_run_this_month", counts.month)
        .with("monthly_limit", limits.monthly_limit)
        .with("pipelines_running", counts.active)
        .with("concurrent_limit", limits.concurrent_limit)
        .with("pipelines_queued", counts.queued)
        .with("max_queued", limits.max_queued)
}

/// A limit by the name of its column.
pub(crate) fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Daily => "daily_limit",
        Limit::Monthly => "monthly_limit",
        Limit::Queue => "max_queued",
    }
}

/// The reached limit with its numbers, for people.
pub(crate) fn limit_said(limit: Limit, limits: Limits, counts: Counts) -> String {
    let (used, most) = match limit {
        Limit::Daily => (counts.today, limits.daily_limit),
        Limit::Monthly => (counts.month, limits.monthly_limit),
        Limit::Queue => (counts.queued, limits.max_queued),
    };
    format!("{} is {most} and {used} are used", limit_name(limit))
}
