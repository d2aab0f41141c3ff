//! A Cloud KMS of one key: AES-256-GCM bound to the additional data, and checksums checked as the service does.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Answer, Fake, Refused};

/// The key that this service has.
pub const KEY: &str = "projects/p/locations/europe/keyRings/r/cryptoKeys/k";

/// Starts it.
pub async fn serve() -> Fake {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([7; 32]));
    let nonces = AtomicU64::new(0);
    Fake::serve("cloudkms.v1", move |call| {
        if call.name != KEY {
            return Err(Refused(404, "NOT_FOUND", "no such key"));
        }
        match call.method.rsplit('.').next() {
            Some("encrypt") => {
                let nonce = nonces.fetch_add(1, Ordering::SeqCst);
                encrypt(&cipher, nonce, &call.body)
            }
            Some("decrypt") => decrypt(&cipher, &call.body),
            _ => Err(Refused(403, "PERMISSION_DENIED", "not granted")),
        }
    })
    .await
}

fn encrypt(cipher: &Aes256Gcm, nonce: u64, body: &Value) -> Answer {
    let (plaintext, plaintext_verified) = checked(body, "plaintext")?;
    let (aad, aad_verified) = checked(body, "additionalAuthenticatedData")?;
    let nonce = [&[0; 4][..], &nonce.to_be_bytes()].concat();
    let payload = Payload { msg: &plaintext, aad: &aad };
    let sealed = cipher.encrypt(&Nonce::try_from(&nonce[..]).unwrap(), payload).unwrap();
    let ciphertext = [nonce, sealed].concat();
    Ok(json!({
        "name": format!("{KEY}/cryptoKeyVersions/3"),
        "ciphertext": STANDARD.encode(&ciphertext),
        "ciphertextCrc32c": crc32c(&ciphertext).to_string(),
        "verifiedPlaintextCrc32c": plaintext_verified,
        "verifiedAdditionalAuthenticatedDataCrc32c": aad_verified,
        "protectionLevel": "SOFTWARE",
    }))
}

fn decrypt(cipher: &Aes256Gcm, body: &Value) -> Answer {
    const FOREIGN: Refused = Refused(
        400,
        "INVALID_ARGUMENT",
        "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
    );
    let (ciphertext, _) = checked(body, "ciphertext")?;
    let (aad, _) = checked(body, "additionalAuthenticatedData")?;
    let (nonce, msg) = ciphertext.split_at_checked(12).ok_or(FOREIGN)?;
    let payload = Payload { msg, aad: &aad };
    let opened = cipher.decrypt(&Nonce::try_from(nonce).unwrap(), payload);
    let plaintext = opened.map_err(|_| FOREIGN)?;
    Ok(json!({
        "plaintext": STANDARD.encode(&plaintext),
        "plaintextCrc32c": crc32c(&plaintext).to_string(),
        "usedPrimary": true,
        "protectionLevel": 1,
    }))
}

/// The bytes of a field, and whether a checksum came along.
fn checked(body: &Value, field: &str) -> Result<(Vec<u8>, bool), Refused> {
    let bytes = STANDARD.decode(body[field].as_str().unwrap_or_default()).unwrap();
    match body[format!("{field}Crc32c")].as_str() {
        None => Ok((bytes, false)),
        Some(sum) if sum == crc32c(&bytes).to_string() => Ok((bytes, true)),
        Some(_) => {
            let message = "The checksum in field ciphertext_crc32c did not match the data.";
            Err(Refused(400, "INVALID_ARGUMENT", message))
        }
    }
}

/// CRC-32C bit by bit, from its definition: the adapter takes it from a crate.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1)))
    })
}
