//! `kill -9` of an execution's process at twenty points of a run, for each write mode: the run ends, its slot
//! is free, a reader sees the old rows or the new ones, and the next run makes what it would have made anyway.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::warehouse::Value;
use local::warehouse::EmbeddedWarehouse;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::executions::Execution;
use super::seed;
use super::watch::{self, Watch};
use crate::process::{PATIENCE, until};
use crate::server::{Server, Tenant};

/// Rows and their sum, by day and by the mark of the run that wrote them.
type Table = BTreeMap<(String, i64), (i64, i64)>;

/// A write mode under test. To add one, add it to [`MODES`].
struct Mode {
    /// The template, and the tenant that runs it.
    name: &'static str,
    /// The tenant whose process is killed as soon as it is there.
    born: &'static str,
    /// As a template says it.
    yaml: &'static str,
    /// The days that a run after the first writes.
    days: (&'static str, &'static str),
    /// What the table holds once `new` is written over it.
    effect: fn(&Table, &Table) -> Table,
}

const MODES: [Mode; 5] = [
    Mode {
        name: "replace",
        born: "replace_born",
        yaml: "replace",
        days: ALL,
        effect: |_, new| new.clone(),
    },
    Mode {
        name: "append",
        born: "append_born",
        yaml: "{append: {allow_duplicates: true}}",
        days: ALL,
        effect: |old, new| old.iter().chain(new).map(|(k, v)| (k.clone(), *v)).collect(),
    },
    Mode {
        name: "overwrite",
        born: "overwrite_born",
        yaml: "{overwrite_partition: {from: \"@date\", to: \"@end_date\"}}",
        days: SOME,
        effect: days_replaced,
    },
    Mode {
        name: "append_new",
        born: "append_new_born",
        yaml: "{append: {dedup_key: [day, n, mark]}}",
        days: SOME,
        effect: |old, new| old.iter().chain(new).map(|(k, v)| (k.clone(), *v)).collect(),
    },
    Mode {
        name: "merge",
        born: "merge_born",
        yaml: "{merge: {keys: [day, n]}}",
        days: SOME,
        // A run writes the same keys on a day each time.
        effect: days_replaced,
    },
];

/// Every day of the seed.
const ALL: (&str, &str) = ("2025-11-01", "2025-11-10");
/// Some of them.
const SOME: (&str, &str) = ("2025-11-03", "2025-11-08");

/// The days of the new rows are theirs.
fn days_replaced(old: &Table, new: &Table) -> Table {
    let replaced = |day: &String| new.keys().any(|(d, _)| d == day);
    let kept = old.iter().filter(|((day, _), _)| !replaced(day));
    kept.chain(new).map(|(k, v)| (k.clone(), *v)).collect()
}

/// When an execution's process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// It is there; it has perhaps not claimed the run.
    Born,
    /// It has claimed the run.
    Claimed,
    /// A part of the time from the claim to the end of a run left alone, in per cent.
    Part(u32),
    /// A file of the new rows is there; they are not committed.
    FileSeen,
    /// The new rows are there; perhaps nothing says so.
    Committed,
    /// The writing step is logged; the check is not.
    Logged,
    /// The run's row is final; perhaps nobody was told.
    Ended,
}

const MOMENTS: [Moment; 19] = [
    Moment::Claimed,
    Moment::Part(5),
    Moment::Part(12),
    Moment::Part(19),
    Moment::Part(26),
    Moment::Part(33),
    Moment::Part(40),
    Moment::FileSeen,
    Moment::Part(47),
    Moment::Part(54),
    Moment::Part(60),
    Moment::Part(66),
    Moment::Part(72),
    Moment::Committed,
    Moment::Part(78),
    Moment::Part(84),
    Moment::Logged,
    Moment::Part(92),
    Moment::Ended,
];

fn template(mode: &Mode) -> (&'static str, String) {
    let text = format!(
        "description: Writes rows that carry the run's mark.
parameters:
  mark: {{type: INT64, required: true}}
  date: {{type: DATE, required: true}}
  end_date: {{type: DATE, required: true}}
steps:
  - id: write
    type: sql
    query: |
      SELECT a.day, a.n * 1000 + b.n AS n, @mark AS mark
      FROM seed AS a CROSS JOIN seed AS b
      WHERE MOD(a.n + b.n, 100) = 0 AND b.n < 400 AND a.day BETWEEN @date AND @end_date
    target: {{table: written, partition_by: day}}
    mode: {}
  - id: verify
    type: check
    depends_on: [write]
    table: written
    checks:
      - {{id: rows, severity: error, blocking: true, expect: {{not_null: {{columns: [day, n, mark]}}}}}}
",
        mode.yaml
    );
    (mode.name, text)
}

