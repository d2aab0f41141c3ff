//! The OpenAPI document of the whole deployment, generated from the functions' handlers.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr};

const OPERATOR: &str = "X-Admin-Key";
const TENANT: &str = "X-API-Key";

/// All routes of all functions, each with the credentials it takes.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Headgate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Pipeline runs for many tenants, each within its plan. Errors are RFC 9457 problems; the `type` of \
             each is a page below `/problems`.",
        ))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build();
    let mut components = Components::new();
    for (name, description) in [
        (OPERATOR, "The operator's key, on the embedded deployment."),
        (TENANT, "A tenant's key, shown once when it is made."),
    ] {
        let header = ApiKeyValue::with_description(name, description);
        components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
    let mut document = OpenApiBuilder::new().info(info).components(Some(components)).build();
    document.merge(secured(onboard::openapi(), "tenants", "tenants"));
    document.merge(secured(trigger::openapi(), "runs", "internal"));
    document.merge(secured(scheduler::openapi(), "schedules", "scheduler"));
    document
}

/// The function's document. An operation that takes a tenant's key as a header has it as a scheme instead; any
/// other is the operator's.
fn secured(mut document: OpenApi, tenants_tag: &str, operators_tag: &str) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let parameters = operation.parameters.get_or_insert_default();
        let before = parameters.len();
        parameters.retain(|parameter| match parameter {
            RefOr::T(parameter) => parameter.name != TENANT,
            RefOr::Ref(_) => true,
        });
        let is_tenants = parameters.len() < before;
        let (key, tag) = if is_tenants { (TENANT, tenants_tag) } else { (OPERATOR, operators_tag) };
        operation.security = Some(vec![SecurityRequirement::new(key, [] as [&str; 0])]);
        operation.tags = Some(vec![tag.to_owned()]);
    }
    document
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}
