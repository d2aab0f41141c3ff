//! Triggering: authenticates a tenant, lets its runs through the one gate, and answers what became of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use common::http::auth::Keyring;
use common::submit::Gate;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod backfill;
mod cancel;
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
}

/// The function's routes.
pub fn app(state: State) -> Router {
    router().with_state(state).into()
}

/// The routes' OpenAPI description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    router().into_openapi()
}
