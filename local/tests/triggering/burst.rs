//! Two hundred triggers at once against a whole node: the plan's day is let in, and no more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Chance, Clock};
use common::keys::Secret;
use common::quota::EntryState;
use common::run::{Run, RunStatus};
use common::state::{Ledger, Page, RunFilter, Runs};
use common::tenant::TenantId;
use common::warehouse::{Query, Value as Cell, Warehouse};
use local::jobs::Isolation;
use local::node::{DataDir, Node, Settings};
use local::state::SqliteState;
use local::{admin, configs};
use pipeline::{Roots, Webhooks};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::export;
use crate::world::{ADMIN, Answer, billing, onboarding};

/// What PROFESSIONAL allows in a day, and at once.
const DAILY: usize = 25;
const CONCURRENT: usize = 3;
const TRIGGERS: usize = 200;
/// On two busy cores the whole test takes a fraction of it.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_are_let_in_by_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let clock = noon();
    let data_dir = || DataDir::open(folder.path()).unwrap();
    let node = Node::open(Settings {
        data_dir: data_dir(),
        configs: configs::read(None).unwrap(),
        roots: Roots::default(),
        export_roots: Roots::default(),
        webhooks: Webhooks::none(),
        webhook_key: Secret::new("webhooks"),
        admin_key: Secret::new(ADMIN),
        isolation: Isolation::Tasks,
        max_running: None,
        clock: clock.clone(),
        chance: Chance::system(),
    })
    .unwrap();
    // A connection of its own, as another process would read.
    let state = SqliteState::open(data_dir().db().unwrap(), clock.clone()).unwrap();
    let warehouse = node.warehouse();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(node.serve(listener, async move { drop(stopped.await) }));

    let key = client.onboard().await;
    export::load(&*warehouse, "acme").await;

    let began = Instant::now();
    let answers = futures::future::join_all((0..TRIGGERS).map(|_| client.trigger(&key)));
    let (answers, most_seen) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(answers, until_rest(&state)) })
            .await
            .expect("not at rest in time");
    println!("{TRIGGERS} triggers, at rest after {:?}, {most_seen} seen at once", began.elapsed());

    check_answers(&answers, &clock);
    let accepted: BTreeSet<_> =
        answers.iter().filter(|a| a.status != 429).map(Answer::run_id).collect();
    let runs = all_runs(&state).await;
    assert_eq!(runs.iter().map(|run| run.run_id).collect::<BTreeSet<_>>(), accepted);
    for run in &runs {
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.ending);
    }
    assert_eq!(most_at_once(&runs), CONCURRENT, "every slot was used, and no other");

    let usage = client.usage().await;
    assert_eq!(
        usage,
        json!({
            "pipelines_run_today": DAILY,
            "pipelines_run_this_month": DAILY,
            "pipelines_running": 0,
            "pipelines_queued": 0,
        })
    );
    let quotas = "SELECT pipelines_run_today, daily_limit FROM tenants.tenant_usage_quotas \
                  WHERE tenant_id = 'acme'";
    assert_eq!(sql(&*warehouse, quotas).await, vec![vec![25, 25]]);
    let recorded = "SELECT COUNT(*) AS n FROM acme.x_meta_pipeline_runs WHERE status = 'COMPLETED'";
    assert_eq!(sql(&*warehouse, recorded).await, vec![vec![25]]);
    assert_eq!(client.trigger(&key).await.status, 429, "the day stays used");

    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

/// A clock that goes on from a noon, so that no test run meets midnight.
fn noon() -> Clock {
    let (noon, began): (DateTime<Utc>, _) =
        ("2025-11-17T12:00:00Z".parse().unwrap(), Instant::now());
    Clock::from_fn(move || noon + TimeDelta::from_std(began.elapsed()).unwrap())
}

