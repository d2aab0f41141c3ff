//! The embedded warehouse: GoogleSQL, exact or refused, over Parquet files that SQLite lists.
//!
//! A write makes new files and takes effect by one SQLite transaction, so a reader sees all of it or nothing.
//! Several processes may have the same folder open.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use common::clock::Clock;
use common::port::PortError;
use common::warehouse::{
    DataType, DatasetName, DryRun, Ensured, Export, JobId, JobOptions, JobState, Load, Query, Rows,
    TableDefinition, TableRef, Target, Value, Warehouse, Written,
};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use rusqlite::Transaction;

use crate::db::Db;

mod catalog;
mod export;
mod files;
mod jobs;
mod keyed;
mod load;
mod numeric;
mod scan;
mod sql;
mod state_table;
mod values;
mod write;

pub use sql::reference;
pub use state_table::StateTable;

/// The warehouse of one data folder.
pub struct EmbeddedWarehouse {
    db: Arc<Db>,
    root: PathBuf,
    state_tables: Vec<StateTable>,
    clock: Clock,
    session: SessionContext,
    jobs: jobs::Jobs,
}

impl EmbeddedWarehouse {
    /// Opens the warehouse of a data folder; `state_tables` are readable beside its own tables.
    pub fn open(
        db: Arc<Db>,
        data_dir: &Path,
        state_tables: Vec<StateTable>,
        clock: Clock,
    ) -> Result<Self, PortError> {
        let root = data_dir
            .canonicalize()
            .map_err(|e| PortError::other(format!("opening {}", data_dir.display()), e))?;
        db.write(catalog::prepare)?;
        let jobs = jobs::Jobs::default();
        let warehouse = Self { db, root, state_tables, clock, session: session(), jobs };
        warehouse.sweep()?;
        Ok(warehouse)
    }

    /// Opens the warehouse of a data folder to look only: nothing is laid out and nothing swept.
    pub fn open_read_only(
        db: Arc<Db>,
        data_dir: &Path,
        state_tables: Vec<StateTable>,
        clock: Clock,
    ) -> Self {
        let (root, jobs) = (data_dir.to_owned(), jobs::Jobs::default());
        Self { db, root, state_tables, clock, session: session(), jobs }
    }

    /// Deletes files that nobody has listed for long.
    fn sweep(&self) -> Result<(), PortError> {
        let now = self.clock.now();
        let forgotten = self.db.write(|tx| catalog::forget_dropped(tx, now))?;
        for path in forgotten {
            // One that stays is unlisted now and goes by its age.
            drop(std::fs::remove_file(self.root.join(path)));
        }
        let listed: HashSet<PathBuf> = self.db.read(catalog::listed)?.into_iter().collect();
        files::sweep(&self.root, &listed, now);
        Ok(())
    }

    /// Binds a statement to the tables as they are now.
    fn prepare(&self, query: &Query) -> Result<sql::Prepared, PortError> {
        let now = self.clock.now();
        self.db.read(|tx| sql::prepare(query, &Snapshot { warehouse: self, tx }, now))
    }

    /// Runs a job's work once: what is done answers, what runs is a conflict, what failed stays failed.
    async fn run_job<'a, F, W>(&'a self, job: &'a JobOptions, work: F) -> Result<Written, PortError>
    where
        F: FnOnce(Arc<jobs::Running>) -> W,
        W: Future<Output = Result<Written, PortError>> + 'a,
    {
        let running = Arc::new(self.jobs.start(&job.id)?);
        match self.db.read(|tx| catalog::job(tx, &job.id))? {
            JobState::Done(written) => return Ok(written),
            JobState::Failed(reason) => {
                let message = format!("the job {}, which failed ({reason}),", job.id);
                return Err(PortError::AlreadyExists(message));
            }
            JobState::Unknown | JobState::Running => {}
        }
        let work = tokio::time::timeout(job.timeout, work(Arc::clone(&running)));
        let ended = tokio::select! {
            biased;
            () = running.stopping() => Err(write::cancelled(&job.id)),
            ended = work => ended.unwrap_or_else(|_| {
                let after = format!("timed out after {} s", job.timeout.as_secs_f64());
                Err(PortError::other(format!("the job {}", job.id), after))
            }),
        };
        match &ended {
            Ok(_) => self.sweep()?,
            // A conflict or a busy database may pass: the same id may be tried again.
            Err(error) if error.retryable() => {}
            Err(error) => {
                let now = self.clock.now();
                let reason = error.to_string();
                self.db.write(|tx| catalog::job_failed(tx, &job.id, &reason, now))?;
            }
        }
        ended
    }
}

/// One partition at a time: sums of FLOAT64 come out the same on every run.
fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    let options = config.options_mut();
    options.execution.collect_statistics = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    SessionContext::new_with_config(config)
}

