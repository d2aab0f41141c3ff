//! Each program dies at each of its requests, over a tenant of its own; answers at how many it did.

use std::time::Duration;

use chrono::Datelike;
use common::clock::Clock;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{LOOK, PATIENCE, PHASES, World, places, run_of, sound};
use crate::proxy::Phase;
use crate::tenants::Tenant;

/// A pass of the reaper, over a run whose execution is gone, dies; the next one settles the run.
pub(super) async fn reaper_dies(world: &mut World, tenant: &Tenant) -> usize {
    let mut points = 0;
    for phase in PHASES {
        for at in places(phase, 5) {
            // Dies in its work, once it has claimed the run.
            world.deployment.aims.take_next(8, Phase::After);
            let (_, answer) =
                world.trigger(tenant, &format!("reaped-{phase:?}-{at}")).await.unwrap();
            let run = run_of(&answer);
            world.execution_ended(&run).await;
            assert!(world.deployment.aims.leave(&run), "the execution was to die");
            let claimed = format!(
                "SELECT COUNT(*) FROM {}.x_meta_pipeline_runs WHERE pipeline_logging_id = '{run}' AND claimed_at IS NOT \
                 NULL",
                tenant.id
            );
            assert_eq!(
                world.deployment.bigquery.count(&claimed).await,
                1,
                "{run} was to be claimed"
            );

            world.deployment.aims.take("scheduler", at, phase);
            let first = world.pass("cleanup-orphaned-pipelines").await;
            let was_killed = world.deployment.aims.leave("scheduler");
            if was_killed {
                world.deployment.scheduler.restart();
                world.reap().await;
            } else {
                first.unwrap();
            }
            sound::holds(&world.state, &tenant.id).await;
            let rests = world.rests(&tenant.id, Duration::ZERO).await;
            assert!(rests, "{phase:?} {at}: {run} is left after a pass");
            if !was_killed {
                break;
            }
            points += 1;
        }
    }
    points
}

/// One slot and two runs: the scheduler dies over the end of one or of the other.
pub(super) async fn events_die(world: &mut World, tenant: &Tenant) -> usize {
    let mut points = 0;
    for phase in PHASES {
        for at in places(phase, 5) {
            world.deployment.aims.take("scheduler", at, phase);
            for run in ["first", "second"] {
                let key = format!("{run}-{phase:?}-{at}");
                let (status, answer) = world.trigger(tenant, &key).await.unwrap();
                assert!([200, 202].contains(&status), "{answer}");
            }
            let deadline = Instant::now() + PATIENCE;
            while !world.deployment.aims.is_hit("scheduler")
                && !world.rests(&tenant.id, Duration::ZERO).await
            {
                assert!(Instant::now() < deadline);
                sleep(LOOK).await;
            }
            let was_killed = world.deployment.aims.leave("scheduler");
            if was_killed {
                world.deployment.scheduler.restart();
            }
            // The end that was not acknowledged is pushed again; a pass takes care of what nobody is told of, and of
            // what was not launched once its time to begin is over.
            while !world.rests(&tenant.id, Duration::from_secs(3)).await {
                assert!(Instant::now() < deadline, "{phase:?} {at}");
                world.reap().await;
                sound::holds(&world.state, &tenant.id).await;
            }
            if !was_killed {
                break;
            }
            points += 1;
        }
    }
    points
}

