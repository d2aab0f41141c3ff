//! Starts the binary, waits for it with a deadline, and leaves none behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

/// Longer than any command of these tests takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What tells the rows of `gcp_cost_daily` apart.
pub(crate) const BILLING_GRAIN: &str =
    "usage_date, project_id, service_id, sku_id, region, currency, cost_type";

/// Looks until something is there; panics once that takes too long.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let seen = tokio::time::timeout(within, async {
        loop {
            tick.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    });
    seen.await.unwrap_or_else(|_| panic!("not seen within {within:?}: {what}"))
}

/// A process of the binary, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    said: TempDir,
}

/// What a process that has ended leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts the binary, its output kept in files so that no pipe can fill, no setting of ours in its
    /// environment.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let said = tempfile::tempdir().unwrap();
        let keep = |name: &str| Stdio::from(File::create(said.path().join(name)).unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(args).stdin(Stdio::null()).stdout(keep("out")).stderr(keep("err"));
        for setting in ["HEADGATE_LOG", "HEADGATE_LOG_FORMAT", "HEADGATE_ADMIN_KEY"] {
            command.env_remove(setting);
        }
        Self { child: command.spawn().unwrap(), said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.said.path().join("out")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.said.path().join("err")).unwrap()
    }

    /// How it ended, if it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) async fn ended(mut self, within: Duration) -> Ended {
        let status = until("the process's end", within, async || self.status()).await;
        Ended { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// SIGKILL: it cannot do anything about it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end.
pub(crate) async fn headgate<S: AsRef<std::ffi::OsStr>>(
    args: impl IntoIterator<Item = S>,
) -> Ended {
    Process::start(args).ended(PATIENCE).await
}

/// `headgate query --format json` over a folder, which must succeed.
pub(crate) async fn rows(folder: &Path, sql: &str) -> Vec<Json> {
    let folder = folder.to_str().unwrap();
    let ended = headgate(["query", sql, "--data-dir", folder, "--format", "json"]).await;
    assert_eq!(ended.code, Some(0), "{sql}: {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Loads the sample of a billing export into a tenant's dataset by `headgate load`.
pub(crate) async fn load_billing_export(folder: &Path, tenant: &str) {
    let (table, folder) = (format!("{tenant}.gcp_billing_export"), folder.to_str().unwrap());
    let [file, schema] = ["ndjson", "schema.json"].map(|ending| {
        let path = repository(&format!("configs/samples/gcp_billing_export.{ending}"));
        path.to_str().unwrap().to_owned()
    });
    let ended = headgate(["load", &table, &file, "--schema", &schema, "--data-dir", folder]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, format!("5225 rows loaded into {table}\n"));
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