/// The catalog and the state as one transaction sees them.
struct Snapshot<'a> {
    warehouse: &'a EmbeddedWarehouse,
    tx: &'a Transaction<'a>,
}

impl sql::Tables for Snapshot<'_> {
    fn table(&self, table: &TableRef) -> Result<Option<sql::Source>, PortError> {
        if table.project.is_some() {
            return Ok(None);
        }
        let listed = catalog::definition(self.tx, table)?;
        if let Some(state) = self.warehouse.state_tables.iter().find(|s| s.is(table)) {
            // A tenant's table is there once its dataset has been given it.
            if state.dataset.is_none() && listed.is_none() {
                return Ok(None);
            }
            let definition = state.definition.clone().in_dataset(&table.dataset);
            let columns = definition.schema.fields;
            let content = match definition.view {
                Some(view) => sql::Content::View(view.query),
                None => sql::Content::Rows(Arc::new(state_table::read(self.tx, state, table)?)),
            };
            return Ok(Some(sql::Source { columns, content, bytes: 0 }));
        }
        let Some(definition) = listed else { return Ok(None) };
        let columns = definition.schema.fields;
        if let Some(view) = definition.view {
            let content = sql::Content::View(view.query);
            return Ok(Some(sql::Source { columns, content, bytes: 0 }));
        }
        let files = catalog::files(self.tx, table)?;
        let bytes = files.iter().map(|f| f.bytes).sum();
        let partition = definition.time_partitioning.map(|p| p.field).filter(|field| {
            columns.iter().any(|c| c.name == *field && c.data_type() == DataType::Date)
        });
        let stored = scan::StoredTable {
            root: self.warehouse.root.clone(),
            schema: values::schema_of(&columns),
            files,
            partition,
        };
        Ok(Some(sql::Source { columns, content: sql::Content::Rows(Arc::new(stored)), bytes }))
    }

    fn beginning(&self, dataset: &DatasetName, prefix: &str) -> Result<Vec<TableRef>, PortError> {
        catalog::beginning(self.tx, dataset, prefix)
    }
}

/// Reads text as a value of a scalar type, as CAST does; `Err` says what is wrong.
pub(crate) fn read_value(text: &str, kind: &DataType) -> Result<Value, String> {
    sql::functions::cast::parse_text(text, kind)
}

#[async_trait]
impl Warehouse for EmbeddedWarehouse {
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        self.db.write(|tx| catalog::ensure_dataset(tx, dataset, labels))
    }

    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        self.db.read(|tx| catalog::labels(tx, dataset))
    }

    async fn ensure_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        self.db.write(|tx| catalog::ensure_table(tx, table, definition))
    }

    async fn query(&self, query: &Query, job: Option<&JobOptions>) -> Result<Rows, PortError> {
        let prepared = self.prepare(query)?;
        if let Some(job) = job {
            write::within(job, prepared.bytes)?;
        }
        let mut stream = sql::stream(&self.session, &prepared).await?;
        let mut rows: Vec<Vec<Value>> = Vec::new();
        while let Some(batch) = stream.try_next().await.map_err(sql::refusal::executed)? {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().zip(&prepared.columns);
                let values: Result<_, _> = cells
                    .map(|(column, (_, kind))| values::value_at(column.as_ref(), row, kind))
                    .collect();
                rows.push(values?);
            }
        }
        Ok(Rows { columns: prepared.columns, rows })
    }

    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let work = |running: Arc<jobs::Running>| async move {
            self.write_query(query, target, job, &running).await
        };
        self.run_job(job, work).await
    }

    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let work = |running: Arc<jobs::Running>| async move {
            self.write_file(load, target, job, &running).await
        };
        self.run_job(job, work).await
    }

    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError> {
        let work = |running: Arc<jobs::Running>| async move {
            self.write_export(query, export, job, &running).await
        };
        self.run_job(job, work).await
    }

    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError> {
        let sql::Prepared { columns, tables, bytes, .. } = self.prepare(query)?;
        Ok(DryRun { tables: tables.into_iter().collect(), bytes, columns })
    }

    async fn job(&self, id: &JobId) -> Result<JobState, PortError> {
        if self.jobs.is_running(id) {
            return Ok(JobState::Running);
        }
        self.db.read(|tx| catalog::job(tx, id))
    }

    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError> {
        let known = self.jobs.is_running(id);
        self.jobs.stop(id).await;
        let now = self.clock.now();
        // Also a job that another process is about to commit finds itself ended.
        let state = self.db.write(|tx| {
            let before = catalog::job(tx, id)?;
            catalog::job_failed(tx, id, "cancelled", now)?;
            Ok(if before == JobState::Unknown && !known { before } else { catalog::job(tx, id)? })
        })?;
        Ok(state)
    }
}
