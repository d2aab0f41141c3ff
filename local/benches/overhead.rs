//! What the engine adds to the work itself: a run of three small `sql` steps from its claim to its end, beside
//! the sum of its statements and of the durable writes of its row and logs, measured in the same run.
//!
//! `cargo bench -p local --bench overhead`, or with `--profile dev` without an optimised build of everything.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::clock::{Chance, Clock};
use common::pipeline::Catalog;
use common::port::PortError;
use common::run::{CheckResult, Run, RunId, RunStatus, StepLog};
use common::state::{Inserted, Page, RunFilter, Runs, Transition, contract};
use common::tenant::TenantId;
use common::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, Written,
};
use local::events::{self, mailbox::Mailbox};
use local::node::DataDir;
use local::state::SqliteState;
use local::warehouse::EmbeddedWarehouse;
use pipeline::{Roots, Webhooks};
use tokio_util::sync::CancellationToken;

const WARM_UP: usize = 3;
const RUNS: usize = 30;

const TEMPLATE: &str = "description: Three small statements, one after the other.
steps:
  - id: first
    type: sql
    query: SELECT 1 AS id, 'a' AS name, CAST('1.5' AS NUMERIC) AS cost UNION ALL SELECT 2, 'b', CAST('2.5' AS NUMERIC)
    target: {table: first}
    mode: replace
  - id: second
    type: sql
    depends_on: [first]
    query: SELECT name, SUM(cost) AS cost FROM first GROUP BY name
    target: {table: second}
    mode: replace
  - id: third
    type: sql
    depends_on: [second]
    query: SELECT COUNT(*) AS names, SUM(cost) AS cost FROM second
    target: {table: third}
    mode: replace
";

/// The time spent in each kind of call of one run.
#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    statements: Duration,
    records: Duration,
    dry_runs: Duration,
    reads: Duration,
}

/// An adapter whose calls are timed.
struct Timed<A> {
    inner: Arc<A>,
    spent: Arc<Mutex<Spent>>,
}

impl<A> Timed<A> {
    async fn timed<T>(
        &self,
        call: impl Future<Output = T>,
        kind: impl Fn(&mut Spent) -> &mut Duration,
    ) -> T {
        let begun = Instant::now();
        let answer = call.await;
        *kind(&mut self.spent.lock().unwrap()) += begun.elapsed();
        answer
    }
}

#[async_trait]
impl Warehouse for Timed<EmbeddedWarehouse> {
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        self.inner.ensure_dataset(dataset, labels).await
    }

    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        self.inner.dataset_labels(dataset).await
    }

    async fn ensure_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        self.inner.ensure_table(table, definition).await
    }

    async fn query(&self, query: &Query, job: Option<&JobOptions>) -> Result<Rows, PortError> {
        self.timed(self.inner.query(query, job), |spent| &mut spent.statements).await
    }

    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.timed(self.inner.write(query, target, job), |spent| &mut spent.statements).await
    }

    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.timed(self.inner.load(load, target, job), |spent| &mut spent.statements).await
    }

    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.timed(self.inner.export(query, export, job), |spent| &mut spent.statements).await
    }

    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError> {
        self.timed(self.inner.dry_run(query), |spent| &mut spent.dry_runs).await
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        self.inner.job(id).await
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        self.inner.cancel(id).await
    }
}

#[async_trait]
impl Runs for Timed<SqliteState> {
    async fn insert(&self, run: &Run, record_before: DateTime<Utc>) -> Result<Inserted, PortError> {
        self.inner.insert(run, record_before).await
    }

