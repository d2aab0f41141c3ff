//! Lets the days of a backfill through the gate, oldest first, until one is not let in.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use common::http::problem::{Kind, Problem};
use common::plan::Limits;
use common::quota::{Counts, Limit};
use common::run::RunStatus;
use common::submit::{Refusal, Submission, submit};

use super::answer::{BackfillAnswer, DayRun, LimitReached};
use super::known::Known;
use super::order::Order;
use crate::State;
use crate::run::{RECORDING, limit_said, refused};

/// No day is begun after this. A request is given up after 60 s, and what it has admitted must be answered.
const ADMIT_FOR: TimeDelta = TimeDelta::seconds(15);

/// Why the days that are left were not admitted.
enum Stop {
    /// A limit.
    Limit { limit: Limit, limits: Limits, counts: Counts, retry_at: DateTime<Utc> },
    /// [`ADMIT_FOR`] has passed.
    Time,
    /// What a request for this day alone would have been answered with.
    Trouble(Problem),
}

/// Submits each day that has no run. A day that has one is answered from it and costs no call, so that a long
/// backfill gets further with every request.
///
/// A launcher that refuses for good ends the admitting too: it would refuse every later day alike and leave a
/// row of failed runs that answer for their days.
pub(crate) async fn admit(
    state: &State,
    order: &Order,
    known: Known,
) -> Result<BackfillAnswer, Problem> {
    let began = state.gate.clock.now();
    let (mut runs, mut left, mut stop) = (Vec::new(), Vec::new(), None);
    for date in order.dates() {
        if let Some(run) = known.day(order, date) {
            runs.push(run);
            continue;
        }
        if stop.is_none() && state.gate.clock.now() - began >= ADMIT_FOR {
            stop = Some(Stop::Time);
        }
        let run = if stop.is_some() {
            None
        } else {
            let (run, ended) = day(state, order, date).await;
            stop = ended;
            run
        };
        match run {
            Some(run) => runs.push(run),
            None => left.push(date),
        }
    }
    if let Some(Stop::Trouble(problem)) = &stop {
        // Nothing is lost with an error: the first day has no run.
        if left.first() == Some(&order.from) {
            return Err(problem.clone());
        }
        let error = problem.cause().unwrap_or(problem.detail());
        tracing::warn!(tenant.id = %order.tenant(), error, "backfill interrupted");
    }
    let left = look_again(state, order, left, &mut runs).await;
    Ok(answered(order, runs, left, stop.as_ref()))
}

/// What a day came to, and what ends the admitting there.
async fn day(state: &State, order: &Order, date: NaiveDate) -> (Option<DayRun>, Option<Stop>) {
    let refusal = match submit(&state.gate, &order.request(date)).await {
        Ok(Submission::Accepted { run, position, existed }) => {
            return (Some(DayRun::of(date, &run, position, existed)), None);
        }
        Ok(Submission::Refused(refusal)) => refusal,
        Err(error) => return (None, Some(Stop::Trouble(error.into()))),
    };
    match refusal {
        Refusal::Limit { limit, limits, counts, retry_at } => {
            (None, Some(Stop::Limit { limit, limits, counts, retry_at }))
        }
        Refusal::InProgress => {
            let detail = format!("another request is recording the run of {date}");
            let problem = Problem::new(Kind::InProgress, detail).retry_after(RECORDING);
            (None, Some(Stop::Trouble(problem)))
        }
        Refusal::LaunchRefused(run_id) => {
            let run = DayRun::new(date, run_id, RunStatus::Failed);
            let template = order.template.to_string();
            let problem = refused(Refusal::LaunchRefused(run_id), &template, state);
            (Some(run), Some(Stop::Trouble(problem)))
        }
        other @ (Refusal::UnknownTemplate
        | Refusal::Parameters(_)
        | Refusal::Inactive
        | Refusal::KeyReused) => {
            let problem = refused(other, &order.template.to_string(), state);
            (None, Some(Stop::Trouble(problem)))
        }
    }
}

/// The days of `left` that have no run: another request may have made some meanwhile, which go to `runs`.
async fn look_again(
    state: &State,
    order: &Order,
    left: Vec<NaiveDate>,
    runs: &mut Vec<DayRun>,
) -> Vec<NaiveDate> {
    if left.is_empty() {
        return left;
    }
    match Known::read(&state.gate, order, left.iter().copied()).await {
        Ok(known) => {
            runs.extend(left.iter().filter_map(|date| known.day(order, *date)));
            runs.sort_by_key(|run| run.date);
            left.into_iter().filter(|date| known.day(order, *date).is_none()).collect()
        }
        // The same request looks again; what was admitted has to be answered now.
        Err(error) => {
            tracing::warn!(tenant.id = %order.tenant(), %error, "days not looked up again");
            left
        }
    }
}

fn answered(
    order: &Order,
    runs: Vec<DayRun>,
    left: Vec<NaiveDate>,
    stop: Option<&Stop>,
) -> BackfillAnswer {
    let on = "the same request goes on where it stopped";
    let message = match stop {
        None if runs.iter().all(|run| run.existed) => "Every day had its run already".to_owned(),
        None => "Backfill admitted".to_owned(),
        Some(Stop::Limit { limit, limits, counts, retry_at }) => {
            let said = limit_said(*limit, *limits, *counts);
            format!("{said}; from {} on {on}", retry_at.to_rfc3339_opts(SecondsFormat::Secs, true))
        }
        Some(Stop::Time) => format!("one request admits for {} s; {on}", ADMIT_FOR.num_seconds()),
        Some(Stop::Trouble(problem)) => format!("{}; {on}", problem.detail()),
    };
    let answer = BackfillAnswer::new(order, runs, left, message);
    match stop {
        Some(Stop::Limit { limit, limits, counts, retry_at }) => {
            answer.at_limit(LimitReached::new(*limit, *limits, *counts), *retry_at)
        }
        None | Some(Stop::Time | Stop::Trouble(_)) => answer,
    }
}
