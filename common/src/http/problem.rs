//! Every refusal and failure that leaves over HTTP: RFC 9457 `application/problem+json`, made here alone.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::pipeline::{ParamError, params};
use crate::port::PortError;

mod kind;

use kind::About;
pub use kind::Kind;

/// How much of a caller's value is shown back to it, in characters.
const SHOWN: usize = 200;

/// A value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field, with dots between the levels; for a header its name.
    pub field: String,
    /// What was given, shortened; absent where nothing was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What it has to be.
    pub rule: String,
}

impl FieldError {
    /// A field that was given and breaks a rule.
    pub fn new(field: impl Into<String>, value: impl Into<Value>, rule: impl Into<String>) -> Self {
        let value = match value.into() {
            Value::String(text) if text.chars().count() > SHOWN => {
                Value::String(text.chars().take(SHOWN).chain(['…']).collect())
            }
            container @ (Value::Array(_) | Value::Object(_))
                if container.to_string().len() > SHOWN =>
            {
                Value::String("…".to_owned())
            }
            value => value,
        };
        Self { field: field.into(), value: Some(value), rule: rule.into() }
    }

    /// A field that was not given.
    pub fn missing(field: impl Into<String>) -> Self {
        Self { field: field.into(), value: None, rule: "is required".to_owned() }
    }
}

/// The value as it was sent. The gate keeps it as JSON text, which is none where it was cut or not sent.
impl From<ParamError> for FieldError {
    fn from(error: ParamError) -> Self {
        let ParamError { field, value, rule } = error;
        match serde_json::from_str::<Value>(&value) {
            Ok(sent) => Self::new(field, sent, rule),
            Err(_) if value == params::ABSENT => Self { field, value: None, rule },
            Err(_) => Self::new(field, value, rule),
        }
    }
}

/// The members of every problem. Some kinds have more, such as `limit` beside a reached quota.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// `/problems/{slug}`: stable, and a page that says what to do.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words, always the same.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// Which values break which rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One refusal or failure. The shell writes the request's id into it and logs its cause.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    members: Vec<(&'static str, Value)>,
    retry_after: Option<Duration>,
    cause: Option<String>,
}

impl Problem {
    /// A problem of a kind; `detail` is a sentence for the caller without its full stop.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), members: Vec::new(), retry_after: None, cause: None }
    }

    /// Values that break rules, all that were found.
    pub fn invalid(errors: &[FieldError]) -> Self {
        Self::of_fields(Kind::InvalidParameters, errors)
    }

    /// Like [`Problem::invalid`], of another kind.
    pub fn of_fields(kind: Kind, errors: &[FieldError]) -> Self {
        let said: Vec<String> = errors.iter().map(|e| format!("{} {}", e.field, e.rule)).collect();
        Self::new(kind, said.join("; ")).with("errors", json!(errors))
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// Says when to try again, in the `Retry-After` header: whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Notes what the log shall say and the answer must not.
    #[must_use]
    pub fn caused_by(mut self, cause: &dyn ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong this time.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A member beside the standard ones.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// What the log says and the answer does not.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer, with the request's id where it is known.
    pub fn response(&self, request_id: Option<&str>) -> Response {
        let About { status, slug, title, .. } = self.kind.about();
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("/problems/{slug}").into());
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("detail".to_owned(), self.detail.as_str().into());
        if let Some(id) = request_id {
            body.insert("request_id".to_owned(), id.into());
        }
        for (name, value) in &self.members {
            body.insert((*name).to_owned(), value.clone());
        }
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let mut set = |name: HeaderName, value: HeaderValue| {
            response.headers_mut().insert(name, value);
        };
        set(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            set(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response(None)
    }
}

/// A port's error that the handler has no better answer for. The backend's words go to the log alone.
impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        if error.retryable() {
            Self::new(Kind::Unavailable, "a backend is busy or cannot be reached; try again")
                .retry_after(Duration::from_secs(5))
        } else {
            Self::new(Kind::Internal, "the request met an error on this side")
        }
        .caused_by(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_its_members_and_headers() {
        let problem = Problem::new(Kind::QuotaExceeded, "6 of 6 runs of today are used")
            .with("limit", "daily")
            .retry_after(Duration::from_millis(1_500));
        let response = problem.response(Some("r-1"));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(
            body(response).await,
            json!({
                "type": "/problems/quota-exceeded",
                "title": "A limit of the plan is reached",
                "status": 429,
                "detail": "6 of 6 runs of today are used",
                "request_id": "r-1",
                "limit": "daily",
            })
        );
        let response = Problem::new(Kind::Unauthenticated, "no key").into_response();
        assert!(response.headers().contains_key("www-authenticate"));
    }

    #[tokio::test]
    async fn a_backends_words_stay_inside() {
        let other = || PortError::other("reading row 7", std::io::Error::other("disk /dev/x"));
        for (error, kind) in [
            (PortError::Unavailable("db at 10.0.0.1".into()), Kind::Unavailable),
            (PortError::RateLimited("quota of project p".into()), Kind::Unavailable),
            (PortError::Conflict("row 7".into()), Kind::Unavailable),
            (PortError::NotFound("row 7".into()), Kind::Internal),
            (PortError::InvalidQuery("SELECT 7".into()), Kind::Internal),
            (other(), Kind::Internal),
        ] {
            let said = error.to_string();
            let problem = Problem::from(error);
            assert_eq!(problem.kind(), kind);
            assert_eq!(problem.cause(), Some(said.as_str()));
            let response = problem.into_response();
            assert_eq!(response.headers().contains_key("retry-after"), kind == Kind::Unavailable);
            assert!(!body(response).await.to_string().contains('7'), "{said}");
        }
    }

    #[test]
    fn long_values_are_shortened() {
        let error = FieldError::new("f", "x".repeat(5_000), "must be short");
        assert!(error.value.unwrap().as_str().unwrap().chars().count() == SHOWN + 1);
    }
}
