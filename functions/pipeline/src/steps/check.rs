//! The `check` step: looks, judges, and keeps the keys of a few failing rows.

use common::pipeline::{Check, CheckAction, Step};
use common::run::CheckResult;
use common::warehouse::{JobId, JobOptions, Query, Rows};
use tokio::time::{Instant, sleep};

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
        let deadline = Instant::now() + step.timeout;
        for check in &action.checks {
            let options = part(options, &check.id, deadline);
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
        let deadline = Instant::now() + options.timeout;
        let (rows, mut bytes) = self.look(step, &compiled.observe, max_bytes, options).await?;
        let checked_at = context.clock.now();
        let verdict =
            check.judge(&rows, checked_at).map_err(|error| TryError::Data(error.to_string()))?;
        let mut failing_keys = Vec::new();
        if let Some(sample) = compiled.sample.filter(|_| !verdict.passed) {
            let (rows, read) =
                self.look(step, &sample, max_bytes, &part(options, "rows", deadline)).await?;
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

    /// Runs a query that the guard admits; answers its rows and the bytes it read. One that is not awaited to its end
    /// is cancelled.
    async fn look(
        &self,
        step: &Step,
        query: &Query,
        max_bytes: Option<u64>,
        options: &JobOptions,
    ) -> Result<(Rows, u64), TryError> {
        let work = async {
            let reserved = self.admitted(query, max_bytes).await?;
            let rows = self.recorder.context.warehouse.query(query, Some(options)).await?;
            Ok((rows, reserved.spend()))
        };
        let interrupted = tokio::select! {
            biased;
            () = sleep(options.timeout) => TryError::Timeout(step.timeout.as_secs()),
            () = self.halt.cancelled() => TryError::Halted,
            done = work => return done,
        };
        self.end(&options.id).await?;
        Err(interrupted)
    }
}

/// The options of one of the statements of a step, which has until then.
fn part(options: &JobOptions, name: &str, deadline: Instant) -> JobOptions {
    let timeout = deadline.saturating_duration_since(Instant::now());
    JobOptions { id: JobId(format!("{}-{name}", options.id)), timeout, ..options.clone() }
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
