//! The ledger on SQLite: the rule of `common::quota` inside one immediate transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::NaiveDate;
use common::plan::Limits;
use common::port::PortError;
use common::quota::{self, Account, Bounded, Outcome, Slots};
use common::state::{Answer, Batch, Item, Ledger, LedgerRow};
use common::tenant::{Subscription, SubscriptionStatus, TenantId};
use common::warehouse::Ensured;
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Columns, SqliteState, all, change, first, micros, subscription};

const ROW: &str = "SELECT * FROM \"tenants.tenant_run_ledger\" WHERE tenant_id = ?1";
const ROWS: &str =
    "SELECT * FROM \"tenants.tenant_run_ledger\" WHERE entries <> '[]' ORDER BY tenant_id";
const CREATE: &str =
    "INSERT INTO \"tenants.tenant_run_ledger\" (tenant_id, entries, days, updated_at)
     VALUES (?1, '[]', '[]', ?2) ON CONFLICT DO NOTHING";
const UPDATE: &str =
    "UPDATE \"tenants.tenant_run_ledger\" SET entries = ?2, days = ?3, updated_at = ?4
     WHERE tenant_id = ?1";
/// The slots held and the last turn, over all tenants.
const DEPLOYMENT: &str = "SELECT COUNT(*) FILTER (WHERE e.value ->> 'state' = 'ACTIVE') AS active,
     COALESCE(MAX(e.value ->> 'turn'), 0) AS last_turn
     FROM \"tenants.tenant_run_ledger\" AS l, json_each(l.entries) AS e";

/// A day's count as the `days` column nests it.
#[derive(Serialize, Deserialize)]
struct DayCount {
    day: NaiveDate,
    runs: u32,
}

#[async_trait]
impl Ledger for SqliteState {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        let at = micros(self.clock.now());
        let made = self.db.write(|tx| change(tx, CREATE, params![tenant.as_str(), at]))?;
        Ok(if made == 1 { Ensured::Created } else { Ensured::Existed })
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError> {
        self.db.write(|tx| decide(tx, batch))
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        self.db.read(|tx| {
            let Some(account) = first(tx, ROW, [tenant.as_str()], account)? else {
                return Ok(None);
            };
            let subscription = subscription(tx, tenant)?;
            Ok(Some(LedgerRow { tenant_id: tenant.clone(), account, subscription }))
        })
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        self.db.read(|tx| {
            let now = self.clock.now();
            let mut rows = all(tx, ROWS, [], |row| Ok((row.tenant()?, account(row)?)))?;
            // What is older than the ledger remembers is there until the next change of its row.
            for (_, account) in &mut rows {
                account.prune(now);
            }
            rows.retain(|(_, account)| !account.entries.is_empty());
            rows.into_iter()
                .map(|(tenant_id, account)| {
                    let subscription = subscription(tx, &tenant_id)?;
                    Ok(LedgerRow { tenant_id, account, subscription })
                })
                .collect()
        })
    }
}

fn decide(tx: &Transaction<'_>, batch: &Batch) -> Result<Vec<Answer>, PortError> {
    let mut rows: BTreeMap<TenantId, Bounded> = BTreeMap::new();
    let mut stored: BTreeMap<TenantId, Account> = BTreeMap::new();
    let mut subscriptions: BTreeMap<&TenantId, Option<Subscription>> = BTreeMap::new();
    for item in &batch.items {
        let tenant = &item.tenant_id;
        if !rows.contains_key(tenant) {
            let mut account = first(tx, ROW, [tenant.as_str()], account)?
                .ok_or_else(|| PortError::NotFound(format!("the ledger row of {tenant}")))?;
            stored.insert(tenant.clone(), account.clone());
            account.prune(batch.now);
            let subscription = subscription(tx, tenant)?;
            let limits = subscription.as_ref().and_then(live_limits);
            rows.insert(tenant.clone(), Bounded { account, limits });
            subscriptions.insert(tenant, subscription);
        }
    }
    let mut slots = match batch.max_running {
        None => Slots::unbounded(),
        Some(most) => {
            let deployment = |row: &Columns<'_>| Ok((row.get("active")?, row.get("last_turn")?));
            let (active, last_turn) = first(tx, DEPLOYMENT, [], deployment)?.unwrap_or((0, 0));
            Slots::bounded(most, active, last_turn)
        }
    };
    let changes: Vec<_> = batch.items.iter().map(|i| (&i.tenant_id, &i.change)).collect();
    let outcomes = quota::decide(&mut rows, &changes, batch.now, &mut slots);

    for (tenant, Bounded { account, .. }) in &rows {
        if stored.get(tenant) == Some(account) {
            continue;
        }
        let days: Vec<DayCount> =
            account.days.iter().map(|(day, runs)| DayCount { day: *day, runs: *runs }).collect();
        let json = |e| PortError::other("the ledger row as JSON", e);
        let entries = serde_json::to_string(&account.entries).map_err(json)?;
        let days = serde_json::to_string(&days).map_err(json)?;
        change(tx, UPDATE, params![tenant.as_str(), entries, days, micros(batch.now)])?;
    }

    let answer = |(item, outcome): (&Item, Outcome)| {
        let counts = rows.get(&item.tenant_id)?.account.counts(batch.day);
        let subscription = subscriptions.get(&item.tenant_id).cloned().flatten();
        Some(Answer { outcome, subscription, counts })
    };
    Ok(batch.items.iter().zip(outcomes).filter_map(answer).collect())
}

fn live_limits(subscription: &Subscription) -> Option<Limits> {
    match subscription.status {
        SubscriptionStatus::Active => Some(subscription.limits),
        SubscriptionStatus::Suspended | SubscriptionStatus::Cancelled => None,
    }
}

fn account(row: &Columns<'_>) -> Result<Account, PortError> {
    let days: Vec<DayCount> = row.json("days")?;
    Ok(Account {
        entries: row.json("entries")?,
        days: days.into_iter().map(|d| (d.day, d.runs)).collect(),
    })
}
