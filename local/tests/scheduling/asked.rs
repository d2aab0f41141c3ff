//! The tenant's routes for schedules, as its frontend asks them.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use common::http::{Options, shell};
use common::keys::Secret;
use common::pipeline::Catalog;
use common::schedule::Schedule;
use common::state::Schedules;
use local::admin;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{ADMIN, Answer, Tenant, World};

/// Where a tenant's schedules are.
pub(crate) fn path(tenant: &Tenant) -> String {
    format!("/api/v1/scheduler/tenant/{}/pipelines", tenant.id)
}

/// Where a schedule is that an answer tells of.
pub(crate) fn place(tenant: &Tenant, made: &Value) -> String {
    format!("{}/{}", path(tenant), made["config_id"].as_str().unwrap())
}

/// Billing at noon in Vienna, of the day before.
pub(crate) fn noon() -> Value {
    json!({
        "provider": "gcp",
        "domain": "cost",
        "pipeline_template": "billing",
        "schedule_cron": "0 12 * * *",
        "timezone": "Europe/Vienna",
        "parameters": {"date": "{{ slot_date - 1 day }}"},
    })
}

/// The noon schedule with other fields, or more of them.
pub(crate) fn with(fields: Value) -> Value {
    let mut body = noon();
    let Value::Object(fields) = fields else { panic!("{fields}") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// Asks for a schedule.
pub(crate) async fn post(world: &World, tenant: &Tenant, body: &Value) -> Answer {
    world.send(tenant.post(&path(tenant), body)).await
}

/// Makes a schedule.
pub(crate) async fn make(world: &World, tenant: &Tenant, body: &Value) -> Value {
    let answer = post(world, tenant, body).await;
    assert_eq!(answer.status, 201, "{body}: {}", answer.body);
    answer.body
}

/// A change of the schedule that an answer tells of.
pub(crate) fn change(tenant: &Tenant, made: &Value, patch: &Value) -> Request<Body> {
    let request = tenant.request("PATCH", &place(tenant, made));
    request.header("content-type", "application/json").body(patch.to_string().into()).unwrap()
}

/// Changes a schedule.
pub(crate) async fn patch(world: &World, tenant: &Tenant, made: &Value, patch: &Value) -> Value {
    let answer = world.send(change(tenant, made, patch)).await;
    assert_eq!(answer.status, 200, "{patch}: {}", answer.body);
    answer.body
}

/// Reads a schedule.
pub(crate) async fn read(world: &World, tenant: &Tenant, made: &Value) -> Value {
    let answer = world.send(tenant.get(&place(tenant, made))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Lists a tenant's schedules.
pub(crate) async fn list(world: &World, tenant: &Tenant) -> Vec<Value> {
    let answer = world.send(tenant.get(&path(tenant))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["pipelines"].as_array().unwrap().clone()
}

/// Removes a schedule.
pub(crate) fn removal(tenant: &Tenant, made: &Value) -> Request<Body> {
    tenant.request("DELETE", &place(tenant, made)).body(Body::empty()).unwrap()
}

/// A tenant's schedules as they are stored.
pub(crate) async fn stored(world: &World, tenant: &Tenant) -> Vec<Schedule> {
    world.state.schedules_of(&tenant.tenant_id()).await.unwrap()
}

/// The errors of an answer that refuses values, as field and rule.
pub(crate) fn errors(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.problem(), "invalid-parameters");
    let errors = answer.body["errors"].as_array().unwrap().iter();
    let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
    errors.map(|error| (text(error, "field"), text(error, "rule"))).collect()
}

/// The scheduler's routes over the same state, where the deployment has no templates any more.
pub(crate) fn without_templates(world: &World) -> Router {
    let mut context = world.scheduler.clone();
    context.gate.templates = Catalog::default().into();
    let operators = admin::operators(&Secret::new(ADMIN));
    let state = scheduler::State {
        context,
        keyring: world.trigger.keyring.clone(),
        callers: scheduler::Callers::all(&operators),
        operators,
    };
    let chance = world.gate().chance.clone();
    shell(scheduler::app(state), Options::new(world.clock.clone(), chance))
}

/// Sends a request to other routes than the world's.
pub(crate) async fn send_to(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}
