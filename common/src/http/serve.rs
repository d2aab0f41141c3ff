//! Serves a function's `Router` with all that every function has around it.

mod request;

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::problem::{Kind, Problem};
use crate::clock::{Chance, Clock};

pub use request::RequestId;

/// A request's body: control calls are small, data is loaded from files.
const BODY_LIMIT: usize = 64 * 1024;
/// What remains of a body that is too large is read up to here and thrown away, so that the caller, who
/// usually sends all before it reads, gets the answer and not a broken connection.
const DISCARD_LIMIT: usize = 4 * 1024 * 1024;

/// What the shim needs, and its bounds.
#[derive(Debug, Clone)]
pub struct Options {
    /// For durations and log times.
    pub clock: Clock,
    /// For request ids.
    pub chance: Chance,
    /// The most bytes of a body.
    pub body_limit: usize,
    /// After this a request is answered 504 and its handler dropped.
    pub request_timeout: Duration,
    /// After the shutdown signal, how long open requests may take.
    pub drain_timeout: Duration,
}

impl Options {
    /// The bounds that every function has: 64 KiB, 60 s, and 8 s of the 10 s that Cloud Run gives to stop.
    pub fn new(clock: Clock, chance: Chance) -> Self {
        Self {
            clock,
            chance,
            body_limit: BODY_LIMIT,
            request_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(8),
        }
    }
}

/// Serves until `shutdown` is ready, then lets open requests end, for `drain_timeout` at most.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let drain_timeout = options.drain_timeout;
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, shell(app, options)).with_graceful_shutdown(async move {
        shutdown.await;
        // Nobody listens any more where the server has ended by itself.
        let _ = stopping.send(());
    });
    let bound = async move {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(drain_timeout).await;
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = bound => {
            tracing::warn!(?drain_timeout, "requests were still open when the time to drain was over");
            Ok(())
        }
    }
}

/// Adds health, the pages of problems, request ids, bounds and the log line to a function's routes.
///
/// Whatever leaves with an error status leaves as a problem, also axum's own 404 and 405. Several functions'
/// routers are merged first and get one shell.
pub fn shell(app: Router, options: Options) -> Router {
    app.route("/healthz", get(async || "ok"))
        .route("/problems", get(async || Kind::index()))
        .route("/problems/{slug}", get(problem_page))
        .layer(middleware::from_fn_with_state(options, request::around))
}

async fn problem_page(Path(slug): Path<String>) -> Response {
    match Kind::page(&slug) {
        Some(page) => page.into_response(),
        None => {
            Problem::new(Kind::NotFound, "no problem of this name; see /problems").into_response()
        }
    }
}

#[cfg(test)]
mod tests;
