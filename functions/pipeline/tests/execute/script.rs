//! One run, its row in memory, and a warehouse that answers by script.
#![expect(clippy::unwrap_used, reason = "what a test is made of is valid")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::clock::{Chance, Clock};
use common::events::{Event, EventPublisher};
use common::pipeline::Catalog;
use common::port::PortError;
use common::run::{CheckResult, FailureKind, Run, RunId, RunStatus, StepLog, StepStatus};
use common::state::{Inserted, Page, RunFilter, Runs, Transition};
use common::tenant::{TenantId, UserId};
use common::warehouse::{
    DataType, DatasetName, DryRun, Ensured, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Value, Warehouse, Written,
};
use futures::FutureExt;
use pipeline::{Assignment, Context, Exit, Roots, Webhooks, execute};
use tokio_util::sync::CancellationToken;

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
    run: Run,
    answers: VecDeque<Answer>,
    jobs: Vec<(String, JobState)>,
    reads: (TableRef, u64),
    observed: i64,
    cannot_cancel: bool,
    lose_answer: bool,
    log: Vec<StepLog>,
    checks: Vec<CheckResult>,
    told: usize,
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
            status: RunStatus::Running,
            parameters: serde_json::json!({"day": {"type": "DATE", "value": "2025-11-17"}}),
            fingerprint: None,
            day: now.date_naive(),
            attempt: 1,
            timeout: Duration::from_hours(1),
            max_bytes: 1_000,
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
            run,
            answers: VecDeque::new(),
            jobs: Vec::new(),
            reads: ("acme.lines".parse().unwrap(), 1_000),
            observed: 0,
            cannot_cancel: false,
            lose_answer: false,
            log: Vec::new(),
            checks: Vec::new(),
            told: 0,
        })))
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
                Catalog::from_files([("a/b/c.yml", TEMPLATE), ("a/b/load.yml", LOADING)]).unwrap(),
            ),
            roots: Arc::new(Roots::default()),
            webhooks: Arc::new(Webhooks::none()),
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

    pub(crate) fn checks(&self) -> Vec<(String, bool)> {
        self.stage().checks.iter().map(|c| (c.check_id.clone(), c.passed)).collect()
    }

    pub(crate) fn failing_keys(&self) -> Vec<String> {
        self.stage().checks.iter().flat_map(|check| check.failing_keys.clone()).collect()
    }

    pub(crate) fn told(&self) -> usize {
        self.stage().told
    }
}

#[async_trait]
impl Warehouse for Scene {
    async fn ensure_dataset(
        &self,
        _: &DatasetName,
        _: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        unreachable!("the job makes no dataset")
    }

    async fn dataset_labels(
        &self,
        _: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        unreachable!("the job reads no labels")
    }

    async fn ensure_table(&self, _: &TableRef, _: &TableDefinition) -> Result<Ensured, PortError> {
        unreachable!("the job makes no table beside what it writes")
    }

    async fn query(&self, _: &Query) -> Result<Rows, PortError> {
        let observed = self.stage().observed;
        Ok(Rows {
            columns: vec![("observed".to_owned(), DataType::Int64)],
            rows: vec![vec![Value::Int64(observed)]],
        })
    }

    async fn write(
        &self,
        _: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        assert_eq!(target.table.to_string(), "acme.copied");
        assert_eq!(job.maximum_bytes, Some(1_000));
        let written = Written { rows: 7, bytes: 70, bad_records: Vec::new() };
        let answer = self.stage().answers.pop_front();
        let busy = || PortError::Unavailable("no connection".to_owned());
        match answer {
            None => self.set(&job.id, JobState::Done(written.clone())),
            Some(Answer::Busy) => {
                self.set(&job.id, JobState::Running);
                return Err(busy());
            }
            Some(Answer::LostAfterwards) => {
                self.set(&job.id, JobState::Done(written));
                return Err(busy());
            }
            Some(Answer::Wrong) => {
                return Err(PortError::InvalidQuery("no such column".to_owned()));
            }
            Some(Answer::Hang) => {
                self.set(&job.id, JobState::Running);
                std::future::pending::<()>().await;
            }
            Some(Answer::Panic) => panic!("as the script says"),
        }
        Ok(written)
    }

    async fn load(&self, _: &Load, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        unreachable!("the template loads nothing")
    }

    async fn dry_run(&self, _: &Query) -> Result<DryRun, PortError> {
        let (table, bytes) = self.stage().reads.clone();
        Ok(DryRun { tables: vec![table], bytes, columns: Vec::new() })
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        Ok(self.state(&id.0))
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        if self.stage().cannot_cancel {
            return Err(PortError::Unavailable("no connection".to_owned()));
        }
        if self.state(&id.0) == JobState::Running {
            self.set(id, JobState::Failed("cancelled".to_owned()));
        }
        Ok(self.state(&id.0))
    }
}

#[async_trait]
impl Runs for Scene {
    async fn insert(&self, _: &Run, _: DateTime<Utc>) -> Result<Inserted, PortError> {
        unreachable!("the job records no run")
    }

    async fn get(&self, _: &TenantId, _: RunId) -> Result<Option<Run>, PortError> {
        Ok(Some(self.run()))
    }

    async fn list(&self, _: &TenantId, _: &RunFilter, _: Page) -> Result<Vec<Run>, PortError> {
        unreachable!("the job lists no runs")
    }

    async fn unfinished(&self, _: &TenantId) -> Result<Vec<Run>, PortError> {
        unreachable!("the job lists no runs")
    }

    async fn transition(
        &self,
        _: &TenantId,
        _: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        let mut stage = self.stage();
        let lost = std::mem::take(&mut stage.lose_answer);
        let run = &mut stage.run;
        let running = run.status == RunStatus::Running;
        let changed = match transition {
            Transition::Claim { attempt, execution, at } => {
                let free = run.claimed_at.is_none() && run.cancel_requested_at.is_none();
                let claimed = running && free && run.attempt == *attempt;
                if claimed {
                    run.claimed_at = Some(*at);
                    run.execution = Some(execution.clone());
                }
                claimed
            }
            Transition::EndClaimed { attempt, ending, at } => {
                let ended = running && run.claimed_at.is_some() && run.attempt == *attempt;
                if ended {
                    run.status = ending.status;
                    run.ending = Some(ending.clone());
                    run.ended_at = Some(*at);
                }
                ended
            }
            other => unreachable!("the job does not {other:?}"),
        };
        if lost { Err(PortError::Unavailable("no connection".to_owned())) } else { Ok(changed) }
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        self.stage().log.push(step.clone());
        Ok(())
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        self.stage().checks.extend_from_slice(checks);
        Ok(())
    }

    async fn details(
        &self,
        _: &TenantId,
        _: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        unreachable!("the job reads no logs")
    }
}

#[async_trait]
impl EventPublisher for Scene {
    async fn publish(&self, _: &Event) -> Result<(), PortError> {
        self.stage().told += 1;
        Ok(())
    }
}
