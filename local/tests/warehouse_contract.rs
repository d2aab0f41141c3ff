//! The embedded warehouse keeps every promise of the port.

use common::warehouse::contract;

#[path = "support/warehouse.rs"]
mod support;

macro_rules! promises {
    ($($promise:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $promise() {
            contract::$promise(&support::folder(&[]).await.warehouse).await;
        }
    )*};
}

promises!(
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
);
