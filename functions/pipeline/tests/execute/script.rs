//! One run, its row in memory, and a warehouse that answers by script.
#![expect(clippy::unwrap_used, reason = "what a test is made of is valid")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Chance, Clock};
use common::keys::Secret;
use common::pipeline::Catalog;
use common::run::{CheckResult, FailureKind, Run, RunId, RunStatus, StepLog, StepStatus};
use common::tenant::{TenantId, UserId};
use common::warehouse::{JobId, JobState, TableRef};
use futures::FutureExt;
use pipeline::{Assignment, Context, Exit, Roots, Webhooks, execute};
use tokio_util::sync::CancellationToken;

mod state;
mod warehouse;

const TEMPLATE: &str = r#"description: Copies a day.
parameters:
  day: {type: DATE, required: true}
sources: [shared.rates]
steps:
  - id: copy
    type: sql
    timeout_seconds: 60
    query: SELECT day, amount FROM lines WHERE day = @day
    target: {table: copied, partition_by: day}
    mode: {overwrite_partition: {from: "@day", to: "@day"}}
  - id: look
    type: check
    depends_on: [copy]
    table: copied
    checks:
      - {id: rows, severity: error, blocking: true, key: [day], expect: {not_null: {columns: [amount]}}}
"#;

/// Loads a file that the run names.
const LOADING: &str = r#"description: Loads a file.
parameters:
  path: {type: STRING, required: true}
steps:
  - id: fetch
    type: load
    uri: "@path"
    format: ndjson
    columns: [{name: day, type: DATE}]
    target: {table: fetched}
    mode: replace
"#;

/// A host that messages may go to and that no name server knows: RFC 2606 keeps the name free.
const UNREACHABLE: &str = "hooks.example.invalid";

/// How the next write ends; where none is left, well.
pub(crate) enum Answer {
    /// It cannot be taken now.
    Busy,
    /// It took effect, and the caller is not told.
    LostAfterwards,
    /// The statement is wrong.
    Wrong,
    /// It never ends by itself.
    Hang,
    /// The adapter panics.
    Panic,
}

struct Stage {
    template: String,
    run: Run,
    answers: VecDeque<Answer>,
    jobs: Vec<(String, JobState)>,
    reads: (TableRef, u64),
    observed: i64,
    checks_hang: bool,
    cannot_cancel: bool,
    lose_answer: bool,
    log: Vec<StepLog>,
    checks: Vec<CheckResult>,
    told: usize,
    /// Jobs at work now, and the most there ever were.
    at_work: (usize, usize),
    /// The steps whose jobs ended well, in order.
    ended: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Scene(Arc<Mutex<Stage>>);

pub(crate) fn failure(kind: FailureKind) -> (RunStatus, Option<FailureKind>) {
    (RunStatus::Failed, Some(kind))
}

/// The job ids of these tries of the first step.
pub(crate) fn ids(scene: &Scene, tries: &[u32]) -> Vec<String> {
    let run = scene.run().run_id;
    tries.iter().map(|&number| run.job("copy", 1, number).to_string()).collect()
}

impl Scene {
    pub(crate) fn new() -> Self {
        let now: DateTime<Utc> = "2025-11-17T08:00:00Z".parse().unwrap();
        let run = Run {
            run_id: RunId(uuid::Uuid::from_u128(7)),
            tenant_id: TenantId::parse("acme").unwrap(),
            user_id: UserId::parse("ada").unwrap(),
            pipeline: "a/b/c".parse().unwrap(),
            priority: 100,
            status: RunStatus::Running,
            slot: None,
            parameters: serde_json::json!({"day": {"type": "DATE", "value": "2025-11-17"}}),
            fingerprint: None,
            day: now.date_naive(),
            attempt: 1,
            timeout: Duration::from_hours(1),
            max_bytes: 1_000,
            max_parallel: 4,
            created_at: now,
            started_at: Some(now),
            start_by: None,
            claimed_at: None,
            execution: None,
            cancel_requested_at: None,
            ended_at: None,
            launch_refused: false,
            ending: None,
        };
        Self(Arc::new(Mutex::new(Stage {
            template: TEMPLATE.to_owned(),
            run,
            answers: VecDeque::new(),
            jobs: Vec::new(),
            reads: ("acme.lines".parse().unwrap(), 100),
            observed: 0,
            checks_hang: false,
            cannot_cancel: false,
            lose_answer: false,
            log: Vec::new(),
            checks: Vec::new(),
            told: 0,
            at_work: (0, 0),
            ended: Vec::new(),
        })))
    }

