//! A token: its header before it is believed, its claims once its signature is good.

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// The longest token looked at. Google's have about 1 kB.
const LONGEST: usize = 8 * 1024;
/// The longest name of a key. Google's have 40 characters.
pub(super) const LONGEST_KID: usize = 128;
/// How far two clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// What is wrong with a token; for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no bearer token")]
    Missing,
    #[error("the token is malformed")]
    Form,
    #[error("the token is not signed by RS256")]
    Algorithm,
    #[error("the token's key is not the issuer's")]
    Key,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is issued in the future")]
    Future,
    #[error("the token names no verified e-mail address")]
    Email,
}

/// What a token says, as far as it is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    email: Option<String>,
    email_verified: Option<bool>,
}

/// The name of the key that is said to have signed the token.
pub(super) fn key_id(token: &str) -> Result<String, Fault> {
    if token.len() > LONGEST {
        return Err(Fault::Form);
    }
    let header = decode_header(token).map_err(|_| Fault::Form)?;
    if header.alg != Algorithm::RS256 {
        return Err(Fault::Algorithm);
    }
    // What must be understood is not: this knows no extensions.
    if header.crit.is_some() {
        return Err(Fault::Form);
    }
    header.kid.filter(|kid| (1..=LONGEST_KID).contains(&kid.len())).ok_or(Fault::Key)
}

/// The claims of a token that this key has signed.
pub(super) fn signed_claims(token: &str, key: &DecodingKey) -> Result<Claims, Fault> {
    let mut signature_alone = Validation::new(Algorithm::RS256);
    // The rest is checked below, against a clock that is handed in.
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    match decode::<Claims>(token, key, &signature_alone) {
        Ok(token) => Ok(token.claims),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => Err(Fault::Signature),
        Err(_) => Err(Fault::Form),
    }
}

impl Claims {
    /// The account, where the claims hold for this issuer and audience at this time.
    pub(super) fn account(
        self,
        issuers: &[String],
        audience: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Fault> {
        let now = now.timestamp();
        if !issuers.contains(&self.iss) {
            return Err(Fault::Issuer);
        }
        if self.aud != audience || audience.is_empty() {
            return Err(Fault::Audience);
        }
        if now >= self.exp.saturating_add(LEEWAY) {
            return Err(Fault::Expired);
        }
        if self.iat > now.saturating_add(LEEWAY) {
            return Err(Fault::Future);
        }
        match self.email {
            Some(email) if self.email_verified == Some(true) && !email.is_empty() => Ok(email),
            _ => Err(Fault::Email),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_hold_for_one_issuer_one_audience_and_their_time() {
        let claims = |change: fn(&mut Claims)| {
            let mut claims = Claims {
                iss: "https://issuer".into(),
                aud: "https://service".into(),
                exp: 4_600,
                iat: 1_000,
                email: Some("a@example.com".into()),
                email_verified: Some(true),
            };
            change(&mut claims);
            claims
        };
        let same: fn(&mut Claims) = |_| {};
        let good = Ok("a@example.com".to_owned());
        for (change, now, expected) in [
            (same, 1_000, good.clone()),
            (same, 940, good.clone()),
            (same, 939, Err(Fault::Future)),
            (same, 4_659, good.clone()),
            (same, 4_660, Err(Fault::Expired)),
            (|c| c.exp = i64::MAX, 4_660, good.clone()),
            (|c| c.iss = "https://issuer/".into(), 1_000, Err(Fault::Issuer)),
            (|c| c.aud = "https://service/".into(), 1_000, Err(Fault::Audience)),
            (|c| c.aud = String::new(), 1_000, Err(Fault::Audience)),
            (|c| c.email = None, 1_000, Err(Fault::Email)),
            (|c| c.email = Some(String::new()), 1_000, Err(Fault::Email)),
            (|c| c.email_verified = None, 1_000, Err(Fault::Email)),
            (|c| c.email_verified = Some(false), 1_000, Err(Fault::Email)),
        ] {
            let now = DateTime::from_timestamp(now, 0).unwrap();
            let found = claims(change).account(&["https://issuer".into()], "https://service", now);
            assert_eq!(found, expected, "{:?} at {now}", claims(change));
        }
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        let nobodys = claims(|c| c.aud = String::new());
        assert_eq!(nobodys.account(&["https://issuer".into()], "", now), Err(Fault::Audience));
    }
}
