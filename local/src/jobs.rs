//! The job launchers of a laptop: an execution is a task of this process, or a child process of it.
//!
//! An execution's id carries the boot's id: those of another boot have ended, since a task ends with its
//! process and a child with its parent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::clock::Chance;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub mod order;
mod process;
mod task;

pub use process::{ProcessLauncher, Program};
pub use task::TaskLauncher;

/// Where executions work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Isolation {
    /// In this process.
    #[default]
    Tasks,
    /// Each in a child process, started like this.
    Processes(Program),
}

/// The launcher of a node.
pub enum Launcher {
    /// Executions are tasks.
    Tasks(Arc<TaskLauncher>),
    /// Executions are child processes.
    Processes(Arc<ProcessLauncher>),
}

impl Launcher {
    /// The launcher as its port.
    pub fn port(&self) -> Arc<dyn JobLauncher> {
        match self {
            Self::Tasks(tasks) => tasks.clone(),
            Self::Processes(processes) => processes.clone(),
        }
    }

    /// Ends every execution. They write no end: the reaper of the next boot does.
    pub async fn stop(&self, within: Duration) {
        match self {
            Self::Tasks(tasks) => tasks.stop(within).await,
            Self::Processes(processes) => processes.stop(within).await,
        }
    }
}

/// The executions of this boot that may still do something.
struct Executions {
    boot: String,
    chance: Chance,
    stopping: CancellationToken,
    running: Mutex<HashMap<String, CancellationToken>>,
    tracker: TaskTracker,
}

impl Executions {
    fn new(chance: Chance) -> Arc<Self> {
        Arc::new(Self {
            boot: chance.uuid().simple().to_string(),
            chance,
            stopping: CancellationToken::new(),
            running: Mutex::default(),
            tracker: TaskTracker::new(),
        })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a new execution.
    fn begin(self: &Arc<Self>) -> Result<Listed, PortError> {
        // Under the lock, so that whoever is listed is also stopped and awaited.
        let mut running = self.running();
        if self.stopping.is_cancelled() {
            return Err(PortError::Unavailable("the process is stopping".to_owned()));
        }
        let id = format!("{}/{}", self.boot, self.chance.uuid().simple());
        let stop = self.stopping.child_token();
        running.insert(id.clone(), stop.clone());
        Ok(Listed { executions: Arc::clone(self), id, stop, _awaited: self.tracker.token() })
    }

    fn state(&self, execution: &str) -> ExecutionState {
        if self.running().contains_key(execution) {
            ExecutionState::Running
        } else {
            ExecutionState::Ended
        }
    }

    fn cancel(&self, execution: &str) {
        if let Some(stop) = self.running().get(execution) {
            stop.cancel();
        }
    }

    /// Tells every execution to stop and waits for them, at most so long; answers how many are left.
    async fn stop(&self, within: Duration) -> usize {
        {
            let _nobody_begins = self.running();
            self.stopping.cancel();
        }
        self.tracker.close();
        if tokio::time::timeout(within, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        self.running().len()
    }
}

/// An execution on the list; dropping it says that the execution has ended, however it did.
struct Listed {
    executions: Arc<Executions>,
    id: String,
    /// Cancelled where the execution is asked to stop.
    stop: CancellationToken,
    _awaited: TaskTrackerToken,
}

impl Listed {
    fn assignment(&self, launch: &Launch) -> pipeline::Assignment {
        pipeline::Assignment {
            tenant_id: launch.tenant_id.clone(),
            run_id: launch.run_id,
            attempt: launch.attempt,
            execution: self.id.clone(),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.executions.running().remove(&self.id);
    }
}
