//! Graphs: how wide they run, in which order, and what runs after a failure.

use std::collections::BTreeSet;
use std::time::Duration;

use common::run::{FailureKind, RunStatus, StepStatus};
use pipeline::Exit;

use super::script::{Answer, Scene, failure};

/// Layers of steps, each of which waits for a few of the layer before.
fn layered(
    layers: usize,
    width: usize,
    max_parallel: usize,
) -> (String, Vec<(String, Vec<String>)>) {
    let mut text = format!("description: Layers.\nmax_parallel: {max_parallel}\nsteps:\n");
    let mut steps = Vec::new();
    // The last layer stands first: the order is decided by what waits for what.
    for layer in (0..layers).rev() {
        for at in 0..width {
            let id = format!("l{layer}_s{at}");
            let before: Vec<String> = match layer {
                0 => Vec::new(),
                _ => [at, (at * 7 + 3) % width, (at * 11 + layer) % width]
                    .map(|at| format!("l{}_s{at}", layer - 1))
                    .into_iter()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            };
            let line = [
                &format!("  - {{id: {id}, type: sql, depends_on: [{}]", before.join(", ")),
                ", query: SELECT 1 AS n",
                &format!(", target: {{table: {id}}}, mode: replace}}\n"),
            ];
            text.push_str(&line.concat());
            steps.push((id, before));
        }
    }
    (text, steps)
}

#[tokio::test(start_paused = true)]
async fn two_hundred_steps_run_in_order_and_as_wide_as_template_and_plan_allow() {
    for (declared, plan, expected) in [(16, 16, 16), (16, 5, 5), (3, 16, 3), (1, 16, 1)] {
        let (template, steps) = layered(10, 20, declared);
        let scene = Scene::of(&template);
        scene.change(|run| run.max_parallel = plan);
        scene.reads("acme.lines".parse().unwrap(), 5);
        assert_eq!(scene.execute().await, Exit::Done);
        assert_eq!(scene.most_at_work(), expected, "{declared} declared, {plan} of the plan");
        let ended = scene.ended();
        assert_eq!(ended.len(), 200);
        let place = |id: &String| ended.iter().position(|ended| ended == id).unwrap();
        for (id, before) in &steps {
            assert!(before.iter().all(|before| place(before) < place(id)), "{id}");
        }
    }
}

/// Work, what repairs its failure, what tidies up in any case and what follows the repair.
const AFTERMATH: &str = r"description: Repairs.
steps:
  - {id: work, type: sql, query: SELECT 1 AS n, target: {table: a}, mode: replace}
  - {id: more, type: sql, depends_on: [work], query: SELECT 1 AS n, target: {table: b}, mode: replace}
  - {id: repair, type: sql, depends_on: [work], on: failure, query: SELECT 1 AS n, target: {table: c}, mode: replace}
  - {id: tidy, type: sql, depends_on: [more], on: always, query: SELECT 1 AS n, target: {table: d}, mode: replace}
  - {id: after, type: sql, depends_on: [repair], query: SELECT 1 AS n, target: {table: e}, mode: replace}
";

fn statuses(scene: &Scene) -> Vec<(String, StepStatus)> {
    let mut log: Vec<_> = scene.steps().into_iter().map(|log| (log.step_id, log.status)).collect();
    log.sort_by(|(a, _), (b, _)| a.cmp(b));
    log
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_failure_or_always_follows_how_the_work_ended() {
    use StepStatus::{Completed, Failed, Skipped};
    for (answers, ending, expected) in [
        (vec![], (RunStatus::Completed, None), [Skipped, Completed, Skipped, Completed, Completed]),
        (
            vec![Answer::Wrong],
            failure(FailureKind::Step),
            [Completed, Skipped, Completed, Completed, Failed],
        ),
    ] {
        let scene = Scene::of(AFTERMATH);
        scene.answers(answers);
        scene.execute().await;
        assert_eq!(scene.ending(), ending);
        let ids = ["after", "more", "repair", "tidy", "work"].map(str::to_owned);
        let expected: Vec<_> = ids.into_iter().zip(expected).collect();
        assert_eq!(statuses(&scene), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_does_not_make_a_failed_run_a_good_one_nor_its_own_failure_another() {
    let scene = Scene::of(AFTERMATH);
    scene.answers([Answer::Wrong, Answer::Wrong, Answer::Wrong]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Step));
    let message = scene.run().ending.and_then(|end| end.message).unwrap_or_default();
    assert!(message.starts_with("step work "), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_is_refused_is_logged_and_changes_no_outcome() {
    let scene = Scene::of(
        r"description: Tells.
steps:
  - {id: work, type: sql, query: SELECT 1 AS n, target: {table: a}, mode: replace}
  - {id: tell, type: notify, depends_on: [work], on: always, url: https://hooks.example.com/x}
  - {id: more, type: sql, depends_on: [tell], query: SELECT 1 AS n, target: {table: b}, mode: replace}
",
    );
    assert_eq!(scene.execute().await, Exit::Done);
    assert_eq!(scene.ending(), (RunStatus::Completed, None));
    let told = scene.steps().into_iter().find(|log| log.step_id == "tell").unwrap();
    assert_eq!((told.status, told.error_kind.as_deref()), (StepStatus::Failed, Some("GUARD")));
    let message = told.message.unwrap_or_default();
    assert!(message.contains("hooks.example.com"), "{message}");
    assert_eq!(scene.ended(), ["work", "more"]);
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_takes_too_long_changes_no_outcome() {
    let template = r"description: Tells.
steps:
  - {id: work, type: sql, query: SELECT 1 AS n, target: {table: a}, mode: replace}
  - id: tell
    type: notify
    depends_on: [work]
    on: always
    retries: {max_attempts: 10, backoff_seconds: 600, max_backoff_seconds: 600}
    url: https://hooks.example.invalid/x
  - {id: tell_more, type: notify, depends_on: [tell], on: always, url: https://hooks.example.invalid/x}
";
    for (answers, ending) in
        [(vec![], (RunStatus::Completed, None)), (vec![Answer::Wrong], failure(FailureKind::Step))]
    {
        let scene = Scene::of(template);
        scene.change(|run| run.timeout = Duration::from_mins(1));
        scene.answers(answers);
        scene.execute().await;
        assert_eq!(scene.ending(), ending);
        let log = scene.steps();
        let tried = log.iter().filter(|log| log.step_id == "tell").collect::<Vec<_>>();
        assert_eq!(tried[0].error_kind.as_deref(), Some("UNAVAILABLE"), "{tried:?}");
        let last = log.last().unwrap();
        assert_eq!((last.step_id.as_str(), last.status), ("tell_more", StepStatus::Skipped));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_where_its_repair_outlives_the_run() {
    let scene = Scene::of(AFTERMATH);
    scene.change(|run| run.timeout = Duration::from_mins(1));
    scene.answers([Answer::Wrong, Answer::Hang, Answer::Hang]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Step));
    let message = scene.run().ending.and_then(|end| end.message).unwrap_or_default();
    assert!(message.starts_with("step work "), "{message}");
}
