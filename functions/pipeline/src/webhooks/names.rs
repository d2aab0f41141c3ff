//! Host names to vetted addresses: the one way a webhook's connection gets an address.
//!
//! The client connects to what was vetted here and never looks a name up itself, so a name that points elsewhere
//! a moment later changes nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::addresses;
use super::endpoint::Refused;

/// Answers a name's addresses.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Looks names up and vets what they resolve to.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) lookup: Lookup,
    /// An address that stands for a public one: tests serve on loopback.
    #[cfg(test)]
    pub(super) trusted: Option<IpAddr>,
}

impl Names {
    /// The system's resolver.
    pub(super) fn system() -> Self {
        let lookup = |name: String| {
            async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            .boxed()
        };
        Self {
            lookup: Arc::new(lookup),
            #[cfg(test)]
            trusted: None,
        }
    }

    /// The name's addresses, if every one of them is allowed.
    async fn vetted(self, name: String) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(name.clone()).await?;
        let inside = found.iter().filter(|address| !addresses::is_public(**address));
        #[cfg(test)]
        let inside = inside.filter(|address| self.trusted != Some(**address));
        if let Some(address) = inside.min() {
            tracing::warn!(
                host = name,
                %address,
                "a webhook's host resolves to an address that is not public; nothing is sent"
            );
            return Err(Refused::Address { host: name }.into());
        }
        if found.is_empty() {
            return Err(io::Error::other("the name has no address").into());
        }
        // Port 0 stands for the URL's.
        Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))))
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().vetted(name.as_str().to_owned()))
    }
}
