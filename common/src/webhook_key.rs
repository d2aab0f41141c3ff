//! The key that a tenant's webhooks are signed with, and the signature.
//!
//! Signatures follow the Standard Webhooks convention (<https://www.standardwebhooks.com>), so a tenant verifies
//! them with any of its libraries. Each tenant has a key of its own, derived from the deployment's: nothing is
//! stored, and a tenant that knows its key can sign for no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::keys::Secret;
use crate::tenant::TenantId;

/// Parts these keys from whatever else may be derived from the same key; part of every key, so never changed.
const PURPOSE: &str = "headgate webhook v1\n";

/// The tenant's own secret, in the form that libraries take: `whsec_` and base64.
pub fn tenant_secret(key: &Secret, tenant: &TenantId) -> Secret {
    Secret::new(format!("whsec_{}", BASE64.encode(tenant_key(key, tenant))))
}

/// The value of the header `webhook-signature` for one message of a tenant.
///
/// `timestamp` is in Unix seconds. Neither `id` nor `timestamp` may hold a full stop, which parts them here.
pub fn signature(key: &Secret, tenant: &TenantId, id: &str, timestamp: i64, body: &[u8]) -> String {
    let key = tenant_key(key, tenant);
    let signed = hmac(&key, &[id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body]);
    format!("v1,{}", BASE64.encode(signed))
}

fn tenant_key(key: &Secret, tenant: &TenantId) -> [u8; 32] {
    hmac(key.expose().as_bytes(), &[PURPOSE.as_bytes(), tenant.as_str().as_bytes()])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Both were computed by another program: Python's hmac, the first by OpenSSL too.
    const ACMES: &str = "whsec_Am5C5rsVWU8eqYupe3YO3rMArl6ruJqe5jdNcinqHMc=";
    const SIGNED: &str = "v1,Bst357pdE7sajMb3j/wJMXLmR1n+EuDYw6ElKb9YpcI=";

    fn key() -> Secret {
        Secret::new("0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn keys_and_signatures_are_those_of_an_independent_program() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(tenant_secret(&key(), &acme).expose(), ACMES);
        let signed = signature(&key(), &acme, "run-1_done", 1_763_373_600, br#"{"event":"run"}"#);
        assert_eq!(signed, SIGNED);
    }

    #[test]
    fn every_part_of_a_message_changes_its_signature() {
        let [acme, other] = ["acme", "acme_2"].map(|id| TenantId::parse(id).unwrap());
        let signed = [
            signature(&key(), &acme, "a", 1, b"x"),
            signature(&key(), &other, "a", 1, b"x"),
            signature(&Secret::new("another"), &acme, "a", 1, b"x"),
            signature(&key(), &acme, "b", 1, b"x"),
            signature(&key(), &acme, "a", 2, b"x"),
            signature(&key(), &acme, "a", 1, b"y"),
        ];
        let distinct: std::collections::HashSet<_> = signed.iter().collect();
        assert_eq!(distinct.len(), signed.len());
    }
}
