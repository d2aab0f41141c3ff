//! The one gate: the only way a run comes to exist, and the steps around it that start and end runs.
//!
//! The ledger decides first and the run's row follows. Every function here may die between any two of its
//! port calls: what it leaves is settled by the next delivery of the same request or by the reaper.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value as Json};

use crate::clock::{Chance, Clock};
use crate::jobs::JobLauncher;
use crate::pipeline::{Catalog, ParamError, Template, params};
use crate::plan::Limits;
use crate::port::PortError;
use crate::quota::{Change, Counts, Entry, EntryState, Limit, Outcome, retry_at};
use crate::run::{Run, RunId, RunSlot, RunStatus};
use crate::schedule::Slot;
use crate::state::{Answer, Batch, Inserted, Item, Ledger, Runs, Transition};
use crate::tenant::{TenantId, UserId};

mod cancel;
mod launch;

pub use cancel::{Cancelled, cancel};
pub use launch::{Launched, launch, start};

/// How long things may take; the same for every function of a deployment.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// A run that has no row so long after its admission never gets one.
    pub record_within: TimeDelta,
    /// An execution has to claim its run within this.
    pub start_within: TimeDelta,
    /// A queued run expires after this.
    pub queued_for: TimeDelta,
    /// The longest an execution may take; a template may say less.
    pub run_timeout: Duration,
    /// Slots of the whole deployment, best effort; `None` for no bound, 0 starts nothing.
    pub max_running: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            record_within: TimeDelta::seconds(60),
            start_within: TimeDelta::minutes(5),
            queued_for: TimeDelta::hours(24),
            run_timeout: Duration::from_hours(1),
            max_running: None,
        }
    }
}

/// What the gate stands on.
#[derive(Clone)]
pub struct Gate {
    /// Counts and slots.
    pub ledger: Arc<dyn Ledger>,
    /// The runs' rows.
    pub runs: Arc<dyn Runs>,
    /// Starts executions.
    pub jobs: Arc<dyn JobLauncher>,
    /// What can be run.
    pub templates: Arc<Catalog>,
    /// The present.
    pub clock: Clock,
    /// Ids and tokens.
    pub chance: Chance,
    /// How long things may take.
    pub policy: Policy,
}

/// A run that somebody, already authenticated, asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose run; from the key, never from a parameter.
    pub tenant_id: TenantId,
    /// Who asks, as asserted.
    pub user_id: UserId,
    /// The template's provider.
    pub provider: String,
    /// The template's domain.
    pub domain: String,
    /// The template's name.
    pub template: String,
    /// Parameters as sent.
    pub parameters: Map<String, Json>,
    /// The slot of the schedule that asks; what is relative to a day is relative to the slot then.
    pub slot: Option<Slot>,
    /// The derived id, where the request can be recognised again.
    pub derived: Option<Derived>,
    /// Lower starts sooner.
    pub priority: i64,
}

/// An id that the same request derives again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The run's id.
    pub run_id: RunId,
    /// SHA-256 of what was asked, in hex.
    pub fingerprint: String,
}

/// What became of a request.
#[derive(Debug)]
pub enum Submission {
    /// The run exists: recorded now, or by an earlier delivery of the same request.
    Accepted {
        /// Its row.
        run: Box<Run>,
        /// Its place in the queue, from 1.
        position: Option<u32>,
        /// Whether it was found there; `false` where this request made it.
        existed: bool,
    },
    /// There is none to answer, and nothing stays counted for it.
    Refused(Refusal),
}

/// Why there is no run.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// No template of this id.
    UnknownTemplate,
    /// The parameters do not fit it.
    Parameters(Vec<ParamError>),
    /// The tenant's subscription is not active.
    Inactive,
    /// A limit is reached.
    Limit {
        /// Which.
        limit: Limit,
        /// The tenant's limits.
        limits: Limits,
        /// Where it stands.
        counts: Counts,
        /// When it may be let in.
        retry_at: DateTime<Utc>,
    },
    /// The derived id stands for another request.
    KeyReused,
    /// Another delivery of the same request is being recorded.
    InProgress,
    /// The launcher refused the run for good; its count is given back.
    LaunchRefused(RunId),
}

