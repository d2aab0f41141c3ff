//! Why a try of a step did not end well, and what that means for the step and the run.

use common::port::PortError;
use common::run::FailureKind;

use super::StepEnd;
use crate::guard::Forbidden;
use crate::roots::Refused;
use crate::webhooks::SendError;

/// Why one try did not.
#[derive(Debug, thiserror::Error)]
pub(super) enum TryError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    Root(#[from] Refused),
    #[error(transparent)]
    Webhook(#[from] SendError),
    #[error("{0}")]
    Data(String),
    #[error("took longer than the {0} s it may")]
    Timeout(u64),
    #[error("was stopped")]
    Halted,
    #[error("may still run in the warehouse, which does not answer: {0}")]
    Unsettled(PortError),
    #[error("panicked: a defect of Headgate")]
    Panic,
}

impl TryError {
    /// The word for logs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Port(PortError::NotFound(_)) => "NOT_FOUND",
            Self::Port(PortError::AlreadyExists(_)) => "ALREADY_EXISTS",
            Self::Port(PortError::Conflict(_)) => "CONFLICT",
            Self::Port(PortError::PermissionDenied(_)) => "PERMISSION_DENIED",
            Self::Port(PortError::InvalidQuery(_)) => "INVALID_QUERY",
            Self::Port(PortError::RateLimited(_)) => "RATE_LIMITED",
            Self::Port(PortError::Unavailable(_)) | Self::Webhook(SendError::Unreachable(_)) => {
                "UNAVAILABLE"
            }
            Self::Port(PortError::Other { .. }) => "OTHER",
            Self::Forbidden(_) | Self::Root(_) | Self::Webhook(SendError::Refused(_)) => "GUARD",
            Self::Webhook(SendError::Rejected { .. }) => "REJECTED",
            Self::Data(_) => "DATA",
            Self::Timeout(_) => "TIMEOUT",
            Self::Halted => "CANCELLED",
            Self::Unsettled(_) => "UNSETTLED",
            Self::Panic => "BUG",
        }
    }

    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Port(error) => error.retryable(),
            Self::Webhook(error) => error.retryable(),
            Self::Timeout(_) => true,
            Self::Forbidden(_)
            | Self::Root(_)
            | Self::Data(_)
            | Self::Halted
            | Self::Unsettled(_)
            | Self::Panic => false,
        }
    }

    pub(super) fn end(&self) -> StepEnd {
        let kind = match self {
            Self::Halted => return StepEnd::Halted,
            Self::Unsettled(_) => return StepEnd::Unsettled,
            Self::Forbidden(_) | Self::Root(_) | Self::Webhook(SendError::Refused(_)) => {
                FailureKind::Guard
            }
            Self::Panic => FailureKind::Bug,
            Self::Port(_) | Self::Webhook(_) | Self::Data(_) | Self::Timeout(_) => {
                FailureKind::Step
            }
        };
        StepEnd::Failed { kind, message: self.to_string() }
    }
}
