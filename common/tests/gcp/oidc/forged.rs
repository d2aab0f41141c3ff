//! What is sent as a token and is none: always the same answer.

use std::collections::HashSet;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::http::Problem;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::issuer::{Ahead, ISSUER, Jwks, Key, ask, claims, operators, status};

async fn body(problem: Problem) -> String {
    let body = problem.into_response().into_body();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A good token that asks for an extension to be understood.
fn critical(key: &Key, claims: &Value) -> String {
    let crit = Some(vec!["b64".to_owned()]);
    key.sign_with(Header { crit, ..Header::new(Algorithm::RS256) }, claims)
}

/// A token of any header and any claims, with this for a signature.
fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_answered_alike() {
    let (ahead, key, other) = (Ahead::default(), Key::new("a"), Key::new("b"));
    let jwks = Jwks::serve(vec![key.public()]).await;
    let ours = operators(ISSUER, &jwks.url, &ahead);
    let good = claims(&ahead);
    let token = key.sign(&good);
    assert_eq!(status(&ours, &token).await, 200);

    let now = ahead.clock().now().timestamp();
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for (what, field, value) in [
        ("another audience", "aud", json!("https://scheduler.test")),
        ("several audiences", "aud", json!([good["aud"], "https://scheduler.test"])),
        ("no audience", "aud", Value::Null),
        ("another issuer", "iss", json!("https://accounts.google.com.evil.test")),
        ("Google, where the issuer is another", "iss", json!("https://accounts.google.com")),
        ("expired", "exp", json!(now - 61)),
        ("an end that is no number", "exp", json!("never")),
        ("no end", "exp", Value::Null),
        ("issued in the future", "iat", json!(now + 120)),
        ("not issued", "iat", Value::Null),
        ("an address that is not verified", "email_verified", json!(false)),
        ("an address that is verified in words", "email_verified", json!("true")),
        ("nothing of verification", "email_verified", Value::Null),
        ("no address", "email", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[field] = value;
        wrong.push((what, key.sign(&claims)));
        if claims[field].is_null() {
            claims.as_object_mut().unwrap().remove(field);
            wrong.push((what, key.sign(&claims)));
        }
    }

    let public = key.public();
    let modulus = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    let named = |algorithm| Header { kid: Some("a".to_owned()), ..Header::new(algorithm) };
    for (what, secret) in [
        ("HS256 by the public key", modulus),
        ("HS256 by the public key's text", public.to_string().into_bytes()),
        ("HS256 by nothing", Vec::new()),
    ] {
        let secret = EncodingKey::from_secret(&secret);
        wrong.push((what, encode(&named(Algorithm::HS256), &good, &secret).unwrap()));
    }
    let signature = token.rsplit('.').next().unwrap();
    for (what, header, signature) in [
        ("no algorithm", json!({"alg": "none", "kid": "a"}), ""),
        ("no algorithm, in capitals", json!({"alg": "NONE", "kid": "a"}), ""),
        ("no signature", json!({"alg": "RS256", "kid": "a"}), ""),
        ("a signature of other bytes", json!({"alg": "RS256", "kid": "a"}), signature),
        ("another algorithm", json!({"alg": "RS512", "kid": "a"}), signature),
        ("no key", json!({"alg": "RS256"}), signature),
        ("an empty key", json!({"alg": "RS256", "kid": ""}), signature),
        ("a long key", json!({"alg": "RS256", "kid": "a".repeat(200)}), signature),
        ("a key of its own", json!({"alg": "RS256", "kid": "a", "jwk": other.public()}), signature),
    ] {
        wrong.push((what, unsigned(&header, &good, signature)));
    }
    wrong.push(("a critical extension", critical(&key, &good)));
    wrong.push(("signed by another key", other.sign_as("a", &good)));
    wrong.push(("a key that is not there", other.sign(&good)));
    for cut in [0, 1, 10, token.len() / 2, token.len() - 1] {
        wrong.push(("truncated", token[..cut].to_owned()));
    }
    wrong.push(("something behind", format!("{token}A")));
    wrong.push(("a fourth part", format!("{token}.A")));
    wrong.push(("too long", format!("{token}{}", "A".repeat(10_000))));
    wrong.push(("no token", "token".to_owned()));

    let mut bodies = HashSet::new();
    for (what, token) in wrong {
        let problem = ask(&ours, &token).await.expect_err(what);
        assert_eq!(problem.kind().status().as_u16(), 401, "{what}");
        bodies.insert(body(problem).await);
    }
    let bearer = format!("Bearer {token}");
    for headers in [vec![], vec!["Basic dGljazp4"], vec![&bearer, &bearer]] {
        let mut sent = HeaderMap::new();
        for value in headers {
            sent.append("authorization", value.parse().unwrap());
        }
        bodies.insert(body(ours.authenticate(&sent).await.unwrap_err()).await);
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(jwks.fetches(), 1, "nothing of that is worth a request so soon");
    // A later token that names an unknown key is worth one only where it may be good.
    ahead.by(31);
    let nobody = EncodingKey::from_secret(b"nobody");
    let unknown = |algorithm| Header { kid: Some("c".to_owned()), ..Header::new(algorithm) };
    let token = encode(&unknown(Algorithm::HS256), &good, &nobody).unwrap();
    assert_eq!((status(&ours, &token).await, jwks.fetches()), (401, 1));
    let token = other.sign_as("c", &good);
    assert_eq!((status(&ours, &token).await, jwks.fetches()), (401, 2));
}

#[tokio::test]
async fn a_good_token_of_another_account_is_forbidden() {
    let (ahead, key) = (Ahead::default(), Key::new("a"));
    let jwks = Jwks::serve(vec![key.public()]).await;
    let ours = operators(ISSUER, &jwks.url, &ahead);
    for account in ["TICK@p.iam.gserviceaccount.com", "tick@q.iam.gserviceaccount.com", " "] {
        let mut claims = claims(&ahead);
        claims["email"] = json!(account);
        let problem = ask(&ours, &key.sign(&claims)).await.expect_err(account);
        assert_eq!(problem.kind().status().as_u16(), 403, "{account}");
        assert!(!body(problem).await.contains('@'), "{account}");
    }
}
