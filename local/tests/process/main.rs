//! The binary as its users meet it: every test starts real processes over a data folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounded;
mod decimal;
mod demo;
#[cfg(feature = "judges")]
mod emulator;
mod focus;
mod focus_file;
// Looks for processes in `/proc`.
#[cfg(target_os = "linux")]
mod isolate;
#[cfg(feature = "judges")]
#[path = "../../../common/tests/gcp/judges.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the adapters' tests")]
mod judges;
mod kill;
mod kill_early;
mod plan;
mod process;
mod serve;
mod server;
mod validate;
