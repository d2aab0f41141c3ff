//! An issuer's keys, kept: whoever needs what is not there fetches for all, and nobody fetches often.
//!
//! A token with a kept key takes a read lock and nothing else, so tokens that name keys of their own invention,
//! which anybody can send, hold up no good one. They cause one request every [`WINDOW`] at most.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jsonwebtoken::DecodingKey;

use super::jwks::{KeySet, Source};
use crate::clock::Clock;

/// From the start of one request to the start of the next, also where the first one failed.
const WINDOW: TimeDelta = TimeDelta::seconds(30);
/// How long keys that should be replaced are still believed while they cannot be.
const STALE_FOR: TimeDelta = TimeDelta::hours(6);
/// How long a key that the issuer did not have is not asked for again.
const MISSING_FOR: TimeDelta = TimeDelta::minutes(5);
/// Missing keys remembered at most.
const MISSING: usize = 1_000;

type Flight = Shared<BoxFuture<'static, ()>>;

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the issuer's keys cannot be fetched")]
pub(super) struct Away {
    /// When they are asked for again.
    pub(super) retry_after: Duration,
}

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    clock: Clock,
    held: RwLock<Held>,
    attempts: Mutex<Attempts>,
    missing: Mutex<Missing>,
}

#[derive(Default)]
struct Held {
    keys: KeySet,
    /// When these were asked for, and how long they hold from then.
    fetched: Option<(DateTime<Utc>, TimeDelta)>,
    /// Whether the last request had an answer.
    answered: bool,
}

#[derive(Default)]
struct Attempts {
    last: Option<DateTime<Utc>>,
    under_way: Option<Flight>,
}

/// Keys that the issuer did not have; all are forgotten together.
#[derive(Default)]
struct Missing {
    since: Option<DateTime<Utc>>,
    kids: HashSet<String>,
}

/// What is held of a key.
enum Look {
    Fresh(Arc<DecodingKey>),
    /// To be replaced.
    Stale(Arc<DecodingKey>),
    /// Nothing; `sure` where the issuer has none, as far as can be known.
    Nothing {
        sure: bool,
    },
}

enum Refresh {
    Begun(Flight),
    Joined(Flight),
    TooSoon,
}

impl Keys {
    pub(super) fn new(source: Source, clock: Clock) -> Self {
        Self {
            source,
            clock,
            held: RwLock::default(),
            attempts: Mutex::default(),
            missing: Mutex::default(),
        }
    }

    /// The key of this name, `None` where the issuer has none.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: &str,
    ) -> Result<Option<Arc<DecodingKey>>, Away> {
        let now = self.clock.now();
        let stale = match self.look(kid, now) {
            Look::Fresh(key) => return Ok(Some(key)),
            Look::Nothing { sure: true } if self.is_missing(kid, now) => return Ok(None),
            Look::Stale(_) => true,
            Look::Nothing { .. } => false,
        };
        let asked = match self.refresh(now) {
            Refresh::Begun(flight) => Some(flight),
            Refresh::Joined(flight) => (!stale).then_some(flight),
            Refresh::TooSoon => None,
        };
        let has_asked = asked.is_some();
        if let Some(flight) = asked {
            flight.await;
        }
        // Looked at again even where nothing was awaited: a request may have ended since the first look.
        let now = self.clock.now();
        match self.look(kid, now) {
            Look::Fresh(key) | Look::Stale(key) => Ok(Some(key)),
            Look::Nothing { sure: true } => {
                // Without a request of its own the key may be newer than the answer that lacks it.
                if has_asked {
                    self.missing.lock().unwrap_or_else(PoisonError::into_inner).put(kid, now);
                }
                Ok(None)
            }
            Look::Nothing { sure: false } => Err(Away { retry_after: self.next_attempt(now) }),
        }
    }

    fn look(&self, kid: &str, now: DateTime<Utc>) -> Look {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let Some((since, fresh_for)) = held.fetched else { return Look::Nothing { sure: false } };
        // A clock that was set back makes keys stale, not long-lived.
        let fresh = since <= now && now < since + fresh_for;
        let believed = now < since + fresh_for + STALE_FOR;
        match held.keys.get(kid) {
            Some(key) if fresh => Look::Fresh(key.clone()),
            Some(key) if believed => Look::Stale(key.clone()),
            Some(_) | None => Look::Nothing { sure: fresh && held.answered },
        }
    }

    fn is_missing(&self, kid: &str, now: DateTime<Utc>) -> bool {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).has(kid, now)
    }

    /// Asks the issuer, unless somebody does or has just done so. The request is a task: it ends, and its answer is
    /// kept, also where everybody who waits for it is dropped.
    fn refresh(self: &Arc<Self>, now: DateTime<Utc>) -> Refresh {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = &attempts.under_way
            && flight.peek().is_none()
        {
            return Refresh::Joined(flight.clone());
        }
        if attempts.last.is_some_and(|last| last <= now && now < last + WINDOW) {
            return Refresh::TooSoon;
        }
        attempts.last = Some(now);
        let this = self.clone();
        let task = tokio::spawn(async move { this.fetch(now).await });
        let flight = task.map(|_| ()).boxed().shared();
        attempts.under_way = Some(flight.clone());
        Refresh::Begun(flight)
    }

    async fn fetch(&self, now: DateTime<Utc>) {
        let fetched = self.source.fetch().await;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.answered = fetched.is_ok();
        match fetched {
            Ok(fetched) => {
                held.keys = fetched.keys;
                held.fetched = Some((now, fetched.fresh_for));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the issuer's keys cannot be fetched");
            }
        }
    }

    fn next_attempt(&self, now: DateTime<Utc>) -> Duration {
        let last = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).last;
        let left = last.map_or(WINDOW, |last| (last + WINDOW - now).min(WINDOW));
        left.to_std().unwrap_or(Duration::ZERO).max(Duration::from_secs(1))
    }
}

impl Missing {
    fn has(&mut self, kid: &str, now: DateTime<Utc>) -> bool {
        self.forget(now);
        self.kids.contains(kid)
    }

    /// When full, nothing is added: then a key costs at most what [`WINDOW`] allows.
    fn put(&mut self, kid: &str, now: DateTime<Utc>) {
        self.forget(now);
        if self.kids.len() < MISSING {
            self.kids.insert(kid.to_owned());
        }
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        if self.since.is_none_or(|since| now < since || since + MISSING_FOR <= now) {
            self.since = Some(now);
            self.kids.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_are_bounded_and_forgotten() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let mut missing = Missing::default();
        for kid in 0..=MISSING {
            missing.put(&kid.to_string(), at(100));
        }
        assert!(missing.has("0", at(399)));
        assert!(!missing.has(&MISSING.to_string(), at(100)), "no more than fit");
        assert!(!missing.has("0", at(400)), "forgotten");
        missing.put("1", at(400));
        assert!(!missing.has("1", at(399)), "a clock that was set back forgets");
    }
}
