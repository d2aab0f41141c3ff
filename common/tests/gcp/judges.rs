//! Starts the judges: each in a process and a folder of its own, on free ports of this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::clock::Chance;
use common::gcp::Access;
use common::gcp::bigquery::{BigQuery, Client, Place};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

/// Who starts several processes, or counts on time, has the machine alone.
pub static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const INSTALL: &str = "run .ci/judges, which installs it";

/// Where `.ci/judges` installs to.
pub fn home() -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/headgate/judges")
}

/// The Python that has the judges' packages.
pub fn python() -> PathBuf {
    let python = home().join("venv/bin/python");
    assert!(python.exists(), "{} is not there: {INSTALL}", python.display());
    python
}

/// Google's discovery documents, one JSON file a service.
pub fn discovery_documents() -> PathBuf {
    let lib = home().join("venv/lib");
    let found = std::fs::read_dir(&lib)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("site-packages/googleapiclient/discovery_cache/documents"))
        .find(|path| path.is_dir());
    found.unwrap_or_else(|| panic!("no discovery documents below {}: {INSTALL}", lib.display()))
}

/// A binary of this workspace, which lies beside the tests' own.
pub fn bin(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(Path::parent).expect("the target folder");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// The BigQuery emulator `local-bigquery`, empty, with the project `local`. It ends with this value.
pub struct BigQueryEmulator {
    /// Where it is reached.
    pub url: String,
    child: Child,
    data: tempfile::TempDir,
}

impl Drop for BigQueryEmulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl BigQueryEmulator {
    /// Starts it and waits until it answers.
    pub async fn start() -> Self {
        // In memory where that can be: most of its time goes into files otherwise.
        let memory = Path::new("/dev/shm");
        let data = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let data = data.expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../common/tests/gcp/judges/serve_bigquery.py");
        let log = data.path().join("log");
        for _ in 0..3 {
            let port = free_port();
            let file = std::fs::File::create(&log).expect("a log");
            let mut child = Command::new(python())
                .arg(&script)
                .args(["serve", "--host", "127.0.0.1", "--project", "local", "--port"])
                .arg(port.to_string())
                .arg("--grpc-port")
                .arg(free_port().to_string())
                .arg("--data-dir")
                .arg(data.path().join("data"))
                // It leaves when this end is closed, also where the test is killed.
                .stdin(Stdio::piped())
                .stdout(file.try_clone().expect("a log"))
                .stderr(file)
                .spawn()
                .expect("python");
            let url = format!("http://127.0.0.1:{port}");
            let ready = format!("{url}/bigquery/v2/projects/local/datasets");
            if answers(&ready, Duration::from_secs(30)).await {
                return Self { url, child, data };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        panic!("the BigQuery emulator does not answer:\n{log}");
    }

    /// The adapter over it.
    pub async fn warehouse(&self) -> BigQuery {
        BigQuery::new(client(&self.url).await)
    }

    /// Where the file of a `gs://` URI lies.
    pub fn file(&self, uri: &str) -> PathBuf {
        let name = uri.strip_prefix("gs://").expect("a URI of Cloud Storage");
        self.data.path().join("data/gcs").join(name)
    }

    /// Makes the control dataset with its tables.
    pub async fn control(&self) {
        self.dataset("tenants", common::state::tables::control().expect("tables")).await;
    }

    /// Makes a tenant's dataset with its tables.
    pub async fn tenant(&self, name: &str) {
        self.dataset(name, common::state::tables::tenant().expect("tables")).await;
    }

    /// Makes a tenant's dataset with the table of its runs alone.
    pub async fn tenant_of_runs(&self, name: &str) {
        let mut tables = common::state::tables::tenant().expect("tables");
        tables.retain(|(name, _)| *name == "x_meta_pipeline_runs");
        self.dataset(name, tables).await;
    }

    async fn dataset(&self, name: &str, tables: Vec<common::state::tables::Named>) {
        let dataset = serde_json::json!({"projectId": "local", "datasetId": name});
        self.post("datasets", serde_json::json!({"datasetReference": dataset})).await;
        let id = common::warehouse::DatasetName::parse(name).expect("a dataset's name");
        for (table, definition) in tables {
            let mut body = serde_json::to_value(definition.in_dataset(&id)).expect("JSON");
            body["tableReference"] =
                serde_json::json!({"projectId": "local", "datasetId": name, "tableId": table});
            if let Some(view) = body.get_mut("view") {
                view["useLegacySql"] = false.into();
                body.as_object_mut().expect("an object").remove("schema");
            }
            self.post(&format!("datasets/{name}/tables"), body).await;
        }
    }

    /// Runs a statement and waits for it.
    pub async fn sql(&self, sql: &str) -> Json {
        let body = serde_json::json!({"query": sql, "useLegacySql": false});
        self.post("queries", body).await
    }

    /// Takes a dataset away, with its tables: each of them makes every statement of the emulator slower.
    pub async fn delete(&self, dataset: &str) {
        let path = format!("datasets/{dataset}?deleteContents=true");
        let url = format!("{}/bigquery/v2/projects/local/{path}", self.url);
        let answer = http().delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{dataset}: {}", answer.status());
    }

    /// The one number that a query answers.
    pub async fn count(&self, sql: &str) -> i64 {
        let answer = self.sql(sql).await;
        let cell = answer.pointer("/rows/0/f/0/v").and_then(Json::as_str);
        cell.and_then(|cell| cell.parse().ok()).unwrap_or_else(|| panic!("{sql}: {answer}"))
    }

    async fn post(&self, path: &str, body: Json) -> Json {
        let url = format!("{}/bigquery/v2/projects/local/{path}", self.url);
        let answer = http().post(url).json(&body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success(), "{path} {body}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// A client of an emulator.
pub async fn client(url: &str) -> Client {
    let access = Access::new(Some(url)).expect("an endpoint");
    let place = Place { project: "local".to_owned(), location: "US".to_owned(), service: "test" };
    Client::connect(&access, place, Chance::system()).await.expect("a client")
}

/// A client of HTTP.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// Whether a URL answers with success within a time.
pub async fn answers(url: &str, within: Duration) -> bool {
    let (client, deadline) = (http(), Instant::now() + within);
    while Instant::now() < deadline {
        if client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}
