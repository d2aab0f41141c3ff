//! Runs on BigQuery, each in its tenant's tables: rows come by INSERT, and change only from the state that a
//! transition leaves.

pub(super) mod read;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, Utc};

use super::State;
use super::group::{Group, same};
use crate::gcp::bigquery::{Client, Record, Statement, ToParam};
use crate::port::PortError;
use crate::run::{CheckResult, Ending, Run, RunId, RunStatus, StepLog};
use crate::state::{Inserted, Page, RunFilter, Runs, Transition};
use crate::tenant::TenantId;
use crate::warehouse::{DataType, Param, Value};

const INSERT: &str = include_str!("../sql/runs_insert.sql");
const GET: &str = "SELECT * FROM {dataset}.x_meta_pipeline_runs
WHERE tenant_id = @tenant AND pipeline_logging_id IN UNNEST(@runs)";
const UNFINISHED: &str = "SELECT * FROM {dataset}.x_meta_pipeline_runs
WHERE tenant_id = @tenant AND status IN ('QUEUED', 'RUNNING') ORDER BY created_at";
const LIST: &str = "SELECT * FROM {dataset}.x_meta_pipeline_runs
WHERE tenant_id = @tenant AND (@status IS NULL OR status = @status) AND (@pipeline IS NULL OR pipeline_id = @pipeline)
  AND (@from IS NULL OR created_at >= @from) AND (@until IS NULL OR created_at < @until)
  AND (@after_at IS NULL OR created_at < @after_at OR (created_at = @after_at AND pipeline_logging_id < @after_run))
ORDER BY created_at DESC, pipeline_logging_id DESC LIMIT @limit";
const LOG_STEP: &str = "INSERT INTO {dataset}.x_meta_step_logs
  (pipeline_logging_id, tenant_id, user_id, step_id, step_type, attempt, try_number, status, started_at, ended_at,
   rows_written, bytes_processed, job_id, error_kind, message)
SELECT @run, @tenant, @user, @step, @type, @attempt, @try, @status, @started, @ended, @rows, @bytes, @job, @kind, @message
FROM (SELECT 1) WHERE NOT EXISTS (
  SELECT 1 FROM {dataset}.x_meta_step_logs AS l
  WHERE l.pipeline_logging_id = @run AND l.step_id = @step AND l.attempt = @attempt AND l.try_number = @try)";
const LOG_CHECKS: &str = include_str!("../sql/checks_insert.sql");
const STEPS: &str = "SELECT * FROM {dataset}.x_meta_step_logs
WHERE tenant_id = @tenant AND pipeline_logging_id = @run ORDER BY started_at, ended_at, step_id, try_number";
const CHECKS: &str = "SELECT * FROM {dataset}.x_meta_dq_results
WHERE tenant_id = @tenant AND pipeline_logging_id = @run ORDER BY checked_at, step_id, check_id";

/// After this BigQuery ends an INSERT of runs: well within the time after which a missing row is given up for good.
const INSERT_TIMEOUT: Duration = Duration::from_secs(30);

/// What is to be recorded, and before when.
pub(super) type Recording = (Run, DateTime<Utc>);

#[async_trait]
impl Runs for State {
    /// A tenant's runs that come together are one INSERT. It leaves out ids that have a row; that two processes do
    /// not record one id at once is the ledger's promise, whose token only one of them reads back.
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError> {
        let client = self.client.clone();
        let group = self.recording(&run.tenant_id);
        let work = move |batch: Vec<Recording>| insert(client.clone(), batch);
        group.submit((run.clone(), record_before), work).await
    }

    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError> {
        Ok(self.get_all(tenant, &[run_id]).await?.pop())
    }

