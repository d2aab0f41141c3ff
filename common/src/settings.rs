//! The settings that several programs of a deployment share, as their variables say them.
//!
//! Each group reads itself from a [`Vars`]; `docs/google-cloud.md` lists every variable.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;

use crate::configs::{Configs, ConfigsError};
use crate::env::{Vars, Wrong};
use crate::keys::Secret;
use crate::submit::Policy;
use crate::telemetry;

mod forms;

pub use forms::{email, endpoint, names_this_machine, resource, seconds};

use forms::{location, project};

/// What is logged unless set.
pub const LOG_FILTER: &str = "info";

/// Which events are logged.
pub fn log_filter(vars: &mut Vars<'_>) -> Option<String> {
    let wanted = "a filter, such as info,common=debug";
    vars.or("LOG_FILTER", wanted, LOG_FILTER.to_owned(), |filter| {
        telemetry::check_filter(filter).map(|()| filter.to_owned())
    })
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Listen {
    /// Every address of the machine, as Cloud Run needs it, and port 8080, unless set.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let (wanted, every) = ("an IP address of this machine", Ipv4Addr::UNSPECIFIED.into());
        let host = vars.or("HOST", wanted, every, |text| {
            text.parse::<IpAddr>().map_err(|_| "is not an IP address")
        });
        let port = vars.or("PORT", "a port, such as 8080", 8080, |text| {
            text.parse::<u16>().map_err(|_| "is not a number from 0 to 65535")
        });
        Some(Self(SocketAddr::new(host?, port?)))
    }
}

/// The BigQuery of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigQuery {
    /// The project that holds the datasets and pays for statements.
    pub project: String,
    /// Where the datasets lie.
    pub location: String,
    /// Another place than Google's.
    pub endpoint: Option<String>,
}

impl BigQuery {
    /// Reads project, location and endpoint.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let project = vars.required("GOOGLE_CLOUD_PROJECT", "the id of the project", project);
        let location =
            vars.required("BIGQUERY_LOCATION", "the datasets' location, such as EU", location);
        let endpoint = vars.optional("BIGQUERY_ENDPOINT", ENDPOINT, endpoint);
        Some(Self { project: project?, location: location?, endpoint: endpoint? })
    }
}

/// The key that secrets are encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kms {
    /// Its full name.
    pub key: String,
    /// Another place than Google's.
    pub endpoint: Option<String>,
}

impl Kms {
    /// Reads key and endpoint.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let form = "projects/P/locations/L/keyRings/R/cryptoKeys/K";
        let key = vars.required("KMS_KEY", "the key's full name", resource(form));
        let endpoint = vars.optional("KMS_ENDPOINT", ENDPOINT, endpoint);
        Some(Self { key: key?, endpoint: endpoint? })
    }
}

/// The Cloud Run job that does runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Its full name.
    pub job: String,
    /// The container in it that is told the run.
    pub container: String,
    /// Another place than Google's.
    pub endpoint: Option<String>,
}

impl Jobs {
    /// Reads job, container and endpoint.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let form = "projects/P/locations/R/jobs/J";
        let job = vars.required("PIPELINE_JOB", "the job's full name", resource(form));
        let container = vars.or(
            "PIPELINE_CONTAINER",
            "the name of the job's container",
            "pipeline".to_owned(),
            text,
        );
        let endpoint = vars.optional("RUN_ENDPOINT", ENDPOINT, endpoint);
        Some(Self { job: job?, container: container?, endpoint: endpoint? })
    }
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The topic of requested runs.
    pub run_requests: String,
    /// The topic of ended runs.
    pub run_events: String,
    /// Another place than Google's.
    pub endpoint: Option<String>,
}

impl Events {
    /// Reads both topics and the endpoint, which an emulator's own variable may say as well.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let topic = resource("projects/P/topics/T");
        let run_requests =
            vars.required("RUN_REQUESTS_TOPIC", "the full name of the topic", &topic);
        let run_events = vars.required("RUN_EVENTS_TOPIC", "the full name of the topic", &topic);
        let given = vars.optional("PUBSUB_ENDPOINT", ENDPOINT, endpoint);
        let wanted = "the emulator's host and port, such as 127.0.0.1:8085";
        let emulator = vars
            .optional("PUBSUB_EMULATOR_HOST", wanted, |host| endpoint(&format!("http://{host}")));
        if let (Some(Some(_)), Some(Some(url))) = (&given, &emulator) {
            vars.refuse(Wrong::Invalid {
                name: "PUBSUB_EMULATOR_HOST",
                value: url.trim_start_matches("http://").to_owned(),
                rule: "is set beside PUBSUB_ENDPOINT".to_owned(),
                wanted: "nothing, or leave PUBSUB_ENDPOINT out",
            });
        }
        Some(Self {
            run_requests: run_requests?,
            run_events: run_events?,
            endpoint: given?.or(emulator?),
        })
    }
}

