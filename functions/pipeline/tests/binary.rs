//! The program itself: what it says of its settings, and how it ends.

use std::net::TcpListener;
use std::time::Duration;

use common::process::child::{Program, tells};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pipeline");
const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
const SOON: Duration = Duration::from_secs(30);
/// What Cloud Run gives a process to stop.
const STOP: Duration = Duration::from_secs(10);

const SETTINGS: &[(&str, &str)] = &[
    ("GOOGLE_CLOUD_PROJECT", "my-project"),
    ("BIGQUERY_LOCATION", "EU"),
    ("BIGQUERY_ENDPOINT", "http://127.0.0.1:9"),
    ("CONFIGS_DIR", CONFIGS),
    ("RUN_REQUESTS_TOPIC", "projects/p/topics/run-requests"),
    ("RUN_EVENTS_TOPIC", "projects/p/topics/run-events"),
    ("PUBSUB_EMULATOR_HOST", "127.0.0.1:9"),
    ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
    ("RUN_ID", "00000000-0000-0000-0000-000000000007"),
    ("TENANT_ID", "acme"),
    ("ATTEMPT", "1"),
    ("CLOUD_RUN_EXECUTION", "pipeline-x7k2p"),
];

fn changed<'v>(name: &'v str, value: &'v str) -> Vec<(&'v str, &'v str)> {
    let others = SETTINGS.iter().copied().filter(|(known, _)| *known != name);
    others.chain([(name, value)]).collect()
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let (status, log) = Program::start(PROGRAM, []).unwrap().ended(SOON).unwrap();
    assert_eq!(status.code(), Some(64), "{log:?}");
    let needed: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    let optional = ["BIGQUERY_ENDPOINT", "PUBSUB_EMULATOR_HOST"];
    let needed: Vec<&str> = needed.into_iter().filter(|name| !optional.contains(name)).collect();
    assert!(tells(&log, &needed), "{log:?}");
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["service"], "pipeline");
}

#[test]
fn what_is_bad_is_told_by_name_and_value() {
    for (name, bad) in [
        ("RUN_ID", "7"),
        ("TENANT_ID", "tenants"),
        ("ATTEMPT", "0"),
        ("BIGQUERY_ENDPOINT", "http://bigquery.example.com"),
        ("NOTIFY_HOSTS", "https://a.example"),
    ] {
        let (status, log) =
            Program::start(PROGRAM, changed(name, bad)).unwrap().ended(SOON).unwrap();
        assert_eq!(status.code(), Some(64), "{name}: {log:?}");
        assert!(tells(&log, &[name, bad]), "{name}: {log:?}");
    }
}

#[test]
fn a_signal_ends_it_though_the_state_is_away() {
    // Takes connections and never answers.
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", away.local_addr().unwrap());
    let program = Program::start(PROGRAM, changed("BIGQUERY_ENDPOINT", &endpoint)).unwrap();
    // The claim has begun.
    let _connection = away.accept().unwrap();
    program.terminate().unwrap();
    let (status, log) = program.ended(STOP).unwrap();
    assert_eq!(status.code(), Some(75), "{log:?}");
}