/// The tick dies over a slot that is due; the next one brings the run.
pub(super) async fn tick_dies(world: &mut World, tenant: &Tenant) -> usize {
    let mut points = 0;
    for phase in PHASES {
        for at in places(phase, 1) {
            let path = format!("/api/v1/scheduler/tenant/{}/pipelines", tenant.id);
            let body = json!({
                "provider": "test",
                "domain": "kill",
                "pipeline_template": "small",
                "schedule_cron": "0 0 1 1 *",
                "catchup": "last",
            });
            let headers = [("x-api-key", tenant.key.as_str()), ("x-user-id", "zoe")];
            let scheduler = &world.deployment.scheduler;
            let (status, answer) = scheduler.call(("POST", &path), &headers, Some(&body)).await;
            assert_eq!(status, 201, "{answer}");
            let config = answer["config_id"].as_str().unwrap();
            // As if it had been made in the year before.
            let year = Clock::system().now().year();
            let sql = format!(
                "UPDATE tenants.tenant_pipeline_configs SET next_run_time = TIMESTAMP '{year}-01-01 00:00:00+00', \
                 created_at = TIMESTAMP '{}-12-31 00:00:00+00' WHERE config_id = '{config}'",
                year - 1
            );
            world.deployment.bigquery.sql(&sql).await;

            world.deployment.aims.take("scheduler", at, phase);
            let first = world.pass("trigger").await;
            let was_killed = world.deployment.aims.leave("scheduler");
            if was_killed {
                world.deployment.scheduler.restart();
                world.pass("trigger").await.unwrap();
            } else {
                first.unwrap();
            }
            let sql = format!(
                "SELECT COUNT(*) FROM {}.x_meta_scheduled_runs WHERE config_id = '{config}' AND state = 'COMPLETED'",
                tenant.id
            );
            let deadline = Instant::now() + PATIENCE;
            while world.deployment.bigquery.count(&sql).await != 1 {
                let rows = format!("SELECT * FROM {}.x_meta_scheduled_runs", tenant.id);
                if Instant::now() > deadline {
                    let rows = world.deployment.bigquery.sql(&rows).await;
                    panic!("{phase:?} {at}: {config} has no run: {rows:#}");
                }
                sleep(LOOK).await;
            }
            assert!(world.rests(&tenant.id, Duration::from_secs(10)).await, "{phase:?} {at}");
            sound::holds(&world.state, &tenant.id).await;
            if !was_killed {
                break;
            }
            points += 1;
        }
    }
    points
}

/// The execution dies, some of them at once.
pub(super) async fn job_dies(world: &mut World, tenant: &Tenant) -> usize {
    let mut points = 0;
    for phase in PHASES {
        for at in places(phase, 2) {
            let key = format!("worked-{phase:?}-{at}");
            world.deployment.aims.take_next(at, phase);
            let (status, answer) = world.trigger(tenant, &key).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            let run = run_of(&answer);
            world.execution_ended(&run).await;
            let was_killed = world.deployment.aims.leave(&run);
            sound::holds(&world.state, &tenant.id).await;
            if !was_killed {
                break;
            }
            points += 1;
        }
        world.reap().await;
    }
    points
}

/// Trigger dies; the caller sends the same request again until it is answered.
pub(super) async fn trigger_dies(world: &mut World, tenant: &Tenant) -> usize {
    let mut asked = Vec::new();
    for phase in PHASES {
        for at in places(phase, 1) {
            let key = format!("asked-{phase:?}-{at}");
            world.deployment.aims.take("trigger", at, phase);
            let first = world.trigger(tenant, &key).await;
            let was_killed = world.deployment.aims.leave("trigger");
            asked.push(key);
            if !was_killed {
                let (status, answer) = first.unwrap();
                assert_eq!(status, 200, "{answer}");
                break;
            }
            world.deployment.trigger.restart();
            sound::holds(&world.state, &tenant.id).await;
        }
    }
    let points = asked.len() - PHASES.len();
    let deadline = Instant::now() + PATIENCE;
    for key in asked {
        loop {
            // What was counted without a row is refused until it is known that there will be none.
            let (status, answer) = world.trigger(tenant, &key).await.unwrap();
            if [200, 202].contains(&status) {
                break;
            }
            assert_eq!(status, 409, "{answer}");
            assert!(Instant::now() < deadline, "{key}: {answer}");
            world.reap().await;
            sleep(Duration::from_secs(1)).await;
        }
    }
    points
}
