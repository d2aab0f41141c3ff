//! What was published and is not handled yet, for the driver to deliver when and as often as it likes.

use std::sync::Mutex;

use async_trait::async_trait;
use common::events::{Event, EventPublisher, RunRequested};
use common::port::PortError;

/// A run request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: usize,
    pub(crate) request: RunRequested,
    /// How often it is still handled before it is gone: it may come twice.
    pub(crate) left: usize,
}

#[derive(Default)]
pub(crate) struct Mailbox {
    /// Every request ever published.
    pub(crate) published: Mutex<Vec<RunRequested>>,
    /// Those that are not gone.
    pub(crate) messages: Mutex<Vec<Message>>,
    /// Ends of runs that nobody was told of.
    pub(crate) ends: Mutex<Vec<Event>>,
}

impl Mailbox {
    /// A delivery was acknowledged.
    pub(crate) fn handled(&self, id: usize) {
        let mut messages = self.messages.lock().unwrap();
        messages
            .iter_mut()
            .filter(|message| message.id == id)
            .for_each(|message| message.left -= 1);
        messages.retain(|message| message.left > 0);
    }
}

#[async_trait]
impl EventPublisher for Mailbox {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        let mut published = self.published.lock().unwrap();
        for event in events {
            match event {
                Event::RunFinished { .. } => self.ends.lock().unwrap().push(event.clone()),
                Event::RunRequested(request) => {
                    let id = published.len();
                    let message = Message { id, request: request.clone(), left: id % 3 + 1 };
                    published.push(request.clone());
                    self.messages.lock().unwrap().push(message);
                }
            }
        }
        Ok(())
    }
}
