//! The ledger's statement against the rule itself: whatever comes, in whatever batches, it leads to the same.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Chance;
use common::quota::{self, Bounded, Change, EntryState, Outcome, Slots};
use common::run::RunId;
use common::state::contract::{self, noon};
use common::state::{Batch, Item, Ledger, Tenants};
use common::tenant::{SubscriptionStatus, TenantId};
use uuid::Uuid;

use crate::judges::{BigQueryEmulator, TURN};
use crate::state::state;

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
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    let state = state(&emulator.url).await;
    let tenants: Vec<TenantId> =
        ["rule_a", "rule_b", "rule_c", "rule_d"].map(|t| TenantId::parse(t).unwrap()).to_vec();
    let mut rows: BTreeMap<TenantId, Bounded> = BTreeMap::new();
    for (n, tenant) in tenants.iter().enumerate() {
        let mut subscription = contract::subscription(tenant.as_str());
        let limits = &mut subscription.limits;
        (limits.daily_limit, limits.monthly_limit, limits.max_queued) = (9, 12, 3);
        let limits = (n != 3).then_some(*limits);
        if limits.is_none() {
            subscription.status = SubscriptionStatus::Suspended;
        }
        state.create_subscription(&subscription).await.unwrap();
        Ledger::create(&state, tenant).await.unwrap();
        rows.insert(tenant.clone(), Bounded { limits, ..Bounded::default() });
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
