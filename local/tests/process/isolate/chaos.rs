//! Two hundred runs of five tenants, by request and by schedule, while the server or one of its executions is
//! killed twenty times: none is lost, none is run twice, no slot stays taken and nothing runs for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::task::Poll;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::quota::EntryState;
use common::run::{FailureKind, Run, RunId, RunStatus};
use common::schedule::{CatchUp, ConfigId, CronSchedule, RetryPolicy, Schedule, SlotState};
use common::state::{Created, Ledger, Page, RunFilter, Runs, Schedules, Slots};
use common::tenant::{TenantId, UserId};
use common::warehouse::Value;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use local::node::DataDir;
use local::state::SqliteState;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::executions::children;
use super::seed;
use super::watch::Watch;
use crate::process::{PATIENCE, until};
use crate::server::{Server, Tenant};

const SEED: u64 = 3;
const KILLS: usize = 20;
const TENANTS: [&str; 5] = ["chaos_a", "chaos_b", "chaos_c", "chaos_d", "chaos_e"];
/// Each tenant's requests, and the slots of its schedule that nobody has seen when the server starts.
const TRIGGERS: u32 = 30;
const SLOTS: u32 = 10;
/// Requests under way at once.
const AT_ONCE: usize = 6;

/// Writes one row twice: a run that were worked on twice would show in either table.
fn template(name: &str, kind: &str) -> String {
    format!(
        "description: Adds the run's row to two tables.
parameters:
  mark: {{type: {kind}, required: true}}
steps:
  - id: first
    type: sql
    query: SELECT @mark AS mark
    target: {{table: {name}_first}}
    mode: {{append: {{allow_duplicates: true}}}}
  - id: second
    type: sql
    depends_on: [first]
    query: SELECT @mark AS mark
    target: {{table: {name}_second}}
    mode: {{append: {{allow_duplicates: true}}}}
"
    )
}

/// A schedule of every day at midnight, made so many days ago.
fn schedule(tenant: &str, now: DateTime<Utc>) -> Schedule {
    let made = now - TimeDelta::days(SLOTS.into());
    let cron = CronSchedule::parse("0 0 * * *").unwrap();
    let parameters = json!({"mark": "{{ slot_date }}"});
    Schedule {
        config_id: ConfigId(Uuid::new_v5(&Uuid::NAMESPACE_OID, tenant.as_bytes())),
        tenant_id: TenantId::parse(tenant).unwrap(),
        template: "gcp/cost/slots".parse().unwrap(),
        next_run_time: cron.next("UTC".parse().unwrap(), made),
        cron,
        zone: "UTC".parse().unwrap(),
        parameters: parameters.as_object().unwrap().clone(),
        is_active: true,
        priority: 100,
        catchup: CatchUp::All,
        max_catchup: 24,
        // A run that died may have written its rows, so a second one would add them again.
        retry: RetryPolicy { count: 0, backoff_seconds: 60 },
        retries: Vec::new(),
        created_by: UserId::parse("owner").unwrap(),
        fingerprint: None,
        revision: 1,
        created_at: made,
        updated_at: made,
    }
}

/// What the tenants' systems know of their requests.
struct Requests {
    /// Those without an answer, by tenant and key; each is sent again until it has one.
    unanswered: BTreeSet<(usize, u32)>,
    accepted: BTreeMap<(usize, u32), RunId>,
}

impl Requests {
    fn new() -> Self {
        let all =
            (0..TENANTS.len()).flat_map(|tenant| (1..=TRIGGERS).map(move |key| (tenant, key)));
        Self { unanswered: all.collect(), accepted: BTreeMap::new() }
    }

    fn answered(&mut self, key: (usize, u32), answer: Option<(u16, Json)>) {
        // Anything else has it sent again: the server is gone, or does not know yet.
        let Some((200 | 202, answer)) = answer else { return };
        self.unanswered.remove(&key);
        let run_id = answer["pipeline_logging_id"].as_str().unwrap().parse().unwrap();
        let before = self.accepted.insert(key, run_id);
        assert!(before.is_none_or(|before| before == run_id), "{key:?} became two runs");
    }

    /// Sends them, [`AT_ONCE`] at once, until `look` answers.
    async fn send_until<T>(
        &mut self,
        what: &str,
        server: &Server,
        tenants: &[Tenant],
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let (mut asked, mut sent) = (FuturesUnordered::new(), BTreeSet::new());
        let seen = until(what, PATIENCE, async || {
            while let Poll::Ready(Some((key, answer))) = futures::poll!(asked.next()) {
                sent.remove(&key);
                self.answered(key, answer);
            }
            let next = self.unanswered.iter().filter(|key| !sent.contains(*key));
            let next: Vec<_> = next.take(AT_ONCE - sent.len()).copied().collect();
            for key @ (tenant, mark) in next {
                sent.insert(key);
                asked.push(async move {
                    let (name, params) = (format!("key-{mark}"), json!({"mark": mark}));
                    let sent =
                        server.trigger_with(&tenants[tenant], "gcp/cost/asked", &name, &params);
                    (key, sent.await)
                });
            }
            look(self)
        })
        .await;
        // Those under way are answered, or cut off with the server.
        while let Some((key, answer)) = asked.next().await {
            self.answered(key, answer);
        }
        seen
    }
}

/// SIGKILL for the server, or for one of its executions; `None` where there is nobody to kill.
fn kill(server: &Server, whole: bool, rng: &mut StdRng) -> Option<()> {
    let mut processes = children(server);
    if processes.is_empty() {
        return None;
    }
    if whole {
        let mut kill = Command::new("kill");
        kill.args(["-s", "KILL", &server.id().to_string()]);
        return kill.status().unwrap().success().then_some(());
    }
    let child = processes.swap_remove(rng.random_range(0..processes.len()));
    child.kill(server).then_some(())
}

