//! Tenants on SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::api_key::{FoundKey, KeyHash, KeyRecord};
use common::port::PortError;
use common::state::{FirstKey, TenantChange, TenantRecord, Tenants};
use common::tenant::{Profile, Subscription, TenantId};
use rusqlite::{Transaction, named_params, params};
use uuid::Uuid;

use super::{Columns, SqliteState, all, change, first, micros, subscription};

const PROFILE: &str = "SELECT * FROM \"tenants.tenant_profiles\" WHERE tenant_id = ?1";
const PROFILES: &str = "SELECT * FROM \"tenants.tenant_profiles\"
     WHERE ?1 IS NULL OR tenant_id > ?1 ORDER BY tenant_id LIMIT ?2";
const CREATE_PROFILE: &str = "INSERT INTO \"tenants.tenant_profiles\"
     (tenant_id, company_name, admin_email, status, subscription_plan, created_at, updated_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT DO NOTHING";
const ACTIVATE: &str = "UPDATE \"tenants.tenant_profiles\" SET status = 'ACTIVE', updated_at = ?2
     WHERE tenant_id = ?1 AND status = 'PROVISIONING'";
const CREATE_SUBSCRIPTION: &str = "INSERT INTO \"tenants.tenant_subscriptions\"
     (subscription_id, tenant_id, plan_name, status, daily_limit, monthly_limit, concurrent_limit,
      max_queued, max_bytes, max_parallel, created_at, updated_at)
     VALUES (:subscription_id, :tenant_id, :plan_name, :status, :daily_limit, :monthly_limit,
      :concurrent_limit, :max_queued, :max_bytes, :max_parallel, :updated_at, :updated_at) ON CONFLICT DO NOTHING";
const CHANGE_SUBSCRIPTION: &str = "UPDATE \"tenants.tenant_subscriptions\" SET
     subscription_id = :subscription_id, plan_name = :plan_name, status = :status,
     daily_limit = :daily_limit, monthly_limit = :monthly_limit,
     concurrent_limit = :concurrent_limit, max_queued = :max_queued, max_bytes = :max_bytes,
     max_parallel = :max_parallel,     updated_at = :updated_at WHERE tenant_id = :tenant_id";
const FOLLOW_PLAN: &str =
    "UPDATE \"tenants.tenant_profiles\" SET subscription_plan = ?2, updated_at = ?3
     WHERE tenant_id = ?1 AND subscription_plan <> ?2";
const KEYS: &str = "SELECT * FROM \"tenants.tenant_api_keys\" WHERE tenant_id = ?1
     ORDER BY created_at, api_key_id";
const KEY: &str =
    "SELECT * FROM \"tenants.tenant_api_keys\" WHERE tenant_id = ?1 AND api_key_id = ?2";
const KEY_BY_HASH: &str = "SELECT * FROM \"tenants.tenant_api_keys\" WHERE api_key_hash = ?1";
const ADD_KEY: &str = "INSERT INTO \"tenants.tenant_api_keys\"
     (api_key_id, tenant_id, api_key_hash, encrypted_api_key, last_four, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const REPLACE_UNSEEN: &str = "UPDATE \"tenants.tenant_api_keys\" SET
     api_key_hash = ?2, encrypted_api_key = ?3, last_four = ?4, created_at = ?5
     WHERE api_key_id = ?1 AND first_used_at IS NULL AND revoked_at IS NULL AND expires_at IS NULL";
const END_OTHERS: &str = "UPDATE \"tenants.tenant_api_keys\" SET expires_at = ?3
     WHERE tenant_id = ?1 AND api_key_id <> ?2 AND revoked_at IS NULL
     AND (expires_at IS NULL OR expires_at > ?3)";
const REVOKE: &str = "UPDATE \"tenants.tenant_api_keys\" SET revoked_at = ?3
     WHERE tenant_id = ?1 AND api_key_id = ?2 AND revoked_at IS NULL";
const FIRST_USE: &str = "UPDATE \"tenants.tenant_api_keys\" SET first_used_at = ?2
     WHERE api_key_hash = ?1 AND first_used_at IS NULL AND revoked_at IS NULL
     AND (expires_at IS NULL OR expires_at > ?2)";

#[async_trait]
impl Tenants for SqliteState {
    async fn create_profile(&self, profile: &Profile) -> Result<Profile, PortError> {
        self.db.write(|tx| {
            let values = params![
                profile.tenant_id.as_str(),
                profile.company_name,
                profile.admin_email,
                profile.status.as_str(),
                profile.subscription_plan,
                micros(profile.created_at),
            ];
            change(tx, CREATE_PROFILE, values)?;
            let stored = first(tx, PROFILE, [profile.tenant_id.as_str()], read_profile)?;
            stored.ok_or_else(|| PortError::NotFound(format!("tenant {}", profile.tenant_id)))
        })
    }

    async fn activate(&self, tenant: &TenantId) -> Result<bool, PortError> {
        let at = micros(self.clock.now());
        self.db.write(|tx| Ok(change(tx, ACTIVATE, params![tenant.as_str(), at])? == 1))
    }

    async fn create_subscription(&self, new: &Subscription) -> Result<Subscription, PortError> {
        self.db.write(|tx| {
            write_subscription(tx, CREATE_SUBSCRIPTION, new)?;
            subscription(tx, &new.tenant_id)?
                .ok_or_else(|| PortError::NotFound(format!("subscription of {}", new.tenant_id)))
        })
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRecord>, PortError> {
        self.db.read(|tx| {
            let profile = first(tx, PROFILE, [tenant.as_str()], read_profile)?;
            profile.map(|profile| with_subscription(tx, profile)).transpose()
        })
    }

    async fn list(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, PortError> {
        self.db.read(|tx| {
            let after = after.map(TenantId::as_str);
            let profiles = all(tx, PROFILES, params![after, limit], read_profile)?;
            profiles.into_iter().map(|profile| with_subscription(tx, profile)).collect()
        })
    }

    async fn change(&self, new: &TenantChange) -> Result<bool, PortError> {
        let tenant = &new.subscription.tenant_id;
        self.db.write(|tx| {
            if subscription(tx, tenant)?.as_ref() != Some(&new.read) {
                return Ok(false);
            }
            write_subscription(tx, CHANGE_SUBSCRIPTION, &new.subscription)?;
            let at = micros(new.subscription.updated_at);
            change(tx, FOLLOW_PLAN, params![tenant.as_str(), new.subscription.plan_name, at])?;
            Ok(true)
        })
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<FirstKey, PortError> {
        self.db.write(|tx| {
            if all(tx, KEYS, [key.tenant_id.as_str()], read_key)?.is_empty() {
                add_key(tx, key)?;
                return Ok(FirstKey::Stored);
            }
            let values = params![
                key.api_key_id.to_string(),
                key.hash.0,
                key.encrypted,
                key.last_four,
                micros(key.created_at),
            ];
            let replaced = change(tx, REPLACE_UNSEEN, values)?;
            Ok(if replaced == 1 { FirstKey::Stored } else { FirstKey::Taken })
        })
    }

    async fn rotate_key(
        &self,
        key: &KeyRecord,
        others_end: DateTime<Utc>,
    ) -> Result<(), PortError> {
        self.db.write(|tx| {
            add_key(tx, key)?;
            let id = key.api_key_id.to_string();
            change(tx, END_OTHERS, params![key.tenant_id.as_str(), id, micros(others_end)])?;
            Ok(())
        })
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRecord>, PortError> {
        self.db.read(|tx| all(tx, KEYS, [tenant.as_str()], read_key))
    }

    async fn revoke_key(
        &self,
        tenant: &TenantId,
        api_key_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Option<KeyRecord>, PortError> {
        let id = api_key_id.to_string();
        self.db.write(|tx| {
            change(tx, REVOKE, params![tenant.as_str(), id, micros(at)])?;
            first(tx, KEY, params![tenant.as_str(), id], read_key)
        })
    }

    async fn use_keys(
        &self,
        hashes: &[KeyHash],
        at: DateTime<Utc>,
    ) -> Result<Vec<FoundKey>, PortError> {
        self.db.write(|tx| {
            let mut found = Vec::with_capacity(hashes.len());
            for hash in hashes {
                change(tx, FIRST_USE, params![hash.0, micros(at)])?;
                if let Some(key) = first(tx, KEY_BY_HASH, [&hash.0], read_key)? {
                    let subscription = subscription(tx, &key.tenant_id)?;
                    found.push(FoundKey { key, subscription });
                }
            }
            Ok(found)
        })
    }
}

fn with_subscription(tx: &Transaction<'_>, profile: Profile) -> Result<TenantRecord, PortError> {
    let subscription = subscription(tx, &profile.tenant_id)?;
    Ok(TenantRecord { profile, subscription })
}

fn write_subscription(
    tx: &Transaction<'_>,
    sql: &str,
    new: &Subscription,
) -> Result<(), PortError> {
    let bytes = i64::try_from(new.limits.max_bytes).unwrap_or(i64::MAX);
    let values = named_params! {
        ":subscription_id": new.subscription_id,
        ":tenant_id": new.tenant_id.as_str(),
        ":plan_name": new.plan_name,
        ":status": new.status.as_str(),
        ":daily_limit": new.limits.daily_limit,
        ":monthly_limit": new.limits.monthly_limit,
        ":concurrent_limit": new.limits.concurrent_limit,
        ":max_queued": new.limits.max_queued,
        ":max_bytes": bytes,
        ":max_parallel": new.limits.max_parallel,
        ":updated_at": micros(new.updated_at),
    };
    change(tx, sql, values).map(|_| ())
}

fn add_key(tx: &Transaction<'_>, key: &KeyRecord) -> Result<(), PortError> {
    let values = params![
        key.api_key_id.to_string(),
        key.tenant_id.as_str(),
        key.hash.0,
        key.encrypted,
        key.last_four,
        micros(key.created_at),
    ];
    change(tx, ADD_KEY, values).map(|_| ())
}

fn read_profile(row: &Columns<'_>) -> Result<Profile, PortError> {
    Ok(Profile {
        tenant_id: row.tenant()?,
        company_name: row.get("company_name")?,
        admin_email: row.get("admin_email")?,
        status: row.parse("status")?,
        subscription_plan: row.get("subscription_plan")?,
        created_at: row.time("created_at")?,
    })
}

fn read_key(row: &Columns<'_>) -> Result<KeyRecord, PortError> {
    Ok(KeyRecord {
        api_key_id: row.parse("api_key_id")?,
        tenant_id: row.tenant()?,
        hash: KeyHash(row.get("api_key_hash")?),
        encrypted: row.get("encrypted_api_key")?,
        last_four: row.get("last_four")?,
        created_at: row.time("created_at")?,
        first_used_at: row.time_opt("first_used_at")?,
        expires_at: row.time_opt("expires_at")?,
        revoked_at: row.time_opt("revoked_at")?,
    })
}
