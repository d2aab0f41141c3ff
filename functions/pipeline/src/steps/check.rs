//! The `check` step: looks, judges, and keeps the keys of a few failing rows.

use common::pipeline::{Check, CheckAction, Step};
use common::run::CheckResult;
use common::warehouse::{JobId, JobOptions, Query, Rows};

use super::{Done, Job, TryError};

/// The longest key that a result keeps, in characters.
const MAX_KEY: usize = 200;

impl Job<'_> {
    pub(super) async fn checks(
        &self,
        step: &Step,
        action: &CheckAction,
        options: &JobOptions,
    ) -> Result<Done, TryError> {
        let mut done = Done::default();
        for check in &action.checks {
            let options = part(options, &check.id);
            let (result, bytes) = self.check(step, check, action.max_bytes, &options).await?;
            done.bytes += bytes;
            done.checks.push(result);
        }
        let failed: Vec<String> = done
            .checks
            .iter()
            .filter(|result| result.blocking && !result.passed)
            .map(|r| format!("{} ({} found, {} expected)", r.check_id, r.observed, r.threshold))
            .collect();
        if !failed.is_empty() {
            done.blocked = Some(format!("did not pass: {}", failed.join(", ")));
        }
        Ok(done)
    }

    async fn check(
        &self,
        step: &Step,
        check: &Check,
        max_bytes: Option<u64>,
        options: &JobOptions,
    ) -> Result<(CheckResult, u64), TryError> {
        let context = self.recorder.context;
        let compiled = check.compile(&self.run.tenant_id.dataset(), self.params);
        let (rows, mut bytes) = self.look(&compiled.observe, max_bytes, options).await?;
        let checked_at = context.clock.now();
        let verdict =
            check.judge(&rows, checked_at).map_err(|error| TryError::Data(error.to_string()))?;
        let mut failing_keys = Vec::new();
        if let Some(sample) = compiled.sample.filter(|_| !verdict.passed) {
            let (rows, read) = self.look(&sample, max_bytes, &part(options, "rows")).await?;
            bytes += read;
            failing_keys = rows.rows.iter().map(|row| key(&rows.columns, row)).collect();
        }
        let result = CheckResult {
            run_id: self.run.run_id,
            tenant_id: self.run.tenant_id.clone(),
            user_id: self.run.user_id.clone(),
            step_id: step.id.clone(),
            check_id: check.id.clone(),
            check_type: check.expect.kind().to_owned(),
            table: Some(check.table.clone()),
            severity: check.severity,
            blocking: check.blocking,
            passed: verdict.passed,
            observed: verdict.observed,
            threshold: compiled.threshold,
            failing_keys,
            checked_at,
        };
        Ok((result, bytes))
    }

    /// Runs a query that the guard admits; answers its rows and the bytes it read.
    async fn look(
        &self,
        query: &Query,
        max_bytes: Option<u64>,
        options: &JobOptions,
    ) -> Result<(Rows, u64), TryError> {
        let reserved = self.admitted(query, max_bytes).await?;
        let rows = self.recorder.context.warehouse.query(query, Some(options)).await?;
        Ok((rows, reserved.spend()))
    }
}

/// The options of one of the statements of a step.
fn part(options: &JobOptions, name: &str) -> JobOptions {
    JobOptions { id: JobId(format!("{}-{name}", options.id)), ..options.clone() }
}

/// A failing row by its key: `name=value, name=value`, cut where it is long.
fn key(
    columns: &[(String, common::warehouse::DataType)],
    row: &[common::warehouse::Value],
) -> String {
    let parts: Vec<String> =
        columns.iter().zip(row).map(|((name, _), value)| format!("{name}={value}")).collect();
    let text = parts.join(", ");
    match text.char_indices().nth(MAX_KEY) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
