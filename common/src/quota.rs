//! The ledger's arithmetic: how a run is admitted, queued, started, freed and given back, for one tenant.
//!
//! This is the rule itself. An adapter runs it where its row lies: embedded as this code inside one
//! transaction, on BigQuery as one statement that computes the same; the ledger's contract suite holds both
//! to it.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::Limits;
use crate::run::RunId;
use crate::tenant::stored_as_text;

mod batch;
mod turns;

pub use batch::{Bounded, decide};
pub use turns::{Slots, Waiting, share};

/// How long a closed entry is remembered, so that a late delivery of its id is known.
const CLOSED_FOR: TimeDelta = TimeDelta::hours(48);
/// How long a day's count is kept: a year and a month, for the usage view.
const DAYS_FOR: Days = Days::new(400);

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryState {
    /// Counted, waits for a slot.
    Queued,
    /// Counted, holds a slot.
    Active,
    /// Counted, its slot is free again.
    Done,
    /// Not counted: it never came to be, or was ended before it began.
    Refunded,
}

stored_as_text!(EntryState {
    Queued = "QUEUED",
    Active = "ACTIVE",
    Done = "DONE",
    Refunded = "REFUNDED",
});

/// One run in a tenant's ledger row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The run.
    pub run_id: RunId,
    /// The UTC day it is counted in, fixed at admission.
    pub day: NaiveDate,
    /// Lower starts sooner.
    pub priority: i64,
    /// The order of arrival.
    pub seq: i64,
    /// Where it stands.
    pub state: EntryState,
    /// Which admission, and then which launch, of the run this is, from 1.
    pub attempt: u32,
    /// Chosen by the request that admitted it: who reads its own back records the run.
    pub token: Uuid,
    /// Without a run row by then, there never will be one.
    pub deadline: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// The deployment's count of starts when it got its slot; `None` before, and where no bound was set.
    #[serde(default)]
    pub turn: Option<i64>,
}

impl Entry {
    fn is_open(&self) -> bool {
        match self.state {
            EntryState::Queued | EntryState::Active => true,
            EntryState::Done | EntryState::Refunded => false,
        }
    }

    fn close(&mut self, state: EntryState, now: DateTime<Utc>) {
        self.state = state;
        self.closed_at = Some(now);
    }
}

/// A tenant's ledger row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Open entries, and those closed in the last 48 h.
    pub entries: Vec<Entry>,
    /// Runs counted per UTC day.
    pub days: BTreeMap<NaiveDate, u32>,
}

/// What is asked of one tenant's ledger row. Each may be sent again without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Counts the run and gives it a slot or a place in the queue.
    Admit {
        /// The run.
        run_id: RunId,
        /// The UTC day to count it in.
        day: NaiveDate,
        /// Lower starts sooner.
        priority: i64,
        /// See [`Entry::token`].
        token: Uuid,
        /// See [`Entry::deadline`].
        deadline: DateTime<Utc>,
    },
    /// Moves at most `up_to` runs from the head of the queue to free slots.
    Start {
        /// How many at most.
        up_to: u32,
        /// See [`Entry::deadline`].
        deadline: DateTime<Utc>,
    },
    /// Frees the slot of a run that has ended.
    Release {
        /// The run.
        run_id: RunId,
        /// The entry's attempt; any other is ignored.
        attempt: u32,
    },
    /// Gives a run's count back, if its entry is in the state `from`.
    Refund {
        /// The run.
        run_id: RunId,
        /// The entry's attempt; any other is ignored.
        attempt: u32,
        /// `Queued` or `Active`.
        from: EntryState,
    },
    /// Turns an active entry into its next attempt, to be launched again.
    Extend {
        /// The run.
        run_id: RunId,
        /// The attempt that failed to start.
        attempt: u32,
        /// See [`Entry::deadline`].
        deadline: DateTime<Utc>,
    },
}

impl Change {
    /// Within one batch what frees comes first, then what starts, then what arrives.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Release { .. } | Self::Refund { .. } | Self::Extend { .. } => 0,
            Self::Start { .. } => 1,
            Self::Admit { .. } => 2,
        }
    }
}

/// The limit that a run met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Runs in the UTC day.
    Daily,
    /// Runs in the UTC month.
    Monthly,
    /// Runs waiting.
    Queue,
}

/// What a change led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The run has an entry: admitted now or before, as `token` tells. `position` is its place in the queue.
    Held {
        /// The entry.
        entry: Entry,
        /// From 1; `None` unless queued.
        position: Option<u32>,
    },
    /// The run was not counted, for a limit is reached.
    Denied(Limit),
    /// The tenant's subscription is not active, or there is none.
    Inactive,
    /// These runs now hold slots.
    Started(Vec<Entry>),
    /// The slot is free, or was before.
    Released,
    /// The count is given back, or was before.
    Refunded,
    /// The entry is now this.
    Extended(Entry),
    /// The entry is not what the change named; nothing changed.
    Ignored,
}

/// The counts a tenant stood at when a change was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs counted in the day.
    pub today: u32,
    /// Runs counted in the month.
    pub month: u32,
    /// Runs that hold a slot.
    pub active: u32,
    /// Runs that wait.
    pub queued: u32,
}

