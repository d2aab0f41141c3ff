//! BigQuery: the warehouse, and the statements that the state is made of.
//!
//! Every statement is a job with an id of our own, labels and a timeout. So a lost answer costs nothing: the same
//! job is asked for again, and BigQuery runs it once.

mod client;
mod error;
mod param;
mod record;
#[expect(
    clippy::large_futures,
    reason = "a job is a large message, and a call costs far more than moving it"
)]
mod warehouse;

pub(super) use client::Statement;
pub use client::{Client, Place};
pub(super) use param::ToParam;
pub(super) use record::Record;
pub use warehouse::BigQuery;
