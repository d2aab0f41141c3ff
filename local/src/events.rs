//! The event port inside one process: a channel to the handlers that Pub/Sub would push to.

use async_trait::async_trait;
use common::events::{Event, EventPublisher};
use common::port::PortError;
use scheduler::queue;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Hands events to [`deliver`].
pub struct ChannelPublisher(UnboundedSender<Event>);

/// Makes the two ends.
pub fn channel() -> (ChannelPublisher, UnboundedReceiver<Event>) {
    let (sender, receiver) = unbounded_channel();
    (ChannelPublisher(sender), receiver)
}

#[async_trait]
impl EventPublisher for ChannelPublisher {
    async fn publish(&self, event: &Event) -> Result<(), PortError> {
        self.0
            .send(event.clone())
            .map_err(|_| PortError::Unavailable("nobody listens for events any more".to_owned()))
    }
}

/// Handles events one after another, for as long as somebody may publish. One that fails is left to the
/// reaper, which finds the same from the ledger.
pub async fn deliver(mut events: UnboundedReceiver<Event>, context: scheduler::Context) {
    while let Some(event) = events.recv().await {
        if let Err(error) = queue::handle(&context, &event).await {
            tracing::warn!(%error, "event left to the reaper");
        }
    }
}
