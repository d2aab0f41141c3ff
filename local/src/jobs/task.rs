//! Executions as tasks of this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::clock::Chance;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;

use super::Executions;

/// Runs executions as tasks of this process.
pub struct TaskLauncher {
    job: Arc<pipeline::Context>,
    executions: Arc<Executions>,
}

impl TaskLauncher {
    /// A launcher of this boot.
    pub fn new(job: Arc<pipeline::Context>, chance: Chance) -> Self {
        Self { job, executions: Executions::new(chance) }
    }

    /// Tells every execution to stop and waits for them, at most so long.
    pub async fn stop(&self, within: Duration) {
        let running = self.executions.stop(within).await;
        if running > 0 {
            tracing::warn!(running, "executions left behind");
        }
    }
}

#[async_trait]
impl JobLauncher for TaskLauncher {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        let listed = self.executions.begin()?;
        let execution = listed.id.clone();
        let assignment = listed.assignment(launch);
        let job = Arc::clone(&self.job);
        let timeout = launch.timeout;
        tokio::spawn(async move {
            let work = pipeline::execute(&job, &assignment, listed.stop.clone());
            if tokio::time::timeout(timeout, work).await.is_err() {
                tracing::error!(run.id = %assignment.run_id, ?timeout, "execution ended from outside");
            }
        });
        Ok(execution)
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        Ok(self.executions.state(execution))
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        self.executions.cancel(execution);
        Ok(())
    }
}