/// How callers with an ID token are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Whom a token must be for: this service.
    pub audience: String,
    /// Who signs in Google's place.
    pub signer: Option<Signer>,
}

/// A signer of tokens on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The name it gives itself.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: String,
}

impl Tokens {
    /// Reads the audience, and the signer where there is one.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let audience = vars.required("OIDC_AUDIENCE", "the URL of this service", text);
        let wanted = "the name that the signer gives itself, beside OIDC_JWKS_URL";
        let issuer = vars.optional("OIDC_ISSUER", wanted, text);
        let wanted =
            "a URL on this machine, or leave it out with OIDC_ISSUER to take Google's tokens";
        let jwks_url = vars.optional("OIDC_JWKS_URL", wanted, forms::on_this_machine);
        let signer = match (issuer?, jwks_url?) {
            (None, None) => None,
            (Some(issuer), Some(jwks_url)) => Some(Signer { issuer, jwks_url }),
            (issuer, _) => {
                let name = if issuer.is_some() { "OIDC_JWKS_URL" } else { "OIDC_ISSUER" };
                let wanted = "a signer on this machine, or leave the other one of the two out";
                vars.refuse(Wrong::Missing { name, wanted });
                return None;
            }
        };
        Some(Self { audience: audience?, signer })
    }
}

/// Accounts that may call a route, by e-mail address.
pub fn accounts(vars: &mut Vars<'_>, name: &'static str) -> Option<Vec<String>> {
    vars.some(name, "e-mail addresses of accounts, with commas between", email)
}

/// Who may write the datasets of tenants; none where none is set.
pub fn dataset_writers(vars: &mut Vars<'_>) -> Option<Vec<String>> {
    vars.list("DATASET_WRITERS", "e-mail addresses of accounts, with commas between", email)
}

/// Plans and templates: the folder `configs` unless another is set.
pub fn configs(vars: &mut Vars<'_>) -> Option<Configs> {
    let wanted = "a folder with plans.yml and templates that headgate validate finds no fault with";
    let read = |folder: &str| {
        Configs::read(Path::new(folder))
            .map_err(|error: ConfigsError| format!("cannot be used: {error}"))
    };
    let folder = vars.or("CONFIGS_DIR", wanted, "configs".to_owned(), text)?;
    match read(&folder) {
        Ok(configs) => Some(configs),
        Err(rule) => {
            vars.refuse(Wrong::Invalid { name: "CONFIGS_DIR", value: folder, rule, wanted });
            None
        }
    }
}

/// What webhooks are signed with.
pub fn webhook_key(vars: &mut Vars<'_>) -> Option<Secret> {
    vars.secret("WEBHOOK_KEY", "32 random characters or more, the same for all programs", 32)
}

/// How long things may take, and how much may run at once over all tenants.
pub fn policy(vars: &mut Vars<'_>) -> Option<Policy> {
    let default = Policy::default();
    let hour = Duration::from_hours(1);
    let wanted = "seconds, from 60 to 86400";
    let day = |text: &str| seconds(text, 60, 86_400);
    let run_timeout = vars.or("RUN_TIMEOUT_SECONDS", wanted, default.run_timeout, day);
    let queued_for = vars.or("QUEUED_FOR_SECONDS", wanted, std(default.queued_for), day);
    let start_within = vars.or(
        "START_WITHIN_SECONDS",
        "seconds, from 10 to 3600",
        std(default.start_within),
        |text| seconds(text, 10, hour.as_secs()),
    );
    let max_running = vars.optional("MAX_RUNNING", "a number of runs", |text| {
        text.parse::<u32>().map_err(|_| "is not a whole number from 0 on")
    });
    let delta = |duration| TimeDelta::from_std(duration).ok();
    Some(Policy {
        start_within: delta(start_within?)?,
        queued_for: delta(queued_for?)?,
        run_timeout: run_timeout?,
        max_running: max_running?,
        ..default
    })
}

const ENDPOINT: &str = "an https URL, or an http URL on this machine; leave it out for Google's";

fn std(delta: TimeDelta) -> Duration {
    delta.to_std().unwrap_or_default()
}

/// Any text.
pub fn text(value: &str) -> Result<String, Infallible> {
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests;
