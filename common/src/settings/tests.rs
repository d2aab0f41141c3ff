use super::*;
use crate::env::{Env, Invalid};

fn read<T>(
    variables: &[(&str, &str)],
    group: impl FnOnce(&mut Vars<'_>) -> Option<T>,
) -> Result<T, Invalid> {
    let env = Env::of(variables.iter().copied());
    let mut vars = Vars::of(&env);
    let settings = group(&mut vars);
    vars.finish(settings)
}

const BIGQUERY: [(&str, &str); 2] =
    [("GOOGLE_CLOUD_PROJECT", "my-project"), ("BIGQUERY_LOCATION", "europe-west1")];
const TOPICS: [(&str, &str); 2] = [
    ("RUN_REQUESTS_TOPIC", "projects/p/topics/run-requests"),
    ("RUN_EVENTS_TOPIC", "projects/p/topics/run-events"),
];

#[test]
fn what_is_left_out_is_googles_and_cloud_runs() {
    assert_eq!(read(&[], Listen::read).unwrap().0.to_string(), "0.0.0.0:8080");
    assert_eq!(read(&BIGQUERY, BigQuery::read).unwrap().endpoint, None);
    assert_eq!(read(&TOPICS, Events::read).unwrap().endpoint, None);
    assert_eq!(read(&[("OIDC_AUDIENCE", "https://x")], Tokens::read).unwrap().signer, None);
    let (policy, default) = (read(&[], policy).unwrap(), Policy::default());
    assert_eq!(format!("{policy:?}"), format!("{default:?}"));
}

#[test]
fn what_is_set_is_taken() {
    let listen = read(&[("HOST", "127.0.0.1"), ("PORT", "0")], Listen::read).unwrap();
    assert_eq!(listen.0.to_string(), "127.0.0.1:0");
    let host = [TOPICS[0], TOPICS[1], ("PUBSUB_EMULATOR_HOST", "localhost:8085")];
    let events = read(&host, Events::read).unwrap();
    assert_eq!(events.endpoint.as_deref(), Some("http://localhost:8085"));
    let signer = [
        ("OIDC_AUDIENCE", "https://x"),
        ("OIDC_ISSUER", "http://signer"),
        ("OIDC_JWKS_URL", "http://127.0.0.1:1/jwks"),
    ];
    let tokens = read(&signer, Tokens::read).unwrap();
    assert_eq!(tokens.signer.unwrap().issuer, "http://signer");
    let set = [
        ("MAX_RUNNING", "0"),
        ("RUN_TIMEOUT_SECONDS", "120"),
        ("QUEUED_FOR_SECONDS", "3600"),
        ("START_WITHIN_SECONDS", "10"),
    ];
    let policy = read(&set, policy).unwrap();
    assert_eq!(policy.max_running, Some(0));
    assert_eq!(policy.run_timeout, Duration::from_mins(2));
    assert_eq!(policy.queued_for, TimeDelta::hours(1));
    assert_eq!(policy.start_within, TimeDelta::seconds(10));
    let accounts = read(&[("A", "a@b.co, c@d.iam.gserviceaccount.com")], |v| accounts(v, "A"));
    assert_eq!(accounts.unwrap(), ["a@b.co", "c@d.iam.gserviceaccount.com"]);
}

/// Reads every group.
fn all(vars: &mut Vars<'_>) -> Option<()> {
    let read = [
        Listen::read(vars).is_some(),
        BigQuery::read(vars).is_some(),
        Kms::read(vars).is_some(),
        Jobs::read(vars).is_some(),
        Events::read(vars).is_some(),
        Tokens::read(vars).is_some(),
        accounts(vars, "OPERATOR_EMAILS").is_some(),
        webhook_key(vars).is_some(),
        policy(vars).is_some(),
    ];
    read.iter().all(|read| *read).then_some(())
}

fn good() -> Vec<(&'static str, &'static str)> {
    let mut good = [BIGQUERY, TOPICS].concat();
    good.extend([
        ("KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k"),
        ("PIPELINE_JOB", "projects/p/locations/europe-west1/jobs/pipeline"),
        ("OIDC_AUDIENCE", "https://trigger.example.com"),
        ("OPERATOR_EMAILS", "ops@example.com"),
        ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
    ]);
    good
}

#[test]
fn each_variable_that_is_needed_is_named_where_it_is_not_there() {
    read(&good(), all).unwrap();
    let Invalid(wrong) = read(&[], all).unwrap_err();
    let missing =
        |name| wrong.iter().any(|w| matches!(w, Wrong::Missing { name: n, .. } if *n == name));
    for (name, _) in good() {
        assert!(missing(name), "{name}: {wrong:?}");
    }
    assert_eq!(wrong.len(), good().len());
}

#[test]
fn each_bad_value_is_refused_alone_and_by_name() {
    for (name, bad) in [
        ("HOST", "localhost"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("GOOGLE_CLOUD_PROJECT", "My Project"),
        ("GOOGLE_CLOUD_PROJECT", "p`x"),
        ("BIGQUERY_LOCATION", "E U"),
        ("BIGQUERY_ENDPOINT", "http://example.com"),
        ("BIGQUERY_ENDPOINT", "http://127.0.0.1.example.com"),
        ("BIGQUERY_ENDPOINT", "http://127.0.0.1@example.com"),
        ("BIGQUERY_ENDPOINT", "http://user@127.0.0.1"),
        ("BIGQUERY_ENDPOINT", "ftp://127.0.0.1"),
        ("BIGQUERY_ENDPOINT", "127.0.0.1:9050"),
        ("KMS_ENDPOINT", "http://10.0.0.1"),
        ("RUN_ENDPOINT", "/v2"),
        ("PUBSUB_ENDPOINT", "http://pubsub"),
        ("PUBSUB_EMULATOR_HOST", "emulator:8085"),
        ("PUBSUB_EMULATOR_HOST", "http://127.0.0.1:8085"),
        ("KMS_KEY", "my-key"),
        ("KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"),
        ("KMS_KEY", "projects/p/locations/eu/keyRings//cryptoKeys/k"),
        ("PIPELINE_JOB", "pipeline"),
        ("RUN_EVENTS_TOPIC", "run-events"),
        ("OIDC_ISSUER", "http://signer"),
        ("OIDC_JWKS_URL", "https://www.googleapis.com/oauth2/v3/certs"),
        ("OPERATOR_EMAILS", "ops"),
        ("OPERATOR_EMAILS", "ops@example.com,@example.com"),
        ("OPERATOR_EMAILS", "ops@localhost"),
        ("WEBHOOK_KEY", "short"),
        ("MAX_RUNNING", "-1"),
        ("MAX_RUNNING", "many"),
        ("RUN_TIMEOUT_SECONDS", "59"),
        ("RUN_TIMEOUT_SECONDS", "86401"),
        ("QUEUED_FOR_SECONDS", "1h"),
        ("START_WITHIN_SECONDS", "9"),
    ] {
        let mut variables = good();
        variables.retain(|(known, _)| *known != name);
        variables.push((name, bad));
        let Invalid(wrong) = read(&variables, all).expect_err(&format!("{name}={bad}"));
        assert_eq!(wrong.len(), 1, "{name}={bad}: {wrong:?}");
        let told = wrong[0].to_string();
        let other = if name == "OIDC_ISSUER" { "OIDC_JWKS_URL" } else { name };
        assert!(told.starts_with(other), "{name}={bad}: {told}");
        assert_eq!(told.contains(bad), !["WEBHOOK_KEY", "OIDC_ISSUER"].contains(&name), "{told}");
    }
}

#[test]
fn a_folder_of_configurations_that_cannot_be_used_says_why() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
    assert!(read(&[("CONFIGS_DIR", shipped)], configs).unwrap().plans.get("STARTER").is_some());
    for variables in [&[][..], &[("CONFIGS_DIR", "/nowhere")]] {
        let told = read(variables, configs).unwrap_err().to_string();
        assert!(told.starts_with("CONFIGS_DIR is '") && told.contains("plans.yml"), "{told}");
    }
}

#[test]
fn two_places_of_pub_sub_are_one_too_many() {
    let both = [
        TOPICS[0],
        TOPICS[1],
        ("PUBSUB_ENDPOINT", "https://pubsub.googleapis.com"),
        ("PUBSUB_EMULATOR_HOST", "localhost:8085"),
    ];
    let told = read(&both, Events::read).unwrap_err().to_string();
    assert!(told.starts_with("PUBSUB_EMULATOR_HOST is 'localhost:8085'"), "{told}");
}
