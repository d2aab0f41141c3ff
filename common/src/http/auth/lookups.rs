//! Look-ups of keys, gathered: one statement at a time, and what arrives meanwhile goes with the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use crate::api_key::{FoundKey, KeyHash};
use crate::clock::Clock;
use crate::http::problem::{Kind, Problem};
use crate::state::Tenants;

type Answer = Result<Option<FoundKey>, Problem>;

/// Gathers look-ups without a task of its own: whoever gets the turn asks for all who wait, and answers them.
pub(super) struct Lookups {
    tenants: Arc<dyn Tenants>,
    clock: Clock,
    /// The right to have a statement under way.
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<(KeyHash, oneshot::Sender<Answer>)>>,
    places: Semaphore,
    most: usize,
}

impl Lookups {
    /// At most `most` look-ups wait.
    pub(super) fn new(tenants: Arc<dyn Tenants>, clock: Clock, most: usize) -> Self {
        Self {
            tenants,
            clock,
            turn: tokio::sync::Mutex::new(()),
            waiting: Mutex::default(),
            places: Semaphore::new(most),
            most,
        }
    }

    /// The key of this hash, `None` where nobody has it.
    pub(super) async fn find(&self, hash: &KeyHash) -> Answer {
        let Ok(_place) = self.places.try_acquire() else {
            let detail = "too many requests wait for their API key to be verified; try again";
            return Err(Problem::new(Kind::Unavailable, detail).retry_after(Duration::from_secs(1)));
        };
        loop {
            let (sender, mut answer) = oneshot::channel();
            self.wait(hash, sender);
            let told = tokio::select! {
                biased;
                told = &mut answer => told,
                _turn = self.turn.lock() => {
                    self.ask().await;
                    answer.await
                }
            };
            // Without an answer, the request that asked for this one was given up on the way: ask again.
            if let Ok(answer) = told {
                return answer;
            }
        }
    }

    async fn ask(&self) {
        let batch = std::mem::take(&mut *self.waiting());
        let mut hashes: Vec<KeyHash> =
            batch.iter().filter(|(_, to)| !to.is_closed()).map(|(hash, _)| hash.clone()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        if hashes.is_empty() {
            return;
        }
        let found = self.tenants.use_keys(&hashes, self.clock.now()).await;
        let found: Result<HashMap<KeyHash, FoundKey>, Problem> = found
            .map(|keys| keys.into_iter().map(|found| (found.key.hash.clone(), found)).collect())
            .map_err(Problem::from);
        for (hash, to) in batch {
            let answer =
                found.as_ref().map(|found| found.get(&hash).cloned()).map_err(Clone::clone);
            // Whoever no longer listens has been given up.
            let _ = to.send(answer);
        }
    }

    fn wait(&self, hash: &KeyHash, sender: oneshot::Sender<Answer>) {
        let mut waiting = self.waiting();
        // Those who were given up have left their place and no more than that.
        if waiting.len() >= self.most {
            waiting.retain(|(_, to)| !to.is_closed());
        }
        waiting.push((hash.clone(), sender));
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(KeyHash, oneshot::Sender<Answer>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
