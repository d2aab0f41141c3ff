//! Runs the steps in their order, several at once, until all have ended or one has failed.

use std::collections::BTreeMap;

use common::pipeline::Template;
use common::pipeline::graph::Progress;
use common::run::{Ending, FailureKind, Run, RunStatus};
use common::warehouse::Param;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::guard::Guard;
use crate::record::{Lost, Recorder};
use crate::steps::{self, StepEnd};
use crate::{Assignment, Context};

/// What became of the steps.
pub(crate) struct Outcome {
    pub(crate) halt: Halt,
    /// The run's ending where it was not halted; its sums count in any case.
    pub(crate) ending: Ending,
    /// Steps that never started; logged as skipped already where the run was not halted.
    pub(crate) waiting: Vec<usize>,
}

/// Whether the steps came to their own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// They did.
    No,
    /// They were stopped, and nothing of them runs any more.
    Yes,
    /// What became of a statement cannot be found out: it may still run.
    Unsettled,
}

/// Runs a template's steps.
pub(crate) async fn run(
    context: &Context,
    assignment: &Assignment,
    run: &Run,
    template: &Template,
    params: &BTreeMap<String, Param>,
    halt: &CancellationToken,
) -> Result<Outcome, Lost> {
    let recorder = Recorder { context, assignment };
    let guard = Guard { tenant: &run.tenant_id, template, max_bytes: run.max_bytes };
    let job = steps::Job { recorder, run, guard: &guard, params, halt };
    let depends_on = template.steps.iter().map(|step| step.depends_on.clone()).collect();
    let mut ending = Ending {
        status: RunStatus::Completed,
        failure_kind: None,
        message: None,
        rows_written: 0,
        bytes_processed: 0,
    };
    let mut halted = Halt::No;
    let waiting = drive(
        depends_on,
        template.max_parallel,
        |node| {
            let step = &template.steps[node];
            async move { job.step(step).await }
        },
        |node, end| {
            let well = matches!(end, Ok(StepEnd::Completed { .. }));
            match end {
                Err(lost) => {
                    halt.cancel();
                    return Err(lost);
                }
                Ok(StepEnd::Completed { rows, bytes }) => {
                    ending.rows_written += rows;
                    ending.bytes_processed += bytes;
                }
                Ok(StepEnd::Failed { kind, message }) => {
                    // The first failure is the run's; a defect outranks it, since nothing else is sure then.
                    if ending.failure_kind.is_none() || kind == FailureKind::Bug {
                        ending.status = RunStatus::Failed;
                        ending.failure_kind = Some(kind);
                        ending.message =
                            Some(format!("step {} {message}", template.steps[node].id));
                    }
                }
                Ok(StepEnd::Halted) if halted == Halt::No => halted = Halt::Yes,
                Ok(StepEnd::Halted) => {}
                Ok(StepEnd::Unsettled) => halted = Halt::Unsettled,
            }
            Ok(well && !halt.is_cancelled())
        },
    )
    .await?;
    // Stopped between two steps: none was halted, but some never started.
    if halted == Halt::No && !waiting.is_empty() && ending.failure_kind.is_none() {
        halted = Halt::Yes;
    }
    if halted == Halt::No {
        let reason = ending.message.clone().unwrap_or_default();
        recorder.skip(run, &waiting, template, &format!("not started: {reason}")).await?;
    }
    Ok(Outcome { halt: halted, ending, waiting })
}

/// Starts nodes as they get ready, at most `max_parallel` at once, and tells `ended` of each. Once `ended`
/// answers false or an error nothing more starts; what runs is awaited. Answers the nodes that never started.
async fn drive<T, E, F: Future<Output = T>>(
    depends_on: Vec<Vec<usize>>,
    max_parallel: usize,
    start: impl Fn(usize) -> F,
    mut ended: impl FnMut(usize, T) -> Result<bool, E>,
) -> Result<Vec<usize>, E> {
    let mut progress = Progress::new(depends_on);
    let mut running = FuturesUnordered::new();
    let mut going_on = Ok(true);
    loop {
        if matches!(going_on, Ok(true)) {
            let free = max_parallel.saturating_sub(running.len());
            for node in progress.ready().into_iter().take(free) {
                progress.start(node);
                let work = start(node);
                running.push(async move { (node, work.await) });
            }
        }
        let Some((node, end)) = running.next().await else {
            return going_on.map(|_| progress.waiting());
        };
        let well = ended(node, end);
        progress.end(node, matches!(well, Ok(true)));
        going_on = going_on.and_then(|before| well.map(|well| before && well));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[tokio::test]
    async fn steps_run_after_what_they_wait_for_and_no_more_than_the_limit_at_once() {
        let depends_on = vec![vec![], vec![0], vec![0], vec![0], vec![1, 2, 3]];
        let (running, most, order) = (Cell::new(0), Cell::new(0), RefCell::new(Vec::new()));
        let step = |node: usize| {
            let (running, most, order) = (&running, &most, &order);
            async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                tokio::task::yield_now().await;
                running.set(running.get() - 1);
                order.borrow_mut().push(node);
            }
        };
        let waiting = drive::<_, (), _>(depends_on, 2, step, |_, ()| Ok(true)).await;
        assert_eq!(waiting, Ok(vec![]));
        assert_eq!(most.get(), 2);
        let order = order.into_inner();
        assert_eq!((order[0], order[4], order.len()), (0, 4, 5));
    }

    #[tokio::test]
    async fn after_a_failure_nothing_starts_and_what_runs_is_awaited() {
        let depends_on = vec![vec![], vec![], vec![0], vec![1]];
        let ended = RefCell::new(Vec::new());
        let step = |node: usize| async move {
            for _ in 0..node {
                tokio::task::yield_now().await;
            }
        };
        let waiting = drive::<_, (), _>(depends_on, 4, step, |node, ()| {
            ended.borrow_mut().push(node);
            Ok(node != 0)
        })
        .await;
        assert_eq!(waiting, Ok(vec![2, 3]));
        assert_eq!(ended.into_inner(), [0, 1]);
    }
}
