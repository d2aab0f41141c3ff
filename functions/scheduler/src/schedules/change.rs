//! Changes a schedule: its times, its parameters, its policies, or whether it is paused.

use std::time::Duration;

use axum::extract::State as Extract;
use common::http::Caller;
use common::http::extract::{Json, Path, given};
use common::http::problem::{FieldError, Kind, Problem, ProblemBody};
use common::schedule::{CatchUp, Schedule};
use common::state::ScheduleChange;
use common::submit::Gate;
use common::tenant::UserId;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::Settings;
use super::view::ScheduleView;
use super::{check, find};
use crate::State;

/// How often a change is tried again when another one came first.
const TRIES: u32 = 5;
/// What a schedule is of.
const FIXED: [&str; 3] = ["provider", "domain", "pipeline_template"];

/// What shall be different; what is left out stays. The values are those of a new schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleChanges {
    #[serde(default, deserialize_with = "given")]
    #[schema(ignore)]
    provider: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(ignore)]
    domain: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(ignore)]
    pipeline_template: Option<Value>,
    /// Another cron moves the next slot to its first fire after now.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, example = "30 6 * * *")]
    schedule_cron: Option<Value>,
    /// Another zone moves the next slot as another cron does.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, example = "Europe/Vienna")]
    timezone: Option<Value>,
    /// In place of all that there were.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Map<String, Value>)]
    parameters: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 1000)]
    priority: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = CatchUp)]
    catchup: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 1, maximum = 366)]
    max_catchup: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 10)]
    retry_count: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 86400)]
    retry_backoff_seconds: Option<Value>,
    /// `false` pauses it; `true` resumes it, and the next tick applies the catch-up policy to what was missed.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    is_active: Option<Value>,
}

impl ScheduleChanges {
    /// The fields that are there.
    fn sent(self) -> Map<String, Value> {
        let fields = [
            ("provider", self.provider),
            ("domain", self.domain),
            ("pipeline_template", self.pipeline_template),
            ("schedule_cron", self.schedule_cron),
            ("timezone", self.timezone),
            ("parameters", self.parameters),
            ("priority", self.priority),
            ("catchup", self.catchup),
            ("max_catchup", self.max_catchup),
            ("retry_count", self.retry_count),
            ("retry_backoff_seconds", self.retry_backoff_seconds),
            ("is_active", self.is_active),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// Changes a schedule, pauses it or resumes it.
///
/// A change never fires what is past: with another cron or zone the next slot is the first after now; without, it
/// stays where it is. Retries that wait stay. Whatever is changed, but for a pause alone, the parameters have to fit
/// the template on each of the next five slots.
#[utoipa::path(
    patch,
    path = "/api/v1/scheduler/tenant/{tenant_id}/pipelines/{config_id}",
    operation_id = "change_schedule",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("config_id" = String, Path, description = "The schedule"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
        ("X-User-ID" = Option<String>, Header, description = "Who asks, for the log"),
    ),
    request_body = ScheduleChanges,
    responses(
        (status = 200, description = "The schedule as it is now", body = ScheduleView),
        (status = 404, description = "No such schedule", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Other requests keep changing it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Values; nothing is changed", body = ProblemBody, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    Extract(state): Extract<State>,
    caller: Caller,
    Path((tenant, config)): Path<(String, String)>,
    body: Result<Json<ScheduleChanges>, Problem>,
) -> Result<Json<ScheduleView>, Problem> {
    caller.authorize_path(&tenant)?;
    let sent = body?.0.sent();
    let gate = &state.context.gate;
    for _ in 0..TRIES {
        let read = find(&state, &caller, &config).await?;
        let change = changed(gate, &read, &sent).map_err(|errors| Problem::invalid(&errors))?;
        if state.context.schedules.change_schedule(&change).await? {
            let fields: Vec<&String> = sent.keys().collect();
            let user = caller.user_id.as_ref().map(UserId::as_str);
            tracing::info!(config.id = %read.config_id, ?fields, user, "schedule changed");
            // A tick may have advanced it meanwhile.
            let now_is = find(&state, &caller, &config).await?;
            return Ok(Json(ScheduleView::new(now_is, gate.clock.now())));
        }
    }
    let detail = format!("other requests keep changing schedule {config}");
    Err(Problem::new(Kind::InProgress, detail).retry_after(Duration::from_secs(1)))
}

/// What the body makes of the schedule that was read, or all that is wrong with it.
fn changed(
    gate: &Gate,
    read: &Schedule,
    sent: &Map<String, Value>,
) -> Result<ScheduleChange, Vec<FieldError>> {
    if sent.is_empty() {
        let rule = "names nothing to change: give schedule_cron, timezone, parameters, priority, catchup, \
                    max_catchup, retry_count, retry_backoff_seconds or is_active";
        return Err(vec![FieldError { field: "body".into(), value: None, rule: rule.into() }]);
    }
    let fixed = FIXED.iter().filter_map(|name| Some((*name, sent.get(*name)?.clone())));
    let rule = "cannot be changed: delete the schedule and make another";
    let mut errors: Vec<_> =
        fixed.map(|(name, value)| FieldError::new(name, value, rule)).collect();
    let settings = Settings::read(sent, read.catchup, &mut errors);
    let mut schedule = read.clone();
    settings.apply(&mut schedule);
    let now = gate.clock.now();
    schedule.updated_at = now;
    let refire = schedule.cron != read.cron || schedule.zone != read.zone;
    if refire {
        schedule.next_run_time = schedule.next_after(now);
    }
    if !is_pause(sent) && !errors.iter().any(|error| error.field == "parameters") {
        if gate.templates.by_id(&read.template).is_none() {
            let id = &read.template;
            let rule =
                format!("there is no template {id} any more: pause the schedule, or delete it");
            errors.push(FieldError::new("pipeline_template", id.name(), rule));
        }
        check::parameters(gate, &schedule, &mut errors);
    }
    if errors.is_empty() { Ok(ScheduleChange { schedule, refire }) } else { Err(errors) }
}

/// Whether nothing is asked for but a pause: that is good for any schedule, also one whose template is gone.
fn is_pause(sent: &Map<String, Value>) -> bool {
    sent.len() == 1 && sent.get("is_active") == Some(&Value::Bool(false))
}
