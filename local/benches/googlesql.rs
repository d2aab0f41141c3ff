//! What the SQL front costs: statements over a million billing rows through the warehouse, and beside each, in the
//! same run, the nearest statement of `DataFusion`'s own SQL over the very same Parquet files.
//!
//! `cargo bench -p local --bench googlesql`, with `-- join` for the pairs of that name alone. The pairs answer the same rows, which is checked by their number, but do
//! not do the same work: ours refuse to overflow, carry what rounding loses of doubles, keep GoogleSQL's order of NULL
//! and turn the rows into values; `DataFusion` has no correlated UNNEST, so its statement sums a row's credits apart.
//! Both run in one partition, as the warehouse does.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::clock::Clock;
use common::warehouse::{DatasetName, JobId, JobOptions, Query, Target, Warehouse, WriteMode};
use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use local::db::Db;
use local::warehouse::EmbeddedWarehouse;

const ROUNDS: usize = 7;

const ROWS: &str = "
SELECT
  a * 1000 + b AS id,
  DATE_ADD(DATE '2026-01-01', INTERVAL MOD(a, 90) DAY) AS day,
  TIMESTAMP_ADD(TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL MOD(a, 90) * 24 + MOD(b, 24) HOUR) AS started,
  CONCAT('service-', CAST(MOD(b, 23) AS STRING)) AS service,
  CONCAT(IF(MOD(b, 3) = 0, 'core-', 'edge-'), CAST(MOD(a * 31 + b, 400) AS STRING)) AS sku,
  CONCAT('project-', CAST(MOD(a * 7 + b, 211) AS STRING)) AS project,
  CAST(MOD(a * 7919 + b * 104729, 1000003) AS NUMERIC) / 1000 AS cost,
  CAST(MOD(a * 6113 + b * 7907, 999983) AS FLOAT64) / 1000 AS amount,
  IF(MOD(b, 2) = 0, [STRUCT('team' AS key, CONCAT('team-', CAST(MOD(a, 17) AS STRING)) AS value)],
     ARRAY<STRUCT<key STRING, value STRING>>[]) AS labels,
  IF(MOD(b, 4) = 0, [STRUCT('discount' AS kind, CAST(-1 AS NUMERIC) AS amount), STRUCT('promotion', CAST(-2 AS NUMERIC))],
     ARRAY<STRUCT<kind STRING, amount NUMERIC>>[]) AS credits
FROM UNNEST(GENERATE_ARRAY(0, 999)) AS a, UNNEST(GENERATE_ARRAY(0, 999)) AS b";

const PROJECTS: &str = "
SELECT CONCAT('project-', CAST(p AS STRING)) AS project, CONCAT('owner-', CAST(MOD(p, 9) AS STRING)) AS owner
FROM UNNEST(GENERATE_ARRAY(0, 210)) AS p";

/// What it asks, in GoogleSQL, and in the other SQL.
const PAIRS: &[(&str, &str, &str)] = &[
    (
        "NUMERIC by service, filtered",
        "SELECT service, SUM(cost) AS c, COUNT(*) AS n FROM bench.costs WHERE day >= '2026-02-01' GROUP BY service ORDER BY service",
        "SELECT service, SUM(cost) AS c, COUNT(*) AS n FROM costs WHERE day >= DATE '2026-02-01' GROUP BY service ORDER BY service",
    ),
    (
        "FLOAT64 by day and project",
        "SELECT day, project, SUM(amount) AS a FROM bench.costs GROUP BY day, project ORDER BY day, project",
        "SELECT day, project, SUM(amount) AS a FROM costs GROUP BY day, project ORDER BY day, project",
    ),
    (
        "months by DATE_TRUNC",
        "SELECT DATE_TRUNC(day, MONTH) AS m, SUM(cost) AS c FROM bench.costs GROUP BY m ORDER BY m",
        "SELECT date_trunc('month', day) AS m, SUM(cost) AS c FROM costs GROUP BY m ORDER BY m",
    ),
    (
        "COUNT DISTINCT by service",
        "SELECT service, COUNT(DISTINCT project) AS p FROM bench.costs GROUP BY service ORDER BY service",
        "SELECT service, COUNT(DISTINCT project) AS p FROM costs GROUP BY service ORDER BY service",
    ),
    (
        "join with a small table",
        "SELECT p.owner, SUM(c.cost) AS c FROM bench.costs AS c JOIN bench.projects AS p USING (project) GROUP BY p.owner ORDER BY p.owner",
        "SELECT p.owner, SUM(c.cost) AS c FROM costs AS c JOIN projects AS p USING (project) GROUP BY p.owner ORDER BY p.owner",
    ),
    (
        "net cost by a row's credits",
        "SELECT SUM(cost + IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS net FROM bench.costs",
        "SELECT (SELECT SUM(cost) FROM costs) + (SELECT SUM(c['amount']) FROM (SELECT unnest(credits) AS c FROM costs)) AS net",
    ),
    (
        "labels unnested",
        "SELECT l.value, COUNT(*) AS n FROM bench.costs, UNNEST(labels) AS l GROUP BY l.value ORDER BY l.value",
        "SELECT l['value'] AS v, COUNT(*) AS n FROM (SELECT unnest(labels) AS l FROM costs) GROUP BY v ORDER BY v",
    ),
    (
        "three most a day by RANK",
        "SELECT day, project, c FROM (SELECT day, project, SUM(cost) AS c FROM bench.costs GROUP BY day, project) WHERE TRUE QUALIFY RANK() OVER (PARTITION BY day ORDER BY c DESC, project) <= 3 ORDER BY day, c DESC, project",
        "SELECT day, project, c FROM (SELECT day, project, SUM(cost) AS c FROM costs GROUP BY day, project) QUALIFY RANK() OVER (PARTITION BY day ORDER BY c DESC, project) <= 3 ORDER BY day, c DESC, project",
    ),
    (
        "bands by regular expression",
        "SELECT CASE WHEN REGEXP_CONTAINS(sku, r'^core-[0-9]+$') THEN 'core' ELSE 'edge' END AS band, COUNT(*) AS n FROM bench.costs GROUP BY band ORDER BY band",
        "SELECT CASE WHEN regexp_like(sku, '^core-[0-9]+$') THEN 'core' ELSE 'edge' END AS band, COUNT(*) AS n FROM costs GROUP BY band ORDER BY band",
    ),
];

