//! What every state adapter keeps: plain functions, each one promise, each on tenants of its own name.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a contract fails by panicking"
)]

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::plan::Limits;
use crate::tenant::{Profile, ProfileStatus, Subscription, SubscriptionStatus, TenantId};

pub mod ledger;
pub mod runs;
pub mod schedules;
pub mod slots;
pub mod tenants;

/// PROFESSIONAL's limits.
pub const LIMITS: Limits = Limits {
    daily_limit: 25,
    monthly_limit: 750,
    concurrent_limit: 3,
    max_queued: 50,
    max_bytes: 1_000_000,
    max_parallel: 4,
};

/// A moment that no test's clock has to be at.
pub fn noon() -> DateTime<Utc> {
    "2026-03-04T12:00:00Z".parse().unwrap()
}

/// A tenant's id.
pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// A profile that is being provisioned.
pub fn profile(name: &str) -> Profile {
    Profile {
        tenant_id: tenant(name),
        company_name: "Contract & Söhne".to_owned(),
        admin_email: "admin@example.com".to_owned(),
        status: ProfileStatus::Provisioning,
        subscription_plan: "PROFESSIONAL".to_owned(),
        created_at: noon(),
    }
}

/// An active subscription to [`LIMITS`].
pub fn subscription(name: &str) -> Subscription {
    Subscription {
        subscription_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string(),
        tenant_id: tenant(name),
        plan_name: "PROFESSIONAL".to_owned(),
        status: SubscriptionStatus::Active,
        limits: LIMITS,
        updated_at: noon(),
    }
}
