//! Who asks: a tenant by its API key, an operator by what the deployment composes.

mod lookups;
mod memory;

use std::fmt;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::Span;

use super::problem::{FieldError, Kind, Problem};
use crate::api_key::{ApiKey, FoundKey, KeyState};
use crate::clock::Clock;
use crate::state::Tenants;
use crate::tenant::{Subscription, SubscriptionStatus, TenantId, UserId};
use lookups::Lookups;
use memory::Memory;

/// The header that a tenant's key comes in.
pub const API_KEY: &str = "x-api-key";
/// The header that names the person a tenant's system acts for.
pub const USER_ID: &str = "x-user-id";

/// How long a verified key is believed without asking again: the longest that a revoked one still works.
const VERIFIED_FOR: TimeDelta = TimeDelta::seconds(30);
/// How long a key that nobody has, or that may start nothing, is remembered as such.
const REFUSED_FOR: TimeDelta = TimeDelta::seconds(5);
/// Keys remembered at most, of each sort: about 10 MB.
const REMEMBERED: usize = 10_000;
/// Requests that may wait for a look-up; the next is answered 503.
const WAITING: usize = 1_000;

/// A tenant that has shown a good key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant, from the key alone.
    pub tenant_id: TenantId,
    /// Its subscription, as of at most 30 s ago: good for an early refusal, never for an admission.
    pub subscription: Option<Subscription>,
    /// The person it says it acts for, where it says so.
    pub user_id: Option<UserId>,
}

impl Caller {
    /// Refuses a path that names another tenant than the key: 403, whether or not there is such a tenant.
    pub fn authorize_path(&self, tenant: &str) -> Result<(), Problem> {
        if tenant == self.tenant_id.as_str() {
            Ok(())
        } else {
            Err(Problem::new(
                Kind::Forbidden,
                "the path names another tenant than the API key does",
            ))
        }
    }

    /// Refuses where the subscription is known not to be active: 403.
    pub fn require_active(&self) -> Result<(), Problem> {
        let status = self.subscription.as_ref().map(|subscription| subscription.status);
        match status {
            Some(SubscriptionStatus::Active) => Ok(()),
            Some(status @ (SubscriptionStatus::Suspended | SubscriptionStatus::Cancelled)) => {
                let detail = format!("the subscription of tenant {} is {status}", self.tenant_id);
                Err(Problem::new(Kind::SubscriptionInactive, detail))
            }
            None => {
                let detail = format!("tenant {} has no subscription yet", self.tenant_id);
                Err(Problem::new(Kind::SubscriptionInactive, detail))
            }
        }
    }

    /// The person, for what has to be recorded under one: 400 where the header is missing.
    pub fn require_user(&self) -> Result<&UserId, Problem> {
        self.user_id.as_ref().ok_or_else(|| {
            Problem::of_fields(Kind::MalformedRequest, &[FieldError::missing("X-User-ID")])
        })
    }
}

/// Reads `X-User-ID`, where it is given: 400 where it is not 1 to 128 printable characters of UTF-8.
pub fn user_id(headers: &HeaderMap) -> Result<Option<UserId>, Problem> {
    let Some(value) = headers.get(USER_ID) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let parsed = std::str::from_utf8(value.as_bytes())
        .map_err(|_| "must be 1 to 128 printable characters in UTF-8")
        .and_then(UserId::parse);
    parsed.map(Some).map_err(|rule| {
        let error = FieldError::new("X-User-ID", text.escape_default().to_string(), rule);
        Problem::of_fields(Kind::MalformedRequest, &[error])
    })
}

/// Tells tenants by their keys.
///
/// A key's form and check are looked at first; then what is remembered; then the store, where look-ups that
/// come while one is under way share the next statement. A key that was revoked, by whichever instance, is
/// refused 30 s later at the latest, and a subscription that is active again is seen after 5 s.
pub struct Keyring {
    clock: Clock,
    lookups: Lookups,
    good: Mutex<Memory<Caller>>,
    refused: Mutex<Memory<Option<Caller>>>,
}

