//! Four trigger processes over one BigQuery with its documented limits and 1.2 s a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use common::clock::{Chance, Clock};
use common::gcp::cloud_run::CloudRunJobs;
use common::gcp::state::State;
use common::port::PortError;
use common::process::child::Program;
use common::state::{Ledger, Runs};
use common::submit::{Gate, Policy, Request, submit};
use common::tenant::UserId;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::fakes::{self, Fake};
use crate::judges::{BigQueryEmulator, TURN, bin, http};
use crate::proxy::{Kind, Proxy, Rules};
use crate::tenants::{PROFESSIONAL, Tables, Tenant, tenants};

const SOON: Duration = Duration::from_secs(30);

/// Executions that are told of and do nothing.
async fn jobs() -> (Fake, Arc<Mutex<Vec<String>>>) {
    let launched = Arc::new(Mutex::new(Vec::new()));
    let told = launched.clone();
    let fake = fakes::cloud_run::serve(move |started| {
        told.lock().unwrap().push(started.variables["RUN_ID"].clone());
    });
    (fake.await, launched)
}

/// A trigger process, and where it serves.
fn trigger(bigquery: &str, jobs: &str) -> (Program, String) {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let variables = [
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("GOOGLE_CLOUD_PROJECT", "local"),
        ("BIGQUERY_LOCATION", "US"),
        ("BIGQUERY_ENDPOINT", bigquery),
        ("CONFIGS_DIR", configs.to_str().unwrap()),
        ("OIDC_AUDIENCE", "https://trigger.example.com"),
        ("PIPELINE_JOB", fakes::cloud_run::JOB),
        ("RUN_ENDPOINT", jobs),
        ("PUSH_EMAIL", "push@p.iam.gserviceaccount.com"),
        ("LOG_FILTER", "info"),
    ];
    let program = Program::start(bin("trigger"), variables).unwrap();
    let address = program.address(SOON).expect("it serves");
    (program, format!("http://{address}"))
}

