//! What a node keeps its state and its tables in: the data folder, or BigQuery.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::clock::{Chance, Clock};
use common::port::PortError;
use common::settings;
use common::state::tables::{self, CONTROL_DATASET};
use common::state::{Ledger, Runs, Schedules, Slots, Tenants};
use common::warehouse::{DatasetName, Warehouse};
use futures::future::BoxFuture;

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

/// BigQuery, and the present.
pub struct Elsewhere {
    /// Which project, and where it is reached.
    pub settings: settings::BigQuery,
    /// The present.
    pub clock: Clock,
    /// Ids.
    pub chance: Chance,
}

/// Opens BigQuery: the binary brings it, for nothing here knows Google's clients.
pub type Opens = fn(Elsewhere) -> BoxFuture<'static, Result<Store, PortError>>;

impl Store {
    /// The embedded adapters over a data folder.
    pub fn embedded(data_dir: &DataDir, clock: &Clock) -> Result<Self, PortError> {
        let state = Arc::new(SqliteState::open(data_dir.db()?, clock.clone())?);
        Ok(Self::of(state, Arc::new(data_dir.warehouse(clock)?)))
    }

    /// Another state and warehouse. The control tables are made where they are missing; in production Terraform
    /// makes them.
    pub async fn with_control<S>(
        state: Arc<S>,
        warehouse: Arc<dyn Warehouse>,
    ) -> Result<Self, PortError>
    where
        S: Tenants + Ledger + Runs + Schedules + Slots + 'static,
    {
        let control = DatasetName::parse(CONTROL_DATASET)
            .map_err(|e| PortError::other("the control dataset", e))?;
        warehouse.ensure_dataset(&control, &BTreeMap::new()).await?;
        for (name, definition) in tables::control()? {
            let table = control.table(name).map_err(|e| PortError::other("a control table", e))?;
            warehouse.ensure_table(&table, &definition.in_dataset(&control)).await?;
        }
        Ok(Self::of(state, warehouse))
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