    /// A run of this template, which takes no parameters.
    pub(crate) fn of(template: &str) -> Self {
        let scene = Self::new();
        template.clone_into(&mut scene.stage().template);
        scene.change(|run| run.parameters = serde_json::json!({}));
        scene
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.stage().answers.extend(answers);
    }

    pub(crate) fn reads(&self, table: TableRef, bytes: u64) {
        self.stage().reads = (table, bytes);
    }

    pub(crate) fn observes(&self, violations: i64) {
        self.stage().observed = violations;
    }

    pub(crate) fn checks_hang(&self) {
        self.stage().checks_hang = true;
    }

    pub(crate) fn cannot_cancel(&self) {
        self.stage().cannot_cancel = true;
    }

    pub(crate) fn lose_next_answer(&self) {
        self.stage().lose_answer = true;
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Run)) {
        change(&mut self.stage().run);
    }

    pub(crate) async fn execute(&self) -> Exit {
        self.execute_until(CancellationToken::new()).await
    }

    pub(crate) async fn execute_until(&self, stop: CancellationToken) -> Exit {
        let Run { tenant_id, run_id, created_at: now, .. } = self.run();
        let context = Context {
            warehouse: Arc::new(self.clone()),
            runs: Arc::new(self.clone()),
            events: Arc::new(self.clone()),
            catalog: Arc::new(
                Catalog::from_files([
                    ("a/b/c.yml", self.stage().template.as_str()),
                    ("a/b/load.yml", LOADING),
                ])
                .unwrap(),
            ),
            roots: Arc::new(Roots::default()),
            export_roots: Arc::new(Roots::default()),
            webhooks: Arc::new(Webhooks::new([UNREACHABLE], Secret::new("key")).unwrap()),
            clock: Clock::from_fn(move || now),
            chance: Chance::seeded(1),
        };
        let execution = "execution-1".to_owned();
        let assignment = Assignment { tenant_id, run_id, attempt: 1, execution };
        // Boxed as Send: an execution may be a task of its own.
        execute(&context, &assignment, stop).boxed().await
    }

    pub(crate) fn run(&self) -> Run {
        self.stage().run.clone()
    }

    pub(crate) fn ending(&self) -> (RunStatus, Option<FailureKind>) {
        let run = self.run();
        (run.status, run.ending.and_then(|ending| ending.failure_kind))
    }

    pub(crate) fn jobs(&self) -> Vec<String> {
        self.stage().jobs.iter().map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn state(&self, id: &str) -> JobState {
        let stage = self.stage();
        let job = stage.jobs.iter().find(|(job, _)| job == id);
        job.map_or(JobState::Unknown, |(_, state)| state.clone())
    }

    fn set(&self, id: &JobId, now: JobState) {
        let mut stage = self.stage();
        match stage.jobs.iter_mut().find(|(job, _)| job == &id.0) {
            Some(job) => job.1 = now,
            None => stage.jobs.push((id.0.clone(), now)),
        }
    }

    pub(crate) fn log(&self) -> Vec<(&'static str, u32, StepStatus)> {
        let id = |log: &StepLog| if log.step_id == "copy" { "copy" } else { "look" };
        self.stage().log.iter().map(|log| (id(log), log.try_number, log.status)).collect()
    }

    pub(crate) fn steps(&self) -> Vec<StepLog> {
        self.stage().log.clone()
    }

    pub(crate) fn checks(&self) -> Vec<(String, bool)> {
        self.stage().checks.iter().map(|c| (c.check_id.clone(), c.passed)).collect()
    }

    pub(crate) fn failing_keys(&self) -> Vec<String> {
        self.stage().checks.iter().flat_map(|check| check.failing_keys.clone()).collect()
    }

    /// The most jobs that were at work at once.
    pub(crate) fn most_at_work(&self) -> usize {
        self.stage().at_work.1
    }

    /// The steps whose jobs ended well, in order.
    pub(crate) fn ended(&self) -> Vec<String> {
        self.stage().ended.clone()
    }

    fn begun(&self) {
        let at_work = &mut self.stage().at_work;
        at_work.0 += 1;
        at_work.1 = at_work.1.max(at_work.0);
    }

    fn done(&self, step: &str) {
        let mut stage = self.stage();
        stage.at_work.0 -= 1;
        stage.ended.push(step.to_owned());
    }

    pub(crate) fn told(&self) -> usize {
        self.stage().told
    }
}
