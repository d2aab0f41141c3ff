//! Extractors that refuse with a [`Problem`] and say which field, value and rule it was.

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{
    self, FromRequest, FromRequestParts, OptionalFromRequest, RawPathParams, Request,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::problem::{FieldError, Kind, Problem};

/// A JSON body. `T` refuses unknown fields itself, with `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = declares_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::new(Kind::of_status(rejection.status()), "the body cannot be read")
        })?;
        if !declared {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "the body must be JSON, declared by the header Content-Type: application/json",
            ));
        }
        parse(&body).map(Self)
    }
}

/// No body, and no `Content-Type`, is `None`.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let declared = request.headers().contains_key(header::CONTENT_TYPE);
        if !declared && http_body_is_empty(&request) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

fn http_body_is_empty(request: &Request) -> bool {
    use axum::body::HttpBody;
    request.body().is_end_stream()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        extract::Json(self.0).into_response()
    }
}

/// A field of a body as it was sent, whatever it is, also `null`: what is looked at after the shape, so that one
/// answer names all that is wrong. For `#[serde(default, deserialize_with = "given")]`.
pub fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn declares_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let media = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::invalid(&[field_error(&error, body)]),
        serde_json::error::Category::Eof if body.iter().all(u8::is_ascii_whitespace) => {
            Problem::new(Kind::MalformedRequest, "the body is empty; send a JSON object")
        }
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            Problem::new(Kind::MalformedRequest, format!("the body is not JSON: {error}"))
                .with("line", error.line())
                .with("column", error.column())
        }
    })
}

/// Names the field that serde stopped at: by its message where that holds the name, else by the position.
fn field_error(error: &serde_json::Error, body: &[u8]) -> FieldError {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(said, _)| said);
    let named = |prefix: &str| {
        let (name, rest) = message.strip_prefix(prefix)?.split_once('`')?;
        Some((name.to_owned(), rest.trim_start_matches(", ").to_owned()))
    };
    let inner = path_at(body, offset(body, error.line(), error.column()));
    let beside = |name: String| {
        let parent = inner.rsplit_once('.').map(|(parent, _)| parent);
        parent.map_or(name.clone(), |parent| format!("{parent}.{name}"))
    };
    if let Some((name, _)) = named("missing field `") {
        let parent = if inner.is_empty() { String::new() } else { format!("{inner}.") };
        return FieldError::missing(format!("{parent}{name}"));
    }
    if let Some((name, expected)) = named("unknown field `") {
        let rule = format!("is not known here; {expected}").replace('`', "");
        return FieldError { field: beside(name), value: None, rule };
    }
    if let Some((name, _)) = named("duplicate field `") {
        return FieldError { field: beside(name), value: None, rule: "is given twice".to_owned() };
    }
    let field = if inner.is_empty() { "body".to_owned() } else { inner };
    let value = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|whole| whole.pointer(&format!("/{}", field.replace('.', "/"))).cloned());
    match value {
        Some(value) => FieldError::new(field, value, message),
        None => FieldError { field, value: None, rule: message.to_owned() },
    }
}

/// The byte at a line and column as serde counts them, both from 1.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let before: usize =
        body.split_inclusive(|b| *b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (before + column).min(body.len())
}

/// The keys, joined by dots, of the objects that are open at `end`, a position in valid JSON.
fn path_at(body: &[u8], end: usize) -> String {
    let mut open: Vec<String> = Vec::new();
    let mut at = 0;
    while at < end {
        match body[at] {
            b'{' | b'[' => open.push(String::new()),
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                let start = at;
                at += 1;
                while at < body.len() && body[at] != b'"' {
                    at += if body[at] == b'\\' { 2 } else { 1 };
                }
                let text = body.get(start..=at).unwrap_or_default();
                let after = body.iter().skip(at + 1).find(|b| !b.is_ascii_whitespace());
                if let (Some(b':'), Some(key)) = (after, open.last_mut()) {
                    *key = serde_json::from_slice(text).unwrap_or_default();
                }
            }
            b',' => {
                if let Some(key) = open.last_mut() {
                    key.clear();
                }
            }
            _ => {}
        }
        at += 1;
    }
    open.retain(|key| !key.is_empty());
    open.join(".")
}

