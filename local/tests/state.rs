//! The SQLite state keeps every promise of the state port.

use std::sync::{Arc, Barrier};

use common::clock::Clock;
use common::quota::{Change, Outcome};
use common::run::RunId;
use common::state::{Batch, Item, Ledger, Tenants, contract};
use futures::executor::block_on;
use local::db::Db;
use local::state::SqliteState;
use uuid::Uuid;

macro_rules! keeps {
    ($($module:ident::$promise:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let clock = Clock::from_fn(contract::noon);
                let state =
                    SqliteState::open(Arc::new(Db::in_memory().unwrap()), clock).unwrap();
                contract::$module::$promise(&state).await;
            }
        )+
    };
}

keeps! {
    ledger::rows_are_made_once,
    ledger::concurrent_admissions_get_exactly_the_quota,
    ledger::batches_free_before_they_admit,
    ledger::the_row_agrees_with_the_rule,
    ledger::the_deployment_and_the_subscription_bound_admission,
    ledger::slots_go_round_the_tenants_that_wait,
    runs::recording,
    runs::transitions_are_guarded,
    runs::transitions_write_their_columns,
    runs::lists,
    runs::details,
    schedules::recording_schedules,
    schedules::changing,
    schedules::due,
    schedules::advancing,
    slots::beginning,
    slots::settling,
    slots::listing_slots,
    tenants::profiles_and_subscriptions_are_made_once,
    tenants::tenants_are_listed_by_id,
    tenants::changes_are_compared_and_set,
    tenants::an_unseen_key_is_replaced,
    tenants::one_first_key_is_left,
    tenants::rotation_and_revocation,
}

