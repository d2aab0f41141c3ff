//! A deployment on this machine: the four programs as processes of their own, over emulators and fakes.

mod aims;
mod execution;
mod pushes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::process::child::Program;
use serde_json::{Value as Json, json};
use tokio::process::Command;

use crate::fakes::{Fake, cloud_run, kms};
use crate::judges::{BigQueryEmulator, bin, http, python};
use crate::oidc::signer::Signer;
use crate::proxy::{Kind, Proxy, Rules};
use crate::pubsub::emulator::{Emulator, emulator};
use aims::Aims;
use execution::Executions;

pub const OPERATOR: &str = "operator@p.iam.gserviceaccount.com";
pub const CLOCK: &str = "clock@p.iam.gserviceaccount.com";
pub const PUSHER: &str = "push@p.iam.gserviceaccount.com";
const WRITERS: &str = "onboard@p.iam.gserviceaccount.com,trigger@p.iam.gserviceaccount.com,\
                       scheduler@p.iam.gserviceaccount.com,pipeline@p.iam.gserviceaccount.com";
const SOON: Duration = Duration::from_mins(1);
/// Longer than a server takes for any answer, which it gives up after a minute.
const ANSWERED: Duration = Duration::from_mins(3);

/// How a deployment is made.
pub struct Setup {
    /// What its topics begin with.
    pub name: &'static str,
    /// The folder of plans and templates.
    pub configs: PathBuf,
    /// See [`Rules::latency`].
    pub latency: fn(Kind) -> Duration,
    /// How long an execution may take to begin, in seconds.
    pub start_within: &'static str,
}

/// One of the three servers.
pub struct Server {
    /// What its callers' tokens are for.
    pub audience: String,
    name: &'static str,
    variables: Variables,
    address: SocketAddr,
    program: Program,
    aims: Arc<Aims>,
}

/// The whole.
pub struct Deployment {
    pub onboard: Server,
    pub trigger: Server,
    pub scheduler: Server,
    /// The executions of the job.
    pub executions: Running,
    /// What stands before BigQuery. Each server has a door of its name, each execution one of its run's id.
    pub proxy: Proxy,
    /// Who dies where.
    pub aims: Arc<Aims>,
    /// BigQuery itself.
    pub bigquery: BigQueryEmulator,
    signer: Arc<Signer>,
    _pushed: Pushed,
    _kms: Fake,
    _run: Fake,
}

