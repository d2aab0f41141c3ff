//! The scripted warehouse.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use common::port::PortError;
use common::warehouse::{
    DataType, DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Value, Warehouse, Written,
};

use super::{Answer, Scene};

/// How long a job works that ends well.
const WORK: Duration = Duration::from_millis(10);

impl Scene {
    /// A job, as the script has it.
    async fn work(&self, job: &JobOptions) -> Result<Written, PortError> {
        assert!(job.maximum_bytes.is_some_and(|most| most <= 1_000));
        let written = Written { rows: 7, bytes: 70, bad_records: Vec::new() };
        let answer = self.stage().answers.pop_front();
        let busy = || PortError::Unavailable("no connection".to_owned());
        match answer {
            None => {
                self.begun();
                tokio::time::sleep(WORK).await;
                self.done(&job.labels["statement"]);
                self.set(&job.id, JobState::Done(written.clone()));
            }
            Some(Answer::Busy) => {
                self.set(&job.id, JobState::Running);
                return Err(busy());
            }
            Some(Answer::LostAfterwards) => {
                self.set(&job.id, JobState::Done(written));
                return Err(busy());
            }
            Some(Answer::Wrong) => {
                return Err(PortError::InvalidQuery("no such column".to_owned()));
            }
            Some(Answer::Hang) => {
                self.set(&job.id, JobState::Running);
                std::future::pending::<()>().await;
            }
            Some(Answer::Panic) => panic!("as the script says"),
        }
        Ok(written)
    }
}

#[async_trait]
impl Warehouse for Scene {
    async fn ensure_dataset(
        &self,
        _: &DatasetName,
        _: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        unreachable!("the job makes no dataset")
    }

    async fn dataset_labels(
        &self,
        _: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        unreachable!("the job reads no labels")
    }

    async fn ensure_table(&self, _: &TableRef, _: &TableDefinition) -> Result<Ensured, PortError> {
        unreachable!("the job makes no table beside what it writes")
    }

    async fn query(&self, _: &Query, job: Option<&JobOptions>) -> Result<Rows, PortError> {
        let JobOptions { id, labels, maximum_bytes, .. } = job.expect("an id, labels and a limit");
        assert!(id.0.starts_with("run-"), "{id}");
        assert!(labels.contains_key("run_id") && labels.contains_key("tenant"), "{labels:?}");
        assert!(maximum_bytes.is_some_and(|most| most <= 1_000));
        if self.stage().checks_hang {
            self.set(id, JobState::Running);
            std::future::pending::<()>().await;
        }
        let observed = self.stage().observed;
        Ok(Rows {
            columns: vec![("observed".to_owned(), DataType::Int64)],
            rows: vec![vec![Value::Int64(observed)]],
        })
    }

    async fn write(
        &self,
        _: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        assert_eq!(target.table.dataset.as_str(), "acme");
        self.work(job).await
    }

    async fn load(&self, _: &Load, _: &Target, job: &JobOptions) -> Result<Written, PortError> {
        self.work(job).await
    }

    async fn export(&self, _: &Query, _: &Export, job: &JobOptions) -> Result<Written, PortError> {
        self.work(job).await
    }

    async fn dry_run(&self, _: &Query) -> Result<DryRun, PortError> {
        let (table, bytes) = self.stage().reads.clone();
        Ok(DryRun { tables: vec![table], bytes, columns: Vec::new() })
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        Ok(self.state(&id.0))
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        if self.stage().cannot_cancel {
            return Err(PortError::Unavailable("no connection".to_owned()));
        }
        if self.state(&id.0) == JobState::Running {
            self.set(id, JobState::Failed("cancelled".to_owned()));
        }
        Ok(self.state(&id.0))
    }
}
