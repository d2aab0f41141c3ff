use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const LIMITS: Limits = Limits {
    daily_limit: 4,
    monthly_limit: 6,
    concurrent_limit: 2,
    max_queued: 2,
    max_bytes: 1,
    max_parallel: 4,
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn noon(text: &str) -> DateTime<Utc> {
    day(text).and_hms_opt(12, 0, 0).unwrap().and_utc()
}

fn id(n: u128) -> RunId {
    RunId(Uuid::from_u128(n))
}

fn admit(n: u128, on: &str, priority: i64) -> Change {
    Change::Admit {
        run_id: id(n),
        day: day(on),
        priority,
        token: Uuid::from_u128(n),
        deadline: noon(on) + TimeDelta::minutes(1),
    }
}

fn apply(account: &mut Account, change: &Change) -> Outcome {
    account.apply(change, Some(&LIMITS), noon("2026-01-01"), &mut Slots::unbounded())
}

fn release(n: u128, attempt: u32) -> Change {
    Change::Release { run_id: id(n), attempt }
}

fn refund(n: u128, attempt: u32, from: EntryState) -> Change {
    Change::Refund { run_id: id(n), attempt, from }
}

fn start(up_to: u32) -> Change {
    Change::Start { up_to, deadline: noon("2026-01-01") }
}

fn held(outcome: &Outcome) -> (EntryState, u32, Option<u32>) {
    match outcome {
        Outcome::Held { entry, position } => (entry.state, entry.attempt, *position),
        other => panic!("not held: {other:?}"),
    }
}

fn started(outcome: Outcome) -> Vec<RunId> {
    match outcome {
        Outcome::Started(entries) => entries.iter().map(|e| e.run_id).collect(),
        other => panic!("not started: {other:?}"),
    }
}

#[test]
fn slots_then_the_queue_then_the_limits() {
    let mut account = Account::default();
    let on = "2026-01-01";
    assert_eq!(held(&apply(&mut account, &admit(1, on, 0))), (EntryState::Active, 1, None));
    assert_eq!(held(&apply(&mut account, &admit(2, on, 0))), (EntryState::Active, 1, None));
    assert_eq!(held(&apply(&mut account, &admit(3, on, 5))), (EntryState::Queued, 1, Some(1)));
    assert_eq!(held(&apply(&mut account, &admit(4, on, 1))), (EntryState::Queued, 1, Some(1)));
    assert_eq!(account.position(id(3)), Some(2), "lower priority numbers start sooner");
    assert_eq!(apply(&mut account, &admit(5, on, 0)), Outcome::Denied(Limit::Daily));
    assert_eq!(apply(&mut account, &admit(5, "2026-01-02", 0)), Outcome::Denied(Limit::Queue));

    assert_eq!(apply(&mut account, &release(1, 1)), Outcome::Released);
    assert_eq!(apply(&mut account, &release(1, 1)), Outcome::Released, "sent again");
    let late = admit(5, "2026-01-02", 0);
    assert_eq!(apply(&mut account, &late), Outcome::Denied(Limit::Queue), "nobody overtakes");
    assert_eq!(started(apply(&mut account, &start(9))), [id(4)]);
    assert_eq!(held(&apply(&mut account, &late)), (EntryState::Queued, 1, Some(1)));
    assert_eq!(account.counts(day(on)), Counts { today: 4, month: 5, active: 2, queued: 2 });
}

#[test]
fn the_month_counts_its_days_and_a_new_day_starts_at_zero() {
    let mut account = Account::default();
    for (n, on) in [(1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-02"), (4, "2026-01-03")] {
        held(&apply(&mut account, &admit(n, on, 0)));
        apply(&mut account, &release(n, 1));
    }
    for n in 5..7 {
        held(&apply(&mut account, &admit(n, "2026-01-31", 0)));
        apply(&mut account, &release(n, 1));
    }
    assert_eq!(apply(&mut account, &admit(7, "2026-01-31", 0)), Outcome::Denied(Limit::Monthly));
    assert_eq!(held(&apply(&mut account, &admit(7, "2026-02-01", 0))).0, EntryState::Active);
}

#[test]
fn one_id_counts_once_whatever_is_sent_again() {
    let mut account = Account::default();
    let first = apply(&mut account, &admit(1, "2026-01-01", 0));
    assert_eq!(apply(&mut account, &admit(1, "2026-01-01", 0)), first);
    assert_eq!(apply(&mut account, &admit(1, "2026-01-02", 0)), first, "the day stays");
    apply(&mut account, &release(1, 1));
    assert_eq!(held(&apply(&mut account, &admit(1, "2026-01-01", 0))).0, EntryState::Done);
    assert_eq!(account.days, BTreeMap::from([(day("2026-01-01"), 1)]));
}

#[test]
fn a_refund_needs_its_state_and_attempt_and_leads_to_the_next_attempt() {
    let mut account = Account::default();
    apply(&mut account, &admit(1, "2026-01-01", 0));
    assert_eq!(apply(&mut account, &refund(1, 1, EntryState::Queued)), Outcome::Ignored);
    assert_eq!(apply(&mut account, &refund(1, 2, EntryState::Active)), Outcome::Ignored);
    assert_eq!(apply(&mut account, &refund(1, 1, EntryState::Active)), Outcome::Refunded);
    assert_eq!(apply(&mut account, &refund(1, 1, EntryState::Active)), Outcome::Refunded);
    assert_eq!(account.counts(day("2026-01-01")), Counts::default(), "given back once");

    assert_eq!(
        held(&apply(&mut account, &admit(1, "2026-01-01", 0))),
        (EntryState::Active, 2, None)
    );
    assert_eq!(apply(&mut account, &release(1, 1)), Outcome::Ignored, "a late word of attempt 1");
    assert_eq!(apply(&mut account, &refund(1, 1, EntryState::Active)), Outcome::Ignored);
    assert_eq!(account.counts(day("2026-01-01")).active, 1);
}

#[test]
fn an_extended_entry_answers_to_its_next_attempt_only() {
    let mut account = Account::default();
    apply(&mut account, &admit(1, "2026-01-01", 0));
    let extend = Change::Extend { run_id: id(1), attempt: 1, deadline: noon("2026-01-02") };
    assert!(matches!(apply(&mut account, &extend), Outcome::Extended(e) if e.attempt == 2));
    assert_eq!(apply(&mut account, &extend), Outcome::Ignored, "sent again");
    assert_eq!(apply(&mut account, &release(1, 1)), Outcome::Ignored);
    assert_eq!(apply(&mut account, &release(1, 2)), Outcome::Released);
}

#[test]
fn no_active_subscription_admits_and_starts_nothing_and_frees_all_the_same() {
    let mut account = Account::default();
    for n in 1..4 {
        apply(&mut account, &admit(n, "2026-01-01", 0));
    }
    let mut stopped =
        |change: &Change| account.apply(change, None, noon("2026-01-01"), &mut Slots::unbounded());
    assert_eq!(stopped(&admit(4, "2026-01-01", 0)), Outcome::Inactive);
    assert_eq!(stopped(&start(1)), Outcome::Inactive);
    assert_eq!(stopped(&release(1, 1)), Outcome::Released);
    assert_eq!(stopped(&refund(3, 1, EntryState::Queued)), Outcome::Refunded);
}

#[test]
fn without_room_in_the_deployment_all_queue_and_none_start() {
    let mut account = Account::default();
    let mut apply = |change: &Change, slots: &mut Slots| {
        account.apply(change, Some(&LIMITS), noon("2026-01-01"), slots)
    };
    let mut slots = Slots::bounded(0, 0, 0);
    assert_eq!(held(&apply(&admit(1, "2026-01-01", 0), &mut slots)).0, EntryState::Queued);
    assert_eq!(started(apply(&start(9), &mut slots)), []);
    slots = Slots::bounded(1, 0, 0);
    assert_eq!(started(apply(&start(9), &mut slots)), [id(1)]);
    assert_eq!(slots.room(), 0);
    assert_eq!(held(&apply(&admit(2, "2026-01-01", 0), &mut slots)).0, EntryState::Queued);
    // The bound was lowered below what runs: a release makes no room yet.
    slots = Slots::bounded(0, 1, 1);
    assert_eq!(apply(&release(1, 1), &mut slots), Outcome::Released);
    assert_eq!(slots.room(), 0);
    assert_eq!(started(apply(&start(9), &mut slots)), []);
}

#[test]
fn what_is_old_is_forgotten() {
    let mut account = Account::default();
    apply(&mut account, &admit(1, "2026-01-01", 0));
    apply(&mut account, &admit(2, "2026-01-01", 0));
    apply(&mut account, &release(1, 1));
    account.prune(noon("2026-01-03") - TimeDelta::seconds(1));
    assert_eq!(account.entries.len(), 2);
    account.prune(noon("2026-01-03"));
    assert_eq!(account.entries.len(), 1, "the open one stays");
    account.prune(noon("2027-03-01"));
    assert!(account.days.is_empty());
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let now = noon("2026-12-31");
    assert_eq!(retry_at(Limit::Daily, now), noon("2027-01-01") - TimeDelta::hours(12));
    assert_eq!(retry_at(Limit::Monthly, now), noon("2027-01-01") - TimeDelta::hours(12));
    assert_eq!(retry_at(Limit::Queue, now), now + TimeDelta::seconds(60));
}

fn any_change() -> impl Strategy<Value = Change> {
    let n = 1..12u128;
    let on = prop_oneof![Just("2026-01-31"), Just("2026-02-01")];
    let from = prop_oneof![Just(EntryState::Queued), Just(EntryState::Active)];
    prop_oneof![
        5 => (n.clone(), on, 0..3i64).prop_map(|(n, on, priority)| admit(n, on, priority)),
        2 => (0..4u32).prop_map(start),
        3 => (n.clone(), 1..3u32).prop_map(|(n, attempt)| release(n, attempt)),
        2 => (n.clone(), 1..3u32, from).prop_map(|(n, attempt, from)| refund(n, attempt, from)),
        1 => (n, 1..3u32).prop_map(|(n, attempt)| Change::Extend {
            run_id: id(n),
            attempt,
            deadline: noon("2026-02-02"),
        }),
    ]
}

proptest! {
    /// Whatever comes in whatever order: the limits hold, and the counts are the entries'.
    #[test]
    fn limits_hold_for_every_order(
        changes in proptest::collection::vec((any_change(), any::<bool>()), 1..120),
    ) {
        let mut account = Account::default();
        for (change, again) in changes {
            let outcome = apply(&mut account, &change);
            if again && !matches!(change, Change::Start { .. } | Change::Extend { .. }) {
                let before = account.clone();
                apply(&mut account, &change);
                if !matches!(outcome, Outcome::Denied(_)) {
                    prop_assert_eq!(&account, &before, "{:?} sent again changed something", change);
                }
            }
            for on in ["2026-01-31", "2026-02-01"] {
                let counts = account.counts(day(on));
                prop_assert!(counts.today <= LIMITS.daily_limit);
                prop_assert!(counts.month <= LIMITS.monthly_limit);
                prop_assert!(counts.active <= LIMITS.concurrent_limit);
                prop_assert!(counts.queued <= LIMITS.max_queued);
                let counted = account
                    .entries
                    .iter()
                    .filter(|e| e.day == day(on) && e.state != EntryState::Refunded)
                    .count();
                prop_assert_eq!(counts.today as usize, counted);
            }
            let mut ids: Vec<RunId> = account.entries.iter().map(|e| e.run_id).collect();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), account.entries.len(), "one entry a run");
        }
    }
}
