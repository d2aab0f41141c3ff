//! `headgate demo`: a tenant from its onboarding to its checked daily cost, over real HTTP.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::Days;
use common::clock::{Chance, Clock};
use common::keys::Secret;
use common::tenant::TenantId;
use common::warehouse::{
    Column, DataType, Format, JobId, JobOptions, Load, Query, Target, Value, Warehouse, WriteMode,
    hex,
};
use pipeline::{Roots, Webhooks};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use crate::jobs::Isolation;
use crate::node::{DataDir, Node, Settings};
use crate::{configs, sample, webhook_key};

mod client;
mod report;

use client::Client;

/// The tenant that the demo onboards.
const TENANT: &str = "acme_demo";
/// How long the demo's run may take; on two cores it takes seconds.
const PATIENCE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(100);

/// What the command is told.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Folder of everything that is kept; a temporary one unless given
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object instead of a report
    #[arg(long)]
    pub json: bool,
}

/// Runs the demo; answers whether the run COMPLETED with every blocking check passed.
pub async fn run(args: &Args) -> anyhow::Result<bool> {
    let temporary = tempfile::tempdir()?;
    let folder = args.data_dir.as_deref().unwrap_or(temporary.path());
    let (clock, chance) = (Clock::system(), Chance::system());
    let admin_key = Secret::new(hex(&chance.bytes::<32>()));
    let data_dir = DataDir::open(folder)?;
    let webhook_key = webhook_key::key(data_dir.path(), &chance)?;
    let node = Node::open(Settings {
        data_dir,
        configs: configs::read(None)?,
        roots: Roots::default(),
        export_roots: Roots::default(),
        webhooks: Webhooks::none(),
        webhook_key,
        admin_key: admin_key.clone(),
        isolation: Isolation::Tasks,
        max_running: None,
        clock,
        chance: chance.clone(),
    })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let client = Client::new(listener.local_addr()?, admin_key)?;
    let warehouse = node.warehouse();
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        // Gone or sent, the demo is over.
        let _ = stop.await;
    };
    let tour = async {
        let outcome = tour(&client, &*warehouse, &chance, args.json).await;
        let _ = done.send(());
        outcome
    };
    let (outcome, served) = tokio::join!(tour, node.serve(listener, shutdown));
    served?;
    outcome
}

async fn tour(
    client: &Client,
    warehouse: &dyn Warehouse,
    chance: &Chance,
    as_json: bool,
) -> anyhow::Result<bool> {
    let say = |line: String| {
        if as_json {
            writeln!(std::io::stderr(), "{line}")
        } else {
            writeln!(std::io::stdout(), "{line}")
        }
    };
    let tenant = TenantId::parse(TENANT)?;
    let api_key = onboard(client).await?;
    say(format!("onboarded   {TENANT}, plan PROFESSIONAL, a key and a dataset of its own"))?;

    let rows = load_sample(warehouse, &tenant, chance).await?;
    say(format!("loaded      {rows} lines of a billing export into {TENANT}.gcp_billing_export"))?;

    let last = sample::FIRST_DAY
        .checked_add_days(Days::new(u64::from(sample::DAYS) - 1))
        .context("the sample's last day")?;
    let parameters = json!({"date": sample::FIRST_DAY, "end_date": last});
    let path = format!("/api/v1/pipelines/run/{TENANT}/gcp/cost/billing");
    let triggered = client.post(&path, &api_key, &parameters).await?;
    let run_id = triggered["pipeline_logging_id"].as_str().context("no run id")?.to_owned();
    say(format!(
        "triggered   gcp/cost/billing from {} to {last}: run {run_id}",
        sample::FIRST_DAY
    ))?;

    let run = follow(client, &api_key, &run_id, &say).await?;
    let usage = client.operator_get(&format!("/api/v1/tenants/{TENANT}")).await?;
    let summary = report::Summary {
        run: &run,
        usage: &usage,
        total: total(warehouse, &tenant).await?,
        services: services(warehouse, &tenant).await?,
    };
    if as_json {
        writeln!(std::io::stdout(), "{}", summary.json())?;
    } else {
        write!(std::io::stdout(), "\n{}", summary.text())?;
    }
    Ok(summary.passed())
}

