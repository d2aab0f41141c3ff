//! `POST /internal/run-requests`: a slot of a schedule is due, and its run goes through the one gate.

use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use chrono::NaiveDate;
use common::events::{Event, RunRequested};
use common::http::extract::Json;
use common::http::problem::{Kind, Problem, ProblemBody};
use common::http::push::Push;
use common::port::PortError;
use common::schedule::{Schedule, Slot, SlotKey, SlotRecord, SlotState};
use common::state::Begun;
use common::submit::{Derived, Refusal, Request, Submission, fingerprint, submit};
use serde_json::Map;
use tracing::Span;

use crate::State;
use crate::run::limit_said;

/// What the fingerprint of a slot's run is made with: the id says all, whatever the schedule has become.
const ROUTE: &str = "POST /internal/run-requests";

/// Takes a pushed run request.
///
/// 204 acknowledges it: the run exists, or the slot's record says why it has none, or the message is poison. Any
/// other status has it delivered again.
#[utoipa::path(
    post,
    path = "/internal/run-requests",
    tag = "internal",
    operation_id = "push_run_request",
    request_body = Push,
    responses(
        (status = 204, description = "Handled: not to be delivered again"),
        (status = 401, description = "Not the identity that pushes run requests", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "To be delivered again", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn push(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    body: Result<Json<Push>, Problem>,
) -> Result<StatusCode, Problem> {
    state.pushers.authenticate(&headers).await?;
    let poison = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "poison among the run requests");
        Ok(StatusCode::NO_CONTENT)
    };
    let push = match body {
        Ok(Json(push)) => push,
        Err(problem) if is_of_this_message(problem.kind()) => return poison(&problem.detail()),
        Err(problem) => return Err(problem),
    };
    match push.event() {
        Ok(Event::RunRequested(requested)) => {
            Span::current().record("tenant.id", requested.tenant_id.as_str());
            handle(&state, &requested).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        Ok(Event::RunFinished { run_id, .. }) => {
            poison(&format!("run.finished of {run_id}, which is no run request"))
        }
        Err(error) => poison(&error),
    }
}

/// Whether a body is refused for what it holds, which no other delivery changes; not for how it came.
fn is_of_this_message(kind: Kind) -> bool {
    matches!(kind, Kind::MalformedRequest | Kind::InvalidParameters)
}

/// Lets the run of a slot through the gate and records what became of it. Delivered again, whenever and in
/// whatever order, it changes nothing more. An error asks for another delivery.
pub async fn handle(state: &State, requested: &RunRequested) -> Result<(), PortError> {
    let RunRequested { tenant_id, user_id, config_id, slot, date, attempt } = requested.clone();
    let key = SlotKey { tenant_id, config_id, slot, attempt };
    let updated_at = state.gate.clock.now();
    let record = SlotRecord {
        key: key.clone(),
        user_id,
        date,
        state: SlotState::Pending,
        reason: None,
        updated_at,
    };
    match state.slots.begin_attempt(&record).await? {
        Begun::Record(record) if record.state == SlotState::Pending => {}
        Begun::Record(record) => {
            tracing::debug!(config.id = %config_id, state = %record.state, "delivered again");
            return follow_run(state, &key, record.state).await;
        }
        // The end of the attempt before is not recorded yet: this one waits for it.
        Begun::Other(other) if other.state.is_open() && other.key.attempt < attempt => {
            return Err(PortError::Unavailable(format!(
                "attempt {} of the slot is still open",
                other.key.attempt
            )));
        }
        Begun::Other(other) => {
            tracing::warn!(config.id = %config_id, %slot, attempt, other = other.key.attempt,
                "the slot has a run already");
            return Ok(());
        }
    }
    let (to, reason) = match state.schedules.schedule(config_id).await? {
        // One that was made anew under the same id has no part in the slots before it.
        Some(schedule) if schedule.tenant_id == key.tenant_id && schedule.created_at <= slot => {
            decide(state, &key, date, schedule).await?
        }
        Some(_) | None => (SlotState::Refused, Some("the schedule is gone".to_owned())),
    };
    let at = state.gate.clock.now();
    state.slots.settle_attempt(&key, to, reason.as_deref(), at).await?;
    tracing::info!(config.id = %config_id, %slot, attempt, state = %to, reason, "slot decided");
    follow_run(state, &key, to).await
}

/// Corrects a record that says there is no run: another delivery, which may be dead by now, was let in where this
/// one was not.
async fn follow_run(state: &State, key: &SlotKey, recorded: SlotState) -> Result<(), PortError> {
    if recorded.has_run() || state.gate.runs.get(&key.tenant_id, key.run_id()).await?.is_none() {
        return Ok(());
    }
    let at = state.gate.clock.now();
    state.slots.settle_attempt(key, SlotState::Submitted, None, at).await.map(|_| ())
}

/// What the gate makes of a slot.
async fn decide(
    state: &State,
    key: &SlotKey,
    date: NaiveDate,
    schedule: Schedule,
) -> Result<(SlotState, Option<String>), PortError> {
    let run_id = key.run_id();
    let template = schedule.template.clone();
    let request = Request {
        tenant_id: key.tenant_id.clone(),
        slot: Some(Slot { config_id: key.config_id, at: key.slot, date, attempt: key.attempt }),
        user_id: schedule.created_by,
        provider: template.provider().to_owned(),
        domain: template.domain().to_owned(),
        template: template.name().to_owned(),
        parameters: schedule.parameters,
        derived: Some(Derived { run_id, fingerprint: fingerprint(ROUTE, &Map::new()) }),
        priority: schedule.priority,
    };
    let refused = |reason: String| Ok((SlotState::Refused, Some(reason)));
    let refusal = match submit(&state.gate, &request).await? {
        Submission::Accepted { run, .. } => {
            Span::current().record("run.id", run.run_id.to_string());
            return Ok((SlotState::Submitted, None));
        }
        Submission::Refused(refusal) => refusal,
    };
    match refusal {
        // The run's row says how it ended; the reaper brings that into the record.
        Refusal::LaunchRefused(_) => Ok((SlotState::Submitted, None)),
        Refusal::Limit { limit, limits, counts, .. } => {
            Ok((SlotState::SkippedQuota, Some(limit_said(limit, limits, counts))))
        }
        Refusal::InProgress => {
            Err(PortError::Unavailable(format!("run {run_id} is being recorded")))
        }
        Refusal::UnknownTemplate => refused(format!("there is no template {template}")),
        Refusal::Parameters(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            refused(errors.join("; "))
        }
        Refusal::Inactive => refused("the tenant's subscription is not active".to_owned()),
        Refusal::KeyReused => refused(format!("run {run_id} stands for something else")),
    }
}
