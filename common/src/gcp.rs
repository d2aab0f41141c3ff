//! Google Cloud: the adapters that production runs on. Only here is a `google_cloud_*` crate named.
//!
//! Each adapter is made of an [`Access`], which says where the service is and as whom it is called, and of the
//! names that the deployment gives its resources.

pub mod bigquery;
pub mod cloud_run;
pub mod kms;
pub mod oidc;
pub mod open;
pub mod pubsub;
pub mod state;

use std::error::Error as _;
use std::time::Duration;

use google_cloud_auth::credentials::{Builder, Credentials, anonymous};
use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

use crate::port::PortError;
use crate::settings::names_this_machine;

/// Where one Google service is reached, and as whom.
#[derive(Debug, Clone)]
pub struct Access {
    endpoint: Option<String>,
    credentials: Credentials,
}

impl Access {
    /// Google's own endpoint where `endpoint` is `None`, else that URL.
    ///
    /// Calls go out with the deployment's Application Default Credentials, except to an endpoint on this machine
    /// (`localhost` or a loopback address), which is called anonymously: an emulator has no accounts, and a
    /// token never leaves for one.
    pub fn new(endpoint: Option<&str>) -> Result<Self, PortError> {
        let invalid =
            |url: &str, rule: &str| PortError::InvalidQuery(format!("the endpoint '{url}' {rule}"));
        let Some(url) = endpoint else {
            return Ok(Self { endpoint: None, credentials: default_credentials()? });
        };
        let parsed = reqwest::Url::parse(url)
            .map_err(|e| invalid(url, &format!("is not a URL: {e}; give http://host:port")))?;
        let credentials = match (parsed.scheme(), is_loopback(&parsed)) {
            ("http" | "https", true) => anonymous::Builder::new().build(),
            ("https", false) => default_credentials()?,
            _ => return Err(invalid(url, "must be https, or http on this machine")),
        };
        let endpoint = url.trim_end_matches('/').to_owned();
        Ok(Self { endpoint: Some(endpoint), credentials })
    }
}

fn default_credentials() -> Result<Credentials, PortError> {
    Builder::default().build().map_err(|e| PortError::other("the default credentials", e))
}

fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(names_this_machine)
}

/// The waits between the requests of one call: somebody waits for it.
fn backoff() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(Duration::from_millis(100))
        .with_maximum_delay(Duration::from_secs(2))
        .clamp()
}

/// What the error of a client means.
fn port_error(what: &str, error: Error) -> PortError {
    known(what, &error).unwrap_or_else(|| PortError::other(what, error))
}

/// The same, where it is one of the kinds that a port knows by name.
fn known(what: &str, error: &Error) -> Option<PortError> {
    let text = || format!("{what}: {error}");
    if error.is_timeout() || error.is_exhausted() || error.is_io() || error.is_connect() {
        return Some(PortError::Unavailable(text()));
    }
    if error.is_binding() {
        return Some(PortError::InvalidQuery(text()));
    }
    if error.is_authentication() {
        // Nothing was sent: the account's own token could not be had, for the moment or for good.
        let cause = error.source().and_then(|cause| cause.downcast_ref::<CredentialsError>());
        return Some(match cause {
            Some(cause) if cause.is_transient() => PortError::Unavailable(text()),
            _ => PortError::PermissionDenied(text()),
        });
    }
    Some(match (error.http_status_code(), error.status().map(|status| status.code)) {
        (Some(404), _) | (_, Some(Code::NotFound)) => PortError::NotFound(text()),
        // Over HTTP an aborted call has the status 409 as well.
        (_, Some(Code::Aborted)) => PortError::Conflict(text()),
        (Some(409), _) | (_, Some(Code::AlreadyExists)) => PortError::AlreadyExists(text()),
        (Some(401 | 403), _) | (_, Some(Code::PermissionDenied | Code::Unauthenticated)) => {
            PortError::PermissionDenied(text())
        }
        (Some(429), _) | (_, Some(Code::ResourceExhausted)) => PortError::RateLimited(text()),
        (Some(400), _) | (_, Some(Code::InvalidArgument | Code::FailedPrecondition)) => {
            PortError::InvalidQuery(text())
        }
        (Some(408 | 500..=599), _)
        | (_, Some(Code::Unavailable | Code::DeadlineExceeded | Code::Internal)) => {
            PortError::Unavailable(text())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    #[test]
    fn only_an_endpoint_on_this_machine_is_called_in_plain_text() {
        for good in ["http://127.0.0.1:9050", "http://localhost:1/", "http://[::1]:80"] {
            Access::new(Some(good)).unwrap();
        }
        for bad in [
            "http://example.com",
            "ftp://127.0.0.1",
            "127.0.0.1:9050",
            "",
            "http://127.0.0.1.example.com",
        ] {
            let error = Access::new(Some(bad)).unwrap_err();
            assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
        }
    }

    #[test]
    fn an_error_says_whether_the_same_call_may_succeed_later() {
        let service = |status: u16, code: Code| {
            let said = Status::default().set_code(code).set_message("said so");
            Error::service_with_http_metadata(said, Some(status), None)
        };
        let credentials =
            |transient| Error::authentication(CredentialsError::from_msg(transient, "no token"));
        for (error, expected) in [
            (service(404, Code::NotFound), "NotFound"),
            (service(409, Code::AlreadyExists), "AlreadyExists"),
            (service(409, Code::Aborted), "Conflict"),
            (service(400, Code::InvalidArgument), "InvalidQuery"),
            (service(400, Code::FailedPrecondition), "InvalidQuery"),
            (service(401, Code::Unauthenticated), "PermissionDenied"),
            (service(403, Code::PermissionDenied), "PermissionDenied"),
            (service(429, Code::ResourceExhausted), "RateLimited"),
            (service(503, Code::Unavailable), "Unavailable"),
            (Error::service(Status::default().set_code(Code::Internal)), "Unavailable"),
            (Error::service(Status::default().set_code(Code::Aborted)), "Conflict"),
            (Error::timeout("slow"), "Unavailable"),
            (Error::io("reset"), "Unavailable"),
            (Error::binding("no path"), "InvalidQuery"),
            (credentials(true), "Unavailable"),
            (credentials(false), "PermissionDenied"),
            (Error::deser("no JSON"), "Other"),
        ] {
            let said = error.to_string();
            let found = port_error("calling", error);
            assert!(format!("{found:?}").starts_with(expected), "{said}: {found:?}");
            assert!(found.to_string().contains("calling"), "{found}");
        }
    }
}
