//! Operators' routes about tenants: list, read, change.

pub(crate) mod change;
mod view;

use axum::extract::State as Shared;
use common::http::{FieldError, Json, Kind, Operator, Path, Problem, ProblemBody, Query};
use common::state::TenantRecord;
use common::tenant::TenantId;
use serde::{Deserialize, Serialize};
use tracing::Span;

use crate::State;
use view::{Tenant, Usage};

/// Tenants of a page, unless asked otherwise.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 unless given.
    limit: Option<u32>,
}

/// A page of tenants.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TenantList {
    /// By id.
    tenants: Vec<Tenant>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// Lists tenants by id.
#[utoipa::path(
    get,
    path = "/api/v1/tenants",
    operation_id = "list_tenants",
    params(Page),
    responses(
        (status = 200, description = "A page of tenants", body = TenantList),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    _operator: Operator,
    Shared(state): Shared<State>,
    Query(page): Query<Page>,
) -> Result<Json<TenantList>, Problem> {
    let (after, limit) = page.check().map_err(|errors| Problem::invalid(&errors))?;
    // One more than the page holds tells whether there is another.
    let mut records = state.tenants.list(after.as_ref(), limit + 1).await?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next_cursor =
        records.last().filter(|_| more).map(|last| last.profile.tenant_id.to_string());
    let tenants = records.into_iter().map(|record| Tenant::of(record, None)).collect();
    Ok(Json(TenantList { tenants, next_cursor }))
}

impl Page {
    fn check(&self) -> Result<(Option<TenantId>, u32), Vec<FieldError>> {
        let mut errors = Vec::new();
        let after = self.cursor.as_deref().map(TenantId::parse).transpose().unwrap_or_else(|_| {
            let cursor = self.cursor.clone().unwrap_or_default();
            errors.push(FieldError::new(
                "cursor",
                cursor,
                "must be the next_cursor of an earlier page",
            ));
            None
        });
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            errors.push(FieldError::new("limit", limit, format!("must be 1 to {LARGEST_PAGE}")));
        }
        if errors.is_empty() { Ok((after, limit)) } else { Err(errors) }
    }
}

/// Reads one tenant with its usage.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}",
    operation_id = "read_tenant",
    params(("tenant_id" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The tenant", body = Tenant),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn read(
    _operator: Operator,
    Shared(state): Shared<State>,
    Path(tenant): Path<TenantId>,
) -> Result<Json<Tenant>, Problem> {
    let record = known(&state, &tenant).await?;
    let usage = usage(&state, &tenant).await?;
    Ok(Json(Tenant::of(record, usage)))
}

/// A tenant's record; 404 where there is none.
pub(crate) async fn known(state: &State, tenant: &TenantId) -> Result<TenantRecord, Problem> {
    Span::current().record("tenant.id", tenant.as_str());
    let record = state.tenants.tenant(tenant).await?;
    record.ok_or_else(|| Problem::new(Kind::NotFound, format!("there is no tenant {tenant}")))
}

async fn usage(state: &State, tenant: &TenantId) -> Result<Option<Usage>, Problem> {
    let row = state.ledger.row(tenant).await?;
    Ok(row.map(|row| Usage::of(row.account.counts(state.clock.today()))))
}
