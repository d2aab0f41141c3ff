//! A pushed message: the envelope in which Pub/Sub posts an event to its handler.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// The body of a push, as Pub/Sub sends it; members that no handler here needs are left out.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Push {
    /// The message.
    pub message: PushedMessage,
}

/// A message with the event that it carries.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushedMessage {
    /// An event as JSON, in base64.
    #[serde(default)]
    pub data: String,
    /// Finds the message in Pub/Sub.
    #[serde(default)]
    pub message_id: String,
}

/// A message that no delivery will make readable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message '{message_id}' holds no event: {reason}")]
pub struct Poison {
    message_id: String,
    reason: String,
}

impl Push {
    /// An envelope around an event.
    pub fn of(event: &Event, message_id: impl Into<String>) -> Result<Self, serde_json::Error> {
        let data = STANDARD.encode(serde_json::to_vec(event)?);
        Ok(Self { message: PushedMessage { data, message_id: message_id.into() } })
    }

    /// The event.
    pub fn event(&self) -> Result<Event, Poison> {
        let PushedMessage { data, message_id } = &self.message;
        let poison = |reason: String| Poison { message_id: message_id.clone(), reason };
        let json = STANDARD.decode(data).map_err(|e| poison(e.to_string()))?;
        serde_json::from_slice(&json).map_err(|e| poison(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push(data: &str) -> Push {
        let body = json!({
            "message": {
                "data": data, "messageId": "17", "publishTime": "2025-11-17T08:00:00Z",
                "attributes": {"k": "v"},
            },
            "subscription": "projects/p/subscriptions/s",
            "deliveryAttempt": 3,
        });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let json = r#"{"type":"run.finished","tenant_id":"acme",
            "run_id":"00000000-0000-0000-0000-000000000007","attempt":2}"#;
        let event = push(&STANDARD.encode(json)).event().unwrap();
        assert!(matches!(event, Event::RunFinished { attempt: 2, .. }));
        assert_eq!(Push::of(&event, "18").unwrap().event().unwrap(), event);
    }

    #[test]
    fn what_is_no_event_is_poison() {
        let json = |text: &str| STANDARD.encode(text);
        for data in ["", "%%%", &json("{"), &json("{}"), &json(r#"{"type":"run.begun"}"#)] {
            assert!(push(data).event().unwrap_err().to_string().contains("'17'"), "{data}");
        }
    }
}
