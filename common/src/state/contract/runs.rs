//! The promises of runs.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{noon, tenant};
use crate::pipeline::TemplateId;
use crate::port::PortError;
use crate::run::{
    CheckResult, Ending, FailureKind, Run, RunId, RunSlot, RunStatus, Severity, StepLog, StepStatus,
};
use crate::schedule::ConfigId;
use crate::state::{Inserted, Page, RunFilter, Runs, Transition};
use crate::tenant::{TenantId, UserId};

const AT: &str = "the adapter answers";

/// A run as admission records it.
pub fn run(tenant: &TenantId, n: u128, status: RunStatus) -> Run {
    let running = status == RunStatus::Running;
    Run {
        run_id: RunId(Uuid::from_u128(n)),
        tenant_id: tenant.clone(),
        user_id: UserId::parse("zoë").unwrap(),
        pipeline: TemplateId::new("gcp", "cost", "billing").unwrap(),
        priority: 200,
        status,
        slot: n.is_multiple_of(3).then(|| RunSlot {
            config_id: ConfigId(Uuid::from_u128(n)),
            slot: noon(),
            attempt: 2,
        }),
        parameters: json!({"date": "2025-11-17"}),
        fingerprint: Some("f".repeat(64)),
        day: noon().date_naive(),
        attempt: 1,
        timeout: Duration::from_mins(1),
        max_bytes: 10_000_000_000_000,
        max_parallel: 4,
        created_at: noon() + TimeDelta::seconds(i64::try_from(n).unwrap()),
        started_at: running.then(noon),
        start_by: running.then(noon),
        claimed_at: None,
        execution: None,
        cancel_requested_at: None,
        ended_at: None,
        launch_refused: false,
        ending: None,
    }
}

fn far() -> chrono::DateTime<chrono::Utc> {
    "2999-01-01T00:00:00Z".parse().unwrap()
}

async fn put(runs: &dyn Runs, tenant: &TenantId, n: u128, status: RunStatus) -> Run {
    let run = run(tenant, n, status);
    assert_eq!(runs.insert(&run, far()).await.unwrap(), Inserted::Recorded);
    run
}

/// A run is recorded once, whole, and never after `record_before`; other tenants do not see it.
pub async fn recording(runs: &dyn Runs) {
    let tenant = tenant("runs_record");
    let recorded = put(runs, &tenant, 1, RunStatus::Running).await;
    assert_eq!(runs.get(&tenant, recorded.run_id).await.unwrap(), Some(recorded.clone()));
    let twice = runs.insert(&recorded, far()).await;
    assert!(matches!(twice, Err(PortError::AlreadyExists(_))), "{twice:?}");
    let other = TenantId::parse("runs_other").unwrap();
    assert_eq!(runs.get(&other, recorded.run_id).await.unwrap(), None);

    let second = put(runs, &tenant, 3, RunStatus::Queued).await;
    let asked = [recorded.run_id, RunId(Uuid::from_u128(9)), second.run_id];
    let mut found = runs.get_all(&tenant, &asked).await.unwrap();
    found.sort_by_key(|run| run.run_id);
    assert_eq!(found, [recorded.clone(), second]);
    assert_eq!(runs.get_all(&tenant, &[]).await.unwrap(), []);
    assert_eq!(runs.get_all(&other, &asked).await.unwrap(), []);

    let late = run(&tenant, 2, RunStatus::Queued);
    let long_ago = "2000-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(runs.insert(&late, long_ago).await.unwrap(), Inserted::TooLate);
    assert_eq!(runs.get(&tenant, late.run_id).await.unwrap(), None);
}

fn ending(status: RunStatus) -> Ending {
    let failure_kind = (status == RunStatus::Failed).then_some(FailureKind::DataQuality);
    Ending {
        failure_kind,
        rows_written: 7,
        bytes_processed: 9,
        ..Ending::of(status, None, "because")
    }
}

