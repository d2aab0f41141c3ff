//! Kills onboard, trigger, scheduler and job at each of their requests to BigQuery, before its effect and after it.
//! What is started again, the caller's second try and the reaper bring everything to its end.

mod dying;
pub mod sound;

use std::time::Duration;

use common::clock::Clock;
use common::gcp::state::State;
use common::tenant::TenantId;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use crate::deployment::{CLOCK, Deployment, OPERATOR, Setup};
use crate::judges::TURN;
use crate::proxy::{Kind, Phase};
use crate::tenants::{Limits, Tables, Tenant, tenants};

const PHASES: [Phase; 2] = [Phase::Before, Phase::After];
/// Often enough; each look takes the emulator some time.
const LOOK: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_mins(5);
/// Room for every run of these tests at once.
const WIDE: Limits = Limits { daily: 500, concurrent: 100 };
const NARROW: Limits = Limits { daily: 500, concurrent: 1 };

const TEMPLATE: &str = "
description: One table, written and looked at.
steps:
  - id: fill
    type: sql
    query: SELECT n FROM UNNEST(GENERATE_ARRAY(1, 100)) AS n
    target: {table: filled}
    mode: replace
  - id: look
    type: check
    depends_on: [fill]
    table: filled
    checks:
      - {id: whole, severity: error, blocking: true, expect: {row_count: {min: 100, max: 100}}}
";

/// The requests that a program is killed at: one of so many, beginning elsewhere before and after the effect. With
/// `KILL_EVERY=1` it is each of them for every program, which takes three times as long.
fn places(phase: Phase, one_of: usize) -> impl Iterator<Item = usize> {
    let every = std::env::var_os("KILL_EVERY").and_then(|n| n.to_str()?.parse().ok());
    let every: usize = every.unwrap_or(one_of);
    let first = if phase == Phase::Before { 1 } else { every.div_ceil(2) };
    (first..).step_by(every)
}

/// The whole, with a state that goes around the proxy.
struct World {
    deployment: Deployment,
    state: State,
    _configs: tempfile::TempDir,
}

/// Long enough that a statement outlives who sent it.
fn latency(kind: Kind) -> Duration {
    Duration::from_millis(match kind {
        Kind::Mutation | Kind::Other | Kind::Insert => 40,
        Kind::Select => 0,
    })
}

impl World {
    async fn start(name: &'static str) -> Self {
        let configs = tempfile::tempdir().unwrap();
        let template = configs.path().join("test/kill");
        std::fs::create_dir_all(&template).unwrap();
        std::fs::write(template.join("small.yml"), TEMPLATE).unwrap();
        let plans = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/plans.yml");
        std::fs::copy(plans, configs.path().join("plans.yml")).unwrap();
        let setup = Setup { name, configs: configs.path().to_owned(), latency, start_within: "10" };
        let deployment = Deployment::start(setup).await;
        let client = crate::state::client(&deployment.bigquery.url).await;
        Self { deployment, state: State::new(client, Clock::system()), _configs: configs }
    }

    async fn tenant(&self, name: &str, limits: Limits) -> Tenant {
        tenants(&self.deployment.bigquery, name, 1, limits, Tables::All).await.remove(0)
    }

    /// Asks trigger for a run; an error where it died.
    async fn trigger(&self, tenant: &Tenant, key: &str) -> reqwest::Result<(u16, Json)> {
        let path = format!("/api/v1/pipelines/run/{}/test/kill/small", tenant.id);
        let headers =
            [("x-api-key", tenant.key.as_str()), ("x-user-id", "zoe"), ("idempotency-key", key)];
        self.deployment.trigger.ask(("POST", &path), &headers, Some(&json!({}))).await
    }

    /// Has the scheduler do a pass; an error where it died.
    async fn pass(&self, route: &str) -> reqwest::Result<Json> {
        let scheduler = &self.deployment.scheduler;
        let token = format!("Bearer {}", self.deployment.token(CLOCK, scheduler).await);
        let path = format!("/api/v1/scheduler/{route}");
        let answer = scheduler.ask(("POST", &path), &[("authorization", &token)], None).await;
        answer.map(|(status, done)| {
            assert_eq!(status, 200, "{done}");
            done
        })
    }

    async fn reap(&self) -> Json {
        self.pass("cleanup-orphaned-pipelines").await.unwrap()
    }

