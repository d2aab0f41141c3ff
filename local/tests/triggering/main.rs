//! Triggering, over HTTP: bursts, backfills, bad input, reading and cancelling, idempotency, subscriptions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backfill;
mod bad_input;
mod bad_keys;
mod burst;
mod cancelling;
mod export;
mod fairness;
mod idempotency;
mod large_body;
mod launcher;
mod launches;
mod queue_view;
mod refusal;
mod runs;
mod subscription;
mod world;
