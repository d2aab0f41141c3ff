//! What an onboarding would meet, without writing anything.

use common::http::Problem;
use common::keys::Secret;
use serde::Serialize;

use super::request::{OnboardRequest, Wanted};
use super::{dataset_is_foreign, dataset_taken, key_is_unseen, tenant_exists};
use crate::State;

/// The answer to an onboarding with `dry_run=true`.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DryRunReport {
    tenant_id: String,
    dry_run: bool,
    /// Whether every check is.
    ok: bool,
    checks: Vec<Check>,
    message: &'static str,
}

/// One thing that was looked at.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

impl Check {
    fn of(name: &'static str, detail: Result<String, String>) -> Self {
        let ok = detail.is_ok();
        Self { name, ok, detail: detail.unwrap_or_else(|problem| problem) }
    }
}

/// The request's fields, each a check.
const FIELDS: [&str; 4] = ["tenant_id", "company_name", "admin_email", "subscription_plan"];

impl DryRunReport {
    /// Makes all checks, except that nothing is looked up for values that break a rule.
    pub(super) async fn of(state: &State, request: &OnboardRequest) -> Result<Self, Problem> {
        let checked = request.check(&state.config);
        let errors = checked.as_ref().err().map_or(&[][..], Vec::as_slice);
        let mut checks: Vec<Check> = FIELDS
            .into_iter()
            .map(|field| {
                let broken = errors.iter().find(|error| error.field == field);
                Check::of(
                    field,
                    broken.map_or(Ok("keeps the rules".to_owned()), |e| Err(e.rule.clone())),
                )
            })
            .collect();
        if let Ok(wanted) = &checked {
            checks.push(Check::of("tenant", tenant(state, wanted).await?));
            checks.push(Check::of("dataset", dataset(state, wanted).await?));
            checks.push(Check::of("key_service", key_service(state).await));
        }
        let ok = checks.iter().all(|check| check.ok);
        let message =
            if ok { "Tenant can be onboarded" } else { "Tenant cannot be onboarded as asked" };
        Ok(Self { tenant_id: request.tenant_id.clone(), dry_run: true, ok, checks, message })
    }
}

async fn tenant(state: &State, wanted: &Wanted) -> Result<Result<String, String>, Problem> {
    let tenant = &wanted.tenant_id;
    let known = state.tenants.tenant(tenant).await?;
    let Some(known) = known else { return Ok(Ok("no tenant has this id".to_owned())) };
    if !wanted.is(&known.profile) || !key_is_unseen(state, tenant).await? {
        return Ok(Err(tenant_exists(tenant).detail().to_owned()));
    }
    Ok(Ok("onboarded before with the same details; its unused key would be replaced".to_owned()))
}

async fn dataset(state: &State, wanted: &Wanted) -> Result<Result<String, String>, Problem> {
    let tenant = &wanted.tenant_id;
    if dataset_is_foreign(state, tenant).await? {
        return Ok(Err(dataset_taken(tenant).detail().to_owned()));
    }
    Ok(Ok(format!("dataset {tenant} is free or the tenant's own")))
}

/// Encrypts a text that is nobody's: the key service keeps nothing.
async fn key_service(state: &State) -> Result<String, String> {
    match state.key_service.encrypt(&Secret::new("dry run"), b"v1|dry-run").await {
        Ok(_) => Ok("encrypts".to_owned()),
        Err(error) => {
            tracing::warn!(cause = %error, "the key service did not encrypt in a dry run");
            Err("the key service does not answer; see the log".to_owned())
        }
    }
}
