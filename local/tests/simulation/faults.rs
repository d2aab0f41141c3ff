//! Port decorators that give the driver a turn before and after every call, so that it can interleave
//! requests, hold one back, or let it die at that very point.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use common::quota::Change;
use common::run::{CheckResult, Run, RunId, StepLog};
use common::state::{
    Answer, Batch, Inserted, Ledger, LedgerRow, Page, RunFilter, Runs, Transition,
};
use common::tenant::TenantId;
use common::warehouse::Ensured;

mod schedules;

/// Which side of a port call a task stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Nothing has happened yet.
    Before,
    /// It has happened, and nobody knows.
    After,
}

thread_local! {
    /// Where the task that was polled last stands, by its call's name.
    static AT: Cell<Option<(&'static str, Side)>> = const { Cell::new(None) };
}

/// The call that the task polled last has come to.
pub(crate) fn stands_at() -> Option<(&'static str, Side)> {
    AT.get()
}

/// Pending once: the driver polls by hand.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        // A future that gathers others polls only those that ask for it.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Calls with a turn on each side: before the effect, and between the effect and its answer.
pub(crate) async fn stepped<T>(name: &'static str, call: impl Future<Output = T>) -> T {
    AT.set(Some((name, Side::Before)));
    Turn(false).await;
    let answer = call.await;
    AT.set(Some((name, Side::After)));
    Turn(false).await;
    answer
}

fn name_of_batch(batch: &Batch) -> &'static str {
    match batch.items.first().map(|item| &item.change) {
        Some(Change::Admit { .. }) => "ledger.admit",
        Some(Change::Start { .. }) => "ledger.start",
        Some(Change::Release { .. }) => "ledger.release",
        Some(Change::Refund { .. }) => "ledger.refund",
        Some(Change::Extend { .. }) => "ledger.extend",
        None => "ledger.nothing",
    }
}

fn name_of(transition: &Transition) -> &'static str {
    match transition {
        Transition::Start { .. } => "runs.start",
        Transition::Launched { .. } => "runs.launched",
        Transition::Relaunch { .. } => "runs.relaunch",
        Transition::Claim { .. } => "runs.claim",
        Transition::RequestCancel { .. } => "runs.request_cancel",
        Transition::EndQueued { .. } => "runs.end_queued",
        Transition::EndUnclaimed { .. } => "runs.end_unclaimed",
        Transition::EndClaimed { .. } => "runs.end_claimed",
    }
}

pub(crate) struct Stepped<P: ?Sized>(pub(crate) Arc<P>);

#[async_trait]
impl Ledger for Stepped<dyn Ledger> {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        stepped("ledger.create", self.0.create(tenant)).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError> {
        stepped(name_of_batch(batch), self.0.apply(batch)).await
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        stepped("ledger.row", self.0.row(tenant)).await
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        stepped("ledger.rows", self.0.rows()).await
    }
}

#[async_trait]
impl Runs for Stepped<dyn Runs> {
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError> {
        stepped("runs.insert", self.0.insert(run, record_before)).await
    }

    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError> {
        stepped("runs.get", self.0.get(tenant, run_id)).await
    }

    async fn get_all(&self, tenant: &TenantId, runs: &[RunId]) -> Result<Vec<Run>, PortError> {
        stepped("runs.get_all", self.0.get_all(tenant, runs)).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError> {
        stepped("runs.list", self.0.list(tenant, filter, page)).await
    }

    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError> {
        stepped("runs.unfinished", self.0.unfinished(tenant)).await
    }

    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        stepped(name_of(transition), self.0.transition(tenant, run_id, transition)).await
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        stepped("runs.log_step", self.0.log_step(step)).await
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        stepped("runs.log_checks", self.0.log_checks(checks)).await
    }

    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        stepped("runs.details", self.0.details(tenant, run_id)).await
    }
}

#[async_trait]
impl JobLauncher for Stepped<dyn JobLauncher> {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        stepped("jobs.launch", self.0.launch(launch)).await
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        stepped("jobs.state", self.0.state(execution)).await
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        stepped("jobs.cancel", self.0.cancel(execution)).await
    }
}
