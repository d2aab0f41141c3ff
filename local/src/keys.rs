//! The key service on a laptop: AES-256-GCM under a key file that only its owner can read.

use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use async_trait::async_trait;
use common::clock::Chance;
use common::keys::{KeyService, Secret};
use common::port::PortError;

use crate::private_file::read_or_make;

const KEY: usize = 32;
const NONCE: usize = 12;

/// Encrypts under one key of its own.
pub struct FileKeys {
    cipher: Aes256Gcm,
    chance: Chance,
}

impl FileKeys {
    /// Reads the key file, or makes one with mode 0600 where there is none.
    pub fn open(path: &Path, chance: Chance) -> Result<Self, PortError> {
        let held = read_or_make(path, || chance.bytes::<KEY>().to_vec())?;
        let bytes: [u8; KEY] = held.bytes.try_into().map_err(|bytes: Vec<u8>| {
            let rule = format!("holds {} bytes, not {KEY}", bytes.len());
            PortError::other(format!("key file {}", path.display()), rule)
        })?;
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(bytes));
        Ok(Self { cipher, chance })
    }
}

#[async_trait]
impl KeyService for FileKeys {
    async fn encrypt(&self, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, PortError> {
        let nonce: [u8; NONCE] = self.chance.bytes();
        let payload = Payload { msg: plaintext.expose().as_bytes(), aad };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|e| PortError::other("encrypting", e.to_string()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    async fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Secret, PortError> {
        let wrong = || PortError::InvalidQuery("the ciphertext or its context is wrong".to_owned());
        let (nonce, msg) = ciphertext.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let payload = Payload { msg, aad };
        let plaintext = self.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(plaintext).map(Secret::new).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use common::keys::contract;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract_also_after_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let keys = FileKeys::open(&path, Chance::seeded(1)).unwrap();
        contract::round_trip(&keys).await;
        let sealed = keys.encrypt(&Secret::new("kept"), b"x").await.unwrap();
        let again = FileKeys::open(&path, Chance::seeded(2)).unwrap();
        assert_eq!(again.decrypt(&sealed, b"x").await.unwrap().expose(), "kept");
    }
}
