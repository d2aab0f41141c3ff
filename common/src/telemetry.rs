//! Logs: one line an event, as Cloud Logging's JSON or as text for people, with the fields of its spans.
//!
//! Spans carry the identifying fields (`tenant.id`, `run.id`, `step.id`, `request_id`) under their dotted
//! names; every event inside inherits them, so a line reads alone and is found by field. The fields `trace`,
//! `span_id` and `trace_sampled` become Cloud Logging's own, by which it joins lines to a request.

mod lines;
mod trace;

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;

pub use trace::TraceContext;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, as Cloud Logging reads it from a process's output.
    Json,
    /// Time, severity, message, then `name=value`.
    Text,
}

/// Where lines go; each is written whole.
pub type Writer = Arc<Mutex<dyn io::Write + Send>>;

/// What logging is started with.
pub struct Options {
    /// How a line is written.
    pub format: Format,
    /// Where to: stdout on Cloud Run, stderr where stdout is the answer.
    pub writer: Writer,
    /// Which events, as in `info,common=debug`.
    pub filter: String,
    /// The Google Cloud project that traces belong to.
    pub project: Option<String>,
    /// The program, which each line of JSON names where it is given.
    pub service: Option<&'static str>,
    /// What time it is.
    pub clock: Clock,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter has no such form.
    #[error(
        "the log filter '{filter}' cannot be read: {reason}; write for example info,common=debug"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// Why.
        reason: String,
    },
    /// The process has a subscriber already.
    #[error("logging was started before")]
    Started,
}

/// Starts logging for the whole process, panics included.
pub fn init(options: Options) -> Result<(), InitError> {
    subscriber(options)?.try_init().map_err(|_| InitError::Started)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panicked");
        tracing::error!(location = place, "panic: {message}");
    }));
    Ok(())
}

/// Whether a filter can be read: the rule that it breaks.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| format!("cannot be read: {error}"))
}

/// The subscriber that [`init`] installs, for a test or a simulation to use on its own thread.
pub fn subscriber(options: Options) -> Result<impl Subscriber + Send + Sync, InitError> {
    let Options { format, writer, filter, project, service, clock } = options;
    let filter = EnvFilter::try_new(&filter)
        .map_err(|e| InitError::Filter { filter, reason: e.to_string() })?;
    let layer = lines::Lines { format, writer, project, service, clock };
    Ok(tracing_subscriber::registry().with(filter).with(layer))
}

#[cfg(test)]
mod tests;