    async fn get_all(&self, tenant: &TenantId, runs: &[RunId]) -> Result<Vec<Run>, PortError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        read_all(&self.client, tenant, runs.iter().copied()).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError> {
        let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let until = filter.to.and_then(|day| day.succ_opt()).map(midnight);
        let statement = of("runs_list", LIST, tenant)
            .bind("status", filter.status.map(RunStatus::as_str))
            .bind("pipeline", filter.pipeline_id.as_deref())
            .bind("from", filter.from.map(midnight))
            .bind("until", until)
            .bind("after_at", page.after.map(|(at, _)| at))
            .bind("after_run", page.after.map(|(_, run)| run.to_string()))
            .bind("limit", page.limit);
        let ran = self.client.run(&statement).await?;
        Record::all(&ran.rows).map(|row| read::run(&row)).collect()
    }

    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError> {
        let ran = self.client.run(&of("runs_unfinished", UNFINISHED, tenant)).await?;
        Record::all(&ran.rows).map(|row| read::run(&row)).collect()
    }

    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        let statement = update(tenant, run_id, transition);
        Ok(self.client.run(&statement).await?.changed == 1)
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        let statement = of_run("step_log", LOG_STEP, &step.tenant_id, step.run_id)
            .bind("user", step.user_id.as_str())
            .bind("step", step.step_id.as_str())
            .bind("type", step.step_type.as_str())
            .bind("attempt", step.attempt)
            .bind("try", step.try_number)
            .bind("status", step.status.as_str())
            .bind("started", step.started_at)
            .bind("ended", step.ended_at)
            .bind("rows", number(step.rows))
            .bind("bytes", number(step.bytes))
            .bind("job", step.job_id.as_deref())
            .bind("kind", step.error_kind.as_deref())
            .bind("message", step.message.as_deref());
        self.client.run(&statement).await.map(|_| ())
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        let Some(first) = checks.first() else { return Ok(()) };
        let rows = checks.iter().map(check_fields).collect();
        let statement = of_run("checks_log", LOG_CHECKS, &first.tenant_id, first.run_id)
            .bind_param("rows", &array(rows));
        self.client.run(&statement).await.map(|_| ())
    }

    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        let (steps, checks) = (
            of_run("steps_of_run", STEPS, tenant, run_id),
            of_run("checks_of_run", CHECKS, tenant, run_id),
        );
        let (steps, checks) =
            futures::try_join!(self.client.run(&steps), self.client.run(&checks))?;
        let steps =
            Record::all(&steps.rows).map(|row| read::step(&row)).collect::<Result<_, _>>()?;
        let checks =
            Record::all(&checks.rows).map(|row| read::check(&row)).collect::<Result<_, _>>()?;
        Ok((steps, checks))
    }
}

impl State {
    fn recording(&self, tenant: &TenantId) -> Arc<Group<Recording, Inserted>> {
        let mut groups = self.recordings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(groups.entry(tenant.clone()).or_default())
    }
}

async fn insert(client: Client, batch: Vec<Recording>) -> Vec<Result<Inserted, PortError>> {
    let answer = match try_insert(&client, &batch).await {
        Ok(answers) => return answers,
        Err(error) => error,
    };
    batch.iter().map(|_| Err(same(&answer))).collect()
}

async fn try_insert(
    client: &Client,
    batch: &[Recording],
) -> Result<Vec<Result<Inserted, PortError>>, PortError> {
    let Some((first, _)) = batch.first() else { return Ok(Vec::new()) };
    let tenant = &first.tenant_id;
    let rows = batch.iter().map(|(run, before)| run_fields(run, *before)).collect();
    let statement = of("runs_insert", INSERT, tenant)
        .bind_param("rows", &array(rows))
        .timeout(INSERT_TIMEOUT)
        .patience(INSERT_TIMEOUT * 2);
    let inserted = client.run(&statement).await?.changed;
    if inserted == batch.len() as u64 {
        return Ok(batch.iter().map(|_| Ok(Inserted::Recorded)).collect());
    }
    // Who was left out is told from the rows that are there.
    let found = read_all(client, tenant, batch.iter().map(|(run, _)| run.run_id)).await?;
    let all_new = found.len() as u64 == inserted;
    let answer = |(run, _): &Recording| match found.iter().find(|row| row.run_id == run.run_id) {
        None => Ok(Inserted::TooLate),
        Some(_) if all_new => Ok(Inserted::Recorded),
        Some(row) if inserted > 0 && row == run => Ok(Inserted::Recorded),
        Some(_) => Err(PortError::AlreadyExists(format!("run {}", run.run_id))),
    };
    Ok(batch.iter().map(answer).collect())
}

