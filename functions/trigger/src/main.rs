//! Triggering on Cloud Run: the routes over Google's services.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use common::gcp::{self, open};
use common::http::Keyring;
use common::process::{self, Ambient, Unable};
use common::submit::Gate;
use trigger::{State, config::Settings};

#[tokio::main]
async fn main() -> ExitCode {
    process::serve("trigger", Settings::read, compose).await
}

async fn compose(settings: Settings, ambient: Ambient) -> Result<Router, Unable> {
    let Settings { bigquery, jobs, tokens, pushers, templates, policy } = settings;
    let Ambient { clock, chance } = ambient;
    let client = open::bigquery(bigquery, "trigger", &chance).await?;
    let state = Arc::new(gcp::state::State::new(client, clock.clone()));
    let keyring = Arc::new(Keyring::new(state.clone(), clock.clone()));
    let verifier = open::verifier(&tokens, &clock)?;
    let (ledger, runs, jobs) = (state.clone(), state.clone(), open::jobs(&jobs).await?);
    Ok(trigger::app(State {
        gate: Gate { ledger, runs, jobs, templates, clock, chance, policy },
        keyring,
        schedules: state.clone(),
        slots: state,
        pushers: verifier.allow(&tokens.audience, &pushers),
    }))
}
