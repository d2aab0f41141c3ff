//! The event port inside one process, in place of Pub/Sub: the same handlers behind a channel and a mailbox.
//!
//! `run.finished` goes through a channel: a lost one is found by the reaper. A run request, once accepted, is
//! kept in the data folder until it is handled, for its slot has been passed by then.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use common::events::{Event, EventPublisher, RunRequested};
use common::port::PortError;
use futures::FutureExt;
use scheduler::queue;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub mod mailbox;

use mailbox::{Mailbox, Message};

/// Deliveries of a message before it is given up, as the deployment's subscription has it.
const MOST_DELIVERIES: u32 = 100;
/// The wait before a second delivery; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(10);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(10);
/// How often the mailbox is looked into where nobody says that something came.
const LOOK: Duration = Duration::from_secs(5);
/// Messages read at once.
const AT_ONCE: u32 = 100;

/// Takes events for [`deliver_ends`] and [`deliver_requests`].
pub struct LocalPublisher {
    finished: UnboundedSender<Event>,
    mailbox: Arc<Mailbox>,
    came: Arc<Notify>,
}

/// What they are taken from.
pub struct Deliveries {
    /// `run.finished`.
    pub finished: UnboundedReceiver<Event>,
    /// Run requests.
    pub mailbox: Arc<Mailbox>,
    /// Told when requests have come.
    pub came: Arc<Notify>,
}

/// Makes the two ends.
pub fn channel(mailbox: Mailbox) -> (LocalPublisher, Deliveries) {
    let (sender, finished) = unbounded_channel();
    let (mailbox, came) = (Arc::new(mailbox), Arc::new(Notify::new()));
    let publisher =
        LocalPublisher { finished: sender, mailbox: mailbox.clone(), came: came.clone() };
    (publisher, Deliveries { finished, mailbox, came })
}

#[async_trait]
impl EventPublisher for LocalPublisher {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        let mut requests = Vec::new();
        for event in events {
            match event {
                Event::RunRequested(request) => requests.push(request),
                Event::RunFinished { .. } => self.finished.send(event.clone()).map_err(|_| {
                    PortError::Unavailable("nobody listens for events any more".to_owned())
                })?,
            }
        }
        if !requests.is_empty() {
            self.mailbox.put(&requests)?;
            self.came.notify_one();
        }
        Ok(())
    }
}

/// Handles ends of runs, as they come, for as long as it is polled.
pub async fn deliver_ends(mut ends: UnboundedReceiver<Event>, scheduler: scheduler::Context) {
    while let Some(event) = ends.recv().await {
        if let Err(error) = queue::handle(&scheduler, &event).await {
            tracing::warn!(%error, "event left to the reaper");
        }
    }
}

/// Handles run requests, as they come and as they are due again, for as long as it is polled.
pub async fn deliver_requests(mailbox: Arc<Mailbox>, came: Arc<Notify>, trigger: trigger::State) {
    loop {
        if let Err(error) = empty(&mailbox, &trigger).await {
            tracing::error!(%error, "mailbox not read; it is tried again");
        }
        // Elapsed or told, it looks again.
        let _ = tokio::time::timeout(LOOK, came.notified()).await;
    }
}

/// Handles every message whose time has come. Tenants take turns, so that one with many holds up no other.
pub async fn empty(mailbox: &Mailbox, trigger: &trigger::State) -> Result<(), PortError> {
    loop {
        let due = mailbox.due(AT_ONCE)?;
        if due.is_empty() {
            return Ok(());
        }
        for Message { id, request, deliveries } in due {
            let handled = AssertUnwindSafe(trigger::requests::handle(trigger, &request));
            let handled = handled.catch_unwind().await.unwrap_or_else(|_| {
                Err(PortError::other("a run request", "its handling panicked"))
            });
            match handled {
                Ok(()) => mailbox.done(id)?,
                Err(error) => again(mailbox, id, deliveries + 1, &request, &error)?,
            }
            // The store answers at once, so nothing else here lets others on.
            tokio::task::yield_now().await;
        }
    }
}

fn again(
    mailbox: &Mailbox,
    id: i64,
    deliveries: u32,
    request: &RunRequested,
    error: &PortError,
) -> Result<(), PortError> {
    let RunRequested { tenant_id, config_id, slot, attempt, .. } = request;
    if deliveries >= MOST_DELIVERIES {
        tracing::error!(tenant.id = %tenant_id, config.id = %config_id, %slot, attempt, %error,
            "run request given up; an operator can resubmit the slot");
        return mailbox.done(id);
    }
    tracing::warn!(tenant.id = %tenant_id, config.id = %config_id, %slot, attempt, %error,
        "run request is delivered again");
    let doubled = 2_i32.checked_pow(deliveries - 1).unwrap_or(i32::MAX);
    let wait = FIRST_WAIT.checked_mul(doubled).map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT));
    mailbox.later(id, deliveries, wait)
}
