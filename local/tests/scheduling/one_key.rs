//! One `Idempotency-Key`, one schedule.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use chrono::TimeDelta;
use common::schedule::ConfigId;
use serde_json::{Value, json};

use crate::asked::{
    list, make, noon, patch, path, removal, send_to, stored, with, without_templates,
};
use crate::world::{Tenant, World};

fn keyed(tenant: &Tenant, key: &str, body: &Value) -> Request<Body> {
    let mut request = tenant.post(&path(tenant), body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

#[tokio::test]
async fn the_same_request_again_answers_the_schedule_as_it_is() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let first = world.send(keyed(&acme, "k-1", &noon())).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let id = ConfigId::of_key(&acme.tenant_id(), "k-1").to_string();
    assert_eq!(first.body["config_id"], id);

    world.pass(TimeDelta::minutes(1));
    let two = |a: &str, b: &str| {
        let dates = [(a, json!("{{ slot_date }}")), (b, json!("{{ slot_date }}"))];
        let dates: serde_json::Map<_, _> =
            dates.into_iter().map(|(name, date)| (name.to_owned(), date)).collect();
        with(json!({"parameters": dates}))
    };
    let other = world.send(keyed(&acme, "k-2", &two("date", "end_date"))).await;
    let turned = world.send(keyed(&acme, "k-2", &two("end_date", "date"))).await;
    assert_eq!((other.status, turned.status), (201, 200), "{}", turned.body);

    let mut turned: Vec<(String, Value)> =
        noon().as_object().unwrap().clone().into_iter().collect();
    turned.reverse();
    let turned = Value::Object(turned.into_iter().collect());
    let mut bob = keyed(&acme, "k-1", &noon());
    bob.headers_mut().insert("x-user-id", "bob".parse().unwrap());
    for request in [keyed(&acme, "k-1", &noon()), keyed(&acme, "k-1", &turned), bob] {
        let again = world.send(request).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert!(!again.headers.contains_key("location"));
    }
    patch(&world, &acme, &first.body, &json!({"priority": 5, "is_active": false})).await;
    let again = world.send(keyed(&acme, "k-1", &noon())).await;
    assert_eq!((again.status, &again.body["priority"]), (200, &json!(5)));
    assert_eq!(again.body["is_active"], false);
    assert_eq!(stored(&world, &acme).await.len(), 2);

    let unkeyed = make(&world, &acme, &noon()).await;
    assert_ne!(unkeyed["config_id"], first.body["config_id"]);
    assert_ne!(make(&world, &acme, &noon()).await["config_id"], unkeyed["config_id"]);
}

#[tokio::test]
async fn a_key_stands_for_one_body_of_one_tenant() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let beta = world.onboard("beta", "STARTER").await;
    let first = world.send(keyed(&acme, "k-1", &noon())).await;
    for body in [
        with(json!({"schedule_cron": "0 13 * * *"})),
        with(json!({"priority": 100})),
        with(json!({"parameters": {"date": "{{ slot_date }}"}})),
        with(json!({"parameters": 7})),
        json!({}),
    ] {
        let answer = world.send(keyed(&acme, "k-1", &body)).await;
        assert_eq!((answer.status, answer.problem()), (422, "idempotency-mismatch"), "{body}");
    }
    let other = world.send(keyed(&beta, "k-1", &with(json!({"priority": 1})))).await;
    assert_eq!(other.status, 201, "another tenant's key is another key: {}", other.body);
    assert_ne!(other.body["config_id"], first.body["config_id"]);
    assert_eq!((stored(&world, &acme).await.len(), stored(&world, &beta).await.len()), (1, 1));
    assert_eq!(list(&world, &acme).await, [first.body]);
}

#[tokio::test]
async fn what_was_made_is_answered_though_it_could_not_be_made_any_more() {
    let world = World::new();
    let acme = world.onboard("acme", "STARTER").await;
    let first = world.send(keyed(&acme, "k-1", &noon())).await;
    let app = without_templates(&world);
    let again = send_to(&app, keyed(&acme, "k-1", &noon())).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "its template is gone");
    assert_eq!(send_to(&app, keyed(&acme, "k-2", &noon())).await.status, 422);

    world.change(&acme, json!({"status": "SUSPENDED"})).await;
    world.pass(TimeDelta::seconds(31));
    let again = world.send(keyed(&acme, "k-1", &noon())).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "the subscription is suspended");
    world.change(&acme, json!({"status": "ACTIVE"})).await;
    world.pass(TimeDelta::seconds(31));

    assert_eq!(world.send(removal(&acme, &first.body)).await.status, 204);
    let anew = world.send(keyed(&acme, "k-1", &noon())).await;
    assert_eq!((anew.status, &anew.body["config_id"]), (201, &first.body["config_id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_at_once_are_one_schedule() {
    let world = Arc::new(World::new());
    let acme = Arc::new(world.onboard("acme", "STARTER").await);
    for round in 0..10 {
        let asked = (0..20).map(|_| {
            let (world, acme) = (world.clone(), acme.clone());
            tokio::spawn(async move {
                world.send(keyed(&acme, &format!("round-{round}"), &noon())).await
            })
        });
        let answers = futures::future::join_all(asked).await;
        let id = ConfigId::of_key(&acme.tenant_id(), &format!("round-{round}")).to_string();
        let mut made = 0;
        for answer in answers {
            let answer = answer.unwrap();
            assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
            assert_eq!(answer.body["config_id"], id);
            made += usize::from(answer.status == 201);
        }
        assert_eq!(made, 1);
        assert_eq!(stored(&world, &acme).await.len(), round + 1);
    }
}
