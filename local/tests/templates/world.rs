//! A tenant over one data folder, whose runs are submitted at the gate and worked off by the real job.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use common::clock::{Chance, Clock};
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::keys::Secret;
use common::pipeline::Catalog;
use common::port::PortError;
use common::run::{CheckResult, FailureKind, RunStatus};
use common::state::Runs;
use common::submit::{self, Gate, Policy, Submission};
use common::tenant::{TenantId, UserId};
use common::warehouse::{
    Column, Format, JobId, JobOptions, Load, Query, Target, Warehouse, WriteMode,
};
use local::events::mailbox::Mailbox;
use local::keys::FileKeys;
use local::node::DataDir;
use local::state::SqliteState;
use local::warehouse::EmbeddedWarehouse;
use local::{admin, configs, events};
use pipeline::{Roots, Webhooks};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const TENANT: &str = "acme";
const ADMIN: &str = "operator";
/// Later than every sample.
const NOW: &str = "2025-11-18T06:00:00Z";

pub(crate) struct World {
    folder: tempfile::TempDir,
    state: Arc<SqliteState>,
    warehouse: Arc<EmbeddedWarehouse>,
    gate: Gate,
    launched: Arc<Launched>,
    job: pipeline::Context,
}

/// How a run ended, and what its checks saw.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: RunStatus,
    pub(crate) failure: Option<FailureKind>,
    #[expect(dead_code, reason = "a failing assertion prints it")]
    message: Option<String>,
    pub(crate) checks: Vec<CheckResult>,
}

impl Outcome {
    /// The ids of the checks that did not pass.
    pub(crate) fn failed(&self) -> Vec<&str> {
        self.checks.iter().filter(|c| !c.passed).map(|c| c.check_id.as_str()).collect()
    }

    /// It went well, and these checks alone warn.
    pub(crate) fn completed(&self, warned: &[&str]) {
        assert_eq!(self.status, RunStatus::Completed, "{self:#?}");
        assert_eq!(self.failed(), warned, "{self:#?}");
    }

    /// It ended at this blocking check.
    pub(crate) fn refused_by(&self, check: &str) {
        let ending = (self.status, self.failure);
        assert_eq!(ending, (RunStatus::Failed, Some(FailureKind::DataQuality)), "{self:#?}");
        let blocking = self.checks.iter().any(|c| c.check_id == check && !c.passed && c.blocking);
        assert!(blocking, "{self:#?}");
    }
}

/// A change of a template's text, to see that its checks would find it.
pub(crate) struct Edit<'a> {
    pub(crate) template: &'a str,
    pub(crate) old: &'a str,
    pub(crate) new: &'a str,
}

/// The text of a shipped template.
pub(crate) fn text_of(template: &str) -> String {
    std::fs::read_to_string(in_repository(&format!("configs/{template}.yml"))).unwrap()
}

pub(crate) fn in_repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

impl World {
    /// A tenant that may run the shipped templates over the files of its own folder.
    pub(crate) async fn new() -> Self {
        Self::over(configs::read(None).unwrap().templates).await
    }

    /// The same, with one template changed.
    pub(crate) async fn edited(edit: &Edit<'_>) -> Self {
        let text = text_of(edit.template);
        assert!(text.contains(edit.old), "{} has no '{}'", edit.template, edit.old);
        let file = (format!("{}.yml", edit.template), text.replacen(edit.old, edit.new, 1));
        let catalog = Catalog::from_files([file]).unwrap_or_else(|found| panic!("{found:#?}"));
        Self::over(catalog).await
    }

