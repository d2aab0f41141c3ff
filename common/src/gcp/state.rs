//! The state on BigQuery.
