//! API keys: their form, their hash, and what is kept of them.
//!
//! `{tenant_id}_api_{random}{check}`: 22 base62 characters of 128 random bits, then six of a CRC-32 over all
//! that stands before, so that a mistyped or invented key is told without a look-up. The check is no secret.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Chance;
use crate::keys::Secret;
use crate::tenant::{Subscription, TenantId};
use crate::warehouse::hex;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Base62 characters that hold 128 bits.
const RANDOM: usize = 22;
/// Base62 characters that hold 32 bits.
const CHECK: usize = 6;
const MARK: &str = "_api_";

/// A key's SHA-256 in hex: what is stored and looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub String);

/// A key of the right form; whether it is anybody's is for the store to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    secret: Secret,
    tenant: TenantId,
}

impl ApiKey {
    /// Makes a new key.
    pub fn generate(tenant: &TenantId, chance: &Chance) -> Self {
        let random = base62(u128::from_be_bytes(chance.bytes()), RANDOM);
        let body = format!("{tenant}{MARK}{random}");
        let check = base62(crc32fast::hash(body.as_bytes()).into(), CHECK);
        Self { secret: Secret::new(body + &check), tenant: tenant.clone() }
    }

    /// Parses a key; `None` where the form or the check is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, tail) = text.rsplit_once(MARK)?;
        let form = tail.len() == RANDOM + CHECK && tail.bytes().all(|b| ALPHABET.contains(&b));
        if !form {
            return None;
        }
        let (body, check) = text.split_at(text.len() - CHECK);
        if base62(crc32fast::hash(body.as_bytes()).into(), CHECK) != check {
            return None;
        }
        Some(Self { secret: Secret::new(text), tenant: TenantId::parse(tenant).ok()? })
    }

    /// The tenant the key names.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The whole key: shown once.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What is stored of it. A fast hash is right for 128 random bits: there is nothing to guess.
    pub fn hash(&self) -> KeyHash {
        KeyHash(hex(&Sha256::digest(self.secret.expose())))
    }

    /// The last four characters, by which people tell keys apart.
    pub fn last_four(&self) -> &str {
        let text = self.secret.expose();
        &text[text.len() - 4..]
    }
}

fn base62(mut number: u128, width: usize) -> String {
    let mut digits = vec![ALPHABET[0]; width];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

/// What binds a key's ciphertext to its tenant, its id and its purpose.
pub fn key_aad(tenant: &TenantId, api_key_id: Uuid) -> Vec<u8> {
    format!("v1|{tenant}|{api_key_id}|api-key").into_bytes()
}

/// A key's row in `tenants.tenant_api_keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's id, which rotation and revocation name.
    pub api_key_id: Uuid,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its hash.
    pub hash: KeyHash,
    /// Its ciphertext under the key service.
    pub encrypted: Vec<u8>,
    /// Its last four characters.
    pub last_four: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was first used; until then onboarding may replace it.
    pub first_used_at: Option<DateTime<Utc>>,
    /// From then on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// When an operator revoked it.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// How a key stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// It is accepted.
    Active,
    /// Its time is over.
    Expired,
    /// An operator revoked it.
    Revoked,
}

impl KeyRecord {
    /// How the key stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

/// A key that was found, with the subscription that decides what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    /// The key's row.
    pub key: KeyRecord,
    /// The tenant's subscription; `None` while onboarding has not come to it.
    pub subscription: Option<Subscription>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_made_key_parses_and_names_its_tenant() {
        for seed in 0..200 {
            let tenant = TenantId::parse(if seed % 2 == 0 { "acme" } else { "a_api_b" }).unwrap();
            let key = ApiKey::generate(&tenant, &Chance::seeded(seed));
            assert_eq!(ApiKey::parse(key.secret().expose()), Some(key.clone()));
            assert_eq!(key.tenant(), &tenant);
            assert_eq!(key.hash().0.len(), 64);
            assert!(!format!("{key:?}").contains(key.secret().expose()));
        }
    }

    proptest! {
        #[test]
        fn one_changed_character_is_told(seed: u64, at in 0usize..28, to in 0usize..62) {
            let key = ApiKey::generate(&TenantId::parse("acme").unwrap(), &Chance::seeded(seed));
            let mut text = key.secret().expose().as_bytes().to_vec();
            let at = text.len() - 28 + at;
            prop_assume!(text[at] != ALPHABET[to]);
            text[at] = ALPHABET[to];
            prop_assert_eq!(ApiKey::parse(std::str::from_utf8(&text).unwrap()), None);
        }

        #[test]
        fn any_text_is_told_apart_without_a_panic(text in ".{0,80}") {
            prop_assert_eq!(ApiKey::parse(&text), None);
        }
    }
}
