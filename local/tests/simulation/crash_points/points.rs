//! The crash points by name: whose call, and on which side of its effect.

use crate::faults::Side::{self, After, Before};

/// Which process a task is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Process {
    /// The gate, at a tenant's request.
    Gate,
    /// The gate, at a slot's request.
    Requests,
    /// The gate, asked for the end of a run.
    Cancel,
    Tick,
    Queue,
    Reaper,
    Worker,
}

/// A place to die at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) call: &'static str,
    pub(crate) side: Side,
}

const fn at(name: &'static str, process: Process, call: &'static str, side: Side) -> Point {
    Point { name, process, call, side }
}

/// Every one of them is met at least once.
pub(crate) const POINTS: [Point; 39] = [
    at("recording: admitted, no row", Process::Gate, "ledger.admit", After),
    at("recording: a slot's run admitted, no row", Process::Requests, "ledger.admit", After),
    at("recording: without a row, nothing given back", Process::Reaper, "ledger.refund", Before),
    at("launching: a row, no launch", Process::Gate, "runs.insert", After),
    at("launching: a slot's row, no launch", Process::Requests, "runs.insert", After),
    at("launching: launched, not noted", Process::Gate, "jobs.launch", After),
    at("launching: refused, the row not ended", Process::Gate, "runs.end_unclaimed", Before),
    at("launching: refused, nothing given back", Process::Gate, "runs.end_unclaimed", After),
    at(
        "launching: of a later attempt, only in the ledger",
        Process::Reaper,
        "ledger.extend",
        After,
    ),
    at("launching: of a later attempt, not launched", Process::Reaper, "runs.relaunch", After),
    at(
        "starting: released and started in the ledger alone",
        Process::Queue,
        "ledger.release",
        After,
    ),
    at(
        "starting: started by the reaper in the ledger alone",
        Process::Reaper,
        "ledger.start",
        After,
    ),
    at("starting: RUNNING, not launched", Process::Queue, "runs.start", After),
    at("starting: launched, not noted", Process::Queue, "jobs.launch", After),
    at("claiming: not claimed", Process::Worker, "runs.claim", Before),
    at("claiming: claimed, nothing begun", Process::Worker, "runs.claim", After),
    at("dying: before a statement", Process::Worker, "warehouse.accept", Before),
    at("dying: a statement runs", Process::Worker, "warehouse.accept", After),
    at("dying: a statement took effect, not logged", Process::Worker, "warehouse.land", After),
    at("dying: a step is logged", Process::Worker, "runs.log_step", After),
    at("dying: all is done, no ending", Process::Worker, "runs.end_claimed", Before),
    at("dying: ended, nobody told", Process::Worker, "runs.end_claimed", After),
    at("dying: statements ended, the row not", Process::Reaper, "warehouse.cancel", After),
    at("dying: the row ended, its slot not free", Process::Reaper, "runs.end_claimed", After),
    at("retrying a step: before the lookup", Process::Worker, "warehouse.cancel", Before),
    at("retrying a step: after the lookup", Process::Worker, "warehouse.cancel", After),
    at("cancelling: asked for, nobody told", Process::Cancel, "runs.request_cancel", After),
    at("cancelling: given back, the row QUEUED", Process::Cancel, "ledger.refund", After),
    at("cancelling: the execution not told", Process::Cancel, "jobs.cancel", Before),
    at("schedule: due, not published", Process::Tick, "events.run_requested", Before),
    at("schedule: published, not advanced", Process::Tick, "events.run_requested", After),
    at("schedule: requested, not recorded", Process::Requests, "slots.begin", Before),
    at("schedule: recorded, not decided", Process::Requests, "slots.begin", After),
    at("schedule: decided, not recorded", Process::Requests, "slots.settle", Before),
    at("schedule: ended, not settled", Process::Queue, "slots.attempts", Before),
    at("schedule: ended, no retry planned", Process::Queue, "schedules.plan_retry", Before),
    at("schedule: a retry planned, the end not recorded", Process::Queue, "slots.settle", Before),
    at("schedule: the same, found by the reaper", Process::Reaper, "schedules.plan_retry", After),
    at("schedule: settled, its slot not free", Process::Queue, "slots.settle", After),
];
