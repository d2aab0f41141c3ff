//! The Google adapters against programs that nobody here wrote, and against fakes of what has none.
//!
//! `.ci/judges` installs what they need; `cargo test --workspace --features common/judges` runs them.

mod judges;
mod ledger;
mod state;
mod warehouse;
