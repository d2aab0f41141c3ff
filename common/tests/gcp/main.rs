//! The Google adapters against programs that nobody here wrote, and against fakes of what has none.
//!
//! `.ci/judges` installs what they need; `cargo test --workspace --features common/judges` runs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod build_files;
mod burst;
mod cloud_run;
mod crowds;
mod deployment;
mod end_to_end;
mod fakes;
mod faults;
mod judges;
mod kills;
mod kms;
mod ledger;
mod oidc;
mod proxy;
mod pubsub;
mod rehearsal;
mod state;
mod tenants;
mod warehouse;