impl Account {
    /// Applies one change. `limits` are those of an ACTIVE subscription, `None` where it is not; `slots` is what
    /// the deployment has left, kept up to date here.
    pub fn apply(
        &mut self,
        change: &Change,
        limits: Option<&Limits>,
        now: DateTime<Utc>,
        slots: &mut Slots,
    ) -> Outcome {
        match change {
            Change::Admit { run_id, day, priority, token, deadline } => {
                let entry = Entry {
                    run_id: *run_id,
                    day: *day,
                    priority: *priority,
                    seq: 0,
                    state: EntryState::Queued,
                    attempt: 1,
                    token: *token,
                    deadline: *deadline,
                    closed_at: None,
                    turn: None,
                };
                self.admit(entry, limits, slots)
            }
            Change::Start { up_to, deadline } => match limits {
                Some(limits) => Outcome::Started(self.start(*up_to, *deadline, limits, slots)),
                None => Outcome::Inactive,
            },
            Change::Release { run_id, attempt } => match self.entry(*run_id, *attempt) {
                Some(entry) if entry.state == EntryState::Active => {
                    entry.close(EntryState::Done, now);
                    slots.give();
                    Outcome::Released
                }
                Some(entry) if entry.state == EntryState::Done => Outcome::Released,
                _ => Outcome::Ignored,
            },
            Change::Refund { run_id, attempt, from } => {
                self.refund(*run_id, *attempt, *from, now, slots)
            }
            Change::Extend { run_id, attempt, deadline } => match self.entry(*run_id, *attempt) {
                Some(entry) if entry.state == EntryState::Active => {
                    entry.attempt += 1;
                    entry.deadline = *deadline;
                    Outcome::Extended(entry.clone())
                }
                _ => Outcome::Ignored,
            },
        }
    }

    /// How many runs hold a slot, wait, and were counted in `day` and its month.
    pub fn counts(&self, day: NaiveDate) -> Counts {
        let in_state = |state| {
            self.entries.iter().filter(|e| e.state == state).count().try_into().unwrap_or(u32::MAX)
        };
        let same_month = |d: &NaiveDate| (d.year(), d.month()) == (day.year(), day.month());
        Counts {
            today: self.days.get(&day).copied().unwrap_or(0),
            month: self.days.iter().filter(|(d, _)| same_month(d)).map(|(_, runs)| runs).sum(),
            active: in_state(EntryState::Active),
            queued: in_state(EntryState::Queued),
        }
    }

    /// Forgets what is older than the ledger remembers; done before a change is decided.
    pub fn prune(&mut self, now: DateTime<Utc>) {
        self.entries.retain(|e| e.closed_at.is_none_or(|at| now - at < CLOSED_FOR));
        if let Some(first) = now.date_naive().checked_sub_days(DAYS_FOR) {
            self.days.retain(|day, _| *day >= first);
        }
    }

    /// A queued run's place, from 1.
    pub fn position(&self, run_id: RunId) -> Option<u32> {
        let place = self.queue().iter().position(|e| e.run_id == run_id)?;
        u32::try_from(place + 1).ok()
    }

    fn queue(&self) -> Vec<&Entry> {
        let mut queue: Vec<&Entry> =
            self.entries.iter().filter(|e| e.state == EntryState::Queued).collect();
        queue.sort_by_key(|e| (e.priority, e.seq));
        queue
    }

    fn entry(&mut self, run_id: RunId, attempt: u32) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.run_id == run_id && e.attempt == attempt)
    }

    fn admit(&mut self, mut entry: Entry, limits: Option<&Limits>, slots: &mut Slots) -> Outcome {
        let known = self.entries.iter().position(|e| e.run_id == entry.run_id);
        if let Some(at) = known {
            let before = &self.entries[at];
            if before.state != EntryState::Refunded {
                return Outcome::Held {
                    entry: before.clone(),
                    position: self.position(entry.run_id),
                };
            }
            entry.attempt = before.attempt + 1;
            entry.turn = before.turn;
        }
        let Some(limits) = limits else { return Outcome::Inactive };
        let counts = self.counts(entry.day);
        if counts.today >= limits.daily_limit {
            return Outcome::Denied(Limit::Daily);
        }
        if counts.month >= limits.monthly_limit {
            return Outcome::Denied(Limit::Monthly);
        }
        if counts.queued == 0 && counts.active < limits.concurrent_limit && slots.room() > 0 {
            entry.activate(slots);
        } else if counts.queued >= limits.max_queued {
            return Outcome::Denied(Limit::Queue);
        }
        entry.seq = self.entries.iter().map(|e| e.seq).max().unwrap_or(0) + 1;
        if let Some(at) = known {
            self.entries.remove(at);
        }
        *self.days.entry(entry.day).or_insert(0) += 1;
        self.entries.push(entry.clone());
        Outcome::Held { position: self.position(entry.run_id), entry }
    }

    fn refund(
        &mut self,
        run_id: RunId,
        attempt: u32,
        from: EntryState,
        now: DateTime<Utc>,
        slots: &mut Slots,
    ) -> Outcome {
        let Some(entry) = self.entry(run_id, attempt) else { return Outcome::Ignored };
        if entry.state == EntryState::Refunded {
            return Outcome::Refunded;
        }
        if entry.state != from || !entry.is_open() {
            return Outcome::Ignored;
        }
        if entry.state == EntryState::Active {
            slots.give();
        }
        entry.close(EntryState::Refunded, now);
        let day = entry.day;
        if let Some(runs) = self.days.get_mut(&day) {
            *runs = runs.saturating_sub(1);
        }
        Outcome::Refunded
    }
}

/// When a limit that was met at `now` may let a run in again.
pub fn retry_at(limit: Limit, now: DateTime<Utc>) -> DateTime<Utc> {
    let today = now.date_naive();
    let next = match limit {
        Limit::Daily => today.checked_add_days(Days::new(1)),
        Limit::Monthly => today.with_day(1).and_then(|d| d.checked_add_months(Months::new(1))),
        Limit::Queue => return now + TimeDelta::seconds(60),
    };
    next.unwrap_or(today).and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests;
