//! Tenants on BigQuery: profiles, keys, subscriptions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{State, subscription};
use crate::api_key::{FoundKey, KeyHash, KeyRecord};
use crate::gcp::bigquery::{Record, Statement};
use crate::port::PortError;
use crate::state::{FirstKey, TenantChange, TenantRecord, Tenants};
use crate::tenant::{Profile, Subscription, TenantId};

/// The one subscription of each tenant: an active one where there is one.
const TENANTS: &str = "SELECT p.tenant_id, p.company_name, p.admin_email, p.status AS profile_status, p.subscription_plan,
  p.created_at, s.subscription_id, s.plan_name, s.status, s.daily_limit, s.monthly_limit, s.concurrent_limit, s.max_queued,
  s.max_bytes, s.max_parallel, s.updated_at
FROM tenants.tenant_profiles AS p
LEFT JOIN (
  SELECT u.* FROM tenants.tenant_subscriptions AS u WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY u.tenant_id ORDER BY IF(u.status = 'ACTIVE', 0, 1), u.subscription_id) = 1
) AS s ON s.tenant_id = p.tenant_id
WHERE (@tenant IS NULL OR p.tenant_id = @tenant) AND (@after IS NULL OR p.tenant_id > @after)
ORDER BY p.tenant_id LIMIT @limit";
const CREATE_PROFILE: &str = "INSERT INTO tenants.tenant_profiles
  (tenant_id, company_name, admin_email, status, subscription_plan, created_at, updated_at)
SELECT @tenant, @company, @email, @status, @plan, @at, @at FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM tenants.tenant_profiles AS p WHERE p.tenant_id = @tenant)";
const ACTIVATE: &str = "UPDATE tenants.tenant_profiles SET status = 'ACTIVE', updated_at = @at
WHERE tenant_id = @tenant AND status = 'PROVISIONING'";
const CREATE_SUBSCRIPTION: &str = "INSERT INTO tenants.tenant_subscriptions
  (subscription_id, tenant_id, plan_name, status, daily_limit, monthly_limit, concurrent_limit, max_queued, max_bytes,
   max_parallel, created_at, updated_at)
SELECT @subscription_id, @tenant, @plan_name, @status, @daily_limit, @monthly_limit, @concurrent_limit, @max_queued, @max_bytes,
  @max_parallel, @updated_at, @updated_at FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM tenants.tenant_subscriptions AS s WHERE s.tenant_id = @tenant)";
const CHANGE_SUBSCRIPTION: &str = "UPDATE tenants.tenant_subscriptions SET
  subscription_id = @subscription_id, plan_name = @plan_name, status = @status, daily_limit = @daily_limit,
  monthly_limit = @monthly_limit, concurrent_limit = @concurrent_limit, max_queued = @max_queued, max_bytes = @max_bytes,
  max_parallel = @max_parallel, updated_at = @updated_at
WHERE tenant_id = @tenant AND subscription_id = @read_subscription_id AND plan_name = @read_plan_name AND status = @read_status
  AND daily_limit = @read_daily_limit AND monthly_limit = @read_monthly_limit AND concurrent_limit = @read_concurrent_limit
  AND max_queued = @read_max_queued AND max_bytes = @read_max_bytes
  AND COALESCE(max_parallel, @read_max_parallel) = @read_max_parallel AND updated_at = @read_updated_at";
const FOLLOW_PLAN: &str =
    "UPDATE tenants.tenant_profiles SET subscription_plan = @plan, updated_at = @at
WHERE tenant_id = @tenant AND subscription_plan != @plan";

const KEYS: &str = "SELECT * FROM tenants.tenant_api_keys
WHERE tenant_id = @tenant AND (@id IS NULL OR api_key_id = @id) ORDER BY created_at, api_key_id";
const ADD_KEY: &str = "INSERT INTO tenants.tenant_api_keys
  (api_key_id, tenant_id, api_key_hash, encrypted_api_key, last_four, created_at)
