//! Makes a schedule.

use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use common::http::extract::{Json, Path, given};
use common::http::problem::{FieldError, Kind, Problem, ProblemBody};
use common::http::{Caller, idempotency_key};
use common::pipeline::{TemplateId, nearest};
use common::schedule::{CatchUp, ConfigId, CronSchedule, RetryPolicy, Schedule};
use common::state::Created;
use common::submit::{Gate, fingerprint};
use common::tenant::{TenantId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::{Settings, field, text};
use super::view::ScheduleView;
use super::{MOST, check};
use crate::State;

/// What a body's fingerprint is made with.
const ROUTE: &str = "POST /api/v1/scheduler/tenant/pipelines";
/// What a person triggers has the same: a schedule that says nothing waits neither before it nor behind it.
const PRIORITY: i64 = 100;
/// One late run makes up for a pause, as most templates write whole days again.
const CATCH_UP: CatchUp = CatchUp::Last;
/// A day of hourly slots.
const MAX_CATCH_UP: u32 = 24;
/// None: a run that is tried again counts again.
const RETRY: RetryPolicy = RetryPolicy { count: 0, backoff_seconds: 300 };

/// What runs, when, and how.
///
/// The values are looked at after the shape, so that one answer names all that is wrong with them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchedule {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = true, example = "gcp")]
    provider: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = true, example = "cost")]
    domain: Option<Value>,
    /// The template's name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = true, example = "billing")]
    pipeline_template: Option<Value>,
    /// Minute, hour, day of month, month and day of week, or a nickname such as `@daily`, in `timezone`'s local time.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = true, example = "30 6 * * *")]
    schedule_cron: Option<Value>,
    /// An IANA zone; `UTC` unless given. Relative dates are this zone's too.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, example = "Europe/Vienna")]
    timezone: Option<Value>,
    /// The template's parameters. A DATE may be relative to the slot: `{{ slot_date - 1 day }}`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Map<String, Value>)]
    parameters: Option<Value>,
    /// 0 to 1000, 100 unless given, as triggered runs have it; lower starts sooner.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 1000)]
    priority: Option<Value>,
    /// Which missed slots run; `last` unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = CatchUp)]
    catchup: Option<Value>,
    /// How many of them `all` runs, the newest: 1 to 366, 24 unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 1, maximum = 366)]
    max_catchup: Option<Value>,
    /// How often a failed run is run again, each counted by the plan: 0 to 10, 0 unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 10)]
    retry_count: Option<Value>,
    /// Before the first retry, doubled before each next: 0 to 86400, 300 unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 0, maximum = 86400)]
    retry_backoff_seconds: Option<Value>,
    /// `false` makes it paused; `true` unless given.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    is_active: Option<Value>,
}

