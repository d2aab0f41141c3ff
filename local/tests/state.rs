//! The SQLite state keeps every promise of the state port.

use std::sync::Arc;

use common::clock::Clock;
use common::state::contract;
use local::db::Db;
use local::state::SqliteState;

macro_rules! keeps {
    ($($module:ident::$promise:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let state =
                    SqliteState::open(Arc::new(Db::in_memory().unwrap()), Clock::system()).unwrap();
                contract::$module::$promise(&state).await;
            }
        )+
    };
}

keeps! {
    ledger::rows_are_made_once,
    ledger::concurrent_admissions_get_exactly_the_quota,
    ledger::batches_free_before_they_admit,
    ledger::the_deployment_and_the_subscription_bound_admission,
    runs::recording,
    runs::transitions_are_guarded,
    runs::transitions_write_their_columns,
    runs::lists,
    runs::details,
    tenants::profiles_and_subscriptions_are_made_once,
    tenants::tenants_are_listed_by_id,
    tenants::changes_are_compared_and_set,
    tenants::an_unseen_key_is_replaced,
    tenants::one_first_key_is_left,
    tenants::rotation_and_revocation,
}

#[tokio::test]
async fn two_processes_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let db = Db::open(&folder.path().join("headgate.db")).unwrap();
        SqliteState::open(Arc::new(db), Clock::system()).unwrap()
    };
    let (first, second) = (open(), open());
    contract::ledger::concurrent_admissions_get_exactly_the_quota(&first).await;
    contract::ledger::batches_free_before_they_admit(&second).await;
    contract::tenants::tenants_are_listed_by_id(&second).await;
}
