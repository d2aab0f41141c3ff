//! Group commit: one statement in flight, and what arrives meanwhile goes with the next.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::port::PortError;

/// The most that one statement takes along.
const MOST: usize = 500;

type Answer<R> = Result<R, PortError>;
type Waiting<T, R> = (T, oneshot::Sender<Answer<R>>);

/// Things that wait to be done together.
pub(super) struct Group<T, R> {
    waiting: Mutex<Vec<Waiting<T, R>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl<T, R> Default for Group<T, R> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: Arc::default() }
    }
}

impl<T: Send + 'static, R: Send + 'static> Group<T, R> {
    /// Adds `item` to what waits and answers what came of it. Whoever gets the turn does `work` for all who wait;
    /// it answers in their order.
    ///
    /// Work that has begun goes on, and keeps the turn, also when the caller is dropped: a statement that was
    /// sent is in flight until its end is known.
    pub(super) async fn submit<W, F>(&self, item: T, work: W) -> Answer<R>
    where
        W: Fn(Vec<T>) -> F + Send,
        F: Future<Output = Vec<Answer<R>>> + Send + 'static,
    {
        let (sender, mut answer) = oneshot::channel();
        self.waiting().push((item, sender));
        loop {
            let turn = tokio::select! {
                biased;
                told = &mut answer => return told.unwrap_or_else(|_| Err(given_up())),
                turn = Arc::clone(&self.turn).lock_owned() => turn,
            };
            // Who has the turn finds the answer to what went before in place.
            let (items, senders): (Vec<T>, Vec<_>) = self.next().into_iter().unzip();
            if items.is_empty() {
                continue;
            }
            let work = work(items);
            tokio::spawn(async move {
                for (to, answer) in senders.into_iter().zip(work.await) {
                    // Whoever no longer listens has been given up.
                    let _ = to.send(answer);
                }
                drop(turn);
            });
        }
    }

    fn next(&self) -> Vec<Waiting<T, R>> {
        let mut waiting = self.waiting();
        waiting.retain(|(_, to)| !to.is_closed());
        let most = waiting.len().min(MOST);
        waiting.drain(..most).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting<T, R>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn given_up() -> PortError {
    PortError::Unavailable("a statement was given up".to_owned())
}

/// The same error for everybody who shared a statement.
pub(super) fn same(error: &PortError) -> PortError {
    match error {
        PortError::NotFound(text) => PortError::NotFound(text.clone()),
        PortError::AlreadyExists(text) => PortError::AlreadyExists(text.clone()),
        PortError::Conflict(text) => PortError::Conflict(text.clone()),
        PortError::PermissionDenied(text) => PortError::PermissionDenied(text.clone()),
        PortError::InvalidQuery(text) => PortError::InvalidQuery(text.clone()),
        PortError::RateLimited(text) => PortError::RateLimited(text.clone()),
        PortError::Unavailable(text) => PortError::Unavailable(text.clone()),
        PortError::Other { context, source } => {
            PortError::other(context.clone(), source.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_arrives_meanwhile_goes_with_the_next() {
        let group = Group::<u32, u32>::default();
        let statements = Arc::new(AtomicUsize::new(0));
        let in_flight = Arc::new(AtomicUsize::new(0));
        let work = |items: Vec<u32>| {
            let (statements, in_flight) = (Arc::clone(&statements), Arc::clone(&in_flight));
            async move {
                assert_eq!(in_flight.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                statements.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                in_flight.fetch_sub(1, Ordering::SeqCst);
                items.into_iter().map(|item| Ok(item * 2)).collect()
            }
        };
        let all = (0..700).map(|n| group.submit(n, work));
        let answers = futures::future::join_all(all).await;
        let answers: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..700).map(|n| n * 2).collect::<Vec<_>>());
        // All 700 were there before the first got the turn: 500 and 200.
        assert_eq!(statements.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn work_goes_on_and_keeps_the_turn_when_its_caller_is_gone() {
        let group = Group::<u32, u32>::default();
        let done = Arc::new(AtomicUsize::new(0));
        let work = |items: Vec<u32>| {
            let done = Arc::clone(&done);
            async move {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                done.fetch_add(1, Ordering::SeqCst);
                items.into_iter().map(Ok).collect()
            }
        };
        let impatient =
            tokio::time::timeout(std::time::Duration::from_secs(1), group.submit(1, work)).await;
        assert!(impatient.is_err());
        assert_eq!(group.submit(2, work).await.unwrap(), 2);
        assert_eq!(done.load(Ordering::SeqCst), 2, "the first was not cut off");
    }
}
