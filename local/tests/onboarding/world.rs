//! A deployment of the onboarding function alone, with a clock and faults that the test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::response::Parts;
use axum::http::{HeaderMap, Request};
use chrono::DateTime;
use common::api_key::{ApiKey, key_aad};
use common::clock::{Chance, Clock};
use common::http::{Keyring, Kind, Operator, Operators, Options, Problem, shell};
use common::keys::{KeyService, Secret};
use common::plan::Plans;
use common::port::PortError;
use common::state::{Ledger, Tenants};
use common::tenant::{ProfileStatus, TenantId};
use common::warehouse::{DatasetName, Ensured, TableDefinition, TableRef};
use local::db::Db;
use local::state::SqliteState;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::faults::{Faults, Faulty};

pub const ONBOARD: &str = "/api/v1/tenants/onboard";

pub const WEBHOOK_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The body of the tenant that most tests onboard.
pub fn acme() -> Value {
    json!({
        "tenant_id": "acme",
        "company_name": "Acme Corporation",
        "admin_email": "admin@acme.example",
        "subscription_plan": "PROFESSIONAL",
    })
}

pub struct World {
    pub state: Arc<SqliteState>,
    pub warehouse: Arc<Datasets>,
    pub faults: Arc<Faults>,
    pub clock: Clock,
    second: Arc<AtomicI64>,
    app: Router,
}

impl World {
    pub fn new() -> Self {
        let second = Arc::new(AtomicI64::new(1_763_373_600));
        let told = second.clone();
        let clock = Clock::from_fn(move || {
            DateTime::from_timestamp(told.load(Ordering::Relaxed), 0).unwrap()
        });
        let db = Arc::new(Db::in_memory().unwrap());
        let state = Arc::new(SqliteState::open(db, clock.clone()).unwrap());
        let (warehouse, faults) = (Arc::new(Datasets::default()), Arc::new(Faults::default()));
        let operators = Operators::from_fn(|headers: HeaderMap| async move {
            match headers.get("x-admin-key") {
                Some(key) if key == "operator" => Ok(Operator { name: "test".to_owned() }),
                _ => Err(Problem::new(Kind::Unauthenticated, "operators only")),
            }
        });
        let plans = Plans::parse(include_str!("../../../configs/plans.yml")).unwrap();
        let app = onboard::app(onboard::State {
            tenants: Arc::new(Faulty::new(state.clone(), faults.clone())),
            ledger: Arc::new(Faulty::new(state.clone(), faults.clone())),
            warehouse: Arc::new(Faulty::new(warehouse.clone(), faults.clone())),
            key_service: Arc::new(Faulty::new(Arc::new(Masked), faults.clone())),
            webhook_key: Secret::new(WEBHOOK_KEY),
            operators,
            config: Arc::new(onboard::Config {
                denied: ["billing_export".to_owned()].into(),
                ..onboard::Config::new(plans)
            }),
            clock: clock.clone(),
            chance: Chance::seeded(7),
        });
        let app = shell(app, Options::new(clock.clone(), Chance::seeded(8)));
        Self { state, warehouse, faults, clock, second, app }
    }

    pub fn pass(&self, seconds: i64) {
        self.second.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> (u16, Value) {
        let (parts, body) = self.answer(request).await;
        (parts.status.as_u16(), body)
    }

    /// Sends a request as it is and answers the headers too.
    pub async fn answer(&self, request: Request<Body>) -> (Parts, Value) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Sends an operator's request.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(request(method, path, body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("POST", path, Some(body)).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Onboards acme and answers its key.
    pub async fn onboard(&self) -> String {
        let (status, body) = self.post(ONBOARD, &acme()).await;
        assert_eq!(status, 200, "{body}");
        body["api_key"].as_str().unwrap().to_owned()
    }

    /// A keyring as another instance has it: it has seen no key.
    pub fn keyring(&self) -> Keyring {
        Keyring::new(self.state.clone(), self.clock.clone())
    }

    /// Uses a key.
    pub async fn key_works(&self, key: &str) -> bool {
        self.keyring().authenticate(&with_key(key)).await.is_ok()
    }

    /// All that the state and the warehouse hold about tenants.
    pub async fn snapshot(&self) -> String {
        let mut text = format!("{:?}\n", self.warehouse.0.lock().unwrap());
        for record in self.state.list(None, 1_000).await.unwrap() {
            let tenant = record.profile.tenant_id.clone();
            let keys = self.state.keys(&tenant).await.unwrap();
            let row = self.state.row(&tenant).await.unwrap();
            writeln!(text, "{record:?}\n{keys:?}\n{row:?}").unwrap();
        }
        text
    }

    /// Acme is there, once and wholly, and this is its key; the key stays unused.
    pub async fn assert_onboarded(&self, key: &str) {
        let tenant = TenantId::parse("acme").unwrap();
        let records = self.state.list(None, 10).await.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].profile.status, ProfileStatus::Active);
        let subscription = records[0].subscription.as_ref().unwrap();
        assert_eq!(
            (subscription.plan_name.as_str(), subscription.limits.daily_limit),
            ("PROFESSIONAL", 25)
        );
        let row = self.state.row(&tenant).await.unwrap().unwrap();
        assert_eq!(row.account, common::quota::Account::default());

