//! One whole deployment in one process: the functions on the embedded adapters, over one data folder.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use common::clock::{Chance, Clock};
use common::configs::Configs;
use common::events::EventPublisher;
use common::http::{self, Keyring};
use common::keys::Secret;
use common::port::PortError;
use common::state::tables::{self, CONTROL_DATASET};
use common::submit::{Gate, Policy};
use common::warehouse::Warehouse;
use pipeline::{Roots, Webhooks};
use scheduler::{reaper, tick};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::db::Db;
use crate::events::Deliveries;
use crate::events::mailbox::Mailbox;
use crate::jobs::order::Setting;
use crate::jobs::{Isolation, Launcher, ProcessLauncher, TaskLauncher};
use crate::keys::FileKeys;
use crate::state::SqliteState;
use crate::store::Store;
use crate::warehouse::{EmbeddedWarehouse, StateTable};
use crate::{admin, events};

/// The database of a data folder.
const DATABASE: &str = "headgate.db";
/// How often the scheduler ticks and the reaper passes; in the cloud each minute, or in five.
const TICK: Duration = Duration::from_secs(5);
/// How long running executions may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// The folder of everything that is kept.
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder where it is not there.
    pub fn open(path: &Path) -> Result<Self, PortError> {
        // Hashes of keys and every tenant's data lie there: nobody else's to read.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| PortError::other(format!("data folder {}", path.display()), e))?;
        Ok(Self(path.to_owned()))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database of the folder.
    pub fn db(&self) -> Result<Arc<Db>, PortError> {
        Db::open(&self.0.join(DATABASE)).map(Arc::new)
    }

    /// The warehouse of the folder, with the state's tables readable in it.
    pub fn warehouse(&self, clock: &Clock) -> Result<EmbeddedWarehouse, PortError> {
        let db = self.db()?;
        SqliteState::open(Arc::clone(&db), clock.clone())?;
        EmbeddedWarehouse::open(db, &self.0, state_tables()?, clock.clone())
    }

    /// The warehouse of a folder to look only, `None` where the folder holds no data: nothing is made or changed.
    pub fn look(path: &Path, clock: &Clock) -> Result<Option<EmbeddedWarehouse>, PortError> {
        let file = path.join(DATABASE);
        if !file.is_file() {
            return Ok(None);
        }
        let db = Arc::new(Db::open_read_only(&file)?);
        let tables = state_tables()?;
        Ok(Some(EmbeddedWarehouse::open_read_only(db, path, tables, clock.clone())))
    }

    /// Keeps a second server out: each would take the other's executions for dead.
    fn lock(&self) -> Result<File, PortError> {
        let path = self.0.join("serve.lock");
        let failed = |e: io::Error| PortError::other(format!("file {}", path.display()), e);
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(PortError::Conflict(format!(
                "another headgate serves {}; stop it, or give another --data-dir",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn state_tables() -> Result<Vec<StateTable>, PortError> {
    let of = |dataset| {
        move |(name, definition): tables::Named| StateTable {
            dataset,
            name: name.to_owned(),
            definition,
        }
    };
    let control = tables::control()?.into_iter().map(of(Some(CONTROL_DATASET)));
    Ok(control.chain(tables::tenant()?.into_iter().map(of(None))).collect())
}

/// What a node is told.
pub struct Settings {
    /// Where everything is kept.
    pub data_dir: DataDir,
    /// Plans and templates.
    pub configs: Configs,
    /// Where `load` steps may read.
    pub roots: Roots,
    /// Where `export` steps may write.
    pub export_roots: Roots,
    /// Where `notify` steps may send.
    pub webhooks: Webhooks,
    /// What webhooks are signed with: the key of `webhooks`.
    pub webhook_key: Secret,
    /// What operators send.
    pub admin_key: Secret,
    /// Where executions work.
    pub isolation: Isolation,
    /// Slots of all tenants together; `None` for no bound.
    pub max_running: Option<u32>,
    /// The present.
    pub clock: Clock,
    /// Keys, ids and tokens.
    pub chance: Chance,
}

/// The functions, composed.
pub struct Node {
    app: Router,
    options: http::Options,
    warehouse: Arc<dyn Warehouse>,
    scheduler: scheduler::Context,
    trigger: trigger::State,
    launcher: Launcher,
    lost: Arc<Notify>,
    events: Deliveries,
    _lock: File,
}

impl Node {
    /// Composes a node over a data folder that no other node serves, which keeps everything.
    pub fn open(settings: Settings) -> Result<Self, PortError> {
        let lock = settings.data_dir.lock()?;
        let store = Store::embedded(&settings.data_dir, &settings.clock)?;
        Self::compose(settings, store, lock)
    }

    /// Composes a node whose state and tables are elsewhere; the folder keeps keys and what waits to be delivered.
    pub fn over(settings: Settings, store: Store) -> Result<Self, PortError> {
        let lock = settings.data_dir.lock()?;
        Self::compose(settings, store, lock)
    }

    fn compose(settings: Settings, store: Store, lock: File) -> Result<Self, PortError> {
        let Settings {
            data_dir,
            configs,
            roots,
            export_roots,
            webhooks,
            webhook_key,
            admin_key,
            isolation,
            max_running,
            clock,
            chance,
        } = settings;
        let Store { tenants, ledger, runs, schedules, slots, warehouse } = store;
        let key_service = Arc::new(FileKeys::open(&data_dir.path().join("key"), chance.clone())?);
        let onboard = onboard::Config::new(configs.plans).deny_sources(&configs.templates);
        let templates = Arc::new(configs.templates);
        let (publisher, events) = events::channel(Mailbox::open(data_dir.db()?, clock.clone())?);
        let publisher: Arc<dyn EventPublisher> = Arc::new(publisher);
        let lost = Arc::new(Notify::new());
        let launcher = match isolation {
            Isolation::Tasks => {
                let job = pipeline::Context {
                    warehouse: warehouse.clone(),
                    runs: runs.clone(),
                    events: publisher.clone(),
                    catalog: Arc::clone(&templates),
                    roots: Arc::new(roots),
                    export_roots: Arc::new(export_roots),
                    webhooks: Arc::new(webhooks),
                    clock: clock.clone(),
                    chance: chance.clone(),
                };
                Launcher::Tasks(Arc::new(TaskLauncher::new(Arc::new(job), chance.clone())))
            }
            Isolation::Processes(program) => {
                let notify_hosts = webhooks.hosts();
                let setting =
                    Setting { templates: configs.files, roots, export_roots, notify_hosts };
                let (lost, chance) = (Arc::clone(&lost), chance.clone());
                let processes =
                    ProcessLauncher::new(program, setting, publisher.clone(), lost, chance);
                Launcher::Processes(Arc::new(processes))
            }
        };
        let gate = Gate {
            ledger: ledger.clone(),
            runs,
            jobs: launcher.port(),
            templates,
            clock: clock.clone(),
            chance: chance.clone(),
            policy: policy(max_running),
        };
        let operators = admin::operators(&admin_key);
        let onboard = onboard::State {
            tenants: tenants.clone(),
            ledger,
            warehouse: warehouse.clone(),
            key_service,
            webhook_key,
            operators: operators.clone(),
            config: Arc::new(onboard),
            clock: clock.clone(),
            chance: chance.clone(),
        };
        let trigger = trigger::State {
            gate: gate.clone(),
            keyring: Arc::new(Keyring::new(tenants, clock.clone())),
            schedules: schedules.clone(),
            slots: slots.clone(),
            pushers: operators.clone(),
        };
        let context = scheduler::Context {
            gate,
            warehouse: warehouse.clone(),
            schedules,
            slots,
            events: publisher,
        };
        let scheduler = scheduler::State {
            context: context.clone(),
            keyring: trigger.keyring.clone(),
            callers: scheduler::Callers::all(&operators),
            operators,
        };
        let app = onboard::app(onboard).merge(trigger::app(trigger.clone()));
        Ok(Self {
            app: app.merge(scheduler::app(scheduler)),
            options: http::Options::new(clock, chance),
            scheduler: context,
            trigger,
            warehouse,
            launcher,
            lost,
            events,
            _lock: lock,
        })
    }

    /// The warehouse, for what an operator does beside the routes.
    pub fn warehouse(&self) -> Arc<dyn Warehouse> {
        self.warehouse.clone()
    }

    /// Serves until `shutdown` is ready, then lets requests end and tells executions to stop.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let Self { app, options, scheduler, trigger, launcher, lost, events, .. } = self;
        // Ended with this call: dropping the set aborts them.
        let mut around = JoinSet::new();
        let Deliveries { finished, mailbox, came } = events;
        around.spawn(events::deliver_ends(finished, scheduler.clone()));
        around.spawn(events::deliver_requests(mailbox, came, trigger));
        around.spawn(ticks(scheduler.clone()));
        around.spawn(reap(scheduler, lost));
        let (stopping, broken) = (CancellationToken::new(), CancellationToken::new());
        let (told, stop) = (stopping.clone(), broken.clone());
        let served = async {
            let shutdown = async move {
                tokio::select! {
                    () = shutdown => {}
                    () = stop.cancelled() => {}
                }
                told.cancel();
            };
            let served = http::serve(listener, app, options, shutdown).await;
            // Also where the server ended by itself.
            stopping.cancel();
            served
        };
        // Requests drain while executions stop: both have the same seconds.
        let stopped = async {
            stopping.cancelled().await;
            launcher.stop(STOP_WITHIN).await;
        };
        // None of them ends by itself; without one of them runs would be accepted and left.
        let watched = async {
            if let Some(ended) = around.join_next().await {
                tracing::error!(?ended, "a part of the server broke: the server stops");
                broken.cancel();
            }
            std::future::pending::<()>().await;
        };
        let served = tokio::select! {
            (served, ()) = async { tokio::join!(served, stopped) } => served,
            () = watched => Ok(()),
        };
        if broken.is_cancelled() {
            return Err(io::Error::other("a part of the server broke; the log says which"));
        }
        served
    }
}

/// Everything is in this process: what has not happened after half a minute does not happen.
fn policy(max_running: Option<u32>) -> Policy {
    Policy {
        record_within: TimeDelta::seconds(30),
        start_within: TimeDelta::seconds(30),
        max_running,
        ..Policy::default()
    }
}

/// Ticks for as long as it is polled.
async fn ticks(scheduler: scheduler::Context) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        match tick::tick(&scheduler).await {
            Ok(ticked) if ticked.due > 0 => {
                tracing::info!(
                    due = ticked.due,
                    published = ticked.published,
                    skipped = ticked.skipped,
                    "scheduler ticked"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "tick failed; the next one makes up for it"),
        }
    }
}

/// Passes at every tick, and at once where an execution is known to be lost.
async fn reap(scheduler: scheduler::Context, lost: Arc<Notify>) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = lost.notified() => {}
        }
        match reaper::pass(&scheduler).await {
            Ok(report) if report.started > 0 || report.failed > 0 => {
                tracing::info!(started = report.started, failed = report.failed, "reaper passed");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "reaper failed; it passes again"),
        }
    }
}