/// What is pushed to the servers, as long as the deployment is there.
struct Pushed(&'static Emulator, Vec<String>);

impl Drop for Pushed {
    fn drop(&mut self) {
        for subscription in &self.1 {
            self.0.forget(subscription);
        }
    }
}

/// The executions, as long as the deployment is there.
pub struct Running(pub Arc<Executions>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Variables = BTreeMap<String, String>;

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

impl Deployment {
    /// Starts everything; the control dataset is there, and no tenant.
    pub async fn start(setup: Setup) -> Self {
        let (bigquery, signer, pubsub) =
            tokio::join!(BigQueryEmulator::start(), Signer::start(), emulator());
        bigquery.control().await;
        let aims = Arc::<Aims>::default();
        let aimed = aims.clone();
        let rules = Rules {
            latency: setup.latency,
            fault: Arc::new(move |passing| aimed.fault(passing)),
            ..Rules::default()
        };
        let proxy = Proxy::start(&bigquery.url, rules);
        let signer = Arc::new(signer);
        let topic = async |name| pubsub.topic(&format!("{}-{name}", setup.name)).await;
        let topics = [topic("run-requests").await, topic("run-events").await];
        let everywhere = variables([
            ("GOOGLE_CLOUD_PROJECT", "local"),
            ("BIGQUERY_LOCATION", "US"),
            ("CONFIGS_DIR", setup.configs.to_str().unwrap()),
            ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
            ("RUN_REQUESTS_TOPIC", &topics[0]),
            ("RUN_EVENTS_TOPIC", &topics[1]),
            ("PUBSUB_ENDPOINT", &pubsub.url),
        ]);
        let executions = Arc::new(Executions::default());
        let (settings, all) = (everywhere.clone(), executions.clone());
        let (doors, aimed) = (proxy.doors(), aims.clone());
        let run = cloud_run::serve(move |started| {
            aimed.begins(&started.variables["RUN_ID"]);
            let mut settings = settings.clone();
            settings
                .insert("BIGQUERY_ENDPOINT".to_owned(), doors.open(&started.variables["RUN_ID"]));
            execution::begin(started, settings, &all, &aimed);
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
            ("DATASET_WRITERS", WRITERS),
            ("PIPELINE_JOB", cloud_run::JOB),
            ("RUN_ENDPOINT", &run.url),
            ("START_WITHIN_SECONDS", setup.start_within),
        ]));
        let [onboard, trigger, scheduler] = ["onboard", "trigger", "scheduler"].map(|name| {
            let mut variables = of_servers.clone();
            variables.insert("BIGQUERY_ENDPOINT".to_owned(), proxy.doors().open(name));
            Server::start(name, variables, &aims)
        });
        let mut pushed = Pushed(pubsub, Vec::new());
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
            pushed.1.push(pubsub.subscription(&name, settings).await);
        }
        let executions = Running(executions);
        Self {
            onboard,
            trigger,
            scheduler,
            executions,
            proxy,
            aims,
            bigquery,
            signer,
            _pushed: pushed,
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
        // What dashboards and alerts are made of.
        for (message, field) in [
            ("the tick has ended", "lag_seconds"),
            ("the queue was passed over", "oldest_wait_seconds"),
            ("the run has ended", "status"),
        ] {
            let line = self.scheduler.program.logged(message, Duration::ZERO);
            assert!(line.is_some_and(|line| !line[field].is_null()), "no {field} of '{message}'");
        }
        let mut lines = self.scheduler.program.log();
        lines.retain(|line| line["message"] == "the run has ended" && line["written"] == true);
        assert!(lines.iter().any(|line| line["failure_kind"] == "LOST"), "{lines:#?}");
        let mut lines = self.scheduler.program.log();
        lines.retain(|line| line["path"] == "/api/v1/scheduler/trigger" && line["status"] == 200);
        assert!(lines.iter().all(|line| line["method"] == "POST") && !lines.is_empty());
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
    fn start(name: &'static str, mut variables: Variables, aims: &Arc<Aims>) -> Self {
        let audience = format!("https://{name}.test");
        variables.insert("OIDC_AUDIENCE".to_owned(), audience.clone());
        let (program, address) = Self::begin(name, &variables, aims);
        variables.insert("PORT".to_owned(), address.port().to_string());
        Self { audience, name, variables, address, program, aims: aims.clone() }
    }

    fn begin(name: &str, variables: &Variables, aims: &Aims) -> (Program, SocketAddr) {
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let program = Program::start(bin(name), pairs).unwrap();
        aims.stands(name, program.id());
        let address = program.address(SOON);
        let address = address.unwrap_or_else(|| panic!("{name}: {:#?}", program.log()));
        (program, address)
    }

    /// Starts it again where it was, as Cloud Run does with an instance that died.
    pub fn restart(&mut self) {
        let deadline = Instant::now() + SOON;
        while !self.program.has_ended().unwrap() {
            assert!(Instant::now() < deadline, "{} was killed", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
        let (program, address) = Self::begin(self.name, &self.variables, &self.aims);
        assert_eq!(address, self.address);
        self.program = program;
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it logged as errors.
    pub fn errors(&self) -> Vec<Json> {
        let mut lines = self.program.log();
        lines.retain(|line| line["severity"] == "ERROR");
        lines
    }

    /// Calls a route; answers the status and the body.
    pub async fn call(
        &self,
        route: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Json>,
    ) -> (u16, Json) {
        self.ask(route, headers, body).await.unwrap()
    }

    /// Calls a route of a server that may die meanwhile.
    pub async fn ask(
        &self,
        route: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Json>,
    ) -> reqwest::Result<(u16, Json)> {
        let (method, path) = route;
        let url = format!("{}{path}", self.url());
        let mut request = http().request(method.parse().unwrap(), url).timeout(ANSWERED);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Json::String(text))))
    }
}
