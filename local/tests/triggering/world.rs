//! A deployment over one data folder, with a clock and executions that the test moves.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Chance, Clock};
use common::events::Event;
use common::http::{Keyring, Options, shell};
use common::keys::Secret;
use common::run::{Ending, Run, RunId, RunStatus};
use common::state::{Ledger, LedgerRow, Page, RunFilter, Runs, Transition};
use common::submit::{Gate, Policy};
use local::events::mailbox::Mailbox;
use local::keys::FileKeys;
use local::node::DataDir;
use local::state::SqliteState;
use local::warehouse::EmbeddedWarehouse;
use local::{admin, configs, events};
use pipeline::{Roots, Webhooks};
use scheduler::{queue, reaper};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt;

pub(crate) use crate::caller::{Answer, Tenant};
use crate::launcher::Held;

/// The operator's key.
pub(crate) const ADMIN: &str = "operator";

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    micros: Arc<AtomicI64>,
    pub(crate) state: Arc<SqliteState>,
    pub(crate) warehouse: Arc<EmbeddedWarehouse>,
    pub(crate) launcher: Arc<Held>,
    pub(crate) scheduler: scheduler::Context,
    /// What run requests are handled with.
    pub(crate) trigger: trigger::State,
    /// Where run requests wait.
    pub(crate) mailbox: Arc<Mailbox>,
    job: pipeline::Context,
    onboard: Router,
    events: Mutex<UnboundedReceiver<Event>>,
    /// The functions' routes, without what every server has around them.
    pub(crate) routes: Router,
    app: Router,
}

