//! The `notify` step: one signed message about the run to a webhook.

use chrono::{DateTime, Utc};
use common::pipeline::{NotifyAction, Step};
use common::run::{Ending, Run};
use serde_json::json;

use super::{Done, Job, TryError};
use crate::webhooks::{Message, SendError};

impl Job<'_> {
    /// Sends the message once.
    pub(super) async fn notify(
        &self,
        step: &Step,
        notify: &NotifyAction,
        so_far: &Ending,
    ) -> Result<Done, TryError> {
        let context = self.recorder.context;
        let url = self.named(&notify.url)?;
        let endpoint = context.webhooks.allow(&url).map_err(SendError::from)?;
        let message = message(self.run, &step.id, &notify.message, so_far, context.clock.now());
        context.webhooks.send(&endpoint, &message).await?;
        Ok(Done::default())
    }
}

/// The message; its id is the same for every try, so that the receiver takes it once.
fn message<'r>(
    run: &'r Run,
    step: &str,
    text: &str,
    so_far: &Ending,
    at: DateTime<Utc>,
) -> Message<'r> {
    let body = json!({
        "type": "pipeline.notification",
        "timestamp": at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        "data": data(run, step, text, so_far),
    });
    Message {
        tenant_id: &run.tenant_id,
        id: format!("{}-{step}", run.run_id.0.simple()),
        at,
        body: body.to_string().into_bytes(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::keys::Secret;
    use common::run::{FailureKind, RunId, RunStatus};
    use common::tenant::{TenantId, UserId};
    use serde_json::Value as Json;

    use super::*;
    use crate::webhooks::receiver::{Answer, Receiver};

    fn run(now: DateTime<Utc>) -> Run {
        Run {
            run_id: RunId(uuid::Uuid::from_u128(7)),
            tenant_id: TenantId::parse("acme").unwrap(),
            user_id: UserId::parse("ada").unwrap(),
            pipeline: "gcp/cost/billing".parse().unwrap(),
            priority: 100,
            status: RunStatus::Running,
            slot: None,
            parameters: json!({"secret": {"type": "STRING", "value": "parameters stay here"}}),
            fingerprint: None,
            day: now.date_naive(),
            attempt: 1,
            timeout: Duration::from_hours(1),
            max_bytes: 1,
            max_parallel: 1,
            created_at: now,
            started_at: Some(now),
            start_by: None,
            claimed_at: Some(now),
            execution: None,
            cancel_requested_at: None,
            ended_at: None,
            launch_refused: false,
            ending: None,
        }
    }

    #[tokio::test]
    async fn a_receiver_is_told_how_the_run_stands_under_one_id() {
        let now: DateTime<Utc> = "2025-11-17T08:00:00Z".parse().unwrap();
        let run = run(now);
        let mut failed = Ending::of(RunStatus::Failed, Some(FailureKind::DataQuality), "step x");
        failed.rows_written = 5;
        let well = Ending { message: None, ..Ending::of(RunStatus::Completed, None, "") };
        for (so_far, outcome, kind) in
            [(failed, "FAILURE", json!("DATA_QUALITY")), (well, "SUCCESS", Json::Null)]
        {
            let hook = Receiver::start(Answer::Status(200)).await;
            let webhooks = hook.webhooks(Secret::new("key"), Duration::from_secs(20));
            let endpoint = webhooks.allow(&hook.url()).unwrap();
            for _ in 0..2 {
                let message = message(&run, "tell", "look at \"x\"", &so_far, now);
                webhooks.send(&endpoint, &message).await.unwrap();
            }
            let received = hook.received();
            let ids: Vec<_> = received.iter().map(|one| one.header("webhook-id")).collect();
            assert_eq!(ids, [Some("00000000000000000000000000000007-tell"); 2]);
            let body: Json = serde_json::from_slice(&received[0].body).unwrap();
            assert_eq!(body["type"], "pipeline.notification");
            assert_eq!(body["timestamp"], "2025-11-17T08:00:00Z");
            let data = &body["data"];
            assert_eq!((&data["outcome"], &data["failure_kind"]), (&json!(outcome), &kind));
            assert_eq!(data["message"], "look at \"x\"");
            assert_eq!(data["pipeline_id"], "acme-gcp-cost-billing");
            assert!(!body.to_string().contains("stay here"));
        }
    }
}
