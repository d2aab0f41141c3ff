//! The promises of tenants.

use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::{noon, profile, subscription, tenant};
use crate::api_key::{ApiKey, KeyRecord, KeyState};
use crate::clock::Chance;
use crate::state::{FirstKey, TenantChange, TenantRecord, Tenants};
use crate::tenant::{Profile, ProfileStatus, SubscriptionStatus};

fn key(name: &str, id: u128, seed: u64) -> KeyRecord {
    let key = ApiKey::generate(&tenant(name), &Chance::seeded(seed));
    KeyRecord {
        api_key_id: Uuid::from_u128(id),
        tenant_id: tenant(name),
        hash: key.hash(),
        encrypted: vec![0, 1, 255],
        last_four: key.last_four().to_owned(),
        created_at: noon(),
        first_used_at: None,
        expires_at: None,
        revoked_at: None,
    }
}

/// A profile and a subscription are made once: whoever comes second is answered what is there.
pub async fn profiles_and_subscriptions_are_made_once(state: &dyn Tenants) {
    let first = profile("tenants_once");
    assert_eq!(state.create_profile(&first).await.unwrap(), first);
    let second = Profile { company_name: "Other".to_owned(), ..first.clone() };
    assert_eq!(state.create_profile(&second).await.unwrap(), first);
    let made = subscription("tenants_once");
    assert_eq!(state.create_subscription(&made).await.unwrap(), made);
    let mut other = made.clone();
    other.limits.daily_limit = 1;
    assert_eq!(state.create_subscription(&other).await.unwrap(), made);

    assert!(state.activate(&first.tenant_id).await.unwrap());
    assert!(!state.activate(&first.tenant_id).await.unwrap());
    let active = Profile { status: ProfileStatus::Active, ..first.clone() };
    let record = TenantRecord { profile: active, subscription: Some(made) };
    assert_eq!(state.tenant(&first.tenant_id).await.unwrap(), Some(record));
    assert_eq!(state.tenant(&tenant("tenants_none")).await.unwrap(), None);
}

/// Pages go by id and miss nobody.
pub async fn tenants_are_listed_by_id(state: &dyn Tenants) {
    for name in ["tenants_list_b", "tenants_list_a", "tenants_list_c"] {
        state.create_profile(&profile(name)).await.unwrap();
    }
    let mut after = tenant("tenants_list");
    let mut seen = Vec::new();
    while let Some(record) = state.list(Some(&after), 1).await.unwrap().pop() {
        after = record.profile.tenant_id;
        seen.push(after.to_string());
    }
    seen.retain(|id| id.starts_with("tenants_list_"));
    assert_eq!(seen, ["tenants_list_a", "tenants_list_b", "tenants_list_c"]);
}

/// A subscription changes only from what was read, and the profile's plan follows.
pub async fn changes_are_compared_and_set(state: &dyn Tenants) {
    let id = tenant("tenants_change");
    state.create_profile(&profile("tenants_change")).await.unwrap();
    let read = state.create_subscription(&subscription("tenants_change")).await.unwrap();
    let mut new = read.clone();
    "SCALE".clone_into(&mut new.plan_name);
    new.limits.daily_limit = 100;
    new.status = SubscriptionStatus::Suspended;
    new.updated_at = noon() + TimeDelta::hours(1);
    let change = TenantChange { subscription: new.clone(), read };
    assert!(state.change(&change).await.unwrap());
    assert!(!state.change(&change).await.unwrap(), "it is no longer what was read");
    let record = state.tenant(&id).await.unwrap().unwrap();
    assert_eq!(record.subscription, Some(new));
    assert_eq!(record.profile.subscription_plan, "SCALE");
}

/// Onboarding's key is replaced until it is first used, and never afterwards.
pub async fn an_unseen_key_is_replaced(state: &dyn Tenants) {
    let name = "tenants_first";
    let (a, b, c) = (key(name, 1, 11), key(name, 1, 12), key(name, 1, 13));
    let put = async |k: &KeyRecord| state.put_first_key(k).await.unwrap();
    assert_eq!(put(&a).await, FirstKey::Stored);
    assert_eq!(put(&b).await, FirstKey::Stored);
    let hashes = [a.hash.clone(), b.hash.clone()];
    let at = noon() + TimeDelta::seconds(1);
    let found = state.use_keys(&hashes, at).await.unwrap();
    assert_eq!(found.len(), 1, "the replaced key is unknown");
    assert_eq!(found[0].key.hash, b.hash);
    assert_eq!(found[0].key.first_used_at, Some(at));
    assert_eq!(found[0].subscription, None);
    assert_eq!(put(&c).await, FirstKey::Taken);
    assert_eq!(state.keys(&tenant(name)).await.unwrap().len(), 1);
    let again = state.use_keys(&hashes, at + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(again[0].key.first_used_at, Some(at), "the first use stays");
}

/// Of many onboardings at once one key is left, and it is one of theirs.
pub async fn one_first_key_is_left(state: &dyn Tenants) {
    let name = "tenants_race";
    let keys: Vec<KeyRecord> = (0..16).map(|i| key(name, 2, 100 + i)).collect();
    let stored = join_all(keys.iter().map(|k| state.put_first_key(k))).await;
    assert!(stored.into_iter().all(|s| s.unwrap() == FirstKey::Stored));
    let left = state.keys(&tenant(name)).await.unwrap();
    assert_eq!(left.len(), 1);
    assert!(keys.iter().any(|k| k.hash == left[0].hash));
}

/// Rotation lets the other keys end together, never later than they would have; revocation is for good.
pub async fn rotation_and_revocation(state: &dyn Tenants) {
    let name = "tenants_rotate";
    let id = tenant(name);
    let (a, b, c) = (key(name, 11, 21), key(name, 12, 22), key(name, 13, 23));
    state.put_first_key(&a).await.unwrap();
    let soon = noon() + TimeDelta::hours(1);
    state.rotate_key(&b, soon).await.unwrap();
    state.rotate_key(&c, noon() + TimeDelta::hours(24)).await.unwrap();
    let ends: Vec<_> = state.keys(&id).await.unwrap().iter().map(|k| k.expires_at).collect();
    assert_eq!(ends, [Some(soon), Some(noon() + TimeDelta::hours(24)), None]);

    let revoked = state.revoke_key(&id, c.api_key_id, noon()).await.unwrap().unwrap();
    assert_eq!(revoked.state(noon()), KeyState::Revoked);
    let later = state.revoke_key(&id, c.api_key_id, soon).await.unwrap().unwrap();
    assert_eq!(later.revoked_at, Some(noon()), "the first revocation stays");
    assert_eq!(
        state.revoke_key(&tenant("tenants_none"), c.api_key_id, noon()).await.unwrap(),
        None
    );
    assert_eq!(state.revoke_key(&id, Uuid::from_u128(99), noon()).await.unwrap(), None);
    // A revoked key is found, so that the caller can tell it from nothing, but not marked as used.
    let found = state.use_keys(&[c.hash], soon).await.unwrap();
    assert_eq!(found[0].key.first_used_at, None);
}
