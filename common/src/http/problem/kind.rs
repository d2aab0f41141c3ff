//! The kinds of problem and the page that documents each.

use axum::http::StatusCode;
use axum::response::Html;

/// Defines the kinds of problem in one place: variant, status, slug, title and the documented page's text.
macro_rules! kinds {
    ($($variant:ident = $status:ident, $slug:literal, $title:literal, $help:literal;)+) => {
        /// What went wrong, as a stable `type` that clients may rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $help] $variant,)+
        }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub(super) fn about(self) -> About {
                match self {
                    $(Self::$variant => About {
                        status: StatusCode::$status,
                        slug: $slug,
                        title: $title,
                        help: $help,
                    },)+
                }
            }
        }
    };
}

pub(super) struct About {
    pub(super) status: StatusCode,
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    help: &'static str,
}

kinds! {
    MalformedRequest = BAD_REQUEST, "malformed-request", "The request is malformed",
        "The body is not the JSON that it says it is, or a header is missing or unreadable. The detail says \
         where. Correct the request; sending it again unchanged fails again.";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Credentials are missing or not accepted",
        "The route needs credentials: a tenant's key in X-API-Key, or an operator's. A key that is unknown, \
         revoked, expired or mistyped is answered alike. Ask your operator for a new key.";
    Forbidden = FORBIDDEN, "forbidden", "These credentials do not allow this",
        "The credentials are good, but not for this: the path names another tenant than the key does, or \
         the route is for operators.";
    SubscriptionInactive = FORBIDDEN, "subscription-inactive", "The subscription is not active",
        "The tenant's subscription is suspended or cancelled, so it may not start anything. An operator can \
         activate it again.";
    NotFound = NOT_FOUND, "not-found", "There is no such thing",
        "The path names no route, or what it names does not exist for this caller.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not take this method",
        "The path exists, but not with this method. The Allow header names those it takes.";
    TenantExists = CONFLICT, "tenant-exists", "The tenant exists already",
        "A tenant of this id was onboarded with other details, or its API key has been used, so the key \
         is no longer replaced. Choose another id, or rotate the tenant's key.";
    DatasetTaken = CONFLICT, "dataset-taken", "The dataset belongs to somebody else",
        "A dataset of this name exists without this tenant's label. It is never adopted. Choose another \
         tenant id, or have the owner of the dataset remove it.";
    InProgress = CONFLICT, "in-progress", "Another request is at work on the same thing",
        "An earlier or simultaneous request for the same thing has not finished. Try again after the \
         seconds in Retry-After.";
    RunEnded = CONFLICT, "run-ended", "The run has ended",
        "The run is in a final state, which nothing changes any more.";
    SlotTaken = CONFLICT, "slot-taken", "The slot has a run",
        "A slot of a schedule has one run that is open or completed, and this one has it already. Read the run; \
         a slot can be submitted again when its run has ended without completing.";
    AlreadyCreated = CONFLICT, "already-created", "An earlier request with this Idempotency-Key made it",
        "The thing was made by an earlier request with the same Idempotency-Key, and its secret was in that \
         request's answer alone. If that answer was lost, send the request with a new Idempotency-Key.";
    TooManySchedules = CONFLICT, "too-many-schedules", "The tenant has as many schedules as it may",
        "A tenant keeps at most as many schedules as the limit member says, paused ones among them. Delete one \
         that is not needed, or change it into the one that is.";
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large",
        "A request's body holds at most as many bytes as the limit member says. Data is loaded from files, \
         not from requests.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not declared as JSON",
        "Send the header Content-Type: application/json.";
    InvalidParameters = UNPROCESSABLE_ENTITY, "invalid-parameters", "Some values are not allowed",
        "The request can be read, but values in it break a rule. The errors member names each field, its \
         value and the rule.";
    IdempotencyMismatch = UNPROCESSABLE_ENTITY, "idempotency-mismatch", "The Idempotency-Key is in use",
        "An earlier request with the same Idempotency-Key had another body. Use a new key for a new request.";
    QuotaExceeded = TOO_MANY_REQUESTS, "quota-exceeded", "A limit of the plan is reached",
        "The limit member says which limit was met, beside it stand the counts. Retry-After tells when it \
         may let a run in again. An operator can change the plan or its limits.";
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests",
        "Send fewer requests, and the next one after the seconds in Retry-After.";
    Internal = INTERNAL_SERVER_ERROR, "internal", "An internal error",
        "The fault is on this side. The request id finds it in the logs; tell it to your operator.";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service is busy or a backend cannot be reached",
        "Nothing is wrong with the request. Send it again after the seconds in Retry-After; routes that \
         create something take an Idempotency-Key, so that it is created once.";
    Timeout = GATEWAY_TIMEOUT, "timeout", "The request took too long",
        "The request was given up before it was answered: whether it took effect is unknown. Read the \
         thing's state, or send it again with the same Idempotency-Key.";
}

impl Kind {
    /// The HTTP status it is answered with.
    pub fn status(self) -> StatusCode {
        self.about().status
    }

    /// The last segment of its `type`.
    pub fn slug(self) -> &'static str {
        self.about().slug
    }

    /// The kind that a bare error status is answered as.
    pub fn of_status(status: StatusCode) -> Self {
        let same = Self::ALL.iter().find(|kind| kind.status() == status);
        match same {
            Some(kind) => *kind,
            None if status.is_server_error() => Self::Internal,
            None => Self::MalformedRequest,
        }
    }

    /// The documented page of the kind with this slug.
    pub fn page(slug: &str) -> Option<Html<String>> {
        let About { status, slug, title, help } =
            Self::ALL.iter().map(|kind| kind.about()).find(|about| about.slug == slug)?;
        Some(Html(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{slug}</title>\n\
             <h1>{title}</h1>\n<p><code>/problems/{slug}</code>, status {status}</p>\n<p>{help}</p>\n\
             <p><a href=\"/problems\">All problems</a></p></html>\n"
        )))
    }

    /// The page that lists all kinds.
    pub fn index() -> Html<String> {
        let line = |kind: &Self| {
            let About { status, slug, title, .. } = kind.about();
            format!(
                "<li><a href=\"/problems/{slug}\">{slug}</a> ({}): {title}</li>\n",
                status.as_u16()
            )
        };
        Html(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>problems</title>\n\
             <h1>Problems</h1>\n<ul>\n{}</ul></html>\n",
            Self::ALL.iter().map(line).collect::<String>()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_slug_and_page() {
        let slugs: HashSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let page = Kind::page(kind.slug()).unwrap().0;
            assert!(page.contains(kind.about().help), "{kind:?}");
            assert!(Kind::index().0.contains(&format!("/problems/{}\"", kind.slug())));
        }
        assert!(Kind::page("nonsense").is_none());
    }
}
