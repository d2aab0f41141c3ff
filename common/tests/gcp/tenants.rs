//! Tenants as onboarding leaves them, made by a few statements.

use common::api_key::ApiKey;
use common::clock::Chance;
use common::tenant::TenantId;
use futures::future::join_all;

use crate::judges::BigQueryEmulator;

/// A tenant, and the key that it was shown.
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The key, which has been used before.
    pub key: String,
}

/// What a tenant may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Runs a day.
    pub daily: u32,
    /// Runs at once.
    pub concurrent: u32,
}

/// What the plan PROFESSIONAL allows.
pub const PROFESSIONAL: Limits = Limits { daily: 25, concurrent: 3 };

/// Which tables a tenant's dataset has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// All of them.
    All,
    /// That of its runs alone, which is quicker to make.
    OfRuns,
}

/// Makes tenants named by a prefix and a number from 0.
pub async fn tenants(
    emulator: &BigQueryEmulator,
    prefix: &str,
    count: usize,
    limits: Limits,
    tables: Tables,
) -> Vec<Tenant> {
    let chance = Chance::system();
    let tenants: Vec<Tenant> = (0..count)
        .map(|n| {
            let id = TenantId::parse(&format!("{prefix}_{n}")).unwrap();
            let key = ApiKey::generate(&id, &chance).secret().expose().to_owned();
            Tenant { id, key }
        })
        .collect();
    for some in tenants.chunks(8) {
        let made = some.iter().map(async |tenant| match tables {
            Tables::All => emulator.tenant(tenant.id.as_str()).await,
            Tables::OfRuns => emulator.tenant_of_runs(tenant.id.as_str()).await,
        });
        join_all(made).await;
    }
    let now = "CURRENT_TIMESTAMP()";
    let rows =
        |row: &dyn Fn(&Tenant) -> String| tenants.iter().map(row).collect::<Vec<_>>().join(", ");
    let keys = rows(&|t| {
        let hash = ApiKey::parse(&t.key).unwrap().hash().0;
        let id = chance.uuid();
        format!("('{id}', '{}', '{hash}', b'x', 'abcd', {now}, {now})", t.id)
    });
    let Limits { daily, concurrent } = limits;
    let subscriptions = rows(&|t| {
        format!(
            "('{0}-s', '{0}', 'PROFESSIONAL', 'ACTIVE', {daily}, {daily} * 30, {concurrent}, 50, 1000000, 4, {now}, \
             {now})",
            t.id
        )
    });
    let ledger = rows(&|t| format!("('{}', [], [], {now})", t.id));
    for sql in [
        format!(
            "INSERT INTO tenants.tenant_api_keys (api_key_id, tenant_id, api_key_hash, encrypted_api_key, last_four, \
             created_at, first_used_at) VALUES {keys}"
        ),
        format!(
            "INSERT INTO tenants.tenant_subscriptions (subscription_id, tenant_id, plan_name, status, daily_limit, \
             monthly_limit, concurrent_limit, max_queued, max_bytes, max_parallel, created_at, updated_at) \
             VALUES {subscriptions}"
        ),
        format!(
            "INSERT INTO tenants.tenant_run_ledger (tenant_id, entries, days, updated_at) VALUES {ledger}"
        ),
    ] {
        emulator.sql(&sql).await;
    }
    tenants
}
