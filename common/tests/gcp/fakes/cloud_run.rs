//! A Cloud Run of one job: what an execution does is up to who starts the fake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::discovery::Document;
use super::{Answer, Call, Fake, Refused};

/// The job that this service has.
pub const JOB: &str = "projects/p/locations/europe-west1/jobs/pipeline";

/// An execution that was started: it runs until this is ended or dropped.
pub struct Started {
    /// Its short name, which the container is told as `CLOUD_RUN_EXECUTION`.
    pub name: String,
    /// The name of the container.
    pub container: String,
    /// The container's variables.
    pub variables: BTreeMap<String, String>,
    /// After this it is ended from outside.
    pub timeout: Duration,
    /// Becomes true when it is asked to stop.
    pub cancelled: watch::Receiver<bool>,
    executions: Executions,
}

type Executions = Arc<Mutex<BTreeMap<String, Execution>>>;

struct Execution {
    ended: bool,
    cancel: watch::Sender<bool>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(execution) = self.executions.lock().unwrap().get_mut(&self.name) {
            execution.ended = true;
        }
    }
}

/// Starts it. `on_run` is told each execution when it starts.
pub async fn serve(on_run: impl Fn(Started) + Send + Sync + 'static) -> Fake {
    let executions = Executions::default();
    let document = Document::read("run.v2");
    Fake::serve("run.v2", move |call| {
        let method = call.method.trim_start_matches("run.projects.locations.jobs.");
        match (method, call.name.strip_prefix(&format!("{JOB}/executions/"))) {
            ("run", _) if call.name == JOB => run(&document, &executions, call, &on_run),
            ("executions.get", Some(name)) => {
                let executions = executions.lock().unwrap();
                let found = executions.get(name).ok_or(missing())?;
                Ok(described(name, found.ended))
            }
            ("executions.cancel", Some(name)) => {
                let executions = executions.lock().unwrap();
                let found = executions.get(name).ok_or(missing())?;
                if found.ended {
                    let message = "the execution has ended";
                    return Err(Refused(400, "FAILED_PRECONDITION", message));
                }
                found.cancel.send_replace(true);
                Ok(operation(described(name, false)))
            }
            _ => Err(missing()),
        }
    })
    .await
}

fn run(
    document: &Document,
    executions: &Executions,
    call: &Call,
    on_run: impl Fn(Started),
) -> Answer {
    let overrides = &call.body["overrides"];
    let [container] = &overrides["containerOverrides"].as_array().unwrap()[..] else {
        return Err(Refused(400, "INVALID_ARGUMENT", "one container is overridden"));
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = container["env"].as_array().unwrap().iter();
    let variables = variables.map(|of| (text(&of["name"]), text(&of["value"]))).collect();
    let timeout = text(&overrides["timeout"]);
    let (cancel, cancelled) = watch::channel(false);
    let name = {
        let mut executions = executions.lock().unwrap();
        let name = format!("pipeline-x{}", executions.len());
        executions.insert(name.clone(), Execution { ended: false, cancel });
        name
    };
    let answer = described(&name, false);
    assert_eq!(document.wrong("GoogleCloudRunV2Execution", &answer), [""; 0]);
    on_run(Started {
        name,
        container: text(&container["name"]),
        variables,
        timeout: Duration::from_secs(timeout.trim_end_matches('s').parse().unwrap()),
        cancelled,
        executions: executions.clone(),
    });
    Ok(operation(answer))
}

/// An execution as the service describes it, with its project by number.
fn described(name: &str, ended: bool) -> Value {
    let mut answer = json!({
        "name": format!("{}/executions/{name}", JOB.replace("/p/", "/12345/")),
        "uid": "9f1c",
        "job": "pipeline",
        "createTime": "2025-11-17T08:00:00.5Z",
        "taskCount": 1,
        "launchStage": "GA",
    });
    if ended {
        answer["completionTime"] = json!("2025-11-17T08:01:00Z");
    }
    answer
}

fn operation(mut execution: Value) -> Value {
    execution["@type"] = json!("type.googleapis.com/google.cloud.run.v2.Execution");
    let name = "projects/p/locations/europe-west1/operations/op-1";
    json!({"name": name, "metadata": execution, "done": false})
}

fn missing() -> Refused {
    Refused(404, "NOT_FOUND", "no such resource")
}
