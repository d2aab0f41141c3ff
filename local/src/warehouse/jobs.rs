//! The jobs in flight in this process: one at a time of an id, and a way to stop it and await its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use common::port::PortError;
use common::warehouse::JobId;
use tokio::sync::watch;

/// What others can do with a running job.
#[derive(Clone)]
struct Handle {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

/// The running jobs by id.
#[derive(Clone, Default)]
pub(super) struct Jobs(Arc<Mutex<HashMap<JobId, Handle>>>);

/// A running job; dropping it says that it has ended.
pub(super) struct Running {
    jobs: Jobs,
    id: JobId,
    stop: watch::Receiver<bool>,
    /// Closed on drop, which is what waiters wait for.
    _ended: watch::Sender<()>,
}

impl Jobs {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a job; `Conflict` while one of this id runs.
    pub(super) fn start(&self, id: &JobId) -> Result<Running, PortError> {
        let mut map = self.map();
        if map.contains_key(id) {
            return Err(PortError::Conflict(format!("the job {id} is running")));
        }
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(());
        map.insert(id.clone(), Handle { stop, ended });
        Ok(Running { jobs: self.clone(), id: id.clone(), stop: stopped, _ended: ending })
    }

    /// Whether a job of this id runs.
    pub(super) fn is_running(&self, id: &JobId) -> bool {
        self.map().contains_key(id)
    }

    /// Asks the job to stop and waits until it has ended.
    pub(super) async fn stop(&self, id: &JobId) {
        let handle = self.map().get(id).cloned();
        if let Some(Handle { stop, mut ended }) = handle {
            stop.send_replace(true);
            // The only change that comes is the sender's end.
            while ended.changed().await.is_ok() {}
        }
    }
}

impl Running {
    /// Whether somebody asked the job to stop.
    pub(super) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when somebody asks the job to stop.
    pub(super) async fn stopping(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.jobs.map().remove(&self.id);
    }
}
