//! Cloud KMS: secrets under a key that never leaves Google.
//!
//! Every call carries checksums of what it sends, and the answer is believed only where it says that they were
//! checked and its own checksum fits. Nothing of an answer is in an error: a message may quote what it is about.

use std::time::Duration;

use async_trait::async_trait;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt};
use google_cloud_kms_v1::client::KeyManagementService;
use google_cloud_kms_v1::model::{DecryptResponse, EncryptResponse};

use super::{Access, backoff, port_error};
use crate::keys::{KeyService, Secret};
use crate::port::PortError;

/// One request: an encryption takes some 50 ms.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A call with all its requests.
const CALL: Duration = Duration::from_secs(20);
/// Requests of a call at most, where the service is away.
const ATTEMPTS: u32 = 4;
/// Calls at most, where what arrives is not what was sent.
const DELIVERIES: u32 = 3;

/// The key service of a deployment: one symmetric key of Cloud KMS.
pub struct CloudKms {
    client: KeyManagementService,
    key: String,
}

/// Why a call has no answer that can be used.
enum Flaw {
    /// The request or its answer was altered on the way.
    Altered,
    /// The service refused, or could not be reached.
    Failed(Error),
}

impl CloudKms {
    /// The key `projects/P/locations/L/keyRings/R/cryptoKeys/K`. No call is made.
    pub async fn new(access: &Access, key: &str) -> Result<Self, PortError> {
        if !names_a_key(key) {
            let form = "projects/P/locations/L/keyRings/R/cryptoKeys/K";
            let rule = format!("the KMS key '{key}' must be named {form}, without a version");
            return Err(PortError::InvalidQuery(rule));
        }
        let policy = Aip194Strict
            .continue_on_client_timeout()
            .with_attempt_limit(ATTEMPTS)
            .with_time_limit(CALL);
        let mut builder = KeyManagementService::builder()
            .with_credentials(access.credentials.clone())
            .with_retry_policy(policy)
            .with_backoff_policy(backoff())
            .with_attempt_timeout(ATTEMPT);
        if let Some(endpoint) = &access.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let client =
            builder.build().await.map_err(|e| PortError::other("the client of Cloud KMS", e))?;
        Ok(Self { client, key: key.to_owned() })
    }

    async fn encrypt_once(&self, plaintext: &[u8], aad: &[u8]) -> Result<EncryptResponse, Flaw> {
        let answer = self
            .client
            .encrypt()
            .set_name(&self.key)
            .set_plaintext(plaintext.to_vec())
            .set_plaintext_crc32c(checksum(plaintext))
            .set_additional_authenticated_data(aad.to_vec())
            .set_additional_authenticated_data_crc32c(checksum(aad))
            .with_idempotency(true)
            .send()
            .await
            .map_err(Flaw::of)?;
        let versions = format!("{}/cryptoKeyVersions/", self.key);
        let whole = answer.verified_plaintext_crc32c
            && answer.verified_additional_authenticated_data_crc32c
            && answer.name.starts_with(&versions)
            && answer.ciphertext_crc32c == Some(checksum(&answer.ciphertext));
        if whole { Ok(answer) } else { Err(Flaw::Altered) }
    }

    async fn decrypt_once(&self, ciphertext: &[u8], aad: &[u8]) -> Result<DecryptResponse, Flaw> {
        let answer = self
            .client
            .decrypt()
            .set_name(&self.key)
            .set_ciphertext(ciphertext.to_vec())
            .set_ciphertext_crc32c(checksum(ciphertext))
            .set_additional_authenticated_data(aad.to_vec())
            .set_additional_authenticated_data_crc32c(checksum(aad))
            .with_idempotency(true)
            .send()
            .await
            .map_err(Flaw::of)?;
        let whole = answer.plaintext_crc32c == Some(checksum(&answer.plaintext));
        if whole { Ok(answer) } else { Err(Flaw::Altered) }
    }

