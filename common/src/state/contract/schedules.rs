//! The promises of schedules.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{noon, subscription, tenant};
use crate::pipeline::TemplateId;
use crate::schedule::{CatchUp, ConfigId, CronSchedule, Retry, RetryPolicy, Schedule};
use crate::state::{Advance, Created, ScheduleChange, Schedules, TenantChange, Tenants};
use crate::tenant::{SubscriptionStatus, TenantId, UserId};

/// The `n`th schedule of a tenant: every hour, next at noon.
pub fn schedule(tenant: &TenantId, n: u32) -> Schedule {
    let name = format!("{tenant} {n}");
    Schedule {
        config_id: ConfigId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())),
        tenant_id: tenant.clone(),
        template: TemplateId::new("gcp", "cost", "billing").unwrap(),
        cron: CronSchedule::parse("0 * * * *").unwrap(),
        zone: "Pacific/Chatham".parse().unwrap(),
        parameters: json!({"date": "{{ slot_date - 1 day }}"}).as_object().unwrap().clone(),
        is_active: true,
        next_run_time: Some(noon()),
        priority: 100,
        catchup: CatchUp::All,
        max_catchup: 5,
        retry: RetryPolicy { count: 2, backoff_seconds: 300 },
        retries: Vec::new(),
        created_by: UserId::parse("zoë").unwrap(),
        fingerprint: Some("f".repeat(64)),
        revision: 1,
        created_at: noon() + TimeDelta::seconds(i64::from(n)),
        updated_at: noon(),
    }
}

async fn made(schedules: &dyn Schedules, tenant: &TenantId, n: u32) -> Schedule {
    let schedule = schedule(tenant, n);
    assert_eq!(schedules.create_schedule(&schedule, 100).await.unwrap(), Created::Made);
    schedule
}

async fn read(schedules: &dyn Schedules, schedule: &Schedule) -> Schedule {
    schedules.schedule(schedule.config_id).await.unwrap().unwrap()
}

/// A schedule is recorded once, whole, and no more than its tenant may have; a tenant lists its own.
pub async fn recording_schedules(schedules: &dyn Schedules) {
    let (tenant, other) = (tenant("schedules_record"), tenant("schedules_other"));
    let first = made(schedules, &tenant, 1).await;
    assert_eq!(read(schedules, &first).await, first);
    let again = Schedule { priority: 7, ..first.clone() };
    let answer = schedules.create_schedule(&again, 1).await.unwrap();
    assert_eq!(answer, Created::Existed(Box::new(first.clone())));
    assert_eq!(schedules.create_schedule(&schedule(&tenant, 2), 1).await.unwrap(), Created::Full);
    let second = Schedule {
        next_run_time: None,
        fingerprint: None,
        is_active: false,
        ..schedule(&tenant, 0)
    };
    assert_eq!(schedules.create_schedule(&second, 2).await.unwrap(), Created::Made);
    made(schedules, &other, 1).await;
    assert_eq!(schedules.schedules_of(&tenant).await.unwrap(), [second, first.clone()]);

    assert!(!schedules.delete_schedule(&other, first.config_id).await.unwrap(), "another tenant's");
    assert!(schedules.delete_schedule(&tenant, first.config_id).await.unwrap());
    assert!(!schedules.delete_schedule(&tenant, first.config_id).await.unwrap());
    assert_eq!(schedules.schedule(first.config_id).await.unwrap(), None);
}

/// A change takes effect once, on the revision that was read; the next slot changes only where it is asked.
pub async fn changing(schedules: &dyn Schedules) {
    let tenant = tenant("schedules_change");
    let schedule = made(schedules, &tenant, 1).await;
    let retry = Retry { slot: noon(), date: noon().date_naive(), attempt: 2, due_at: noon() };
    schedules.plan_retry(schedule.config_id, &retry).await.unwrap();
    let changed = Schedule {
        cron: CronSchedule::parse("@daily").unwrap(),
        zone: "Europe/Vienna".parse().unwrap(),
        parameters: serde_json::Map::new(),
        is_active: false,
        next_run_time: Some(noon() + TimeDelta::hours(1)),
        priority: 3,
        catchup: CatchUp::None,
        max_catchup: 1,
        retry: RetryPolicy::default(),
        updated_at: noon() + TimeDelta::seconds(9),
        ..schedule.clone()
    };
    let kept = ScheduleChange { schedule: changed.clone(), refire: false };
    assert!(schedules.change_schedule(&kept).await.unwrap());
    assert!(!schedules.change_schedule(&kept).await.unwrap(), "of a revision that is past");
    let now = Schedule {
        revision: 2,
        next_run_time: schedule.next_run_time,
        retries: vec![retry],
        ..changed.clone()
    };
    assert_eq!(read(schedules, &schedule).await, now);
    let refired = Schedule { revision: 2, ..changed };
    let change = ScheduleChange { schedule: refired.clone(), refire: true };
    assert!(schedules.change_schedule(&change).await.unwrap());
    let now = Schedule { revision: 3, retries: vec![retry], ..refired };
    assert_eq!(read(schedules, &schedule).await, now);
}

