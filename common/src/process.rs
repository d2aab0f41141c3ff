//! A process on Cloud Run, from its environment to its exit code: settings, logs, the signal to stop, panics.
//!
//! A program's `main` hands over how its settings are read and what it does with them; all programs begin and end
//! the same way. Whatever keeps one from its work is one line of the log.

use std::io;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use axum::Router;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::{Chance, Clock};
use crate::env::{Env, Invalid, Vars};
use crate::http;
use crate::port::PortError;
use crate::settings::{self, Listen};
use crate::telemetry;

#[cfg(feature = "test-util")]
pub mod child;

/// A setting is missing or wrong.
const CONFIGURATION: u8 = 64;
/// A defect.
const BUG: u8 = 70;
/// What is needed is away, and may come back.
const TEMPORARY: u8 = 75;

/// Time and chance of the process.
#[derive(Debug, Clone)]
pub struct Ambient {
    /// The machine's clock.
    pub clock: Clock,
    /// The machine's randomness.
    pub chance: Chance,
}

/// Why a program does not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Unable {
    /// Its settings are wrong.
    #[error(transparent)]
    Settings(#[from] Invalid),
    /// An adapter cannot be made.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The machine does not give what it needs.
    #[error("{what}: {source}")]
    Machine {
        /// What was being done.
        what: String,
        /// The machine's answer.
        source: io::Error,
    },
}

impl Unable {
    /// The exit code that says so.
    pub fn code(&self) -> u8 {
        match self {
            Self::Port(error) if error.retryable() => TEMPORARY,
            Self::Settings(_) | Self::Port(_) => CONFIGURATION,
            Self::Machine { .. } => TEMPORARY,
        }
    }
}

/// The signals that ask a process to stop. They are heard from when this is made, also before it is awaited.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Unable> {
        let hear = |kind| {
            signal(kind).map_err(|source| Unable::Machine { what: "a signal".to_owned(), source })
        };
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    /// Ready once the process is asked to stop, by SIGTERM or SIGINT.
    pub async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
    }
}

/// Serves the routes that `compose` makes of the settings, until the process is asked to stop; requests under way
/// are let end.
pub async fn serve<S>(
    service: &'static str,
    read: impl FnOnce(&mut Vars<'_>) -> Option<S>,
    compose: impl AsyncFnOnce(S, Ambient) -> Result<Router, Unable>,
) -> ExitCode {
    let read = |vars: &mut Vars<'_>| {
        let (listen, settings) = (Listen::read(vars), read(vars));
        Some((listen?, settings?))
    };
    work(service, read, async |(Listen(address), settings), ambient, stop| {
        let Ambient { clock, chance } = ambient.clone();
        let app = compose(settings, ambient).await?;
        let failed = |source| Unable::Machine { what: format!("serving at {address}"), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "serving");
        let options = http::Options::new(clock, chance);
        http::serve(listener, app, options, stop.asked()).await.map_err(failed)?;
        tracing::info!("stopped");
        Ok(0)
    })
    .await
}

/// Does the work that the settings say, and answers with its exit code.
pub async fn work<S>(
    service: &'static str,
    read: impl FnOnce(&mut Vars<'_>) -> Option<S>,
    work: impl AsyncFnOnce(S, Ambient, Stop) -> Result<u8, Unable>,
) -> ExitCode {
    let ambient = Ambient { clock: Clock::system(), chance: Chance::system() };
    let whole = async {
        let env = Env::system();
        let mut vars = Vars::of(&env);
        let filter = settings::log_filter(&mut vars);
        log(service, filter, &env, &ambient.clock);
        let stop = Stop::listen()?;
        let settings = read(&mut vars);
        work(vars.finish(settings)?, ambient, stop).await
    };
    let code = match AssertUnwindSafe(whole).catch_unwind().await {
        Ok(Ok(code)) => code,
        Ok(Err(unable)) => {
            tracing::error!("{service} cannot begin: {unable}");
            unable.code()
        }
        // The log says what, and where.
        Err(_panic) => BUG,
    };
    code.into()
}

/// Starts the log as Cloud Logging reads it; with a filter of its own where the one that was set is wrong, for that
/// has to be told too.
fn log(service: &'static str, filter: Option<String>, env: &Env, clock: &Clock) {
    let started = telemetry::init(telemetry::Options {
        format: telemetry::Format::Json,
        writer: Arc::new(Mutex::new(io::stdout())),
        filter: filter.unwrap_or_else(|| settings::LOG_FILTER.to_owned()),
        project: env.project(),
        service: Some(service),
        clock: clock.clone(),
    });
    if let Err(error) = started {
        tracing::error!(%error, "the log was not started");
    }
}
