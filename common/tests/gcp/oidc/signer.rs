//! A signer that nobody here wrote: the Cloud Tasks emulator, whose tasks carry ID tokens.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::judges::{answers, free_port, home, http};

const QUEUE: &str = "projects/local/locations/here/queues/q";
/// Waits for the end of its input, which comes with the end of whoever started it, then ends the program.
const GUARD: &str = r#""$@" & cat > /dev/null; kill -s KILL "$!""#;

/// The emulator. It ends with this value, or with the tests' process.
pub struct Signer {
    /// The name it gives itself in its tokens.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: String,
    target: String,
    sent: Mutex<UnboundedReceiver<String>>,
    _guard: Child,
}

impl Signer {
    /// Starts it and waits until it answers.
    pub async fn start() -> Self {
        let program = home().join("bin/cloud-tasks-emulator");
        let install = "run .ci/judges, which installs it";
        assert!(program.exists(), "{} is not there: {install}", program.display());
        let address = format!("127.0.0.1:{}", free_port());
        let issuer = format!("http://{address}");
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(program)
            .env("LISTEN_ADDR", &address)
            .env("OIDC_ISSUER", &issuer)
            .env("QUEUES", QUEUE)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let jwks_url = format!("{issuer}/jwks");
        assert!(answers(&jwks_url, Duration::from_secs(30)).await, "no answer from {jwks_url}");
        let (tokens, sent) = unbounded_channel();
        let target = receiver(tokens).await;
        Self { issuer, jwks_url, target, sent: Mutex::new(sent), _guard: guard }
    }

    /// A token of this account for this audience: the one that a task of the emulator carries.
    pub async fn token(&self, account: &str, audience: &str) -> String {
        let mut sent = self.sent.lock().await;
        let token = json!({"serviceAccountEmail": account, "audience": audience});
        let request = json!({"url": self.target, "oidcToken": token});
        let url = format!("{}/v2/{QUEUE}/tasks", self.issuer);
        let body = json!({"task": {"httpRequest": request}});
        let answer = http().post(url).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{text}");
        timeout(Duration::from_secs(30), sent.recv()).await.expect("a task").unwrap()
    }

    /// Its keys.
    pub async fn keys(&self) -> Vec<Value> {
        let answer = http().get(&self.jwks_url).send().await.unwrap();
        let mut jwks: Value = answer.json().await.unwrap();
        serde_json::from_value(jwks["keys"].take()).unwrap()
    }
}

/// Where tasks go: what they carry in `Authorization` is passed on, without its scheme.
async fn receiver(send: UnboundedSender<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/task", listener.local_addr().unwrap());
    let router = Router::new().route("/task", post(take)).layer(Extension(send));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn take(Extension(send): Extension<UnboundedSender<String>>, headers: HeaderMap) {
    let value = headers["authorization"].to_str().unwrap();
    let _ = send.send(value.strip_prefix("Bearer ").unwrap().to_owned());
}