SELECT @id, @tenant, @hash, @encrypted, @last_four, @at FROM (SELECT 1)
WHERE NOT EXISTS (SELECT 1 FROM tenants.tenant_api_keys AS k WHERE k.tenant_id = @tenant)";
const REPLACE_UNSEEN: &str = "UPDATE tenants.tenant_api_keys SET
  api_key_hash = @hash, encrypted_api_key = @encrypted, last_four = @last_four, created_at = @at
WHERE api_key_id = @id AND tenant_id = @tenant AND first_used_at IS NULL AND revoked_at IS NULL AND expires_at IS NULL";
const ROTATE: &str = "MERGE tenants.tenant_api_keys AS t
USING (
  SELECT @id AS api_key_id, TRUE AS is_new
  UNION ALL
  SELECT k.api_key_id, FALSE FROM tenants.tenant_api_keys AS k
  WHERE k.tenant_id = @tenant AND k.api_key_id != @id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @end)
) AS s ON t.api_key_id = s.api_key_id
WHEN MATCHED AND NOT s.is_new THEN UPDATE SET expires_at = @end
WHEN NOT MATCHED AND s.is_new THEN
  INSERT (api_key_id, tenant_id, api_key_hash, encrypted_api_key, last_four, created_at)
  VALUES (@id, @tenant, @hash, @encrypted, @last_four, @at)";
const REVOKE: &str = "UPDATE tenants.tenant_api_keys SET revoked_at = @at
WHERE tenant_id = @tenant AND api_key_id = @id AND revoked_at IS NULL";
const KEYS_BY_HASH: &str = "SELECT k.*, s.subscription_id, s.plan_name, s.status, s.daily_limit, s.monthly_limit,
  s.concurrent_limit, s.max_queued, s.max_bytes, s.max_parallel, s.updated_at
FROM tenants.tenant_api_keys AS k
LEFT JOIN (
  SELECT u.* FROM tenants.tenant_subscriptions AS u WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY u.tenant_id ORDER BY IF(u.status = 'ACTIVE', 0, 1), u.subscription_id) = 1
) AS s ON s.tenant_id = k.tenant_id
WHERE k.api_key_hash IN UNNEST(@hashes)";
const FIRST_USE: &str = "UPDATE tenants.tenant_api_keys SET first_used_at = @at
WHERE api_key_hash IN UNNEST(@hashes) AND first_used_at IS NULL AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > @at)";

#[async_trait]
impl Tenants for State {
    async fn create_profile(&self, profile: &Profile) -> Result<Profile, PortError> {
        let tenant = &profile.tenant_id;
        let statement = of("profile_create", CREATE_PROFILE, tenant)
            .bind("company", profile.company_name.as_str())
            .bind("email", profile.admin_email.as_str())
            .bind("status", profile.status.as_str())
            .bind("plan", profile.subscription_plan.as_str())
            .bind("at", profile.created_at);
        let (base, mut first) = (format!("onboard-{tenant}-profile"), 1);
        loop {
            let once = self.client.once(&base, first, &statement).await?;
            if let Some(stored) = self.tenant(tenant).await? {
                return Ok(stored.profile);
            }
            // A job outlives its row: one that was lost with its table is made anew, under the next id.
            first = once.number + 1;
        }
    }

    async fn activate(&self, tenant: &TenantId) -> Result<bool, PortError> {
        let _turn = self.tenants.lock().await;
        let statement = of("profile_activate", ACTIVATE, tenant).bind("at", self.clock.now());
        Ok(self.client.run(&statement).await?.changed == 1)
    }

