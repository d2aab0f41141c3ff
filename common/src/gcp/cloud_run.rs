//! Cloud Run Jobs: an execution for each launch.
