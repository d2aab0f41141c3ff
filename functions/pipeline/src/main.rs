//! The pipeline job on Cloud Run: one run over Google's services.

use std::process::ExitCode;
use std::sync::Arc;

use common::gcp::{bigquery::BigQuery, open, state::State};
use common::process::{self, Ambient, Stop, Unable};
use pipeline::{Context, config::Settings};

#[tokio::main]
async fn main() -> ExitCode {
    process::work("pipeline", Settings::read, work).await
}

async fn work(settings: Settings, ambient: Ambient, stop: Stop) -> Result<u8, Unable> {
    let Ambient { clock, chance } = ambient;
    let client = open::bigquery(settings.bigquery, "pipeline", &chance).await?;
    let context = Context {
        warehouse: Arc::new(BigQuery::new(client.clone())),
        runs: Arc::new(State::new(client, clock.clone())),
        events: open::events(settings.events).await?,
        catalog: settings.templates,
        roots: settings.roots,
        export_roots: settings.export_roots,
        webhooks: settings.webhooks,
        clock,
        chance,
    };
    Ok(pipeline::execute_until(&context, &settings.assignment, stop.asked()).await.code())
}
