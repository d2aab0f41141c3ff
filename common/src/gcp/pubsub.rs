//! Pub/Sub: the events of the deployment, one topic for each kind of receiver.
//!
//! A message holds an event as JSON; its attributes name the type and the tenant. No ordering keys: no receiver
//! needs an order, and one message that is refused would hold up those behind it.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use google_cloud_gax::retry_policy::RetryPolicyExt;
use google_cloud_pubsub::client::{BasePublisher, Publisher};
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::retry_policy::RetryableErrors;

use super::{Access, known};
use crate::events::{Event, EventPublisher};
use crate::port::PortError;

/// How long a message is sent again.
const SENDING: Duration = Duration::from_secs(20);
/// How long a call waits for all its messages; it ends after the client has given up by itself.
const CALL: Duration = Duration::from_secs(30);
/// Messages of a request: the most that Pub/Sub takes.
const BATCH: u32 = 1_000;

/// Where events go, by full name: `projects/P/topics/T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `run.requested`, which the trigger function takes.
    pub run_requests: String,
    /// `run.finished`, which the scheduler function takes.
    pub run_events: String,
}

/// The event publisher of a deployment.
pub struct PubSub {
    run_requests: Publisher,
    run_events: Publisher,
}

impl PubSub {
    /// Publishes to these topics. Each has a task, which ends with the runtime that this is called in. No call
    /// is made.
    pub async fn new(access: &Access, topics: Topics) -> Result<Self, PortError> {
        let Topics { run_requests, run_events } = topics;
        for topic in [&run_requests, &run_events] {
            if !names_a_topic(topic) {
                let rule = "must be named projects/P/topics/T";
                return Err(PortError::InvalidQuery(format!("the topic '{topic}' {rule}")));
            }
        }
        let mut builder = BasePublisher::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(RetryableErrors.with_time_limit(SENDING));
        if let Some(endpoint) = &access.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let client =
            builder.build().await.map_err(|e| PortError::other("the client of Pub/Sub", e))?;
        let publisher =
            |topic: String| client.publisher(topic).set_message_count_threshold(BATCH).build();
        Ok(Self { run_requests: publisher(run_requests), run_events: publisher(run_events) })
    }

    fn topic(&self, event: &Event) -> &Publisher {
        match event {
            Event::RunFinished { .. } => &self.run_events,
            Event::RunRequested(_) => &self.run_requests,
        }
    }
}

#[async_trait]
impl EventPublisher for PubSub {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        let messages: Vec<Message> = events.iter().map(message).collect::<Result<_, _>>()?;
        let sent =
            events.iter().zip(messages).map(|(event, message)| self.topic(event).publish(message));
        let accepted = try_join_all(sent.collect::<Vec<_>>());
        match tokio::time::timeout(CALL, accepted).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(events.len(), error)),
            Err(_) => {
                let text = format!("publishing {} events took over {CALL:?}", events.len());
                Err(PortError::Unavailable(text))
            }
        }
    }
}

fn message(event: &Event) -> Result<Message, PortError> {
    let data = serde_json::to_vec(event).map_err(|e| PortError::other("an event as JSON", e))?;
    let (kind, tenant) = match event {
        Event::RunFinished { tenant_id, .. } => ("run.finished", tenant_id),
        Event::RunRequested(request) => ("run.requested", &request.tenant_id),
    };
    let attributes = [("type", kind), ("tenant_id", tenant.as_str())];
    Ok(Message::new().set_data(data).set_attributes(attributes))
}

/// Messages that went in one request share its error.
fn refused(events: usize, error: PublishError) -> PortError {
    let what = format!("publishing {events} events");
    if let PublishError::Rpc(shared) = &error
        && let Some(known) = known(&what, shared)
    {
        return known;
    }
    PortError::other(what, error)
}

fn names_a_topic(name: &str) -> bool {
    let segments: Vec<&str> = name.split('/').collect();
    matches!(segments[..], ["projects", project, "topics", topic] if !project.is_empty() && !topic.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_in_full() {
        assert!(names_a_topic("projects/p/topics/run-requests"));
        for bad in [
            "",
            "run-requests",
            "projects/p/topics/",
            "projects//topics/t",
            "projects/p/topics/t/x",
        ] {
            assert!(!names_a_topic(bad), "{bad}");
        }
    }
}
