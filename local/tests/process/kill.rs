//! `kill -9` at any moment of a run: a table shows the old rows or the new ones, whole, and nothing stays stuck.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::process::{BILLING_GRAIN, PATIENCE, load_billing_export, repository, rows, until};
use super::server::{Server, Tenant};

const TEMPLATE: &str = "gcp/cost/billing";

/// When a server is killed, counted from the answer to a trigger.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// At once: the execution has perhaps not claimed the run.
    Answered,
    /// A part of the time that the writing step took in a run left alone, in per cent.
    Step(u32),
    /// A file of the new rows is there; whether it is committed is open.
    FileSeen,
    /// The writing step is logged, the checks are not.
    StepLogged,
}

/// What the table holds when a run has written it: the mark is in every row.
struct Reference(Vec<Json>);

impl Reference {
    /// The mark of the run that wrote the table. All of it must be of one run.
    async fn mark(&self, data: &Path) -> i64 {
        let written = table(data).await;
        let mark = written[0]["mark"].as_i64().unwrap();
        let expected = self.0.iter().map(|row| {
            let mut row = row.clone();
            row["mark"] = mark.into();
            row
        });
        assert!(expected.eq(written), "the rows of run {mark} are not whole");
        mark
    }
}

async fn table(data: &Path) -> Vec<Json> {
    rows(data, &format!("SELECT * FROM acme.gcp_cost_daily ORDER BY {BILLING_GRAIN}")).await
}

/// The shipped template, but that its rows tell which run wrote them.
fn marked(folder: &Path) {
    let read = |path: &str| std::fs::read_to_string(repository("configs").join(path)).unwrap();
    let mut template = read("gcp/cost/billing.yml");
    for (shipped, with_mark) in [
        ("parameters:\n", "parameters:\n  mark: {type: INT64, required: true}\n"),
        ("COUNT(*) AS line_items\n", "COUNT(*) AS line_items,\n        MAX(@mark) AS mark\n"),
    ] {
        assert_eq!(template.matches(shipped).count(), 1, "{shipped}");
        template = template.replace(shipped, with_mark);
    }
    std::fs::create_dir_all(folder.join("gcp/cost")).unwrap();
    std::fs::write(folder.join("gcp/cost/billing.yml"), template).unwrap();
    std::fs::write(folder.join("plans.yml"), read("plans.yml")).unwrap();
}

fn parameters(mark: i64) -> Json {
    json!({"date": "2025-11-01", "end_date": "2025-11-30", "mark": mark})
}

async fn completes(server: &Server, tenant: &Tenant, mark: i64) -> Json {
    let run_id = server.trigger(tenant, TEMPLATE, &parameters(mark)).await;
    let run = server.settled(tenant, &run_id).await;
    assert_eq!(run["status"], "COMPLETED", "{run}");
    run
}

fn files(data: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(data.join("tables/acme/gcp_cost_daily")).unwrap();
    folder.map(|file| file.unwrap().path()).collect()
}

impl Moment {
    /// Waits for it.
    async fn come(self, server: &Server, tenant: &Tenant, run_id: &str, seen: &Seen<'_>) {
        let answered = Instant::now();
        until("the moment to kill", PATIENCE, async || {
            let has_come = match self {
                Self::Answered => true,
                Self::Step(part) => answered.elapsed() >= seen.step * part / 100,
                Self::FileSeen => files(seen.data).iter().any(|file| !seen.files.contains(file)),
                Self::StepLogged => server.run(tenant, run_id).await["steps"][0].is_object(),
            };
            has_come.then_some(())
        })
        .await;
    }
}

/// How things were before a trigger.
struct Seen<'a> {
    data: &'a Path,
    files: Vec<PathBuf>,
    step: Duration,
}

#[tokio::test]
async fn a_kill_at_any_moment_leaves_whole_rows_and_a_free_slot() {
    let folder = tempfile::tempdir().unwrap();
    let (data, configs) = (folder.path().join("data"), folder.path().join("configs"));
    marked(&configs);
    let with = ["--configs", configs.to_str().unwrap()];
    let mut server = Server::start(&data, &with).await;
    // One run at once: a slot that stayed taken would queue the next.
    let tenant = server.onboard("acme", "STARTER").await;
    let (status, answer) = server.allow(&tenant, json!({"daily_limit": 100})).await;
    assert_eq!(status, 200, "{answer}");
    load_billing_export(&data, "acme").await;

    let first = completes(&server, &tenant, 0).await;
    let reference = Reference(table(&data).await);
    assert_eq!(first["rows_written"], reference.0.len());
    let second = completes(&server, &tenant, 0).await;
    assert_eq!(table(&data).await, reference.0, "the same again leaves the same rows");

    let step = Duration::from_millis(second["steps"][0]["duration_ms"].as_u64().unwrap());
    let mut before = 0;
    for (mark, moment) in (1..).zip([
        Moment::Answered,
        Moment::Step(10),
        Moment::Step(40),
        Moment::Step(70),
        Moment::FileSeen,
        Moment::Step(100),
        Moment::StepLogged,
        Moment::Step(150),
    ]) {
        let seen = Seen { data: &data, files: files(&data), step };
        let run_id = server.trigger(&tenant, TEMPLATE, &parameters(mark)).await;
        moment.come(&server, &tenant, &run_id, &seen).await;
        server.kill();
        let killed = reference.mark(&data).await;
        assert!([before, mark].contains(&killed), "{moment:?}: {killed}");

        server = Server::start(&data, &with).await;
        let restarted = reference.mark(&data).await;
        assert!([before, mark].contains(&restarted), "{moment:?}: {restarted}");
        let run = server.settled(&tenant, &run_id).await;
        let settled = reference.mark(&data).await;
        match run["status"].as_str().unwrap() {
            "COMPLETED" => assert_eq!(settled, mark, "{moment:?}: {run}"),
            "FAILED" => {
                assert_eq!(run["failure_kind"], "LOST", "{moment:?}: {run}");
                // Nothing lands after the run has ended.
                assert_eq!(settled, killed, "{moment:?}: {run}");
            }
            other => panic!("{moment:?}: {other}"),
        }
        if matches!(moment, Moment::StepLogged) {
            assert_eq!(killed, mark, "what is logged is written");
        }
        println!("{moment:?}: rows of {killed} after the kill, the run {}", run["status"]);
        completes(&server, &tenant, mark).await;
        assert_eq!(reference.mark(&data).await, mark, "{moment:?}");
        before = mark;
    }
}
