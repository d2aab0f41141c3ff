//! The warehouse on BigQuery against its contract suite.

use common::gcp::bigquery::BigQuery;
use common::warehouse::contract;
use tokio::sync::OnceCell;

use crate::judges::BigQueryEmulator;
use crate::state::client;

static EMULATOR: OnceCell<BigQueryEmulator> = OnceCell::const_new();

async fn shared() -> BigQuery {
    let emulator = EMULATOR.get_or_init(BigQueryEmulator::start).await;
    BigQuery::new(client(&emulator.url).await)
}

macro_rules! keeps {
    ($($promise:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                contract::$promise(&shared().await).await;
            }
        )+
    };
}

keeps! {
    replaces_and_appends,
    overwrites_partitions,
    writes_by_keys,
    writes_by_keys_over_partitions,
    runs_a_job_once,
    never_lands_a_cancelled_job,
    refuses_other_statements,
    dry_runs,
    keeps_values,
    keeps_foreign_datasets,
}
