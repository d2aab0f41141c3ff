//! A launcher whose executions are rows in a list, moved by the driver.

use std::sync::Mutex;

use async_trait::async_trait;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Started, has not claimed.
    Fresh,
    /// Has claimed: it does the run's work.
    Working,
    /// Does nothing any more.
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) launch: Launch,
    pub(crate) phase: Phase,
    pub(crate) stop: bool,
}

/// What the next launches answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Accepts,
    /// Starts the execution and loses the answer.
    LosesAnswers,
    /// 429.
    Busy,
    /// A refusal for good.
    Refuses,
}

pub(crate) struct Executions {
    pub(crate) list: Mutex<Vec<Execution>>,
    pub(crate) mood: Mutex<Mood>,
}

impl Executions {
    pub(crate) fn new() -> Self {
        Self { list: Mutex::default(), mood: Mutex::new(Mood::Accepts) }
    }

    pub(crate) fn set(&self, index: usize, phase: Phase) {
        self.list.lock().unwrap()[index].phase = phase;
    }

    /// Those in a phase, by index.
    pub(crate) fn in_phase(&self, phase: Phase) -> Vec<(usize, Execution)> {
        let list = self.list.lock().unwrap();
        list.iter()
            .enumerate()
            .filter(|(_, e)| e.phase == phase)
            .map(|(i, e)| (i, e.clone()))
            .collect()
    }
}

#[async_trait]
impl JobLauncher for Executions {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        let mood = *self.mood.lock().unwrap();
        let start = || {
            let mut list = self.list.lock().unwrap();
            let id = format!("execution-{}", list.len());
            let launch = launch.clone();
            let twice = list.iter().any(|e: &Execution| e.launch == launch);
            assert!(!twice, "attempt {} of {} launched twice", launch.attempt, launch.run_id);
            list.push(Execution { id: id.clone(), launch, phase: Phase::Fresh, stop: false });
            id
        };
        match mood {
            Mood::Accepts => Ok(start()),
            Mood::LosesAnswers => {
                start();
                Err(PortError::Unavailable("the answer was lost".to_owned()))
            }
            Mood::Busy => Err(PortError::RateLimited("429".to_owned())),
            Mood::Refuses => Err(PortError::PermissionDenied("run.jobs.run".to_owned())),
        }
    }

    async fn state(&self, execution: &str) -> Result<ExecutionState, PortError> {
        let list = self.list.lock().unwrap();
        let found = list.iter().find(|e| e.id == execution);
        Ok(match found {
            Some(e) if e.phase != Phase::Gone => ExecutionState::Running,
            _ => ExecutionState::Ended,
        })
    }

    async fn cancel(&self, execution: &str) -> Result<(), PortError> {
        let mut list = self.list.lock().unwrap();
        if let Some(e) = list.iter_mut().find(|e| e.id == execution) {
            e.stop = true;
        }
        Ok(())
    }
}
