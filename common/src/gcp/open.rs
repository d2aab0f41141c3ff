//! Adapters from the settings of a deployment. Nothing is called: each reaches its service when it is first used.

use std::sync::Arc;

use super::Access;
use super::bigquery::{Client, Place};
use super::cloud_run::CloudRunJobs;
use super::kms::CloudKms;
use super::oidc::{Issuer, Verifier};
use super::pubsub::{PubSub, Topics};
use crate::clock::{Chance, Clock};
use crate::port::PortError;
use crate::settings::{BigQuery, Events, Jobs, Kms, Tokens};

/// BigQuery, called by the function `service`.
pub async fn bigquery(
    settings: BigQuery,
    service: &'static str,
    chance: &Chance,
) -> Result<Client, PortError> {
    let BigQuery { project, location, endpoint } = settings;
    let access = Access::new(endpoint.as_deref())?;
    Client::connect(&access, Place { project, location, service }, chance.clone()).await
}

/// Cloud KMS.
pub async fn keys(settings: &Kms) -> Result<Arc<CloudKms>, PortError> {
    let access = Access::new(settings.endpoint.as_deref())?;
    CloudKms::new(&access, &settings.key).await.map(Arc::new)
}

/// Cloud Run Jobs.
pub async fn jobs(settings: &Jobs) -> Result<Arc<CloudRunJobs>, PortError> {
    let access = Access::new(settings.endpoint.as_deref())?;
    CloudRunJobs::new(&access, &settings.job, &settings.container).await.map(Arc::new)
}

/// Pub/Sub.
pub async fn events(settings: Events) -> Result<Arc<PubSub>, PortError> {
    let Events { run_requests, run_events, endpoint } = settings;
    let access = Access::new(endpoint.as_deref())?;
    PubSub::new(&access, Topics { run_requests, run_events }).await.map(Arc::new)
}

/// The verifier of ID tokens.
pub fn verifier(settings: &Tokens, clock: &Clock) -> Result<Arc<Verifier>, PortError> {
    let issuer = match &settings.signer {
        Some(signer) => Issuer::on_this_machine(&signer.issuer, &signer.jwks_url)?,
        None => Issuer::google(),
    };
    Verifier::new(issuer, clock.clone())
}
