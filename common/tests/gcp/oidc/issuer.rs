//! An issuer of the tests' own: keys made here, and where they are fetched, with all that can go wrong there.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use common::clock::Clock;
use common::gcp::oidc::{Issuer, Verifier};
use common::http::{Operators, Problem};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The name that tokens of the tests' own give.
pub const ISSUER: &str = "https://issuer.test";
pub const AUDIENCE: &str = "https://trigger.test";
pub const ACCOUNT: &str = "tick@p.iam.gserviceaccount.com";

/// A key that signs.
pub struct Key {
    kid: String,
    private: EncodingKey,
}

impl Key {
    /// Makes one.
    pub fn new(kid: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        // PKCS#8 is 26 bytes around the RSA key that the signer takes.
        let private = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
        Self { kid: kid.to_owned(), private }
    }

    /// Its public half, as the issuer shows it.
    pub fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A token with these claims, signed by this key.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.kid, claims)
    }

    /// The same, under the name of another key.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &self.private).unwrap()
    }

    /// The same, with more in the header.
    pub fn sign_with(&self, header: Header, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..header };
        encode(&header, claims, &self.private).unwrap()
    }
}

/// What a fetch of keys meets.
#[derive(Clone)]
pub enum Fetch {
    Keys(Vec<Value>, &'static str),
    Status(StatusCode),
    Body(String),
}

/// Where keys are fetched.
pub struct Jwks {
    pub url: String,
    pub fetches: AtomicUsize,
    /// A fetch waits for one of these.
    pub gate: Semaphore,
    answer: Mutex<Fetch>,
}

impl Jwks {
    /// Serves these keys for an hour.
    pub async fn serve(keys: Vec<Value>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks = Arc::new(Self {
            url: format!("http://{}/jwks", listener.local_addr().unwrap()),
            fetches: AtomicUsize::new(0),
            gate: Semaphore::new(1_000),
            answer: Mutex::new(Fetch::Keys(keys, "public, max-age=3600")),
        });
        let router = Router::new().route("/jwks", get(fetch)).with_state(jwks.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        jwks
    }

    pub fn answer(&self, answer: Fetch) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

async fn fetch(State(jwks): State<Arc<Jwks>>) -> Response {
    jwks.fetches.fetch_add(1, Ordering::SeqCst);
    jwks.gate.acquire().await.unwrap().forget();
    let answer = jwks.answer.lock().unwrap().clone();
    match answer {
        Fetch::Keys(keys, cache) => {
            ([(header::CACHE_CONTROL, cache)], axum::Json(json!({"keys": keys}))).into_response()
        }
        // Also for the statuses of a redirection: it is not followed.
        Fetch::Status(status) => (status, [(header::LOCATION, "/jwks?again")]).into_response(),
        Fetch::Body(body) => body.into_response(),
    }
}

/// The machine's time, and what the test adds to it.
#[derive(Clone, Default)]
pub struct Ahead(Arc<AtomicI64>);

impl Ahead {
    pub fn by(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let (ahead, system) = (self.0.clone(), Clock::system());
        Clock::from_fn(move || system.now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst)))
    }
}

/// Whom a verifier of this issuer lets in: one account.
pub fn operators(issuer: &str, jwks_url: &str, ahead: &Ahead) -> Operators {
    let issuer = Issuer::on_this_machine(issuer, jwks_url).unwrap();
    let verifier = Verifier::new(issuer, ahead.clock()).unwrap();
    verifier.allow(AUDIENCE, &[ACCOUNT.to_owned()])
}

/// The account that is let in by a token, or the problem.
pub async fn ask(operators: &Operators, token: &str) -> Result<String, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    operators.authenticate(&headers).await.map(|operator| operator.name)
}

/// The status that a token is answered with.
pub async fn status(operators: &Operators, token: &str) -> u16 {
    match ask(operators, token).await {
        Ok(account) => {
            assert_eq!(account, ACCOUNT);
            200
        }
        Err(problem) => problem.kind().status().as_u16(),
    }
}

/// Good claims at this time.
pub fn claims(ahead: &Ahead) -> Value {
    let now = ahead.clock().now().timestamp();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "117", "azp": "117",
        "email": ACCOUNT, "email_verified": true, "iat": now, "exp": now + 3_600,
    })
}
