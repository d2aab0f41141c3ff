//! Executions as child processes: what one of them does to its own process, the others do not feel.
//!
//! The parent holds a child by three pipes and no signal but SIGKILL; [`super::order`] says what goes through
//! them. A child whose parent dies sees the end of its standard input and leaves.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::clock::Chance;
use common::events::EventPublisher;
use common::jobs::{ExecutionState, JobLauncher, Launch};
use common::port::PortError;
use pipeline::Exit;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::order::{Order, STOP, Setting};
use super::{Executions, Listed};

/// How a child process is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Runs executions as child processes.
pub struct ProcessLauncher {
    program: Program,
    setting: Setting,
    events: Arc<dyn EventPublisher>,
    executions: Arc<Executions>,
    lost: Arc<Notify>,
    kill: CancellationToken,
}

impl ProcessLauncher {
    /// A launcher of this boot. What its children publish goes to `events`; `lost` is notified of each that
    /// ended without saying how its run did.
    pub fn new(
        program: Program,
        setting: Setting,
        events: Arc<dyn EventPublisher>,
        lost: Arc<Notify>,
        chance: Chance,
    ) -> Self {
        let (executions, kill) = (Executions::new(chance), CancellationToken::new());
        Self { program, setting, events, executions, lost, kill }
    }

    /// Tells every child to stop and waits for them, at most so long; then kills those that are left and waits
    /// for these.
    pub async fn stop(&self, within: Duration) {
        let running = self.executions.stop(within).await;
        if running > 0 {
            tracing::warn!(running, "executions that did not stop in time are killed");
            self.kill.cancel();
            self.executions.tracker.wait().await;
        }
    }

    fn spawn(&self) -> Result<Child, PortError> {
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.args)
            .arg0("headgate")
            // The operator's key is none of a run's business.
            .env_remove("HEADGATE_ADMIN_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Ctrl-C is for the parent, which lets its children end.
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|error| {
            let program = self.program.path.display();
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                    PortError::other(format!("starting {program}"), error)
                }
                // Too many processes or open files, no memory: it may pass.
                _ => PortError::Unavailable(format!("starting {program}: {error}")),
            }
        })
    }
}

#[async_trait]
impl JobLauncher for ProcessLauncher {
    async fn launch(&self, launch: &Launch) -> Result<String, PortError> {
        let listed = self.executions.begin()?;
        let execution = listed.id.clone();
        let mut order =
            serde_json::to_string(&Order::new(listed.assignment(launch), &self.setting))
                .map_err(|error| PortError::other("the order of a child process", error))?;
        order.push('\n');
        // One that is started does nothing before it has its order, which none has where this fails.
        let child = self.spawn()?;
        let span = tracing::info_span!(
            parent: None,
            "process",
            tenant.id = %launch.tenant_id,
            run.id = %launch.run_id,
            attempt = launch.attempt,
            process.pid = child.id(),
        );
        let guarded = Guarded {
            order,
            timeout: launch.timeout,
            kill: self.kill.clone(),
            events: Arc::clone(&self.events),
        };
        let lost = Arc::clone(&self.lost);
        let work = async move {
            tracing::info!("the execution is a process");
            let status = guarded.attend(child, &listed).await;
            let is_stopping = listed.executions.stopping.is_cancelled();
            // Ended for whoever asks, before anybody is sent to ask.
            drop(listed);
            if !says_how(status) && !is_stopping {
                lost.notify_one();
            }
        };
        tokio::spawn(work.instrument(span));
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

/// What a child's parent needs beside it.
struct Guarded {
    order: String,
    timeout: Duration,
    kill: CancellationToken,
    events: Arc<dyn EventPublisher>,
}

impl Guarded {
    /// Stays with a child until it has ended and all it said is heard.
    async fn attend(self, mut child: Child, listed: &Listed) -> Option<ExitStatus> {
        let Self { order, timeout, kill, events } = self;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let ended = async {
            tokio::select! {
                status = child.wait() => return status,
                never = tell(stdin, order, &listed.stop) => match never {},
                () = tokio::time::sleep(timeout) => {
                    tracing::error!(?timeout, "execution ended from outside");
                }
                () = kill.cancelled() => {}
            }
            child.kill().await?;
            child.wait().await
        };
        let (status, ()) = tokio::join!(ended, hear(stdout, &*events));
        match &status {
            Ok(status) if says_how(Some(*status)) => {
                tracing::debug!(%status, "the process has ended");
            }
            Ok(status) => tracing::warn!(%status, "the process has ended"),
            Err(error) => tracing::error!(%error, "the process cannot be waited for"),
        }
        status.ok()
    }
}

/// Whether the run's row says how the run ended, and `run.finished` was published.
fn says_how(status: Option<ExitStatus>) -> bool {
    let code = status.and_then(|status| status.code());
    [Exit::Done, Exit::Template].iter().any(|exit| code == Some(exit.code().into()))
}

/// Gives a child its order and, once it is to stop, says so. Never returns: the end of what a child reads tells
/// it that its parent is dead.
async fn tell(stdin: Option<ChildStdin>, order: String, stop: &CancellationToken) -> Infallible {
    if let Some(mut stdin) = stdin {
        let told = async {
            stdin.write_all(order.as_bytes()).await?;
            stop.cancelled().await;
            stdin.write_all(format!("{STOP}\n").as_bytes()).await
        };
        // It has ended, which is being waited for.
        if let Err(error) = told.await {
            tracing::debug!(%error, "the process does not listen any more");
        }
        std::future::pending::<()>().await;
    }
    std::future::pending().await
}

/// Publishes what a child says until it says no more.
async fn hear(stdout: Option<ChildStdout>, events: &dyn EventPublisher) {
    let Some(stdout) = stdout else { return };
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = match lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "the process cannot be heard any more"),
        };
        let said = match serde_json::from_str(&line) {
            Ok(event) => events.publish(&[event]).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        // The reaper finds the same without it, only later.
        if let Err(error) = said {
            tracing::warn!(error, "what the process said was not published");
        }
    }
}

#[cfg(test)]
mod tests;