/// Every transition from every state: only those that leave it change the row.
pub async fn transitions_are_guarded(runs: &dyn Runs) {
    let tenant = tenant("runs_guard");
    let claim = |attempt| Transition::Claim { attempt, execution: "e1".to_owned(), at: noon() };
    let end_claimed =
        |status| Transition::EndClaimed { attempt: 1, ending: ending(status), at: noon() };
    // How to come to a state, from QUEUED.
    let start = Transition::Start { at: noon(), start_by: noon(), attempt: 1 };
    let cancel = Transition::RequestCancel { at: noon() };
    let paths: [(&str, Vec<Transition>); 6] = [
        ("queued", vec![]),
        ("queued, cancelled", vec![cancel.clone()]),
        ("unclaimed", vec![start.clone()]),
        ("unclaimed, cancelled", vec![start.clone(), cancel.clone()]),
        ("claimed", vec![start.clone(), claim(1)]),
        ("ended", vec![start.clone(), claim(1), end_claimed(RunStatus::Completed)]),
    ];
    let end_unclaimed = |attempt| Transition::EndUnclaimed {
        attempt,
        ending: ending(RunStatus::Failed),
        at: noon(),
        launch_refused: true,
    };
    let relaunch = |from| Transition::Relaunch { from, to: from + 1, start_by: noon() };
    let launched = |attempt| Transition::Launched { attempt, execution: "e0".to_owned() };
    // What is tried, and in which of the states above it may take effect.
    let second = Transition::Start { at: noon(), start_by: noon(), attempt: 2 };
    let tries: [(&str, Transition, &[usize]); 13] = [
        ("start", start.clone(), &[0, 1]),
        ("start of another admission", second, &[]),
        ("cancel", cancel.clone(), &[0, 2, 4]),
        ("claim", claim(1), &[2]),
        ("claim of another attempt", claim(2), &[]),
        ("launched", launched(1), &[2, 3]),
        ("launched, another attempt", launched(2), &[]),
        ("relaunch", relaunch(1), &[2, 3]),
        ("relaunch of another attempt", relaunch(2), &[]),
        (
            "end queued",
            Transition::EndQueued { ending: ending(RunStatus::Expired), at: noon() },
            &[0, 1],
        ),
        ("end unclaimed", end_unclaimed(1), &[2, 3]),
        ("end unclaimed, another attempt", end_unclaimed(2), &[]),
        ("end claimed", end_claimed(RunStatus::Failed), &[4]),
    ];
    let mut n = 0;
    for (from, (state, path)) in paths.iter().enumerate() {
        for (name, transition, allowed) in &tries {
            n += 1;
            let run = put(runs, &tenant, n, RunStatus::Queued).await;
            for step in path {
                assert!(runs.transition(&tenant, run.run_id, step).await.unwrap(), "{state}");
            }
            let before = runs.get(&tenant, run.run_id).await.unwrap().expect(AT);
            let changed = runs.transition(&tenant, run.run_id, transition).await.unwrap();
            assert_eq!(changed, allowed.contains(&from), "{name} of a run that is {state}");
            let after = runs.get(&tenant, run.run_id).await.unwrap().expect(AT);
            if changed {
                assert_ne!(after, before, "{name} of a run that is {state}");
            } else {
                assert_eq!(after, before, "{name} of a run that is {state}");
            }
        }
    }
    let unfinished = runs.unfinished(&tenant).await.unwrap();
    assert!(unfinished.iter().all(|run| !run.status.is_final()));
    assert!(!unfinished.is_empty());
}

/// A transition writes what it says.
pub async fn transitions_write_their_columns(runs: &dyn Runs) {
    let tenant = tenant("runs_columns");
    let run = put(runs, &tenant, 1, RunStatus::Running).await;
    let (id, at) = (run.run_id, noon() + TimeDelta::seconds(5));
    for transition in [
        Transition::Launched { attempt: 1, execution: "e0".to_owned() },
        Transition::Relaunch { from: 1, to: 2, start_by: at },
        Transition::Claim { attempt: 2, execution: "e1".to_owned(), at },
        Transition::RequestCancel { at },
        Transition::EndClaimed { attempt: 2, ending: ending(RunStatus::Failed), at },
    ] {
        assert!(runs.transition(&tenant, id, &transition).await.unwrap(), "{transition:?}");
    }
    let expected = Run {
        status: RunStatus::Failed,
        attempt: 2,
        start_by: Some(at),
        claimed_at: Some(at),
        execution: Some("e1".to_owned()),
        cancel_requested_at: Some(at),
        ended_at: Some(at),
        ending: Some(ending(RunStatus::Failed)),
        ..run
    };
    assert_eq!(runs.get(&tenant, id).await.unwrap(), Some(expected));
}

