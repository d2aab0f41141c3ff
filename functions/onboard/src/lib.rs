//! Flow 1: makes tenants, and lets operators look after them.

pub mod config;
mod keys;
mod onboarding;
mod tenants;
mod webhook_secret;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use common::clock::{Chance, Clock};
use common::http::Operators;
use common::keys::{KeyService, Secret};
use common::state::{Ledger, Tenants};
use common::warehouse::Warehouse;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use config::Config;

/// All that the routes reach the world through.
#[derive(Clone)]
pub struct State {
    /// Profiles, keys, subscriptions.
    pub tenants: Arc<dyn Tenants>,
    /// For a tenant's row, and its usage.
    pub ledger: Arc<dyn Ledger>,
    /// Where each tenant gets its dataset.
    pub warehouse: Arc<dyn Warehouse>,
    /// Encrypts API keys.
    pub key_service: Arc<dyn KeyService>,
    /// Signs webhooks: each tenant's secret derives from it.
    pub webhook_key: Secret,
    /// Who may call; every route here is theirs.
    pub operators: Operators,
    /// Plans and names that are not given away.
    pub config: Arc<Config>,
    /// What time it is.
    pub clock: Clock,
    /// For new keys.
    pub chance: Chance,
}

impl FromRef<State> for Operators {
    fn from_ref(state: &State) -> Self {
        state.operators.clone()
    }
}

/// The function's routes; `common::http::serve` puts the shell around them.
pub fn app(state: State) -> Router {
    routes().with_state(state).split_for_parts().0
}

/// What the routes take and answer.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(onboarding::onboard))
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::read, tenants::change::change))
        .routes(routes!(keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(webhook_secret::read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_holds_every_route_and_the_problem() {
        let document = serde_json::to_value(openapi()).unwrap();
        let paths: Vec<(&str, Vec<&str>)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys().map(String::as_str);
                (path.as_str(), methods.collect())
            })
            .collect();
        assert_eq!(
            paths,
            [
                ("/api/v1/tenants", vec!["get"]),
                ("/api/v1/tenants/onboard", vec!["post"]),
                ("/api/v1/tenants/{tenant_id}", vec!["get", "patch"]),
                ("/api/v1/tenants/{tenant_id}/api-keys", vec!["get"]),
                ("/api/v1/tenants/{tenant_id}/api-keys/rotate", vec!["post"]),
                ("/api/v1/tenants/{tenant_id}/api-keys/{api_key_id}", vec!["delete"]),
                ("/api/v1/tenants/{tenant_id}/webhook-secret", vec!["get"]),
            ]
        );
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in ["ProblemBody", "FieldError", "OnboardRequest", "OnboardAnswer", "TenantPatch"]
        {
            assert!(schemas.contains_key(name), "{name}");
        }
    }
}