impl Gate {
    /// Applies one change to a tenant's ledger row.
    pub async fn apply(&self, tenant: &TenantId, change: Change) -> Result<Answer, PortError> {
        let answers = self.apply_all(vec![Item { tenant_id: tenant.clone(), change }]).await?;
        answers.into_iter().next().ok_or_else(|| PortError::other("the ledger", "no answer"))
    }

    /// Applies changes as one batch.
    pub async fn apply_all(&self, items: Vec<Item>) -> Result<Vec<Answer>, PortError> {
        let now = self.clock.now();
        let max_running = self.policy.max_running;
        self.ledger.apply(&Batch { items, now, day: now.date_naive(), max_running }).await
    }

    /// Brings a run to an end and logs it; answers whether that end stands.
    pub async fn end(
        &self,
        tenant: &TenantId,
        run_id: RunId,
        end: &Transition,
    ) -> Result<bool, PortError> {
        let written = self.runs.transition(tenant, run_id, end).await?;
        if let Some(ending) = end.ending() {
            ending.log(tenant, run_id, written);
        }
        Ok(written)
    }
}

/// Checks, admits, records and launches a run.
///
/// An error leaves unknown whether the run was counted; the reaper gives back what was never recorded.
pub async fn submit(gate: &Gate, request: &Request) -> Result<Submission, PortError> {
    if let Some(found) = existing(gate, request).await? {
        return Ok(found);
    }
    let (template, parameters) = match check(gate, request) {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Submission::Refused(refusal)),
    };

    let now = gate.clock.now();
    let token = gate.chance.uuid();
    let run_id = request.derived.as_ref().map_or_else(|| RunId(gate.chance.uuid()), |d| d.run_id);
    let admit = Change::Admit {
        run_id,
        day: now.date_naive(),
        priority: request.priority,
        token,
        deadline: now + gate.policy.record_within,
    };
    let answer = gate.apply(&request.tenant_id, admit).await?;
    let limits = answer.subscription.as_ref().map(|s| s.limits);
    match (answer.outcome, limits) {
        (Outcome::Held { entry, position }, Some(limits)) if entry.token == token => {
            let run = new_run(gate, request, template, parameters, &entry, &limits);
            record(gate, request, run, &entry, position).await
        }
        (Outcome::Held { .. }, _) => {
            Ok(existing(gate, request).await?.unwrap_or(Submission::Refused(Refusal::InProgress)))
        }
        (Outcome::Denied(limit), Some(limits)) => Ok(Submission::Refused(Refusal::Limit {
            limit,
            limits,
            counts: answer.counts,
            retry_at: retry_at(limit, now),
        })),
        (
            Outcome::Inactive
            | Outcome::Denied(_)
            | Outcome::Started(_)
            | Outcome::Released
            | Outcome::Refunded
            | Outcome::Extended(_)
            | Outcome::Ignored,
            _,
        ) => Ok(Submission::Refused(Refusal::Inactive)),
    }
}

/// What the template alone decides: the template that a request names, and the request's parameters as a
/// run's row keeps them. Reads no port and writes nothing.
pub fn check<'a>(gate: &'a Gate, request: &Request) -> Result<(&'a Template, Json), Refusal> {
    let template = gate.templates.get(&request.provider, &request.domain, &request.template);
    let template = template.ok_or(Refusal::UnknownTemplate)?;
    let resolved = match &request.slot {
        None => params::resolve(template, &request.parameters, gate.clock.now()),
        Some(slot) => params::at_slot(template, &request.parameters, slot.date)
            .and_then(|given| params::resolve(template, &given, slot.at)),
    };
    let parameters = resolved.map_err(Refusal::Parameters)?;
    Ok((template, params::to_stored(&parameters)))
}

/// What an earlier delivery of a recognisable request led to.
async fn existing(gate: &Gate, request: &Request) -> Result<Option<Submission>, PortError> {
    let Some(derived) = &request.derived else { return Ok(None) };
    let Some(run) = gate.runs.get(&request.tenant_id, derived.run_id).await? else {
        return Ok(None);
    };
    if run.fingerprint.as_ref() != Some(&derived.fingerprint) {
        return Ok(Some(Submission::Refused(Refusal::KeyReused)));
    }
    let position = match run.status {
        RunStatus::Queued => {
            let row = gate.ledger.row(&request.tenant_id).await?;
            row.and_then(|row| row.account.position(run.run_id))
        }
        _ => None,
    };
    Ok(Some(Submission::Accepted { run: Box::new(run), position, existed: true }))
}

