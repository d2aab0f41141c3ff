use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::api_key::{KeyHash, KeyRecord};
use crate::clock::Chance;
use crate::plan::Limits;
use crate::port::PortError;
use crate::state::{FirstKey, TenantChange, TenantRecord};
use crate::tenant::Profile;

/// A store of keys that counts its statements and can be held.
#[derive(Default)]
struct Store {
    keys: Mutex<Vec<FoundKey>>,
    statements: Mutex<Vec<usize>>,
    held: Mutex<Option<Arc<Notify>>>,
    fails: AtomicUsize,
}

#[async_trait]
impl Tenants for Store {
    async fn use_keys(
        &self,
        hashes: &[KeyHash],
        _at: DateTime<Utc>,
    ) -> Result<Vec<FoundKey>, PortError> {
        self.statements.lock().unwrap().push(hashes.len());
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            held.notified().await;
        }
        if self.fails.load(Ordering::Relaxed) > 0 {
            self.fails.fetch_sub(1, Ordering::Relaxed);
            return Err(PortError::Unavailable("db at 10.0.0.1".into()));
        }
        let keys = self.keys.lock().unwrap();
        Ok(keys.iter().filter(|found| hashes.contains(&found.key.hash)).cloned().collect())
    }

    async fn create_profile(&self, _: &Profile) -> Result<Profile, PortError> {
        unreachable!()
    }
    async fn activate(&self, _: &TenantId) -> Result<bool, PortError> {
        unreachable!()
    }
    async fn create_subscription(&self, _: &Subscription) -> Result<Subscription, PortError> {
        unreachable!()
    }
    async fn tenant(&self, _: &TenantId) -> Result<Option<TenantRecord>, PortError> {
        unreachable!()
    }
    async fn list(&self, _: Option<&TenantId>, _: u32) -> Result<Vec<TenantRecord>, PortError> {
        unreachable!()
    }
    async fn change(&self, _: &TenantChange) -> Result<bool, PortError> {
        unreachable!()
    }
    async fn put_first_key(&self, _: &KeyRecord) -> Result<FirstKey, PortError> {
        unreachable!()
    }
    async fn rotate_key(&self, _: &KeyRecord, _: DateTime<Utc>) -> Result<(), PortError> {
        unreachable!()
    }
    async fn keys(&self, _: &TenantId) -> Result<Vec<KeyRecord>, PortError> {
        unreachable!()
    }
    async fn revoke_key(
        &self,
        _: &TenantId,
        _: Uuid,
        _: DateTime<Utc>,
    ) -> Result<Option<KeyRecord>, PortError> {
        unreachable!()
    }
}

/// A keyring over a store, at a second that the test sets.
struct Bench {
    store: Arc<Store>,
    keyring: Arc<Keyring>,
    second: Arc<AtomicI64>,
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

impl Bench {
    fn new() -> Self {
        let (store, second) = (Arc::new(Store::default()), Arc::new(AtomicI64::new(1_000)));
        let told = second.clone();
        let clock = Clock::from_fn(move || at(told.load(Ordering::Relaxed)));
        Self { keyring: Arc::new(Keyring::new(store.clone(), clock)), store, second }
    }

    fn key(&self, tenant: &str, seed: u64) -> ApiKey {
        let tenant_id = TenantId::parse(tenant).unwrap();
        let key = ApiKey::generate(&tenant_id, &Chance::seeded(seed));
        let limits = Limits {
            daily_limit: 1,
            monthly_limit: 1,
            concurrent_limit: 1,
            max_queued: 1,
            max_bytes: 1,
            max_parallel: 4,
        };
        self.store.keys.lock().unwrap().push(FoundKey {
            key: KeyRecord {
                api_key_id: Uuid::nil(),
                tenant_id: tenant_id.clone(),
                hash: key.hash(),
                encrypted: Vec::new(),
                last_four: key.last_four().to_owned(),
                created_at: at(0),
                first_used_at: None,
                expires_at: None,
                revoked_at: None,
            },
            subscription: Some(Subscription {
                subscription_id: "s".into(),
                tenant_id,
                plan_name: "P".into(),
                status: SubscriptionStatus::Active,
                limits,
                updated_at: at(0),
            }),
        });
        key
    }

    fn statements(&self) -> usize {
        self.store.statements.lock().unwrap().len()
    }

    fn change(&self, change: impl FnOnce(&mut FoundKey)) {
        change(&mut self.store.keys.lock().unwrap()[0]);
    }

