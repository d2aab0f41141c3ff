//! A launcher that holds executions: the test says when each works and how it ends.

use std::sync::Mutex;

use async_trait::async_trait;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use common::run::RunId;
use tokio_util::sync::CancellationToken;

/// What the next launches answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Accepts,
    /// A refusal that passes.
    Busy,
    /// A refusal for good.
    Refuses,
}

#[derive(Clone)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) launch: Launch,
    /// Cancelled where the execution was asked to stop.
    pub(crate) stop: CancellationToken,
    pub(crate) ended: bool,
}

pub(crate) struct Held {
    list: Mutex<Vec<Execution>>,
    pub(crate) mood: Mutex<Mood>,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self { list: Mutex::default(), mood: Mutex::new(Mood::Accepts) }
    }

    /// Every execution so far, in the order of their launches.
    pub(crate) fn all(&self) -> Vec<Execution> {
        self.list.lock().unwrap().clone()
    }

    /// The latest execution of a run.
    pub(crate) fn of(&self, run: RunId) -> Option<Execution> {
        self.all().into_iter().rev().find(|execution| execution.launch.run_id == run)
    }

    /// Makes an execution one that does nothing any more.
    pub(crate) fn end(&self, execution: &str) {
        let mut list = self.list.lock().unwrap();
        list.iter_mut().find(|e| e.id == execution).unwrap().ended = true;
    }
}

#[async_trait]
impl JobLauncher for Held {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        match *self.mood.lock().unwrap() {
            Mood::Accepts => {}
            Mood::Busy => return Err(PortError::RateLimited("too many executions".to_owned())),
            Mood::Refuses => return Err(PortError::PermissionDenied("run.jobs.run".to_owned())),
        }
        let mut list = self.list.lock().unwrap();
        let id = format!("execution-{}", list.len());
        let (launch, stop) = (launch.clone(), CancellationToken::new());
        list.push(Execution { id: id.clone(), launch, stop, ended: false });
        Ok(id)
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        let running = self.all().into_iter().any(|e| e.id == execution && !e.ended);
        Ok(if running { ExecutionState::Running } else { ExecutionState::Ended })
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        if let Some(found) = self.all().into_iter().find(|e| e.id == execution) {
            found.stop.cancel();
        }
        Ok(())
    }
}
