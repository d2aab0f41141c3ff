//! The binary as its users meet it: every test starts real processes over a data folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo;
mod process;
