//! What goes into one statement of the ledger.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::gcp::bigquery::ToParam;
use crate::quota::Change;
use crate::run::RunId;
use crate::state::{Batch, Item};
use crate::tenant::TenantId;
use crate::warehouse::{DataType, Param, Value};

/// A batch by its place, and an item of it by its own.
pub(super) type Place = (usize, usize);

/// Items that one statement decides. It takes each run's attempt once among what frees, each tenant once among the
/// starts, and arrivals of one day; the rest is for the next.
pub(super) struct Round<'a> {
    pub(super) batches: &'a [Batch],
    pub(super) taken: Vec<Place>,
    /// The latest moment that one of its batches is decided at.
    pub(super) now: DateTime<Utc>,
    /// The day that what arrives is counted in.
    pub(super) day: NaiveDate,
    /// The bound that all of its batches have.
    pub(super) max_running: Option<u32>,
}

impl<'a> Round<'a> {
    /// As many of the open items as fit, and the rest. Some do wherever some are open.
    pub(super) fn of(batches: &'a [Batch], open: &[Place]) -> (Self, Vec<Place>) {
        let first = open.first().map(|(b, _)| &batches[*b]);
        let max_running = first.and_then(|batch| batch.max_running);
        let (mut taken, mut later) = (Vec::new(), Vec::new());
        let (mut freed, mut started) = (HashSet::new(), HashSet::new());
        let mut day = None;
        for &(b, i) in open {
            let Item { tenant_id, change } = &batches[b].items[i];
            let fits = batches[b].max_running == max_running
                && match change {
                    Change::Release { run_id, attempt }
                    | Change::Refund { run_id, attempt, .. }
                    | Change::Extend { run_id, attempt, .. } => {
                        freed.insert((tenant_id, *run_id, *attempt))
                    }
                    Change::Start { .. } => started.insert(tenant_id),
                    Change::Admit { day: of, .. } => *day.get_or_insert(*of) == *of,
                };
            if fits { taken.push((b, i)) } else { later.push((b, i)) }
        }
        let now = taken.iter().map(|(b, _)| batches[*b].now).max().unwrap_or_default();
        let day = day.unwrap_or_else(|| now.date_naive());
        (Self { batches, taken, now, day, max_running }, later)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.taken.iter().copied()
    }

    pub(super) fn tenants(&self) -> BTreeSet<&'a TenantId> {
        self.taken.iter().map(|&(b, i)| &self.batches[b].items[i].tenant_id).collect()
    }

    /// The items as the statement's parameter. A second arrival of one run is left out: the first one's answer is
    /// the second one's.
    pub(super) fn items(&self) -> Param {
        let mut arrived: HashSet<(&TenantId, RunId)> = HashSet::new();
        let items = self.taken.iter().zip(0i64..).filter_map(|(&(b, i), n)| {
            let Item { tenant_id, change } = &self.batches[b].items[i];
            if let Change::Admit { run_id, .. } = change
                && !arrived.insert((tenant_id, *run_id))
            {
                return None;
            }
            let batch = i64::try_from(b).unwrap_or(i64::MAX);
            Some(Value::Struct(fields(n, batch, tenant_id, change)))
        });
        let value = Value::Array(items.collect());
        Param { kind: DataType::Array(Box::new(DataType::Struct(kinds()))), value }
    }
}

const FIELDS: [(&str, DataType); 11] = [
    ("n", DataType::Int64),
    ("batch", DataType::Int64),
    ("tenant_id", DataType::String),
    ("kind", DataType::String),
    ("run_id", DataType::String),
    ("attempt", DataType::Int64),
    ("from_state", DataType::String),
    ("priority", DataType::Int64),
    ("token", DataType::String),
    ("deadline", DataType::Timestamp),
    ("up_to", DataType::Int64),
];

fn kinds() -> Vec<(String, DataType)> {
    FIELDS.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()
}

fn fields(n: i64, batch: i64, tenant: &TenantId, change: &Change) -> Vec<(String, Value)> {
    let mut run = None;
    let mut attempt_of = None;
    let (mut from_state, mut prio, mut mark, mut until, mut most) = (None, None, None, None, None);
    let kind = match change {
        Change::Admit { run_id, priority, token, deadline, .. } => {
            (run, prio, mark, until) =
                (Some(run_id), Some(*priority), Some(token.to_string()), Some(*deadline));
            "admit"
        }
        Change::Start { up_to, deadline } => {
            (most, until) = (Some(*up_to), Some(*deadline));
            "start"
        }
        Change::Release { run_id, attempt } => {
            (run, attempt_of) = (Some(run_id), Some(*attempt));
            "release"
        }
        Change::Refund { run_id, attempt, from } => {
            (run, attempt_of, from_state) = (Some(run_id), Some(*attempt), Some(from.as_str()));
            "refund"
        }
        Change::Extend { run_id, attempt, deadline } => {
            (run, attempt_of, until) = (Some(run_id), Some(*attempt), Some(*deadline));
            "extend"
        }
    };
    let values = [
        n.to_value(),
        batch.to_value(),
        tenant.as_str().to_value(),
        kind.to_value(),
        run.map(ToString::to_string).to_value(),
        attempt_of.to_value(),
        from_state.to_value(),
        prio.to_value(),
        mark.to_value(),
        until.to_value(),
        most.to_value(),
    ];
    FIELDS.into_iter().map(|(name, _)| name.to_owned()).zip(values).collect()
}
