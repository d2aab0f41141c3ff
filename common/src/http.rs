//! The HTTP shim: what every HTTP function has around its own routes, the same everywhere.
//!
//! A function hands [`serve::serve`] its `Router`; its handlers take their input with the extractors here and
//! answer every refusal with a [`Problem`].

pub mod auth;
pub mod extract;
mod idempotency;
pub mod problem;
pub mod push;
pub mod serve;

pub use auth::{Caller, Keyring, Operator, Operators, user_id};
pub use extract::{Json, Path, Query};
pub use idempotency::idempotency_key;
pub use problem::{FieldError, Kind, Problem, ProblemBody};
pub use serve::{Options, RequestId, serve, shell};
