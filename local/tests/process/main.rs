//! The binary as its users meet it: every test starts real processes over a data folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounded;
mod decimal;
mod demo;
mod focus;
mod focus_file;
// Looks for processes in `/proc`.
#[cfg(target_os = "linux")]
mod isolate;
mod kill;
mod kill_early;
mod plan;
mod process;
mod serve;
mod server;
mod validate;
