//! The key service on a laptop: AES-256-GCM under a key file that only its owner can read.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use async_trait::async_trait;
use common::clock::Chance;
use common::keys::{KeyService, Secret};
use common::port::PortError;

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
        let bytes = read_or_make(path, &chance)?;
        let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(bytes));
        Ok(Self { cipher, chance })
    }
}

/// A file of 32 secret bytes: read, or made once with mode 0600.
fn read_or_make(path: &Path, chance: &Chance) -> Result<[u8; KEY], PortError> {
    let context = || format!("key file {}", path.display());
    let failed = |error| PortError::other(context(), error);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let bytes = chance.bytes();
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(bytes)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut file = OpenOptions::new().read(true).open(path).map_err(failed)?;
            let mode = file.metadata().map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(PortError::PermissionDenied(format!(
                    "{} is open to others (mode {:o}); run: chmod 600 {}",
                    context(),
                    mode & 0o777,
                    path.display()
                )));
            }
            let mut bytes = [0; KEY];
            file.read_exact(&mut bytes).map_err(failed)?;
            Ok(bytes)
        }
        Err(error) => Err(failed(error)),
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

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        FileKeys::open(&path, Chance::seeded(1)).unwrap();
        let mode = |m| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(m));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o644).unwrap();
        let refused = FileKeys::open(&path, Chance::seeded(1)).err().unwrap();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
}
