//! Onboarding on Cloud Run: the routes over Google's services.

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use common::gcp::{self, bigquery::BigQuery, open};
use common::process::{self, Ambient, Unable};
use onboard::{State, config::Settings};

#[tokio::main]
async fn main() -> ExitCode {
    process::serve("onboard", Settings::read, compose).await
}

async fn compose(settings: Settings, ambient: Ambient) -> Result<Router, Unable> {
    let Ambient { clock, chance } = ambient;
    let client = open::bigquery(settings.bigquery, "onboard", &chance).await?;
    let state = Arc::new(gcp::state::State::new(client.clone(), clock.clone()));
    let verifier = open::verifier(&settings.tokens, &clock)?;
    Ok(onboard::app(State {
        tenants: state.clone(),
        ledger: state,
        warehouse: Arc::new(BigQuery::new(client).written_by(settings.writers)),
        key_service: open::keys(&settings.kms).await?,
        webhook_key: settings.webhook_key,
        operators: verifier.allow(&settings.tokens.audience, &settings.operators),
        config: Arc::new(settings.config),
        clock,
        chance,
    }))
}