impl World {
    /// Nobody is onboarded; it is ten in the morning of a Monday.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let micros = Arc::new(AtomicI64::new(1_763_373_600_000_000));
        let told = micros.clone();
        let clock = Clock::from_fn(move || {
            DateTime::from_timestamp_micros(told.load(Ordering::Relaxed)).unwrap()
        });
        let chance = Chance::seeded(3);
        let data = DataDir::open(folder.path()).unwrap();
        let state = Arc::new(SqliteState::open(data.db().unwrap(), clock.clone()).unwrap());
        let warehouse = Arc::new(data.warehouse(&clock).unwrap());
        let configs = configs::read(None).unwrap();
        let templates = Arc::new(configs.templates);
        let mailbox = Mailbox::open(data.db().unwrap(), clock.clone()).unwrap();
        let (publisher, events) = events::channel(mailbox);
        let publisher = Arc::new(publisher);
        let launcher = Arc::new(Held::new());
        let gate = Gate {
            ledger: state.clone(),
            runs: state.clone(),
            jobs: launcher.clone(),
            templates: templates.clone(),
            clock: clock.clone(),
            chance: chance.clone(),
            policy: Policy::default(),
        };
        let onboard = onboard::app(onboard::State {
            tenants: state.clone(),
            ledger: state.clone(),
            warehouse: warehouse.clone(),
            key_service: Arc::new(
                FileKeys::open(&folder.path().join("key"), chance.clone()).unwrap(),
            ),
            webhook_key: Secret::new("webhooks"),
            operators: admin::operators(&Secret::new(ADMIN)),
            config: Arc::new(onboard::Config::new(configs.plans)),
            clock: clock.clone(),
            chance: chance.clone(),
        });
        let keyring = Arc::new(Keyring::new(state.clone(), clock.clone()));
        let trigger = trigger::State {
            gate: gate.clone(),
            keyring,
            schedules: state.clone(),
            slots: state.clone(),
            pushers: admin::operators(&Secret::new(ADMIN)),
        };
        let scheduler = scheduler::Context {
            gate,
            warehouse: warehouse.clone(),
            schedules: state.clone(),
            slots: state.clone(),
            events: publisher.clone(),
        };
        let job = pipeline::Context {
            warehouse: warehouse.clone(),
            runs: state.clone(),
            events: publisher,
            catalog: templates,
            roots: Arc::new(Roots::default()),
            export_roots: Arc::new(Roots::default()),
            webhooks: Arc::new(Webhooks::none()),
            clock: clock.clone(),
            chance: chance.clone(),
        };
        let mut world = Self {
            app: Router::new(),
            routes: Router::new(),
            onboard,
            scheduler,
            trigger,
            events: Mutex::new(events.finished),
            mailbox: events.mailbox,
            folder,
            clock,
            micros,
            state,
            warehouse,
            launcher,
            job,
        };
        world.bound(None);
        world
    }

    /// From here on the deployment has so many slots.
    pub(crate) fn bound(&mut self, max_running: Option<u32>) {
        self.scheduler.gate.policy.max_running = max_running;
        self.trigger.gate = self.scheduler.gate.clone();
        let options = Options::new(self.clock.clone(), self.trigger.gate.chance.clone());
        let operators = admin::operators(&Secret::new(ADMIN));
        let scheduler = scheduler::app(scheduler::State {
            context: self.scheduler.clone(),
            keyring: self.trigger.keyring.clone(),
            callers: scheduler::Callers::all(&operators),
            operators,
        });
        let trigger = trigger::app(self.trigger.clone());
        self.routes = self.onboard.clone().merge(trigger).merge(scheduler);
        self.app = shell(self.routes.clone(), options);
    }

    /// What requests go through.
    pub(crate) fn gate(&self) -> &Gate {
        &self.scheduler.gate
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Time passes.
    pub(crate) fn pass(&self, by: TimeDelta) {
        self.micros.fetch_add(by.num_microseconds().unwrap(), Ordering::Relaxed);
    }

    /// It is then.
    pub(crate) fn set_time(&self, text: &str) {
        let at: DateTime<Utc> = text.parse().unwrap();
        self.micros.store(at.timestamp_micros(), Ordering::Relaxed);
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// An operator's request that is answered 200.
    pub(crate) async fn operate(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let request = Request::builder().method(method).uri(path).header(admin::HEADER, ADMIN);
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.body
    }

    /// Onboards a tenant.
    pub(crate) async fn onboard(&self, id: &str, plan: &str) -> Tenant {
        let answer = self.operate("POST", "/api/v1/tenants/onboard", &onboarding(id, plan)).await;
        Tenant { id: id.to_owned(), key: answer["api_key"].as_str().unwrap().to_owned() }
    }

    /// Changes a tenant's plan, limits or status.
    pub(crate) async fn change(&self, tenant: &Tenant, patch: Value) {
        self.operate("PATCH", &format!("/api/v1/tenants/{}", tenant.id), &patch).await;
    }

    /// `usage` of the operator's view of a tenant.
    pub(crate) async fn usage(&self, tenant: &Tenant) -> Value {
        let path = format!("/api/v1/tenants/{}", tenant.id);
        self.operate("GET", &path, &Value::Null).await["usage"].clone()
    }

    /// Triggers the tenant's billing run.
    pub(crate) async fn trigger(&self, tenant: &Tenant) -> Answer {
        self.send(tenant.post(&tenant.billing(), &billing())).await
    }

    /// Triggers a run that is accepted.
    pub(crate) async fn accepted(&self, tenant: &Tenant) -> RunId {
        let answer = self.trigger(tenant).await;
        assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
        answer.run_id()
    }

    /// Reads a run.
    pub(crate) async fn read(&self, tenant: &Tenant, run: RunId) -> Value {
        let answer = self.send(tenant.get(&tenant.run(run))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// The status of a run, as it is read.
    pub(crate) async fn status(&self, tenant: &Tenant, run: RunId) -> String {
        self.read(tenant, run).await["status"].as_str().unwrap().to_owned()
    }

    /// Asks for the end of a run.
    pub(crate) async fn cancel(&self, tenant: &Tenant, run: RunId) -> Answer {
        let path = format!("{}/cancel", tenant.run(run));
        self.send(tenant.request("POST", &path).body(Body::empty()).unwrap()).await
    }

    /// The held execution of a run claims it.
    pub(crate) async fn claim(&self, run: RunId) {
        let execution = self.launcher.of(run).unwrap();
        let launch = &execution.launch;
        let at = self.clock.now();
        let claim =
            Transition::Claim { attempt: launch.attempt, execution: execution.id.clone(), at };
        assert!(self.state.transition(&launch.tenant_id, run, &claim).await.unwrap());
    }

    /// The held execution of a run claims it and ends it at once, without work.
    pub(crate) async fn finish(&self, run: RunId) {
        let finished = self.end(run).await;
        self.hear(&finished).await;
    }

    /// The same, but nobody has heard of it yet.
    pub(crate) async fn end(&self, run: RunId) -> Event {
        self.claim(run).await;
        let execution = self.launcher.of(run).unwrap();
        let (tenant_id, attempt) = (execution.launch.tenant_id, execution.launch.attempt);
        let ending = Ending::of(RunStatus::Completed, None, "ended by the test");
        let end = Transition::EndClaimed { attempt, ending, at: self.clock.now() };
        assert!(self.state.transition(&tenant_id, run, &end).await.unwrap());
        self.launcher.end(&execution.id);
        Event::RunFinished { tenant_id, run_id: run, attempt }
    }

    /// The scheduler hears of an end.
    pub(crate) async fn hear(&self, event: &Event) {
        queue::handle(&self.scheduler, event).await.unwrap();
    }

    /// The held execution of a run does its work to the end, and what it published is handled.
    pub(crate) async fn work(&self, run: RunId) -> pipeline::Exit {
        let execution = self.launcher.of(run).unwrap();
        let assignment = pipeline::Assignment {
            tenant_id: execution.launch.tenant_id,
            run_id: run,
            attempt: execution.launch.attempt,
            execution: execution.id.clone(),
        };
        let exit = pipeline::execute(&self.job, &assignment, execution.stop).await;
        self.launcher.end(&execution.id);
        let published = || self.events.lock().unwrap().try_recv();
        while let Ok(event) = published() {
            queue::handle(&self.scheduler, &event).await.unwrap();
        }
        events::empty(&self.mailbox, &self.trigger).await.unwrap();
        exit
    }

    /// One pass of the reaper, in which nothing fails.
    pub(crate) async fn reap(&self) -> reaper::Report {
        let report = reaper::pass(&self.scheduler).await.unwrap();
        assert_eq!(report.failed, 0, "{report:?}");
        report
    }

    /// A tenant's ledger row.
    pub(crate) async fn ledger(&self, tenant: &Tenant) -> LedgerRow {
        Ledger::row(&*self.state, &tenant.tenant_id()).await.unwrap().unwrap()
    }

    /// All runs of a tenant, newest first.
    pub(crate) async fn runs(&self, tenant: &Tenant) -> Vec<Run> {
        let page = Page { after: None, limit: 100_000 };
        Runs::list(&*self.state, &tenant.tenant_id(), &RunFilter::default(), page).await.unwrap()
    }
}

/// The body that onboards a tenant.
pub(crate) fn onboarding(id: &str, plan: &str) -> Value {
    json!({
        "tenant_id": id,
        "company_name": "Acme Corporation",
        "admin_email": "admin@acme.example",
        "subscription_plan": plan,
    })
}

/// The parameters of a billing run over the first day of the sample.
pub(crate) fn billing() -> Value {
    json!({"date": "2025-11-01"})
}
