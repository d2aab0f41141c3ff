//! The promises of the slots of schedules.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{noon, tenant};
use crate::schedule::{ConfigId, SlotKey, SlotRecord, SlotState};
use crate::state::{Begun, Slots};
use crate::tenant::{TenantId, UserId};

fn key(tenant: &TenantId, hour: i64, attempt: u32) -> SlotKey {
    SlotKey {
        tenant_id: tenant.clone(),
        config_id: ConfigId(Uuid::from_u128(7)),
        slot: noon() + TimeDelta::hours(hour),
        attempt,
    }
}

/// An attempt of a slot as it begins.
pub fn record(key: SlotKey) -> SlotRecord {
    let user_id = UserId::parse("zoë").unwrap();
    SlotRecord {
        key,
        user_id,
        date: "2026-03-05".parse().unwrap(),
        state: SlotState::Pending,
        reason: None,
        updated_at: noon(),
    }
}

fn later() -> DateTime<Utc> {
    noon() + TimeDelta::minutes(5)
}

async fn begun(slots: &dyn Slots, tenant: &TenantId, hour: i64, attempt: u32) -> SlotRecord {
    let record = record(key(tenant, hour, attempt));
    assert_eq!(slots.begin_attempt(&record).await.unwrap(), Begun::Record(record.clone()));
    record
}

/// An attempt begins once, and only where no other of its slot is open or completed.
pub async fn beginning(slots: &dyn Slots) {
    let (tenant, other) = (tenant("slots_begin"), tenant("slots_begin_other"));
    let first = begun(slots, &tenant, 0, 1).await;
    begun(slots, &other, 0, 2).await;
    let again = SlotRecord { updated_at: later(), ..first.clone() };
    assert_eq!(slots.begin_attempt(&again).await.unwrap(), Begun::Record(first.clone()));
    let second = record(key(&tenant, 0, 2));
    for (to, reason) in [(SlotState::Submitted, None), (SlotState::Completed, Some("done"))] {
        let blocked = slots.begin_attempt(&second).await.unwrap();
        assert!(matches!(blocked, Begun::Other(other) if other.key == first.key), "before {to}");
        assert!(slots.settle_attempt(&first.key, to, reason, later()).await.unwrap());
    }
    let completed = SlotRecord {
        state: SlotState::Completed,
        reason: Some("done".to_owned()),
        updated_at: later(),
        ..first.clone()
    };
    assert_eq!(slots.begin_attempt(&second).await.unwrap(), Begun::Other(completed.clone()));
    assert_eq!(slots.begin_attempt(&first).await.unwrap(), Begun::Record(completed));

    let failed = begun(slots, &tenant, 1, 1).await;
    assert!(slots.settle_attempt(&failed.key, SlotState::Failed, None, later()).await.unwrap());
    begun(slots, &tenant, 1, 2).await;
    let attempts = slots.attempts(&tenant, failed.key.config_id, failed.key.slot).await.unwrap();
    let states: Vec<_> = attempts.iter().map(|a| (a.key.attempt, a.state)).collect();
    assert_eq!(states, [(1, SlotState::Failed), (2, SlotState::Pending)]);
}

/// A record leaves only the states that its new one follows, so that the end of a run is final.
pub async fn settling(slots: &dyn Slots) {
    use SlotState::{
        Cancelled, Completed, Expired, Failed, Pending, Refused, SkippedQuota, Submitted, TimedOut,
    };
    const ALL: [SlotState; 9] = [
        Pending,
        Submitted,
        SkippedQuota,
        Refused,
        Completed,
        Failed,
        Cancelled,
        TimedOut,
        Expired,
    ];
    let tenant = tenant("slots_settle");
    let mut hour = 0;
    for from in ALL {
        for to in ALL {
            hour += 1;
            let record = begun(slots, &tenant, hour, 1).await;
            if from != Pending {
                assert!(slots.settle_attempt(&record.key, from, None, noon()).await.unwrap());
            }
            let settled =
                slots.settle_attempt(&record.key, to, Some("why"), later()).await.unwrap();
            assert_eq!(settled, to.follows().contains(&from), "{from} to {to}");
            let now = slots.attempts(&tenant, record.key.config_id, record.key.slot).await.unwrap();
            let expected = if settled { (to, Some("why")) } else { (from, None) };
            assert_eq!((now[0].state, now[0].reason.as_deref()), expected, "{from} to {to}");
        }
    }
    assert!(
        !slots.settle_attempt(&key(&tenant, 0, 1), Failed, None, later()).await.unwrap(),
        "no record"
    );
}

/// A tenant's open attempts, and a schedule's newest, are its own.
pub async fn listing_slots(slots: &dyn Slots) {
    let tenant = tenant("slots_list");
    for hour in 0..4 {
        begun(slots, &tenant, hour, 1).await;
    }
    let settle = async |hour, state| {
        assert!(slots.settle_attempt(&key(&tenant, hour, 1), state, None, later()).await.unwrap());
    };
    settle(1, SlotState::Submitted).await;
    settle(2, SlotState::SkippedQuota).await;
    settle(3, SlotState::Failed).await;
    begun(slots, &tenant, 3, 2).await;
    let names = |records: Vec<SlotRecord>| -> Vec<(i64, u32)> {
        records.iter().map(|r| ((r.key.slot - noon()).num_hours(), r.key.attempt)).collect()
    };
    assert_eq!(names(slots.open_attempts(&tenant).await.unwrap()), [(0, 1), (1, 1), (3, 2)]);
    let config = ConfigId(Uuid::from_u128(7));
    let newest = slots.newest_attempts(&tenant, config, 3).await.unwrap();
    assert_eq!(names(newest), [(3, 2), (3, 1), (2, 1)]);
    let nobody = super::tenant("slots_nobody");
    assert_eq!(slots.open_attempts(&nobody).await.unwrap(), []);
    assert_eq!(slots.newest_attempts(&nobody, config, 3).await.unwrap(), []);
}