async fn read_all(
    client: &Client,
    tenant: &TenantId,
    runs: impl Iterator<Item = RunId>,
) -> Result<Vec<Run>, PortError> {
    let statement = of("runs_get", GET, tenant).bind_list("runs", runs.map(|run| run.to_string()));
    let ran = client.run(&statement).await?;
    Record::all(&ran.rows).map(|row| read::run(&row)).collect()
}

/// A statement over a tenant's dataset, whose name is a tenant's id and so needs no escape between backticks.
pub(super) fn of(name: &'static str, sql: &str, tenant: &TenantId) -> Statement {
    let sql = sql.replace("{dataset}", &format!("`{}`", tenant.dataset()));
    Statement::new(name, sql).label("tenant", tenant).bind("tenant", tenant.as_str())
}

fn of_run(name: &'static str, sql: &str, tenant: &TenantId, run: RunId) -> Statement {
    of(name, sql, tenant).label("run_id", &run).bind("run", run.to_string())
}

fn update(tenant: &TenantId, run: RunId, transition: &Transition) -> Statement {
    let statement = |name, set: &str, from: &str| {
        let sql = format!(
            "UPDATE {{dataset}}.x_meta_pipeline_runs SET {set}
WHERE tenant_id = @tenant AND pipeline_logging_id = @run AND {from}"
        );
        of_run(name, &sql, tenant, run)
    };
    let unclaimed = "status = 'RUNNING' AND attempt = @attempt AND claimed_at IS NULL";
    match transition {
        Transition::Start { at, start_by, attempt } => {
            let set = "status = 'RUNNING', started_at = @at, start_by = @start_by";
            statement("run_start", set, "status = 'QUEUED' AND attempt = @attempt")
                .bind("at", *at)
                .bind("start_by", *start_by)
                .bind("attempt", *attempt)
        }
        Transition::Launched { attempt, execution } => {
            statement("run_launched", "execution = @execution", unclaimed)
                .bind("attempt", *attempt)
                .bind("execution", execution.as_str())
        }
        Transition::Relaunch { from, to, start_by } => {
            let set = "attempt = @to, start_by = @start_by, execution = NULL";
            statement("run_relaunch", set, unclaimed)
                .bind("attempt", *from)
                .bind("to", *to)
                .bind("start_by", *start_by)
        }
        Transition::Claim { attempt, execution, at } => {
            let from = format!("{unclaimed} AND cancel_requested_at IS NULL");
            statement("run_claim", "claimed_at = @at, execution = @execution", &from)
                .bind("attempt", *attempt)
                .bind("execution", execution.as_str())
                .bind("at", *at)
        }
        Transition::RequestCancel { at } => {
            let from = "status IN ('QUEUED', 'RUNNING') AND cancel_requested_at IS NULL";
            statement("run_cancel", "cancel_requested_at = @at", from).bind("at", *at)
        }
        Transition::EndQueued { ending, at } => {
            end(statement("run_end", END, "status = 'QUEUED'"), ending, *at, false)
        }
        Transition::EndUnclaimed { attempt, ending, at, launch_refused } => {
            let statement = statement("run_end", END, unclaimed).bind("attempt", *attempt);
            end(statement, ending, *at, *launch_refused)
        }
        Transition::EndClaimed { attempt, ending, at } => {
            let from = "status = 'RUNNING' AND attempt = @attempt AND claimed_at IS NOT NULL";
            let statement = statement("run_end", END, from).bind("attempt", *attempt);
            end(statement, ending, *at, false)
        }
    }
}

