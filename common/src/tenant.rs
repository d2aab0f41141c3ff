//! Who a tenant is: its id, profile and subscription, and the person a request names.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::plan::Limits;
use crate::warehouse::DatasetName;

/// A tenant's id, also its dataset's name: `^[a-z][a-z0-9_]{2,49}$`, no reserved name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// A text that is no tenant id, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantId {
    /// It does not have the form.
    #[error("must match ^[a-z][a-z0-9_]{{2,49}}$")]
    Form,
    /// The name is the system's own.
    #[error("is a reserved name")]
    Reserved,
}

/// The control dataset and what BigQuery itself keeps.
const RESERVED: [&str; 2] = ["tenants", "information_schema"];

impl TenantId {
    /// Parses an id.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        let form = (3..=50).contains(&text.len())
            && text.as_bytes()[0].is_ascii_lowercase()
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !form {
            return Err(InvalidTenantId::Form);
        }
        if RESERVED.contains(&text) || text.starts_with("x_meta") {
            return Err(InvalidTenantId::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant's dataset, which has the tenant's name.
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "a tenant id is a dataset name"
    )]
    pub fn dataset(&self) -> DatasetName {
        DatasetName::parse(&self.0).expect("every tenant id is a dataset name")
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenantId;

    fn try_from(text: String) -> Result<Self, InvalidTenantId> {
        Self::parse(&text)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The person a caller says it acts for: at most 128 printable characters, recorded as asserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// Parses the value of `X-User-ID`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let printable = |c: char| !c.is_control();
        if text.trim().is_empty() || text.chars().count() > 128 || !text.chars().all(printable) {
            return Err("must be 1 to 128 printable characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that a text looks like an e-mail address: one `@`, something before it, a dotted name behind it.
pub fn check_email(text: &str) -> Result<(), &'static str> {
    let rule = "must be an e-mail address such as admin@example.com";
    let (user, domain) = text.split_once('@').ok_or(rule)?;
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let user_ok = !user.is_empty()
        && user.len() <= 64
        && user.chars().all(|c| c.is_ascii_graphic() && !"\"(),:;<>[\\]@".contains(c));
    if user_ok && text.len() <= 254 && domain.contains('.') && domain.split('.').all(label) {
        Ok(())
    } else {
        Err(rule)
    }
}

/// Whether a tenant's onboarding is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProfileStatus {
    /// Onboarding has begun and not ended; the same request completes it.
    Provisioning,
    /// Onboarded.
    Active,
}

/// Whether a tenant may trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionStatus {
    /// It may.
    Active,
    /// The operator has stopped it for a while.
    Suspended,
    /// It has ended.
    Cancelled,
}

/// A tenant's profile as onboarding recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The customer's name, as shown to people.
    pub company_name: String,
    /// Who answers for the tenant.
    pub admin_email: String,
    /// Whether onboarding is complete.
    pub status: ProfileStatus,
    /// The plan asked for at onboarding; follows the subscription's.
    pub subscription_plan: String,
    /// When onboarding began.
    pub created_at: DateTime<Utc>,
}

/// A tenant's one subscription row, changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Derived from the tenant's id, so that it is made once.
    pub subscription_id: String,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The plan's name.
    pub plan_name: String,
    /// Whether runs may be triggered.
    pub status: SubscriptionStatus,
    /// The live limits.
    pub limits: Limits,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// The text of a unit variant as it is stored and shown, such as `ACTIVE`.
macro_rules! stored_as_text {
    ($kind:ty { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $kind {
            /// The stored text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("'{other}' is none of {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}
pub(crate) use stored_as_text;

stored_as_text!(ProfileStatus { Provisioning = "PROVISIONING", Active = "ACTIVE" });
stored_as_text!(SubscriptionStatus {
    Active = "ACTIVE",
    Suspended = "SUSPENDED",
    Cancelled = "CANCELLED",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_follow_the_rule() {
        for good in ["abc", "acme_corp", "a1_", &format!("a{}", "b".repeat(49))] {
            assert_eq!(TenantId::parse(good).map(String::from).as_deref(), Ok(good));
        }
        for bad in
            ["", "ab", "1abc", "_abc", "Acme", "a-b", "a.b", "acmé", &"a".repeat(51), "a b c"]
        {
            assert_eq!(TenantId::parse(bad), Err(InvalidTenantId::Form), "{bad}");
        }
        for reserved in ["tenants", "information_schema", "x_meta", "x_meta_runs"] {
            assert_eq!(TenantId::parse(reserved), Err(InvalidTenantId::Reserved), "{reserved}");
        }
    }

    #[test]
    fn emails_follow_the_rule() {
        for good in ["a@b.co", "first.last+tag@mail.example.com"] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        for bad in
            ["", "a", "a@b", "@b.co", "a@", "a b@c.de", "a@b..c", "a@-b.co", "a@b.co\n", "a@@b.co"]
        {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_ids_follow_the_rule() {
        assert!(UserId::parse("zoë@example.com").is_ok());
        assert!(UserId::parse(&"x".repeat(128)).is_ok());
        for bad in ["", "  ", "a\nb", "\u{7f}", &"x".repeat(129)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
