//! The state on BigQuery against the contract suites.

use common::clock::Clock;
use common::gcp::state::State;
use common::state::contract;
use common::state::{Ledger, Tenants};
use common::warehouse::Ensured;
use tokio::sync::OnceCell;

pub use crate::judges::client;
use crate::judges::{BigQueryEmulator, TURN};

/// The tenants of the suites whose tables lie in datasets of their own.
const TENANTS: [&str; 11] = [
    "runs_record",
    "runs_other",
    "runs_guard",
    "runs_columns",
    "runs_list",
    "runs_details",
    "slots_begin",
    "slots_begin_other",
    "slots_settle",
    "slots_list",
    "slots_nobody",
];

static EMULATOR: OnceCell<BigQueryEmulator> = OnceCell::const_new();

/// A state over an emulator.
pub async fn state(url: &str) -> State {
    State::new(client(url).await, Clock::from_fn(contract::noon))
}

async fn shared() -> State {
    let start = async || {
        let emulator = BigQueryEmulator::start().await;
        emulator.control().await;
        for tenant in TENANTS {
            emulator.tenant(tenant).await;
        }
        emulator
    };
    state(&EMULATOR.get_or_init(start).await.url).await
}

macro_rules! keeps {
    ($($module:ident::$promise:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let _turn = TURN.lock().await;
                contract::$module::$promise(&shared().await).await;
            }
        )+
    };
}

keeps! {
    ledger::rows_are_made_once,
    ledger::concurrent_admissions_get_exactly_the_quota,
    ledger::batches_free_before_they_admit,
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

/// A job's id is taken for good: what a table lost is made under the next one.
#[tokio::test]
async fn what_was_lost_is_made_anew_by_the_same_onboarding() {
    let _turn = TURN.lock().await;
    let state = shared().await;
    let tenant = contract::tenant("lost");
    let (profile, subscription) = (contract::profile("lost"), contract::subscription("lost"));
    for _ in 0..2 {
        for round in [Ensured::Created, Ensured::Existed] {
            assert_eq!(state.create_profile(&profile).await.unwrap(), profile);
            assert_eq!(state.create_subscription(&subscription).await.unwrap(), subscription);
            assert_eq!(Ledger::create(&state, &tenant).await.unwrap(), round);
        }
        let emulator = EMULATOR.get().unwrap();
        for table in ["tenant_profiles", "tenant_subscriptions", "tenant_run_ledger"] {
            emulator
                .sql(&format!("DELETE FROM tenants.{table} WHERE tenant_id = '{tenant}'"))
                .await;
        }
    }
}

#[tokio::test]
async fn the_row_agrees_with_the_rule() {
    let _turn = TURN.lock().await;
    contract::ledger::the_row_agrees(&shared().await, 80).await;
}
