//! Pub/Sub on the official emulator: what is published, and how it is delivered.

pub mod emulator;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDate};
use common::events::{Event, EventPublisher, RunRequested};
use common::gcp::Access;
use common::gcp::pubsub::{PubSub, Topics};
use common::http::push::Push;
use common::port::PortError;
use common::run::RunId;
use common::schedule::ConfigId;
use common::tenant::{TenantId, UserId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::judges::free_port;
use emulator::{Emulator, emulator};

const SOON: Duration = Duration::from_mins(1);

/// Whoever is pushed to: what it answers to the nth delivery of a run, from 1.
struct Receiver {
    answer: fn(attempt: u32, delivery: usize) -> StatusCode,
    seen: Mutex<HashMap<String, usize>>,
    told: UnboundedSender<Value>,
}

async fn receive(State(to): State<Arc<Receiver>>, Json(body): Json<Value>) -> StatusCode {
    let push: Push = serde_json::from_value(body.clone()).unwrap();
    let event = push.event().unwrap();
    let attempt = match &event {
        Event::RunFinished { attempt, .. } => *attempt,
        Event::RunRequested(request) => request.attempt,
    };
    let delivery = {
        let mut seen = to.seen.lock().unwrap();
        let times = seen.entry(text(&event)).or_default();
        *times += 1;
        *times
    };
    let _ = to.told.send(body);
    (to.answer)(attempt, delivery)
}

async fn receiver(
    answer: fn(attempt: u32, delivery: usize) -> StatusCode,
) -> (String, UnboundedReceiver<Value>) {
    let (told, deliveries) = unbounded_channel();
    let receiver = Arc::new(Receiver { answer, seen: Mutex::default(), told });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/push", listener.local_addr().unwrap());
    let router = Router::new().route("/push", post(receive)).with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, deliveries)
}

async fn next(deliveries: &mut UnboundedReceiver<Value>) -> Value {
    timeout(SOON, deliveries.recv()).await.expect("a delivery").unwrap()
}

/// Topics of a test's own.
async fn topics(emulator: &Emulator, test: &str) -> Topics {
    Topics {
        run_requests: emulator.topic(&format!("{test}-requests")).await,
        run_events: emulator.topic(&format!("{test}-events")).await,
    }
}

async fn publisher(url: &str, topics: &Topics) -> PubSub {
    PubSub::new(&Access::new(Some(url)).unwrap(), topics.clone()).await.unwrap()
}

