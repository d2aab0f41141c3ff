//! What a statement of the ledger led to, told from the rows as they are after it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Read;
use super::round::Round;
use crate::port::PortError;
use crate::quota::{Account, Change, Counts, Entry, EntryState, Limit, Outcome};
use crate::run::RunId;
use crate::state::{Answer, Item};
use crate::tenant::{Subscription, SubscriptionStatus, TenantId};

impl Round<'_> {
    /// The answers in the items' order; `None` for an arrival that is to be decided anew, as what stood in its way
    /// is gone by now.
    pub(super) fn answers(
        &self,
        rows: &BTreeMap<TenantId, Read>,
        mark: &str,
    ) -> Vec<Result<Option<Answer>, PortError>> {
        let answer = |&(b, i): &(usize, usize)| {
            let batch = &self.batches[b];
            let Item { tenant_id, change } = &batch.items[i];
            let Some(read) = rows.get(tenant_id) else {
                return Err(PortError::NotFound(format!("the ledger row of {tenant_id}")));
            };
            let counts = read.row.account.counts(batch.day);
            let subscription = read.row.subscription.clone();
            let outcome = match change {
                Change::Admit { run_id, .. } => {
                    let counts = read.row.account.counts(self.day);
                    admitted(&read.row.account, *run_id, subscription.as_ref(), counts)
                }
                other => Some(self.changed(tenant_id, other, read, mark)),
            };
            Ok(outcome.map(|outcome| Answer { outcome, subscription, counts }))
        };
        self.taken.iter().map(answer).collect()
    }

    fn changed(&self, tenant: &TenantId, change: &Change, read: &Read, mark: &str) -> Outcome {
        let account = &read.row.account;
        let entry = |run_id: RunId| account.entries.iter().find(|e| e.run_id == run_id);
        let by = |verb: &str, entry: &Entry| {
            let marked = read.marks.get(&entry.run_id).and_then(|m| m.strip_prefix(verb));
            marked.is_some_and(|rest| rest.trim_start() == mark)
        };
        match change {
            Change::Start { .. } if !is_active(read.row.subscription.as_ref()) => Outcome::Inactive,
            Change::Start { .. } => {
                let started = |e: &&Entry| e.state == EntryState::Active && by("start", e);
                let mut started: Vec<Entry> =
                    account.entries.iter().filter(started).cloned().collect();
                started.sort_by_key(|e| (e.priority, e.seq));
                Outcome::Started(started)
            }
            Change::Release { run_id, attempt } => match entry(*run_id) {
                Some(e) if e.attempt == *attempt && e.state == EntryState::Done => {
                    Outcome::Released
                }
                _ => Outcome::Ignored,
            },
            Change::Refund { run_id, attempt, .. } => match entry(*run_id) {
                Some(e) if e.attempt == *attempt && e.state == EntryState::Refunded => {
                    Outcome::Refunded
                }
                // Given back and, in the same statement, admitted anew.
                Some(e) if e.attempt == attempt + 1 && self.admits(tenant, *run_id, e.token) => {
                    Outcome::Refunded
                }
                _ => Outcome::Ignored,
            },
            Change::Extend { run_id, attempt, .. } => match entry(*run_id) {
                Some(e) if e.attempt == attempt + 1 && by("extend", e) => {
                    Outcome::Extended(e.clone())
                }
                _ => Outcome::Ignored,
            },
            Change::Admit { .. } => Outcome::Ignored,
        }
    }

    fn changes<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = &'a Change> {
        let items = self.taken.iter().map(|&(b, i)| &self.batches[b].items[i]);
        items.filter(move |item| item.tenant_id == *tenant).map(|item| &item.change)
    }

    fn admits(&self, tenant: &TenantId, run: RunId, by: Uuid) -> bool {
        self.changes(tenant).any(|change| {
            matches!(change, Change::Admit { run_id, token, .. } if *run_id == run && *token == by)
        })
    }
}

fn is_active(subscription: Option<&Subscription>) -> bool {
    subscription.is_some_and(|s| match s.status {
        SubscriptionStatus::Active => true,
        SubscriptionStatus::Suspended | SubscriptionStatus::Cancelled => false,
    })
}

fn admitted(
    account: &Account,
    run_id: RunId,
    subscription: Option<&Subscription>,
    counts: Counts,
) -> Option<Outcome> {
    let entry = account.entries.iter().find(|e| e.run_id == run_id);
    if let Some(entry) = entry.filter(|e| e.state != EntryState::Refunded) {
        return Some(Outcome::Held { entry: entry.clone(), position: account.position(run_id) });
    }
    let Some(subscription) = subscription.filter(|s| is_active(Some(s))) else {
        return Some(Outcome::Inactive);
    };
    let limits = &subscription.limits;
    let limit = if counts.today >= limits.daily_limit {
        Limit::Daily
    } else if counts.month >= limits.monthly_limit {
        Limit::Monthly
    } else if counts.queued >= limits.max_queued {
        Limit::Queue
    } else {
        return None;
    };
    Some(Outcome::Denied(limit))
}
