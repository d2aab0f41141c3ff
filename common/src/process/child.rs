//! A program as a child process, as tests start it: in an empty folder, with variables of its own alone, its log read
//! line by line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A started program; it is killed where it is dropped before it has ended.
pub struct Program {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    _folder: TempDir,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Json>>,
    came: Condvar,
}

impl Program {
    /// Starts the program at the absolute `path`. Its folder is empty, and of this process's variables it sees none.
    pub fn start<'v>(
        path: impl AsRef<Path>,
        variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(path.as_ref());
        command.env_clear().envs(variables).current_dir(folder.path());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let log = Arc::new(Log::default());
        let (stdout, written) = (child.stdout.take(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|out| BufReader::new(out).lines()).flatten() {
                let line = serde_json::from_str(&line).unwrap_or(Json::String(line));
                written.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                written.came.notify_all();
            }
        });
        Ok(Self { child, log, reader: Some(reader), _folder: folder })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines logged so far, each an object.
    pub fn log(&self) -> Vec<Json> {
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first line whose message is this, waited for.
    pub fn logged(&self, message: &str, within: Duration) -> Option<Json> {
        let until = Instant::now() + within;
        let find = |lines: &[Json]| lines.iter().find(|l| l["message"] == message).cloned();
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match find(&lines) {
                None if left.is_zero() => return None,
                None => {
                    let waited = self.log.came.wait_timeout(lines, left);
                    lines = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                found => return found,
            }
        }
    }

    /// Where the program serves, once it does.
    pub fn address(&self, within: Duration) -> Option<SocketAddr> {
        self.logged("serving", within)?["address"].as_str()?.parse().ok()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> io::Result<()> {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        if told.success() { Ok(()) } else { Err(io::Error::other("kill failed")) }
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        self.child.try_wait().map(|status| status.is_some())
    }

    /// How the program ended, with all that it logged; an error where it has not after so long.
    pub fn ended(mut self, within: Duration) -> io::Result<(ExitStatus, Vec<Json>)> {
        let until = Instant::now() + within;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > until => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("{:?}", self.log()),
                    ));
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        // Its end closed what is read from.
        self.reader.take().map(JoinHandle::join);
        Ok((status, self.log()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended where it cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a server answers to a GET: head and body.
pub fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether the log tells each of these, in one line of an error.
pub fn tells(log: &[Json], names: &[&str]) -> bool {
    log.iter().any(|line| {
        let message = line["message"].as_str().unwrap_or_default();
        line["severity"] == "ERROR" && names.iter().all(|name| message.contains(name))
    })
}
