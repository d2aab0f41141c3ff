//! A warehouse in which no statement was ever begun.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::port::PortError;
use common::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, Written,
};

pub(crate) struct Nothing;

pub(crate) fn nothing<T>() -> Result<T, PortError> {
    Err(PortError::NotFound("anything".to_owned()))
}

#[async_trait]
impl Warehouse for Nothing {
    async fn ensure_dataset(
        &self,
        _: &DatasetName,
        _: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        nothing()
    }

    async fn dataset_labels(
        &self,
        _: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        nothing()
    }

    async fn ensure_table(&self, _: &TableRef, _: &TableDefinition) -> Result<Ensured, PortError> {
        nothing()
    }

    async fn query(&self, _: &Query, _: Option<&JobOptions>) -> Result<Rows, PortError> {
        nothing()
    }

    async fn write(&self, _: &Query, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        nothing()
    }

    async fn load(&self, _: &Load, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        nothing()
    }

    async fn export(&self, _: &Query, _: &Export, _: &JobOptions) -> Result<Written, PortError> {
        nothing()
    }

    async fn dry_run(&self, _: &Query) -> Result<DryRun, PortError> {
        nothing()
    }

    async fn job(&self, _: &JobId) -> Result<JobState, PortError> {
        Ok(JobState::Unknown)
    }

    async fn cancel(&self, _: &JobId) -> Result<JobState, PortError> {
        Ok(JobState::Unknown)
    }
}
