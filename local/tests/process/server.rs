//! A served data folder, and its callers: the operator and the tenants.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::process::{Ended, PATIENCE, Process, until};

/// `headgate serve` on a free port.
pub(crate) struct Server {
    process: Process,
    http: reqwest::Client,
    base: String,
    admin_key: String,
}

/// A tenant and its key.
pub(crate) struct Tenant {
    pub(crate) id: &'static str,
    pub(crate) key: String,
}

impl Server {
    /// Serves a folder, and waits until it answers.
    pub(crate) async fn start(folder: &Path, more: &[&str]) -> Self {
        let args = ["serve", "--port", "0", "--data-dir", folder.to_str().unwrap()];
        let mut process = Process::start(args.iter().chain(more));
        let base = until("the address", PATIENCE, async || {
            let said = process.stdout();
            assert!(process.status().is_none(), "{said}{}", process.stderr());
            let (_, after) = said.split_once("headgate serves ")?;
            after.split_once(" over ").map(|(base, _)| base.to_owned())
        })
        .await;
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let admin_key = std::fs::read_to_string(folder.join("admin-key")).unwrap();
        let server = Self { process, http, base, admin_key };
        until("health", PATIENCE, async || {
            let answer = server.http.get(format!("{}/healthz", server.base)).send().await;
            answer.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
        server
    }

    pub(crate) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    pub(crate) fn stdout(&self) -> String {
        self.process.stdout()
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// The server's process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// The process alone, to be looked at beyond its end.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }

    /// SIGTERM, and what it leaves.
    pub(crate) async fn terminate(self, within: Duration) -> Ended {
        self.process.terminate();
        self.process.ended(within).await
    }

    pub(crate) async fn onboard(&self, id: &'static str, plan: &str) -> Tenant {
        let body = json!({
            "tenant_id": id,
            "company_name": "Company",
            "admin_email": "admin@company.example",
            "subscription_plan": plan,
        });
        let (status, answer) = self.operator("POST", "/api/v1/tenants/onboard", &body).await;
        assert_eq!(status, 200, "{answer}");
        Tenant { id, key: answer["api_key"].as_str().unwrap().to_owned() }
    }

    /// A request of the operator; GET sends no body.
    pub(crate) async fn operator(&self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let request = self.request(method, path, body);
        answer(request.header("X-Admin-Key", &self.admin_key)).await
    }

    /// A request of a tenant; GET sends no body.
    pub(crate) async fn ask(
        &self,
        tenant: &Tenant,
        method: &str,
        path: &str,
        body: &Json,
    ) -> (u16, Json) {
        let request = self.request(method, path, body);
        answer(request.header("X-API-Key", &tenant.key).header("X-User-ID", "tester")).await
    }

    /// Triggers a template and answers the run's id.
    pub(crate) async fn trigger(&self, tenant: &Tenant, template: &str, params: &Json) -> String {
        let path = format!("/api/v1/pipelines/run/{}/{template}", tenant.id);
        let (status, answer) = self.ask(tenant, "POST", &path, params).await;
        assert_eq!((status, &answer["status"]), (200, &json!("RUNNING")), "{answer}");
        assert_eq!(answer["message"], "Pipeline triggered successfully");
        answer["pipeline_logging_id"].as_str().unwrap().to_owned()
    }

    /// Sends a trigger with an `Idempotency-Key`; `None` where no whole answer came.
    pub(crate) async fn trigger_once(
        &self,
        tenant: &Tenant,
        template: &str,
        key: &str,
    ) -> Option<(u16, Json)> {
        self.trigger_with(tenant, template, key, &json!({})).await
    }

    /// The same, with parameters.
    pub(crate) async fn trigger_with(
        &self,
        tenant: &Tenant,
        template: &str,
        key: &str,
        params: &Json,
    ) -> Option<(u16, Json)> {
        let path = format!("/api/v1/pipelines/run/{}/{template}", tenant.id);
        let request = self.request("POST", &path, params).header("Idempotency-Key", key);
        let request = request.header("X-API-Key", &tenant.key).header("X-User-ID", "tester");
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }

    pub(crate) async fn run(&self, tenant: &Tenant, run_id: &str) -> Json {
        let path = format!("/api/v1/pipelines/runs/{}/{run_id}", tenant.id);
        let (status, run) = self.ask(tenant, "GET", &path, &Json::Null).await;
        assert_eq!(status, 200, "{run}");
        run
    }

    /// The run, once it has ended.
    pub(crate) async fn ended(&self, tenant: &Tenant, run_id: &str) -> Json {
        until("the run's end", PATIENCE, async || {
            let run = self.run(tenant, run_id).await;
            (!run["ended_at"].is_null()).then_some(run)
        })
        .await
    }

    /// The run, once it has ended and its slot is free.
    pub(crate) async fn settled(&self, tenant: &Tenant, run_id: &str) -> Json {
        let run = self.ended(tenant, run_id).await;
        until("a free slot", PATIENCE, async || {
            (self.usage(tenant).await["pipelines_running"] == 0).then_some(())
        })
        .await;
        run
    }

    /// What the tenant has used, as the operator reads it.
    pub(crate) async fn usage(&self, tenant: &Tenant) -> Json {
        let path = format!("/api/v1/tenants/{}", tenant.id);
        let (status, answer) = self.operator("GET", &path, &Json::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer["usage"].clone()
    }

    /// Changes a tenant's limits.
    pub(crate) async fn allow(&self, tenant: &Tenant, limits: Json) -> (u16, Json) {
        let path = format!("/api/v1/tenants/{}", tenant.id);
        self.operator("PATCH", &path, &json!({"limits": limits})).await
    }

    fn request(&self, method: &str, path: &str, body: &Json) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        match method {
            "GET" => self.http.get(url),
            "POST" => self.http.post(url).json(body),
            "PATCH" => self.http.patch(url).json(body),
            other => panic!("no test sends {other}"),
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Json) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
