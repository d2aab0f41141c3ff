//! ID tokens: those of an independent signer, and what else is sent as one.

mod forged;
mod issuer;
pub mod signer;

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use common::http::{Kind, Operators};
use futures::future::join_all;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use issuer::{ACCOUNT, AUDIENCE, Ahead, Fetch, ISSUER, Jwks, Key, ask, claims, operators, status};
use signer::Signer;

#[tokio::test]
async fn a_token_of_an_independent_signer_lets_its_account_in_for_its_audience_and_time() {
    let signer = Signer::start().await;
    let token = signer.token(ACCOUNT, AUDIENCE).await;
    let ahead = Ahead::default();
    let ours = operators(&signer.issuer, &signer.jwks_url, &ahead);
    assert_eq!(status(&ours, &token).await, 200);
    let elsewhere = signer.token(ACCOUNT, "https://scheduler.test").await;
    assert_eq!(status(&ours, &elsewhere).await, 401);
    let stranger = signer.token("other@p.iam.gserviceaccount.com", AUDIENCE).await;
    assert_eq!(status(&ours, &stranger).await, 403);
    let of_google = operators("https://accounts.google.com", &signer.jwks_url, &ahead);
    assert_eq!(status(&of_google, &token).await, 401);
    ahead.by(3_600);
    assert_eq!(status(&ours, &token).await, 200, "a clock may be a minute ahead");
    ahead.by(61);
    assert_eq!(status(&ours, &token).await, 401, "expired");
    ahead.by(-3_600 - 61 - 120);
    assert_eq!(status(&ours, &token).await, 401, "not issued yet");
    // Started again, it has another key.
    drop(signer);
    let signer = Signer::start().await;
    let ours = operators(&signer.issuer, &signer.jwks_url, &Ahead::default());
    assert_eq!(status(&ours, &token).await, 401, "signed by the key of before");
}

#[tokio::test]
async fn fifty_at_once_make_one_request_for_the_keys() {
    let signer = Signer::start().await;
    let token = signer.token(ACCOUNT, AUDIENCE).await;
    let jwks = Jwks::serve(signer.keys().await).await;
    let ours = operators(&signer.issuer, &jwks.url, &Ahead::default());
    for _ in 0..2 {
        let answers = join_all((0..50).map(|_| status(&ours, &token))).await;
        assert_eq!(answers, [200; 50]);
        assert_eq!(jwks.fetches(), 1);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_holds_up_no_good_token_and_makes_few_requests() {
    let signer = Signer::start().await;
    let good = signer.token(ACCOUNT, AUDIENCE).await;
    let jwks = Jwks::serve(signer.keys().await).await;
    let (ahead, stranger) = (Ahead::default(), Key::new("forged"));
    let ours = operators(&signer.issuer, &jwks.url, &ahead);
    assert_eq!(status(&ours, &good).await, 200);
    for round in 0..3 {
        let kids = (0..300).map(|n| format!("k{round}-{n}"));
        let forged: Vec<String> = kids.map(|kid| stranger.sign_as(&kid, &claims(&ahead))).collect();
        let flood = join_all(forged.iter().map(|token| status(&ours, token)));
        let good = join_all((0..100).map(|_| status(&ours, &good)));
        let (flood, good) = tokio::join!(flood, good);
        assert_eq!(good, [200; 100]);
        assert!(flood.iter().all(|status| *status == 401), "{flood:?}");
        assert_eq!(jwks.fetches(), 1 + round);
        ahead.by(30);
    }
    // What one request did not find is not asked for by the next.
    let fetches = jwks.fetches();
    let alone = stranger.sign_as("alone", &claims(&ahead));
    for _ in 0..4 {
        assert_eq!(status(&ours, &alone).await, 401);
        ahead.by(31);
    }
    assert_eq!(jwks.fetches(), fetches + 1);
    // Nor does a request that hangs hold up what is known.
    jwks.gate.forget_permits(1_000);
    ahead.by(300);
    let waiting = begin(&ours, &alone);
    until(|| jwks.fetches() == fetches + 2).await;
    let known = timeout(Duration::from_secs(3), status(&ours, &good)).await;
    assert_eq!(known.expect("an answer at once"), 200);
    jwks.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), 401);
}

#[tokio::test]
async fn without_keys_nothing_can_be_told_and_they_are_asked_for_every_30_seconds() {
    let (ahead, key) = (Ahead::default(), Key::new("a"));
    let token = key.sign(&claims(&ahead));
    let large = json!({"keys": [key.public()], "more": " ".repeat(100_000)}).to_string();
    let of_another_kind = json!({"keys": [{"kty": "EC", "kid": "a"}]}).to_string();
    for away in [
        Fetch::Status(StatusCode::SERVICE_UNAVAILABLE),
        Fetch::Status(StatusCode::NOT_FOUND),
        Fetch::Status(StatusCode::FOUND),
        Fetch::Status(StatusCode::NO_CONTENT),
        Fetch::Body("not JSON".to_owned()),
        Fetch::Body(large),
        Fetch::Body(of_another_kind),
    ] {
        let jwks = Jwks::serve(vec![key.public()]).await;
        jwks.answer(away);
        let ours = operators(ISSUER, &jwks.url, &ahead);
        let problem = ask(&ours, &token).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::Unavailable);
        let response = problem.into_response();
        let wait = response.headers()["retry-after"].to_str().unwrap();
        let wait: i64 = wait.parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!(join_all((0..20).map(|_| status(&ours, &token))).await, [503; 20]);
        assert_eq!(jwks.fetches(), 1);
        jwks.answer(Fetch::Keys(vec![key.public()], "max-age=600"));
        ahead.by(wait);
        assert_eq!(status(&ours, &token).await, 200);
        assert_eq!(jwks.fetches(), 2);
    }
}