    async fn kind(&self, key: &ApiKey) -> Result<String, Kind> {
        let answer = self.keyring.authenticate(&headers(key)).await;
        answer.map(|caller| caller.tenant_id.to_string()).map_err(|problem| problem.kind())
    }
}

fn headers(key: &ApiKey) -> HeaderMap {
    HeaderMap::from_iter([(API_KEY.parse().unwrap(), key.secret().expose().parse().unwrap())])
}

#[tokio::test]
async fn a_good_key_names_its_tenant_and_is_looked_up_once() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    for _ in 0..3 {
        assert_eq!(bench.kind(&key).await.as_deref(), Ok("acme"));
    }
    assert_eq!(bench.statements(), 1);
    bench.second.fetch_add(30, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await.as_deref(), Ok("acme"));
    assert_eq!(bench.statements(), 2);
}

#[tokio::test]
async fn every_bad_key_is_answered_alike_and_bad_form_without_a_lookup() {
    let bench = Bench::new();
    let good = bench.key("acme", 1);
    let unknown = ApiKey::generate(good.tenant(), &Chance::seeded(9));
    let said = |problem: &Problem| (problem.kind(), problem.detail().to_owned());
    let expected = said(&bench.keyring.authenticate(&HeaderMap::new()).await.unwrap_err());
    assert_eq!(expected.0, Kind::Unauthenticated);
    let text = good.secret().expose();
    let altered = format!("{}x", &text[..text.len() - 1]);
    let mut twice = headers(&good);
    twice.append(API_KEY, text.parse().unwrap());
    let of = |text: &str| HeaderMap::from_iter([(API_KEY.parse().unwrap(), text.parse().unwrap())]);
    for bad in [of(""), of("acme"), of(&altered), of("' OR 1=1 --"), twice] {
        assert_eq!(said(&bench.keyring.authenticate(&bad).await.unwrap_err()), expected);
    }
    assert_eq!(bench.statements(), 0);
    let bad = |key: &ApiKey| headers(key);
    assert_eq!(said(&bench.keyring.authenticate(&bad(&unknown)).await.unwrap_err()), expected);
    for spoil in [
        (|found| found.key.revoked_at = Some(at(1))) as fn(&mut FoundKey),
        |found| found.key.expires_at = Some(at(1_000)),
        |found| found.key.tenant_id = TenantId::parse("other").unwrap(),
    ] {
        let bench = Bench::new();
        let key = bench.key("acme", 1);
        bench.change(spoil);
        assert_eq!(said(&bench.keyring.authenticate(&bad(&key)).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_after_30_seconds_and_an_expiring_one_at_once() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    assert!(bench.kind(&key).await.is_ok());
    bench.change(|found| found.key.revoked_at = Some(at(1_001)));
    bench.second.store(1_029, Ordering::Relaxed);
    assert!(bench.kind(&key).await.is_ok());
    bench.second.store(1_030, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await, Err(Kind::Unauthenticated));

    let bench = Bench::new();
    let key = bench.key("acme", 1);
    bench.change(|found| found.key.expires_at = Some(at(1_010)));
    assert!(bench.kind(&key).await.is_ok());
    bench.second.store(1_010, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await, Err(Kind::Unauthenticated));
}

#[tokio::test]
async fn a_miss_is_remembered_for_5_seconds() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    let found = bench.store.keys.lock().unwrap().pop().unwrap();
    assert_eq!(bench.kind(&key).await, Err(Kind::Unauthenticated));
    bench.store.keys.lock().unwrap().push(found);
    bench.second.store(1_004, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await, Err(Kind::Unauthenticated));
    assert_eq!(bench.statements(), 1);
    bench.second.store(1_005, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await.as_deref(), Ok("acme"));
}

#[tokio::test]
async fn an_inactive_subscription_is_told_and_soon_asked_again() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    let set = |status| {
        bench.change(|found| found.subscription.as_mut().unwrap().status = status);
    };
    set(SubscriptionStatus::Suspended);
    let active = async || {
        let caller = bench.keyring.authenticate(&headers(&key)).await.unwrap();
        caller.require_active().map_err(|problem| problem.kind())
    };
    assert_eq!(active().await, Err(Kind::SubscriptionInactive));
    set(SubscriptionStatus::Active);
    bench.second.store(1_005, Ordering::Relaxed);
    assert_eq!(active().await, Ok(()));
}

#[tokio::test]
async fn a_caller_reaches_its_own_path_only() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    let caller = bench.keyring.authenticate(&headers(&key)).await.unwrap();
    assert!(caller.authorize_path("acme").is_ok());
    for other in ["other", "", "ACME", "acme "] {
        assert_eq!(caller.authorize_path(other).unwrap_err().kind(), Kind::Forbidden, "{other}");
    }
}