/// Every run that was accepted or came of a slot has ended, and its slot is free.
async fn check_ends(state: &SqliteState, requests: &Requests) -> BTreeMap<String, Run> {
    let mut ended = BTreeMap::new();
    let mut ends: BTreeMap<_, u32> = BTreeMap::new();
    for (index, name) in TENANTS.iter().enumerate() {
        let id = TenantId::parse(name).unwrap();
        let row = Ledger::row(state, &id).await.unwrap().unwrap();
        let open = |state| matches!(state, EntryState::Active | EntryState::Queued);
        assert!(!row.account.entries.iter().any(|entry| open(entry.state)), "{row:?}");
        let page = Page { after: None, limit: 10_000 };
        let runs = Runs::list(state, &id, &RunFilter::default(), page).await.unwrap();
        let (slots, asked): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|r| r.slot.is_some());
        let accepted = requests.accepted.iter().filter(|((tenant, _), _)| *tenant == index);
        let accepted: BTreeSet<RunId> = accepted.map(|(_, run)| *run).collect();
        assert_eq!(accepted, asked.iter().map(|run| run.run_id).collect(), "{name}");
        let records =
            state.newest_attempts(&id, schedule(name, DateTime::UNIX_EPOCH).config_id, 100);
        let records = records.await.unwrap();
        assert_eq!(u32::try_from(slots.len()), Ok(SLOTS), "{name}");
        assert_eq!(records.len(), slots.len(), "{name}");
        for record in records {
            let run = slots.iter().find(|run| run.run_id == record.key.run_id()).unwrap();
            assert_eq!(record.state, SlotState::of(run.status), "{record:?}");
        }
        for run in runs {
            assert!(run.status.is_final(), "{run:?}");
            let kind = run.ending.as_ref().unwrap().failure_kind;
            assert_eq!(run.status == RunStatus::Failed, kind.is_some(), "{run:?}");
            *ends.entry((run.status.as_str(), kind.map(FailureKind::as_str))).or_default() += 1;
            let mark = run.parameters["mark"]["value"].to_string();
            ended.insert(format!("{name} {}", mark.trim_matches('"')), run);
        }
    }
    println!("{ends:?}");
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_runs_outlive_twenty_kills_and_none_is_lost_or_run_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let templates = [("asked", template("asked", "INT64")), ("slots", template("slots", "DATE"))];
    let configs = seed::configs(folder, &templates);
    let with = ["--isolate", "--configs", configs.to_str().unwrap()];
    let began = Instant::now();
    let mut server = Server::start(&data, &with).await;
    let (watch, clock) = (Watch::open(&data), Clock::system());
    let state =
        SqliteState::open(DataDir::open(&data).unwrap().db().unwrap(), clock.clone()).unwrap();
    let mut tenants = Vec::new();
    for name in TENANTS {
        let tenant = server.onboard(name, "SCALE").await;
        tenants.push(tenant);
        let made = state.create_schedule(&schedule(name, clock.now()), 1).await.unwrap();
        assert_eq!(made, Created::Made);
    }
    let (mut requests, mut rng) = (Requests::new(), StdRng::seed_from_u64(SEED));
    let mut at = 0;
    for number in 1..=KILLS {
        at += rng.random_range(1..17);
        let whole = rng.random_bool(0.3);
        let look =
            |_: &Requests| (watch.ended() >= at).then(|| kill(&server, whole, &mut rng)).flatten();
        requests.send_until("somebody to kill", &server, &tenants, look).await;
        let who = if whole { "the server" } else { "an execution" };
        println!("{number}: {who} after {} ended, {:?}", watch.ended(), began.elapsed());
        if whole {
            server.kill();
            server = Server::start(&data, &with).await;
        }
    }
    let all = TENANTS.map(|_| TRIGGERS + SLOTS).iter().sum::<u32>();
    let look = |requests: &Requests| {
        (requests.unanswered.is_empty() && watch.ended() == all).then_some(())
    };
    requests.send_until("the end of all runs", &server, &tenants, look).await;
    for tenant in &tenants {
        until("free slots", PATIENCE, async || {
            let usage = server.usage(tenant).await;
            (usage["pipelines_running"] == 0).then_some(())
        })
        .await;
    }
    until("settled slots", PATIENCE, async || {
        for tenant in &tenants {
            let id = TenantId::parse(tenant.id).unwrap();
            if !state.open_attempts(&id).await.unwrap().is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;

    let ended = check_ends(&state, &requests).await;
    let mut written: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for name in TENANTS {
        for (table, step) in
            [("asked", "first"), ("asked", "second"), ("slots", "first"), ("slots", "second")]
        {
            let sql = format!(
                "SELECT CAST(mark AS STRING), COUNT(*) FROM {name}.{table}_{step} GROUP BY 1"
            );
            for row in watch.rows(&sql).await.unwrap() {
                let [Value::String(mark), Value::Int64(rows)] = &row[..] else { panic!("{row:?}") };
                written.insert((format!("{name} {mark}"), step), *rows);
            }
        }
    }
    assert!(written.values().all(|rows| *rows == 1), "run twice: {written:?}");
    for (mark, run) in &ended {
        if run.status == RunStatus::Completed {
            for step in ["first", "second"] {
                assert!(written.contains_key(&(mark.clone(), step)), "{mark}: {run:?}");
            }
        }
    }
    assert_eq!(u32::try_from(ended.len()), Ok(all));
    println!("{all} runs in {:?}", began.elapsed());
}