    async fn get(&self, tenant: &TenantId, run_id: RunId) -> Result<Option<Run>, PortError> {
        self.timed(self.inner.get(tenant, run_id), |spent| &mut spent.reads).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Run>, PortError> {
        self.inner.list(tenant, filter, page).await
    }

    async fn unfinished(&self, tenant: &TenantId) -> Result<Vec<Run>, PortError> {
        self.inner.unfinished(tenant).await
    }

    async fn transition(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        transition: &Transition,
    ) -> Result<bool, PortError> {
        let change = self.inner.transition(tenant, run_id, transition);
        self.timed(change, |spent| &mut spent.records).await
    }

    async fn log_step(&self, step: &StepLog) -> Result<(), PortError> {
        self.timed(self.inner.log_step(step), |spent| &mut spent.records).await
    }

    async fn log_checks(&self, checks: &[CheckResult]) -> Result<(), PortError> {
        self.timed(self.inner.log_checks(checks), |spent| &mut spent.records).await
    }

    async fn details(
        &self,
        tenant: &TenantId,
        run_id: RunId,
    ) -> Result<(Vec<StepLog>, Vec<CheckResult>), PortError> {
        self.inner.details(tenant, run_id).await
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, chance) = (Clock::system(), Chance::system());
    let data = DataDir::open(folder.path()).unwrap();
    let state = Arc::new(SqliteState::open(data.db().unwrap(), clock.clone()).unwrap());
    let warehouse = Arc::new(data.warehouse(&clock).unwrap());
    let tenant = TenantId::parse("acme").unwrap();
    warehouse.ensure_dataset(&tenant.dataset(), &BTreeMap::new()).await.unwrap();
    let spent = Arc::new(Mutex::new(Spent::default()));
    let mailbox = Mailbox::open(data.db().unwrap(), clock.clone()).unwrap();
    let (publisher, _events) = events::channel(mailbox);
    let job = pipeline::Context {
        warehouse: Arc::new(Timed { inner: warehouse, spent: Arc::clone(&spent) }),
        runs: Arc::new(Timed { inner: Arc::clone(&state), spent: Arc::clone(&spent) }),
        events: Arc::new(publisher),
        catalog: Arc::new(Catalog::from_files([("bench/three/steps.yml", TEMPLATE)]).unwrap()),
        roots: Arc::new(Roots::default()),
        export_roots: Arc::new(Roots::default()),
        webhooks: Arc::new(Webhooks::none()),
        clock: clock.clone(),
        chance: chance.clone(),
    };
    let mut measured = Vec::new();
    for number in 0..WARM_UP + RUNS {
        let run = Run {
            run_id: RunId(chance.uuid()),
            pipeline: "bench/three/steps".parse().unwrap(),
            parameters: serde_json::json!({}),
            ..contract::runs::run(&tenant, 1, RunStatus::Running)
        };
        state.insert(&run, clock.now() + chrono::TimeDelta::minutes(1)).await.unwrap();
        *spent.lock().unwrap() = Spent::default();
        let assignment = pipeline::Assignment {
            tenant_id: tenant.clone(),
            run_id: run.run_id,
            attempt: 1,
            execution: run.run_id.to_string(),
        };
        let begun = Instant::now();
        pipeline::execute(&job, &assignment, CancellationToken::new()).await;
        let whole = begun.elapsed();
        let ended = state.get(&tenant, run.run_id).await.unwrap().unwrap();
        assert_eq!(ended.status, RunStatus::Completed, "{:?}", ended.ending);
        if number >= WARM_UP {
            measured.push((whole, *spent.lock().unwrap()));
        }
    }
    print(&measured);
}

/// The median of each figure, and of the ratio run by run.
fn print(measured: &[(Duration, Spent)]) {
    let median = |figure: &dyn Fn(&(Duration, Spent)) -> f64| {
        let mut figures: Vec<f64> = measured.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!("{} runs of three small sql steps, medians", measured.len());
    println!("  claim to end               {:8.2} ms", median(&|(whole, _)| ms(*whole)));
    println!("  statements                 {:8.2} ms", median(&|(_, s)| ms(s.statements)));
    println!("  durable rows and logs      {:8.2} ms", median(&|(_, s)| ms(s.records)));
    println!("  dry runs before statements {:8.2} ms", median(&|(_, s)| ms(s.dry_runs)));
    println!("  reads of the run's row     {:8.2} ms", median(&|(_, s)| ms(s.reads)));
    let ratio = median(&|(whole, s)| ms(*whole) / ms(s.statements + s.records));
    println!("  claim to end / (statements + durable rows and logs) {ratio:.3}");
}
