//! A deployment on this machine: the four programs as processes of their own, over emulators and fakes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::process::child::Program;
use serde_json::{Value as Json, json};
use tokio::process::Command;

use super::execution::{self, Executions};
use super::pushes;
use crate::fakes::{Fake, cloud_run, kms};
use crate::judges::{BigQueryEmulator, bin, http, python};
use crate::oidc::signer::Signer;
use crate::proxy::{Kind, Proxy, Rules};
use crate::pubsub::emulator::emulator;

pub const OPERATOR: &str = "operator@p.iam.gserviceaccount.com";
pub const CLOCK: &str = "clock@p.iam.gserviceaccount.com";
pub const PUSHER: &str = "push@p.iam.gserviceaccount.com";
const SOON: Duration = Duration::from_mins(1);

/// One of the three servers.
pub struct Server {
    /// What its callers' tokens are for.
    pub audience: String,
    address: SocketAddr,
    program: Program,
}

/// The whole.
pub struct Deployment {
    pub onboard: Server,
    pub trigger: Server,
    pub scheduler: Server,
    /// The executions of the job.
    pub executions: Running,
    /// What stands before BigQuery.
    pub proxy: Proxy,
    signer: Arc<Signer>,
    bigquery: BigQueryEmulator,
    _kms: Fake,
    _run: Fake,
}

/// The executions, as long as the deployment is there.
pub struct Running(pub Arc<Executions>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Long enough that something can happen to a run while its statement is under way.
fn latency(kind: Kind) -> Duration {
    Duration::from_millis(match kind {
        Kind::Mutation | Kind::Other => 300,
        Kind::Select | Kind::Insert => 30,
    })
}

type Variables = BTreeMap<String, String>;

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

impl Deployment {
    /// Starts everything; the control dataset is there, and no tenant.
    pub async fn start() -> Self {
        let (bigquery, signer, pubsub) =
            tokio::join!(BigQueryEmulator::start(), Signer::start(), emulator());
        bigquery.control().await;
        let proxy = Proxy::start(&bigquery.url, Rules { latency, ..Rules::default() }).await;
        let signer = Arc::new(signer);
        let topics = [pubsub.topic("e2e-run-requests").await, pubsub.topic("e2e-run-events").await];
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let everywhere = variables([
            ("GOOGLE_CLOUD_PROJECT", "local"),
            ("BIGQUERY_LOCATION", "US"),
            ("BIGQUERY_ENDPOINT", &proxy.url),
            ("CONFIGS_DIR", configs.to_str().unwrap()),
            ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
            ("RUN_REQUESTS_TOPIC", &topics[0]),
            ("RUN_EVENTS_TOPIC", &topics[1]),
            ("PUBSUB_ENDPOINT", &pubsub.url),
        ]);
        let executions = Arc::new(Executions::default());
        let (settings, all) = (everywhere.clone(), executions.clone());
        let run = cloud_run::serve(move |started| {
            execution::begin(started, settings.clone(), &all);
        })
        .await;
        let kms = kms::serve().await;
        let mut of_servers = everywhere;
        of_servers.extend(variables([
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("OIDC_ISSUER", &signer.issuer),
            ("OIDC_JWKS_URL", &signer.jwks_url),
            ("OPERATOR_EMAILS", OPERATOR),
            ("SCHEDULER_EMAIL", CLOCK),
            ("PUSH_EMAIL", PUSHER),
            ("KMS_KEY", kms::KEY),
            ("KMS_ENDPOINT", &kms.url),
            ("PIPELINE_JOB", cloud_run::JOB),
            ("RUN_ENDPOINT", &run.url),
            ("START_WITHIN_SECONDS", "60"),
        ]));
        let [onboard, trigger, scheduler] =
            ["onboard", "trigger", "scheduler"].map(|name| Server::start(name, &of_servers));
        for (server, topic, route) in [
            (&trigger, &topics[0], "/internal/run-requests"),
            (&scheduler, &topics[1], "/internal/run-events"),
        ] {
            let target = format!("http://{}{route}", server.address);
            let endpoint = pushes::signed(signer.clone(), &server.audience, target).await;
            let settings = json!({
                "topic": topic,
                "pushConfig": {"pushEndpoint": endpoint},
                "ackDeadlineSeconds": 60,
                "retryPolicy": {"minimumBackoff": "0.2s", "maximumBackoff": "2s"},
            });
            let name = format!("{}-push", topic.rsplit('/').next().unwrap());
            pubsub.subscription(&name, settings).await;
        }
        let executions = Running(executions);
        Self {
            onboard,
            trigger,
            scheduler,
            executions,
            proxy,
            signer,
            bigquery,
            _kms: kms,
            _run: run,
        }
    }

    /// A token of an account for a server.
    pub async fn token(&self, account: &str, server: &Server) -> String {
        self.signer.token(account, &server.audience).await
    }

    /// Runs `tables.py` against the emulator, beside the programs.
    pub async fn tables(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gcp/judges/tables.py");
        let mut command = Command::new(python());
        let output = command.arg(script).arg(&self.bigquery.url).args(arguments).output();
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rows of a query as Google's client reads them, every value a text.
    pub async fn read(&self, sql: &str) -> Vec<Json> {
        serde_json::from_str(&self.tables(&["read", sql]).await).unwrap()
    }

    /// Stops the servers; each lets its requests end and says that all is well.
    pub fn stop(self) {
        for Server { program, audience, .. } in [self.onboard, self.trigger, self.scheduler] {
            program.terminate().unwrap();
            let (status, log) = program.ended(Duration::from_secs(10)).unwrap();
            assert_eq!(status.code(), Some(0), "{audience}: {log:#?}");
            let errors: Vec<_> = log.iter().filter(|line| line["severity"] == "ERROR").collect();
            assert!(errors.is_empty(), "{audience}: {errors:#?}");
        }
    }
}

impl Server {
    fn start(name: &str, variables: &Variables) -> Self {
        let audience = format!("https://{name}.test");
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs = pairs.chain([("OIDC_AUDIENCE", audience.as_str())]);
        let program = Program::start(bin(name), pairs).unwrap();
        let address = program.address(SOON);
        let address = address.unwrap_or_else(|| panic!("{name}: {:#?}", program.log()));
        Self { audience, address, program }
    }

    /// Calls a route; answers the status and the body.
    pub async fn call(
        &self,
        route: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Json>,
    ) -> (u16, Json) {
        let (method, path) = route;
        let url = format!("http://{}{path}", self.address);
        let mut request = http().request(method.parse().unwrap(), url).timeout(SOON);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }
}