    async fn over(catalog: Catalog) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = NOW.parse().unwrap();
        let (clock, chance) = (Clock::from_fn(move || now), Chance::seeded(5));
        let data = DataDir::open(&folder.path().join("data")).unwrap();
        let state = Arc::new(SqliteState::open(data.db().unwrap(), clock.clone()).unwrap());
        let warehouse = Arc::new(data.warehouse(&clock).unwrap());
        let templates = Arc::new(catalog);
        let launched = Arc::new(Launched::default());
        let key_service = FileKeys::open(&folder.path().join("key"), chance.clone()).unwrap();
        let onboard = onboard::app(onboard::State {
            tenants: state.clone(),
            ledger: state.clone(),
            warehouse: warehouse.clone(),
            key_service: Arc::new(key_service),
            operators: admin::operators(&Secret::new(ADMIN)),
            config: Arc::new(onboard::Config::new(configs::read(None).unwrap().plans)),
            webhook_key: Secret::new("webhooks"),
            clock: clock.clone(),
            chance: chance.clone(),
        });
        let body = json!({
            "tenant_id": TENANT,
            "company_name": "Acme Corporation",
            "admin_email": "admin@acme.example",
            "subscription_plan": "SCALE",
        });
        let request = Request::post("/api/v1/tenants/onboard")
            .header(admin::HEADER, ADMIN)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        assert_eq!(onboard.oneshot(request.unwrap()).await.unwrap().status(), 200);
        let gate = Gate {
            ledger: state.clone(),
            runs: state.clone(),
            jobs: launched.clone(),
            templates: templates.clone(),
            clock: clock.clone(),
            chance: chance.clone(),
            policy: Policy::default(),
        };
        let mailbox = Mailbox::open(data.db().unwrap(), clock.clone()).unwrap();
        let job = pipeline::Context {
            warehouse: warehouse.clone(),
            runs: state.clone(),
            events: Arc::new(events::channel(mailbox).0),
            catalog: templates,
            roots: Arc::new(Roots::parse([folder.path().to_str().unwrap()]).unwrap()),
            export_roots: Arc::new(Roots::default()),
            webhooks: Arc::new(Webhooks::none()),
            clock,
            chance,
        };
        Self { folder, state, warehouse, gate, launched, job }
    }

    /// Puts a file where a run may read it; answers its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Puts a table's rows, as NDJSON, into the tenant's dataset.
    pub(crate) async fn load(&self, table: &str, schema: &str, ndjson: &[u8]) {
        let columns: Vec<Column> = serde_json::from_str(schema).unwrap();
        let uri = self.file(&format!("{table}.ndjson"), ndjson);
        let load = Load { uri, format: Format::Ndjson, columns, max_bad_records: 0 };
        let target = Target {
            table: tenant().dataset().table(table).unwrap(),
            partition_by: None,
            cluster_by: Vec::new(),
            mode: WriteMode::Replace,
        };
        let job = JobOptions {
            id: JobId(format!("load-{}", self.gate.chance.uuid())),
            labels: std::collections::BTreeMap::new(),
            maximum_bytes: None,
            timeout: Duration::from_mins(1),
        };
        self.warehouse.load(&load, &target, &job).await.unwrap();
    }

    /// Submits a run, works it off, and frees its place.
    pub(crate) async fn run(&self, template: &str, parameters: Json) -> Outcome {
        let [provider, domain, name] = template.split('/').collect::<Vec<_>>()[..] else {
            panic!("{template} has three parts")
        };
        let request = submit::Request {
            tenant_id: tenant(),
            user_id: UserId::parse("alice").unwrap(),
            provider: provider.to_owned(),
            domain: domain.to_owned(),
            template: name.to_owned(),
            parameters: parameters.as_object().unwrap().clone(),
            derived: None,
            slot: None,
            priority: 100,
        };
        let run = match submit::submit(&self.gate, &request).await.unwrap() {
            Submission::Accepted { run, .. } => run,
            Submission::Refused(refusal) => panic!("{refusal:?}"),
        };
        let launch = self.launched.0.lock().unwrap().take().unwrap();
        let assignment = pipeline::Assignment {
            tenant_id: launch.tenant_id,
            run_id: launch.run_id,
            attempt: launch.attempt,
            execution: EXECUTION.to_owned(),
        };
        pipeline::execute(&self.job, &assignment, CancellationToken::new()).await;
        let release =
            common::quota::Change::Release { run_id: run.run_id, attempt: assignment.attempt };
        self.gate.apply(&tenant(), release).await.unwrap();
        let run = self.state.get(&tenant(), run.run_id).await.unwrap().unwrap();
        let (_, checks) = self.state.details(&tenant(), run.run_id).await.unwrap();
        let ending = run.ending.unwrap();
        Outcome {
            status: run.status,
            failure: ending.failure_kind,
            message: ending.message,
            checks,
        }
    }

    /// What a query answers, each row as JSON values; NUMERIC and dates are texts.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Json>> {
        let query = Query {
            sql: sql.to_owned(),
            params: std::collections::BTreeMap::new(),
            default_dataset: Some(tenant().dataset()),
        };
        let rows =
            self.warehouse.query(&query, None).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let json = |row: &Vec<common::warehouse::Value>| {
            row.iter().map(common::warehouse::Value::to_json).collect()
        };
        rows.rows.iter().map(json).collect()
    }
}

fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

const EXECUTION: &str = "execution";

/// Keeps the launch for the test to work it off.
#[derive(Default)]
struct Launched(Mutex<Option<Launch>>);

#[async_trait]
impl JobLauncher for Launched {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        *self.0.lock().unwrap() = Some(launch.clone());
        Ok(EXECUTION.to_owned())
    }

    async fn state(&self, _: &str) -> Result<ExecutionState, PortError> {
        Ok(ExecutionState::Ended)
    }

    async fn cancel(&self, _: &str) -> Result<(), PortError> {
        Ok(())
    }
}