/// What a tenant's table holds; nothing where it is not there yet.
async fn table(warehouse: &EmbeddedWarehouse, tenant: &str) -> Table {
    let sql =
        format!("SELECT day, mark, COUNT(*), SUM(n) FROM {tenant}.written GROUP BY day, mark");
    let number = |value: &Value| match value {
        Value::Int64(n) => *n,
        other => panic!("no number: {other}"),
    };
    let rows = watch::rows(warehouse, &sql).await.unwrap_or_default();
    rows.iter()
        .map(|r| ((r[0].to_string(), number(&r[1])), (number(&r[2]), number(&r[3]))))
        .collect()
}

/// Reads a table again and again.
struct Reader {
    stop: CancellationToken,
    read: JoinHandle<Vec<Table>>,
}

impl Reader {
    fn start(watch: &Watch, tenant: &'static str) -> Self {
        let (stop, warehouse) = (CancellationToken::new(), watch.warehouse());
        let stopped = stop.clone();
        let read = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            let mut seen = Vec::new();
            loop {
                // The last look begins after it was told to stop: it sees all that was there by then.
                let last = stopped.is_cancelled();
                seen.push(table(&warehouse, tenant).await);
                seen.dedup();
                if last {
                    return seen;
                }
                tick.tick().await;
            }
        });
        Self { stop, read }
    }

    /// What it saw, one after the other: two states at most.
    async fn stop(self) -> Vec<Table> {
        self.stop.cancel();
        let seen = self.read.await.unwrap();
        assert!((1..=2).contains(&seen.len()), "{seen:?}");
        seen
    }
}

/// A tenant with its table, and how runs change it.
struct Target<'a> {
    server: &'a Server,
    watch: &'a Watch,
    data: &'a Path,
    mode: &'a Mode,
    tenant: Tenant,
    /// What one run writes, under the mark 0.
    once: Table,
}

impl Target<'_> {
    async fn table(&self) -> Table {
        table(&self.watch.warehouse(), self.tenant.id).await
    }

    /// What a run with this mark writes.
    fn written(&self, mark: i64, (from, to): (&str, &str)) -> Table {
        let written = self.once.iter().filter(|((day, _), _)| (from..=to).contains(&day.as_str()));
        written.map(|((day, _), rows)| ((day.clone(), mark), *rows)).collect()
    }

    async fn trigger(&self, mark: i64, (from, to): (&str, &str)) -> String {
        let params = json!({"mark": mark, "date": from, "end_date": to});
        // Answered RUNNING: the slot was free.
        self.server.trigger(&self.tenant, &format!("gcp/cost/{}", self.mode.name), &params).await
    }

    async fn completes(&self, mark: i64, days: (&str, &str)) -> Json {
        let run_id = self.trigger(mark, days).await;
        let run = self.server.settled(&self.tenant, &run_id).await;
        assert_eq!(run["status"], "COMPLETED", "{run}");
        run
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.data.join("tables").join(self.tenant.id).join("written");
        let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
        files.map(|file| file.unwrap().path()).collect()
    }

    /// Kills a run's process at a moment and answers how the run ended; then lets another run to its end.
    async fn kill_at(&self, moment: Moment, mark: i64, usual: Duration) -> Json {
        let days = self.mode.days;
        let (old, files) = (self.table().await, self.files());
        let new = (self.mode.effect)(&old, &self.written(mark, days));
        let reader = Reader::start(self.watch, self.tenant.id);
        let run_id = self.trigger(mark, days).await;
        let process = Execution::of(self.server, &run_id).await;
        let mut claimed = None;
        let come = until("the moment to kill", PATIENCE, async || {
            if claimed.is_none() && self.watch.is_claimed(&run_id) {
                claimed = Some(Instant::now());
            }
            let over = self.watch.is_ended(&run_id);
            let has_come = match moment {
                Moment::Born => true,
                Moment::Claimed => claimed.is_some(),
                Moment::Part(part) => claimed.is_some_and(|at| at.elapsed() >= usual * part / 100),
                Moment::FileSeen => self.files().iter().any(|file| !files.contains(file)),
                Moment::Committed => self.watch.is_written(&run_id),
                Moment::Logged => self.watch.is_logged(&run_id),
                Moment::Ended => over,
            };
            (has_come || over).then_some(())
        });
        come.await;
        let met = process.kill(self.server);

        let run = self.server.settled(&self.tenant, &run_id).await;
        process.gone().await;
        let left = self.table().await;
        for seen in reader.stop().await {
            assert!(
                seen == old || seen == left,
                "{moment:?}: {seen:?} between {old:?} and {left:?}"
            );
        }
        match run["status"].as_str().unwrap() {
            "COMPLETED" => assert!(left == new, "{moment:?}: {run}"),
            "FAILED" => {
                assert_eq!(run["failure_kind"], "LOST", "{moment:?}: {run}");
                assert!(left == old || left == new, "{moment:?}: {run}");
            }
            other => panic!("{moment:?}: {other}"),
        }
        if matches!(moment, Moment::Committed | Moment::Logged | Moment::Ended) {
            assert!(left == new, "{moment:?}: what took effect stays");
        }
        println!(
            "{}: {moment:?}: met {met}, attempt {}, {}, {} rows",
            self.tenant.id,
            run["attempt"],
            run["status"],
            if left == new { "new" } else { "old" }
        );
        let again = mark + 1;
        self.completes(again, days).await;
        let table = self.table().await;
        assert!(
            table == (self.mode.effect)(&left, &self.written(again, days)),
            "{moment:?}: {table:?}"
        );
        run
    }
}

