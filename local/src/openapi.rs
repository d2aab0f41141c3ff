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
    document.merge(secured(onboard::openapi(), OPERATOR, "tenants"));
    document.merge(secured(trigger::openapi(), TENANT, "runs"));
    document
}

/// The function's document, each operation with its key as a scheme in place of a header parameter, and below
/// one tag.
fn secured(mut document: OpenApi, key: &str, tag: &str) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        operation.security = Some(vec![SecurityRequirement::new(key, [] as [&str; 0])]);
        operation.tags = Some(vec![tag.to_owned()]);
        if let Some(parameters) = &mut operation.parameters {
            parameters.retain(|parameter| match parameter {
                RefOr::T(parameter) => parameter.name != key,
                RefOr::Ref(_) => true,
            });
        }
    }
    document
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}
