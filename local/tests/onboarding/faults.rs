//! Ports that fail at the Nth call, before or after its effect, and let others go first at every call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::api_key::{FoundKey, KeyHash, KeyRecord};
use common::keys::{KeyService, Secret};
use common::port::PortError;
use common::state::{
    Answer, Batch, FirstKey, Ledger, LedgerRow, TenantChange, TenantRecord, Tenants,
};
use common::tenant::{Profile, Subscription, TenantId};
use common::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, Written,
};
use uuid::Uuid;

use crate::world::Datasets;

/// On which side of the call's effect it breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// Counts the calls of all ports together.
#[derive(Default)]
pub struct Faults {
    calls: AtomicUsize,
    at: Mutex<Option<(usize, Side)>>,
}

impl Faults {
    /// From now on the `nth` call, from 0, breaks off.
    pub fn arm(&self, nth: usize, side: Side) {
        self.calls.store(0, Ordering::Relaxed);
        *self.at.lock().unwrap() = Some((nth, side));
    }

    /// Nothing breaks off any more; answers whether the call that should have came at all.
    pub fn disarm(&self) -> bool {
        let armed = self.at.lock().unwrap().take();
        armed.is_some_and(|(nth, _)| self.calls.load(Ordering::Relaxed) > nth)
    }

    async fn around<T>(
        &self,
        call: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        tokio::task::yield_now().await;
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        let side = self.at.lock().unwrap().filter(|(at, _)| *at == nth).map(|(_, side)| side);
        let broken = || Err(PortError::Unavailable("the connection broke".to_owned()));
        match side {
            None => call.await,
            Some(Side::Before) => broken(),
            Some(Side::After) => {
                call.await?;
                broken()
            }
        }
    }
}

/// A port with faults.
pub struct Faulty<P> {
    inner: Arc<P>,
    faults: Arc<Faults>,
}

impl<P> Faulty<P> {
    pub fn new(inner: Arc<P>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl<P: Tenants> Tenants for Faulty<P> {
    async fn create_profile(&self, profile: &Profile) -> Result<Profile, PortError> {
        self.faults.around(self.inner.create_profile(profile)).await
    }

    async fn activate(&self, tenant: &TenantId) -> Result<bool, PortError> {
        self.faults.around(self.inner.activate(tenant)).await
    }

    async fn create_subscription(&self, new: &Subscription) -> Result<Subscription, PortError> {
        self.faults.around(self.inner.create_subscription(new)).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRecord>, PortError> {
        self.faults.around(self.inner.tenant(tenant)).await
    }

    async fn list(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, PortError> {
        self.faults.around(self.inner.list(after, limit)).await
    }

    async fn change(&self, change: &TenantChange) -> Result<bool, PortError> {
        self.faults.around(self.inner.change(change)).await
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<FirstKey, PortError> {
        self.faults.around(self.inner.put_first_key(key)).await
    }

    async fn rotate_key(&self, key: &KeyRecord, end: DateTime<Utc>) -> Result<(), PortError> {
        self.faults.around(self.inner.rotate_key(key, end)).await
    }

    async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRecord>, PortError> {
        self.faults.around(self.inner.keys(tenant)).await
    }

    async fn revoke_key(
        &self,
        tenant: &TenantId,
        api_key_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Option<KeyRecord>, PortError> {
        self.faults.around(self.inner.revoke_key(tenant, api_key_id, at)).await
    }

    async fn use_keys(
        &self,
        hashes: &[KeyHash],
        at: DateTime<Utc>,
    ) -> Result<Vec<FoundKey>, PortError> {
        self.faults.around(self.inner.use_keys(hashes, at)).await
    }
}

#[async_trait]
impl<P: Ledger> Ledger for Faulty<P> {
    async fn create(&self, tenant: &TenantId) -> Result<Ensured, PortError> {
        self.faults.around(self.inner.create(tenant)).await
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Answer>, PortError> {
        self.faults.around(self.inner.apply(batch)).await
    }

    async fn row(&self, tenant: &TenantId) -> Result<Option<LedgerRow>, PortError> {
        self.faults.around(self.inner.row(tenant)).await
    }

    async fn rows(&self) -> Result<Vec<LedgerRow>, PortError> {
        self.faults.around(self.inner.rows()).await
    }
}

#[async_trait]
impl<P: KeyService> KeyService for Faulty<P> {
    async fn encrypt(&self, plaintext: &Secret, aad: &[u8]) -> Result<Vec<u8>, PortError> {
        self.faults.around(self.inner.encrypt(plaintext, aad)).await
    }

    async fn decrypt(&self, ciphertext: &[u8], aad: &[u8]) -> Result<Secret, PortError> {
        self.faults.around(self.inner.decrypt(ciphertext, aad)).await
    }
}

#[async_trait]
impl Warehouse for Faulty<Datasets> {
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        self.faults.around(async { self.inner.ensure_dataset(dataset, labels) }).await
    }

    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        self.faults.around(async { Ok(self.inner.labels(dataset)) }).await
    }

    async fn ensure_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        self.faults.around(async { self.inner.ensure_table(table, definition) }).await
    }

    async fn query(&self, _: &Query, _: Option<&JobOptions>) -> Result<Rows, PortError> {
        unreachable!("onboarding reads no table")
    }

    async fn write(&self, _: &Query, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        unreachable!("onboarding writes no rows")
    }

    async fn load(&self, _: &Load, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        unreachable!("onboarding loads no file")
    }

    async fn export(&self, _: &Query, _: &Export, _: &JobOptions) -> Result<Written, PortError> {
        unreachable!("onboarding writes no file")
    }

    async fn dry_run(&self, _: &Query) -> Result<DryRun, PortError> {
        unreachable!("onboarding resolves no statement")
    }

    async fn job(&self, _: &JobId) -> Result<JobState, PortError> {
        unreachable!("onboarding starts no job")
    }

    async fn cancel(&self, _: &JobId) -> Result<JobState, PortError> {
        unreachable!("onboarding starts no job")
    }
}
