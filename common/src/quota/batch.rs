//! A batch: changes of several tenants' rows that are decided together.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Account, Change, Outcome, Slots, Waiting, share};
use crate::plan::Limits;
use crate::tenant::TenantId;

/// A tenant's row with what bounds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounded {
    /// The row.
    pub account: Account,
    /// The limits of an ACTIVE subscription; `None` where it is not, or there is none.
    pub limits: Option<Limits>,
}

/// Decides changes by their rank and answers in their own order: what frees, then all starts together, each
/// tenant in its turn, then what arrives. A tenant without a row is answered as one without a subscription.
pub fn decide(
    rows: &mut BTreeMap<TenantId, Bounded>,
    changes: &[(&TenantId, &Change)],
    now: DateTime<Utc>,
    slots: &mut Slots,
) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Inactive; changes.len()];
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|&at| changes[at].1.rank());
    for group in order.chunk_by(|&a, &b| changes[a].1.rank() == changes[b].1.rank()) {
        let mut starts: BTreeMap<&TenantId, Vec<Asked>> = BTreeMap::new();
        for &at in group {
            let (tenant, change) = changes[at];
            let Some(row) = rows.get_mut(tenant) else { continue };
            match (change, &row.limits) {
                (Change::Start { up_to, deadline }, Some(_)) => {
                    let asked = Asked { at, up_to: *up_to, deadline: *deadline };
                    starts.entry(tenant).or_default().push(asked);
                    outcomes[at] = Outcome::Started(Vec::new());
                }
                (change, limits) => {
                    outcomes[at] = row.account.apply(change, limits.as_ref(), now, slots);
                }
            }
        }
        start(rows, starts, slots, &mut outcomes);
    }
    outcomes
}

/// A start that is asked for: where in the batch, and how many of its runs may still start.
struct Asked {
    at: usize,
    up_to: u32,
    deadline: DateTime<Utc>,
}

fn start(
    rows: &mut BTreeMap<TenantId, Bounded>,
    mut starts: BTreeMap<&TenantId, Vec<Asked>>,
    slots: &mut Slots,
    outcomes: &mut [Outcome],
) {
    let waiting = starts.iter().filter_map(|(tenant, asked)| {
        let row = rows.get(*tenant)?;
        let up_to = asked.iter().fold(0, |sum: u32, one| sum.saturating_add(one.up_to));
        let candidates = row.account.candidates(up_to, row.limits.as_ref()?);
        Some(Waiting { tenant, last_turn: row.account.last_turn(), candidates })
    });
    let waiting: Vec<Waiting<'_>> = waiting.collect();
    for tenant in share(&waiting, slots.room()) {
        let asked = starts.get_mut(tenant).and_then(|all| all.iter_mut().find(|a| a.up_to > 0));
        let (Some(asked), Some(row)) = (asked, rows.get_mut(tenant)) else { continue };
        asked.up_to -= 1;
        if let Outcome::Started(entries) = &mut outcomes[asked.at] {
            entries.extend(row.account.start_head(asked.deadline, slots));
        }
    }
}

#[cfg(test)]
mod tests;
