//! An execution of the job: the program `pipeline` as a process, told by the fake of Cloud Run what to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::process::child::Program;
use serde_json::Value as Json;

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
    /// What it logged.
    pub log: Vec<Json>,
}

/// Does what Cloud Run does with an execution, on a thread of its own.
pub fn begin(
    started: Started,
    mut variables: BTreeMap<String, String>,
    ended: Arc<Mutex<Vec<Ended>>>,
) {
    assert_eq!(started.container, "pipeline");
    variables.extend(started.variables.clone());
    variables.insert("CLOUD_RUN_EXECUTION".to_owned(), started.name.clone());
    std::thread::spawn(move || {
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut program = Program::start(bin("pipeline"), pairs).unwrap();
        let begun = Instant::now();
        let mut told = None;
        while !program.has_ended().unwrap() {
            let is_cancelled = *started.cancelled.borrow();
            if told.is_none() && (is_cancelled || begun.elapsed() > started.timeout) {
                program.terminate().unwrap();
                told = Some(Instant::now());
            }
            if told.is_some_and(|told| told.elapsed() > GRACE) {
                program.kill().unwrap();
            }
            std::thread::sleep(LOOK);
        }
        let (status, log) = program.ended(GRACE).unwrap();
        let run = variables["RUN_ID"].clone();
        ended.lock().unwrap().push(Ended { run, code: status.code(), log });
        // Only now is the execution over for whoever asks after it.
        drop(started);
    });
}
