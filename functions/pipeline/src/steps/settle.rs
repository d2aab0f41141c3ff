//! Leaves no statement behind: a job that was interrupted is cancelled, awaited, and believed.

use std::future::Future;

use common::port::PortError;
use common::warehouse::{JobId, JobOptions, JobState, Written};

use super::{Job, TryError};
use crate::retry;

impl Job<'_> {
    /// Awaits a job's `work`. Where its answer is lost, it takes too long, or the run is stopped, the job is
    /// cancelled and awaited: what it then says it did, it did; otherwise it never will.
    pub(super) async fn settled(
        &self,
        work: impl Future<Output = Result<Written, PortError>>,
        options: &JobOptions,
    ) -> Result<Written, TryError> {
        tokio::pin!(work);
        let interrupted = tokio::select! {
            // The warehouse has the same timeout; where both have passed, it is a timeout and not its error.
            biased;
            () = tokio::time::sleep(options.timeout) => TryError::Timeout(options.timeout.as_secs()),
            () = self.halt.cancelled() => TryError::Halted,
            result = &mut work => match result {
                Ok(written) => return Ok(written),
                Err(
                    error @ (PortError::NotFound(_)
                    | PortError::AlreadyExists(_)
                    | PortError::PermissionDenied(_)
                    | PortError::InvalidQuery(_)),
                ) => return Err(error.into()),
                // Any other error leaves unknown whether the job took effect.
                Err(error) => TryError::Port(error),
            },
        };
        let is_running = !matches!(interrupted, TryError::Port(_));
        let ended = self.end(&options.id);
        tokio::pin!(ended);
        let state = if is_running {
            // The call goes on being polled: the job may need it to come to its end.
            tokio::select! {
                state = &mut ended => state,
                _ = &mut work => ended.await,
            }
        } else {
            ended.await
        };
        match state? {
            JobState::Done(written) => Ok(written),
            JobState::Unknown | JobState::Failed(_) => Err(interrupted),
            JobState::Running => Err(TryError::Unsettled(PortError::Unavailable(format!(
                "job {} still runs after it was cancelled",
                options.id
            )))),
        }
    }

    /// Cancels a job and answers how it ended, asking until the warehouse says.
    pub(super) async fn end(&self, id: &JobId) -> Result<JobState, TryError> {
        let warehouse = &self.recorder.context.warehouse;
        let mut failed = 0;
        loop {
            match warehouse.cancel(id).await {
                Ok(state) => return Ok(state),
                Err(PortError::NotFound(_)) => return Ok(JobState::Unknown),
                Err(error) if !error.retryable() || failed + 1 >= retry::PATIENCE.max_attempts => {
                    return Err(TryError::Unsettled(error));
                }
                Err(_) => {
                    failed += 1;
                    let wait =
                        retry::delay(&retry::PATIENCE, failed, &self.recorder.context.chance);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}
