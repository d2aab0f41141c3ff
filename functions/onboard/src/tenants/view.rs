//! A tenant as operators see it.

use chrono::{DateTime, Utc};
use common::plan::Limits;
use common::quota::Counts;
use common::state::TenantRecord;
use common::tenant::{ProfileStatus, SubscriptionStatus};
use serde::Serialize;

/// A tenant.
#[derive(Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names that callers see")]
pub(crate) struct Tenant {
    tenant_id: String,
    company_name: String,
    admin_email: String,
    /// PROVISIONING until onboarding is complete, then the subscription's.
    status: Status,
    subscription_plan: String,
    /// What it may use; null while onboarding has not come to it.
    limits: Option<Limits>,
    /// What it has used; in a list left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    created_at: DateTime<Utc>,
}

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Provisioning,
    Active,
    Suspended,
    Cancelled,
}

/// What a tenant's ledger row holds. The day and the month are UTC's.
#[derive(Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names that callers see")]
pub(crate) struct Usage {
    pipelines_run_today: u32,
    pipelines_run_this_month: u32,
    pipelines_running: u32,
    pipelines_queued: u32,
}

impl Usage {
    pub(super) fn of(counts: Counts) -> Self {
        Self {
            pipelines_run_today: counts.today,
            pipelines_run_this_month: counts.month,
            pipelines_running: counts.active,
            pipelines_queued: counts.queued,
        }
    }
}

impl Tenant {
    pub(super) fn of(record: TenantRecord, usage: Option<Usage>) -> Self {
        let TenantRecord { profile, subscription } = record;
        let status = match (profile.status, subscription.as_ref().map(|s| s.status)) {
            (ProfileStatus::Provisioning, _) | (ProfileStatus::Active, None) => {
                Status::Provisioning
            }
            (ProfileStatus::Active, Some(SubscriptionStatus::Active)) => Status::Active,
            (ProfileStatus::Active, Some(SubscriptionStatus::Suspended)) => Status::Suspended,
            (ProfileStatus::Active, Some(SubscriptionStatus::Cancelled)) => Status::Cancelled,
        };
        let plan = subscription.as_ref().map(|s| s.plan_name.clone());
        Self {
            tenant_id: profile.tenant_id.to_string(),
            company_name: profile.company_name,
            admin_email: profile.admin_email,
            status,
            subscription_plan: plan.unwrap_or(profile.subscription_plan),
            limits: subscription.map(|s| s.limits),
            usage,
            created_at: profile.created_at,
        }
    }
}
