//! Who calls, and what comes back.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use common::run::RunId;
use common::tenant::TenantId;
use serde_json::Value;

/// A tenant and its key.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Tenant {
    pub(crate) fn tenant_id(&self) -> TenantId {
        TenantId::parse(&self.id).unwrap()
    }

    /// Where the billing template is triggered.
    pub(crate) fn billing(&self) -> String {
        format!("/api/v1/pipelines/run/{}/gcp/cost/billing", self.id)
    }

    /// Where the runs are.
    pub(crate) fn runs(&self) -> String {
        format!("/api/v1/pipelines/runs/{}", self.id)
    }

    /// Where a run is.
    pub(crate) fn run(&self, run: RunId) -> String {
        format!("{}/{run}", self.runs())
    }

    /// A request with the tenant's key and a person.
    pub(crate) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        request.header("x-api-key", &self.key).header("x-user-id", "alice")
    }

    pub(crate) fn get(&self, path: &str) -> Request<Body> {
        self.request("GET", path).body(Body::empty()).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Request<Body> {
        let request = self.request("POST", path).header("content-type", "application/json");
        request.body(body.to_string().into()).unwrap()
    }

    /// The billing run under an `Idempotency-Key`.
    pub(crate) fn keyed(&self, key: &str, body: &Value) -> Request<Body> {
        let mut request = self.post(&self.billing(), body);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        request
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn run_id(&self) -> RunId {
        self.body["pipeline_logging_id"].as_str().unwrap().parse().unwrap()
    }

    /// The last segment of the problem's type; the answer is a whole problem.
    pub(crate) fn problem(&self) -> &str {
        let said = &self.body;
        assert_eq!(self.headers["content-type"], "application/problem+json", "{said}");
        assert_eq!(said["status"], self.status, "{said}");
        for member in ["title", "detail", "request_id"] {
            assert!(said[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {said}");
        }
        said["type"].as_str().unwrap().strip_prefix("/problems/").unwrap()
    }

    /// `Retry-After` in seconds.
    pub(crate) fn retry_after(&self) -> i64 {
        self.headers["retry-after"].to_str().unwrap().parse().unwrap()
    }
}
