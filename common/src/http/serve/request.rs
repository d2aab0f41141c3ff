//! What happens around each request: id, span, body, timeout, panic, and the one line that logs it.

use std::panic::AssertUnwindSafe;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{FutureExt, StreamExt};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{DISCARD_LIMIT, Options};
use crate::clock::Chance;
use crate::http::problem::{Kind, Problem};
use crate::telemetry::TraceContext;

const HEADER: &str = "x-request-id";

/// The id of a request, for answers and logs: the caller's `X-Request-Id`, else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Takes the caller's id where it is at most 128 letters, digits, `.`, `_` and `-`.
    fn of(headers: &HeaderMap, chance: &Chance) -> Self {
        let sane = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(sane);
        Self(given.map_or_else(|| chance.uuid().to_string(), str::to_owned))
    }
}

pub(super) async fn around(
    State(options): State<Options>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = options.clock.now();
    let id = RequestId::of(request.headers(), &options.chance);
    request.extensions_mut().insert(id.clone());
    let asked = Asked::of(&request);
    let span = span(&asked, &id, request.headers());

    let answer = AssertUnwindSafe(answer(&options, request, next)).catch_unwind();
    let response = answer.instrument(span.clone()).await.unwrap_or_else(|_| {
        // The panic's own words were logged where it happened.
        Problem::new(Kind::Internal, "the request met an error on this side")
            .caused_by(&"the handler panicked")
            .response(None)
    });
    let response = finish(response, &asked, &id);
    let took = options.clock.now() - began;
    span.in_scope(|| log(&asked, &response, took.num_milliseconds()));
    response
}

/// What the log says was asked. The path is the route's pattern, so that lines group and hold no ids.
struct Asked {
    method: String,
    path: String,
    quiet: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        Self {
            method: request.method().to_string(),
            path: matched.unwrap_or("unmatched").to_owned(),
            quiet: matched == Some("/healthz"),
        }
    }
}

fn span(asked: &Asked, id: &RequestId, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "request",
        method = asked.method,
        path = asked.path,
        request_id = id.0,
        tenant.id = Empty,
        run.id = Empty,
        trace = Empty,
        span_id = Empty,
        trace_sampled = Empty,
    );
    if let Some(trace) = TraceContext::of(headers) {
        span.record("trace", trace.trace_id);
        span.record("span_id", trace.span_id);
        span.record("trace_sampled", trace.sampled);
    }
    span
}

async fn answer(options: &Options, request: Request, next: Next) -> Response {
    let work = async {
        match read_body(request, options.body_limit).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.response(None),
        }
    };
    tokio::time::timeout(options.request_timeout, work).await.unwrap_or_else(|_| {
        let seconds = options.request_timeout.as_secs();
        Problem::new(Kind::Timeout, format!("no answer within {seconds} s")).response(None)
    })
}

/// Reads the whole body before anything is decided, so that every route, refusals included, treats a large
/// one alike.
async fn read_body(request: Request, limit: usize) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let too_large = || {
        Problem::new(Kind::PayloadTooLarge, format!("the body has more than {limit} bytes"))
            .with("limit", limit)
    };
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let declared = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok()).unwrap_or(0);
    // Who asks before sending is answered before sending.
    if declared > limit && (parts.headers.contains_key(header::EXPECT) || declared > DISCARD_LIMIT)
    {
        return Err(too_large());
    }
    let mut read = Vec::with_capacity(declared.min(limit));
    let mut seen = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes = chunk.map_err(|error| {
            Problem::new(Kind::MalformedRequest, "the body broke off").caused_by(&error)
        })?;
        seen += chunk.len();
        if seen > DISCARD_LIMIT {
            break;
        }
        if seen <= limit {
            read.extend_from_slice(&chunk);
        }
    }
    if seen > limit {
        return Err(too_large());
    }
    Ok(Request::from_parts(parts, Body::from(read)))
}

/// Writes the request's id into the answer, and makes a problem of every error that is not one yet.
fn finish(response: Response, asked: &Asked, id: &RequestId) -> Response {
    let status = response.status();
    let mut finished = match response.extensions().get::<Problem>() {
        Some(problem) => problem.response(Some(&id.0)),
        None if status.is_client_error() || status.is_server_error() => {
            let mut named = bare(status, asked).response(Some(&id.0));
            if let Some(allow) = response.headers().get(header::ALLOW) {
                named.headers_mut().insert(header::ALLOW, allow.clone());
            }
            named
        }
        None => response,
    };
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        finished.headers_mut().insert(HEADER, value);
    }
    finished
}

fn bare(status: StatusCode, asked: &Asked) -> Problem {
    let kind = Kind::of_status(status);
    if kind == Kind::NotFound {
        Problem::new(kind, "no route has this path")
    } else if kind == Kind::MethodNotAllowed {
        Problem::new(kind, format!("{} is not among the route's methods", asked.method))
    } else {
        Problem::new(kind, format!("the request was refused with status {}", status.as_u16()))
    }
}

fn log(asked: &Asked, response: &Response, duration_ms: i64) {
    let status = response.status().as_u16();
    let problem = response.extensions().get::<Problem>();
    let kind = problem.map(|problem| problem.kind().slug());
    let cause = problem.and_then(Problem::cause);
    let Asked { method, path, quiet } = asked;
    if response.status().is_server_error() {
        tracing::error!(status, duration_ms, problem = kind, cause, "{method} {path} {status}");
    } else if *quiet {
        tracing::debug!(status, duration_ms, "{method} {path} {status}");
    } else {
        tracing::info!(status, duration_ms, problem = kind, cause, "{method} {path} {status}");
    }
}
