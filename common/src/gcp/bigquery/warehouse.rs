//! The warehouse on BigQuery.
//!
//! A write is one statement under the caller's job id: BigQuery runs an id once, whole or not at all. Nothing is
//! tried again under another id, which is the caller's to choose. What BigQuery cannot do as the port says is
//! refused.
//!
//! A [`query`](Warehouse::query) without options ends after five minutes and is billed at most twice what its dry run
//! said.
//!
//! Calls are boxed: a job is a large message, and several of them in one future overflow a thread's stack.

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
    writers: Vec<String>,
}

impl BigQuery {
    /// The datasets of the client's project and location.
    pub fn new(client: Client) -> Self {
        Self { client, writers: Vec::new() }
    }

    /// Who may write the datasets that are ensured from here on, by e-mail address; whoever made one owns it, as the
    /// project's owners do, and nobody else has access. Where nobody is named, BigQuery's own rule for a new dataset
    /// stays.
    #[must_use]
    pub fn written_by(mut self, writers: Vec<String>) -> Self {
        self.writers = writers;
        self
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

    async fn query(&self, query: &Query, job: Option<&JobOptions>) -> Result<Rows, PortError> {
        Box::pin(self.rows(query, job)).await
    }

    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        Box::pin(self.write_query(query, target, job)).await
    }

    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        Box::pin(self.load_file(load, target, job)).await
    }

    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        Box::pin(self.export_file(query, export, job)).await
    }

    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError> {
        Box::pin(self.look(query)).await.map(|(_, dry_run)| dry_run)
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        Box::pin(self.state_of(id)).await
    }

    /// Where BigQuery knows no job of this id, one that does nothing takes it: an insert that is still on its
    /// way, or comes later, finds it taken.
    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        Box::pin(self.cancel_job(id)).await
    }
}
