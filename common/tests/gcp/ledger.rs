//! The ledger's statement against the rule itself: whatever comes, in whatever batches, it leads to the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Chance, Clock};
use common::gcp::Access;
use common::gcp::bigquery::{Client, Place};
use common::gcp::state::State;
use common::quota::{self, Bounded, Change, EntryState, Outcome, Slots};
use common::run::RunId;
use common::state::contract::{LIMITS, noon};
use common::state::{Batch, Item, Ledger, tables};
use common::tenant::TenantId;
use uuid::Uuid;

const URL: &str = "http://127.0.0.1:19050";

async fn rest(path: &str, body: serde_json::Value) {
    let url = format!("{URL}/bigquery/v2/projects/local/{path}");
    let client = reqwest::Client::builder().build().unwrap();
    let answer = client.post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success() || answer.status() == 409, "{:?}", answer.text().await);
}

async fn sql(id: &str, query: &str) {
    let body = serde_json::json!({
        "jobReference": {"projectId": "local", "jobId": id},
        "configuration": {"query": {"query": query, "useLegacySql": false}},
    });
    rest("jobs", body).await;
}

async fn setup() -> State {
    rest(
        "datasets",
        serde_json::json!({"datasetReference": {"projectId": "local", "datasetId": "tenants"}}),
    )
    .await;
    for (name, definition) in tables::control().unwrap() {
        let mut body = serde_json::to_value(definition).unwrap();
        if body.get("view").is_some() {
            continue;
        }
        body["tableReference"] =
            serde_json::json!({"projectId": "local", "datasetId": "tenants", "tableId": name});
        rest("datasets/tenants/tables", body).await;
    }
    let access = Access::new(Some(URL)).unwrap();
    let place = Place { project: "local".into(), location: "US".into(), service: "test" };
    let client = Client::connect(&access, place, Chance::system()).await.unwrap();
    State::new(client, Clock::from_fn(noon))
}

fn any_change(dice: &Chance, now: DateTime<Utc>) -> Change {
    let [kind, run, attempt, other] = dice.bytes();
    let run_id = RunId(Uuid::from_u128(u128::from(run % 12)));
    let attempt = u32::from(attempt % 3) + 1;
    let from = if other % 2 == 0 { EntryState::Queued } else { EntryState::Active };
    let deadline = now + TimeDelta::seconds(i64::from(other));
    match kind % 8 {
        0..=2 => Change::Admit {
            run_id,
            day: now.date_naive(),
            priority: i64::from(other % 3),
            token: dice.uuid(),
            deadline,
        },
        3 => Change::Start { up_to: u32::from(other % 4), deadline },
        4 | 5 => Change::Release { run_id, attempt },
        6 => Change::Refund { run_id, attempt, from },
        _ => Change::Extend { run_id, attempt, deadline },
    }
}