impl Keyring {
    /// A keyring over a store.
    pub fn new(tenants: Arc<dyn Tenants>, clock: Clock) -> Self {
        Self {
            lookups: Lookups::new(tenants, clock.clone(), WAITING),
            clock,
            good: Mutex::new(Memory::new(VERIFIED_FOR, REMEMBERED)),
            refused: Mutex::new(Memory::new(REFUSED_FOR, REMEMBERED)),
        }
    }

    /// The tenant whose key the headers hold. 401, always the same, where they hold none that is good; 400
    /// where `X-User-ID` is malformed; 503 where too many requests wait or the store is away.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let key = api_key(headers).ok_or_else(unauthenticated)?;
        let mut caller = self.caller(&key).await?.ok_or_else(unauthenticated)?;
        Span::current().record("tenant.id", caller.tenant_id.as_str());
        caller.user_id = user_id(headers)?;
        Ok(caller)
    }

    async fn caller(&self, key: &ApiKey) -> Result<Option<Caller>, Problem> {
        let hash = key.hash();
        let now = self.clock.now();
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner).get(&hash, now);
        if good.is_some() {
            return Ok(good);
        }
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&hash, now);
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let found = self.lookups.find(&hash).await?;
        // What was read is as old as the statement may be: it is remembered from before it.
        let expires = found.as_ref().and_then(|found| found.key.expires_at);
        let caller = found.filter(|found| is_good(found, key, &self.clock)).map(
            |FoundKey { key, subscription }| Caller {
                tenant_id: key.tenant_id,
                subscription,
                user_id: None,
            },
        );
        match &caller {
            Some(active) if active.require_active().is_ok() => {
                let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
                good.put(hash, active.clone(), now, expires);
            }
            other => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.put(hash, other.clone(), now, other.as_ref().and(expires));
            }
        }
        Ok(caller)
    }
}

fn is_good(found: &FoundKey, key: &ApiKey, clock: &Clock) -> bool {
    found.key.state(clock.now()) == KeyState::Active && found.key.tenant_id == *key.tenant()
}

/// The key of the headers, if there is exactly one and it has the form and the check of a key.
fn api_key(headers: &HeaderMap) -> Option<ApiKey> {
    let mut values = headers.get_all(API_KEY).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    ApiKey::parse(value.to_str().ok()?)
}

fn unauthenticated() -> Problem {
    Problem::new(Kind::Unauthenticated, "the header X-API-Key must hold a valid API key")
}

/// As a handler's argument: refused before the body is looked at.
impl<S> FromRequestParts<S> for Caller
where
    Arc<Keyring>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Arc::<Keyring>::from_ref(state).authenticate(&parts.headers).await
    }
}

/// Somebody who runs the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The account, for the log.
    pub name: String,
}

type Proof = dyn Fn(HeaderMap) -> BoxFuture<'static, Result<Operator, Problem>> + Send + Sync;

/// Tells operators from everybody else, in the way that the deployment composes.
#[derive(Clone)]
pub struct Operators(Arc<Proof>);

impl Operators {
    /// Operators are whom `prove` answers; it refuses others with 401, or 403 where it knows them.
    pub fn from_fn<F, Answer>(prove: F) -> Self
    where
        F: Fn(HeaderMap) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Operator, Problem>> + Send + 'static,
    {
        Self(Arc::new(move |headers| prove(headers).boxed()))
    }

    /// The operator whose credentials the headers hold.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Operator, Problem> {
        (self.0)(headers.clone()).await
    }
}

/// As a handler's argument: refused before the body is looked at.
impl<S> FromRequestParts<S> for Operator
where
    Operators: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Operators::from_ref(state).authenticate(&parts.headers).await
    }
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operators")
    }
}

#[cfg(test)]
mod tests;
