//! Webhooks: signed messages to hosts that the operator allowed, sent once.
//!
//! A template names the URL and a tenant may choose a part of it, so a message goes nowhere by itself: only over
//! https, to a host and port on the operator's list, at public addresses, without redirects and proxies.
//! Messages follow the Standard Webhooks convention; [`common::webhook_key`] says how they are signed.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::keys::Secret;
use common::tenant::TenantId;
use common::webhook_key;
use reqwest::{Client, ClientBuilder, StatusCode, header};
use tokio::sync::OnceCell;

mod addresses;
mod endpoint;
mod names;
#[cfg(test)]
pub(crate) mod receiver;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, InvalidHost, Refused};

use endpoint::Host;
use names::Names;

/// How long one try may take, from the look-up of the name to the answer's status.
const PATIENCE: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("headgate/", env!("CARGO_PKG_VERSION"));

/// Where `notify` steps may send, and the key that their messages are signed with.
pub struct Webhooks {
    hosts: BTreeSet<Host>,
    key: Secret,
    names: Names,
    patience: Duration,
    /// Made at the first send: a deployment without webhooks reads no certificates.
    client: OnceCell<Client>,
}

/// One message to a tenant's receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whose key signs it.
    pub tenant_id: &'a TenantId,
    /// The same for each try, so that the receiver takes it once: 1 to 128 ASCII letters, digits, `-` and `_`.
    pub id: String,
    /// When it is sent; receivers refuse what is much older than their own time.
    pub at: DateTime<Utc>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It was not sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The receiver answered, and not with a 2xx.
    #[error(
        "the webhook's receiver answered {status}: only a 2xx takes the message, redirects are not followed"
    )]
    Rejected {
        /// The answer's status.
        status: u16,
    },
    /// There was no answer; the receiver may have the message all the same.
    #[error("the webhook's receiver cannot be reached: {0}")]
    Unreachable(String),
}

impl SendError {
    /// Whether the same message may be taken later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Rejected { status } => matches!(status, 408 | 429 | 500..),
            Self::Unreachable(_) => true,
        }
    }
}

impl Webhooks {
    /// Allows `hosts`, each a name with an optional port (`hooks.example.com`, `hooks.example.com:8443`), and
    /// signs with keys derived from `key`, the deployment's.
    pub fn new<T: AsRef<str>>(
        hosts: impl IntoIterator<Item = T>,
        key: Secret,
    ) -> Result<Self, InvalidHost> {
        Ok(Self {
            hosts: hosts
                .into_iter()
                .map(|host| Host::parse(host.as_ref()))
                .collect::<Result<_, _>>()?,
            key,
            names: Names::system(),
            patience: PATIENCE,
            client: OnceCell::new(),
        })
    }

    /// Allows nothing, and so never signs.
    pub fn none() -> Self {
        Self {
            hosts: BTreeSet::new(),
            key: Secret::new(""),
            names: Names::system(),
            patience: PATIENCE,
            client: OnceCell::new(),
        }
    }

    /// The allowed hosts, as [`Self::new`] takes them.
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.iter().map(ToString::to_string).collect()
    }

    /// Reads a URL and refuses it unless its host and port are allowed; nothing is looked up or sent.
    pub fn allow(&self, url: &str) -> Result<Endpoint, Refused> {
        self.allowed(Endpoint::parse(url)?)
    }

    fn allowed(&self, endpoint: Endpoint) -> Result<Endpoint, Refused> {
        if self.hosts.contains(&endpoint.host) { Ok(endpoint) } else { Err(endpoint.not_allowed()) }
    }

    /// Sends a message, once; `Ok` says that the receiver answered 2xx. The answer's body is not read.
    pub async fn send(&self, endpoint: &Endpoint, message: &Message<'_>) -> Result<(), SendError> {
        // Another list may have allowed it.
        let Endpoint { url, .. } = self.allowed(endpoint.clone())?;
        let Message { tenant_id, id, at, body } = message;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=128).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(Refused::Id { id: id.escape_debug().take(128).collect() }.into());
        }
        let timestamp = at.timestamp();
        let signature = webhook_key::signature(&self.key, tenant_id, id, timestamp, body);
        let request = self
            .client()
            .await?
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.clone());
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(SendError::Rejected { status: StatusCode::as_u16(&status) }),
        }
    }

    async fn client(&self) -> Result<&Client, SendError> {
        let made = self.client.get_or_try_init(async || client(&self.names, self.patience).build());
        made.await.map_err(|error| {
            let reason = innermost(&error);
            SendError::Unreachable(format!(
                "TLS does not start ({reason}); the machine needs its CA certificates installed"
            ))
        })
    }

    fn failure(&self, error: &reqwest::Error) -> SendError {
        if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<Refused>()) {
            return SendError::Refused(refused.clone());
        }
        if error.is_timeout() {
            return SendError::Unreachable(format!("no answer within {:?}", self.patience));
        }
        SendError::Unreachable(innermost(error))
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// A client that goes to vetted addresses only, whatever it is answered.
fn client(names: &Names, patience: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .https_only(true)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(names.clone())
        // Each send looks the name up and vets it anew.
        .pool_max_idle_per_host(0)
        .timeout(patience)
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

/// An error and what caused it, outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
