//! The ledger's promises.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use uuid::Uuid;

use super::{LIMITS, noon, subscription, tenant};
use crate::clock::Chance;
use crate::port::PortError;
use crate::quota::{Account, Change, Entry, EntryState, Limit, Outcome, Slots};
use crate::run::RunId;
use crate::state::{Answer, Batch, Item, Ledger, Tenants};
use crate::tenant::{SubscriptionStatus, TenantId};
use crate::warehouse::Ensured;

fn admit(n: u128, token: u128) -> Change {
    Change::Admit {
        run_id: RunId(Uuid::from_u128(n)),
        day: noon().date_naive(),
        priority: 0,
        token: Uuid::from_u128(token),
        deadline: noon() + TimeDelta::minutes(1),
    }
}

fn batch(items: Vec<(&TenantId, Change)>, max_running: Option<u32>) -> Batch {
    let items = items
        .into_iter()
        .map(|(tenant_id, change)| Item { tenant_id: tenant_id.clone(), change })
        .collect();
    Batch { items, now: noon(), day: noon().date_naive(), max_running }
}

async fn one(ledger: &dyn Ledger, tenant: &TenantId, change: Change) -> Answer {
    ledger.apply(&batch(vec![(tenant, change)], None)).await.unwrap().remove(0)
}

async fn subscribed<S: Tenants + Ledger>(state: &S, name: &str) -> TenantId {
    let tenant = tenant(name);
    state.create_subscription(&subscription(name)).await.unwrap();
    Ledger::create(state, &tenant).await.unwrap();
    tenant
}

/// A row is made once; a change of a tenant without one takes nothing of its batch into effect.
pub async fn rows_are_made_once<S: Tenants + Ledger>(state: &S) {
    let known = subscribed(state, "ledger_once").await;
    assert_eq!(Ledger::create(state, &known).await.unwrap(), Ensured::Existed);
    let unknown = tenant("ledger_unknown");
    let result =
        state.apply(&batch(vec![(&known, admit(1, 1)), (&unknown, admit(2, 2))], None)).await;
    assert!(matches!(result, Err(PortError::NotFound(_))), "{result:?}");
    assert!(state.row(&known).await.unwrap().unwrap().account.entries.is_empty());
    assert!(state.row(&unknown).await.unwrap().is_none());
}

/// Requests in flight together get exactly the quota, each id once, never more slots than allowed.
pub async fn concurrent_admissions_get_exactly_the_quota<S: Tenants + Ledger>(state: &S) {
    let tenant = subscribed(state, "ledger_burst").await;
    // Each of 100 ids comes three times, each time with a token of its own.
    let sent = (0..300u128).map(|i| one(state, &tenant, admit(i % 100 + 1, i + 1000)));
    let answers = join_all(sent).await;
    let mut recorders = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        match &answer.outcome {
            Outcome::Held { entry, .. } if entry.token == Uuid::from_u128(i as u128 + 1000) => {
                recorders.push(entry.run_id);
            }
            Outcome::Held { .. } | Outcome::Denied(Limit::Daily) => {}
            other => panic!("{other:?}"),
        }
    }
    let row = state.row(&tenant).await.unwrap().unwrap();
    assert_eq!(recorders.len(), 25, "one recorder an admitted id");
    recorders.sort();
    recorders.dedup();
    assert_eq!(recorders.len(), 25);
    let counts = row.account.counts(noon().date_naive());
    assert_eq!((counts.today, counts.month, counts.active, counts.queued), (25, 25, 3, 22));
}