    async fn create_subscription(&self, new: &Subscription) -> Result<Subscription, PortError> {
        let tenant = &new.tenant_id;
        let statement = of("subscription_create", CREATE_SUBSCRIPTION, tenant);
        let statement = bind_subscription(statement, "", new);
        let read = of(
            "subscription",
            "SELECT * FROM tenants.tenant_subscriptions WHERE tenant_id = @tenant",
            tenant,
        );
        let (base, mut first) = (format!("onboard-{tenant}-subscription"), 1);
        loop {
            let once = self.client.once(&base, first, &statement).await?;
            let ran = self.client.run(&read).await?;
            if let Some(stored) = Record::all(&ran.rows).next() {
                return subscription(&stored);
            }
            first = once.number + 1;
        }
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRecord>, PortError> {
        Ok(self.read_tenants(Some(tenant), None, 1).await?.pop())
    }

    async fn list(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, PortError> {
        self.read_tenants(None, after, limit).await
    }

    /// The profile's plan follows in a statement of its own; whoever reads a tenant reads the subscription's.
    async fn change(&self, new: &TenantChange) -> Result<bool, PortError> {
        let tenant = &new.subscription.tenant_id;
        let _turn = self.tenants.lock().await;
        let statement = of("subscription_change", CHANGE_SUBSCRIPTION, tenant);
        let statement = bind_subscription(statement, "", &new.subscription);
        let statement = bind_subscription(statement, "read_", &new.read);
        if self.client.run(&statement).await?.changed == 0 {
            return Ok(false);
        }
        let follow = of("profile_plan", FOLLOW_PLAN, tenant)
            .bind("plan", new.subscription.plan_name.as_str())
            .bind("at", new.subscription.updated_at);
        self.client.run(&follow).await?;
        Ok(true)
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<FirstKey, PortError> {
        let add = bind_key(of("key_first", ADD_KEY, &key.tenant_id), key);
        let (base, mut first) = (format!("onboard-{}-key", key.tenant_id), 1);
        loop {
            let once = self.client.once(&base, first, &add).await?;
            if once.mine && once.ran.changed == 1 {
                return Ok(FirstKey::Stored);
            }
            if !self.keys(&key.tenant_id).await?.is_empty() {
                break;
            }
            first = once.number + 1;
        }
        let _turn = self.tenants.lock().await;
        let replace = bind_key(of("key_replace", REPLACE_UNSEEN, &key.tenant_id), key);
        let replaced = self.client.run(&replace).await?.changed == 1;
        Ok(if replaced { FirstKey::Stored } else { FirstKey::Taken })
    }

    async fn rotate_key(
        &self,
        key: &KeyRecord,
        others_end: DateTime<Utc>,
    ) -> Result<(), PortError> {
        let _turn = self.tenants.lock().await;
        let statement =
            bind_key(of("key_rotate", ROTATE, &key.tenant_id), key).bind("end", others_end);
        self.client.run(&statement).await.map(|_| ())
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRecord>, PortError> {
        self.read_keys(tenant, None).await
    }

    async fn revoke_key(
        &self,
        tenant: &TenantId,
        api_key_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Option<KeyRecord>, PortError> {
        let _turn = self.tenants.lock().await;
        let statement =
            of("key_revoke", REVOKE, tenant).bind("id", api_key_id.to_string()).bind("at", at);
        self.client.run(&statement).await?;
        Ok(self.read_keys(tenant, Some(api_key_id)).await?.pop())
    }

    async fn use_keys(
        &self,
        hashes: &[KeyHash],
        at: DateTime<Utc>,
    ) -> Result<Vec<FoundKey>, PortError> {
        let mut found = self.find_keys(hashes).await?;
        let is_new = |found: &&mut FoundKey| {
            let key = &found.key;
            key.first_used_at.is_none()
                && key.revoked_at.is_none()
                && key.expires_at.is_none_or(|ends| ends > at)
        };
        let new: Vec<String> =
            found.iter_mut().filter(is_new).map(|f| f.key.hash.0.clone()).collect();
        if new.is_empty() {
            return Ok(found);
        }
        let expected = new.len();
        let _turn = self.tenants.lock().await;
        let statement = Statement::new("key_first_use", FIRST_USE)
            .bind_list("hashes", new.into_iter())
            .bind("at", at);
        let used = self.client.run(&statement).await?.changed;
        if usize::try_from(used).is_ok_and(|used| used == expected) {
            for found in found.iter_mut().filter(is_new) {
                found.key.first_used_at = Some(at);
            }
            return Ok(found);
        }
        // Somebody else used one first, or it was replaced or ended meanwhile: only what is there now counts.
        self.find_keys(hashes).await
    }
}

impl State {
    async fn read_tenants(
        &self,
        tenant: Option<&TenantId>,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, PortError> {
        let statement = Statement::new("tenants", TENANTS)
            .bind("tenant", tenant.map(TenantId::as_str))
            .bind("after", after.map(TenantId::as_str))
            .bind("limit", limit);
        let ran = self.client.run(&statement).await?;
        Record::all(&ran.rows).map(|row| tenant_record(&row)).collect()
    }

    async fn read_keys(
        &self,
        tenant: &TenantId,
        id: Option<Uuid>,
    ) -> Result<Vec<KeyRecord>, PortError> {
        let statement = of("keys", KEYS, tenant).bind("id", id.map(|id| id.to_string()));
        let ran = self.client.run(&statement).await?;
        Record::all(&ran.rows).map(|row| key_record(&row)).collect()
    }

    async fn find_keys(&self, hashes: &[KeyHash]) -> Result<Vec<FoundKey>, PortError> {
        let statement = Statement::new("keys_by_hash", KEYS_BY_HASH)
            .bind_list("hashes", hashes.iter().map(|hash| hash.0.clone()));
        let ran = self.client.run(&statement).await?;
        let found = |row: Record<'_>| {
            let known: Option<String> = row.get("subscription_id")?;
            let subscription = known.map(|_| subscription(&row)).transpose()?;
            Ok(FoundKey { key: key_record(&row)?, subscription })
        };
        Record::all(&ran.rows).map(found).collect()
    }
}

fn of(name: &'static str, sql: &str, tenant: &TenantId) -> Statement {
    Statement::new(name, sql).label("tenant", tenant).bind("tenant", tenant.as_str())
}

/// Binds a subscription's columns under their names after `prefix`.
fn bind_subscription(statement: Statement, prefix: &str, of: &Subscription) -> Statement {
    let limits = &of.limits;
    let bytes = i64::try_from(limits.max_bytes).unwrap_or(i64::MAX);
    let name = |column: &str| format!("{prefix}{column}");
    statement
        .bind(&name("subscription_id"), of.subscription_id.as_str())
        .bind(&name("plan_name"), of.plan_name.as_str())
        .bind(&name("status"), of.status.as_str())
        .bind(&name("daily_limit"), limits.daily_limit)
        .bind(&name("monthly_limit"), limits.monthly_limit)
        .bind(&name("concurrent_limit"), limits.concurrent_limit)
        .bind(&name("max_queued"), limits.max_queued)
        .bind(&name("max_bytes"), bytes)
        .bind(&name("max_parallel"), limits.max_parallel)
        .bind(&name("updated_at"), of.updated_at)
}

fn bind_key(statement: Statement, key: &KeyRecord) -> Statement {
    statement
        .bind("id", key.api_key_id.to_string())
        .bind("hash", key.hash.0.as_str())
        .bind("encrypted", key.encrypted.clone())
        .bind("last_four", key.last_four.as_str())
        .bind("at", key.created_at)
}

fn tenant_record(row: &Record<'_>) -> Result<TenantRecord, PortError> {
    let known: Option<String> = row.get("subscription_id")?;
    let subscription = known.map(|_| subscription(row)).transpose()?;
    let plan = match &subscription {
        Some(subscription) => subscription.plan_name.clone(),
        None => row.get("subscription_plan")?,
    };
    let profile = Profile {
        tenant_id: row.get("tenant_id")?,
        company_name: row.get("company_name")?,
        admin_email: row.get("admin_email")?,
        status: row.parse("profile_status")?,
        subscription_plan: plan,
        created_at: row.get("created_at")?,
    };
    Ok(TenantRecord { profile, subscription })
}

fn key_record(row: &Record<'_>) -> Result<KeyRecord, PortError> {
    Ok(KeyRecord {
        api_key_id: row.get("api_key_id")?,
        tenant_id: row.get("tenant_id")?,
        hash: KeyHash(row.get("api_key_hash")?),
        encrypted: row.get("encrypted_api_key")?,
        last_four: row.get("last_four")?,
        created_at: row.get("created_at")?,
        first_used_at: row.get("first_used_at")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
