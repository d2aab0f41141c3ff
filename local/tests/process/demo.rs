//! `headgate demo`: one object for programs, sums that another computation confirms, and a log without secrets.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::decimal::nanos;
use super::process::{BILLING_GRAIN, Ended, headgate, repository, rows};

async fn demo(folder: &Path) -> Json {
    let ended = headgate(["demo", "--json", "--data-dir", folder.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "one object on one line: {}", ended.stdout);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The numbers that stand behind a key in a line of JSON, as they are written. The sample writes no spaces.
fn numbers<'a>(line: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("\"{key}\":");
    let behind = line.match_indices(&key).map(|(at, _)| &line[at + key.len()..]);
    behind.map(|rest| &rest[..rest.find([',', '}']).unwrap()]).collect()
}

/// Cost and credits of each service in billionths, from the sample's own text.
fn sample_costs() -> BTreeMap<String, i128> {
    let text =
        std::fs::read_to_string(repository("configs/samples/gcp_billing_export.ndjson")).unwrap();
    let mut costs = BTreeMap::new();
    for line in text.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let service = row["service"]["description"].as_str().unwrap().to_owned();
        let [cost] = numbers(line, "cost")[..] else { panic!("one cost a line: {line}") };
        // "amount" stands once in the usage, and once in each credit.
        let (credits, usage): (Vec<_>, Vec<_>) = match line.split_once("\"credits\":[") {
            Some((before, after)) => (numbers(after, "amount"), numbers(before, "amount")),
            None => (Vec::new(), numbers(line, "amount")),
        };
        assert!(usage.len() <= 1, "{line}");
        assert_eq!(credits.len(), row["credits"].as_array().map_or(0, Vec::len), "{line}");
        let net = nanos(cost) + credits.into_iter().map(nanos).sum::<i128>();
        *costs.entry(service).or_default() += net;
    }
    costs
}

fn is_a_secret(log: &str) -> bool {
    let has_key = log.match_indices("_api_").any(|(at, mark)| {
        let random = log.as_bytes()[at + mark.len()..].iter();
        random.take_while(|byte| byte.is_ascii_alphanumeric()).count() >= 28
    });
    // The admin key is 64 hexadecimal digits, and so is a key's hash.
    has_key || log.split(|c: char| !c.is_ascii_hexdigit()).any(|digits| digits.len() >= 64)
}

#[tokio::test]
async fn the_sum_is_that_of_the_samples_own_text() {
    let folder = tempfile::tempdir().unwrap();
    let shown = demo(folder.path()).await;
    let names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "tenant_id",
            "pipeline_logging_id",
            "status",
            "steps",
            "checks",
            "rows_written",
            "total_net_cost",
            "quota",
        ]
    );
    assert_eq!((&shown["tenant_id"], &shown["status"]), (&"acme_demo".into(), &"COMPLETED".into()));
    let steps: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|s| &s["step_id"]).collect();
    assert_eq!(steps, ["daily_cost", "verify"]);
    let checks = shown["checks"].as_array().unwrap();
    assert!(checks.len() >= 5 && checks.iter().all(|c| c["passed"] == true), "{checks:?}");
    assert_eq!(shown["quota"]["pipelines_run_today"], 1);
    assert_eq!(shown["quota"]["daily_limit"], 25);

    let costs = sample_costs();
    let sql = "SELECT service_description AS service, SUM(net_cost) AS net_cost \
               FROM acme_demo.gcp_cost_daily GROUP BY service_description";
    let answered: BTreeMap<String, i128> = rows(folder.path(), sql)
        .await
        .iter()
        .map(|row| {
            let of = |name: &str| row[name].as_str().unwrap();
            (of("service").to_owned(), nanos(of("net_cost")))
        })
        .collect();
    assert_eq!(answered, costs);
    let total: i128 = costs.values().sum();
    assert_eq!(nanos(&shown["total_net_cost"].to_string()), total);
    let written = rows(folder.path(), "SELECT COUNT(*) AS n FROM acme_demo.gcp_cost_daily").await;
    assert_eq!(written[0]["n"], shown["rows_written"]);
}

#[tokio::test]
async fn a_second_demo_on_the_same_folder_leaves_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sql = format!("SELECT * FROM acme_demo.gcp_cost_daily ORDER BY {BILLING_GRAIN}");
    let first = demo(folder.path()).await;
    let before = rows(folder.path(), &sql).await;
    let second = demo(folder.path()).await;
    assert_eq!(rows(folder.path(), &sql).await, before);
    assert!(before.len() > 500, "{}", before.len());
    assert_eq!(first["total_net_cost"], second["total_net_cost"]);
    assert_ne!(first["pipeline_logging_id"], second["pipeline_logging_id"]);
    assert_eq!(second["quota"]["pipelines_run_today"], 2);
}

#[tokio::test]
async fn all_that_a_demo_logs_is_json_without_a_secret() {
    assert!(is_a_secret(&format!("x acme_api_{} y", "aB3".repeat(10))));
    assert!(is_a_secret(&format!("key={}", "0123456789abcdef".repeat(4))));
    let Ended { code, stdout, stderr } = headgate(["demo", "--log", "debug"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("COMPLETED") && stdout.contains("all services"), "{stdout}");
    let mut debugged = 0;
    for line in stderr.lines() {
        let line: Json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for name in ["severity", "time", "message"] {
            assert!(line[name].is_string(), "{name}: {line}");
        }
        debugged += usize::from(line["severity"] == "DEBUG");
    }
    assert!(debugged > 20 && stderr.contains("tenant onboarded"), "{stderr}");
    for said in [stderr, stdout] {
        assert!(!is_a_secret(&said), "{said}");
    }
}