#[tokio::test]
async fn a_statement_decides_batches_as_the_rule_does() {
    let state = Arc::new(setup().await);
    let tenants: Vec<TenantId> = ["a", "b", "c", "d"]
        .map(|t| {
            TenantId::parse(&format!("rule_{t}_{}", Chance::system().uuid().simple())).unwrap()
        })
        .to_vec();
    let mut limits = LIMITS;
    (limits.daily_limit, limits.monthly_limit, limits.max_queued) = (9, 12, 3);
    let mut rows: BTreeMap<TenantId, Bounded> = BTreeMap::new();
    sql(&format!("delete-{}", Chance::system().uuid()), "DELETE FROM tenants.tenant_run_ledger WHERE TRUE").await;
    for (n, tenant) in tenants.iter().enumerate() {
        sql(&format!("sub-{tenant}"), &format!(
            "INSERT INTO tenants.tenant_run_ledger (tenant_id, entries, days, updated_at) VALUES ('{tenant}', [], [], CURRENT_TIMESTAMP())")).await;
        let status = if n == 3 { "SUSPENDED" } else { "ACTIVE" };
        sql(&format!("sub2-{tenant}"), &format!(
            "INSERT INTO tenants.tenant_subscriptions (subscription_id, tenant_id, plan_name, status, daily_limit, monthly_limit, concurrent_limit, max_queued, max_bytes, max_parallel, created_at, updated_at)
             VALUES ('s', '{tenant}', 'P', '{status}', 9, 12, 3, 3, 1, 1, CURRENT_TIMESTAMP(), CURRENT_TIMESTAMP())")).await;
        rows.insert(
            tenant.clone(),
            Bounded { limits: (n != 3).then_some(limits), ..Bounded::default() },
        );
    }
    let dice = Chance::seeded(11);
    let mut now = noon();
    for round in 0..100 {
        let [size, bound, step] = dice.bytes();
        let mut items: Vec<Item> = Vec::new();
        for _ in 0..=size % 12 {
            let tenant_id = tenants[usize::from(dice.bytes::<1>()[0]) % 4].clone();
            let change = any_change(&dice, now);
            // What one statement takes together; the rest would be decided by the next.
            let clashes = items
                .iter()
                .any(|other| other.tenant_id == tenant_id && clash(&other.change, &change));
            if !clashes {
                items.push(Item { tenant_id, change });
            }
        }
        let max_running = [None, Some(0), Some(2), Some(5)][usize::from(bound % 4)];
        let mut slots = match max_running {
            None => Slots::unbounded(),
            Some(most) => {
                let entries = rows.values().flat_map(|r| &r.account.entries);
                let active = entries.clone().filter(|e| e.state == EntryState::Active).count();
                let turn = entries.filter_map(|e| e.turn).max().unwrap_or(0);
                Slots::bounded(most, i64::try_from(active).unwrap(), turn)
            }
        };
        for item in &items {
            rows.get_mut(&item.tenant_id).unwrap().account.prune(now);
        }
        let changes: Vec<_> = items.iter().map(|i| (&i.tenant_id, &i.change)).collect();
        let expected = quota::decide(&mut rows, &changes, now, &mut slots);
        let batch = Batch { items: items.clone(), now, day: now.date_naive(), max_running };
        let answers = state.apply(&batch).await.unwrap();
        for ((answer, expected), item) in answers.iter().zip(&expected).zip(&items) {
            let bounded = &rows[&item.tenant_id];
            assert_eq!(
                answer.counts,
                bounded.account.counts(now.date_naive()),
                "{round}: {item:?}"
            );
            match (&answer.outcome, expected) {
                // An answer tells where the run stands after the whole batch.
                (Outcome::Held { entry, .. }, Outcome::Held { entry: held, .. }) => {
                    assert_eq!(entry.run_id, held.run_id, "{round}: {item:?}");
                    assert_eq!(entry.token, held.token, "{round}: {item:?}");
                }
                (Outcome::Started(got), Outcome::Started(want)) => {
                    let ids =
                        |all: &[quota::Entry]| all.iter().map(|e| e.run_id).collect::<Vec<_>>();
                    assert_eq!(ids(got), ids(want), "{round}: {item:?}");
                }
                (got, want) => assert_eq!(got, want, "{round}: {item:?} of {items:?}"),
            }
        }
        for tenant in &tenants {
            let row = state.row(tenant).await.unwrap().unwrap();
            assert_eq!(
                row.account, rows[tenant].account,
                "{round}: {tenant} after {items:?} under {max_running:?}"
            );
        }
        now += TimeDelta::minutes(i64::from(step) * 2);
    }
}

fn clash(a: &Change, b: &Change) -> bool {
    let freed = |c: &Change| match c {
        Change::Release { run_id, attempt }
        | Change::Refund { run_id, attempt, .. }
        | Change::Extend { run_id, attempt, .. } => Some((*run_id, *attempt)),
        Change::Start { .. } | Change::Admit { .. } => None,
    };
    let is_start = |c: &Change| matches!(c, Change::Start { .. });
    (freed(a).is_some() && freed(a) == freed(b)) || (is_start(a) && is_start(b))
}