/// Due is what is active, of an active subscription, and has a slot or a retry whose time has come.
pub async fn due(state: &(impl Schedules + Tenants)) {
    let name = "schedules_due";
    let (tenant, mut held) = (tenant(name), subscription(name));
    held = state.create_subscription(&held).await.unwrap();
    let slot = made(state, &tenant, 1).await;
    let retry = Schedule { next_run_time: None, ..schedule(&tenant, 2) };
    let paused = Schedule { is_active: false, ..schedule(&tenant, 3) };
    for schedule in [&retry, &paused] {
        assert_eq!(state.create_schedule(schedule, 100).await.unwrap(), Created::Made);
    }
    let due_at = noon() + TimeDelta::microseconds(1);
    let waiting = Retry { slot: noon(), date: noon().date_naive(), attempt: 2, due_at };
    state.plan_retry(retry.config_id, &waiting).await.unwrap();
    let due = async |now: DateTime<Utc>| -> Vec<ConfigId> {
        let due = state.due(now).await.unwrap().into_iter();
        let mut ids: Vec<_> = due.filter(|s| s.tenant_id == tenant).map(|s| s.config_id).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<ConfigId>| {
        ids.sort();
        ids
    };
    assert_eq!(due(noon() - TimeDelta::microseconds(1)).await, []);
    assert_eq!(due(noon()).await, [slot.config_id]);
    assert_eq!(due(due_at).await, sorted(vec![slot.config_id, retry.config_id]));
    let suspended =
        crate::tenant::Subscription { status: SubscriptionStatus::Suspended, ..held.clone() };
    assert!(
        Tenants::change(state, &TenantChange { subscription: suspended, read: held })
            .await
            .unwrap()
    );
    assert_eq!(due(due_at).await, []);
}

/// Advancing is a compare-and-set for each; what was published waits no more; a tick is noted, never backwards.
pub async fn advancing(schedules: &dyn Schedules) {
    let tenant = tenant("schedules_advance");
    let (one, two) = (made(schedules, &tenant, 1).await, made(schedules, &tenant, 2).await);
    let retry =
        |attempt| Retry { slot: noon(), date: noon().date_naive(), attempt, due_at: noon() };
    for attempt in [2, 3, 2] {
        schedules.plan_retry(one.config_id, &retry(attempt)).await.unwrap();
    }
    assert_eq!(read(schedules, &one).await.retries, [retry(2), retry(3)], "each waits once");
    let next = Some(noon() + TimeDelta::hours(1));
    let advance = |schedule: &Schedule, read| Advance {
        config_id: schedule.config_id,
        read,
        next_run_time: next,
        published: vec![(noon(), 2)],
    };
    let at = "2999-01-01T00:00:00Z".parse().unwrap();
    let both = [advance(&one, (1, one.next_run_time)), advance(&two, (2, two.next_run_time))];
    assert_eq!(schedules.advance(&both, at).await.unwrap(), 1, "of another revision");
    let now = read(schedules, &one).await;
    assert_eq!((now.next_run_time, now.retries, now.revision), (next, vec![retry(3)], 1));
    assert_eq!(schedules.last_tick().await.unwrap(), Some(at));
    assert_eq!(read(schedules, &two).await, two);

    assert_eq!(schedules.advance(&both[..1], noon()).await.unwrap(), 0, "it has moved on");
    assert_eq!(schedules.last_tick().await.unwrap(), Some(at));
    let never = Advance { next_run_time: None, ..advance(&two, (1, two.next_run_time)) };
    assert_eq!(schedules.advance(&[never], at).await.unwrap(), 1);
    let again = Advance { read: (1, None), ..advance(&two, (1, None)) };
    assert_eq!(schedules.advance(&[again], at).await.unwrap(), 1, "from no next slot");
    // A retry of a schedule that is gone is nothing.
    schedules.plan_retry(ConfigId(Uuid::from_u128(404)), &retry(2)).await.unwrap();
}
