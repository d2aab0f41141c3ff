//! Runs the steps in their order, several at once, until all have ended or none can start any more.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::pipeline::graph::{End, Node, Progress, Skipped};
use common::pipeline::{Action, Template};
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
    pub(crate) unstarted: Vec<(usize, Skipped)>,
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
    let guard = Guard::new(&run.tenant_id, template, run.max_bytes);
    let job = steps::Job { recorder, run, guard: &guard, params, halt };
    let node =
        |step: &common::pipeline::Step| Node { depends_on: step.depends_on.clone(), on: step.on };
    // Read by steps that tell of it while others end.
    let so_far = Mutex::new(Ending {
        status: RunStatus::Completed,
        failure_kind: None,
        message: None,
        rows_written: 0,
        bytes_processed: 0,
    });
    let mut halted = Halt::No;
    let unstarted = drive(
        template.steps.iter().map(node).collect(),
        template.max_parallel.min(usize::try_from(run.max_parallel).unwrap_or(usize::MAX)),
        |node| {
            let (step, ending) = (&template.steps[node], lock(&so_far).clone());
            async move { job.step(step, &ending).await }
        },
        |node, end| {
            let mut ending = lock(&so_far);
            let end = match end {
                Err(lost) => {
                    halt.cancel();
                    return Err(lost);
                }
                Ok(StepEnd::Completed { rows, bytes }) => {
                    ending.rows_written += rows;
                    ending.bytes_processed += bytes;
                    End::Well
                }
                Ok(StepEnd::Undelivered) => End::Well,
                Ok(StepEnd::Failed { kind, message }) => {
                    // The first failure is the run's; a defect outranks it, since nothing else is sure then.
                    if ending.failure_kind.is_none() || kind == FailureKind::Bug {
                        ending.status = RunStatus::Failed;
                        ending.failure_kind = Some(kind);
                        ending.message =
                            Some(format!("step {} {message}", template.steps[node].id));
                    }
                    End::Failed
                }
                // What is only told changes nothing of what was done.
                Ok(StepEnd::Halted) if is_notice(template, node) => {
                    return Ok(Next::Last(End::Well));
                }
                Ok(StepEnd::Halted) => {
                    if halted == Halt::No {
                        halted = Halt::Yes;
                    }
                    return Ok(Next::Stop);
                }
                Ok(StepEnd::Unsettled) => {
                    halted = Halt::Unsettled;
                    return Ok(Next::Stop);
                }
            };
            Ok(if halt.is_cancelled() { Next::Last(end) } else { Next::Go(end) })
        },
    )
    .await?;
    // Stopped between two steps: none was halted, but some never started.
    let left =
        |(node, why): &(usize, Skipped)| *why == Skipped::Stopped && !is_notice(template, *node);
    if halted == Halt::No && unstarted.iter().any(left) {
        halted = Halt::Yes;
    }
    let ending = so_far.into_inner().unwrap_or_else(PoisonError::into_inner);
    if halted == Halt::No {
        let reason = ending.message.clone().unwrap_or_default();
        recorder.skip(run, &unstarted, template, &reason).await?;
    }
    Ok(Outcome { halt: halted, ending, unstarted })
}

fn is_notice(template: &Template, node: usize) -> bool {
    matches!(template.steps[node].action, Action::Notify(_))
}

fn lock(ending: &Mutex<Ending>) -> MutexGuard<'_, Ending> {
    ending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What follows the end of a node.
enum Next {
    /// What waits for it.
    Go(End),
    /// Nothing more, though it has ended.
    Last(End),
    /// Nothing more, and it came to no end.
    Stop,
}

/// Starts nodes as they get ready, at most `max_parallel` at once, and tells `ended` of each. Once `ended`
/// answers to stop, or an error, nothing more starts; what runs is awaited. Answers the nodes that never
/// started.
async fn drive<T, E, F: Future<Output = T>>(
    nodes: Vec<Node>,
    max_parallel: usize,
    start: impl Fn(usize) -> F,
    mut ended: impl FnMut(usize, T) -> Result<Next, E>,
) -> Result<Vec<(usize, Skipped)>, E> {
    let mut progress = Progress::new(nodes);
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
            return going_on.map(|_| progress.unstarted());
        };
        match ended(node, end) {
            Ok(Next::Go(end)) => progress.end(node, end),
            Ok(Next::Last(end)) => {
                progress.end(node, end);
                going_on = going_on.map(|_| false);
            }
            Ok(Next::Stop) => going_on = going_on.map(|_| false),
            Err(error) => going_on = going_on.and(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use common::pipeline::On;

    use super::*;

    fn nodes(depends_on: &[Vec<usize>]) -> Vec<Node> {
        let node = |before: &Vec<usize>| Node { depends_on: before.clone(), on: On::Success };
        depends_on.iter().map(node).collect()
    }

    #[tokio::test]
    async fn steps_run_after_what_they_wait_for_and_no_more_than_the_limit_at_once() {
        let depends_on = [vec![], vec![0], vec![0], vec![0], vec![1, 2, 3]];
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
        let waiting =
            drive::<_, (), _>(nodes(&depends_on), 2, step, |_, ()| Ok(Next::Go(End::Well))).await;
        assert_eq!(waiting, Ok(vec![]));
        assert_eq!(most.get(), 2);
        let order = order.into_inner();
        assert_eq!((order[0], order[4], order.len()), (0, 4, 5));
    }

    #[tokio::test]
    async fn after_a_failure_nothing_starts_and_what_runs_is_awaited() {
        let depends_on = [vec![], vec![], vec![0], vec![1]];
        let ended = RefCell::new(Vec::new());
        let step = |node: usize| async move {
            for _ in 0..node {
                tokio::task::yield_now().await;
            }
        };
        let unstarted = drive::<_, (), _>(nodes(&depends_on), 4, step, |node, ()| {
            ended.borrow_mut().push(node);
            Ok(Next::Go(if node == 0 { End::Failed } else { End::Well }))
        })
        .await;
        assert_eq!(unstarted, Ok(vec![(2, Skipped::Failure), (3, Skipped::Failure)]));
        assert_eq!(ended.into_inner(), [0, 1]);
    }

    #[tokio::test]
    async fn once_it_is_to_stop_nothing_starts_and_what_waits_is_left_waiting() {
        let step = |_| async { tokio::task::yield_now().await };
        let graph = nodes(&[vec![], vec![0], vec![]]);
        for (next, why) in [
            (|| Next::Stop, Skipped::Stopped),
            (|| Next::Last(End::Well), Skipped::Stopped),
            // A failure is one also where the run is stopped just then.
            (|| Next::Last(End::Failed), Skipped::Failure),
        ] as [(fn() -> Next, Skipped); 3]
        {
            let unstarted = drive::<_, (), _>(graph.clone(), 4, step, |_, ()| Ok(next())).await;
            assert_eq!(unstarted, Ok(vec![(1, why)]));
        }
    }
}