/// A folder of an older release gets the columns that came since, and its rows are read all the same.
#[test]
fn a_table_of_an_older_release_gets_what_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headgate.db");
    let open = || SqliteState::open(Arc::new(Db::open(&file).unwrap()), Clock::system()).unwrap();
    let subscription = contract::subscription("shared");
    block_on(open().create_subscription(&subscription)).unwrap();
    let older = rusqlite::Connection::open(&file).unwrap();
    for (table, column) in [
        ("tenants.tenant_subscriptions", "max_parallel"),
        ("x_meta_pipeline_runs", "max_parallel"),
        ("x_meta_pipeline_runs", "priority"),
        ("x_meta_pipeline_runs", "queued"),
    ] {
        older.execute(&format!("ALTER TABLE \"{table}\" DROP COLUMN {column}"), []).unwrap();
    }
    older.execute("CREATE TABLE x_meta_pipeline_queue (tenant_id TEXT)", []).unwrap();
    let ledger = "INSERT INTO \"tenants.tenant_run_ledger\" (tenant_id, entries, days, updated_at)
        VALUES ('shared', ?1, '[]', 0)";
    let entry = serde_json::json!([{
        "run_id": Uuid::nil(), "day": "2026-03-04", "priority": 0, "seq": 1, "state": "QUEUED", "attempt": 1,
        "token": Uuid::nil(), "deadline": "2026-03-04T12:00:00Z", "closed_at": null,
    }]);
    older.execute(ledger, [entry.to_string()]).unwrap();
    let row = block_on(Ledger::row(&open(), &subscription.tenant_id)).unwrap().unwrap();
    assert_eq!(row.account.last_turn(), None);
    let queue = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'x_meta_pipeline_queue'";
    assert_eq!(older.query_row(queue, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
    let read = block_on(open().create_subscription(&subscription)).unwrap();
    assert_eq!(read.limits.max_parallel, common::plan::steps_at_once());
    assert_eq!(read.limits.max_bytes, subscription.limits.max_bytes);
}

/// What one row has become stops no other.
#[test]
fn a_schedule_that_cannot_be_read_stops_no_other() {
    use common::state::{Created, Schedules};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headgate.db");
    let state = SqliteState::open(Arc::new(Db::open(&file).unwrap()), Clock::system()).unwrap();
    let subscription = contract::subscription("shared");
    block_on(state.create_subscription(&subscription)).unwrap();
    let schedule = |n| contract::schedules::schedule(&subscription.tenant_id, n);
    for n in [1, 2] {
        assert_eq!(block_on(state.create_schedule(&schedule(n), 9)).unwrap(), Created::Made);
    }
    let other = rusqlite::Connection::open(&file).unwrap();
    let spoil = "UPDATE \"tenants.tenant_pipeline_configs\" SET schedule_cron = 'soon' WHERE config_id = ?1";
    assert_eq!(other.execute(spoil, [schedule(1).config_id.to_string()]).unwrap(), 1);
    assert_eq!(block_on(state.due(contract::noon())).unwrap(), [schedule(2)]);
    let all = block_on(state.schedules_of(&subscription.tenant_id)).unwrap();
    assert_eq!(all, [schedule(2)]);
}

/// A tenant that has come to rest is not walked for ever.
#[test]
fn what_the_ledger_no_longer_remembers_is_not_among_its_rows() {
    use std::sync::atomic::{AtomicI64, Ordering};
    let hours = Arc::new(AtomicI64::new(0));
    let told = hours.clone();
    let clock = Clock::from_fn(move || {
        contract::noon() + chrono::TimeDelta::hours(told.load(Ordering::Relaxed))
    });
    let state = SqliteState::open(Arc::new(Db::in_memory().unwrap()), clock.clone()).unwrap();
    let subscription = contract::subscription("shared");
    let tenant = subscription.tenant_id.clone();
    block_on(state.create_subscription(&subscription)).unwrap();
    block_on(Ledger::create(&state, &tenant)).unwrap();
    let (now, run_id) = (clock.now(), RunId(Uuid::from_u128(1)));
    let change = |change| Item { tenant_id: tenant.clone(), change };
    let day = now.date_naive();
    let admit =
        Change::Admit { run_id, day, priority: 0, token: Uuid::from_u128(2), deadline: now };
    let release = Change::Release { run_id, attempt: 1 };
    for item in [change(admit), change(release)] {
        let batch = Batch { items: vec![item], now, day, max_running: None };
        block_on(state.apply(&batch)).unwrap();
    }
    for (after, rows) in [(47, 1), (48, 0)] {
        hours.store(after, Ordering::Relaxed);
        assert_eq!(block_on(state.rows()).unwrap().len(), rows, "after {after} hours");
    }
}

/// Two connections to one file, a thread each: what two processes are to SQLite.
#[test]
fn two_processes_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let db = Db::open(&folder.path().join("headgate.db")).unwrap();
        SqliteState::open(Arc::new(db), Clock::system()).unwrap()
    };
    let subscription = contract::subscription("shared");
    let tenant = subscription.tenant_id.clone();
    let state = open();
    block_on(state.create_subscription(&subscription)).unwrap();
    block_on(Ledger::create(&state, &tenant)).unwrap();

    let barrier = Barrier::new(2);
    let admit = |process: u128| {
        let state = open();
        barrier.wait();
        let mine = (1..=100u128).filter(|n| {
            let token = Uuid::from_u128(process * 1000 + n);
            let change = Change::Admit {
                run_id: RunId(Uuid::from_u128(*n)),
                day: contract::noon().date_naive(),
                priority: 0,
                token,
                deadline: contract::noon(),
            };
            let batch = Batch {
                items: vec![Item { tenant_id: tenant.clone(), change }],
                now: contract::noon(),
                day: contract::noon().date_naive(),
                max_running: None,
            };
            let answer = block_on(state.apply(&batch)).unwrap().remove(0);
            matches!(answer.outcome, Outcome::Held { entry, .. } if entry.token == token)
        });
        mine.count()
    };
    let recorders = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| admit(1)), scope.spawn(|| admit(2))];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(recorders, 25, "one recorder an admitted run");
    let counts = block_on(state.row(&tenant)).unwrap().unwrap().account;
    let counts = counts.counts(contract::noon().date_naive());
    assert_eq!((counts.today, counts.active, counts.queued), (25, 3, 22));
}