/// Segments of the path. One that does not parse names nothing: 404.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => {
                let segments = RawPathParams::from_request_parts(parts, state).await.ok();
                Err(path_problem(&rejection, segments.as_ref()))
            }
        }
    }
}

fn path_problem(rejection: &PathRejection, segments: Option<&RawPathParams>) -> Problem {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return Problem::new(Kind::Internal, "the request met an error on this side")
            .caused_by(rejection);
    };
    // A path of one segment is not named by the error.
    let only = || {
        let mut segments = segments?.iter();
        segments.next().filter(|_| segments.next().is_none())
    };
    let (name, given) = only().unwrap_or(("path", ""));
    let (field, value, rule) = match failure.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            (key.as_str(), value.as_str(), format!("must be a {expected_type}"))
        }
        ErrorKind::DeserializeError { key, value, message } => {
            (key.as_str(), value.as_str(), message.clone())
        }
        ErrorKind::ParseErrorAtIndex { value, expected_type, .. }
        | ErrorKind::ParseError { value, expected_type } => {
            (name, value.as_str(), format!("must be a {expected_type}"))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            return Problem::new(Kind::MalformedRequest, format!("{key} is not UTF-8"));
        }
        other => (name, given, other.to_string()),
    };
    Problem::of_fields(Kind::NotFound, &[FieldError::new(field, value, rule)])
}

/// The query string.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match extract::Query::try_from_uri(&parts.uri) {
            Ok(extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let said = std::error::Error::source(&rejection)
                    .map_or_else(|| rejection.to_string(), ToString::to_string);
                let (field, rule) = said.split_once(": ").unwrap_or(("query", said.as_str()));
                let field = field.to_owned();
                Err(Problem::invalid(&[FieldError {
                    field,
                    value: None,
                    rule: rule.replace('`', ""),
                }]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Body {
        name: String,
        count: Option<u8>,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        day: chrono::NaiveDate,
    }

    #[test]
    fn a_body_that_breaks_a_rule_names_its_field() {
        for (body, field, value, rule) in [
            (r#"{"count": 1}"#, "name", None, "is required"),
            (r#"{"name": "a", "nam": 1}"#, "nam", None, "not known here; expected one of name"),
            (r#"{"name": "a", "name": "b"}"#, "name", None, "twice"),
            (r#"{"name": 5}"#, "name", Some(json!(5)), "expected a string"),
            ("{\"name\": \"a\",\n \"count\": 300}", "count", Some(json!(300)), "expected u8"),
            (r#"{"name": "a", "inner": {}}"#, "inner.day", None, "is required"),
            (r#"{"name": "a", "inner": {"x": 1}}"#, "inner.x", None, "not known"),
            (r#"{"name": "a", "inner": {"day": "no"}}"#, "inner.day", Some(json!("no")), "invalid"),
            (r#"{"name": "a}{\",", "inner": {"day": 1}}"#, "inner.day", Some(json!(1)), "expected"),
            ("[]", "body", None, "invalid length"),
            ("7", "body", None, "expected struct"),
        ] {
            let problem = parse::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), Kind::InvalidParameters, "{body}");
            let error = &problem.member("errors").unwrap()[0];
            assert_eq!(error["field"], field, "{body}: {error}");
            assert_eq!(error.get("value"), value.as_ref(), "{body}: {error}");
            assert!(error["rule"].as_str().unwrap().contains(rule), "{body}: {error}");
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_malformed() {
        for body in ["", " \n", "{", "nope", "{\"name\": \"a\"} x", "{'name': 1}", "\u{0}"] {
            let problem = parse::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), Kind::MalformedRequest, "{body:?}");
        }
        let deep = "[".repeat(10_000);
        assert_eq!(parse::<Value>(deep.as_bytes()).unwrap_err().kind(), Kind::MalformedRequest);
        assert_eq!(parse::<Body>(&[b'"', 0xff, b'"']).unwrap_err().kind(), Kind::MalformedRequest);
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(declares_json(&headers), expected, "{value}");
        }
        assert!(!declares_json(&HeaderMap::new()));
    }
}
