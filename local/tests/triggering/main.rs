//! Triggering, over HTTP: bursts, bad input, reading and cancelling, idempotency, subscriptions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod burst;
mod export;
mod launcher;
mod world;
