//! The job launcher inside one process: an execution is a task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use common::clock::Chance;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs executions as tasks of this process.
///
/// An execution's id carries the boot's id: those of another boot have ended with its process.
pub struct TaskLauncher {
    job: Arc<pipeline::Context>,
    chance: Chance,
    boot: String,
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
    tasks: TaskTracker,
}

impl TaskLauncher {
    /// A launcher of this boot.
    pub fn new(job: Arc<pipeline::Context>, chance: Chance) -> Self {
        let boot = chance.uuid().simple().to_string();
        Self { job, chance, boot, running: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Tells every execution to stop and waits for them, at most so long. They write no end: the reaper of
    /// the next boot does.
    pub async fn stop(&self, within: Duration) {
        self.tasks.close();
        for stop in lock(&self.running).values() {
            stop.cancel();
        }
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!(running = lock(&self.running).len(), "executions left behind");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes an execution off the list however its task ends, also by a panic.
struct Listed {
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
    execution: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.execution);
    }
}

#[async_trait]
impl JobLauncher for TaskLauncher {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        if self.tasks.is_closed() {
            return Err(PortError::Unavailable("the process is stopping".to_owned()));
        }
        let execution = format!("{}/{}", self.boot, self.chance.uuid().simple());
        let stop = CancellationToken::new();
        lock(&self.running).insert(execution.clone(), stop.clone());
        let listed = Listed { running: Arc::clone(&self.running), execution: execution.clone() };
        let assignment = pipeline::Assignment {
            tenant_id: launch.tenant_id.clone(),
            run_id: launch.run_id,
            attempt: launch.attempt,
            execution: execution.clone(),
        };
        let job = Arc::clone(&self.job);
        let timeout = launch.timeout;
        self.tasks.spawn(async move {
            let _listed = listed;
            let work = pipeline::execute(&job, &assignment, stop);
            if tokio::time::timeout(timeout, work).await.is_err() {
                tracing::error!(run.id = %assignment.run_id, ?timeout, "execution ended from outside");
            }
        });
        Ok(execution)
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        let listed = lock(&self.running).contains_key(execution);
        Ok(if listed { ExecutionState::Running } else { ExecutionState::Ended })
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        if let Some(stop) = lock(&self.running).get(execution) {
            stop.cancel();
        }
        Ok(())
    }
}
