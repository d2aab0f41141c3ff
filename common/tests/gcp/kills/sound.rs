//! What holds whoever died where.

use std::collections::{BTreeMap, BTreeSet};

use common::api_key::ApiKey;
use common::gcp::state::State;
use common::quota::EntryState;
use common::run::{Run, RunStatus};
use common::state::{Ledger, LedgerRow, Page, RunFilter, Runs};
use common::tenant::TenantId;

use crate::judges::BigQueryEmulator;

async fn read(state: &State, tenant: &TenantId) -> (LedgerRow, Vec<Run>) {
    // The ledger first: an entry is there before its row.
    let row = state.row(tenant).await.unwrap().unwrap();
    let page = Page { after: None, limit: 1000 };
    let runs = state.list(tenant, &RunFilter::default(), page).await.unwrap();
    (row, runs)
}

fn is_open(state: EntryState) -> bool {
    matches!(state, EntryState::Queued | EntryState::Active)
}

/// Whether a tenant has no run that waits, runs, or holds a slot.
pub async fn is_at_rest(state: &State, tenant: &TenantId) -> bool {
    let (row, runs) = read(state, tenant).await;
    runs.iter().all(|run| run.status.is_final())
        && row.account.entries.iter().all(|entry| !is_open(entry.state))
}

/// What is true of a tenant at any time.
pub async fn holds(state: &State, tenant: &TenantId) {
    let (row, runs) = read(state, tenant).await;
    let entries = &row.account.entries;
    let ids: BTreeSet<_> = entries.iter().map(|entry| entry.run_id).collect();
    assert_eq!(ids.len(), entries.len(), "an id is there twice: {entries:#?}");
    let limits = row.subscription.as_ref().unwrap().limits;
    let active = entries.iter().filter(|entry| entry.state == EntryState::Active).count();
    assert!(active <= limits.concurrent_limit as usize, "{active} at once: {entries:#?}");
    let mut counted: BTreeMap<_, u32> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state != EntryState::Refunded) {
        *counted.entry(entry.day).or_default() += 1;
    }
    let days: BTreeMap<_, _> =
        row.account.days.iter().filter(|(_, runs)| **runs > 0).map(|(d, r)| (*d, *r)).collect();
    assert_eq!(days, counted, "{entries:#?}");
    let rows: BTreeSet<_> = runs.iter().map(|run| run.run_id).collect();
    assert_eq!(rows.len(), runs.len(), "a run has two rows: {runs:#?}");
    for run in &runs {
        assert!(ids.contains(&run.run_id), "a run that was never admitted: {run:#?}");
    }
}

/// What is true of a tenant that is at rest.
pub async fn ended_well(state: &State, emulator: &BigQueryEmulator, tenant: &TenantId) {
    holds(state, tenant).await;
    let (row, runs) = read(state, tenant).await;
    let runs: BTreeMap<_, _> = runs.into_iter().map(|run| (run.run_id, run)).collect();
    for entry in &row.account.entries {
        let run = runs.get(&entry.run_id);
        match entry.state {
            EntryState::Done => {
                let run = run.unwrap_or_else(|| panic!("counted, and has no row: {entry:?}"));
                assert!(run.claimed_at.is_some() || run.status != RunStatus::Completed, "{run:#?}");
                assert_eq!(run.attempt, entry.attempt, "{run:#?} {entry:#?}");
            }
            EntryState::Refunded => {
                assert!(run.is_none_or(|run| run.claimed_at.is_none()), "{run:#?}");
            }
            EntryState::Queued | EntryState::Active => panic!("{entry:?}"),
        }
    }
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT pipeline_logging_id, step_id, attempt, try_number FROM {tenant}.x_meta_step_logs \
         GROUP BY 1, 2, 3, 4 HAVING COUNT(*) > 1)"
    );
    assert_eq!(emulator.count(&sql).await, 0, "{tenant}: a try is logged twice");
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT pipeline_logging_id FROM {tenant}.x_meta_step_logs \
         GROUP BY 1 HAVING COUNT(DISTINCT attempt) > 1)"
    );
    assert_eq!(emulator.count(&sql).await, 0, "{tenant}: two executions worked on one run");
    // Where each execution was killed, none may have come to the table.
    if runs.values().any(|run| run.status == RunStatus::Completed) {
        let sql = format!("SELECT COUNT(*) FROM {tenant}.filled");
        assert_eq!(emulator.count(&sql).await, 100, "{tenant}: a table is not whole");
    }
}

/// A tenant is there once, with one key that is the one that was answered.
pub async fn is_onboarded(emulator: &BigQueryEmulator, tenant: &TenantId, key: &str) {
    let hash = ApiKey::parse(key).unwrap().hash().0;
    let counts = [
        ("tenant_profiles", "status = 'ACTIVE'"),
        ("tenant_subscriptions", "status = 'ACTIVE'"),
        ("tenant_run_ledger", "TRUE"),
        ("tenant_api_keys", &format!("api_key_hash = '{hash}' AND revoked_at IS NULL")),
    ]
    .map(|(table, good)| {
        format!(
            "SELECT COUNT(*) AS found, COUNTIF({good}) AS good FROM tenants.{table} WHERE tenant_id = '{tenant}'"
        )
    });
    let sql =
        format!("SELECT COUNTIF(found = 1 AND good = 1) FROM ({})", counts.join(" UNION ALL "));
    assert_eq!(emulator.count(&sql).await, 4, "{tenant}");
    let tables = common::state::tables::tenant().unwrap();
    let counts: Vec<String> = tables
        .iter()
        .map(|(table, _)| format!("SELECT COUNT(*) AS n FROM {tenant}.{table}"))
        .collect();
    let sql = format!("SELECT SUM(n) FROM ({})", counts.join(" UNION ALL "));
    assert_eq!(emulator.count(&sql).await, 0, "{tenant}");
}