async fn ask(url: &str, tenant: &Tenant, idempotency: Option<&str>) -> (u16, Value) {
    let url = format!("{url}/api/v1/pipelines/run/{}/gcp/cost/billing", tenant.id);
    let mut request = http()
        .post(url)
        .header("x-api-key", &tenant.key)
        .header("x-user-id", "burst")
        .json(&json!({"date": "2025-11-16"}));
    if let Some(key) = idempotency {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Lists a tenant's runs, which a process has to know the key for.
async fn look(url: &str, tenant: &Tenant) -> u16 {
    let url = format!("{url}/api/v1/pipelines/runs/{}", tenant.id);
    let answer = http().get(url).header("x-api-key", &tenant.key).send().await.unwrap();
    answer.status().as_u16()
}

fn slow() -> Rules {
    let latency = |kind| match kind {
        Kind::Mutation => Duration::from_millis(1_200),
        Kind::Insert => Duration::from_millis(800),
        Kind::Select | Kind::Other => Duration::from_millis(300),
    };
    Rules { latency, ..Rules::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_four_processes_is_answered_by_few_statements() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    let many = tenants(&emulator, "many", 100, PROFESSIONAL, Tables::OfRuns).await;
    let alone = tenants(&emulator, "alone", 1, PROFESSIONAL, Tables::OfRuns).await.remove(0);
    let hungry = tenants(&emulator, "hungry", 1, PROFESSIONAL, Tables::OfRuns).await.remove(0);
    let proxy = Proxy::start(&emulator.url, slow());
    let (fake, launched) = jobs().await;
    let processes: Vec<_> = (0..4).map(|_| trigger(&proxy.url, &fake.url)).collect();
    let control = || proxy.seen().iter().filter(|s| s.is_control()).count();

    // Alone, and warm.
    let (status, answer) = ask(&processes[0].1, &alone, None).await;
    assert_eq!(status, 200, "{answer} {:?}", processes[0].0.log());
    proxy.forget();
    let (status, answer) = ask(&processes[0].1, &alone, None).await;
    assert_eq!(status, 200, "{answer}");
    println!("statements on tenants.* for one trigger, warm: {}", control());
    assert!(control() <= 2, "{:?}", proxy.by_label());

    // Two for each of a hundred tenants, over all processes, which have seen the keys.
    let seen = (0..200).map(|n| look(&processes[n % 4].1, &many[n / 2]));
    assert!(join_all(seen).await.iter().all(|status| *status == 200));
    proxy.forget();
    let asked = (0..200).map(|n| ask(&processes[n % 4].1, &many[n / 2], None));
    for (status, answer) in join_all(asked).await {
        assert_eq!(status, 200, "{answer}");
    }
    println!("statements on tenants.* for 200 triggers: {} {:?}", control(), proxy.by_label());
    assert!(control() < 40, "{:?}", proxy.by_label());
    let mut inserts: BTreeMap<String, usize> = BTreeMap::new();
    for statement in proxy.seen().iter().filter(|s| s.label == "runs_insert") {
        *inserts.entry(statement.table.clone()).or_default() += 1;
    }
    assert_eq!(inserts.len(), 100);
    // A tenant's two came to two processes, each with a batch of its own.
    assert!(inserts.values().all(|n| *n <= 2), "{inserts:?}");

    // One tenant's 200.
    proxy.forget();
    launched.lock().unwrap().clear();
    let asked = (0..200).map(|n| ask(&processes[n % 4].1, &hungry, None));
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    let mut runs = BTreeSet::new();
    for (status, answer) in join_all(asked).await {
        *answers.entry(status).or_default() += 1;
        if status < 300 {
            runs.insert(answer["pipeline_logging_id"].as_str().unwrap().to_owned());
        }
    }
    println!("one tenant's 200 at once: {answers:?}, {:?}", proxy.by_label());
    assert_eq!(answers, BTreeMap::from([(200, 3), (202, 22), (429, 175)]));
    assert_eq!(runs.len(), 25);
    assert_eq!(launched.lock().unwrap().len(), 3);
    let sent = proxy.seen().iter().filter(|s| s.label == "runs_insert").count();
    assert!(sent <= 8, "{sent} inserts: at most one for each batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_sent_to_two_processes_at_once_is_one_run() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    let tenant = tenants(&emulator, "twin", 1, PROFESSIONAL, Tables::OfRuns).await.remove(0);
    let proxy = Proxy::start(&emulator.url, slow());
    let (fake, launched) = jobs().await;
    let (one, two) = (trigger(&proxy.url, &fake.url), trigger(&proxy.url, &fake.url));
    let urls = [&one.1, &two.1];
    let asked = (0..8).map(|n| ask(urls[n % 2], &tenant, Some("same")));
    let answers = join_all(asked).await;
    let made: BTreeSet<String> = answers
        .iter()
        .filter(|(status, _)| *status == 200)
        .map(|(_, answer)| answer["pipeline_logging_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(answers.iter().all(|(status, _)| [200, 409].contains(status)), "{answers:?}");
    assert_eq!(made.len(), 1, "{answers:?}");
    assert_eq!(*launched.lock().unwrap(), Vec::from_iter(made), "one launch");
}

/// The row's INSERT reaches BigQuery when its time is over: no row, no launch, nothing counted.
#[tokio::test]
async fn a_recorder_that_stalls_past_its_time_launches_nothing() {
    let _turn = TURN.lock().await;
    let emulator = BigQueryEmulator::start().await;
    emulator.control().await;
    let tenant = tenants(&emulator, "stalled", 1, PROFESSIONAL, Tables::OfRuns).await.remove(0);
    let stall = |kind| match kind {
        Kind::Insert => Duration::from_secs(3),
        Kind::Mutation | Kind::Select | Kind::Other => Duration::ZERO,
    };
    let proxy = Proxy::start(&emulator.url, Rules { latency: stall, ..Rules::default() });
    let (fake, launched) = jobs().await;
    let access = common::gcp::Access::new(Some(&fake.url)).unwrap();
    let jobs = CloudRunJobs::new(&access, fakes::cloud_run::JOB, "pipeline").await.unwrap();
    let client = crate::state::client(&proxy.url).await;
    let state = Arc::new(State::new(client, Clock::system()));
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let gate = Gate {
        ledger: state.clone(),
        runs: state.clone(),
        jobs: Arc::new(jobs),
        templates: Arc::new(common::configs::Configs::read(&configs).unwrap().templates),
        clock: Clock::system(),
        chance: Chance::system(),
        policy: Policy { record_within: TimeDelta::seconds(2), ..Policy::default() },
    };
    let request = Request {
        tenant_id: tenant.id.clone(),
        user_id: UserId::parse("burst").unwrap(),
        provider: "gcp".to_owned(),
        domain: "cost".to_owned(),
        template: "billing".to_owned(),
        parameters: json!({"date": "2025-11-16"}).as_object().unwrap().clone(),
        slot: None,
        derived: None,
        priority: 100,
    };
    let answer = submit(&gate, &request).await;
    assert!(matches!(answer, Err(PortError::Unavailable(_))), "{answer:?}");
    assert!(launched.lock().unwrap().is_empty());
    let row = state.row(&tenant.id).await.unwrap().unwrap();
    assert!(row.account.days.values().all(|runs| *runs == 0), "{row:?}");
    assert!(state.unfinished(&tenant.id).await.unwrap().is_empty());
}