fn query(sql: &str) -> Query {
    Query { sql: sql.to_owned(), params: BTreeMap::new(), default_dataset: None }
}

async fn write(warehouse: &EmbeddedWarehouse, sql: &str, table: &str) {
    let target = Target {
        table: table.parse().unwrap(),
        partition_by: None,
        cluster_by: Vec::new(),
        mode: WriteMode::Replace,
    };
    let job = JobOptions {
        id: JobId(table.to_owned()),
        labels: BTreeMap::new(),
        maximum_bytes: None,
        timeout: Duration::from_mins(10),
    };
    warehouse.write(&query(sql), &target, &job).await.unwrap();
}

fn middle(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(&dir.path().join("headgate.db")).unwrap());
    let warehouse = EmbeddedWarehouse::open(db, dir.path(), Vec::new(), Clock::system()).unwrap();
    let dataset = DatasetName::parse("bench").unwrap();
    warehouse.ensure_dataset(&dataset, &BTreeMap::new()).await.unwrap();
    println!("a million rows are made");
    write(&warehouse, ROWS, "bench.costs").await;
    write(&warehouse, PROJECTS, "bench.projects").await;
    // One partition, as the warehouse has it.
    let plain = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for table in ["costs", "projects"] {
        let folder = dir.path().join("tables/bench").join(table);
        let folder = folder.to_str().unwrap();
        plain.register_parquet(table, folder, ParquetReadOptions::default()).await.unwrap();
    }

    println!(
        "{:<30} {:>10} {:>10} {:>10} {:>7}",
        "median of 7, ms", "GoogleSQL", "DataFusion", "the front", "ratio"
    );
    let only: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |about: &str| only.is_empty() || only.iter().any(|word| about.contains(word));
    let (mut product, mut pairs) = (1.0_f64, 0.0);
    for (about, google, other) in PAIRS.iter().filter(|(about, ..)| wanted(about)) {
        let (mut ours, mut theirs, mut front) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let start = Instant::now();
            let rows = warehouse.query(&query(google), None).await.unwrap().rows;
            let our = start.elapsed();
            let start = Instant::now();
            let batches = plain.sql(other).await.unwrap().collect().await.unwrap();
            let their = start.elapsed();
            let start = Instant::now();
            warehouse.dry_run(&query(google)).await.unwrap();
            let alone = start.elapsed();
            let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows.len(), count, "{about}");
            // The first round warms the files up.
            if round > 0 {
                ours.push(our);
                theirs.push(their);
                front.push(alone);
            }
        }
        let (our, their) = (middle(&mut ours).as_secs_f64(), middle(&mut theirs).as_secs_f64());
        let alone = middle(&mut front).as_secs_f64();
        product *= our / their;
        pairs += 1.0;
        println!(
            "{about:<30} {:>10.1} {:>10.1} {:>10.2} {:>7.2}",
            our * 1e3,
            their * 1e3,
            alone * 1e3,
            our / their
        );
    }
    println!("geometric mean of the ratios: {:.2}", product.powf(1.0 / pairs));
}
