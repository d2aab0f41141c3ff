//! What BigQuery's errors mean, by their reason.
//!
//! The reasons and what each asks for: <https://cloud.google.com/bigquery/docs/error-messages>.

use google_cloud_bigquery_v2::model::ErrorProto;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::StatusDetails;

use crate::gcp::port_error;
use crate::port::PortError;

/// An error with whether the same statement is to be sent again at once.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: PortError,
    pub again: bool,
}

/// What the error of a job, or of a call, means.
pub(super) fn of_reason(what: &str, reason: &str, message: &str) -> Failure {
    let text = || format!("{what}: {message}");
    let again = |error| Failure { error, again: true };
    let last = |error| Failure { error, again: false };
    let outstanding = message.contains("Too many DML statements outstanding");
    let concurrent =
        message.contains("due to concurrent update") || message.contains("Could not serialize");
    match reason {
        _ if concurrent => again(PortError::Conflict(text())),
        "rateLimitExceeded" | "jobRateLimitExceeded" => again(PortError::RateLimited(text())),
        "resourcesExceeded" if outstanding => again(PortError::RateLimited(text())),
        "backendError" | "jobBackendError" | "internalError" | "jobInternalError" => {
            again(PortError::Unavailable(text()))
        }
        // A quota of the project: waiting a second does not help.
        "quotaExceeded" => last(PortError::RateLimited(text())),
        // Its timeout was over, or somebody cancelled it.
        "stopped" | "timeout" | "jobTimeout" => last(PortError::Unavailable(text())),
        "notFound" => last(PortError::NotFound(text())),
        "duplicate" => last(PortError::AlreadyExists(text())),
        "conditionNotMet" => last(PortError::Conflict(text())),
        "accessDenied" | "blocked" | "billingNotEnabled" => {
            last(PortError::PermissionDenied(text()))
        }
        "invalid"
        | "invalidQuery"
        | "badRequest"
        | "resourcesExceeded"
        | "responseTooLarge"
        | "bytesBilledLimitExceeded"
        | "billingTierLimitExceeded"
        | "notImplemented" => last(PortError::InvalidQuery(text())),
        other => last(PortError::other(what, format!("{other}: {message}"))),
    }
}

/// What a job's own error means.
pub(super) fn of_job(what: &str, error: &ErrorProto) -> Failure {
    of_reason(what, &error.reason, &error.message)
}

/// What the error of a call means: by its reason where the answer names one, which the clients keep as a detail.
pub(super) fn of_call(what: &str, error: Error) -> Failure {
    let details = error.status().map(|status| status.details.as_slice()).unwrap_or_default();
    let reason = details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some(info.reason.clone()),
        _ => None,
    });
    let message = error.status().map(|status| status.message.clone());
    if let (Some(reason), Some(message)) = (reason, message) {
        return of_reason(what, &reason, &message);
    }
    let error = port_error(what, error);
    Failure { again: error.retryable(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Is = fn(&PortError) -> bool;

    #[test]
    fn a_reason_says_what_is_wrong_and_whether_to_try_again() {
        let dml = "Resources exceeded during query execution: Too many DML statements outstanding against table \
                   p:d.t, limit is 20.";
        let twin = "Could not serialize access to table p:d.t due to concurrent update";
        let limited: Is = |e| matches!(e, PortError::RateLimited(_));
        let away: Is = |e| matches!(e, PortError::Unavailable(_));
        let wrong: Is = |e| matches!(e, PortError::InvalidQuery(_));
        let conflict: Is = |e| matches!(e, PortError::Conflict(_));
        let cases: [(&str, &str, bool, Is); 11] = [
            ("rateLimitExceeded", "slow down", true, limited),
            ("jobRateLimitExceeded", "slow down", true, limited),
            ("resourcesExceeded", dml, true, limited),
            ("resourcesExceeded", "the query needs too much memory", false, wrong),
            ("backendError", "try again", true, away),
            ("invalidQuery", twin, true, conflict),
            ("invalidQuery", "Syntax error", false, wrong),
            ("bytesBilledLimitExceeded", "limit 10", false, wrong),
            ("quotaExceeded", "of the project", false, limited),
            ("stopped", "timed out", false, away),
            ("accessDenied", "no", false, |e| matches!(e, PortError::PermissionDenied(_))),
        ];
        for (reason, message, again, is) in cases {
            let failure = of_reason("a statement", reason, message);
            assert_eq!(failure.again, again, "{reason}: {message}");
            assert!(is(&failure.error), "{reason}: {:?}", failure.error);
            assert!(failure.error.to_string().contains(message), "{reason}");
        }
    }
}