#[tokio::test]
async fn keys_change_and_old_ones_are_believed_for_a_while_where_new_ones_cannot_be_had() {
    let (ahead, old, new) = (Ahead::default(), Key::new("old"), Key::new("new"));
    let sign = |key: &Key| key.sign(&claims(&ahead));
    let jwks = Jwks::serve(vec![old.public()]).await;
    let ours = operators(ISSUER, &jwks.url, &ahead);
    assert_eq!(status(&ours, &sign(&old)).await, 200);
    // A new key is found when it is first met, and no sooner than the window allows.
    jwks.answer(Fetch::Keys(vec![old.public(), new.public()], "max-age=3600"));
    assert_eq!(status(&ours, &sign(&new)).await, 401);
    ahead.by(30);
    assert_eq!((status(&ours, &sign(&new)).await, jwks.fetches()), (200, 2));
    assert_eq!((status(&ours, &sign(&old)).await, jwks.fetches()), (200, 2));
    // The old key is withdrawn: that is seen when the answer has run out.
    jwks.answer(Fetch::Keys(vec![new.public()], "max-age=3600"));
    ahead.by(3_599);
    assert_eq!((status(&ours, &sign(&old)).await, jwks.fetches()), (200, 2));
    ahead.by(2);
    assert_eq!((status(&ours, &sign(&old)).await, jwks.fetches()), (401, 3));
    // While new ones cannot be had, the last are believed for six hours, and nothing is said of others.
    jwks.answer(Fetch::Status(StatusCode::BAD_GATEWAY));
    ahead.by(400);
    let unknown = Key::new("unknown");
    for _ in 0..2 {
        assert_eq!((status(&ours, &sign(&unknown)).await, jwks.fetches()), (503, 4));
        assert_eq!((status(&ours, &sign(&new)).await, jwks.fetches()), (200, 4));
    }
    ahead.by(3_201);
    let answers = join_all((0..20).map(|_| async { status(&ours, &sign(&new)).await })).await;
    assert_eq!((answers, jwks.fetches()), (vec![200; 20], 5));
    assert_eq!(status(&ours, &sign(&old)).await, 503);
    ahead.by(6 * 3_600 - 10);
    assert_eq!((status(&ours, &sign(&new)).await, jwks.fetches()), (200, 6));
    ahead.by(30);
    assert_eq!((status(&ours, &sign(&new)).await, jwks.fetches()), (503, 7));
    jwks.answer(Fetch::Keys(vec![new.public()], "max-age=3600"));
    ahead.by(30);
    assert_eq!((status(&ours, &sign(&new)).await, jwks.fetches()), (200, 8));
}

#[tokio::test]
async fn a_request_for_keys_outlives_whoever_asked() {
    let (ahead, key) = (Ahead::default(), Key::new("a"));
    let token = key.sign(&claims(&ahead));
    let jwks = Jwks::serve(vec![key.public()]).await;
    jwks.gate.forget_permits(1_000);
    let ours = operators(ISSUER, &jwks.url, &ahead);
    let asking = begin(&ours, &token);
    until(|| jwks.fetches() == 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    jwks.gate.add_permits(1);
    assert_eq!((status(&ours, &token).await, jwks.fetches()), (200, 1));
}

#[tokio::test]
async fn while_one_renews_the_keys_the_others_go_by_the_last() {
    let (ahead, key) = (Ahead::default(), Key::new("a"));
    let jwks = Jwks::serve(vec![key.public()]).await;
    let ours = operators(ISSUER, &jwks.url, &ahead);
    assert_eq!(status(&ours, &key.sign(&claims(&ahead))).await, 200);
    jwks.gate.forget_permits(1_000);
    ahead.by(3_601);
    let token = key.sign(&claims(&ahead));
    let renewing = begin(&ours, &token);
    until(|| jwks.fetches() == 2).await;
    let at_once = timeout(Duration::from_secs(3), status(&ours, &token)).await;
    assert_eq!(at_once.expect("an answer at once"), 200);
    assert!(!renewing.is_finished());
    jwks.gate.add_permits(1);
    assert_eq!((renewing.await.unwrap(), jwks.fetches()), (200, 2));
}

fn begin(operators: &Operators, token: &str) -> JoinHandle<u16> {
    let (operators, token) = (operators.clone(), token.to_owned());
    tokio::spawn(async move { status(&operators, &token).await })
}

async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("a condition that comes to hold");
}
