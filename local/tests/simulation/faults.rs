//! Port decorators that give the driver a turn before and after every call, so that it can interleave
//! requests, hold one back, or let it die at that very point.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use common::run::{CheckResult, Run, RunId, StepLog};
use common::state::{
    Answer, Batch, Inserted, Ledger, LedgerRow, Page, RunFilter, Runs, Transition,
};
use common::tenant::TenantId;
use common::warehouse::Ensured;

/// Pending once: the driver polls by hand.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        Poll::Pending
    }
}

/// Calls with a turn on each side: before the effect, and between the effect and its answer.
async fn stepped<T>(call: impl Future<Output = T>) -> T {
    Turn(false).await;
    let answer = call.await;
    Turn(false).await;
    answer
}

pub(crate) struct Stepped<P: ?Sized>(pub(crate) Arc<P>);

#[async_trait]
impl Ledger for Stepped<dyn Ledger> {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        stepped(self.0.create(tenant)).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError> {
        stepped(self.0.apply(batch)).await
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        stepped(self.0.row(tenant)).await
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        stepped(self.0.rows()).await
    }
}

#[async_trait]
impl Runs for Stepped<dyn Runs> {
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError> {
        stepped(self.0.insert(run, record_before)).await
    }

    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError> {
        stepped(self.0.get(tenant, run_id)).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError> {
        stepped(self.0.list(tenant, filter, page)).await
    }

    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError> {
        stepped(self.0.unfinished(tenant)).await
    }

    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        stepped(self.0.transition(tenant, run_id, transition)).await
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        stepped(self.0.log_step(step)).await
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        stepped(self.0.log_checks(checks)).await
    }

    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        stepped(self.0.details(tenant, run_id)).await
    }
}

#[async_trait]
impl JobLauncher for Stepped<dyn JobLauncher> {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        stepped(self.0.launch(launch)).await
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        stepped(self.0.state(execution)).await
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        stepped(self.0.cancel(execution)).await
    }
}
