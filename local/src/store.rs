//! What a node keeps its state and its tables in: the data folder, or BigQuery.

use std::sync::Arc;

use common::clock::Clock;
use common::port::PortError;
use common::state::{Ledger, Runs, Schedules, Slots, Tenants};
use common::warehouse::Warehouse;

use crate::node::DataDir;
use crate::state::SqliteState;

/// The ports of the state, and the warehouse beside it.
pub struct Store {
    pub(crate) tenants: Arc<dyn Tenants>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) runs: Arc<dyn Runs>,
    pub(crate) schedules: Arc<dyn Schedules>,
    pub(crate) slots: Arc<dyn Slots>,
    pub(crate) warehouse: Arc<dyn Warehouse>,
}

impl Store {
    /// The embedded adapters over a data folder.
    pub fn embedded(data_dir: &DataDir, clock: &Clock) -> Result<Self, PortError> {
        let state = Arc::new(SqliteState::open(data_dir.db()?, clock.clone())?);
        Ok(Self::of(state, Arc::new(data_dir.warehouse(clock)?)))
    }

    fn of<S>(state: Arc<S>, warehouse: Arc<dyn Warehouse>) -> Self
    where
        S: Tenants + Ledger + Runs + Schedules + Slots + 'static,
    {
        Self {
            tenants: state.clone(),
            ledger: state.clone(),
            runs: state.clone(),
            schedules: state.clone(),
            slots: state,
            warehouse,
        }
    }
}

/// The adapters of production, over a BigQuery emulator or BigQuery itself.
#[cfg(feature = "gcp")]
mod bigquery {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use common::clock::{Chance, Clock};
    use common::gcp::bigquery::BigQuery;
    use common::gcp::{open, state::State};
    use common::port::PortError;
    use common::settings;
    use common::state::tables::{self, CONTROL_DATASET};
    use common::warehouse::{DatasetName, Warehouse as _};

    use super::Store;

    impl Store {
        /// BigQuery at an endpoint. The control tables are made where they are missing; in production Terraform
        /// makes them.
        pub async fn bigquery(
            endpoint: &str,
            project: &str,
            clock: &Clock,
            chance: &Chance,
        ) -> Result<Self, PortError> {
            let settings = settings::BigQuery {
                project: project.to_owned(),
                location: "US".to_owned(),
                endpoint: Some(endpoint.to_owned()),
            };
            let client = open::bigquery(settings, "headgate", chance).await?;
            let warehouse = BigQuery::new(client.clone());
            let control = DatasetName::parse(CONTROL_DATASET)
                .map_err(|e| PortError::other("the control dataset", e))?;
            warehouse.ensure_dataset(&control, &BTreeMap::new()).await?;
            for (name, definition) in tables::control()? {
                let table =
                    control.table(name).map_err(|e| PortError::other("a control table", e))?;
                warehouse.ensure_table(&table, &definition.in_dataset(&control)).await?;
            }
            Ok(Self::of(Arc::new(State::new(client, clock.clone())), Arc::new(warehouse)))
        }
    }
}
