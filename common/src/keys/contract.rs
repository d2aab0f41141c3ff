//! What every key service keeps.

use super::{KeyService, Secret};
use crate::port::PortError;

/// What is encrypted comes back, under its own `aad` only and never altered.
#[expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a contract fails by panicking")]
pub async fn round_trip(keys: &dyn KeyService) {
    let secret = Secret::new("acme_api_0123456789");
    let ciphertext = keys.encrypt(&secret, b"v1|acme|k1|api-key").await.unwrap();
    assert!(!ciphertext.windows(8).any(|w| secret.expose().as_bytes().windows(8).any(|s| s == w)));
    assert_eq!(keys.decrypt(&ciphertext, b"v1|acme|k1|api-key").await.unwrap(), secret);

    let again = keys.encrypt(&secret, b"v1|acme|k1|api-key").await.unwrap();
    assert_ne!(ciphertext, again, "equal plaintexts must not show");

    let refused = |result: Result<Secret, PortError>| {
        assert!(matches!(result, Err(PortError::InvalidQuery(_))), "{result:?}");
    };
    refused(keys.decrypt(&ciphertext, b"v1|other|k1|api-key").await);
    let mut altered = ciphertext.clone();
    *altered.last_mut().unwrap() ^= 1;
    refused(keys.decrypt(&altered, b"v1|acme|k1|api-key").await);
    refused(keys.decrypt(&[], b"v1|acme|k1|api-key").await);
}
