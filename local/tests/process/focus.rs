//! The FOCUS template over a file: what is loaded is what the file says, and only below a root.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::decimal::nanos;
use super::focus_file::{Record, generated, read};
use super::process::{headgate, rows};
use super::server::Server;

const TEMPLATE: &str = "focus/cost/daily";

/// Charges, billed and effective cost of a day, costs in billionths.
type Day = (i64, i128, i128);

fn days(records: &[Record]) -> BTreeMap<String, Day> {
    let mut days = BTreeMap::<String, Day>::new();
    for record in records {
        let cost = |name: &str| nanos(record[name].as_deref().unwrap());
        let day = record["ChargePeriodStart"].as_deref().unwrap()[..10].to_owned();
        let sums = days.entry(day).or_default();
        *sums = (sums.0 + 1, sums.1 + cost("BilledCost"), sums.2 + cost("EffectiveCost"));
    }
    days
}

async fn written_days(folder: &Path) -> BTreeMap<String, Day> {
    let sql = "SELECT charge_date, SUM(charges) AS charges, SUM(billed_cost) AS billed, \
               SUM(effective_cost) AS effective FROM acme.focus_cost_daily GROUP BY charge_date";
    let row = |row: &Json| {
        let of = |name: &str| row[name].as_str().unwrap().to_owned();
        let sums =
            (row["charges"].as_i64().unwrap(), nanos(&of("billed")), nanos(&of("effective")));
        (of("charge_date"), sums)
    };
    rows(folder, sql).await.iter().map(row).collect()
}

/// Loads a file by the template and compares all that was written with the file's own text.
async fn load_and_compare(file: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let root = file.parent().unwrap().to_str().unwrap();
    let server = Server::start(folder.path(), &["--source-root", root]).await;
    let tenant = server.onboard("acme", "PROFESSIONAL").await;
    let run_id = server.trigger(&tenant, TEMPLATE, &json!({"path": file})).await;
    let run = server.settled(&tenant, &run_id).await;
    assert_eq!(run["status"], "COMPLETED", "{run}");

    let records = read(&std::fs::read_to_string(file).unwrap());
    assert!(!records.is_empty());
    assert_eq!(written_days(folder.path()).await, days(&records));
    let names = ["AvailabilityZone", "ChargeDescription", "ResourceName", "SkuId", "Tags"];
    let sql = format!("SELECT {} FROM acme.focus_export", names.join(", "));
    let texts = |row: &dyn Fn(&str) -> Option<String>| names.map(row);
    let mut loaded: Vec<_> = rows(folder.path(), &sql)
        .await
        .iter()
        .map(|row| texts(&|name| row[name].as_str().map(str::to_owned)))
        .collect();
    let mut expected: Vec<_> =
        records.iter().map(|record| texts(&|name| record[name].clone())).collect();
    loaded.sort();
    expected.sort();
    assert_eq!(loaded, expected);
}

#[tokio::test]
async fn what_is_written_is_what_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("focus.csv");
    std::fs::write(&file, generated(200)).unwrap();
    load_and_compare(&file).await;
}

/// Where `FOCUS_SAMPLE` names a file, a file that others made, it is held to the same.
#[tokio::test]
async fn a_real_export_is_written_as_it_is() {
    if let Some(file) = std::env::var_os("FOCUS_SAMPLE") {
        load_and_compare(Path::new(&file)).await;
    }
}

#[tokio::test]
async fn the_same_file_twice_and_then_a_shorter_one_leave_what_each_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("focus.csv");
    let data = folder.path().join("data");
    let root = ["--source-root", folder.path().to_str().unwrap()];
    let server = Server::start(&data, &root).await;
    let tenant = server.onboard("acme", "PROFESSIONAL").await;
    for charges in [60, 60, 25] {
        let text = generated(charges);
        std::fs::write(&file, &text).unwrap();
        let run_id = server.trigger(&tenant, TEMPLATE, &json!({"path": file})).await;
        let run = server.settled(&tenant, &run_id).await;
        assert_eq!(run["status"], "COMPLETED", "{run}");
        assert_eq!(written_days(&data).await, days(&read(&text)));
    }
}

#[tokio::test]
async fn what_lies_outside_of_the_roots_is_refused_and_nothing_is_written() {
    let area = tempfile::tempdir().unwrap();
    let area = area.path().canonicalize().unwrap();
    let (root, beside) = (area.join("root"), area.join("root-beside"));
    for folder in [&root, &beside] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("focus.csv"), generated(10)).unwrap();
    }
    std::os::unix::fs::symlink(beside.join("focus.csv"), root.join("link.csv")).unwrap();
    std::os::unix::fs::symlink(&beside, root.join("folder")).unwrap();
    let rooted = ["--source-root", root.to_str().unwrap()];
    refuses(
        &area.join("data"),
        &rooted,
        &[
            beside.join("focus.csv").to_str().unwrap(),
            &format!("{}/../root-beside/focus.csv", root.display()),
            &format!("{}/../root/focus.csv", root.display()),
            root.join("link.csv").to_str().unwrap(),
            root.join("folder/focus.csv").to_str().unwrap(),
            root.join("none.csv").to_str().unwrap(),
            "focus.csv",
            "gs://bucket/focus.csv",
            "/etc/passwd",
        ],
    )
    .await;
    refuses(&area.join("unrooted"), &[], &[root.join("focus.csv").to_str().unwrap()]).await;
}

async fn refuses(data: &Path, args: &[&str], paths: &[&str]) {
    let server = Server::start(data, args).await;
    let tenant = server.onboard("acme", "PROFESSIONAL").await;
    for path in paths {
        let run_id = server.trigger(&tenant, TEMPLATE, &json!({"path": path})).await;
        let run = server.settled(&tenant, &run_id).await;
        let ending = (&run["status"], &run["failure_kind"], &run["rows_written"]);
        assert_eq!(ending, (&json!("FAILED"), &json!("GUARD"), &json!(0)), "{path}: {run}");
        assert!(run["message"].as_str().unwrap().contains(path), "{path}: {run}");
        let steps = run["steps"].as_array().unwrap();
        assert_eq!(steps[0]["error_kind"], "GUARD", "{run}");
        assert!(steps[1..].iter().all(|step| step["status"] == "SKIPPED"), "{run}");
    }
    let folder = data.to_str().unwrap();
    for table in ["focus_export", "focus_cost_daily"] {
        let sql = format!("SELECT * FROM acme.{table}");
        let ended = headgate(["query", &sql, "--data-dir", folder]).await;
        assert!(ended.code != Some(0) && ended.stderr.contains("not found"), "{ended:?}");
    }
}
