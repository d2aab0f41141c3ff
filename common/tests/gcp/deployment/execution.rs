//! An execution of the job: the program `pipeline` as a process, told by the fake of Cloud Run what to do.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::process::child::Program;

use super::aims::Aims;
use crate::fakes::cloud_run::Started;
use crate::judges::bin;

/// What Cloud Run gives a container between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// An execution that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The run it was for.
    pub run: String,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
}

/// The executions of a deployment. Those that have not ended when this is dropped are killed.
#[derive(Default)]
pub struct Executions {
    ended: Mutex<Vec<Ended>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    doomed: Mutex<HashSet<String>>,
    is_over: AtomicBool,
}

impl Executions {
    /// Those that have ended.
    pub fn ended(&self) -> MutexGuard<'_, Vec<Ended>> {
        self.ended.lock().unwrap()
    }

    /// Kills the execution of a run, as a machine that is lost does.
    pub fn kill(&self, run: &str) {
        self.doomed.lock().unwrap().insert(run.to_owned());
    }

    fn is_to_die(&self, run: &str) -> bool {
        self.is_over.load(Ordering::SeqCst) || self.doomed.lock().unwrap().contains(run)
    }

    /// Kills those that are left.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap());
        for thread in threads {
            // What it panicked with was printed.
            drop(thread.join());
        }
    }
}

/// Does what Cloud Run does with an execution, on a thread of its own.
pub fn begin(
    started: Started,
    mut variables: BTreeMap<String, String>,
    executions: &Arc<Executions>,
    aims: &Arc<Aims>,
) {
    assert_eq!(started.container, "pipeline");
    variables.extend(started.variables.clone());
    variables.insert("CLOUD_RUN_EXECUTION".to_owned(), started.name.clone());
    let (all, aims) = (Arc::clone(executions), Arc::clone(aims));
    let thread = std::thread::spawn(move || {
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut program = Program::start(bin("pipeline"), pairs).unwrap();
        let (run, begun) = (variables["RUN_ID"].clone(), Instant::now());
        aims.stands(&run, program.id());
        let mut told = None;
        while !program.has_ended().unwrap() {
            let is_cancelled = *started.cancelled.borrow();
            if told.is_none() && (is_cancelled || begun.elapsed() > started.timeout) {
                program.terminate().unwrap();
                told = Some(Instant::now());
            }
            if all.is_to_die(&run) || told.is_some_and(|told| told.elapsed() > GRACE) {
                program.kill().unwrap();
            }
            std::thread::sleep(LOOK);
        }
        aims.left(&run);
        let (status, _) = program.ended(GRACE).unwrap();
        all.ended().push(Ended { run, code: status.code() });
        // Only now is the execution over for whoever asks after it.
        drop(started);
    });
    executions.threads.lock().unwrap().push(thread);
}
