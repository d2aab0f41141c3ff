//! The child processes of `headgate serve --isolate`, as `/proc` shows them, and signals to them.

use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::process::{PATIENCE, until};
use crate::server::Server;

use super::watch::Watch;

/// The process of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Execution(u32);

impl Execution {
    /// The process of a run's latest attempt, once the server's log names it.
    pub(crate) async fn of(server: &Server, run_id: &str) -> Self {
        until("the run's process", PATIENCE, async || {
            let log = server.stderr();
            let named = log.lines().rev().filter(|line| line.contains(run_id));
            let mut lines = named.filter_map(|line| serde_json::from_str::<Json>(line).ok());
            let line = lines.find(|line| line["message"] == "the execution is a process")?;
            Some(Self(u32::try_from(line["process.pid"].as_u64()?).unwrap()))
        })
        .await
    }

    /// Whether it is there: a process that has ended and is not waited for is not.
    pub(crate) fn is_alive(self) -> bool {
        self.stat().is_some_and(|(state, ..)| !matches!(state, 'Z' | 'X'))
    }

    /// SIGKILL, which nothing can be done about; answers whether it was there to get it.
    pub(crate) fn kill(self, server: &Server) -> bool {
        let is_there = self.is_alive() && self.stat().is_some_and(|(_, of, _)| of == server.id());
        is_there && self.signal("KILL")
    }

    /// SIGSTOP: it stands still until [`Self::go_on`], and holds up nobody but itself: in the middle of a
    /// transaction it would keep everybody else from writing.
    pub(crate) async fn halt(self, watch: &Watch) {
        until("a moment to halt the process", PATIENCE, async || {
            assert!(self.signal("STOP"), "{self:?} is gone");
            until("the process's halt", PATIENCE, async || {
                matches!(self.stat(), Some(('T', ..))).then_some(())
            })
            .await;
            if !watch.can_be_written() {
                self.go_on();
                return None;
            }
            Some(())
        })
        .await;
    }

    /// SIGCONT.
    pub(crate) fn go_on(self) {
        assert!(self.signal("CONT"), "{self:?} is gone");
    }

    /// Waits until it is not there any more.
    pub(crate) async fn gone(self) {
        until("the process's end", PATIENCE, async || (!self.is_alive()).then_some(())).await;
    }

    /// The file of its standard input, as another process can open it.
    pub(crate) fn stdin(self) -> String {
        format!("/proc/{}/fd/0", self.0)
    }

    fn signal(self, name: &str) -> bool {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &self.0.to_string()]).stderr(Stdio::null());
        kill.status().unwrap().success()
    }

    /// Whether a signal to its parent's process group does not reach it.
    pub(crate) fn leads_its_group(self) -> bool {
        self.stat().is_some_and(|(.., group)| group == self.0)
    }

    /// The process's state, its parent and its group.
    fn stat(self) -> Option<(char, u32, u32)> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name before it may hold anything.
        let (_, after) = stat.rsplit_once(") ")?;
        let mut fields = after.split(' ');
        let state = fields.next()?.parse().ok()?;
        Some((state, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }
}

/// Processes that a server has started and that are there.
pub(crate) fn children(server: &Server) -> Vec<Execution> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .map(Execution)
        .filter(|e| e.is_alive() && e.stat().is_some_and(|(_, of, _)| of == server.id()))
        .collect()
}
