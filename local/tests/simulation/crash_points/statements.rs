//! A warehouse of statements alone: each is accepted, and takes effect a turn later unless it was cancelled,
//! whether or not the worker that sent it is there by then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::port::PortError;
use common::run::RunId;
use common::state::Runs;
use common::tenant::TenantId;
use common::warehouse::{
    DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Warehouse, Written,
};
use local::state::SqliteState;

use crate::faults::stepped;
use crate::nothing::nothing;

/// A statement that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) tenant_id: TenantId,
    pub(crate) run_id: RunId,
    pub(crate) step: String,
    pub(crate) state: JobState,
}

pub(crate) struct Statements {
    pub(crate) jobs: Mutex<BTreeMap<String, Statement>>,
    runs: Arc<SqliteState>,
}

/// What comes of a statement that nobody cuts off.
enum Luck {
    Good,
    /// It is wrong: it never takes effect.
    Wrong,
    /// Its answer is lost before it has taken effect.
    LostEarly,
    /// Its answer is lost after it has taken effect.
    LostLate,
}

impl Statements {
    pub(crate) fn new(runs: Arc<SqliteState>) -> Self {
        Self { jobs: Mutex::default(), runs }
    }

    fn state(&self, id: &str) -> JobState {
        self.jobs.lock().unwrap().get(id).map_or(JobState::Unknown, |job| job.state.clone())
    }

    /// Lets a statement that runs take effect.
    pub(crate) async fn land(&self, id: &str) {
        let job = self.jobs.lock().unwrap().get(id).cloned();
        let Some(job) = job.filter(|job| job.state == JobState::Running) else { return };
        let run = Runs::get(&*self.runs, &job.tenant_id, job.run_id).await.unwrap().unwrap();
        assert!(!run.status.is_final(), "{id} takes effect after its run has {}", run.status);
        let written = Written { rows: 1, ..Written::default() };
        self.jobs.lock().unwrap().get_mut(id).unwrap().state = JobState::Done(written);
    }

    async fn written(&self, job: &JobOptions) -> Result<Written, PortError> {
        let id = &job.id.0;
        let statement = Statement {
            tenant_id: TenantId::parse(&job.labels["tenant"]).unwrap(),
            run_id: job.labels["run_id"].parse().unwrap(),
            step: job.labels["statement"].clone(),
            state: JobState::Running,
        };
        // Of the run, so that a second try has better luck.
        let luck = match (statement.run_id.0.as_bytes()[0] % 12, id.ends_with("-1")) {
            (0 | 1, _) => Luck::Wrong,
            (2 | 3, true) => Luck::LostEarly,
            (4 | 5, true) => Luck::LostLate,
            _ => Luck::Good,
        };
        let accepted = async {
            let known = self.jobs.lock().unwrap().insert(id.clone(), statement);
            assert!(known.is_none(), "{id} was sent twice");
        };
        stepped("warehouse.accept", accepted).await;
        match luck {
            Luck::Wrong => {
                let wrong = JobState::Failed("wrong".to_owned());
                self.jobs.lock().unwrap().get_mut(id).unwrap().state = wrong;
                return Err(PortError::InvalidQuery("wrong".to_owned()));
            }
            Luck::LostEarly => return Err(PortError::Unavailable("no answer".to_owned())),
            Luck::Good | Luck::LostLate => {}
        }
        stepped("warehouse.land", self.land(id)).await;
        match (luck, self.state(id)) {
            (Luck::Good, JobState::Done(written)) => Ok(written),
            _ => Err(PortError::Unavailable("no answer".to_owned())),
        }
    }
}

#[async_trait]
impl Warehouse for Statements {
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

    async fn write(&self, _: &Query, _: &Target, job: &JobOptions) -> Result<Written, PortError> {
        self.written(job).await
    }

    async fn load(&self, _: &Load, _: &Target, _: &JobOptions) -> Result<Written, PortError> {
        nothing()
    }

    async fn export(&self, _: &Query, _: &Export, _: &JobOptions) -> Result<Written, PortError> {
        nothing()
    }

    async fn dry_run(&self, _: &Query) -> Result<DryRun, PortError> {
        let dry_run = DryRun { tables: Vec::new(), bytes: 1, columns: Vec::new() };
        stepped("warehouse.dry_run", async { Ok(dry_run) }).await
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        stepped("warehouse.job", async { Ok(self.state(&id.0)) }).await
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        let cancel = async {
            if let Some(job) = self.jobs.lock().unwrap().get_mut(&id.0)
                && job.state == JobState::Running
            {
                job.state = JobState::Failed("cancelled".to_owned());
            }
            Ok(self.state(&id.0))
        };
        // Most ids that the reaper asks for were never sent.
        match self.state(&id.0) {
            JobState::Unknown => cancel.await,
            JobState::Running | JobState::Done(_) | JobState::Failed(_) => {
                stepped("warehouse.cancel", cancel).await
            }
        }
    }
}
