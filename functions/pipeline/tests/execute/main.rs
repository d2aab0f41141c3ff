//! Whole executions against a scripted warehouse: how a run ends when its statements go well, fail, hang or
//! panic, and what is left behind.

mod graph;
mod script;

use std::time::Duration;

use common::run::{FailureKind, RunStatus, StepStatus};
use common::warehouse::{JobState, TableRef};
use pipeline::Exit;
use tokio_util::sync::CancellationToken;

use script::{Answer, Scene, failure, ids};

#[tokio::test(start_paused = true)]
async fn a_run_whose_steps_end_well_is_completed_logged_and_told() {
    let scene = Scene::new();
    assert_eq!(scene.execute().await, Exit::Done);
    let (status, kind) = scene.ending();
    assert_eq!((status, kind), (RunStatus::Completed, None));
    assert_eq!(
        scene.log(),
        [("copy", 1, StepStatus::Completed), ("look", 1, StepStatus::Completed)]
    );
    assert_eq!(scene.checks(), [("rows".to_owned(), true)]);
    assert_eq!(scene.run().ending.map(|end| end.rows_written), Some(7));
    assert_eq!(scene.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_cannot_claim_leaves_without_work() {
    let scene = Scene::new();
    scene.change(|run| run.attempt = 2);
    assert_eq!(scene.execute().await, Exit::Done);
    assert!(scene.jobs().is_empty() && scene.log().is_empty() && scene.told() == 0);
    let scene = Scene::new();
    scene.change(|run| run.cancel_requested_at = Some(run.created_at));
    assert_eq!(scene.execute().await, Exit::Done);
    assert!(scene.jobs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_still_ours() {
    let scene = Scene::new();
    scene.lose_next_answer();
    assert_eq!(scene.execute().await, Exit::Done);
    assert_eq!(scene.ending().0, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_under_a_job_id_of_its_own() {
    let scene = Scene::new();
    scene.answers([Answer::Busy, Answer::Busy]);
    assert_eq!(scene.execute().await, Exit::Done);
    assert_eq!(scene.jobs(), ids(&scene, &[1, 2, 3]));
    let tries = [
        ("copy", 1, StepStatus::Failed),
        ("copy", 2, StepStatus::Failed),
        ("copy", 3, StepStatus::Completed),
    ];
    assert_eq!(scene.log()[..3], tries);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_answer_was_lost_is_adopted_where_it_is_done() {
    let scene = Scene::new();
    scene.answers([Answer::LostAfterwards]);
    assert_eq!(scene.execute().await, Exit::Done);
    assert_eq!(scene.jobs(), ids(&scene, &[1]));
    assert_eq!(scene.ending().0, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_statement_fails_at_once_and_what_depends_on_it_is_skipped() {
    let scene = Scene::new();
    scene.answers([Answer::Wrong]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Step));
    assert_eq!(scene.log(), [("copy", 1, StepStatus::Failed), ("look", 1, StepStatus::Skipped)]);
    assert_eq!(scene.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_or_a_size_that_is_not_allowed_is_refused_before_any_write() {
    for (table, bytes, named) in [
        ("other.lines", 1, "other.lines"),
        ("prod-1.acme.lines", 1, "prod-1.acme.lines"),
        ("acme.lines", 1_001, "1001 bytes"),
    ] {
        let scene = Scene::new();
        scene.reads(table.parse::<TableRef>().unwrap(), bytes);
        assert_eq!(scene.execute().await, Exit::Template);
        assert_eq!(scene.ending(), failure(FailureKind::Guard));
        assert!(scene.jobs().is_empty(), "{table}");
        let message = scene.run().ending.and_then(|end| end.message).unwrap_or_default();
        assert!(message.starts_with("step copy ") && message.contains(named), "{message}");
    }
    let scene = Scene::new();
    scene.reads("shared.rates".parse().unwrap(), 500);
    assert_eq!(scene.execute().await, Exit::Done);
}

#[tokio::test(start_paused = true)]
async fn the_statements_of_a_run_share_the_plans_bytes() {
    let scene = Scene::new();
    scene.reads("acme.lines".parse().unwrap(), 501);
    // A try that did not take effect gives its bytes back.
    scene.answers([Answer::Busy]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Guard));
    let message = scene.run().ending.and_then(|end| end.message).unwrap_or_default();
    assert!(message.starts_with("step look would read 501 bytes"), "{message}");
    assert!(message.contains("499 left of the plan's 1000"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_file_below_no_allowed_root_is_refused_by_name() {
    let scene = Scene::new();
    scene.change(|run| {
        run.pipeline = "a/b/load".parse().unwrap();
        run.parameters = serde_json::json!({"path": {"type": "STRING", "value": "/etc/passwd"}});
    });
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Guard));
    let message = scene.run().ending.and_then(|end| end.message).unwrap_or_default();
    assert!(message.starts_with("step fetch '/etc/passwd' is not a file below"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_check_that_fails_ends_the_run_with_the_keys_of_a_few_rows() {
    let scene = Scene::new();
    scene.observes(3);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::DataQuality));
    assert_eq!(scene.checks(), [("rows".to_owned(), false)]);
    assert_eq!(scene.log()[1], ("look", 1, StepStatus::Failed));
    assert_eq!(scene.failing_keys(), ["observed=3"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_is_cancelled_tried_again_and_then_given_up() {
    let scene = Scene::new();
    scene.answers([Answer::Hang, Answer::Hang, Answer::Hang]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Step));
    assert_eq!(scene.jobs().len(), 3);
    assert!(scene.jobs().iter().all(|id| matches!(scene.state(id), JobState::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_cancelled_tried_again_and_then_given_up() {
    let scene = Scene::new();
    scene.checks_hang();
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), failure(FailureKind::Step));
    let ids = scene.jobs();
    let checks: Vec<_> = ids.iter().filter(|id| id.ends_with("-rows")).collect();
    assert_eq!(checks.len(), 3, "{ids:?}");
    assert!(checks.iter().all(|id| matches!(scene.state(id), JobState::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlives_its_timeout_is_timed_out_and_nothing_of_it_runs_on() {
    let scene = Scene::new();
    scene.change(|run| run.timeout = Duration::from_secs(5));
    scene.answers([Answer::Hang]);
    assert_eq!(scene.execute().await, Exit::Template);
    assert_eq!(scene.ending(), (RunStatus::TimedOut, None));
    assert_eq!(scene.log(), [("copy", 1, StepStatus::Cancelled), ("look", 1, StepStatus::Skipped)]);
    assert!(matches!(scene.state(&scene.jobs()[0]), JobState::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_run_only_where_somebody_asked_for_its_end() {
    for asked in [false, true] {
        let scene = Scene::new();
        scene.answers([Answer::Hang]);
        let stop = CancellationToken::new();
        let execution = scene.execute_until(stop.clone());
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if asked {
                scene.change(|run| run.cancel_requested_at = Some(run.created_at));
            }
            stop.cancel();
        };
        let (exit, ()) = tokio::join!(execution, stopping);
        assert!(matches!(scene.state(&scene.jobs()[0]), JobState::Failed(_)));
        if asked {
            assert_eq!(exit, Exit::Done);
            assert_eq!(scene.ending(), (RunStatus::Cancelled, None));
            assert_eq!(scene.told(), 1);
        } else {
            assert_eq!(exit, Exit::Temporary);
            assert_eq!(scene.run().status, RunStatus::Running);
            assert_eq!(scene.told(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_settled_leaves_the_run_without_an_ending() {
    let scene = Scene::new();
    scene.answers([Answer::Busy]);
    scene.cannot_cancel();
    assert_eq!(scene.execute().await, Exit::Temporary);
    assert_eq!(scene.run().status, RunStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_step_is_a_failure_and_never_a_success() {
    let scene = Scene::new();
    scene.answers([Answer::Panic]);
    assert_eq!(scene.execute().await, Exit::Bug);
    assert_eq!(scene.ending(), failure(FailureKind::Bug));
    assert_eq!(scene.log(), [("copy", 1, StepStatus::Failed), ("look", 1, StepStatus::Skipped)]);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_gone_or_takes_other_parameters_fails_the_run() {
    let changes: [fn(&mut common::run::Run); 3] = [
        |run| run.pipeline = "a/b/gone".parse().unwrap(),
        |run| run.parameters = serde_json::json!({}),
        |run| {
            run.parameters = serde_json::json!({"day": {"type": "STRING", "value": "2025-11-17"}});
        },
    ];
    for change in changes {
        let scene = Scene::new();
        scene.change(change);
        assert_eq!(scene.execute().await, Exit::Template);
        assert_eq!(scene.ending(), failure(FailureKind::Template));
        assert!(scene.jobs().is_empty());
    }
}
