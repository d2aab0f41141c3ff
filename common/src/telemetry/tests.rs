use std::sync::PoisonError;

use serde_json::{Value, json};
use tracing::{error, info, info_span, warn};

use super::*;
use crate::keys::Secret;

/// Runs `work` under a subscriber and answers what it wrote.
fn written(format: Format, project: Option<&str>, work: impl FnOnce()) -> String {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let options = Options {
        format,
        writer: buffer.clone(),
        filter: "info".to_owned(),
        project: project.map(str::to_owned),
        service: Some("trigger"),
        clock: Clock::from_fn(|| "2025-11-17T10:00:00.5Z".parse().unwrap()),
    };
    tracing::subscriber::with_default(subscriber(options).unwrap(), work);
    let bytes = buffer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8(bytes).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_json_line_is_cloud_loggings() {
    let text = written(Format::Json, Some("proj"), || {
        let span = info_span!(
            "request",
            request_id = "r-1",
            trace = "0af7651916cd43dd8448eb211c80319c",
            span_id = "b7ad6b7169203331",
            trace_sampled = true,
            tenant.id = tracing::field::Empty,
        );
        let _entered = span.enter();
        span.record("tenant.id", "acme");
        let inner = info_span!("step", run.id = "u-1", step.id = "load").entered();
        warn!(duration_ms = 12, "a \"quoted\"\nmessage");
        drop(inner);
        info!(request_id = "own", "the event's own field wins");
    });
    let lines = lines(&text);
    let line = &lines[0];
    for (name, value) in [
        ("severity", json!("WARNING")),
        ("service", json!("trigger")),
        ("time", json!("2025-11-17T10:00:00.500000Z")),
        ("message", json!("a \"quoted\"\nmessage")),
        (
            "logging.googleapis.com/trace",
            json!("projects/proj/traces/0af7651916cd43dd8448eb211c80319c"),
        ),
        ("logging.googleapis.com/spanId", json!("b7ad6b7169203331")),
        ("logging.googleapis.com/trace_sampled", json!(true)),
        ("request_id", json!("r-1")),
        ("tenant.id", json!("acme")),
        ("run.id", json!("u-1")),
        ("step.id", json!("load")),
        ("duration_ms", json!(12)),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    let place = &line["logging.googleapis.com/sourceLocation"];
    assert!(place["file"].as_str().unwrap().ends_with("tests.rs") && place["line"].is_string());
    assert_eq!(lines[1]["request_id"], "own");
    assert_eq!(lines[1].get("step.id"), None, "a closed span is left out");
}

#[test]
fn without_a_project_the_trace_is_its_id() {
    let text = written(Format::Json, None, || info!(trace = "abc", "hello"));
    assert_eq!(lines(&text)[0]["logging.googleapis.com/trace"], "abc");
}

#[test]
fn a_field_cannot_replace_what_a_line_always_has() {
    let text = written(Format::Json, None, || info!(severity = "EMERGENCY", time = 0, "hello"));
    assert_eq!(lines(&text)[0]["severity"], "INFO");
    assert_eq!(lines(&text)[0]["time"], "2025-11-17T10:00:00.500000Z");
}

#[test]
fn text_is_one_line_for_people() {
    let text = written(Format::Text, None, || {
        let _span = info_span!("request", tenant.id = "acme", trace = "abc").entered();
        info!(rows = 3, "loaded\nwell");
        tracing::debug!("filtered");
    });
    assert_eq!(text, "10:00:00.500 INFO  loaded\\nwell tenant.id=acme rows=3\n");
}

#[test]
fn a_secret_never_shows() {
    let key = Secret::new("acme_api_0123456789");
    for format in [Format::Json, Format::Text] {
        let text = written(format, None, || {
            let _span = info_span!("request", key = ?key).entered();
            error!(again = ?Some(&key), "failed with {key:?}");
        });
        assert!(!text.contains("0123456789") && text.contains("hidden"), "{text}");
    }
}

#[test]
fn an_error_is_written_with_its_causes() {
    let error = crate::port::PortError::other("reading", std::io::Error::other("disk"));
    let text = written(Format::Json, None, || {
        error!(error = &error as &(dyn std::error::Error + 'static), "failed");
    });
    assert!(lines(&text)[0]["error"].as_str().unwrap().contains("disk"), "{text}");
}

#[test]
fn a_filter_that_cannot_be_read_is_told() {
    let options = Options {
        format: Format::Json,
        writer: Arc::new(Mutex::new(Vec::new())),
        filter: "common=loud".to_owned(),
        project: None,
        service: None,
        clock: Clock::system(),
    };
    assert!(subscriber(options).err().unwrap().to_string().contains("common=loud"));
}
