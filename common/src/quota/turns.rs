//! Whose turn it is: under a bound of the whole deployment its free slots go round the tenants that wait.
//!
//! Who started least recently comes first. A tenant's last turn is the largest that its row remembers, and none
//! comes before any: so of two tenants that wait, neither starts twice before the other has started once.

use chrono::{DateTime, Utc};

use super::{Account, Entry, EntryState};
use crate::plan::Limits;
use crate::tenant::TenantId;

/// What the deployment has left to give in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    room: i64,
    last_turn: Option<i64>,
}

impl Slots {
    /// A deployment without a bound: there is always room, and turns are not counted.
    pub fn unbounded() -> Self {
        Self { room: i64::MAX, last_turn: None }
    }

    /// A deployment of at most `max_running` slots of which `active` are held; `last_turn` is the largest turn of
    /// all rows, 0 where there is none.
    pub fn bounded(max_running: u32, active: i64, last_turn: i64) -> Self {
        Self { room: i64::from(max_running) - active, last_turn: Some(last_turn) }
    }

    /// How many slots are free; below zero where the bound was lowered below what runs.
    pub fn room(&self) -> i64 {
        self.room
    }

    pub(super) fn give(&mut self) {
        self.room = self.room.saturating_add(1);
    }

    /// Takes a slot and answers its turn.
    fn take(&mut self) -> Option<i64> {
        self.room -= 1;
        self.last_turn = self.last_turn.map(|turn| turn + 1);
        self.last_turn
    }
}

/// A tenant that has runs to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// Who.
    pub tenant: &'a TenantId,
    /// Its last turn; `None` for never.
    pub last_turn: Option<i64>,
    /// How many runs its queue, its plan and what is asked would let start now.
    pub candidates: u32,
}

/// Who gets the free slots, a tenant for each, in the order of their turns.
///
/// The k-th candidate of each tenant is of round k; candidates are sorted by round, last turn and tenant, and the
/// first `room` of them start. One statement says the same with a row number, a sort and a limit.
pub fn share<'a>(waiting: &[Waiting<'a>], room: i64) -> Vec<&'a TenantId> {
    let mut order = waiting.to_vec();
    order.sort_by_key(|w| (w.last_turn, w.tenant));
    let room = usize::try_from(room).unwrap_or(0);
    let last_round = order.iter().map(|w| w.candidates).max().unwrap_or(0);
    let rounds = (1..=last_round)
        .flat_map(|round| order.iter().filter(move |w| w.candidates >= round).map(|w| w.tenant));
    rounds.take(room).collect()
}

impl Entry {
    /// Gives it a slot.
    pub(super) fn activate(&mut self, slots: &mut Slots) {
        self.state = EntryState::Active;
        self.turn = slots.take().or(self.turn);
    }
}

impl Account {
    /// The tenant's last turn; `None` where no entry remembers one.
    pub fn last_turn(&self) -> Option<i64> {
        self.entries.iter().filter_map(|e| e.turn).max()
    }

    /// How many of at most `up_to` runs its queue and its plan would let start now.
    pub(super) fn candidates(&self, up_to: u32, limits: &Limits) -> u32 {
        let count = |state| {
            let entries = self.entries.iter().filter(|e| e.state == state).count();
            u32::try_from(entries).unwrap_or(u32::MAX)
        };
        let free = limits.concurrent_limit.saturating_sub(count(EntryState::Active));
        up_to.min(free).min(count(EntryState::Queued))
    }

    /// Gives the head of the queue a slot.
    pub(super) fn start_head(
        &mut self,
        deadline: DateTime<Utc>,
        slots: &mut Slots,
    ) -> Option<Entry> {
        let queued = self.entries.iter_mut().filter(|e| e.state == EntryState::Queued);
        let head = queued.min_by_key(|e| (e.priority, e.seq))?;
        head.activate(slots);
        head.deadline = head.deadline.max(deadline);
        Some(head.clone())
    }

    pub(super) fn start(
        &mut self,
        up_to: u32,
        deadline: DateTime<Utc>,
        limits: &Limits,
        slots: &mut Slots,
    ) -> Vec<Entry> {
        let places = i64::from(self.candidates(up_to, limits)).min(slots.room());
        (0..places).filter_map(|_| self.start_head(deadline, slots)).collect()
    }
}

#[cfg(test)]
mod tests;