fn new_run(
    gate: &Gate,
    request: &Request,
    template: &Template,
    parameters: Json,
    entry: &Entry,
    limits: &Limits,
) -> Run {
    let now = gate.clock.now();
    let holds_slot = entry.state == EntryState::Active;
    Run {
        run_id: entry.run_id,
        tenant_id: request.tenant_id.clone(),
        user_id: request.user_id.clone(),
        pipeline: template.id.clone(),
        priority: request.priority,
        status: if holds_slot { RunStatus::Running } else { RunStatus::Queued },
        slot: request.slot.map(|slot| RunSlot {
            config_id: slot.config_id,
            slot: slot.at,
            attempt: slot.attempt,
        }),
        parameters,
        fingerprint: request.derived.as_ref().map(|d| d.fingerprint.clone()),
        day: entry.day,
        attempt: entry.attempt,
        timeout: template.timeout.unwrap_or(gate.policy.run_timeout).min(gate.policy.run_timeout),
        max_bytes: limits.max_bytes,
        max_parallel: limits.max_parallel,
        created_at: now,
        started_at: holds_slot.then_some(now),
        start_by: holds_slot.then(|| now + gate.policy.start_within),
        claimed_at: None,
        execution: None,
        cancel_requested_at: None,
        ended_at: None,
        launch_refused: false,
        ending: None,
    }
}

/// Records an admitted run and launches it where it holds a slot.
async fn record(
    gate: &Gate,
    request: &Request,
    run: Run,
    entry: &Entry,
    position: Option<u32>,
) -> Result<Submission, PortError> {
    // An id that was refunded and is admitted anew may have got its row in between: a row answers for good.
    if entry.attempt > 1
        && let Some(found) = existing(gate, request).await?
    {
        return yield_to(gate, entry, found).await;
    }
    match gate.runs.insert(&run, entry.deadline).await {
        Ok(Inserted::Recorded) => {}
        Ok(Inserted::TooLate) => {
            give_back(gate, &run.tenant_id, entry).await?;
            return Err(PortError::Unavailable("the run could not be recorded in time".to_owned()));
        }
        Err(PortError::AlreadyExists(_)) => {
            let found = existing(gate, request).await?;
            let found = found.unwrap_or(Submission::Refused(Refusal::InProgress));
            return yield_to(gate, entry, found).await;
        }
        // Whether a row was written is unknown, so the entry stays until the reaper has looked.
        Err(error) => return Err(error),
    }
    if entry.state == EntryState::Active {
        match launch(gate, &run).await? {
            Launched::Started | Launched::Later => {}
            Launched::Refused => {
                return Ok(Submission::Refused(Refusal::LaunchRefused(run.run_id)));
            }
        }
    }
    Ok(Submission::Accepted { run: Box::new(run), position, existed: false })
}

/// Leaves an admission to the row that another delivery wrote. A row that has not ended may hold the entry by
/// now, so it is given back only where nothing can start the row any more; the reaper sees to the rest.
async fn yield_to(gate: &Gate, entry: &Entry, found: Submission) -> Result<Submission, PortError> {
    if let Submission::Accepted { run, .. } = &found
        && run.status.is_final()
    {
        give_back(gate, &run.tenant_id, entry).await?;
    }
    Ok(found)
}

/// Undoes an admission that led to no row; where the entry has moved on meanwhile, the reaper decides.
async fn give_back(gate: &Gate, tenant: &TenantId, entry: &Entry) -> Result<(), PortError> {
    let refund = Change::Refund { run_id: entry.run_id, attempt: entry.attempt, from: entry.state };
    gate.apply(tenant, refund).await.map(|_| ())
}

/// The fingerprint of a request: SHA-256, in hex, of its route and its body's fields in
/// the order of their names.
pub fn fingerprint(route: &str, body: &Map<String, Json>) -> String {
    use sha2::{Digest, Sha256};
    let mut fields: Vec<(&String, &Json)> = body.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    hash.update(route);
    for (name, value) in fields {
        hash.update(format!("\n{name}={value}"));
    }
    crate::warehouse::hex(&hash.finalize())
}
