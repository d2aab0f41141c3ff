//! The job over the embedded warehouse: every step type, every check, and what hostile input comes to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod files;
mod injection;
mod world;
mod writes;
