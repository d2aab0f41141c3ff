//! The days of a backfill that have a run already.

use std::collections::HashMap;

use chrono::NaiveDate;
use common::port::PortError;
use common::run::{Run, RunId};
use common::state::LedgerRow;
use common::submit::Gate;

use super::answer::DayRun;
use super::order::Order;

/// What there was when it was looked up: in two statements, however many days.
pub(crate) struct Known {
    runs: HashMap<RunId, Run>,
    /// The tenant's ledger row.
    pub(crate) row: Option<LedgerRow>,
}

impl Known {
    /// Looks these days up.
    pub(crate) async fn read(
        gate: &Gate,
        order: &Order,
        dates: impl Iterator<Item = NaiveDate> + Send,
    ) -> Result<Self, PortError> {
        let ids: Vec<RunId> = dates.map(|date| order.run_id(date)).collect();
        let found = gate.runs.get_all(order.tenant(), &ids).await?;
        let row = gate.ledger.row(order.tenant()).await?;
        Ok(Self { runs: found.into_iter().map(|run| (run.run_id, run)).collect(), row })
    }

    /// The day's run, where it has one.
    pub(crate) fn day(&self, order: &Order, date: NaiveDate) -> Option<DayRun> {
        let run = self.runs.get(&order.run_id(date))?;
        let position = self.row.as_ref().and_then(|row| row.account.position(run.run_id));
        Some(DayRun::of(date, run, position, true))
    }
}
