//! The verbs of tenants: profiles, keys, subscriptions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::api_key::{FoundKey, KeyHash, KeyRecord};
use crate::port::PortError;
use crate::tenant::{Profile, Subscription, TenantId};

/// A tenant as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// The profile.
    pub profile: Profile,
    /// The subscription; `None` while onboarding has not come to it.
    pub subscription: Option<Subscription>,
}

/// Whether onboarding's key was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstKey {
    /// This key is the tenant's now; one stored before, unseen, no longer is.
    Stored,
    /// The key stored before has been used, revoked or rotated: it stays.
    Taken,
}

/// The subscription's new content, written whole; the profile's plan follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantChange {
    /// What it becomes.
    pub subscription: Subscription,
    /// What it was when it was read: where it is something else by now, nothing changes.
    pub read: Subscription,
}

/// Profiles, keys and subscriptions.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Records the profile where the tenant has none; answers the one it has then.
    async fn create_profile(&self, profile: &Profile) -> Result<Profile, PortError>;

    /// Ends onboarding: PROVISIONING to ACTIVE. Answers whether it was this call.
    async fn activate(&self, tenant: &TenantId) -> Result<bool, PortError>;

    /// Records the subscription where the tenant has none; answers the one it has then.
    async fn create_subscription(
        &self,
        subscription: &Subscription,
    ) -> Result<Subscription, PortError>;

    /// One tenant.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRecord>, PortError>;

    /// Tenants by id, those after `after`, at most `limit`.
    async fn list(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, PortError>;

    /// Compare-and-set of the subscription; answers whether it took effect.
    async fn change(&self, change: &TenantChange) -> Result<bool, PortError>;

    /// Stores onboarding's key, whose `api_key_id` is derived from the tenant: in place of one of that id
    /// that nobody has used, else as a new row where there is none.
    async fn put_first_key(&self, key: &KeyRecord) -> Result<FirstKey, PortError>;

    /// Adds a key and lets the tenant's other live keys end at `others_end` at the latest, in one step.
    async fn rotate_key(&self, key: &KeyRecord, others_end: DateTime<Utc>)
    -> Result<(), PortError>;

    /// A tenant's keys, oldest first.
    async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRecord>, PortError>;

    /// Revokes a key; answers its row as it is then, `None` where the tenant has no such key.
    async fn revoke_key(
        &self,
        tenant: &TenantId,
        api_key_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Option<KeyRecord>, PortError>;

    /// Looks hashes up in one statement. For those found for the first time, `first_used_at` is set before
    /// the answer, so that onboarding no longer replaces a key that has been seen to work.
    async fn use_keys(
        &self,
        hashes: &[KeyHash],
        at: DateTime<Utc>,
    ) -> Result<Vec<FoundKey>, PortError>;
}
