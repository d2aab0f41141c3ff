//! Operators' routes about API keys: list, revoke, rotate.
//!
//! A key that is revoked or has expired is refused 30 s later at the latest: so long an instance may have it
//! verified.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use common::api_key::{ApiKey, KeyRecord, KeyState};
use common::http::{FieldError, Json, Kind, Operator, Path, Problem, ProblemBody, idempotency_key};
use common::port::PortError;
use common::tenant::{ProfileStatus, TenantId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::onboarding::encrypted;
use crate::tenants::change::unfinished;
use crate::tenants::known;

/// How long the other keys go on, unless asked otherwise: a day to bring the new one everywhere.
const OVERLAP: u32 = 24 * 60 * 60;
const LONGEST_OVERLAP: u32 = 30 * OVERLAP;
/// The namespace of key ids derived from an `Idempotency-Key`; part of every such id, so never changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x2e9b_7f40_1c58_4d63_b0a4_8e37_d95f_126c);

/// An API key as far as it is ever shown again.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ListedKey {
    api_key_id: String,
    last_four: String,
    state: KeyState,
    created_at: DateTime<Utc>,
    first_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl ListedKey {
    fn of(record: KeyRecord, now: DateTime<Utc>) -> Self {
        Self {
            state: record.state(now),
            api_key_id: record.api_key_id.to_string(),
            last_four: record.last_four,
            created_at: record.created_at,
            first_used_at: record.first_used_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        }
    }
}

/// A tenant's keys.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KeyList {
    /// Oldest first.
    api_keys: Vec<ListedKey>,
}

/// Lists a tenant's keys, ended ones included.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/api-keys",
    operation_id = "list_api_keys",
    params(("tenant_id" = String, Path, description = "The tenant")),
    responses(
        (status = 200, description = "The tenant's keys", body = KeyList),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    _operator: Operator,
    Shared(state): Shared<State>,
    Path(tenant): Path<TenantId>,
) -> Result<Json<KeyList>, Problem> {
    known(&state, &tenant).await?;
    let now = state.clock.now();
    let keys = state.tenants.keys(&tenant).await?;
    Ok(Json(KeyList { api_keys: keys.into_iter().map(|key| ListedKey::of(key, now)).collect() }))
}

/// Revokes a key, for good; revoking it again changes nothing.
#[utoipa::path(
    delete,
    path = "/api/v1/tenants/{tenant_id}/api-keys/{api_key_id}",
    operation_id = "revoke_api_key",
    params(
        ("tenant_id" = String, Path, description = "The tenant"),
        ("api_key_id" = String, Path, description = "The key's id, as listed"),
    ),
    responses(
        (status = 200, description = "The revoked key", body = ListedKey),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn revoke(
    operator: Operator,
    Shared(state): Shared<State>,
    Path((tenant, api_key_id)): Path<(TenantId, Uuid)>,
) -> Result<Json<ListedKey>, Problem> {
    known(&state, &tenant).await?;
    let now = state.clock.now();
    let revoked = state.tenants.revoke_key(&tenant, api_key_id, now).await?.ok_or_else(|| {
        Problem::new(Kind::NotFound, format!("tenant {tenant} has no key {api_key_id}"))
    })?;
    tracing::info!(operator = operator.name, api_key_id = %api_key_id, "API key revoked");
    Ok(Json(ListedKey::of(revoked, now)))
}

/// What a rotation may be told; no body is as an empty one.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the tenant's other keys go on, in seconds: 0 to 2,592,000, a day unless given.
    overlap_seconds: Option<u32>,
}

/// A new key.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rotated {
    tenant_id: String,
    api_key_id: String,
    /// The only time that the key is shown.
    api_key: String,
    /// When the tenant's other keys end at the latest.
    others_expire_at: DateTime<Utc>,
    message: &'static str,
}

/// Makes a new key and lets the others end.
///
/// Sent again with the same `Idempotency-Key` it makes no second key: it is answered 409 `already-created` with
/// the `api_key_id`, for the key itself is kept nowhere.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{tenant_id}/api-keys/rotate",
    operation_id = "rotate_api_key",
    params(
        ("tenant_id" = String, Path, description = "The tenant"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the rotation happen once"),
    ),
    request_body = Option<Rotation>,
    responses(
        (status = 200, description = "The new key", body = Rotated),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate(
    operator: Operator,
    Shared(state): Shared<State>,
    Path(tenant): Path<TenantId>,
    headers: HeaderMap,
    rotation: Option<Json<Rotation>>,
) -> Result<Json<Rotated>, Problem> {
    let overlap = rotation.map(|Json(rotation)| rotation).unwrap_or_default().overlap()?;
    let api_key_id = match idempotency_key(&headers)? {
        Some(key) => Uuid::new_v5(&NAMESPACE, format!("{tenant}\nrotate\n{key}").as_bytes()),
        None => state.chance.uuid(),
    };
    if known(&state, &tenant).await?.profile.status != ProfileStatus::Active {
        return Err(unfinished(&tenant));
    }
    let key = ApiKey::generate(&tenant, &state.chance);
    let record = encrypted(&state, &key, api_key_id).await?;
    let others_expire_at = record.created_at + overlap;
    match state.tenants.rotate_key(&record, others_expire_at).await {
        Ok(()) => {}
        Err(PortError::AlreadyExists(_)) => return Err(already_rotated(api_key_id)),
        Err(error) => return Err(error.into()),
    }
    tracing::info!(operator = operator.name, api_key_id = %api_key_id, "API key rotated");
    Ok(Json(Rotated {
        tenant_id: tenant.to_string(),
        api_key_id: api_key_id.to_string(),
        api_key: key.secret().expose().to_owned(),
        others_expire_at,
        message: "API key rotated successfully",
    }))
}

impl Rotation {
    fn overlap(&self) -> Result<TimeDelta, Problem> {
        let seconds = self.overlap_seconds.unwrap_or(OVERLAP);
        if seconds > LONGEST_OVERLAP {
            let rule = format!("must be 0 to {LONGEST_OVERLAP}");
            return Err(Problem::invalid(&[FieldError::new("overlap_seconds", seconds, rule)]));
        }
        Ok(TimeDelta::seconds(seconds.into()))
    }
}

fn already_rotated(api_key_id: Uuid) -> Problem {
    let detail = "this Idempotency-Key has made a key, which only that answer held; to get another, rotate \
                  with a new Idempotency-Key";
    Problem::new(Kind::AlreadyCreated, detail).with("api_key_id", api_key_id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_bounded() {
        let of = |overlap_seconds| {
            let overlap = Rotation { overlap_seconds }.overlap();
            overlap.map(|overlap| overlap.num_seconds()).map_err(|problem| problem.kind())
        };
        assert_eq!(of(None), Ok(86_400));
        assert_eq!(of(Some(0)), Ok(0));
        assert_eq!(of(Some(2_592_000)), Ok(2_592_000));
        assert_eq!(of(Some(2_592_001)), Err(Kind::InvalidParameters));
    }
}
