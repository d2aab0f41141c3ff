//! Onboarding: from a name to a tenant that can trigger runs.
//!
//! Every step may be repeated and finds what it made before, so a request that was cut off anywhere is
//! completed by sending it again. The key comes last but one: whoever has one has a tenant.

mod dry_run;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use common::api_key::{ApiKey, KeyRecord, key_aad};
use common::http::{Json, Kind, Operator, Problem, ProblemBody, Query};
use common::port::PortError;
use common::state::{FirstKey, tables};
use common::tenant::{Profile, ProfileStatus, Subscription, SubscriptionStatus, TenantId};
use common::warehouse::TableRef;
use serde::{Deserialize, Serialize};
use tracing::Span;
use uuid::Uuid;

use crate::State;
use dry_run::DryRunReport;
pub(crate) use request::plan_rule;
use request::{OnboardRequest, Wanted};

/// The label by which a dataset is known as its tenant's.
const LABEL: &str = "headgate_tenant";
/// The namespace of ids derived from a tenant's; part of every such id, so never changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x5d0c_2a31_94e6_4b0f_8b7e_c1d2_60f3_a98b);

/// What a tenant is told once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Onboarded {
    tenant_id: String,
    /// The only time that the key is shown.
    api_key: String,
    /// The dataset is there, made by this request or by one that was cut off.
    dataset_created: bool,
    /// The tables of the dataset that hold the tenant's runs.
    tables_created: Vec<&'static str>,
    message: &'static str,
}

/// Onboarded, or with `dry_run` what was checked.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum OnboardAnswer {
    Onboarded(Onboarded),
    DryRun(DryRunReport),
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Mode {
    /// Report what would happen, and write nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Onboards a tenant.
///
/// Sent again unchanged, it completes what was cut off; until the key is first used it answers with a fresh key
/// in place of the one before.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/onboard",
    operation_id = "onboard_tenant",
    params(Mode),
    request_body = OnboardRequest,
    responses(
        (status = 200, description = "Onboarded, or with `dry_run` what was checked", body = OnboardAnswer),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn onboard(
    operator: Operator,
    Shared(state): Shared<State>,
    Query(mode): Query<Mode>,
    Json(request): Json<OnboardRequest>,
) -> Result<Json<OnboardAnswer>, Problem> {
    if mode.dry_run {
        return Ok(Json(OnboardAnswer::DryRun(DryRunReport::of(&state, &request).await?)));
    }
    let wanted = request.check(&state.config).map_err(|errors| Problem::invalid(&errors))?;
    Span::current().record("tenant.id", wanted.tenant_id.as_str());
    let onboarded = complete(&state, &wanted).await?;
    tracing::info!(operator = operator.name, plan = wanted.plan, "tenant onboarded");
    Ok(Json(OnboardAnswer::Onboarded(onboarded)))
}

/// Does what is not done yet, in order.
async fn complete(state: &State, wanted: &Wanted) -> Result<Onboarded, Problem> {
    let tenant = &wanted.tenant_id;
    refuse_taken(state, wanted).await?;

    let profile = state.tenants.create_profile(&wanted.profile(state.clock.now())).await?;
    if !wanted.is(&profile) {
        return Err(tenant_exists(tenant));
    }
    let labels = BTreeMap::from([(LABEL.to_owned(), tenant.to_string())]);
    match state.warehouse.ensure_dataset(&tenant.dataset(), &labels).await {
        Ok(_) => {}
        Err(PortError::Conflict(_)) => return Err(dataset_taken(tenant)),
        Err(error) => return Err(error.into()),
    }
    let tables_created = make_tables(state, tenant).await?;
    state.tenants.create_subscription(&wanted.subscription(state.clock.now())).await?;
    state.ledger.create(tenant).await?;

    let key = ApiKey::generate(tenant, &state.chance);
    let record = encrypted(state, &key, first_key_id(tenant)).await?;
    match state.tenants.put_first_key(&record).await? {
        FirstKey::Stored => {}
        FirstKey::Taken => return Err(tenant_exists(tenant)),
    }
    state.tenants.activate(tenant).await?;
    refuse_replaced(state, &record).await?;
    Ok(Onboarded {
        tenant_id: tenant.to_string(),
        api_key: key.secret().expose().to_owned(),
        dataset_created: true,
        tables_created,
        message: "Tenant onboarded successfully",
    })
}

/// Looks before anything is written, so that what is refused leaves nothing behind.
async fn refuse_taken(state: &State, wanted: &Wanted) -> Result<(), Problem> {
    let tenant = &wanted.tenant_id;
    let known = state.tenants.tenant(tenant).await?;
    if known.is_some_and(|known| !wanted.is(&known.profile))
        || !key_is_unseen(state, tenant).await?
    {
        return Err(tenant_exists(tenant));
    }
    if dataset_is_foreign(state, tenant).await? {
        return Err(dataset_taken(tenant));
    }
    Ok(())
}

/// Whether onboarding may still store a key: there is none, or only its own that nobody has used.
async fn key_is_unseen(state: &State, tenant: &TenantId) -> Result<bool, PortError> {
    let keys = state.tenants.keys(tenant).await?;
    let unseen = |key: &KeyRecord| {
        key.api_key_id == first_key_id(tenant)
            && key.first_used_at.is_none()
            && key.revoked_at.is_none()
            && key.expires_at.is_none()
    };
    Ok(keys.is_empty() || keys.iter().any(unseen))
}

async fn dataset_is_foreign(state: &State, tenant: &TenantId) -> Result<bool, PortError> {
    let labels = state.warehouse.dataset_labels(&tenant.dataset()).await?;
    Ok(labels.is_some_and(|labels| labels.get(LABEL).map(String::as_str) != Some(tenant.as_str())))
}

/// Of simultaneous requests the last one's key stands; the others must not answer with theirs.
async fn refuse_replaced(state: &State, record: &KeyRecord) -> Result<(), Problem> {
    let keys = state.tenants.keys(&record.tenant_id).await?;
    if keys.iter().any(|key| key.hash == record.hash) {
        return Ok(());
    }
    let detail = format!(
        "another request onboarded tenant {} at the same time, and its answer holds the key",
        record.tenant_id
    );
    Err(Problem::new(Kind::InProgress, detail).retry_after(Duration::from_secs(5)))
}

async fn make_tables(state: &State, tenant: &TenantId) -> Result<Vec<&'static str>, Problem> {
    let mut made = Vec::new();
    for (name, definition) in tables::tenant()? {
        let table = TableRef { project: None, dataset: tenant.dataset(), table: name.to_owned() };
        let definition = definition.in_dataset(&table.dataset);
        state.warehouse.ensure_table(&table, &definition).await?;
        made.push(name);
    }
    Ok(made)
}

/// The id of the key that onboarding makes: the same for ever, so that there is one.
pub(crate) fn first_key_id(tenant: &TenantId) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{tenant}\nfirst-key").as_bytes())
}

