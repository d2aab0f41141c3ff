use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::ServiceExt;

use super::*;
use crate::http::{Json, Query};

fn options() -> Options {
    let clock = Clock::from_fn(|| "2025-11-17T10:00:00Z".parse().unwrap());
    let mut options = Options::new(clock, Chance::seeded(1));
    options.request_timeout = Duration::from_millis(100);
    options
}

fn app() -> Router {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u8>,
    }
    Router::new()
        .route("/echo", post(async |Json(body): Json<Map<String, Value>>| Json(body)))
        .route("/optional", post(async |body: Option<Json<Value>>| Json(json!(body.is_some()))))
        .route(
            "/items/{number}",
            get(async |crate::http::Path(n): crate::http::Path<u32>| n.to_string()),
        )
        .route("/list", get(async |Query(page): Query<Page>| format!("{:?}", page.limit)))
        .route("/panic", get(async || -> &'static str { panic!("the secret of the panic") }))
        .route("/slow", get(async || std::future::pending::<&'static str>().await))
        .route("/raw", get(async || StatusCode::IM_A_TEAPOT))
}

async fn call(request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Value) {
    let response = shell(app(), options()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    (parts.status, parts.headers, body)
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

fn json_request(path: &str, body: impl Into<Body>) -> Request<Body> {
    request("POST", path).header("content-type", "application/json").body(body.into()).unwrap()
}

#[tokio::test]
async fn every_error_leaves_as_a_problem_with_the_requests_id() {
    let get = |path: &str| request("GET", path).body(Body::empty()).unwrap();
    for (asked, status, slug) in [
        (get("/nowhere"), 404, "not-found"),
        (get("/echo"), 405, "method-not-allowed"),
        (get("/items/seven"), 404, "not-found"),
        (get("/items/-1"), 404, "not-found"),
        (get("/items/%ff"), 400, "malformed-request"),
        (get("/list?limit=300"), 422, "invalid-parameters"),
        (get("/list?page=3"), 422, "invalid-parameters"),
        (get("/panic"), 500, "internal"),
        (get("/slow"), 504, "timeout"),
        (get("/raw"), 418, "malformed-request"),
        (get("/problems/nonsense"), 404, "not-found"),
        (json_request("/echo", "{"), 400, "malformed-request"),
        (json_request("/echo", ""), 400, "malformed-request"),
        (json_request("/echo", "7"), 422, "invalid-parameters"),
        (json_request("/echo", vec![b' '; 65_537]), 413, "payload-too-large"),
        (json_request("/nowhere", vec![b' '; 65_537]), 413, "payload-too-large"),
        (request("POST", "/echo").body("{}".into()).unwrap(), 415, "unsupported-media-type"),
        (request("POST", "/optional").body("{}".into()).unwrap(), 415, "unsupported-media-type"),
    ] {
        let about = format!("{} {}", asked.method(), asked.uri());
        let (got, headers, body) = call(asked).await;
        // A status that no kind has is answered as its class's kind.
        let expected = if status == 418 { 400 } else { status };
        assert_eq!(got.as_u16(), expected, "{about}: {body}");
        assert_eq!(headers["content-type"], "application/problem+json", "{about}");
        assert_eq!(body["type"], format!("/problems/{slug}"), "{about}");
        assert_eq!(body["status"], expected, "{about}");
        assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap(), "{about}");
        assert!(!body.to_string().contains("secret of the panic"), "{about}");
    }
    let (_, headers, _) = call(get("/echo")).await;
    assert_eq!(headers["allow"], "POST");
}

#[tokio::test]
async fn what_is_good_passes() {
    let (status, _, body) = call(json_request("/echo", r#"{"a": 1}"#)).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"a": 1})));
    let padded = format!("{{\"a\": 1}}{}", " ".repeat(65_536 - 8));
    assert_eq!(call(json_request("/echo", padded)).await.0, StatusCode::OK);
    let (_, _, body) = call(request("POST", "/optional").body(Body::empty()).unwrap()).await;
    assert_eq!(body, json!(false));
    assert_eq!(call(json_request("/optional", "{}")).await.2, json!(true));
    for path in ["/healthz", "/problems", "/problems/quota-exceeded", "/items/7", "/list?limit=3"] {
        assert_eq!(call(request("GET", path).body(Body::empty()).unwrap()).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    for (given, kept) in
        [("abc-1.2_3", true), ("", false), ("a b", false), (&"x".repeat(129), false)]
    {
        let asked = request("GET", "/healthz").header("x-request-id", given);
        let (_, headers, _) = call(asked.body(Body::empty()).unwrap()).await;
        let id = headers["x-request-id"].to_str().unwrap();
        assert_eq!(id == given, kept, "{given}");
        assert!(!id.is_empty());
    }
}

type Served = tokio::task::JoinHandle<io::Result<()>>;

/// Serves until the answered sender is used or dropped.
async fn served(app: Router, options: Options) -> (TcpStream, oneshot::Sender<()>, Served) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve(listener, app, options, shutdown));
    (TcpStream::connect(address).await.unwrap(), stop, served)
}

async fn read(connection: &mut TcpStream) -> String {
    let mut answer = vec![0; 4_096];
    let read = connection.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn a_large_body_gets_its_answer_on_a_clean_connection() {
    let mut options = options();
    options.request_timeout = Duration::from_mins(1);
    let (mut connection, stop, served) = served(app(), options).await;
    // Two requests on one connection: the second shows that the first left it in order.
    for (body, status) in [("x".repeat(1_000_000), "413"), ("{}".to_owned(), "200")] {
        let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(request.as_bytes()).await.unwrap();
        let answer = read(&mut connection).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    drop(connection);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_open_requests_but_not_for_ever() {
    for patient in [true, false] {
        let mut options = options();
        options.request_timeout = Duration::from_mins(1);
        options.drain_timeout =
            if patient { Duration::from_mins(1) } else { Duration::from_millis(20) };
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (came, may_go) = (entered.clone(), release.clone());
        let app = Router::new().route(
            "/",
            get(async move || {
                came.notify_one();
                may_go.notified().await;
                "done"
            }),
        );
        let (mut connection, stop, served) = served(app, options).await;
        connection.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        entered.notified().await;
        stop.send(()).unwrap();
        if patient {
            release.notify_one();
            assert!(read(&mut connection).await.ends_with("done"));
        }
        served.await.unwrap().unwrap();
    }
}