/// The demo tenant's key: from onboarding, or by rotation where the folder has the tenant already.
async fn onboard(client: &Client) -> anyhow::Result<Secret> {
    let body = json!({
        "tenant_id": TENANT,
        "company_name": "Acme Demo",
        "admin_email": "admin@acme.example",
        "subscription_plan": "PROFESSIONAL",
    });
    let (status, answer) = client.operator_post("/api/v1/tenants/onboard", &body).await?;
    let answer = match status {
        200 => answer,
        409 => {
            let path = format!("/api/v1/tenants/{TENANT}/api-keys/rotate");
            let (status, answer) =
                client.operator_post(&path, &json!({"overlap_seconds": 0})).await?;
            ensure!(status == 200, "rotating the key answered {status}: {answer}");
            answer
        }
        _ => bail!("onboarding answered {status}: {answer}"),
    };
    Ok(Secret::new(answer["api_key"].as_str().context("onboarding answered no key")?))
}

/// Puts the generated sample where a billing export would stand.
async fn load_sample(
    warehouse: &dyn Warehouse,
    tenant: &TenantId,
    chance: &Chance,
) -> anyhow::Result<u64> {
    let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile()?;
    sample::write(&mut std::io::BufWriter::new(&mut file), sample::SEED)?;
    let columns: Vec<Column> = serde_json::from_str(configs::BILLING_SCHEMA)?;
    let load = Load {
        uri: file.path().display().to_string(),
        format: Format::Ndjson,
        columns,
        max_bad_records: 0,
    };
    let target = Target {
        table: tenant.dataset().table("gcp_billing_export")?,
        partition_by: None,
        cluster_by: Vec::new(),
        mode: WriteMode::Replace,
    };
    let job = JobOptions {
        id: JobId(format!("demo-load-{}", chance.uuid().simple())),
        labels: [("service".to_owned(), "demo".to_owned())].into(),
        maximum_bytes: None,
        timeout: PATIENCE,
    };
    Ok(warehouse.load(&load, &target, &job).await?.rows)
}

/// Waits for the run's end and tells each step's as it comes.
async fn follow(
    client: &Client,
    api_key: &Secret,
    run_id: &str,
    say: &impl Fn(String) -> std::io::Result<()>,
) -> anyhow::Result<Json> {
    let path = format!("/api/v1/pipelines/runs/{TENANT}/{run_id}");
    let mut told = 0;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let run = client.get(&path, api_key).await?;
            let steps = run["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
            for step in &steps[told.min(steps.len())..] {
                say(format!("step        {}", report::step_line(step)))?;
            }
            told = steps.len();
            if !run["ended_at"].is_null() {
                return Ok(run);
            }
            tokio::time::sleep(POLL).await;
        }
    });
    waited.await.context("the run has not ended in time")?
}

fn question(tenant: &TenantId, sql: &str) -> Query {
    Query {
        sql: sql.to_owned(),
        params: std::collections::BTreeMap::new(),
        default_dataset: Some(tenant.dataset()),
    }
}

async fn total(warehouse: &dyn Warehouse, tenant: &TenantId) -> anyhow::Result<String> {
    let sql = "SELECT SUM(net_cost) AS net_cost FROM gcp_cost_daily";
    let rows = warehouse.query(&question(tenant, sql), None).await?;
    ensure!(rows.columns[0].1 == DataType::Numeric, "net_cost is {}", rows.columns[0].1);
    Ok(match &rows.rows[0][0] {
        Value::Null => "0".to_owned(),
        value => value.to_string(),
    })
}

async fn services(
    warehouse: &dyn Warehouse,
    tenant: &TenantId,
) -> anyhow::Result<Vec<(String, String)>> {
    let sql = "SELECT service_description, SUM(net_cost) AS net_cost FROM gcp_cost_daily \
               GROUP BY service_description ORDER BY net_cost DESC, service_description LIMIT 5";
    let rows = warehouse.query(&question(tenant, sql), None).await?;
    Ok(rows.rows.iter().map(|row| (row[0].to_string(), row[1].to_string())).collect())
}
