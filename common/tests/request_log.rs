//! What the shell logs. Alone in its process: other tests would register the same log lines without a listener.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use common::clock::{Chance, Clock};
use common::http::{Options, Problem, shell};
use common::port::PortError;
use common::telemetry;
use serde_json::Value;
use tower::ServiceExt;

#[test]
fn a_request_is_one_line_with_its_trace() {
    let clock = Clock::from_fn(|| "2025-11-17T10:00:00Z".parse().unwrap());
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let logging = telemetry::subscriber(telemetry::Options {
        format: telemetry::Format::Json,
        writer: buffer.clone(),
        filter: "info".to_owned(),
        project: None,
        service: None,
        clock: clock.clone(),
    });
    let away = async || Problem::from(PortError::Unavailable("no route to the store".to_owned()));
    let app = Router::new()
        .route("/items/{number}", get(async || "item"))
        .route("/away", get(away))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }));
    let app = shell(app, Options::new(clock, Chance::seeded(1)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(logging.unwrap(), || {
        runtime.block_on(async {
            for path in ["/items/7?key=hidden", "/healthz", "/panic", "/away", "/nowhere/hidden"] {
                let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
                let request = Request::get(path).header("traceparent", trace);
                app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            }
        });
    });
    let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(
        said("message"),
        ["GET /items/{number} 200", "GET /panic 500", "GET /away 503", "GET unmatched 404"]
    );
    assert_eq!(said("severity"), ["INFO", "ERROR", "ERROR", "INFO"]);
    assert_eq!(said("status"), [200, 500, 503, 404]);
    assert_eq!(lines[1]["problem"], "internal");
    assert_eq!(lines[2]["cause"], "unavailable: no route to the store");
    for line in &lines {
        assert_eq!(line["logging.googleapis.com/trace"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(line["duration_ms"], 0);
        assert!(line["request_id"].is_string());
    }
    assert!(!text.contains("hidden"), "{text}");
}
