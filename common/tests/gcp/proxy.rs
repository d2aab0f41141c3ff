//! A proxy in front of the BigQuery emulator that does to a client what BigQuery does and the emulator does not.
//!
//! `Proxy::start(emulator_url, Rules { .. })` serves on a port of its own, for any number of processes:
//! - a job is PENDING when its call returns, and takes the time of [`Rules::latency`] before it has its effect;
//! - of the mutating statements on one table two run and twenty queue, the next fails:
//!   <https://cloud.google.com/bigquery/docs/data-manipulation-language#update_delete_merge_dml_concurrency>;
//! - the first [`Rules::aborts`] mutating statements that meet another one on their table fail as conflicts do:
//!   <https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts>;
//! - a MERGE with a subquery in a condition or an action is refused:
//!   <https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations>;
//! - a job's id is taken once: <https://cloud.google.com/bigquery/docs/running-jobs#generate-jobid>;
//! - [`Rules::fault`] is asked before and after the effect of every request, and may refuse it or cut the connection.
//!
//! What it saw is in [`Proxy::seen`].

mod job;
mod statement;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use job::JobEntry;
pub use statement::{Kind, Statement};

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the request has any effect.
    Before,
    /// After its effect, before its answer.
    After,
}

/// A request that is on its way.
#[derive(Debug, Clone)]
pub struct Passing {
    /// The request's number, from 1.
    pub number: usize,
    /// The door it came through, see [`Doors::open`].
    pub door: Arc<str>,
    /// The label `statement` of the job that it sends; empty for any other request.
    pub label: String,
    /// Whether its effect is there.
    pub phase: Phase,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer.
    Drop,
    /// It is answered with this status and reason.
    Refuse(u16, &'static str),
}

type Faults = dyn Fn(&Passing) -> Option<Fault> + Send + Sync;

/// How the proxy behaves.
#[derive(Clone)]
pub struct Rules {
    /// How long statements of a kind take before their effect.
    pub latency: fn(Kind) -> Duration,
    /// How many mutating statements that meet another fail as conflicts.
    pub aborts: usize,
    /// What goes wrong with requests.
    pub fault: Arc<Faults>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { latency: |_| Duration::ZERO, aborts: 0, fault: Arc::new(|_| None) }
    }
}

/// The proxy. It ends with this value.
pub struct Proxy {
    /// Where it is reached.
    pub url: String,
    doors: Doors,
}

/// Lets clients in, each kind of them at an address of its own.
#[derive(Clone)]
pub struct Doors {
    shared: Arc<Shared>,
    servers: Arc<Mutex<JoinSet<()>>>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    rules: Rules,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    requests: usize,
    aborts: usize,
    seen: Vec<Statement>,
    jobs: HashMap<String, JobEntry>,
    tables: HashMap<String, watch::Sender<Table>>,
}

/// The mutating statements of one table.
#[derive(Debug, Clone, Copy, Default)]
struct Table {
    running: usize,
    queued: usize,
}

impl Proxy {
    /// Starts it.
    pub fn start(upstream: &str, rules: Rules) -> Self {
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: crate::judges::http(),
            rules,
            inner: Mutex::default(),
        });
        let doors = Doors { shared, servers: Arc::default() };
        Self { url: doors.open(""), doors }
    }

    /// Its doors.
    pub fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// Every statement that was sent, once for each job.
    pub fn seen(&self) -> Vec<Statement> {
        self.doors.shared.inner().seen.clone()
    }

    /// Forgets what was seen.
    pub fn forget(&self) {
        self.doors.shared.inner().seen.clear();
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.doors.shared.inner().requests
    }

    /// How many statements there were of each label.
    pub fn by_label(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for statement in self.seen() {
            *counts.entry(statement.label).or_default() += 1;
        }
        counts
    }
}

impl Doors {
    /// Opens one more; answers its URL. Rules tell requests apart by its name.
    pub fn open(&self, name: &str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        let state = (self.shared.clone(), Arc::from(name));
        let app = Router::new().fallback(handle).with_state(state);
        let server = async move { axum::serve(listener, app).await.unwrap() };
        self.servers.lock().unwrap().spawn(server);
        url
    }
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Lets a fault strike where the rules say so.
    fn strike(&self, passing: &Passing) -> Option<Response> {
        match (self.rules.fault)(passing)? {
            // Unwinding ends the task of the connection, and so the connection.
            Fault::Drop => std::panic::resume_unwind(Box::new(())),
            Fault::Refuse(status, reason) => Some(error(status, reason, "a fault of the proxy")),
        }
    }

    async fn forward(&self, method: Method, uri: &Uri, body: Bytes) -> Response {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.upstream);
        // The emulator resets a connection now and then, and refuses one of two that make a view or change a dataset at
        // once, as BigQuery does not. What it had taken by then it knows by its id or its name.
        let mut tries = 0;
        loop {
            let request = self.client.request(method.clone(), &url).body(body.clone());
            let failed = match request.header("content-type", "application/json").send().await {
                Ok(sent) => {
                    let status = StatusCode::from_u16(sent.status().as_u16()).unwrap();
                    let body = sent.bytes().await.unwrap();
                    let said = String::from_utf8_lossy(&body);
                    let conflict = ["write-write conflict", "Conflict on update"];
                    if status.is_success() || !conflict.iter().any(|it| said.contains(it)) {
                        let kind = [("content-type", "application/json")];
                        return (status, kind, Body::from(body)).into_response();
                    }
                    said.into_owned()
                }
                Err(gone) => gone.to_string(),
            };
            if tries == 5 {
                return error(503, "backendError", &failed);
            }
            tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            tries += 1;
        }
    }
}

async fn handle(
    State((shared, door)): State<(Arc<Shared>, Arc<str>)>,
    method: Method,
    uri: Uri,
    _headers: HeaderMap,
    body: Bytes,
) -> Response {
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let label = json.pointer("/configuration/labels/statement").and_then(Value::as_str);
    let number = {
        let mut inner = shared.inner();
        inner.requests += 1;
        inner.requests
    };
    let mut passing =
        Passing { number, door, label: label.unwrap_or_default().to_owned(), phase: Phase::Before };
    if let Some(refused) = shared.strike(&passing) {
        return refused;
    }
    let path: Vec<&str> =
        uri.path().trim_start_matches("/bigquery/v2/projects/").split('/').collect();
    let is_dry = json.pointer("/configuration/dryRun").is_some_and(|dry| dry == true);
    let answer = match (method.as_str(), &path[1..]) {
        ("POST", ["jobs"]) if !is_dry => job::insert(&shared, passing.door.clone(), &uri, &json),
        ("GET", ["jobs", id]) => job::get(&shared, id, &uri).await,
        ("POST", ["jobs", id, "cancel"]) => job::cancel(&shared, id, &uri).await,
        ("GET", ["queries", id]) => job::results(&shared, id, &uri).await,
        _ => shared.forward(method, &uri, body).await,
    };
    passing.phase = Phase::After;
    shared.strike(&passing).unwrap_or(answer)
}

/// An error as BigQuery writes it.
fn error(status: u16, reason: &str, message: &str) -> Response {
    let body = json!({"error": {
        "code": status,
        "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}],
    }});
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}