/// In one batch what frees comes first, then starts, then arrivals; answers keep the items' order.
pub async fn batches_free_before_they_admit<S: Tenants + Ledger>(state: &S) {
    let tenant = subscribed(state, "ledger_order").await;
    for n in 1..=4 {
        one(state, &tenant, admit(n, n)).await;
    }
    let start = Change::Start { up_to: 5, deadline: noon() };
    let release = Change::Release { run_id: RunId(Uuid::from_u128(2)), attempt: 1 };
    let items = vec![(&tenant, admit(5, 5)), (&tenant, start), (&tenant, release)];
    let answers = state.apply(&batch(items, None)).await.unwrap();
    let Outcome::Held { entry, .. } = &answers[0].outcome else { panic!("{answers:?}") };
    assert_eq!(entry.state, EntryState::Queued, "the head of the queue took the slot");
    let Outcome::Started(entries) = &answers[1].outcome else { panic!("{answers:?}") };
    assert_eq!(entries.iter().map(|e| e.run_id.0.as_u128()).collect::<Vec<_>>(), [4]);
    assert_eq!(answers[2].outcome, Outcome::Released);
    assert_eq!((answers[0].counts.active, answers[0].counts.queued), (3, 1));
    assert_eq!(answers[0].subscription.as_ref().map(|s| s.limits), Some(LIMITS));
}

/// Long sequences of every kind of change lead to what the rule itself leads to, answer by answer.
pub async fn the_row_agrees_with_the_rule<S: Tenants + Ledger>(state: &S) {
    the_row_agrees(state, 400).await;
}

/// The same for a sequence of so many changes, where each takes long.
pub async fn the_row_agrees<S: Tenants + Ledger>(state: &S, changes: u32) {
    let tenant = tenant("ledger_rule");
    let mut subscription = subscription("ledger_rule");
    subscription.limits.daily_limit = 8;
    subscription.limits.monthly_limit = 11;
    subscription.limits.max_queued = 3;
    state.create_subscription(&subscription).await.unwrap();
    Ledger::create(state, &tenant).await.unwrap();
    let dice = Chance::seeded(7);
    let mut model = Account::default();
    let mut now = noon();
    for _ in 0..changes {
        let change = any_change(&dice, now);
        let items = vec![Item { tenant_id: tenant.clone(), change: change.clone() }];
        let batch = Batch { items, now, day: now.date_naive(), max_running: None };
        let answer = state.apply(&batch).await.unwrap().remove(0);
        model.prune(now);
        let expected =
            model.apply(&change, Some(&subscription.limits), now, &mut Slots::unbounded());
        assert_eq!(answer.outcome, expected, "{change:?}");
        assert_eq!(answer.counts, model.counts(now.date_naive()), "{change:?}");
        let row = state.row(&tenant).await.unwrap().unwrap();
        assert_eq!(row.account, model, "{change:?}");
        let listed = state.rows().await.unwrap().contains(&row);
        assert_eq!(listed, !row.account.entries.is_empty(), "rows() has those with entries");
        now += TimeDelta::minutes(i64::from(dice.bytes::<1>()[0] / 8));
    }
}

fn any_change(dice: &Chance, now: DateTime<Utc>) -> Change {
    let [kind, run, attempt, other] = dice.bytes();
    let run_id = RunId(Uuid::from_u128(u128::from(run % 16)));
    let attempt = u32::from(attempt % 3) + 1;
    let from = if other % 2 == 0 { EntryState::Queued } else { EntryState::Active };
    match kind % 8 {
        0..=2 => Change::Admit {
            run_id,
            day: now.date_naive(),
            priority: i64::from(other % 3),
            token: dice.uuid(),
            deadline: now,
        },
        3 => Change::Start { up_to: u32::from(other % 4), deadline: now },
        4 | 5 => Change::Release { run_id, attempt },
        6 => Change::Refund { run_id, attempt, from },
        _ => Change::Extend { run_id, attempt, deadline: now },
    }
}

