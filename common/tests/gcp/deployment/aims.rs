//! Kills a process at a request of its choice.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::proxy::{Fault, Passing, Phase};

/// Which process is to die, and where. A process is told by the door that it sends its requests through.
#[derive(Default)]
pub struct Aims(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    processes: HashMap<String, u32>,
    aims: HashMap<String, Aim>,
    /// For the next execution that begins.
    next: Option<(usize, Phase)>,
}

struct Aim {
    at: usize,
    phase: Phase,
    passed: usize,
    /// The requests on their way, by the proxy's number, and which each is since the aim was taken.
    under_way: HashMap<usize, usize>,
    is_hit: bool,
}

impl Aims {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Tells which process is behind a door.
    pub fn stands(&self, door: &str, process: u32) {
        self.inner().processes.insert(door.to_owned(), process);
    }

    /// Tells that no process is behind a door any more.
    pub fn left(&self, door: &str) {
        self.inner().processes.remove(door);
    }

    /// Aims at the execution that begins next, as [`Aims::take`] does at a door.
    pub fn take_next(&self, at: usize, phase: Phase) {
        self.inner().next = Some((at, phase));
    }

    /// A door is opened for an execution that is about to begin.
    pub fn begins(&self, door: &str) {
        let next = self.inner().next.take();
        if let Some((at, phase)) = next {
            self.take(door, at, phase);
        }
    }

    /// Aims at a door: its process dies at its request number `at`, from 1, counted from now.
    pub fn take(&self, door: &str, at: usize, phase: Phase) {
        let aim = Aim { at, phase, passed: 0, under_way: HashMap::new(), is_hit: false };
        self.inner().aims.insert(door.to_owned(), aim);
    }

    /// Whether the process behind a door has been killed.
    pub fn is_hit(&self, door: &str) -> bool {
        self.inner().aims.get(door).is_some_and(|aim| aim.is_hit)
    }

    /// Takes the aim away; answers whether the process was killed.
    pub fn leave(&self, door: &str) -> bool {
        self.inner().aims.remove(door).is_some_and(|aim| aim.is_hit)
    }

    /// What becomes of a request, see [`crate::proxy::Rules::fault`].
    pub fn fault(&self, passing: &Passing) -> Option<Fault> {
        let process = loop {
            let mut inner = self.inner();
            let process = inner.processes.get(&*passing.door).copied();
            let aim = inner.aims.get_mut(&*passing.door)?;
            let Some(process) = process else {
                // It has just been started.
                drop(inner);
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            if aim.is_hit {
                return None;
            }
            let place = match passing.phase {
                Phase::Before => {
                    aim.passed += 1;
                    aim.under_way.insert(passing.number, aim.passed);
                    aim.passed
                }
                Phase::After => aim.under_way.remove(&passing.number)?,
            };
            if (place, passing.phase) != (aim.at, aim.phase) {
                return None;
            }
            aim.is_hit = true;
            break process;
        };
        let killed = Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
        assert!(killed.success());
        Some(Fault::Drop)
    }
}
