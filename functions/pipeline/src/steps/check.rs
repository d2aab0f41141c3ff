//! The `check` step: looks, judges, and keeps the keys of a few failing rows.

use common::pipeline::{Check, Step};
use common::run::CheckResult;

use super::{Done, Job, TryError};

/// The longest key that a result keeps, in characters.
const MAX_KEY: usize = 200;

impl Job<'_> {
    pub(super) async fn checks(&self, step: &Step, checks: &[Check]) -> Result<Done, TryError> {
        let mut done = Done::default();
        for check in checks {
            let (result, bytes) = self.check(step, check).await?;
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

    async fn check(&self, step: &Step, check: &Check) -> Result<(CheckResult, u64), TryError> {
        let context = self.recorder.context;
        let compiled = check.compile(&self.run.tenant_id.dataset(), self.params);
        let mut bytes = self.allowed(&compiled.observe).await?;
        let rows = context.warehouse.query(&compiled.observe).await?;
        let checked_at = context.clock.now();
        let verdict =
            check.judge(&rows, checked_at).map_err(|error| TryError::Data(error.to_string()))?;
        let mut failing_keys = Vec::new();
        if let Some(sample) = compiled.sample.filter(|_| !verdict.passed) {
            bytes += self.allowed(&sample).await?;
            let rows = context.warehouse.query(&sample).await?;
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
