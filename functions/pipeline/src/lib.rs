//! The pipeline job: one run per process, from its claim to its final state.
//!
//! An execution proves itself by claiming the run's row; one that cannot leaves without work. It runs the
//! template's steps, logs each try, and writes how the run ended. Where it is stopped from outside and nobody
//! asked for the run's end, it writes no ending: whoever finds the run next decides.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use common::clock::{Chance, Clock};
use common::events::{Event, EventPublisher};
use common::pipeline::{Catalog, Template, params};
use common::run::{Ending, FailureKind, Run, RunId, RunStatus};
use common::state::Runs;
use common::tenant::TenantId;
use common::warehouse::{Param, Warehouse};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub mod config;
mod graph;
mod guard;
mod record;
pub mod retry;
pub mod roots;
mod steps;
pub mod webhooks;

pub use roots::Roots;
pub use webhooks::Webhooks;

use graph::Halt;
use record::{Lost, Recorder};

/// What the job works with.
#[derive(Clone)]
pub struct Context {
    /// Where statements run.
    pub warehouse: Arc<dyn Warehouse>,
    /// The runs' rows and logs.
    pub runs: Arc<dyn Runs>,
    /// Who is told that a run has ended.
    pub events: Arc<dyn EventPublisher>,
    /// The templates of the deployment.
    pub catalog: Arc<Catalog>,
    /// Where `load` steps may read.
    pub roots: Arc<Roots>,
    /// Where `export` steps may write.
    pub export_roots: Arc<Roots>,
    /// Where `notify` steps may send.
    pub webhooks: Arc<Webhooks>,
    /// The time.
    pub clock: Clock,
    /// Chance, for the waits between tries.
    pub chance: Chance,
}

/// What an execution is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Whose run.
    pub tenant_id: TenantId,
    /// Which run.
    pub run_id: RunId,
    /// The attempt it was launched for.
    pub attempt: u32,
    /// Its own id, as the launcher answered it: no two executions have the same.
    pub execution: String,
}

/// How long an execution that is asked to stop may take: Cloud Run kills it after 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// How an execution ended; success is one of these, never the absence of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The run COMPLETED or was CANCELLED, or it was not this execution's to run.
    Done,
    /// A setting is missing or wrong; only a process says so, before it begins.
    Configuration,
    /// The run `FAILED` or `TIMED_OUT` by its template, its data or a guard, and its row says so.
    Template,
    /// A defect: something panicked. Where it was a step, the row says FAILED.
    Bug,
    /// Stopped, or the state cannot be reached: the row has no ending from this execution.
    Temporary,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Configuration => 64,
            Self::Template => 65,
            Self::Bug => 70,
            Self::Temporary => 75,
        }
    }
}

/// Runs one execution to its end. `stop` asks it to stop: it cancels what runs in the warehouse and leaves.
pub async fn execute(context: &Context, assignment: &Assignment, stop: CancellationToken) -> Exit {
    let span = tracing::info_span!(
        "execution",
        tenant.id = %assignment.tenant_id,
        run.id = %assignment.run_id,
        attempt = assignment.attempt,
    );
    execution(context, assignment, stop).instrument(span).await
}

/// Runs one execution until `asked` is ready, which asks it to stop; what has not ended 8 s later is
/// left to whoever finds the run next.
pub async fn execute_until(
    context: &Context,
    assignment: &Assignment,
    asked: impl Future<Output = ()>,
) -> Exit {
    let stop = CancellationToken::new();
    let work = execute(context, assignment, stop.clone());
    tokio::pin!(work);
    tokio::select! {
        exit = &mut work => return exit,
        () = asked => stop.cancel(),
    }
    tokio::time::timeout(STOP_WITHIN, work).await.unwrap_or_else(|_| {
        tracing::warn!(within = ?STOP_WITHIN, "the work did not stop in time");
        Exit::Temporary
    })
}

async fn execution(context: &Context, assignment: &Assignment, stop: CancellationToken) -> Exit {
    let work = AssertUnwindSafe(claim_and_run(context, assignment, stop)).catch_unwind();
    let exit = work.await.unwrap_or(Ok(Exit::Bug)).unwrap_or_else(|Lost(error)| {
        tracing::error!(
            %error,
            "the execution leaves the run without an ending: its state cannot be written"
        );
        Exit::Temporary
    });
    tracing::info!(exit = exit.code(), "the execution has ended");
    exit
}

