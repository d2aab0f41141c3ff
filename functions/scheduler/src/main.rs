//! Scheduling on Cloud Run: the routes over Google's services.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use common::gcp::{self, bigquery::BigQuery, open};
use common::http::Keyring;
use common::process::{self, Ambient, Unable};
use common::submit::Gate;
use scheduler::{Callers, Context, State, config::Settings};

#[tokio::main]
async fn main() -> ExitCode {
    process::serve("scheduler", Settings::read, compose).await
}

async fn compose(settings: Settings, ambient: Ambient) -> Result<Router, Unable> {
    let Settings { tokens, templates, policy, .. } = settings;
    let Ambient { clock, chance } = ambient;
    let client = open::bigquery(settings.bigquery, "scheduler", &chance).await?;
    let state = Arc::new(gcp::state::State::new(client.clone(), clock.clone()));
    let keyring = Arc::new(Keyring::new(state.clone(), clock.clone()));
    let verifier = open::verifier(&tokens, &clock)?;
    let allow = |accounts: &[String]| verifier.allow(&tokens.audience, accounts);
    let callers =
        Callers { events: allow(&settings.pushers), ..Callers::all(&allow(&settings.schedulers)) };
    let (ledger, runs, jobs) = (state.clone(), state.clone(), open::jobs(&settings.jobs).await?);
    let context = Context {
        gate: Gate { ledger, runs, jobs, templates, clock, chance, policy },
        warehouse: Arc::new(BigQuery::new(client)),
        schedules: state.clone(),
        slots: state,
        events: open::events(settings.events).await?,
    };
    Ok(scheduler::app(State { context, keyring, operators: allow(&settings.operators), callers }))
}
