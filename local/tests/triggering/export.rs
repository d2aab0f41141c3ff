//! A small billing export in a tenant's dataset: the first lines of the sample's first day, or its first days.

use std::io::Write;
use std::time::Duration;

use common::tenant::TenantId;
use common::warehouse::{Format, JobId, JobOptions, Load, Target, Warehouse, WriteMode};
use local::{configs, sample};

/// Lines of the sample that are loaded.
const LINES: usize = 60;

/// Loads the export that `gcp/cost/billing` reads.
pub(crate) async fn load(warehouse: &dyn Warehouse, tenant: &str) {
    let sample = sample();
    load_lines(warehouse, tenant, sample.lines().take(LINES)).await;
}

/// The same, with all usage of November up to this day.
pub(crate) async fn load_until(warehouse: &dyn Warehouse, tenant: &str, last_day: u32) {
    let sample = sample();
    let within = |line: &&str| {
        let usage: serde_json::Value = serde_json::from_str(line).unwrap();
        let began = usage["usage_start_time"].as_str().unwrap();
        ("2025-11-01".to_owned()..=format!("2025-11-{last_day:02}"))
            .contains(&began[..10].to_owned())
    };
    load_lines(warehouse, tenant, sample.lines().filter(within)).await;
}

fn sample() -> String {
    let mut sample = Vec::new();
    sample::write(&mut sample, sample::SEED).unwrap();
    String::from_utf8(sample).unwrap()
}

async fn load_lines(warehouse: &dyn Warehouse, tenant: &str, lines: impl Iterator<Item = &str>) {
    let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile().unwrap();
    let mut count = 0;
    for line in lines {
        writeln!(file, "{line}").unwrap();
        count += 1;
    }
    let load = Load {
        uri: file.path().display().to_string(),
        format: Format::Ndjson,
        columns: serde_json::from_str(configs::BILLING_SCHEMA).unwrap(),
        max_bad_records: 0,
    };
    let dataset = TenantId::parse(tenant).unwrap().dataset();
    let target = Target {
        table: dataset.table("gcp_billing_export").unwrap(),
        partition_by: None,
        cluster_by: Vec::new(),
        mode: WriteMode::Replace,
    };
    let job = JobOptions {
        id: JobId(format!("load-{tenant}")),
        labels: std::collections::BTreeMap::new(),
        maximum_bytes: None,
        timeout: Duration::from_mins(1),
    };
    assert_eq!(warehouse.load(&load, &target, &job).await.unwrap().rows, count);
}
