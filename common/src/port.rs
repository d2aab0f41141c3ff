//! What every port's adapter answers when it cannot do what it was asked: one semantic error, no driver's.

use std::error::Error as StdError;

/// Why an adapter could not do what it was asked, in words that mean the same on every backend.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The thing named does not exist.
    #[error("{0} not found")]
    NotFound(String),
    /// A thing that is created once exists already.
    #[error("{0} exists already")]
    AlreadyExists(String),
    /// Another writer came first, or the thing that is there belongs to somebody else.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The backend refuses this caller.
    #[error("permission denied: {0}")]
    PermissionDenied(String),
    /// The statement or its data is wrong; the same call fails again.
    #[error("{0}")]
    InvalidQuery(String),
    /// The backend asks for fewer calls.
    #[error("rate limited: {0}")]
    RateLimited(String),
    /// The backend cannot be reached or timed out: whether the call took effect is unknown.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else: a defect or a broken backend.
    #[error("{context}: {source}")]
    Other {
        /// What was being done.
        context: String,
        /// The backend's own error.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl PortError {
    /// Wraps an error that no other kind describes.
    pub fn other(
        context: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Other { context: context.into(), source: source.into() }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::RateLimited(_) | Self::Unavailable(_) => true,
            Self::NotFound(_)
            | Self::AlreadyExists(_)
            | Self::PermissionDenied(_)
            | Self::InvalidQuery(_)
            | Self::Other { .. } => false,
        }
    }
}