    /// Waits until a tenant has no open run; answers whether that came to be within a time.
    async fn rests(&self, tenant: &TenantId, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            if sound::is_at_rest(&self.state, tenant).await {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits for the end of a run's execution.
    async fn execution_ended(&self, run: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.deployment.executions.0.ended().iter().any(|ended| ended.run == run) {
            assert!(Instant::now() < deadline, "{run}");
            sleep(LOOK).await;
        }
    }
}

fn run_of(answer: &Json) -> String {
    answer["pipeline_logging_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_onboarding_that_dies_anywhere_is_completed_by_the_same_request() {
    let _turn = TURN.lock().await;
    let mut world = World::start("dying-onboard").await;
    let token = world.deployment.token(OPERATOR, &world.deployment.onboard).await;
    let token = format!("Bearer {token}");
    let mut points = 0;
    for phase in PHASES {
        for at in places(phase, 4) {
            points += 1;
            let id = format!("newcomer_{points}");
            let body = json!({
                "tenant_id": id,
                "company_name": "Newcomer",
                "admin_email": "admin@newcomer.example",
                "subscription_plan": "STARTER",
            });
            let route = ("POST", "/api/v1/tenants/onboard");
            let headers = [("authorization", token.as_str())];
            let Deployment { onboard, aims, .. } = &mut world.deployment;
            aims.take("onboard", at, phase);
            let first = onboard.ask(route, &headers, Some(&body)).await;
            let was_killed = aims.leave("onboard");
            let (status, answer) = if was_killed {
                onboard.restart();
                onboard.call(route, &headers, Some(&body)).await
            } else {
                first.unwrap()
            };
            assert_eq!(status, 200, "{at} {phase:?}: {answer}");
            let id = TenantId::parse(&id).unwrap();
            let key = answer["api_key"].as_str().unwrap();
            sound::is_onboarded(&world.deployment.bigquery, &id, key).await;
            world.deployment.bigquery.delete(id.as_str()).await;
            if !was_killed {
                break;
            }
        }
    }
    println!("onboard was killed at {} requests", points - 2);
    assert!(points >= 8, "{points}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_anywhere_breaks_nothing() {
    let _turn = TURN.lock().await;
    let mut world = World::start("dying").await;
    let mut all = Vec::new();
    let mut killed = Vec::new();
    let mut note = |program, points| {
        println!("{program} was killed at {points} requests");
        killed.push((program, points));
    };
    // A tenant that is not there yet costs no pass a statement.
    all.push(world.tenant("reaped", WIDE).await);
    note("the reaper's pass", dying::reaper_dies(&mut world, &all[0]).await);
    all.push(world.tenant("queued", NARROW).await);
    note("the scheduler, told of ends,", dying::events_die(&mut world, &all[1]).await);
    all.push(world.tenant("ticked", WIDE).await);
    note("the tick", dying::tick_dies(&mut world, &all[2]).await);
    all.push(world.tenant("worked", WIDE).await);
    note("the job", dying::job_dies(&mut world, &all[3]).await);
    all.push(world.tenant("asked", WIDE).await);
    note("trigger", dying::trigger_dies(&mut world, &all[4]).await);

    // What a death left without a row or without a claim is settled when its time is over.
    let deadline = Instant::now() + PATIENCE;
    for tenant in &all {
        while !sound::is_at_rest(&world.state, &tenant.id).await {
            let report = world.reap().await;
            assert_eq!(report["failed"], 0, "{report}");
            sound::holds(&world.state, &tenant.id).await;
            assert!(Instant::now() < deadline, "{}: {report}", tenant.id);
            sleep(Duration::from_secs(1)).await;
        }
        sound::ended_well(&world.state, &world.deployment.bigquery, &tenant.id).await;
        let failed = "SELECT COUNT(*) FROM {}.x_meta_pipeline_runs WHERE status != 'COMPLETED'";
        let failed = failed.replace("{}", tenant.id.as_str());
        let failed = world.deployment.bigquery.count(&failed).await;
        // Nothing of an execution's own was killed over these.
        let fails = ["reaped_0", "worked_0"].contains(&tenant.id.as_str());
        assert!(fails || failed == 0, "{}: {failed} runs did not complete", tenant.id);
    }
    for (program, points) in killed {
        assert!(points >= 2, "{program}: {points}");
    }
}