/// What is kept of a key.
pub(crate) async fn encrypted(
    state: &State,
    key: &ApiKey,
    api_key_id: Uuid,
) -> Result<KeyRecord, PortError> {
    let tenant = key.tenant();
    let encrypted = state.key_service.encrypt(key.secret(), &key_aad(tenant, api_key_id)).await?;
    Ok(KeyRecord {
        api_key_id,
        tenant_id: tenant.clone(),
        hash: key.hash(),
        encrypted,
        last_four: key.last_four().to_owned(),
        created_at: state.clock.now(),
        first_used_at: None,
        expires_at: None,
        revoked_at: None,
    })
}

impl Wanted {
    fn profile(&self, now: DateTime<Utc>) -> Profile {
        Profile {
            tenant_id: self.tenant_id.clone(),
            company_name: self.company_name.clone(),
            admin_email: self.admin_email.clone(),
            status: ProfileStatus::Provisioning,
            subscription_plan: self.plan.clone(),
            created_at: now,
        }
    }

    fn subscription(&self, now: DateTime<Utc>) -> Subscription {
        let id = Uuid::new_v5(&NAMESPACE, format!("{}\nsubscription", self.tenant_id).as_bytes());
        Subscription {
            subscription_id: id.to_string(),
            tenant_id: self.tenant_id.clone(),
            plan_name: self.plan.clone(),
            status: SubscriptionStatus::Active,
            limits: self.limits,
            updated_at: now,
        }
    }

    /// Whether a profile is what this request makes.
    fn is(&self, profile: &Profile) -> bool {
        profile.tenant_id == self.tenant_id
            && profile.company_name == self.company_name
            && profile.admin_email == self.admin_email
            && profile.subscription_plan == self.plan
    }
}

fn tenant_exists(tenant: &TenantId) -> Problem {
    let detail = format!(
        "tenant {tenant} exists with other details, or its API key is in use; choose another tenant_id, or \
         rotate its key"
    );
    Problem::new(Kind::TenantExists, detail)
}

fn dataset_taken(tenant: &TenantId) -> Problem {
    let detail =
        format!("dataset {tenant} exists without the label {LABEL}={tenant}, so it is not adopted");
    Problem::new(Kind::DatasetTaken, detail)
}
