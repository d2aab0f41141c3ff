//! Flow 3: what makes runs go by themselves. Tenants keep schedules; the tick asks for the runs of due slots, the
//! queue fills freed places, and the reaper settles what a dead process left behind.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use common::events::EventPublisher;
use common::http::auth::{Keyring, Operators};
use common::state::{Schedules, Slots};
use common::submit::Gate;
use common::warehouse::Warehouse;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub mod config;
mod passes;
pub mod queue;
pub mod reaper;
mod resubmit;
mod schedules;
pub mod slots;
mod status;
pub mod tick;

/// What the scheduler's work stands on.
#[derive(Clone)]
pub struct Context {
    /// The ledger, the runs and the launcher.
    pub gate: Gate,
    /// Where a dead run's statements may still be under way.
    pub warehouse: Arc<dyn Warehouse>,
    /// Schedules of all tenants.
    pub schedules: Arc<dyn Schedules>,
    /// What became of each slot.
    pub slots: Arc<dyn Slots>,
    /// Carries run requests to the gate.
    pub events: Arc<dyn EventPublisher>,
}

/// The identity that may call each route that the deployment calls by itself.
#[derive(Clone)]
pub struct Callers {
    /// `…/trigger`.
    pub tick: Operators,
    /// `…/process-queue`.
    pub queue: Operators,
    /// `…/cleanup-orphaned-pipelines`.
    pub cleanup: Operators,
    /// `/internal/run-events`.
    pub events: Operators,
}

impl Callers {
    /// The same for every route.
    pub fn all(callers: &Operators) -> Self {
        Self {
            tick: callers.clone(),
            queue: callers.clone(),
            cleanup: callers.clone(),
            events: callers.clone(),
        }
    }
}

/// What the routes stand on.
#[derive(Clone)]
pub struct State {
    /// What their work stands on.
    pub context: Context,
    /// Tells tenants by their keys.
    pub keyring: Arc<Keyring>,
    /// Who may look at the whole and submit a slot again.
    pub operators: Operators,
    /// Who may call the rest.
    pub callers: Callers,
}

impl FromRef<State> for Arc<Keyring> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.keyring)
    }
}

impl FromRef<State> for Operators {
    fn from_ref(state: &State) -> Self {
        state.operators.clone()
    }
}

#[derive(OpenApi)]
#[openapi(tags(
    (name = "schedules", description = "A tenant's schedules: make, read, change, remove. X-API-Key."),
    (name = "scheduler", description = "What the deployment calls by itself, and what operators look after.")
))]
struct Document;

fn router() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(passes::trigger))
        .routes(routes!(passes::process_queue))
        .routes(routes!(passes::cleanup))
        .routes(routes!(passes::run_event))
        .routes(routes!(resubmit::resubmit))
        .routes(routes!(status::read))
        .routes(routes!(schedules::read::list, schedules::create::create))
        .routes(routes!(
            schedules::read::read,
            schedules::change::change,
            schedules::remove::remove
        ))
}

/// The function's routes.
pub fn app(state: State) -> Router {
    router().with_state(state).into()
}

/// The routes' OpenAPI description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    router().into_openapi()
}