/// Slots are bounded over all tenants too, and a subscription that is not active admits nothing.
pub async fn the_deployment_and_the_subscription_bound_admission<S: Tenants + Ledger>(state: &S) {
    let (a, b) =
        (subscribed(state, "ledger_room_a").await, subscribed(state, "ledger_room_b").await);
    let rows = state.rows().await.unwrap();
    let is_active = |e: &&Entry| e.state == EntryState::Active;
    let active = rows.iter().flat_map(|r| &r.account.entries).filter(is_active).count();
    let most = u32::try_from(active).unwrap() + 2;
    let items = vec![(&a, admit(1, 1)), (&b, admit(2, 2)), (&a, admit(3, 3)), (&b, admit(4, 4))];
    let answers = state.apply(&batch(items, Some(most))).await.unwrap();
    let states: Vec<EntryState> = answers
        .iter()
        .map(|a| match &a.outcome {
            Outcome::Held { entry, .. } => entry.state,
            other => panic!("{other:?}"),
        })
        .collect();
    let (active, queued) = (EntryState::Active, EntryState::Queued);
    assert_eq!(states, [active, active, queued, queued]);

    // A bound below what runs already starts nothing, also where the same batch frees a slot.
    let release = Change::Release { run_id: RunId(Uuid::from_u128(1)), attempt: 1 };
    let start = Change::Start { up_to: 9, deadline: noon() };
    let answers = state.apply(&batch(vec![(&a, release), (&a, start)], Some(0))).await.unwrap();
    assert_eq!(answers[1].outcome, Outcome::Started(vec![]));

    let mut suspended = subscription("ledger_stopped");
    suspended.status = SubscriptionStatus::Suspended;
    let stopped = tenant("ledger_stopped");
    state.create_subscription(&suspended).await.unwrap();
    Ledger::create(state, &stopped).await.unwrap();
    assert_eq!(one(state, &stopped, admit(1, 1)).await.outcome, Outcome::Inactive);
}

/// Free slots under a bound go to the tenants that wait by their last turn, over several batches too: an
/// admission that takes a slot is a turn as a start is. Without a bound no turn is counted.
pub async fn slots_go_round_the_tenants_that_wait<S: Tenants + Ledger>(state: &S) {
    let (a, b, c) = (
        subscribed(state, "ledger_turn_a").await,
        subscribed(state, "ledger_turn_b").await,
        subscribed(state, "ledger_turn_c").await,
    );
    let rows = state.rows().await.unwrap();
    let is_active = |e: &&Entry| e.state == EntryState::Active;
    let active = rows.iter().flat_map(|r| &r.account.entries).filter(is_active).count();
    let most = Some(u32::try_from(active).unwrap() + 2);

    let arrive = [(&a, 1), (&a, 2), (&a, 3), (&a, 4), (&c, 5), (&b, 6), (&b, 7)];
    let items = arrive.map(|(tenant, n)| (tenant, admit(n, n))).to_vec();
    let answers = state.apply(&batch(items, most)).await.unwrap();
    let turn = |answer: &Answer| match &answer.outcome {
        Outcome::Held { entry, .. } => entry.turn,
        other => panic!("{other:?}"),
    };
    let first = turn(&answers[0]).unwrap();
    assert_eq!(turn(&answers[1]), Some(first + 1));
    assert!(answers[2..].iter().all(|a| turn(a).is_none()), "{answers:?}");

    // One slot comes free at a time, whoever had it.
    let mut holds = vec![(&a, 1), (&a, 2)];
    let mut order = Vec::new();
    for n in 2..7 {
        let (tenant, run) = holds.remove(0);
        let release = Change::Release { run_id: RunId(Uuid::from_u128(run)), attempt: 1 };
        let start = Change::Start { up_to: 9, deadline: noon() };
        let mut items = vec![(tenant, release)];
        items.extend([&c, &b, &a].map(|tenant| (tenant, start.clone())));
        let answers = state.apply(&batch(items, most)).await.unwrap();
        for (answer, tenant) in answers[1..].iter().zip([&c, &b, &a]) {
            let Outcome::Started(entries) = &answer.outcome else { panic!("{answer:?}") };
            for entry in entries {
                assert_eq!(entry.turn, Some(first + n));
                let run = entry.run_id.0.as_u128();
                holds.push((tenant, run));
                order.push(run);
            }
        }
    }
    assert_eq!(order, [6, 5, 3, 7, 4], "b and c have never started; then the least recent turn");
    let rows = [&a, &b, &c].map(|tenant| state.row(tenant));
    let kept =
        join_all(rows).await.into_iter().map(|row| row.unwrap().unwrap().account.last_turn());
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept, [6, 5, 3].map(|n| Some(first + n)));

    let unbounded = subscribed(state, "ledger_turn_none").await;
    let Outcome::Held { entry, .. } = one(state, &unbounded, admit(1, 1)).await.outcome else {
        panic!("not held");
    };
    assert_eq!((entry.state, entry.turn), (EntryState::Active, None));
}
