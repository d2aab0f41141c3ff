//! Pub/Sub: events between the functions.
