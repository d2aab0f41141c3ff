use std::sync::Mutex;

use common::events::Event;
use common::run::RunId;
use common::tenant::TenantId;
use futures::FutureExt;
use pipeline::Roots;

use super::*;

/// Longer than a shell takes to begin and end on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

#[async_trait]
impl EventPublisher for Heard {
    async fn publish(&self, events: &[Event]) -> Result<(), PortError> {
        self.0.lock().unwrap().extend_from_slice(events);
        Ok(())
    }
}

struct Parent {
    launcher: ProcessLauncher,
    heard: Arc<Heard>,
    lost: Arc<Notify>,
}

impl Parent {
    /// Whose children are shells that run `script` over `args`.
    fn of(script: &str, args: &[&str]) -> Self {
        let args = ["-c", script, "headgate"].iter().chain(args).map(OsString::from).collect();
        Self::starting(Program { path: "/bin/sh".into(), args })
    }

    fn starting(program: Program) -> Self {
        let (heard, lost) = (Arc::new(Heard::default()), Arc::new(Notify::new()));
        let chance = Chance::seeded(1);
        let launcher =
            ProcessLauncher::new(program, setting(), heard.clone(), lost.clone(), chance);
        Self { launcher, heard, lost }
    }

    async fn ended(&self, execution: &str) {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        let ended = async {
            while self.launcher.state(execution).await.unwrap() == ExecutionState::Running {
                tick.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the child's end");
    }

    /// Whether the reaper has been woken since the last question.
    fn woke_the_reaper(&self) -> bool {
        self.lost.notified().now_or_never().is_some()
    }
}

fn setting() -> Setting {
    let file = ("gcp/cost/one.yml".to_owned(), "description: \"One\"\n".to_owned());
    let roots = Roots::parse(["/", "gs://bucket/{tenant_id}/"]).unwrap();
    Setting { templates: vec![file], roots, ..Setting::default() }
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn launch() -> Launch {
    let run_id = RunId(Chance::seeded(7).uuid());
    Launch { tenant_id: acme(), run_id, attempt: 2, timeout: PATIENCE }
}

#[tokio::test]
async fn a_child_is_given_its_order_and_heard_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order");
    let Launch { tenant_id, run_id, attempt, .. } = launch();
    let event = Event::RunFinished { tenant_id, run_id, attempt };
    let said = serde_json::to_string(&event).unwrap();
    let script =
        r#"read -r order; printf %s "$order" >"$1"; printf '%s\nno event\n%s\n' "$2" "$2""#;
    let parent = Parent::of(script, &[file.to_str().unwrap(), &said]);
    let execution = parent.launcher.launch(&launch()).await.unwrap();
    parent.ended(&execution).await;

    let order: Order<Setting> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (assignment, told) = order.into_parts();
    assert_eq!(told, setting());
    let wanted = pipeline::Assignment { tenant_id: acme(), run_id, attempt, execution };
    assert_eq!(assignment, wanted);
    assert_eq!(*parent.heard.0.lock().unwrap(), [event.clone(), event]);
}

#[tokio::test]
async fn who_ends_without_saying_how_wakes_the_reaper() {
    for (end, wakes) in [
        ("exit 0", false),
        ("exit 65", false),
        ("exit 64", true),
        ("exit 70", true),
        ("exit 75", true),
        ("kill -9 $$", true),
    ] {
        let parent = Parent::of(&format!("read -r order; {end}"), &[]);
        let execution = parent.launcher.launch(&launch()).await.unwrap();
        parent.ended(&execution).await;
        assert_eq!(parent.woke_the_reaper(), wakes, "{end}");
    }
}

#[tokio::test]
async fn a_cancellation_is_a_line() {
    let parent = Parent::of(r#"read -r order; read -r word; [ "$word" = stop ]"#, &[]);
    let first = parent.launcher.launch(&launch()).await.unwrap();
    let second = parent.launcher.launch(&launch()).await.unwrap();
    parent.launcher.cancel(&first).await.unwrap();
    parent.ended(&first).await;
    assert!(!parent.woke_the_reaper(), "it was not asked to stop");
    assert_eq!(parent.launcher.state(&second).await.unwrap(), ExecutionState::Running);
    // Those of another boot.
    assert_eq!(parent.launcher.state("boot/1").await.unwrap(), ExecutionState::Ended);
    parent.launcher.cancel("boot/1").await.unwrap();
    parent.launcher.stop(PATIENCE).await;
    assert_eq!(parent.launcher.state(&second).await.unwrap(), ExecutionState::Ended);
}

#[tokio::test]
async fn a_child_is_killed_when_its_time_is_over() {
    let parent = Parent::of("exec sleep 600", &[]);
    let launch = Launch { timeout: Duration::from_millis(50), ..launch() };
    let execution = parent.launcher.launch(&launch).await.unwrap();
    parent.ended(&execution).await;
    assert!(parent.woke_the_reaper());
}

#[tokio::test]
async fn who_does_not_stop_in_time_is_killed_and_nobody_begins_any_more() {
    let parent = Parent::of("exec sleep 600", &[]);
    let deaf = parent.launcher.launch(&launch()).await.unwrap();
    let stopped = parent.launcher.stop(Duration::from_millis(50));
    tokio::time::timeout(PATIENCE, stopped).await.expect("nobody is left");
    assert_eq!(parent.launcher.state(&deaf).await.unwrap(), ExecutionState::Ended);
    assert!(!parent.woke_the_reaper(), "the next boot's reaper settles it");
    let refused = parent.launcher.launch(&launch()).await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_for_good() {
    for path in ["/nowhere/headgate", "/"] {
        let parent = Parent::starting(Program { path: path.into(), args: Vec::new() });
        let refused = parent.launcher.launch(&launch()).await.unwrap_err();
        assert!(!refused.retryable() && refused.to_string().contains(path), "{refused}");
        assert!(parent.launcher.executions.running().is_empty());
    }
}
