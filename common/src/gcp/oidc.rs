//! Google's ID tokens: who calls a route of the deployment, shown by a token that Google has signed.
//!
//! Verification cannot be switched off. [`Issuer::google`] is the issuer of a deployment; another one is taken
//! only where its keys are on this machine.

mod jwks;
mod keys;
mod token;

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use reqwest::Url;

use super::is_loopback;
use crate::clock::Clock;
use crate::http::{Kind, Operator, Operators, Problem};
use crate::port::PortError;
use jwks::Source;
use keys::{Away, Keys};
use token::Fault;

/// Who signs tokens: the names it gives itself, and where its keys are.
#[derive(Debug, Clone)]
pub struct Issuer {
    names: Vec<String>,
    jwks: String,
}

impl Issuer {
    /// Google. Its tokens name it with and without the scheme.
    pub fn google() -> Self {
        let names = ["https://accounts.google.com", "accounts.google.com"];
        let jwks = "https://www.googleapis.com/oauth2/v3/certs".to_owned();
        Self { names: names.map(str::to_owned).to_vec(), jwks }
    }

    /// A signer on this machine, such as an emulator. Any other URL is refused.
    pub fn on_this_machine(issuer: &str, jwks_url: &str) -> Result<Self, PortError> {
        let refused = |rule: &str| {
            PortError::InvalidQuery(format!("the URL of the issuer's keys '{jwks_url}' {rule}"))
        };
        let url = Url::parse(jwks_url).map_err(|e| refused(&format!("is not a URL: {e}")))?;
        if !is_loopback(&url) || !["http", "https"].contains(&url.scheme()) {
            return Err(refused("must be on this machine; leave it out to take Google's tokens"));
        }
        if issuer.is_empty() {
            return Err(PortError::InvalidQuery("the issuer on this machine must be named".into()));
        }
        Ok(Self { names: vec![issuer.to_owned()], jwks: jwks_url.to_owned() })
    }
}

/// Verifies the tokens of one issuer, whose keys it keeps for all routes.
pub struct Verifier {
    names: Vec<String>,
    keys: Arc<Keys>,
    clock: Clock,
}

/// Who may call a route.
struct Allowed {
    audience: String,
    accounts: HashSet<String>,
}

/// Why a request is not let in.
enum Refusal {
    /// Nobody is shown by it.
    Bad(Fault),
    /// Somebody is shown by it who may not do this.
    Account(String),
    /// It cannot be told.
    Away(Away),
}

impl Verifier {
    /// Verifies tokens of this issuer. Its keys are fetched with the first token.
    pub fn new(issuer: Issuer, clock: Clock) -> Result<Arc<Self>, PortError> {
        let keys = Arc::new(Keys::new(Source::new(issuer.jwks)?, clock.clone()));
        Ok(Arc::new(Self { names: issuer.names, keys, clock }))
    }

    /// Lets in whom a token for this audience shows to be one of these accounts, named by e-mail address: 401
    /// without a good token, always the same; 403 for another account; 503 while it cannot be told.
    pub fn allow(self: &Arc<Self>, audience: &str, accounts: &[String]) -> Operators {
        let accounts = accounts.iter().cloned().collect();
        let allowed = Arc::new(Allowed { audience: audience.to_owned(), accounts });
        let verifier = self.clone();
        Operators::from_fn(move |headers| {
            let (verifier, allowed) = (verifier.clone(), allowed.clone());
            async move { verifier.operator(&headers, &allowed).await.map_err(Problem::from) }
        })
    }

    async fn operator(&self, headers: &HeaderMap, allowed: &Allowed) -> Result<Operator, Refusal> {
        let token = bearer(headers).ok_or(Fault::Missing)?;
        let kid = token::key_id(token)?;
        let key = self.keys.find(&kid).await.map_err(Refusal::Away)?.ok_or(Fault::Key)?;
        let claims = token::signed_claims(token, &key)?;
        let email = claims.account(&self.names, &allowed.audience, self.clock.now())?;
        if !allowed.accounts.contains(&email) {
            return Err(Refusal::Account(email));
        }
        Ok(Operator { name: email })
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Bad(fault)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Bad(fault) => {
                let detail = "the header Authorization must hold Bearer and a valid ID token for this service";
                Self::new(Kind::Unauthenticated, detail).caused_by(&fault)
            }
            Refusal::Account(email) => {
                let detail = "the token is good, but its account may not call this route";
                Self::new(Kind::Forbidden, detail).caused_by(&format!("account {email}"))
            }
            Refusal::Away(away) => {
                let detail = "the keys that verify tokens cannot be fetched; try again";
                Self::new(Kind::Unavailable, detail).retry_after(away.retry_after).caused_by(&away)
            }
        }
    }
}

/// The token of the headers, if there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_google_signs_for_other_machines() {
        for good in ["http://127.0.0.1:8123/jwks", "https://localhost/jwks", "http://[::1]:1/k"] {
            Issuer::on_this_machine("http://issuer", good).unwrap();
        }
        for bad in [
            "https://www.googleapis.com/oauth2/v3/certs",
            "http://127.0.0.1.example.com/jwks",
            "http://10.0.0.1/jwks",
            "file://localhost/jwks",
            "jwks",
            "",
        ] {
            let error = Issuer::on_this_machine("http://issuer", bad).unwrap_err();
            assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
        }
        assert!(Issuer::on_this_machine("", "http://127.0.0.1/jwks").is_err());
        assert_eq!(Issuer::google().names[0], "https://accounts.google.com");
    }

    #[test]
    fn a_token_is_taken_from_one_bearer_header_alone() {
        for (values, token) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer abc"], Some("abc")),
            (&["Bearer"], None),
            (&["Basic abc"], None),
            (&["abc"], None),
            (&[], None),
            (&["Bearer abc", "Bearer abc"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers), token, "{values:?}");
        }
    }
}
