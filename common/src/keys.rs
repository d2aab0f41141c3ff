//! The key service port: encrypts small secrets under a key that never leaves the service.
//!
//! To add an adapter: implement [`KeyService`] and run [`contract`] against it. `aad` is bound to the
//! ciphertext: decrypting with another one fails.

use std::fmt;

use async_trait::async_trait;

use crate::port::PortError;

#[cfg(feature = "test-util")]
pub mod contract;

/// A text whose `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: only for what must show, hash or send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Encrypts and decrypts.
#[async_trait]
pub trait KeyService: Send + Sync {
    /// Encrypts; the answer holds all that [`KeyService::decrypt`] needs beside `aad`.
    async fn encrypt(&self, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, PortError>;

    /// Decrypts what [`KeyService::encrypt`] answered for the same `aad`; anything else is `InvalidQuery`.
    async fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Secret, PortError>;
}
