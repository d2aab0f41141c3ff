//! Two tenants over one data folder, and templates whose runs the real job works off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::clock::{Chance, Clock};
use common::keys::Secret;
use common::pipeline::{Catalog, TemplateId, params};
use common::run::{CheckResult, FailureKind, Run, RunId, RunStatus, StepLog};
use common::state::{Runs, contract, tables};
use common::tenant::TenantId;
use common::warehouse::{JobId, JobOptions, Query, Target, Warehouse, WriteMode};
use local::db::Db;
use local::events::{self, mailbox::Mailbox};
use local::node::DataDir;
use local::state::SqliteState;
use local::warehouse::EmbeddedWarehouse;
use pipeline::{Roots, Webhooks};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

pub(crate) const NOW: &str = "2025-11-18T06:00:00Z";

/// The only host that messages may go to; nothing is sent there.
pub(crate) const HOST: &str = "hooks.example.com";

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) state: Arc<SqliteState>,
    pub(crate) warehouse: Arc<EmbeddedWarehouse>,
    clock: Clock,
    chance: Chance,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: RunStatus,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) message: String,
    pub(crate) steps: Vec<StepLog>,
    pub(crate) checks: Vec<CheckResult>,
}

impl World {
    /// Tenants `acme` and `other`; `other.secrets` holds what only `other` may see.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = NOW.parse().unwrap();
        let (clock, chance) = (Clock::from_fn(move || now), Chance::seeded(11));
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let state = Arc::new(SqliteState::open(data.db().unwrap(), clock.clone()).unwrap());
        let warehouse = Arc::new(data.warehouse(&clock).unwrap());
        let world = Self { folder, state, warehouse, clock, chance };
        for tenant in ["acme", "other"] {
            let dataset = TenantId::parse(tenant).unwrap().dataset();
            world.warehouse.ensure_dataset(&dataset, &BTreeMap::new()).await.unwrap();
            for (name, definition) in tables::tenant().unwrap() {
                let table = dataset.table(name).unwrap();
                let definition = definition.in_dataset(&dataset);
                world.warehouse.ensure_table(&table, &definition).await.unwrap();
            }
        }
        world.fill("other.secrets", "SELECT 42 AS secret").await;
        world
    }

    /// A path in the world's own folder, links resolved.
    pub(crate) fn path(&self, name: &str) -> String {
        let folder = self.folder.path().canonicalize().unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    }

    /// Gives a table the rows of a query.
    pub(crate) async fn fill(&self, table: &str, sql: &str) {
        let target = Target {
            table: table.parse().unwrap(),
            partition_by: None,
            cluster_by: Vec::new(),
            mode: WriteMode::Replace,
        };
        let job = JobOptions {
            id: JobId(self.chance.uuid().to_string()),
            labels: BTreeMap::new(),
            maximum_bytes: None,
            timeout: Duration::from_mins(1),
        };
        self.warehouse.write(&query(sql), &target, &job).await.unwrap();
    }

    /// The rows of a query, each as text.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let rows =
            self.warehouse.query(&query(sql), None).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let text = |row: &Vec<_>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
        rows.rows.iter().map(text).collect()
    }

    /// The job over one template; files lie below `in`, exports below `out/<tenant>`.
    pub(crate) fn job(&self, catalog: Catalog) -> pipeline::Context {
        for folder in ["in", "out"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        let mailbox = Mailbox::open(Arc::new(Db::in_memory().unwrap()), self.clock.clone());
        let (publisher, _) = events::channel(mailbox.unwrap());
        let out = format!("{}/{{tenant_id}}", self.path("out"));
        pipeline::Context {
            warehouse: self.warehouse.clone(),
            runs: self.state.clone(),
            events: Arc::new(publisher),
            catalog: Arc::new(catalog),
            roots: Arc::new(Roots::parse([self.path("in")]).unwrap()),
            export_roots: Arc::new(Roots::parse_exports([out]).unwrap()),
            webhooks: Arc::new(Webhooks::new([HOST], Secret::new("key")).unwrap()),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
        }
    }

    /// Runs a template of `acme` to its end; it must be valid, and its parameters must fit.
    pub(crate) async fn run(&self, template: &str, parameters: &Json) -> Outcome {
        let catalog = catalog(template).unwrap_or_else(|found| panic!("{found}"));
        let sent = parameters.as_object().unwrap();
        let resolved = params::resolve(first(&catalog), sent, self.clock.now());
        let parameters = params::to_stored(&resolved.unwrap_or_else(|e| panic!("{e:?}")));
        let run = self.record(first(&catalog).id.clone(), parameters).await;
        self.execute(&self.job(catalog), &run, CancellationToken::new()).await
    }

    /// Records a run that holds a slot.
    pub(crate) async fn record(&self, pipeline: TemplateId, parameters: Json) -> Run {
        let now = self.clock.now();
        let tenant = TenantId::parse("acme").unwrap();
        let run = Run {
            run_id: RunId(self.chance.uuid()),
            pipeline,
            parameters,
            timeout: Duration::from_hours(1),
            ..contract::runs::run(&tenant, 1, RunStatus::Running)
        };
        self.state.insert(&run, now + chrono::TimeDelta::hours(1)).await.unwrap();
        run
    }

    /// Works a recorded run off.
    pub(crate) async fn execute(
        &self,
        job: &pipeline::Context,
        run: &Run,
        stop: CancellationToken,
    ) -> Outcome {
        let assignment = pipeline::Assignment {
            tenant_id: run.tenant_id.clone(),
            run_id: run.run_id,
            attempt: run.attempt,
            execution: format!("execution-of-{}", run.run_id),
        };
        pipeline::execute(job, &assignment, stop).await;
        let (steps, checks) = self.state.details(&run.tenant_id, run.run_id).await.unwrap();
        let run = self.state.get(&run.tenant_id, run.run_id).await.unwrap().unwrap();
        let ending = run.ending.as_ref();
        Outcome {
            status: run.status,
            failure: ending.and_then(|ending| ending.failure_kind),
            message: ending.and_then(|ending| ending.message.clone()).unwrap_or_default(),
            steps,
            checks,
        }
    }
}

/// The catalog of one template, or what is wrong with it.
pub(crate) fn catalog(template: &str) -> Result<Catalog, String> {
    Catalog::from_files([("a/b/c.yml", template)])
        .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

pub(crate) fn first(catalog: &Catalog) -> &common::pipeline::Template {
    catalog.iter().next().unwrap()
}

/// No parameters.
pub(crate) fn none() -> Json {
    json!({})
}

fn query(sql: &str) -> Query {
    Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset: None }
}