        let keys = self.state.keys(&tenant).await.unwrap();
        assert_eq!(keys.len(), 1);
        let parsed = ApiKey::parse(key).unwrap();
        assert_eq!(
            (&keys[0].hash, keys[0].last_four.as_str()),
            (&parsed.hash(), parsed.last_four())
        );
        let aad = key_aad(&tenant, keys[0].api_key_id);
        assert_eq!(Masked.decrypt(&keys[0].encrypted, &aad).await.unwrap().expose(), key);

        let datasets = self.warehouse.0.lock().unwrap();
        let (labels, tables) = &datasets["acme"];
        assert_eq!(labels["headgate_tenant"], "acme");
        assert_eq!((datasets.len(), tables.len()), (1, 5));
    }
}

/// An operator's request; a body is JSON.
pub fn request(method: &str, path: &str, body: Option<&Value>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("x-admin-key", "operator");
    match body {
        Some(body) => {
            request.header("content-type", "application/json").body(body.to_string().into())
        }
        None => request.body(Body::empty()),
    }
    .unwrap()
}

pub fn with_key(key: &str) -> HeaderMap {
    HeaderMap::from_iter([("x-api-key".parse().unwrap(), key.parse().unwrap())])
}

type Dataset = (BTreeMap<String, String>, BTreeSet<String>);

/// A warehouse of names alone: onboarding writes no rows.
#[derive(Default)]
pub struct Datasets(pub Mutex<BTreeMap<String, Dataset>>);

impl Datasets {
    pub fn put(&self, name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.0.lock().unwrap().insert(name.to_owned(), (labels, BTreeSet::new()));
    }

    pub fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    pub fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        let mut datasets = self.0.lock().unwrap();
        match datasets.get(dataset.as_str()) {
            Some((present, _)) if present == labels => Ok(Ensured::Existed),
            Some(_) => Err(PortError::Conflict(format!("dataset {dataset}"))),
            None => {
                datasets.insert(dataset.to_string(), (labels.clone(), BTreeSet::new()));
                Ok(Ensured::Created)
            }
        }
    }

    pub fn labels(&self, dataset: &DatasetName) -> Option<BTreeMap<String, String>> {
        self.0.lock().unwrap().get(dataset.as_str()).map(|(labels, _)| labels.clone())
    }

    pub fn ensure_table(
        &self,
        table: &TableRef,
        _definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        let mut datasets = self.0.lock().unwrap();
        let (_, tables) = datasets
            .get_mut(table.dataset.as_str())
            .ok_or_else(|| PortError::NotFound(format!("dataset {}", table.dataset)))?;
        let new = tables.insert(table.table.clone());
        Ok(if new { Ensured::Created } else { Ensured::Existed })
    }
}

/// A key service for tests: it masks, and holds on to the aad.
pub struct Masked;

#[async_trait]
impl KeyService for Masked {
    async fn encrypt(&self, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, PortError> {
        let mut out = aad.to_vec();
        out.push(0);
        out.extend(plaintext.expose().bytes().map(|byte| byte ^ 0x55));
        Ok(out)
    }

    async fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Secret, PortError> {
        let masked = ciphertext.strip_prefix(aad).and_then(|rest| rest.strip_prefix(&[0]));
        let masked = masked.ok_or_else(|| PortError::InvalidQuery("wrong aad".to_owned()))?;
        let text = String::from_utf8(masked.iter().map(|byte| byte ^ 0x55).collect()).unwrap();
        Ok(Secret::new(text))
    }
}
