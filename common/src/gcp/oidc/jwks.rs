//! Where an issuer's keys are: one request, bounded in time and size, and how long its answer holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use jsonwebtoken::DecodingKey;
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;

use super::token::LONGEST_KID;
use crate::port::PortError;

const CONNECT: Duration = Duration::from_secs(3);
/// The whole request: a caller waits for it.
const FETCH: Duration = Duration::from_secs(5);
/// The largest answer read. Google's has 2 kB.
const LARGEST: usize = 64 * 1024;
/// The shortest and the longest that keys hold, whatever the answer says, and how long where it says nothing.
const SHORTEST: TimeDelta = TimeDelta::minutes(5);
const LONGEST: TimeDelta = TimeDelta::hours(24);
const UNSAID: TimeDelta = TimeDelta::hours(1);

/// Keys by their names.
pub(super) type KeySet = HashMap<String, Arc<DecodingKey>>;

/// The address of an issuer's keys.
pub(super) struct Source {
    client: Client,
    url: String,
}

/// What was fetched.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    /// How long they hold.
    pub(super) fresh_for: TimeDelta,
}

/// Why there is nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    #[error("the answer has more than {LARGEST} bytes")]
    TooLarge,
    #[error("the answer is no set of keys")]
    Form(#[from] serde_json::Error),
    #[error("the answer has no RSA key for signatures by RS256")]
    Empty,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Source {
    pub(super) fn new(url: String) -> Result<Self, PortError> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(FETCH)
            .redirect(Policy::none())
            .build()
            .map_err(|e| PortError::other("the client that fetches an issuer's keys", e))?;
        Ok(Self { client, url })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let mut answer = self.client.get(&self.url).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let fresh_for = fresh_for(answer.headers());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { keys: parse(&body)?, fresh_for })
    }
}

/// The keys that can have signed a token. Others may stand beside them and are passed over.
fn parse(body: &[u8]) -> Result<KeySet, FetchError> {
    let jwks: Jwks = serde_json::from_slice(body)?;
    let keys: KeySet = jwks.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() { Err(FetchError::Empty) } else { Ok(keys) }
}

fn usable(jwk: Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let signs = jwk.kty == "RSA"
        && jwk.alg.is_none_or(|alg| alg == "RS256")
        && jwk.usage.is_none_or(|usage| usage == "sig");
    let kid = jwk.kid.filter(|kid| signs && (1..=LONGEST_KID).contains(&kid.len()))?;
    let key = DecodingKey::from_rsa_components(&jwk.n?, &jwk.e?).ok()?;
    Some((kid, Arc::new(key)))
}

/// `max-age` less the time that the answer has spent in caches, within bounds.
fn fresh_for(headers: &HeaderMap) -> TimeDelta {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| value.split(',')).map(str::trim);
    let mut said = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "max-age" => said = said.or(value.trim_matches('"').parse::<u32>().ok()),
            "no-cache" | "no-store" => return SHORTEST,
            _ => {}
        }
    }
    let Some(said) = said else { return UNSAID };
    let age = headers.get(AGE).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let left = said.saturating_sub(age.unwrap_or(0));
    TimeDelta::seconds(i64::from(left)).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_as_long_as_the_answer_says_within_bounds() {
        for (cache_control, age, seconds) in [
            (&["public, max-age=19000, must-revalidate"][..], None, 19_000),
            (&["Max-Age=19000"], Some("4000"), 15_000),
            (&["public", "max-age=\"7200\""], None, 7_200),
            (&["max-age=0"], None, 300),
            (&["max-age=400"], Some("900"), 300),
            (&["max-age=9999999"], None, 86_400),
            (&["max-age=86400, no-cache"], None, 300),
            (&["no-store"], None, 300),
            (&["max-age=soon"], None, 3_600),
            (&[], Some("10"), 3_600),
        ] {
            let mut headers = HeaderMap::new();
            for value in cache_control {
                headers.append(CACHE_CONTROL, value.parse().unwrap());
            }
            if let Some(age) = age {
                headers.insert(AGE, age.parse().unwrap());
            }
            assert_eq!(fresh_for(&headers).num_seconds(), seconds, "{cache_control:?} {age:?}");
        }
    }

    #[test]
    fn only_keys_for_signatures_by_rs256_are_taken() {
        let key = |change: &str| format!(r#"{{"kty":"RSA","n":"AQAB","e":"AQAB"{change}}}"#);
        let named = r#","kid":"a""#;
        for (body, taken) in [
            (key(named), true),
            (key(r#","kid":"a","alg":"RS256","use":"sig","x5c":[]"#), true),
            (key(""), false),
            (key(r#","kid":"""#), false),
            (key(r#","kid":"a","alg":"RS512""#), false),
            (key(r#","kid":"a","use":"enc""#), false),
            (key(named).replace("RSA", "EC"), false),
            (key(named).replace("AQAB", "%"), false),
        ] {
            let found = parse(format!(r#"{{"keys":[{body}]}}"#).as_bytes());
            assert_eq!(found.is_ok(), taken, "{body}");
        }
        for body in ["", "{}", "[]", r#"{"keys":[]}"#] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
