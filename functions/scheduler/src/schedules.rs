//! `/api/v1/scheduler/tenant/{tenant_id}/pipelines`: a tenant's schedules, made, read, changed and removed with its
//! key.

use chrono::{DateTime, Utc};
use common::http::Caller;
use common::http::problem::{Kind, Problem};
use common::schedule::{ConfigId, Schedule};

use crate::State;

pub(crate) mod change;
mod check;
pub(crate) mod create;
pub(crate) mod read;
pub(crate) mod remove;
mod settings;
mod view;

/// How many schedules a tenant may keep, paused ones among them: as many as one answer lists.
const MOST: u32 = 100;
/// How many coming fires are shown of a schedule, and how many its parameters are checked for.
const FIRES: usize = 5;

/// The fires that come after an instant, whether or not the schedule is paused.
fn coming(schedule: &Schedule, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    schedule.cron.fires(schedule.zone, after).take(FIRES)
}

/// The path's schedule; a text that is no id names none.
fn parse(config: &str) -> Result<ConfigId, Problem> {
    config.parse().map_err(|_| unknown())
}

/// The caller's schedule of the path. Another tenant's is as unknown as none.
async fn find(state: &State, caller: &Caller, config: &str) -> Result<Schedule, Problem> {
    let found = state.context.schedules.schedule(parse(config)?).await?;
    found.filter(|schedule| schedule.tenant_id == caller.tenant_id).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "there is no such schedule")
}
