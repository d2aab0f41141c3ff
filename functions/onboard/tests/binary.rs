//! The program itself: what it says of its settings, that it serves and stops.

use std::time::Duration;

use common::process::child::{Program, get, tells};

const PROGRAM: &str = env!("CARGO_BIN_EXE_onboard");
const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
const SOON: Duration = Duration::from_secs(30);
/// What Cloud Run gives a process to stop.
const STOP: Duration = Duration::from_secs(10);

const SETTINGS: &[(&str, &str)] = &[
    ("HOST", "127.0.0.1"),
    ("PORT", "0"),
    ("GOOGLE_CLOUD_PROJECT", "my-project"),
    ("BIGQUERY_LOCATION", "EU"),
    // Nobody listens there: a program begins without its services.
    ("BIGQUERY_ENDPOINT", "http://127.0.0.1:9"),
    ("CONFIGS_DIR", CONFIGS),
    ("OIDC_AUDIENCE", "https://onboard.example.com"),
    ("KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k"),
    ("KMS_ENDPOINT", "http://127.0.0.1:9"),
    ("OPERATOR_EMAILS", "ops@example.com"),
    ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
];

fn changed(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = SETTINGS.iter().copied().filter(|(known, _)| *known != name);
    others.chain([(name, value)]).collect()
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let (status, log) = Program::start(PROGRAM, []).unwrap().ended(SOON).unwrap();
    assert_eq!(status.code(), Some(64), "{log:?}");
    let needed = [
        "GOOGLE_CLOUD_PROJECT",
        "BIGQUERY_LOCATION",
        "CONFIGS_DIR",
        "OIDC_AUDIENCE",
        "KMS_KEY",
        "OPERATOR_EMAILS",
        "WEBHOOK_KEY",
    ];
    assert!(tells(&log, &needed), "{log:?}");
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["service"], "onboard");
}

#[test]
fn what_is_bad_is_told_by_name_and_value() {
    for (name, bad) in [
        ("BIGQUERY_ENDPOINT", "http://bigquery.example.com"),
        ("OIDC_JWKS_URL", "https://example.com/jwks"),
        ("PORT", "http"),
        ("LOG_FILTER", "common=loud"),
        ("KMS_ENDPOINT", "http://10.0.0.1"),
    ] {
        let (status, log) =
            Program::start(PROGRAM, changed(name, bad)).unwrap().ended(SOON).unwrap();
        assert_eq!(status.code(), Some(64), "{name}: {log:?}");
        assert!(tells(&log, &[name, bad]), "{name}: {log:?}");
    }
}

#[test]
fn it_answers_and_stops_when_it_is_told_to() {
    let program = Program::start(PROGRAM, SETTINGS.iter().copied()).unwrap();
    let address = program.address(SOON).expect("an address");
    let health = get(address, "/healthz").unwrap();
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok"), "{health}");
    let refused = get(address, "/api/v1/tenants").unwrap();
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    program.terminate().unwrap();
    let (status, log) = program.ended(STOP).unwrap();
    assert_eq!(status.code(), Some(0), "{log:?}");
}