fn check_answers(answers: &[Answer], clock: &Clock) {
    let of = |status: u16| answers.iter().filter(|a| a.status == status).collect::<Vec<_>>();
    let (running, queued, refused) = (of(200), of(202), of(429));
    println!("{} running, {} queued, {} refused", running.len(), queued.len(), refused.len());
    assert_eq!(running.len() + queued.len(), DAILY);
    assert_eq!(refused.len(), TRIGGERS - DAILY);
    assert!(running.len() >= CONCURRENT);
    for answer in running {
        assert_eq!(answer.body["status"], "RUNNING", "{}", answer.body);
    }
    for answer in queued {
        assert_eq!(answer.body["status"], "QUEUED", "{}", answer.body);
        let position = answer.body["position"].as_u64().unwrap();
        assert!((1..=(DAILY - CONCURRENT) as u64).contains(&position), "{}", answer.body);
    }
    let to_midnight = TimeDelta::hours(12).num_seconds();
    let passed = (clock.now() - noon_of(clock)).num_seconds() + 1;
    for answer in refused {
        assert_eq!(answer.problem(), "quota-exceeded");
        assert_eq!(answer.body["limit"], "daily_limit", "{}", answer.body);
        assert_eq!(answer.body["pipelines_run_today"], DAILY, "{}", answer.body);
        assert_eq!(answer.body["daily_limit"], DAILY, "{}", answer.body);
        let wait = answer.retry_after();
        assert!((to_midnight - passed..=to_midnight).contains(&wait), "{wait}");
    }
}

fn noon_of(clock: &Clock) -> DateTime<Utc> {
    clock.today().and_hms_opt(12, 0, 0).unwrap().and_utc()
}

/// Watches until every run has ended and no entry is open; answers the most that were seen running at once.
async fn until_rest(state: &SqliteState) -> usize {
    let tenant = TenantId::parse("acme").unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let mut most = 0;
    loop {
        tick.tick().await;
        let unfinished = state.unfinished(&tenant).await.unwrap();
        let running = unfinished.iter().filter(|run| run.status == RunStatus::Running).count();
        let entries = Ledger::row(state, &tenant).await.unwrap().unwrap().account.entries;
        let of = |state| entries.iter().filter(|entry| entry.state == state).count();
        assert!(running <= CONCURRENT, "{running} rows are RUNNING");
        assert!(of(EntryState::Active) <= CONCURRENT, "{} slots", of(EntryState::Active));
        most = most.max(running);
        let open = of(EntryState::Active) + of(EntryState::Queued);
        if most > 0 && unfinished.is_empty() && open == 0 && of(EntryState::Done) == DAILY {
            return most;
        }
    }
}

async fn all_runs(state: &SqliteState) -> Vec<Run> {
    let tenant = TenantId::parse("acme").unwrap();
    let page = Page { after: None, limit: 1_000 };
    Runs::list(state, &tenant, &RunFilter::default(), page).await.unwrap()
}

/// The most runs that held a slot at one moment, by the times in their rows: nothing between two samples
/// is missed.
fn most_at_once(runs: &[Run]) -> usize {
    let mut turns: Vec<(DateTime<Utc>, i32)> = Vec::new();
    for run in runs {
        turns.push((run.started_at.unwrap(), 1));
        turns.push((run.ended_at.unwrap(), -1));
    }
    turns.sort_unstable();
    let held = turns.iter().scan(0, |held, (_, by)| {
        *held += by;
        Some(*held)
    });
    held.max().unwrap().try_into().unwrap()
}

async fn sql(warehouse: &dyn Warehouse, text: &str) -> Vec<Vec<i64>> {
    let params = std::collections::BTreeMap::new();
    let query = Query { sql: text.to_owned(), params, default_dataset: None };
    let number = |cell: &Cell| cell.to_string().parse().unwrap();
    let rows = warehouse.query(&query, None).await.unwrap().rows;
    rows.iter().map(|row| row.iter().map(number).collect()).collect()
}

/// A tenant's frontend, and its operator.
struct Client {
    http: reqwest::Client,
    server: SocketAddr,
}

impl Client {
    fn new(server: SocketAddr) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self { http, server }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    async fn onboard(&self) -> String {
        let request = self.http.post(self.url("/api/v1/tenants/onboard"));
        let request = request.json(&onboarding("acme", "PROFESSIONAL"));
        let answer = send(request.header(admin::HEADER, ADMIN)).await;
        answer.body["api_key"].as_str().unwrap().to_owned()
    }

    async fn usage(&self) -> Value {
        let request = self.http.get(self.url("/api/v1/tenants/acme"));
        send(request.header(admin::HEADER, ADMIN)).await.body["usage"].clone()
    }

    async fn trigger(&self, key: &str) -> Answer {
        let request = self.http.post(self.url("/api/v1/pipelines/run/acme/gcp/cost/billing"));
        send(request.header("x-api-key", key).header("x-user-id", "alice").json(&billing())).await
    }
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.json().await.unwrap() }
}
