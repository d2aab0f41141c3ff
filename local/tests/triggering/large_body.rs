//! A megabyte over a real connection is refused, and the connection goes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::http::StatusCode;
use common::clock::Chance;
use common::http::{Options, serve};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::refusal::used;
use crate::world::Tenant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_megabyte_is_refused_and_the_connection_goes_on() {
    let (world, acme, _) = used().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = Options::new(world.clock.clone(), Chance::seeded(5));
    let app = world.routes.clone();
    let serving =
        tokio::spawn(
            async move { serve(listener, app, options, async { drop(stopped.await) }).await },
        );

    let before = world.runs(&acme).await;
    let tenant = Tenant { id: acme.id.clone(), key: acme.key.clone() };
    let talk = tokio::task::spawn_blocking(move || talk(server, &tenant));
    let [large, small] = talk.await.unwrap();
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.1);
    assert_eq!(large.1["type"], "/problems/payload-too-large");
    assert_eq!(small.0, StatusCode::OK, "{}", small.1);
    let runs = world.runs(&acme).await;
    assert_eq!(runs.len(), before.len() + 1, "the second request alone made a run");
    assert_eq!(small.1["pipeline_logging_id"], runs[0].run_id.to_string());
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

/// Sends the large body and then a good one, on one connection.
fn talk(server: SocketAddr, tenant: &Tenant) -> [(StatusCode, Value); 2] {
    let mut connection = TcpStream::connect(server).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let large = format!("{{\"date\": \"{}\"}}", "x".repeat(1_000_000));
    [large.as_str(), "{\"date\": \"2025-11-01\"}"].map(|body| {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {server}\r\nx-api-key: {}\r\nx-user-id: alice\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            tenant.billing(),
            tenant.key,
            body.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(body.as_bytes()).unwrap();
        answer(&mut connection)
    })
}

/// Reads one answer, by its length.
fn answer(connection: &mut TcpStream) -> (StatusCode, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}
