//! What the Pub/Sub emulator leaves out: the ID token that a push carries, so that it is verified as any other.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::PUSHER;
use crate::judges::http;
use crate::oidc::signer::Signer;

struct Pushes {
    signer: Arc<Signer>,
    audience: String,
    target: String,
    token: OnceCell<String>,
}

/// Where the emulator is to push: what comes goes on to `target`, with a token for `audience`.
pub async fn signed(signer: Arc<Signer>, audience: &str, target: String) -> String {
    let audience = audience.to_owned();
    let pushes = Arc::new(Pushes { signer, audience, target, token: OnceCell::new() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/push", listener.local_addr().unwrap());
    let router = Router::new().route("/push", post(forward)).with_state(pushes);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn forward(State(pushes): State<Arc<Pushes>>, body: Bytes) -> StatusCode {
    let token = pushes.token.get_or_init(|| pushes.signer.token(PUSHER, &pushes.audience)).await;
    let sent = http()
        .post(&pushes.target)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    match sent {
        Ok(answer) => StatusCode::from_u16(answer.status().as_u16()).unwrap(),
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}
