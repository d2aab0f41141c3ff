//! The `sql` step: one SELECT, written to its target.

use common::pipeline::{Mode, SqlAction, TargetTable};
use common::warehouse::{JobOptions, Query, Target, Value, WriteMode};

use super::{Done, Job, TryError};
use crate::guard::Reserved;

impl Job<'_> {
    pub(super) async fn sql(
        &self,
        sql: &SqlAction,
        options: &JobOptions,
    ) -> Result<Done, TryError> {
        let query = sql.query.bind(self.params, &self.run.tenant_id.dataset());
        let target = self.target(&sql.target)?;
        let reserved = self.admitted(&query, sql.max_bytes).await?;
        let warehouse = &self.recorder.context.warehouse;
        let written = self.settled(warehouse.write(&query, &target, options), options).await?;
        reserved.spend();
        Ok(Done { rows: written.rows, bytes: written.bytes, ..Done::default() })
    }

    /// Resolves a statement without running it and holds it against the guard.
    pub(super) async fn admitted(
        &self,
        query: &Query,
        max_bytes: Option<u64>,
    ) -> Result<Reserved<'_>, TryError> {
        let dry_run = tokio::select! {
            dry_run = self.recorder.context.warehouse.dry_run(query) => dry_run?,
            () = self.halt.cancelled() => return Err(TryError::Halted),
        };
        Ok(self.guard.admit(&dry_run, max_bytes)?)
    }

    /// The target in the tenant's dataset, its range filled in.
    pub(super) fn target(&self, target: &TargetTable) -> Result<Target, TryError> {
        let table = self.run.tenant_id.dataset().table(&target.table);
        let day = |name: &String| match self.params.get(name).map(|param| &param.value) {
            Some(Value::Date(day)) => Ok(*day),
            _ => Err(TryError::Data(format!("has no date in parameter {name} to replace"))),
        };
        let mode = match &target.mode {
            Mode::Replace => WriteMode::Replace,
            Mode::Append => WriteMode::Append,
            Mode::AppendNew { keys } => WriteMode::AppendNew { keys: keys.clone() },
            Mode::Merge { keys } => WriteMode::Merge { keys: keys.clone() },
            Mode::OverwritePartition { from, to } => {
                WriteMode::OverwritePartition { from: day(from)?, to: day(to)? }
            }
        };
        Ok(Target {
            table: table.map_err(|error| TryError::Data(error.to_string()))?,
            partition_by: target.partition_by.clone(),
            cluster_by: target.cluster_by.clone(),
            mode,
        })
    }
}
