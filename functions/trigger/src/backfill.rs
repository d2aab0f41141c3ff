//! `POST /api/v1/pipelines/backfill/…`: a range of days is asked for, each an ordinary run.

use axum::extract::State as Extract;
use axum::http::HeaderMap;
use common::http::extract::{Json, Path};
use common::http::problem::{Problem, ProblemBody};
use common::http::{Caller, idempotency_key};
use common::submit::Refusal;
use common::tenant::SubscriptionStatus;

use crate::State;
use crate::run::{Target, refused};

mod admit;
mod answer;
mod known;
mod order;

use admit::admit;
use answer::BackfillAnswer;
use known::Known;
use order::{BackfillRequest, Order};

/// Runs a template for every day of a range, oldest first, within the tenant's plan.
///
/// Each day is a run of its own, counted like any other. Its id derives from tenant, template, `date_parameter`,
/// the other parameters as they are sent, the day and the `Idempotency-Key`: the same request again goes on where
/// it stopped, and a day that has a run is answered from it, whatever became of it. With another
/// `Idempotency-Key` every day is a new run, to recompute a range or to repeat days that failed.
///
/// The first day that a limit refuses ends the admitting; what is left stands in `not_admitted`. Backfilled
/// runs wait behind those that were triggered: among queued runs of a tenant, triggered ones start first.
/// With `dry_run` nothing is written, and `quota` says how far the plan would let it go.
#[utoipa::path(
    post,
    path = "/api/v1/pipelines/backfill/{tenant_id}/{provider}/{domain}/{template}",
    tag = "runs",
    operation_id = "backfill_runs",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("provider" = String, Path, example = "gcp"),
        ("domain" = String, Path, example = "cost"),
        ("template" = String, Path, example = "billing"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
        ("X-User-ID" = String, Header, description = "Who asks, 1 to 128 printable characters"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another key makes new runs of the same days"),
    ),
    request_body = BackfillRequest,
    responses(
        (status = 200, description = "What every day came to, also where a limit let no day in", body = BackfillAnswer),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Another tenant, or the subscription is not active", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such template", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The first day's run is being recorded", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Days or parameters; nothing is admitted", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn backfill(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(target): Path<Target>,
    headers: HeaderMap,
    body: Result<Json<BackfillRequest>, Problem>,
) -> Result<Json<BackfillAnswer>, Problem> {
    caller.authorize_path(&target.tenant_id)?;
    let user_id = caller.require_user()?.clone();
    let Json(body) = body?;
    let key = idempotency_key(&headers)?;
    caller.require_active()?;
    let order = Order::new(&state, body, target, caller.tenant_id, user_id, key)?;
    let known = Known::read(&state.gate, &order, order.dates()).await?;
    let subscription = known.row.as_ref().and_then(|row| row.subscription.as_ref());
    let Some(subscription) = subscription.filter(|s| s.status == SubscriptionStatus::Active) else {
        return Err(refused(Refusal::Inactive, &order.template.to_string(), &state));
    };
    if order.dry_run {
        let (limits, today) = (subscription.limits, state.gate.clock.today());
        let counts = known.row.as_ref().map(|row| row.account.counts(today)).unwrap_or_default();
        return Ok(Json(answer::preview(&order, &known, limits, counts, today)));
    }
    admit(&state, &order, known).await.map(Json)
}
