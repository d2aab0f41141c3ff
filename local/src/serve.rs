//! `headgate serve`: the whole deployment on one loopback port, until it is told to stop.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::clock::{Chance, Clock};
use common::keys::Secret;
use pipeline::{Roots, Webhooks};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Logging;
use crate::jobs::{Isolation, Program};
use crate::node::{DataDir, Node, Settings};
use crate::store::{Elsewhere, Opens};
use crate::{admin, configs, webhook_key};

/// What the command is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Folder of everything that is kept
    #[arg(long, default_value = "headgate-data")]
    pub data_dir: PathBuf,
    /// What operators send as X-Admin-Key; made and kept in the data folder unless given
    #[arg(long, env = "HEADGATE_ADMIN_KEY", hide_env_values = true)]
    pub admin_key: Option<String>,
    /// Folder that `load` steps may read below; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub source_root: Vec<String>,
    /// Folder that `export` steps may write below, with `{tenant_id}` as one of its parts, or `shared:DIR` for one
    /// that all tenants share; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub export_root: Vec<String>,
    /// Host that `notify` steps may send to, such as hooks.example.com, with :port where that is not 443; may be
    /// given more than once
    #[arg(long, value_name = "HOST")]
    pub notify_host: Vec<String>,
    /// Folder of plans.yml and templates, in place of those that ship with the binary
    #[arg(long, value_name = "DIR")]
    pub configs: Option<PathBuf>,
    /// Runs at once over all tenants, whose turns go round robin; 0 starts none and lets all that are let in wait
    #[arg(long, value_name = "N")]
    pub max_running: Option<u32>,
    /// Run each execution in a process of its own
    #[arg(long)]
    pub isolate: bool,
    /// Keep state and tables on a BigQuery emulator, such as `http://127.0.0.1:9050`, or on BigQuery itself; keys stay
    /// in the data folder, whose own tables `query` and `load` go on to read. Needs a build with `--features gcp`
    #[arg(long, value_name = "URL", conflicts_with = "isolate")]
    pub bigquery_endpoint: Option<String>,
    /// The project of the datasets there
    #[arg(long, value_name = "PROJECT", default_value = "local", requires = "bigquery_endpoint")]
    pub bigquery_project: String,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(args: Args, logging: &Logging, opens: Option<Opens>) -> anyhow::Result<()> {
    let (clock, chance) = (Clock::system(), Chance::system());
    let data_dir = DataDir::open(&args.data_dir)?;
    let (admin_key, made) = admin_key(args.admin_key, &data_dir, &chance)?;
    let webhook_key = webhook_key::key(data_dir.path(), &chance)?;
    let isolation = if args.isolate {
        Isolation::Processes(child(&args.data_dir, logging)?)
    } else {
        Isolation::Tasks
    };
    let settings = Settings {
        data_dir,
        configs: configs::read(args.configs.as_deref())?,
        roots: Roots::parse(&args.source_root)?,
        export_roots: Roots::parse_exports(&args.export_root)?,
        webhooks: Webhooks::new(&args.notify_host, webhook_key.clone())?,
        webhook_key,
        admin_key: admin_key.clone(),
        isolation,
        max_running: args.max_running,
        clock,
        chance,
    };
    let node = match &args.bigquery_endpoint {
        None => Node::open(settings)?,
        Some(endpoint) => over_bigquery(settings, endpoint, &args.bigquery_project, opens).await?,
    };
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.with_context(|| {
            format!("port {} cannot be listened on; give another with --port", args.port)
        })?;
    if made {
        println!("admin key, shown this once (kept in the data folder): {}", admin_key.expose());
    }
    let place = args.bigquery_endpoint.unwrap_or_else(|| args.data_dir.display().to_string());
    println!("headgate serves http://{} over {place}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    node.serve(listener, shutdown).await?;
    Ok(())
}

/// A node whose state and tables are on BigQuery.
async fn over_bigquery(
    settings: Settings,
    endpoint: &str,
    project: &str,
    opens: Option<Opens>,
) -> anyhow::Result<Node> {
    let opens = opens.with_context(|| {
        format!(
            "this build has no adapter of BigQuery; run cargo run --features gcp -- serve \
             --bigquery-endpoint {endpoint} --bigquery-project {project}"
        )
    })?;
    let elsewhere = Elsewhere {
        settings: common::settings::BigQuery {
            project: project.to_owned(),
            location: "US".to_owned(),
            endpoint: Some(endpoint.to_owned()),
        },
        clock: settings.clock.clone(),
        chance: settings.chance.clone(),
    };
    let store = opens(elsewhere).await.with_context(|| {
        format!("BigQuery at {endpoint}; is it there, and is {project} its project?")
    })?;
    Ok(Node::over(settings, store)?)
}

/// How a child process is started: as this program over the same folder, logging as this process does.
fn child(data_dir: &Path, logging: &Logging) -> anyhow::Result<Program> {
    // Not the file's name where that can be helped: another build may have taken its place meanwhile.
    let this = PathBuf::from("/proc/self/exe");
    let path = if this.exists() { this } else { std::env::current_exe()? };
    let mut args = logging.args();
    args.extend(["execute".into(), "--data-dir".into(), std::path::absolute(data_dir)?.into()]);
    Ok(Program { path, args })
}

/// The key given, or the data folder's and whether it was made now.
fn admin_key(
    given: Option<String>,
    data_dir: &DataDir,
    chance: &Chance,
) -> anyhow::Result<(Secret, bool)> {
    match given {
        Some(key) => {
            anyhow::ensure!(!key.is_empty(), "the admin key is empty: anybody could send it");
            Ok((Secret::new(key), false))
        }
        None => Ok(admin::key(data_dir.path(), chance)?),
    }
}