impl NewSchedule {
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

/// Makes a schedule of a template.
///
/// It first fires after now, also where it is made paused. Its parameters have to fit the template on each of the
/// next five slots. With an `Idempotency-Key` the same request again answers the schedule as it is now; once that
/// is removed, it makes it anew.
#[utoipa::path(
    post,
    path = "/api/v1/scheduler/tenant/{tenant_id}/pipelines",
    operation_id = "create_schedule",
    params(
        ("tenant_id" = String, Path, description = "The tenant that the key belongs to"),
        ("X-API-Key" = String, Header, description = "The tenant's key"),
        ("X-User-ID" = String, Header, description = "Whom its runs are recorded for, 1 to 128 printable characters"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key makes one schedule"),
    ),
    request_body = NewSchedule,
    responses(
        (status = 200, description = "An earlier request with this Idempotency-Key made it", body = ScheduleView),
        (status = 201, description = "It is made; Location says where it is", body = ScheduleView),
        (status = 403, description = "Another tenant, or the subscription is not active", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The tenant has 100 schedules", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Values, or the key was used for something else", body = ProblemBody, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    Extract(state): Extract<State>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Result<Json<NewSchedule>, Problem>,
) -> Result<Response, Problem> {
    caller.authorize_path(&tenant)?;
    let user_id = caller.require_user()?.clone();
    let sent = body?.0.sent();
    let (gate, schedules) = (&state.context.gate, &state.context.schedules);
    let (config_id, fingerprint) = match idempotency_key(&headers)? {
        None => (ConfigId(gate.chance.uuid()), None),
        Some(key) => (ConfigId::of_key(&caller.tenant_id, key), Some(fingerprint_of(&sent))),
    };
    if fingerprint.is_some()
        && let Some(found) = schedules.schedule(config_id).await?
    {
        return repeated(gate, found, fingerprint.as_ref());
    }
    caller.require_active()?;
    let maker = Maker { config_id, tenant_id: caller.tenant_id, user_id, fingerprint };
    let schedule = maker.schedule(gate, &sent).map_err(|errors| Problem::invalid(&errors))?;
    match schedules.create_schedule(&schedule, MOST).await? {
        Created::Made => {
            let Schedule { config_id, template, cron, zone, .. } = &schedule;
            tracing::info!(config.id = %config_id, %template, %cron, %zone, "schedule made");
            let place = format!("/api/v1/scheduler/tenant/{tenant}/pipelines/{config_id}");
            let view = ScheduleView::new(schedule, gate.clock.now());
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(view)).into_response())
        }
        Created::Existed(found) => repeated(gate, *found, schedule.fingerprint.as_ref()),
        Created::Full => Err(full()),
    }
}

/// Independent of the order of names, at every level.
fn fingerprint_of(sent: &Map<String, Value>) -> String {
    let mut sent = sent.clone();
    sent.values_mut().for_each(Value::sort_all_objects);
    fingerprint(ROUTE, &sent)
}

/// What an earlier request with the same key made, if it was the same request.
fn repeated(
    gate: &Gate,
    found: Schedule,
    fingerprint: Option<&String>,
) -> Result<Response, Problem> {
    if fingerprint.is_none() || found.fingerprint.as_ref() != fingerprint {
        let detail = "this Idempotency-Key came with another body before";
        return Err(Problem::new(Kind::IdempotencyMismatch, detail));
    }
    Ok(Json(ScheduleView::new(found, gate.clock.now())).into_response())
}

fn full() -> Problem {
    let detail = format!("the tenant has {MOST} schedules, the most it may; delete one first");
    Problem::new(Kind::TooManySchedules, detail).with("limit", MOST)
}

/// What a schedule has that its body does not say.
struct Maker {
    config_id: ConfigId,
    tenant_id: TenantId,
    user_id: UserId,
    fingerprint: Option<String>,
}

impl Maker {
    /// The schedule of a body, or all that is wrong with it.
    fn schedule(self, gate: &Gate, sent: &Map<String, Value>) -> Result<Schedule, Vec<FieldError>> {
        let mut errors = Vec::new();
        let template = template(gate, sent, &mut errors);
        if !sent.contains_key("schedule_cron") {
            errors.push(FieldError::missing("schedule_cron"));
        }
        let settings = Settings::read(sent, CATCH_UP, &mut errors);
        // Where the cron is wrong, any other serves to look at the parameters.
        let cron = settings.cron.clone().or_else(|| CronSchedule::parse("@daily").ok());
        let (Some(template), Some(cron)) = (template, cron) else { return Err(errors) };
        let now = gate.clock.now();
        let mut schedule = Schedule {
            config_id: self.config_id,
            tenant_id: self.tenant_id,
            template,
            cron,
            zone: Tz::UTC,
            parameters: Map::new(),
            is_active: true,
            next_run_time: None,
            priority: PRIORITY,
            catchup: CATCH_UP,
            max_catchup: MAX_CATCH_UP,
            retry: RETRY,
            retries: Vec::new(),
            created_by: self.user_id,
            fingerprint: self.fingerprint,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        settings.apply(&mut schedule);
        schedule.next_run_time = schedule.next_after(now);
        if !errors.iter().any(|error| error.field == "parameters") {
            check::parameters(gate, &schedule, &mut errors);
        }
        if errors.is_empty() { Ok(schedule) } else { Err(errors) }
    }
}

/// The template that the body names.
fn template(
    gate: &Gate,
    sent: &Map<String, Value>,
    errors: &mut Vec<FieldError>,
) -> Option<TemplateId> {
    let mut part = |name: &str| {
        if !sent.contains_key(name) {
            errors.push(FieldError::missing(name));
        }
        field(sent, name, |value| text(value).map(str::to_owned), errors)
    };
    let parts = [part("provider"), part("domain"), part("pipeline_template")];
    let [Some(provider), Some(domain), Some(name)] = parts else { return None };
    let rule = match TemplateId::new(&provider, &domain, &name) {
        Ok(id) if gate.templates.by_id(&id).is_some() => return Some(id),
        Ok(id) => {
            let known: Vec<String> = gate.templates.iter().map(|t| t.id.to_string()).collect();
            let meant = nearest(&id.to_string(), known.iter().map(String::as_str));
            let hint = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
            format!("must name a template, and there is no {id}{hint}")
        }
        Err(_) => {
            "must name a template: provider, domain and name are each [a-z][a-z0-9_]*".to_owned()
        }
    };
    errors.push(FieldError::new("pipeline_template", name, rule));
    None
}