const END: &str =
    "status = @status, failure_kind = @kind, message = @message, rows_written = @rows,
  bytes_processed = @bytes, ended_at = @at, launch_refused = @refused";

fn end(statement: Statement, ending: &Ending, at: DateTime<Utc>, refused: bool) -> Statement {
    statement
        .bind("status", ending.status.as_str())
        .bind("kind", ending.failure_kind.map(crate::run::FailureKind::as_str))
        .bind("message", ending.message.as_deref())
        .bind("rows", number(ending.rows_written))
        .bind("bytes", number(ending.bytes_processed))
        .bind("at", at)
        .bind("refused", refused)
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

type Fields = Vec<(&'static str, Param)>;

/// An array of STRUCT whose fields are typed by its first element; it has one.
pub(super) fn array(rows: Vec<Fields>) -> Param {
    let kinds = rows.first().into_iter().flatten();
    let kinds = kinds.map(|(name, param)| ((*name).to_owned(), param.kind.clone())).collect();
    let value = |fields: Fields| {
        Value::Struct(fields.into_iter().map(|(name, p)| (name.to_owned(), p.value)).collect())
    };
    Param {
        kind: DataType::Array(Box::new(DataType::Struct(kinds))),
        value: Value::Array(rows.into_iter().map(value).collect()),
    }
}

fn run_fields(run: &Run, record_before: DateTime<Utc>) -> Fields {
    vec![
        ("run", run.run_id.to_string().to_param()),
        ("user", run.user_id.as_str().to_param()),
        ("pipeline", run.pipeline.pipeline_id(&run.tenant_id).to_param()),
        ("provider", run.pipeline.provider().to_param()),
        ("domain", run.pipeline.domain().to_param()),
        ("template", run.pipeline.name().to_param()),
        ("priority", run.priority.to_param()),
        ("queued", (run.status == RunStatus::Queued).to_param()),
        ("status", run.status.as_str().to_param()),
        ("parameters", run.parameters.to_string().to_param()),
        ("fingerprint", run.fingerprint.clone().to_param()),
        ("day", run.day.to_param()),
        ("attempt", run.attempt.to_param()),
        ("timeout", number(run.timeout.as_secs()).to_param()),
        ("max_bytes", number(run.max_bytes).to_param()),
        ("max_parallel", run.max_parallel.to_param()),
        ("created_at", run.created_at.to_param()),
        ("started_at", run.started_at.to_param()),
        ("start_by", run.start_by.to_param()),
        ("config", run.slot.map(|slot| slot.config_id.to_string()).to_param()),
        ("slot", run.slot.map(|slot| slot.slot).to_param()),
        ("slot_attempt", run.slot.map(|slot| slot.attempt).to_param()),
        ("record_before", record_before.to_param()),
    ]
}

fn check_fields(check: &CheckResult) -> Fields {
    let keys = check.failing_keys.iter().cloned().map(Value::String).collect();
    let keys =
        Param { kind: DataType::Array(Box::new(DataType::String)), value: Value::Array(keys) };
    vec![
        ("user", check.user_id.as_str().to_param()),
        ("step", check.step_id.as_str().to_param()),
        ("check_id", check.check_id.as_str().to_param()),
        ("type", check.check_type.as_str().to_param()),
        ("table_name", check.table.clone().to_param()),
        ("severity", check.severity.as_str().to_param()),
        ("blocking", check.blocking.to_param()),
        ("passed", check.passed.to_param()),
        ("observed", check.observed.as_str().to_param()),
        ("threshold", check.threshold.as_str().to_param()),
        ("failing_keys", keys),
        ("checked_at", check.checked_at.to_param()),
    ]
}
