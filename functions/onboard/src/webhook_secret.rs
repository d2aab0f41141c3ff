//! Operators' route about webhooks: the secret that a tenant verifies them with.

use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use common::http::{Json, Operator, Path, Problem, ProblemBody};
use common::tenant::TenantId;
use common::webhook_key::tenant_secret;
use serde::Serialize;

use crate::State;
use crate::tenants::known;

/// What a tenant verifies its webhooks with.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WebhookSecret {
    tenant_id: String,
    /// `whsec_` and base64, as the libraries of Standard Webhooks take it.
    webhook_secret: String,
}

/// Reads the secret that signs a tenant's webhooks, to hand it to the tenant.
///
/// It is derived from the deployment's key, so it is the same each time.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/webhook-secret",
    operation_id = "read_webhook_secret",
    params(("tenant_id" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The tenant's secret; it is not to be cached", body = WebhookSecret),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    operator: Operator,
    Shared(state): Shared<State>,
    Path(tenant): Path<TenantId>,
) -> Result<([(HeaderName, &'static str); 1], Json<WebhookSecret>), Problem> {
    known(&state, &tenant).await?;
    let secret = tenant_secret(&state.webhook_key, &tenant);
    tracing::info!(operator = operator.name, "webhook secret read");
    let answer =
        WebhookSecret { tenant_id: tenant.to_string(), webhook_secret: secret.expose().to_owned() };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}
