//! The shipped templates through the real job over the embedded warehouse, each held to another computation of
//! the same numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anomalies;
mod cur;
mod cur_expected;
mod cur_file;
#[path = "../process/decimal.rs"]
mod decimal;
#[path = "../process/focus_file.rs"]
mod focus_file;
mod labels;
mod orders;
mod world;
