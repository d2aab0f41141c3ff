//! The demo's HTTP client: JSON in, JSON out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use common::keys::Secret;
use reqwest::RequestBuilder;
use serde_json::Value as Json;

/// Longer than any request of the demo takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Talks to one server, as its operator or as a tenant.
pub(super) struct Client {
    http: reqwest::Client,
    server: SocketAddr,
    admin_key: Secret,
}

impl Client {
    pub(super) fn new(server: SocketAddr, admin_key: Secret) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { http, server, admin_key })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    pub(super) async fn operator_post(
        &self,
        path: &str,
        body: &Json,
    ) -> anyhow::Result<(u16, Json)> {
        let request = self.http.post(self.url(path)).json(body);
        self.send(request.header(crate::admin::HEADER, self.admin_key.expose())).await
    }

    pub(super) async fn operator_get(&self, path: &str) -> anyhow::Result<Json> {
        let request = self.http.get(self.url(path));
        self.expect(request.header(crate::admin::HEADER, self.admin_key.expose()), path).await
    }

    pub(super) async fn get(&self, path: &str, api_key: &Secret) -> anyhow::Result<Json> {
        let request = self.http.get(self.url(path));
        self.expect(request.header("x-api-key", api_key.expose()), path).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        api_key: &Secret,
        body: &Json,
    ) -> anyhow::Result<Json> {
        let request = self.http.post(self.url(path)).json(body);
        let request = request.header("x-api-key", api_key.expose()).header("x-user-id", "demo");
        self.expect(request, path).await
    }

    async fn expect(&self, request: RequestBuilder, path: &str) -> anyhow::Result<Json> {
        let (status, answer) = self.send(request).await?;
        ensure!((200..300).contains(&status), "{path} answered {status}: {answer}");
        Ok(answer)
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(u16, Json)> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.context("the answer is no JSON")?))
    }
}
