//! `headgate execute`: one execution in a process of its own, held by `headgate serve --isolate`.
//!
//! [`crate::jobs::order`] says how the two talk.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use common::clock::{Chance, Clock};
use common::events::{Event, EventPublisher};
use common::pipeline::{Catalog, Diagnostic};
use common::port::PortError;
use pipeline::webhooks::InvalidHost;
use pipeline::{Context, Exit, Webhooks};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::jobs::order::{Order, STOP, Setting};
use crate::node::DataDir;
use crate::state::SqliteState;
use crate::webhook_key;

/// What the command is told beside its order.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of everything that is kept
    #[arg(long)]
    pub data_dir: PathBuf,
}

/// Why an execution cannot begin.
#[derive(Debug, thiserror::Error)]
enum Unable {
    #[error(
        "the order on the standard input cannot be read: {0}; headgate serve --isolate writes it"
    )]
    Order(#[from] serde_json::Error),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<Diagnostic>),
    #[error(transparent)]
    Host(#[from] InvalidHost),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("the process cannot listen: {0}")]
    Process(#[from] std::io::Error),
}

impl Unable {
    fn exit(&self) -> Exit {
        match self {
            Self::Port(error) if error.retryable() => Exit::Temporary,
            Self::Order(_) | Self::Templates(_) | Self::Host(_) | Self::Port(_) => {
                Exit::Configuration
            }
            Self::Process(_) => Exit::Temporary,
        }
    }
}

/// Runs the execution that the standard input names.
pub async fn run(args: &Args) -> Exit {
    match execute(args).await {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(%error, "the execution cannot begin");
            error.exit()
        }
    }
}

async fn execute(args: &Args) -> Result<Exit, Unable> {
    let stop = CancellationToken::new();
    let Some(order) = listen(stop.clone())?.await.ok() else { return Ok(Exit::Temporary) };
    let (assignment, setting) = serde_json::from_str::<Order<Setting>>(&order)?.into_parts();
    let context = compose(&args.data_dir, setting)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let work = pipeline::execute(&context, &assignment, stop.clone());
    tokio::pin!(work);
    tokio::select! {
        exit = &mut work => return Ok(exit),
        _ = terminate.recv() => stop.cancel(),
    }
    Ok(work.await)
}

/// Reads the standard input on a thread that does nothing else, so that no work can hold it up: the first line
/// is answered, a later one may cancel `stop`, and its end ends the process.
fn listen(stop: CancellationToken) -> std::io::Result<oneshot::Receiver<String>> {
    let (sender, order) = oneshot::channel();
    let listening = move || {
        let mut lines = std::io::stdin().lock().lines();
        if let Some(Ok(line)) = lines.next() {
            // Whoever does not want it any more is leaving.
            drop(sender.send(line));
        }
        while let Some(Ok(line)) = lines.next() {
            if line == STOP {
                stop.cancel();
            }
        }
        // Nobody holds the other end: what is under way is left to the parent's next boot.
        std::process::exit(Exit::Temporary.code().into());
    };
    std::thread::Builder::new().name("parent".to_owned()).spawn(listening)?;
    Ok(order)
}

fn compose(data_dir: &Path, setting: Setting) -> Result<Context, Unable> {
    let (clock, chance) = (Clock::system(), Chance::system());
    let data_dir = DataDir::open(data_dir)?;
    let webhooks =
        Webhooks::new(setting.notify_hosts, webhook_key::key(data_dir.path(), &chance)?)?;
    Ok(Context {
        warehouse: Arc::new(data_dir.warehouse(&clock)?),
        runs: Arc::new(SqliteState::open(data_dir.db()?, clock.clone())?),
        events: Arc::new(ToParent),
        catalog: Arc::new(Catalog::from_files(setting.templates).map_err(Unable::Templates)?),
        roots: Arc::new(setting.roots),
        export_roots: Arc::new(setting.export_roots),
        webhooks: Arc::new(webhooks),
        clock,
        chance,
    })
}

/// Events as lines of the standard output.
struct ToParent;

#[async_trait]
impl EventPublisher for ToParent {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        let mut lines = Vec::new();
        for event in events {
            serde_json::to_writer(&mut lines, event)
                .map_err(|e| PortError::other("an event", e))?;
            lines.push(b'\n');
        }
        let mut out = std::io::stdout().lock();
        out.write_all(&lines)
            .and_then(|()| out.flush())
            .map_err(|e| PortError::Unavailable(format!("the parent does not listen: {e}")))
    }
}
