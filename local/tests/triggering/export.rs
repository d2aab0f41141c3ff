//! A small billing export in a tenant's dataset: the first lines of the sample's first day.

use std::io::Write;
use std::time::Duration;

use common::tenant::TenantId;
use common::warehouse::{Format, JobId, JobOptions, Load, Target, Warehouse, WriteMode};
use local::{configs, sample};

/// Lines of the sample that are loaded.
const LINES: usize = 60;

/// Loads the export that `gcp/cost/billing` reads.
pub(crate) async fn load(warehouse: &dyn Warehouse, tenant: &str) {
    let mut sample = Vec::new();
    sample::write(&mut sample, sample::SEED).unwrap();
    let mut file = tempfile::Builder::new().suffix(".ndjson").tempfile().unwrap();
    for line in sample.split_inclusive(|byte| *byte == b'\n').take(LINES) {
        file.write_all(line).unwrap();
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
    assert_eq!(warehouse.load(&load, &target, &job).await.unwrap().rows, LINES as u64);
}