/// Lists are newest first, filtered, and pages neither repeat nor leave out.
pub async fn lists(runs: &dyn Runs) {
    let tenant = tenant("runs_list");
    for n in 1..=7 {
        let status = if n % 2 == 0 { RunStatus::Queued } else { RunStatus::Running };
        put(runs, &tenant, n, status).await;
    }
    let list = async |filter: RunFilter, after, limit| {
        let found = runs.list(&tenant, &filter, Page { after, limit }).await.unwrap();
        found.iter().map(|r| r.run_id.0.as_u128()).collect::<Vec<_>>()
    };
    let queued = || RunFilter { status: Some(RunStatus::Queued), ..RunFilter::default() };
    let day = |n| noon().date_naive() + TimeDelta::days(n);
    assert_eq!(list(RunFilter::default(), None, 3).await, [7, 6, 5]);
    let fifth = Some((noon() + TimeDelta::seconds(5), RunId(Uuid::from_u128(5))));
    assert_eq!(list(RunFilter::default(), fifth, 9).await, [4, 3, 2, 1]);
    assert_eq!(list(queued(), None, 9).await, [6, 4, 2]);
    for (from, to, count) in [(0, 0, 7), (1, 1, 0), (-1, -1, 0), (-1, 1, 7)] {
        let filter = RunFilter { from: Some(day(from)), to: Some(day(to)), ..RunFilter::default() };
        assert_eq!(list(filter, None, 9).await.len(), count, "{from}..{to}");
    }
    for (pipeline, count) in [("runs_list-gcp-cost-billing", 7), ("runs_list-gcp-cost-labels", 0)] {
        let filter = RunFilter { pipeline_id: Some(pipeline.to_owned()), ..RunFilter::default() };
        assert_eq!(list(filter, None, 9).await.len(), count, "{pipeline}");
    }
}

/// Steps and checks come back as they were logged.
pub async fn details(runs: &dyn Runs) {
    let tenant = tenant("runs_details");
    let run = put(runs, &tenant, 1, RunStatus::Running).await;
    let step = StepLog {
        run_id: run.run_id,
        tenant_id: tenant.clone(),
        user_id: run.user_id.clone(),
        step_id: "daily".to_owned(),
        step_type: "sql".to_owned(),
        attempt: 1,
        try_number: 1,
        status: StepStatus::Failed,
        started_at: noon(),
        ended_at: noon() + TimeDelta::milliseconds(3),
        rows: 5,
        bytes: 6,
        job_id: Some("run-1".to_owned()),
        error_kind: Some("UNAVAILABLE".to_owned()),
        message: Some("it's \"down\"".to_owned()),
    };
    let again = StepLog {
        try_number: 2,
        status: StepStatus::Completed,
        error_kind: None,
        started_at: step.ended_at,
        ..step.clone()
    };
    runs.log_step(&step).await.unwrap();
    runs.log_step(&again).await.unwrap();
    let check = CheckResult {
        run_id: run.run_id,
        tenant_id: tenant.clone(),
        user_id: run.user_id.clone(),
        step_id: "checks".to_owned(),
        check_id: "keys".to_owned(),
        check_type: "not_null".to_owned(),
        table: Some("gcp_cost_daily".to_owned()),
        severity: Severity::Warn,
        blocking: true,
        passed: false,
        observed: "2".to_owned(),
        threshold: "= 0".to_owned(),
        failing_keys: vec!["2025-11-17".to_owned(), "a,b".to_owned()],
        checked_at: noon(),
    };
    for _ in 0..2 {
        runs.log_checks(std::slice::from_ref(&check)).await.unwrap();
        runs.log_step(&again).await.unwrap();
    }
    let found = runs.details(&tenant, run.run_id).await.unwrap();
    assert_eq!(found, (vec![step, again], vec![check]));
}
