use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::quota::{Entry, EntryState};
use crate::run::RunId;

const NAMES: [&str; 3] = ["ann", "bob", "cid"];
const LIMITS: Limits = Limits {
    daily_limit: 1_000,
    monthly_limit: 1_000,
    concurrent_limit: 3,
    max_queued: 1_000,
    max_bytes: 1,
    max_parallel: 1,
};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn id(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

fn admit(n: u128) -> Change {
    Change::Admit {
        run_id: id(n),
        day: noon().date_naive(),
        priority: 0,
        token: Uuid::from_u128(n),
        deadline: noon(),
    }
}

fn start(up_to: u32) -> Change {
    Change::Start { up_to, deadline: noon() + TimeDelta::minutes(1) }
}

fn release(n: u128) -> Change {
    Change::Release { run_id: id(n), attempt: 1 }
}

/// Rows of these tenants, all with the same limits.
fn rows() -> BTreeMap<TenantId, Bounded> {
    NAMES.map(|name| (tenant(name), Bounded { limits: Some(LIMITS), ..Bounded::default() })).into()
}

/// Decides under a bound that is read off the rows, as an adapter reads it.
fn apply(
    rows: &mut BTreeMap<TenantId, Bounded>,
    changes: &[(&str, Change)],
    max_running: u32,
) -> Vec<Outcome> {
    let entries = || rows.values().flat_map(|row| &row.account.entries);
    let last_turn = entries().filter_map(|e| e.turn).max().unwrap_or(0);
    let mut slots = Slots::bounded(max_running, active(rows), last_turn);
    let named: Vec<_> = changes.iter().map(|(name, change)| (tenant(name), change)).collect();
    let changes: Vec<_> = named.iter().map(|(tenant, change)| (tenant, *change)).collect();
    decide(rows, &changes, noon(), &mut slots)
}

fn active(rows: &BTreeMap<TenantId, Bounded>) -> i64 {
    let entries = rows.values().flat_map(|row| &row.account.entries);
    i64::try_from(entries.filter(|e| e.state == EntryState::Active).count()).unwrap()
}

/// Runs and their turns.
fn turns(outcome: &Outcome) -> Vec<(u128, Option<i64>)> {
    let of = |e: &Entry| (e.run_id.0.as_u128(), e.turn);
    match outcome {
        Outcome::Started(entries) => entries.iter().map(of).collect(),
        Outcome::Held { entry, .. } => vec![of(entry)],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_frees_then_starts_in_turns_then_admits() {
    let mut rows = rows();
    let arrive = [("bob", admit(1)), ("bob", admit(2)), ("bob", admit(3)), ("ann", admit(4))];
    let answers = apply(&mut rows, &arrive, 2);
    let seen: Vec<_> = answers.iter().flat_map(turns).collect();
    assert_eq!(seen, [(1, Some(1)), (2, Some(2)), (3, None), (4, None)]);

    // Two slots come free; cid arrives too late for them, bob has had its turns, ann has not.
    let both = [
        ("cid", admit(5)),
        ("bob", start(u32::MAX)),
        ("ann", start(u32::MAX)),
        ("bob", release(1)),
        ("bob", release(2)),
    ];
    let answers = apply(&mut rows, &both, 2);
    assert_eq!(turns(&answers[0]), [(5, None)]);
    assert_eq!(turns(&answers[1]), [(3, Some(4))]);
    assert_eq!(turns(&answers[2]), [(4, Some(3))]);
    assert_eq!(&answers[3..], [Outcome::Released, Outcome::Released]);
}

#[test]
fn starts_of_one_tenant_start_together_what_each_asks_for() {
    let mut rows = rows();
    apply(&mut rows, &[1, 2, 3, 4].map(|n| ("ann", admit(n))), 0);
    let answers = apply(&mut rows, &[("ann", start(1)), ("ann", start(0)), ("ann", start(9))], 9);
    let seen: Vec<_> = answers.iter().map(turns).collect();
    assert_eq!(seen, [vec![(1, Some(1))], vec![], vec![(2, Some(2)), (3, Some(3))]]);
}

#[test]
fn without_a_bound_no_turn_is_counted() {
    let mut rows = rows();
    let ann = tenant("ann");
    let changes = [1, 2, 3, 4].map(admit);
    let mut changes: Vec<_> = changes.iter().map(|change| (&ann, change)).collect();
    let (free, go) = (release(2), start(u32::MAX));
    changes.extend([(&ann, &free), (&ann, &go)]);
    decide(&mut rows, &changes[..4], noon(), &mut Slots::unbounded());
    let answers = decide(&mut rows, &changes[4..], noon(), &mut Slots::unbounded());
    assert_eq!(turns(&answers[1]), [(4, None)]);
    assert_eq!(rows[&ann].account.last_turn(), None);
}

#[test]
fn a_tenant_without_a_row_or_a_subscription_starts_nothing_and_takes_no_turn() {
    let mut rows = rows();
    apply(&mut rows, &NAMES.map(|name| (name, admit(1))), 0);
    rows.get_mut(&tenant("ann")).unwrap().limits = None;
    rows.remove(&tenant("bob"));
    let answers = apply(&mut rows, &NAMES.map(|name| (name, start(9))), 9);
    assert_eq!(answers[..2], [Outcome::Inactive, Outcome::Inactive]);
    assert_eq!(turns(&answers[2]), [(1, Some(1))]);
}

#[test]
fn a_run_that_is_admitted_anew_does_not_forget_its_tenants_turn() {
    let mut rows = rows();
    apply(&mut rows, &[("ann", admit(1)), ("bob", admit(2))], 2);
    let refused = Change::Refund { run_id: id(1), attempt: 1, from: EntryState::Active };
    apply(&mut rows, &[("ann", refused), ("ann", admit(1))], 0);
    assert_eq!(rows[&tenant("ann")].account.last_turn(), Some(1));
}

fn any_change() -> impl Strategy<Value = (usize, Change)> {
    let n = 1..20u128;
    let change = prop_oneof![
        4 => n.clone().prop_map(admit),
        3 => (0..4u32).prop_map(start),
        3 => n.clone().prop_map(release),
        1 => n.prop_map(|n| Change::Refund { run_id: id(n), attempt: 1, from: EntryState::Active }),
    ];
    (0..NAMES.len(), change)
}

proptest! {
    /// Whatever comes in whatever batches, and wherever the bound is moved: no more slots are held than it
    /// allows, or than were held when it was lowered, and no two starts have the same turn.
    #[test]
    fn the_bound_holds_for_every_order(
        batches in proptest::collection::vec(
            (0..6u32, proptest::collection::vec(any_change(), 1..8)), 1..40),
    ) {
        let mut rows = rows();
        let mut last = 0;
        for (max_running, changes) in batches {
            let held = active(&rows);
            let changes: Vec<_> = changes.into_iter().map(|(t, c)| (NAMES[t], c)).collect();
            let answers = apply(&mut rows, &changes, max_running);
            prop_assert!(active(&rows) <= held.max(i64::from(max_running)));
            let mut given: Vec<i64> = answers
                .iter()
                .filter(|answer| matches!(answer, Outcome::Started(_)))
                .flat_map(turns)
                .filter_map(|(_, turn)| turn)
                .collect();
            given.sort_unstable();
            for turn in given {
                prop_assert!(turn > last, "turn {turn} after {last}");
                last = turn;
            }
            let entries = || rows.values().flat_map(|row| &row.account.entries);
            last = entries().filter_map(|e| e.turn).max().unwrap_or(0).max(last);
            prop_assert!(entries().filter(|e| e.state == EntryState::Active).all(|e| e.turn.is_some()));
        }
    }
}
