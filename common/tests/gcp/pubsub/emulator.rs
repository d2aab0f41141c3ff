//! The official Pub/Sub emulator, one for all tests of this process.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::judges::{answers, free_port, http};

/// Waits for the end of its input, which comes with the end of the tests' process however that ends, then ends the
/// emulator: a Python, which makes a process group of its own, and a Java.
const GUARD: &str = r#"
gcloud beta emulators pubsub start --host-port="127.0.0.1:$1" --project=local --data-dir="$2" &
emulator=$!
cat > /dev/null
rm -rf "$2"
kill -s KILL -- "-$emulator"
kill -s KILL -- "-$$"
"#;

/// The emulator, with the project `local`.
pub struct Emulator {
    /// Where it is reached.
    pub url: String,
    _guard: Child,
}

static EMULATOR: OnceCell<Emulator> = OnceCell::const_new();

/// The emulator, started where this is asked first.
pub async fn emulator() -> &'static Emulator {
    EMULATOR.get_or_init(Emulator::start).await
}

impl Emulator {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let port = free_port();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", &port.to_string()])
            .arg(folder.keep())
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
            .env("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false")
            .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.reopen().unwrap())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let emulator = Self { url, _guard: guard };
        if !answers(&emulator.url, Duration::from_mins(1)).await {
            let said = std::fs::read_to_string(log.path()).unwrap_or_default();
            panic!(
                "the Pub/Sub emulator does not answer; it comes with the Cloud SDK: gcloud components install \
                 beta pubsub-emulator, or the packages google-cloud-cli and \
                 google-cloud-cli-pubsub-emulator, and Java\n{said}"
            );
        }
        emulator
    }

    /// Makes a topic; answers its full name.
    pub async fn topic(&self, name: &str) -> String {
        let topic = format!("projects/local/topics/{name}");
        self.send(http().put(format!("{}/v1/{topic}", self.url)), json!({})).await;
        topic
    }

    /// Makes a subscription; answers its full name.
    pub async fn subscription(&self, name: &str, settings: Value) -> String {
        let subscription = format!("projects/local/subscriptions/{name}");
        self.send(http().put(format!("{}/v1/{subscription}", self.url)), settings).await;
        subscription
    }

    /// Takes a subscription away, without a runtime: one whose target is gone would be pushed for ever.
    pub fn forget(&self, subscription: &str) {
        let address = self.url.trim_start_matches("http://");
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let request = format!(
                "DELETE /v1/{subscription} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            );
            drop(stream.write_all(request.as_bytes()));
            drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
            drop(stream.read(&mut [0; 64]));
        }
    }

    /// The messages that wait, up to a thousand, acknowledged.
    pub async fn pull(&self, subscription: &str) -> Vec<Value> {
        let url = |verb| format!("{}/v1/{subscription}:{verb}", self.url);
        let mut answer = self.send(http().post(url("pull")), json!({"maxMessages": 1000})).await;
        let Some(Value::Array(received)) = answer.get_mut("receivedMessages").map(Value::take)
        else {
            return Vec::new();
        };
        let ids: Vec<&Value> = received.iter().map(|received| &received["ackId"]).collect();
        self.send(http().post(url("acknowledge")), json!({"ackIds": ids})).await;
        received.into_iter().map(|mut received| received["message"].take()).collect()
    }

    async fn send(&self, request: reqwest::RequestBuilder, body: Value) -> Value {
        let answer = request.json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{body}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}