    /// Calls again where what arrived is not what was sent.
    async fn delivered<T, F>(&self, what: &str, call: impl Fn() -> F) -> Result<T, PortError>
    where
        F: Future<Output = Result<T, Flaw>>,
    {
        for _ in 0..DELIVERIES {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(Flaw::Altered) => {}
                Err(Flaw::Failed(error)) => return Err(self.refused(what, error)),
            }
        }
        let text =
            format!("{what} with the key {}: altered on the way, {DELIVERIES} times", self.key);
        Err(PortError::Unavailable(text))
    }

    /// The kind of the client's error without its words.
    fn refused(&self, what: &str, error: Error) -> PortError {
        let code = error.status().map(|status| status.code);
        let said = match (code, error.http_status_code()) {
            (Some(code), _) => code.name().to_owned(),
            (None, Some(status)) => format!("HTTP status {status}"),
            (None, None) if error.is_authentication() => {
                "no credentials to call it with".to_owned()
            }
            (None, None) => "no answer that can be read".to_owned(),
        };
        let text = format!("{what} with the key {}: {said}", self.key);
        match port_error("", error) {
            PortError::InvalidQuery(_) if code == Some(Code::FailedPrecondition) => {
                PortError::other(text, "its version is disabled or destroyed: enable it")
            }
            PortError::InvalidQuery(_) => PortError::InvalidQuery(text),
            PortError::NotFound(_) => PortError::NotFound(format!("the key {}", self.key)),
            PortError::PermissionDenied(_) if code == Some(Code::PermissionDenied) => {
                let role = "roles/cloudkms.cryptoKeyEncrypterDecrypter";
                let hint = format!("{text}; grant this service's account {role} on the key");
                PortError::PermissionDenied(hint)
            }
            PortError::PermissionDenied(_) => PortError::PermissionDenied(text),
            PortError::RateLimited(_) => PortError::RateLimited(text),
            PortError::Conflict(_) | PortError::Unavailable(_) => PortError::Unavailable(text),
            PortError::AlreadyExists(_) | PortError::Other { .. } => {
                PortError::other(text, "an answer that this call cannot have")
            }
        }
    }
}

impl Flaw {
    /// A request whose checksums do not fit is refused as invalid, like a foreign ciphertext: the message alone
    /// names the field.
    fn of(error: Error) -> Self {
        let altered = error.status().is_some_and(|status| {
            status.code == Code::InvalidArgument && status.message.contains("_crc32c")
        });
        if altered { Self::Altered } else { Self::Failed(error) }
    }
}

#[async_trait]
impl KeyService for CloudKms {
    async fn encrypt(&self, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, PortError> {
        let plaintext = plaintext.expose().as_bytes();
        let call = || self.encrypt_once(plaintext, aad);
        Ok(self.delivered("encrypting", call).await?.ciphertext.to_vec())
    }

    async fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Secret, PortError> {
        let call = || self.decrypt_once(ciphertext, aad);
        let answer = self.delivered("decrypting", call).await?;
        let text = String::from_utf8(answer.plaintext.to_vec());
        // The error of a conversion holds the bytes.
        text.map(Secret::new).map_err(|_| {
            PortError::InvalidQuery("what was encrypted is no text in UTF-8".to_owned())
        })
    }
}

fn checksum(bytes: &[u8]) -> i64 {
    i64::from(crc32c::crc32c(bytes))
}

fn names_a_key(name: &str) -> bool {
    let segments: Vec<&str> = name.split('/').collect();
    let fixed = ["projects", "locations", "keyRings", "cryptoKeys"];
    segments.len() == 8
        && fixed.iter().enumerate().all(|(at, word)| segments[at * 2] == *word)
        && segments.iter().all(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of CRC-32C, from the catalogue of CRC algorithms.
        assert_eq!(checksum(b"123456789"), 0xE306_9283);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn a_key_is_named_in_full_and_without_a_version() {
        let good = "projects/p/locations/europe/keyRings/r/cryptoKeys/k";
        assert!(names_a_key(good));
        for bad in [
            "",
            "k",
            "projects/p/locations/europe/keyRings/r/cryptoKeys/",
            "projects/p/locations/europe/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "project/p/locations/europe/keyRings/r/cryptoKeys/k",
        ] {
            assert!(!names_a_key(bad), "{bad}");
        }
    }
}
