//! Jobs that take their time, and the queue of each table.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::statement::{Kind, Statement};
use super::{Shared, Table, error};

/// BigQuery's limits for the mutating statements of one table.
const RUNNING: usize = 2;
const QUEUED: usize = 20;

/// A job that went through here.
#[derive(Clone)]
pub(super) struct JobEntry {
    body: Value,
    stage: watch::Sender<Stage>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Pending,
    Running,
    /// The emulator has it, and has ended it.
    Forwarded,
    /// It failed here, for a reason with a message.
    Failed(&'static str, String),
}

impl Stage {
    fn is_over(&self) -> bool {
        matches!(self, Self::Forwarded | Self::Failed(..))
    }
}

/// Takes a job in and answers that it is pending.
pub(super) fn insert(shared: &Arc<Shared>, door: Arc<str>, uri: &Uri, body: &Value) -> Response {
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text("/jobReference/jobId");
    let label = text("/configuration/labels/statement");
    let statement = Statement::read(door, &label, &text("/configuration/query/query"));
    if statement.refused {
        let message = "Correlated Subquery is unsupported in MERGE conditions and actions.";
        return error(400, "invalidQuery", message);
    }
    let (entry, position) = {
        let mut inner = shared.inner();
        if inner.jobs.contains_key(&id) {
            return error(409, "duplicate", &format!("Already Exists: Job local:US.{id}"));
        }
        inner.seen.push(statement.clone());
        let position = enqueue(&mut inner.tables, &statement);
        let entry = JobEntry { body: body.clone(), stage: watch::Sender::new(Stage::Pending) };
        inner.jobs.insert(id.clone(), entry.clone());
        (entry, position)
    };
    let answer = described(&entry);
    let (shared, uri) = (shared.clone(), uri.clone());
    tokio::spawn(async move {
        let end = match position {
            Position::Refused => {
                let message = format!(
                    "Resources exceeded during query execution: Too many DML statements outstanding against table \
                     local:{}, limit is 20.",
                    statement.table
                );
                Stage::Failed("resourcesExceeded", message)
            }
            Position::Free => run(&shared, &uri, &entry, &statement).await,
            Position::Queued(table) => {
                let mut changes = table.subscribe();
                let mut others = 0;
                // Woken with each end, whoever is first takes the place.
                while !table.send_if_modified(|t| {
                    let free = t.running < RUNNING;
                    if free {
                        others = t.running;
                        t.running += 1;
                        t.queued -= 1;
                    }
                    free
                }) {
                    changes.changed().await.unwrap();
                }
                let end = if others > 0 && abort(&shared) {
                    let message = format!(
                        "Could not serialize access to table local:{} due to concurrent update",
                        statement.table
                    );
                    Stage::Failed("invalidQuery", message)
                } else {
                    run(&shared, &uri, &entry, &statement).await
                };
                table.send_modify(|t| t.running -= 1);
                end
            }
        };
        entry.stage.send_if_modified(|stage| {
            // What was cancelled stays so.
            let open = !stage.is_over();
            if open {
                *stage = end;
            }
            open
        });
    });
    answer
}

enum Position {
    Free,
    Queued(watch::Sender<Table>),
    Refused,
}

fn enqueue(
    tables: &mut std::collections::HashMap<String, watch::Sender<Table>>,
    statement: &Statement,
) -> Position {
    if statement.kind != Kind::Mutation {
        return Position::Free;
    }
    let table = tables.entry(statement.table.clone()).or_default();
    let Table { running, queued } = *table.borrow();
    if running + queued >= RUNNING + QUEUED {
        return Position::Refused;
    }
    table.send_modify(|t| t.queued += 1);
    Position::Queued(table.clone())
}

fn abort(shared: &Shared) -> bool {
    let mut inner = shared.inner();
    let aborts = inner.aborts < shared.rules.aborts;
    inner.aborts += usize::from(aborts);
    aborts
}

/// Waits as long as the statement takes, gives it to the emulator, and waits for its end there.
async fn run(shared: &Shared, uri: &Uri, entry: &JobEntry, statement: &Statement) -> Stage {
    entry.stage.send_if_modified(|stage| {
        let pending = *stage == Stage::Pending;
        if pending {
            *stage = Stage::Running;
        }
        pending
    });
    tokio::time::sleep((shared.rules.latency)(statement.kind)).await;
    if entry.stage.borrow().is_over() {
        return Stage::Failed("stopped", "Job execution was cancelled".to_owned());
    }
    let body = Bytes::from(entry.body.to_string());
    let taken = shared.forward(Method::POST, uri, body).await;
    if !taken.status().is_success() && taken.status() != StatusCode::CONFLICT {
        let (parts, body) = taken.into_parts();
        let text = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap_or_default();
        let message = json.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        let reason = if parts.status == 404 { "notFound" } else { "invalidQuery" };
        return Stage::Failed(reason, message.to_owned());
    }
    let id = entry.body.pointer("/jobReference/jobId").and_then(Value::as_str).unwrap_or_default();
    loop {
        let uri = format!("/bigquery/v2/projects/local/jobs/{id}").parse().unwrap();
        let asked = shared.forward(Method::GET, &uri, Bytes::new()).await;
        let job = axum::body::to_bytes(asked.into_body(), usize::MAX).await.unwrap();
        let job: Value = serde_json::from_slice(&job).unwrap();
        if job.pointer("/status/state").is_none_or(|state| state == "DONE") {
            return Stage::Forwarded;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn described(entry: &JobEntry) -> Response {
    let (state, failed) = match &*entry.stage.borrow() {
        Stage::Pending => ("PENDING", None),
        Stage::Running => ("RUNNING", None),
        Stage::Forwarded => ("DONE", None),
        Stage::Failed(reason, message) => {
            ("DONE", Some(json!({"reason": reason, "message": message})))
        }
    };
    let mut status = json!({"state": state});
    if let Some(failed) = failed {
        status["errorResult"] = failed;
    }
    let mut body = entry.body.clone();
    body["status"] = status;
    body["kind"] = "bigquery#job".into();
    Json(body).into_response()
}

fn entry(shared: &Shared, id: &str) -> Option<JobEntry> {
    shared.inner().jobs.get(id).cloned()
}

/// A job as it stands; the emulator describes what it has ended, and what it got otherwise.
pub(super) async fn get(shared: &Shared, id: &str, uri: &Uri) -> Response {
    match entry(shared, id) {
        Some(entry) if *entry.stage.borrow() != Stage::Forwarded => described(&entry),
        _ => shared.forward(Method::GET, uri, Bytes::new()).await,
    }
}

/// Ends a job that has had no effect yet.
pub(super) async fn cancel(shared: &Shared, id: &str, uri: &Uri) -> Response {
    let Some(entry) = entry(shared, id) else {
        return shared.forward(Method::POST, uri, Bytes::new()).await;
    };
    entry.stage.send_if_modified(|stage| {
        let open = !stage.is_over();
        if open {
            *stage = Stage::Failed("stopped", "Job execution was cancelled".to_owned());
        }
        open
    });
    Json(json!({"kind": "bigquery#jobCancelResponse"})).into_response()
}

/// A query's rows, waited for as long as the call asks.
pub(super) async fn results(shared: &Shared, id: &str, uri: &Uri) -> Response {
    let Some(entry) = entry(shared, id) else {
        return shared.forward(Method::GET, uri, Bytes::new()).await;
    };
    let query = uri.query().unwrap_or_default();
    let wait = query.split('&').find_map(|pair| pair.strip_prefix("timeoutMs="));
    let wait = Duration::from_millis(wait.and_then(|ms| ms.parse().ok()).unwrap_or(10_000));
    let mut stage = entry.stage.subscribe();
    let over = tokio::time::timeout(wait, stage.wait_for(Stage::is_over)).await;
    let over = over.map(|stage| stage.unwrap().clone());
    match over {
        Err(_) => {
            let reference = entry.body["jobReference"].clone();
            Json(json!({"jobComplete": false, "jobReference": reference})).into_response()
        }
        Ok(Stage::Failed(reason, message)) => error(400, reason, &message),
        Ok(_) => shared.forward(Method::GET, uri, Bytes::new()).await,
    }
}
