//! A pass: which tenants it looks at, how many side by side, for how long.

use chrono::{DateTime, TimeDelta, Utc};
use common::port::PortError;
use common::quota::Entry;
use common::state::LedgerRow;
use futures::StreamExt;
use serde::Serialize;

use super::settle_runs;
use crate::{Context, queue};

/// Tenants that a pass looks at side by side: each costs reads of its own tables.
const TENANTS_AT_ONCE: usize = 8;
/// For so long after its last run has ended, every pass looks at a tenant.
const LATELY: TimeDelta = TimeDelta::hours(1);
/// Of so many passes one looks at a tenant that has been idle for longer, as long as the ledger remembers a run of it:
/// at five minutes a pass, one an hour.
const IDLE_PASSES: usize = 12;
/// No tenant is begun after this: a request is given up after 60 s, and the queue is to be started too.
const PASS_FOR: TimeDelta = TimeDelta::seconds(40);

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Report {
    /// Runs looked at.
    pub seen: usize,
    /// Runs that could not be settled this time; the next pass tries again.
    pub failed: usize,
    /// Queued runs started before and after.
    pub started: usize,
}

/// One pass over the tenants that may need it, with the queue before and after. Passes may overlap: each change is
/// guarded. It begins with any of the tenants and begins none once its time is over, so that passes come to all of them
/// however many there are.
pub async fn pass(context: &Context) -> Result<Report, PortError> {
    let mut report = Report { started: queue::start_all(context).await?, ..Report::default() };
    let began = context.gate.clock.now();
    let mut rows = context.gate.ledger.rows().await?;
    rows.retain(|row| is_due(row, began) || any_below(context, IDLE_PASSES) == 0);
    let first = any_below(context, rows.len());
    rows.rotate_left(first);
    let in_time = |_: &LedgerRow| {
        let in_time = context.gate.clock.now() - began < PASS_FOR;
        std::future::ready(in_time)
    };
    let rows = futures::stream::iter(rows).take_while(in_time);
    let mut settled = rows.map(|row| settle_tenant(context, row)).buffer_unordered(TENANTS_AT_ONCE);
    while let Some(of_tenant) = settled.next().await {
        report.seen += of_tenant.seen;
        report.failed += of_tenant.failed;
    }
    report.started += queue::start_all(context).await?;
    Ok(report)
}

/// A number below this one, by chance; 0 where there is none.
pub(crate) fn any_below(context: &Context, bound: usize) -> usize {
    usize::from(u16::from_le_bytes(context.gate.chance.bytes())) % bound.max(1)
}

/// Whether each pass looks at a tenant: one with an open entry, or with one that was closed so lately that somebody may
/// have died before the row followed. A pass looks at any other by chance.
fn is_due(row: &LedgerRow, now: DateTime<Utc>) -> bool {
    let lately = |entry: &Entry| entry.closed_at.is_none_or(|at| at + LATELY > now);
    row.account.entries.iter().any(lately)
}

/// What was found of a tenant's runs, and what could not be settled.
async fn settle_tenant(context: &Context, row: LedgerRow) -> Report {
    let mut report = Report::default();
    if let Err(error) = settle_runs(context, &row, &mut report).await {
        tracing::error!(tenant.id = %row.tenant_id, %error, "tenant not settled");
        report.failed += 1;
    }
    report
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use common::quota::{Account, EntryState};
    use common::run::RunId;
    use common::tenant::TenantId;

    use super::*;

    #[test]
    fn each_pass_looks_at_who_has_a_run_or_had_one_lately() {
        let now: DateTime<Utc> = "2025-11-17T12:00:00Z".parse().unwrap();
        let id = common::clock::Chance::seeded(1).uuid();
        let entry = |state, closed_at| Entry {
            run_id: RunId(id),
            day: NaiveDate::default(),
            priority: 100,
            seq: 1,
            state,
            attempt: 1,
            token: id,
            deadline: now,
            closed_at,
            turn: None,
        };
        let ago = |minutes| Some(now - TimeDelta::minutes(minutes));
        for (entries, due) in [
            (vec![], false),
            (vec![entry(EntryState::Queued, None)], true),
            (vec![entry(EntryState::Active, None)], true),
            (vec![entry(EntryState::Done, ago(59))], true),
            (vec![entry(EntryState::Refunded, ago(61))], false),
            (vec![entry(EntryState::Done, ago(90)), entry(EntryState::Refunded, ago(1))], true),
        ] {
            let tenant_id = TenantId::parse("acme").unwrap();
            let account = Account { entries, ..Account::default() };
            let row = LedgerRow { tenant_id, account, subscription: None };
            assert_eq!(is_due(&row, now), due, "{row:?}");
        }
    }
}