fn text(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

fn finished(run: u128, attempt: u32) -> Event {
    let tenant_id = TenantId::parse("acme").unwrap();
    Event::RunFinished { tenant_id, run_id: RunId(Uuid::from_u128(run)), attempt }
}

fn requested() -> Event {
    Event::RunRequested(RunRequested {
        tenant_id: TenantId::parse("globex").unwrap(),
        user_id: UserId::parse("Zoë").unwrap(),
        config_id: ConfigId(Uuid::from_u128(9)),
        slot: DateTime::from_timestamp(1_763_366_400, 0).unwrap(),
        date: NaiveDate::from_ymd_opt(2025, 11, 17).unwrap(),
        attempt: 1,
    })
}

#[tokio::test]
async fn each_kind_of_event_is_pushed_to_its_own_receiver() {
    let emulator = emulator().await;
    let topics = topics(emulator, "kinds").await;
    let events = [finished(7, 2), requested()];
    let mut receivers = Vec::new();
    for topic in [&topics.run_events, &topics.run_requests] {
        let (url, deliveries) = receiver(|_, _| StatusCode::NO_CONTENT).await;
        let settings = json!({"topic": topic, "pushConfig": {"pushEndpoint": url}});
        let name = format!("push-{}", topic.rsplit('/').next().unwrap());
        emulator.subscription(&name, settings).await;
        receivers.push(deliveries);
    }
    publisher(&emulator.url, &topics).await.publish(&events).await.unwrap();
    let attributes = [
        json!({"type": "run.finished", "tenant_id": "acme"}),
        json!({"type": "run.requested", "tenant_id": "globex"}),
    ];
    for ((event, attributes), deliveries) in events.iter().zip(attributes).zip(&mut receivers) {
        let body = next(deliveries).await;
        let push: Push = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(push.event().unwrap(), *event);
        assert!(!push.message.message_id.is_empty());
        assert_eq!(body["message"]["attributes"], attributes);
        assert_eq!(body["message"].get("orderingKey"), None);
        assert!(deliveries.try_recv().is_err(), "one delivery");
    }
}

#[tokio::test]
async fn a_delivery_that_fails_comes_again_and_at_last_is_a_dead_letter() {
    let emulator = emulator().await;
    let topics = topics(emulator, "poison").await;
    let dead = emulator.topic("poison-dead").await;
    let letters = emulator.subscription("poison-dead", json!({"topic": dead})).await;
    // The first attempt is busy once, the second can never be handled.
    let (url, mut deliveries) = receiver(|attempt, delivery| match (attempt, delivery) {
        (1, 1) => StatusCode::SERVICE_UNAVAILABLE,
        (1, _) => StatusCode::NO_CONTENT,
        (_, _) => StatusCode::INTERNAL_SERVER_ERROR,
    })
    .await;
    let settings = json!({
        "topic": topics.run_events,
        "pushConfig": {"pushEndpoint": url},
        "deadLetterPolicy": {"deadLetterTopic": dead, "maxDeliveryAttempts": 5},
        "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "0.2s"},
    });
    emulator.subscription("poison", settings).await;
    let (busy, poison) = (finished(1, 1), finished(2, 2));
    let publisher = publisher(&emulator.url, &topics).await;
    publisher.publish(&[busy.clone(), poison.clone()]).await.unwrap();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for _ in 0..7 {
        let push: Push = serde_json::from_value(next(&mut deliveries).await).unwrap();
        *seen.entry(text(&push.event().unwrap())).or_default() += 1;
    }
    assert_eq!(seen, HashMap::from([(text(&busy), 2), (text(&poison), 5)]));
    let deadline = Instant::now() + SOON;
    let letter = loop {
        if let Some(letter) = emulator.pull(&letters).await.pop() {
            break letter;
        }
        assert!(Instant::now() < deadline, "no dead letter");
    };
    let push: Push = serde_json::from_value(json!({"message": letter})).unwrap();
    assert_eq!(push.event().unwrap(), poison);
    assert_eq!(letter["attributes"]["type"], "run.finished");
    assert!(deliveries.try_recv().is_err(), "no delivery after that");
}

#[tokio::test]
async fn two_thousand_events_at_once_are_accepted_and_each_is_there() {
    let emulator = emulator().await;
    let topics = topics(emulator, "many").await;
    let waiting = emulator.subscription("many", json!({"topic": topics.run_events})).await;
    let events: Vec<Event> = (0..2_000).map(|run| finished(run, 1)).collect();
    let publisher = publisher(&emulator.url, &topics).await;
    let begun = Instant::now();
    publisher.publish(&events).await.unwrap();
    // One request for each would take far longer; the emulator is a cold Java.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let mut found = HashSet::new();
    let deadline = Instant::now() + SOON;
    while found.len() < events.len() {
        for message in emulator.pull(&waiting).await {
            let push: Push = serde_json::from_value(json!({"message": message})).unwrap();
            found.insert(text(&push.event().unwrap()));
        }
        assert!(Instant::now() < deadline, "{} of 2,000", found.len());
    }
    assert_eq!(found, events.iter().map(text).collect());
    publisher.publish(&[]).await.unwrap();
}

#[tokio::test]
async fn what_is_not_accepted_is_an_error_of_its_kind() {
    let emulator = emulator().await;
    let gone = Topics {
        run_requests: emulator.topic("gone-requests").await,
        run_events: "projects/local/topics/gone".to_owned(),
    };
    let publisher = publisher(&emulator.url, &gone).await;
    let error = publisher.publish(&[requested(), finished(7, 1)]).await.unwrap_err();
    assert!(matches!(error, PortError::NotFound(_)), "{error}");
    publisher.publish(&[requested()]).await.unwrap();
    let access = Access::new(Some(&emulator.url)).unwrap();
    let misnamed = Topics { run_events: "gone".to_owned(), ..gone };
    let error = PubSub::new(&access, misnamed).await.err().unwrap();
    assert!(error.to_string().contains("'gone'"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_reached_is_unavailable_in_the_end() {
    let topics = Topics {
        run_requests: "projects/local/topics/a".to_owned(),
        run_events: "projects/local/topics/b".to_owned(),
    };
    let publisher = publisher(&format!("http://127.0.0.1:{}", free_port()), &topics).await;
    let begun = Instant::now();
    let error = publisher.publish(&[finished(7, 1)]).await.unwrap_err();
    assert!(matches!(error, PortError::Unavailable(_)), "{error}");
    assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
}
