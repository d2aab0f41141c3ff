//! Triggering: authenticates a tenant, lets its runs through the one gate, and answers what became of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use common::http::auth::{Keyring, Operators};
use common::state::{Schedules, Slots};
use common::submit::Gate;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod backfill;
mod cancel;
pub mod config;
pub mod requests;
mod run;
mod runs;
mod view;

/// What the routes stand on.
#[derive(Clone)]
pub struct State {
    /// The one gate.
    pub gate: Gate,
    /// Tells tenants by their keys.
    pub keyring: Arc<Keyring>,
    /// The schedules whose slots are asked for.
    pub schedules: Arc<dyn Schedules>,
    /// What became of each slot.
    pub slots: Arc<dyn Slots>,
    /// Who may push run requests.
    pub pushers: Operators,
}

impl FromRef<State> for Arc<Keyring> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.keyring)
    }
}

#[derive(OpenApi)]
#[openapi(tags((name = "runs", description = "A tenant's runs: trigger, backfill, read, cancel. X-API-Key.")))]
struct Document;

fn router() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(run::trigger))
        .routes(routes!(backfill::backfill))
        .routes(routes!(runs::list))
        .routes(routes!(runs::read))
        .routes(routes!(cancel::cancel))
        .routes(routes!(requests::push))
}

/// The function's routes.
pub fn app(state: State) -> Router {
    router().with_state(state).into()
}

/// The routes' OpenAPI description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    router().into_openapi()
}