/// The tenant whose run is left alone first, and how long that takes from its claim to its end.
async fn main_target<'a>(
    server: &'a Server,
    watch: &'a Watch,
    folder: &Path,
    data: &'a Path,
    mode: &'a Mode,
) -> (Target<'a>, Duration) {
    let tenant = seed::tenant(server, folder, mode.name).await;
    let mut target = Target { server, watch, data, mode, tenant, once: Table::new() };
    target.completes(0, ALL).await;
    target.once = target.table().await;
    let rows: i64 = target.once.values().map(|(rows, _)| rows).sum();
    assert_eq!(rows, i64::from(seed::ROWS) * 400 / 100);
    let old = target.table().await;
    // Read meanwhile, as those that are killed are.
    let reader = Reader::start(watch, mode.name);
    let run = target.completes(1, mode.days).await;
    let left = reader.stop().await;
    assert_eq!(left.last(), Some(&(mode.effect)(&old, &target.written(1, mode.days))));
    let usual = watch.worked(run["pipeline_logging_id"].as_str().unwrap());
    (target, usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_killed_at_any_moment_leaves_whole_rows_and_a_free_slot() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let configs = seed::configs(folder, &MODES.each_ref().map(template));
    let with = ["--isolate", "--configs", configs.to_str().unwrap()];
    let server = Server::start(&data, &with).await;
    let watch = Watch::open(&data);
    let began = Instant::now();
    let mut targets = Vec::new();
    for mode in &MODES {
        targets.push(main_target(&server, &watch, folder, &data, mode).await);
    }
    let mut born = Vec::new();
    for (target, _) in &targets {
        let tenant = seed::tenant(&server, folder, target.mode.born).await;
        born.push(Target { tenant, once: target.once.clone(), ..*target });
    }
    // Nobody has claimed these runs: they are launched again after a while, in which the others go on.
    let born = futures::future::join_all(born.iter().map(|t| t.kill_at(Moment::Born, 0, PATIENCE)));
    let others = async {
        let mut ends = Vec::new();
        for (target, usual) in &targets {
            println!("{}: {usual:?} from claim to end", target.mode.name);
            for (at, moment) in (1..).zip(MOMENTS) {
                ends.push(target.kill_at(moment, at * 10, *usual).await);
            }
        }
        ends
    };
    let (born, others) = tokio::join!(born, others);
    let lost = others.iter().filter(|run| run["status"] == "FAILED").count();
    println!("{} points in {:?}, {lost} lost", born.len() + others.len(), began.elapsed());
    // Most of the moments lie inside a run, also on a machine that has other work.
    assert!(lost * 2 > others.len(), "{lost} of {} were met", others.len());
}
