//! The `notify` step: one signed message about the run to a webhook.

use common::pipeline::{NotifyAction, Step};
use common::run::{Ending, Run};
use serde_json::json;

use super::{Done, Job, TryError};
use crate::webhooks::{Message, SendError};

impl Job<'_> {
    /// Sends the message once; its id is the same for every try.
    pub(super) async fn notify(
        &self,
        step: &Step,
        notify: &NotifyAction,
        so_far: &Ending,
    ) -> Result<Done, TryError> {
        let context = self.recorder.context;
        let url = self.named(&notify.url)?;
        let endpoint = context.webhooks.allow(&url).map_err(SendError::from)?;
        let at = context.clock.now();
        let body = json!({
            "type": "pipeline.notification",
            "timestamp": at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            "data": data(self.run, &step.id, &notify.message, so_far),
        });
        let message = Message {
            tenant_id: &self.run.tenant_id,
            id: format!("{}-{}", self.run.run_id.0.simple(), step.id),
            at,
            body: body.to_string().into_bytes(),
        };
        context.webhooks.send(&endpoint, &message).await?;
        Ok(Done::default())
    }
}

/// What is told: the run as it stands while this step runs, so `outcome` is that of the steps before.
fn data(run: &Run, step: &str, message: &str, so_far: &Ending) -> serde_json::Value {
    let outcome = if so_far.failure_kind.is_none() { "SUCCESS" } else { "FAILURE" };
    json!({
        "tenant_id": run.tenant_id.as_str(),
        "pipeline_logging_id": run.run_id.to_string(),
        "pipeline_id": run.pipeline.pipeline_id(&run.tenant_id),
        "user_id": run.user_id.as_str(),
        "step_id": step,
        "message": message,
        "outcome": outcome,
        "failure_kind": so_far.failure_kind.map(common::run::FailureKind::as_str),
        "failure_message": so_far.message,
        "rows_written": so_far.rows_written,
        "bytes_processed": so_far.bytes_processed,
    })
}