async fn claim_and_run(
    context: &Context,
    assignment: &Assignment,
    stop: CancellationToken,
) -> Result<Exit, Lost> {
    if stop.is_cancelled() {
        return Ok(Exit::Temporary);
    }
    let recorder = Recorder { context, assignment };
    let Some(run) = recorder.claim().await? else {
        return Ok(Exit::Done);
    };
    let (template, params) = match plan(&context.catalog, &run) {
        Ok(plan) => plan,
        Err(reason) => {
            let ending = Ending::of(RunStatus::Failed, Some(FailureKind::Template), reason);
            return finish(&recorder, ending).await;
        }
    };
    let halt = stop.child_token();
    let work = graph::run(context, assignment, &run, template, &params, &halt);
    tokio::pin!(work);
    let mut timed_out = false;
    let outcome = tokio::select! {
        outcome = &mut work => outcome?,
        () = tokio::time::sleep(working_time(run.timeout)) => {
            timed_out = true;
            halt.cancel();
            work.await?
        }
    };
    match outcome.halt {
        Halt::No => finish(&recorder, outcome.ending).await,
        Halt::Unsettled => Ok(Exit::Temporary),
        Halt::Yes => {
            let status = stopped_as(&recorder, timed_out, &stop).await?;
            if status != Some(RunStatus::Cancelled) && outcome.ending.failure_kind.is_some() {
                // What was there for the failure did not come to its end; the failure stands.
                recorder.skip(&run, &outcome.unstarted, template, "the run was stopped").await?;
                return finish(&recorder, outcome.ending).await;
            }
            let Some(status) = status else { return Ok(Exit::Temporary) };
            let message = match status {
                RunStatus::TimedOut => {
                    format!("ran for {} s without an end", run.timeout.as_secs())
                }
                _ => "cancelled on request".to_owned(),
            };
            recorder.skip(&run, &outcome.unstarted, template, &message).await?;
            let ending =
                Ending { status, failure_kind: None, message: Some(message), ..outcome.ending };
            finish(&recorder, ending).await
        }
    }
}

/// How long steps may work: a little less than the run's timeout, after which the execution is killed.
fn working_time(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 10).min(Duration::from_secs(30)))
}

/// The ending of a run whose steps were halted; `None` where nobody asked for one.
async fn stopped_as(
    recorder: &Recorder<'_>,
    timed_out: bool,
    stop: &CancellationToken,
) -> Result<Option<RunStatus>, Lost> {
    if timed_out && !stop.is_cancelled() {
        return Ok(Some(RunStatus::TimedOut));
    }
    let asked = recorder.row().await?.is_some_and(|run| run.cancel_requested_at.is_some());
    Ok(asked.then_some(RunStatus::Cancelled))
}

/// Writes the ending and tells it.
async fn finish(recorder: &Recorder<'_>, ending: Ending) -> Result<Exit, Lost> {
    let exit = match (ending.status, ending.failure_kind) {
        (RunStatus::Completed | RunStatus::Cancelled, _) => Exit::Done,
        // The last two end no run.
        (RunStatus::Failed, Some(FailureKind::Bug))
        | (RunStatus::Queued | RunStatus::Running, _) => Exit::Bug,
        (RunStatus::Failed | RunStatus::TimedOut | RunStatus::Expired, _) => Exit::Template,
    };
    recorder.end(ending).await?;
    let Assignment { tenant_id, run_id, attempt, .. } = recorder.assignment.clone();
    let event = Event::RunFinished { tenant_id, run_id, attempt };
    // The reaper finds the ended run without it, only later.
    if let Err(error) = recorder.context.events.publish(&[event]).await {
        tracing::warn!(run.id = %run_id, %error, "run.finished was not published");
    }
    Ok(exit)
}

/// The template and the parameters that the run was admitted with, if they still fit each other.
fn plan<'c>(
    catalog: &'c Catalog,
    run: &Run,
) -> Result<(&'c Template, BTreeMap<String, Param>), String> {
    let wanted = &run.pipeline;
    let template = catalog.by_id(wanted).ok_or_else(|| {
        format!("template {wanted} is no longer there: deploy it, or trigger another")
    })?;
    let params = params::from_stored(&run.parameters)?;
    let kinds = params.iter().map(|(name, param)| (name, &param.kind));
    let declared = template.parameters.iter().map(|(name, p)| (name, p.kind.data_type()));
    if !kinds.eq(declared) {
        let id = &template.id;
        return Err(format!(
            "template {id} takes other parameters than when the run was admitted: trigger it again"
        ));
    }
    Ok((template, params))
}
