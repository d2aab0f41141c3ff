//! Schedules: their routes, the tick, run requests in any order, catching up, retries, resubmission, status.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../triggering/caller.rs"]
#[expect(dead_code, reason = "the triggering tests use the rest")]
mod caller;
#[path = "../triggering/launcher.rs"]
#[expect(dead_code, reason = "the triggering tests use the rest")]
mod launcher;
#[path = "../triggering/refusal.rs"]
mod refusal;
#[path = "../triggering/world.rs"]
#[expect(dead_code, reason = "the triggering tests use the rest")]
mod world;

mod asked;
mod bad_values;
mod catch_up;
mod changing;
mod creating;
mod full;
mod mailbox;
mod many;
mod one_key;
mod one_run;
mod others;
mod resubmit;
mod retries;
mod scheduled;
mod shown;
mod status;
