//! The warehouse on BigQuery.
//!
//! A write is one statement under the caller's job id: BigQuery runs an id once, whole or not at all. Nothing is
//! tried again under another id, which is the caller's to choose. What BigQuery cannot do as the port says is
//! refused.
//!
//! [`query`](Warehouse::query) has no job id and no limit of its caller's: its job ends after five minutes and is
//! billed at most twice what its dry run said.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Client;
use crate::port::PortError;
use crate::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, Written,
};

mod datasets;
mod export;
mod jobs;
mod load;
mod query;
mod schema;
mod statement;
mod words;
mod write;

/// The warehouse on BigQuery. Cheap to clone.
#[derive(Clone)]
pub struct BigQuery {
    client: Client,
}

impl BigQuery {
    /// The datasets of the client's project and location.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Warehouse for BigQuery {
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        self.make_dataset(dataset, labels).await
    }

    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        self.labels(dataset).await
    }

    async fn ensure_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        self.make_table(table, definition).await
    }

    async fn query(&self, query: &Query) -> Result<Rows, PortError> {
        self.rows(query).await
    }

    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.write_query(query, target, job).await
    }

    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.load_file(load, target, job).await
    }

    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        self.export_file(query, export, job).await
    }

    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError> {
        self.look(query).await.map(|(_, dry_run)| dry_run)
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        self.state_of(id).await
    }

    /// Where BigQuery knows no job of this id, one that does nothing takes it: an insert that is still on its
    /// way, or comes later, finds it taken.
    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        self.cancel_job(id).await
    }
}