#[tokio::test]
async fn the_user_is_recorded_as_asserted() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    let ask = async |user: &[u8]| {
        let mut headers = headers(&key);
        headers.insert(USER_ID, axum::http::HeaderValue::from_bytes(user).unwrap());
        bench.keyring.authenticate(&headers).await
    };
    assert_eq!(ask("zoë".as_bytes()).await.unwrap().require_user().unwrap().as_str(), "zoë");
    for bad in [&b""[..], b" ", &[0xff, 0xfe], &[b'x'; 129]] {
        assert_eq!(ask(bad).await.unwrap_err().kind(), Kind::MalformedRequest, "{bad:?}");
    }
    let without = bench.keyring.authenticate(&headers(&key)).await.unwrap();
    assert_eq!(without.require_user().unwrap_err().kind(), Kind::MalformedRequest);
}

/// Lets every other task go on until it waits.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lookups_that_come_meanwhile_share_the_next_statement() {
    let bench = Bench::new();
    let keys: Vec<ApiKey> = (0..40).map(|seed| bench.key("acme", seed)).collect();
    let hold = Arc::new(Notify::new());
    *bench.store.held.lock().unwrap() = Some(hold.clone());
    let ask = |key: &ApiKey| {
        let (keyring, headers) = (bench.keyring.clone(), headers(key));
        tokio::spawn(async move { keyring.authenticate(&headers).await })
    };
    let mut asked = vec![ask(&keys[0])];
    settle().await;
    asked.extend(keys[1..].iter().chain(&keys[1..]).map(ask));
    settle().await;
    assert_eq!(*bench.store.statements.lock().unwrap(), [1]);
    *bench.store.held.lock().unwrap() = None;
    hold.notify_one();
    for answer in asked {
        assert!(answer.await.unwrap().is_ok());
    }
    assert_eq!(*bench.store.statements.lock().unwrap(), [1, 39]);
}

#[tokio::test]
async fn a_request_given_up_takes_nobody_with_it() {
    let bench = Bench::new();
    let keys: Vec<ApiKey> = (0..3).map(|seed| bench.key("acme", seed)).collect();
    let hold = Arc::new(Notify::new());
    *bench.store.held.lock().unwrap() = Some(hold.clone());
    let ask = |key: &ApiKey| {
        let (keyring, headers) = (bench.keyring.clone(), headers(key));
        tokio::spawn(async move { keyring.authenticate(&headers).await })
    };
    let first = ask(&keys[0]);
    settle().await;
    let others = [ask(&keys[1]), ask(&keys[2])];
    settle().await;
    first.abort();
    settle().await;
    assert_eq!(*bench.store.statements.lock().unwrap(), [1, 2]);
    // The second statement, which asks for both, is given up as well: the third one asks for the other.
    others[0].abort();
    settle().await;
    assert_eq!(*bench.store.statements.lock().unwrap(), [1, 2, 1]);
    *bench.store.held.lock().unwrap() = None;
    hold.notify_one();
    let [_, last] = others;
    assert!(last.await.unwrap().is_ok());
}

#[tokio::test]
async fn waiting_is_bounded_and_a_store_that_is_away_is_503() {
    let bench = Bench::new();
    let key = bench.key("acme", 1);
    bench.store.fails.store(1, Ordering::Relaxed);
    assert_eq!(bench.kind(&key).await, Err(Kind::Unavailable));
    assert_eq!(bench.kind(&key).await.as_deref(), Ok("acme"), "a failure is not remembered");

    let store = Arc::new(Store::default());
    let hold = Arc::new(Notify::new());
    *store.held.lock().unwrap() = Some(hold.clone());
    let lookups = Arc::new(Lookups::new(store.clone(), Clock::system(), 2));
    let find = |n: u32| {
        let lookups = lookups.clone();
        tokio::spawn(async move { lookups.find(&KeyHash(n.to_string())).await })
    };
    let two = [find(1), find(2)];
    settle().await;
    assert_eq!(find(3).await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    *store.held.lock().unwrap() = None;
    hold.notify_one();
    for found in two {
        assert_eq!(found.await.unwrap().unwrap(), None);
    }
    assert!(find(4).await.unwrap().is_ok());
}

#[tokio::test]
async fn operators_are_whom_the_deployment_says() {
    let operators = Operators::from_fn(|headers: HeaderMap| async move {
        match headers.get("x-admin") {
            Some(name) => Ok(Operator { name: name.to_str().unwrap().to_owned() }),
            None => Err(Problem::new(Kind::Unauthenticated, "who are you")),
        }
    });
    let with = HeaderMap::from_iter([("x-admin".parse().unwrap(), "root".parse().unwrap())]);
    assert_eq!(operators.authenticate(&with).await.unwrap().name, "root");
    assert!(operators.clone().authenticate(&HeaderMap::new()).await.is_err());
}
