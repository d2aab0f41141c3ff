//! The state port, cut by aggregate: tenants, the ledger, runs, schedules and their slots. One adapter implements
//! them all.
//!
//! To add an adapter: keep the tables of [`tables`] under their names, implement the traits, and run
//! [`contract`] against it. Verbs say what must hold under concurrency; how is the adapter's.

#[cfg(feature = "test-util")]
pub mod contract;
mod ledger;
mod runs;
mod schedules;
pub mod tables;
mod tenants;

pub use ledger::{Answer, Batch, Item, Ledger, LedgerRow};
pub use runs::{Inserted, Page, RunFilter, Runs, Transition};
pub use schedules::{Advance, Begun, Created, ScheduleChange, Schedules, Slots};
pub use tenants::{FirstKey, TenantChange, TenantRecord, Tenants};
