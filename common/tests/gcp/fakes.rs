//! Fakes of the Google services that have no emulator: servers whose requests and answers are held to Google's own
//! discovery documents.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub mod cloud_run;
pub mod discovery;
pub mod kms;

use discovery::Document;

/// A request that the document allows.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method's id, such as `run.projects.locations.jobs.run`.
    pub method: String,
    /// The resource that the path names.
    pub name: String,
    /// The body; `null` where there is none.
    pub body: Value,
}

/// What a fake answers: a body, or a status of Google with a message.
pub type Answer = Result<Value, Refused>;

/// An error of a Google service.
#[derive(Debug, Clone, Copy)]
pub struct Refused(pub u16, pub &'static str, pub &'static str);

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is refused and has no effect.
    Refuse(Refused),
    /// It takes effect, and the connection ends before the answer.
    Lose,
    /// It takes effect, and the answer is altered.
    Alter(fn(&mut Value)),
}

/// A service on this machine. When it is dropped, what it found wrong with its requests fails the test.
pub struct Fake {
    /// Where it is reached.
    pub url: String,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Call>>,
    faults: Mutex<VecDeque<Fault>>,
    complaints: Mutex<Vec<String>>,
}

struct Service {
    document: Document,
    seen: Arc<Seen>,
    answer: Box<dyn Fn(&Call) -> Answer + Send + Sync>,
}

impl Fake {
    /// Serves what the document of this name describes.
    pub async fn serve(
        document: &str,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen::default());
        let (document, answer) = (Document::read(document), Box::new(answer));
        let service = Arc::new(Service { document, seen: seen.clone(), answer });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(service);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, server }
    }

    /// Lets the next requests meet these faults, one each.
    pub fn next(&self, faults: &[Fault]) {
        self.seen.faults.lock().unwrap().extend(faults);
    }

    /// The requests since this was last asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.seen.calls.lock().unwrap())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
        let complaints = std::mem::take(&mut *self.seen.complaints.lock().unwrap());
        if !std::thread::panicking() {
            assert!(complaints.is_empty(), "{complaints:#?}");
        }
    }
}

async fn handle(
    State(service): State<Arc<Service>>,
    verb: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let complain = |found: Vec<String>| {
        let about = found.into_iter().map(|what| format!("{verb} {uri}: {what}"));
        service.seen.complaints.lock().unwrap().extend(about);
    };
    let parsed = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    let (Some(found), Ok(body)) = (service.document.find(verb.as_str(), uri.path()), parsed) else {
        complain(vec!["no method of the document, or no JSON".into()]);
        return refuse(Refused(404, "NOT_FOUND", "no such method"));
    };
    let wrong = found.wrong_request(&body, uri.query().unwrap_or_default());
    if !wrong.is_empty() {
        complain(wrong);
        return refuse(Refused(400, "INVALID_ARGUMENT", "not as the document says"));
    }
    let call = Call { method: found.id().to_owned(), name: found.name.clone(), body };
    service.seen.calls.lock().unwrap().push(call.clone());
    let fault = service.seen.faults.lock().unwrap().pop_front();
    if let Some(Fault::Refuse(refused)) = fault {
        return refuse(refused);
    }
    let mut answer = match (service.answer)(&call) {
        Ok(answer) => answer,
        Err(refused) => return refuse(refused),
    };
    complain(found.wrong_answer(&answer));
    match fault {
        Some(Fault::Lose) => {
            let lost = std::io::Error::other("the connection ends");
            Body::from_stream(futures::stream::iter([Err::<Bytes, _>(lost)])).into_response()
        }
        Some(Fault::Alter(alter)) => {
            alter(&mut answer);
            axum::Json(answer).into_response()
        }
        Some(Fault::Refuse(_)) | None => axum::Json(answer).into_response(),
    }
}

fn refuse(Refused(code, status, message): Refused) -> Response {
    let body = json!({"error": {"code": code, "message": message, "status": status}});
    (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
}
