//! `headgate`: the whole of Headgate on a laptop.

use std::process::ExitCode;

use clap::Parser;
use local::cli::Cli;
use local::store::Opens;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run(BIGQUERY).await
}

#[cfg(not(feature = "gcp"))]
const BIGQUERY: Option<Opens> = None;

#[cfg(feature = "gcp")]
const BIGQUERY: Option<Opens> = Some(|elsewhere| {
    use std::sync::Arc;

    use common::gcp::{bigquery::BigQuery, open, state::State};
    use local::store::{Elsewhere, Store};

    Box::pin(async move {
        let Elsewhere { settings, clock, chance } = elsewhere;
        let client = open::bigquery(settings, "headgate", &chance).await?;
        let warehouse = Arc::new(BigQuery::new(client.clone()));
        Store::with_control(Arc::new(State::new(client, clock)), warehouse).await
    })
});
