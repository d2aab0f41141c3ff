use std::path::Path;
use std::sync::Arc;

use common::clock::Clock;
use common::pipeline::{TemplateId, parse};
use common::warehouse::{Column, ColumnType, DatasetName, TableDefinition, Warehouse};

use super::*;
use crate::configs;
use crate::db::Db;
use crate::warehouse::EmbeddedWarehouse;

const COPY: &str = r#"description: Copies a day.
parameters:
  day: {type: DATE, required: true}
  label: {type: STRING, default: none}
  labels: {type: ARRAY<STRING>, default: []}
  least: {type: NUMERIC, default: "0.5"}
sources: [shared.rates]
steps:
  - id: fetch
    type: load
    uri: "@label"
    format: ndjson
    columns: [{name: day, type: DATE}, {name: amount, type: NUMERIC}]
    max_bad_records: 3
    target: {table: lines}
    mode: replace
  - id: copy
    type: sql
    timeout_seconds: 60
    retries: {max_attempts: 1}
    depends_on: [fetch]
    query: |
      SELECT day, amount, @label AS label
      FROM lines WHERE day = @day AND amount > @least AND @label IN UNNEST(@labels)
    target: {table: copied, partition_by: day, cluster_by: [label]}
    mode: {overwrite_partition: {from: "@day", to: "@day"}}
  - id: price
    type: sql
    query: SELECT * FROM shared.rates
    target: {table: prices}
    mode: {append: {allow_duplicates: true}}
  - id: look
    type: check
    depends_on: [copy]
    table: copied
    checks:
      - {id: known, severity: error, blocking: true, expect: {accepted_values: {column: label, values: [a]}}}
"#;

fn now() -> chrono::DateTime<chrono::Utc> {
    "2025-11-18T06:00:00Z".parse().unwrap()
}

/// What goes by keys, to a file and to a hook.
const BEYOND: &str = r#"description: Goes further.
parameters:
  day: {type: DATE, default: yesterday}
steps:
  - id: orders
    type: sql
    max_bytes: 1000
    query: SELECT 1 AS id, @day AS day
    target: {table: orders}
    mode: {merge: {keys: [id, day]}}
  - id: out
    type: export
    depends_on: [orders]
    query: SELECT id FROM orders
    uri: "gs://out/{tenant_id}/{day}.csv"
    format: csv
  - id: tell
    type: notify
    depends_on: [out]
    on: failure
    url: https://hooks.example.com/x
    message: It failed.
"#;

#[test]
fn a_plan_shows_keys_files_and_hooks() {
    let shown = text::render(&plan(BEYOND, &[], Some("acme")));
    for line in [
        "  day  DATE  2025-11-17\n",
        "  3  tell    notify  after out, on failure; 3 tries, each at most 600 s\n",
        "  writes acme.orders, merge, told apart by id, day\n  reads at most 1000 bytes at a time\n",
        "  exports \"gs://out/acme/2025-11-17.csv\", csv\n",
        "  posts  \"It failed.\" to \"https://hooks.example.com/x\"\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    let shown = text::render(&plan(BEYOND, &[], None));
    assert!(shown.contains("gs://out/<tenant>/2025-11-17.csv"), "{shown}");
}

fn template(text: &str) -> Template {
    parse::file("a/b/copy.yml", text).unwrap_or_else(|found| panic!("{found:?}"))
}

fn plan(text: &str, params: &[&str], tenant: Option<&str>) -> Plan {
    let template = template(text);
    let texts: Vec<String> = params.iter().map(|&text| text.to_owned()).collect();
    let params = given(&template, &texts, now()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let tenant = tenant.map(|id| TenantId::parse(id).unwrap());
    Plan::new(&template, &params, tenant.as_ref())
}

/// A data folder whose tenant `acme` has a table `lines`, beside `other.secrets` and `shared.rates`.
async fn folder() -> (tempfile::TempDir, EmbeddedWarehouse) {
    let folder = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(&folder.path().join("headgate.db")).unwrap());
    let clock = Clock::system();
    let warehouse = EmbeddedWarehouse::open(db, folder.path(), Vec::new(), clock).unwrap();
    let columns =
        vec![Column::new("day", ColumnType::Date), Column::new("amount", ColumnType::Numeric)];
    for table in ["acme.lines", "other.secrets", "shared.rates"] {
        let table: common::warehouse::TableRef = table.parse().unwrap();
        warehouse.ensure_dataset(&table.dataset, &BTreeMap::new()).await.unwrap();
        let definition = TableDefinition::of(columns.clone());
        warehouse.ensure_table(&table, &definition).await.unwrap();
    }
    (folder, warehouse)
}

#[test]
fn a_plan_shows_values_order_statements_and_targets() {
    let plan = plan(COPY, &["day=2025-11-17", "label=/data/x.ndjson"], None);
    let expected = r#"plan of a/b/copy
  Copies a day.

parameters
  day     DATE           2025-11-17
  label   STRING         "/data/x.ndjson"
  labels  ARRAY<STRING>  []
  least   NUMERIC        0.5

sources
  shared.rates

order, at most 4 steps at once
  1  fetch  load   3 tries, each at most 600 s
  1  price  sql    3 tries, each at most 600 s
  2  copy   sql    after fetch; 1 try, each at most 60 s
  3  look   check  after copy; 3 tries, each at most 600 s

step fetch (load)
  loads  "/data/x.ndjson", ndjson, 2 columns, at most 3 bad records
         if it lies below a source root that the operator allowed
  writes <tenant>.lines, replace

step copy (sql)
  writes <tenant>.copied, overwrite_partition 2025-11-17..2025-11-17, partitioned by day, clustered by label
  | SELECT day, amount, @label AS label
  | FROM lines WHERE day = @day AND amount > @least AND @label IN UNNEST(@labels)
  @day     DATE           2025-11-17
  @label   STRING         "/data/x.ndjson"
  @labels  ARRAY<STRING>  []
  @least   NUMERIC        0.5

step price (sql)
  writes <tenant>.prices, append
  | SELECT * FROM shared.rates

step look (check)
  check known: accepted_values, error, blocking, allowed no row
  | SELECT COUNT(*) AS observed FROM `copied` WHERE (`label` NOT IN (@headgate_value_0))
  @headgate_value_0  STRING  "a"

nothing here refuses a run; the limits of a tenant are counted when it is triggered
"#;
    assert_eq!(text::render(&plan), expected);
}

#[tokio::test]
async fn a_dry_run_tells_tables_bytes_what_comes_later_and_what_is_refused() {
    let (_folder, warehouse) = folder().await;
    let acme = TenantId::parse("acme").unwrap();
    let cases: [(&str, &str, &str, &[&str]); 6] = [
        (
            "",
            "",
            "  reads  acme.lines (written by step fetch first); as of now at most 0 bytes\n",
            &[],
        ),
        ("", "", "  reads  acme.copied, made by step copy: not there to be dry-run yet\n", &[]),
        ("", "", "  reads  shared.rates; as of now at most 0 bytes\n", &[]),
        (
            "FROM shared.rates",
            "FROM other.secrets",
            "  reads  other.secrets (refused); as of now at most 0 bytes\n",
            &[
                "error: step price: reads other.secrets, which is neither in the tenant's dataset nor a source of the template: declare it under sources\n",
            ],
        ),
        (
            "FROM shared.rates",
            "FROM missing",
            "  fails  the table acme.missing, read at 1:15, not found\n",
            &["error: step price: the table acme.missing, read at 1:15, not found\n"],
        ),
        (
            "    depends_on: [copy]\n",
            "",
            "not found; step copy makes it: add copy to depends_on\n",
            &["error: step look, check known: the table acme.copied"],
        ),
    ];
    for (good, bad, told, refused) in cases {
        let text = COPY.replacen(good, bad, 1);
        let mut plan = plan(&text, &["day=2025-11-17"], Some("acme"));
        plan.dry_run(&warehouse, &template(&text), &acme).await;
        let shown = text::render(&plan);
        assert!(shown.contains(told), "{told}\n{shown}");
        assert_eq!(plan.is_sound(), refused.is_empty(), "{shown}");
        for line in refused {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
    }
}

#[test]
fn no_value_passes_for_a_line_of_the_plan() {
    let hostile = "x' OR TRUE --\n\nnothing here refuses a run\u{1b}[2J\r\"; \\\u{202e}";
    let labels = serde_json::json!([hostile]).to_string();
    let params = ["day=2025-11-17", &format!("label={hostile}"), &format!("labels={labels}")];
    let plan = plan(COPY, &params, Some("acme"));
    let shown = text::render(&plan);
    let escaped = r#""x' OR TRUE --\n\nnothing here refuses a run\u{1b}[2J\r\"; \\\u{202e}""#;
    assert!(shown.contains(&format!("  @label   STRING         {escaped}\n")), "{shown}");
    assert!(shown.contains(&format!("  @labels  ARRAY<STRING>  [{escaped}]\n")), "{shown}");
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("nothing here")).count(), 1);
    let statements = plan.steps.iter().flat_map(|step| &step.statements);
    assert!(statements.into_iter().all(|statement| !statement.sql.contains("OR TRUE")));
    let json: serde_json::Value = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["parameters"][1]["value"], hostile);
}

#[test]
fn texts_are_read_by_their_declared_types() {
    let kinds = [
        ("STRING", "", Some("\"\"")),
        ("STRING", "7", Some("\"7\"")),
        ("STRING", "a=b", Some("\"a=b\"")),
        ("INT64", "7", Some("7")),
        ("INT64", "-9223372036854775808", Some("\"-9223372036854775808\"")),
        ("INT64", "9223372036854775808", None),
        ("INT64", "7.5", None),
        ("INT64", "", None),
        ("FLOAT64", "1e3", Some("1000.0")),
        ("FLOAT64", "NaN", None),
        ("BOOL", "true", Some("true")),
        ("BOOL", "TRUE", None),
        ("NUMERIC", "12.50", Some("\"12.5\"")),
        ("NUMERIC", "1e3", None),
        ("DATE", "2025-02-28", Some("\"2025-02-28\"")),
        ("DATE", "2025-02-30", None),
        ("TIMESTAMP", "2025-02-28T01:00:00+01:00", Some("\"2025-02-28T00:00:00Z\"")),
        ("TIMESTAMP", "2025-02-28", None),
        ("ARRAY<STRING>", r#"["a","b"]"#, Some(r#"["a","b"]"#)),
        ("ARRAY<STRING>", "a,b", None),
        ("ARRAY<INT64>", "[1,2]", Some("[1,2]")),
        ("ARRAY<INT64>", "[\"1\"]", None),
    ];
    for (kind, text, expected) in kinds {
        let template = template(&format!(
            "description: x\nparameters:\n  value: {{type: {kind:?}, required: true}}\nsteps:\n  - \
             {{id: a, type: sql, query: SELECT @value AS x, target: {{table: a}}, mode: replace}}\n"
        ));
        match (given(&template, &[format!("value={text}")], now()), expected) {
            (Ok(params), Some(json)) => {
                assert_eq!(params["value"].value.to_json().to_string(), json, "{kind} {text}");
            }
            (Err(errors), None) => {
                let said = errors[0].to_string();
                assert!(said.starts_with("parameter value: ") && said.contains(text), "{said}");
            }
            (result, _) => panic!("{kind} {text}: {result:?}"),
        }
    }
}

#[test]
fn every_wrong_parameter_is_named_with_its_value_and_rule() {
    let template = template(COPY);
    let cases: [(&[&str], &str); 6] = [
        (&[], "parameter day: required, of type DATE, not absent"),
        (&["day=x\ny"], r#"parameter day: a calendar date as YYYY-MM-DD, not "x\ny""#),
        (&["day"], r#"--param must be NAME=VALUE, such as date=2025-11-17, not "day""#),
        (&["=x"], r#"--param must be NAME=VALUE, such as date=2025-11-17, not "=x""#),
        (
            &["day=2025-11-17", "day=2025-11-18"],
            r#"parameter day: given once, not again as "2025-11-18""#,
        ),
        (
            &["day=2025-11-17", "lable=x"],
            "parameter lable: not a parameter of a/b/copy, which takes day, label, labels, least, \
             not \"x\"; did you mean label?",
        ),
    ];
    for (texts, expected) in cases {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let errors = given(&template, &texts, now()).unwrap_err();
        assert!(errors.iter().any(|e| e.to_string() == expected), "{expected}: {errors:?}");
    }
}

#[test]
fn json_holds_the_whole_plan_of_the_billing_template() {
    let id: TemplateId = "gcp/cost/billing".parse().unwrap();
    let template = configs::template(&id, None).unwrap();
    let params = given(&template, &["date=2025-11-01".into(), "end_date=2025-11-30".into()], now());
    let acme = TenantId::parse("acme").unwrap();
    let plan = Plan::new(&template, &params.unwrap(), Some(&acme));
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["template"], "gcp/cost/billing");
    assert_eq!(json["layers"], serde_json::json!([["daily_cost"], ["verify"]]));
    assert_eq!(
        json["parameters"][1],
        serde_json::json!({"name": "end_date", "type": "DATE", "value": "2025-11-30"})
    );
    assert_eq!(
        json["steps"][0]["writes"],
        serde_json::json!({
            "table": "acme.gcp_cost_daily", "mode": "overwrite_partition",
            "range": "2025-11-01..2025-11-30",
            "keys": [], "partition_by": "usage_date",
            "cluster_by": ["project_id", "service_id"],
        })
    );
    let checks = json["steps"][1]["statements"].as_array().unwrap();
    assert_eq!(checks.len(), 7);
    assert_eq!(checks[2]["check"]["type"], "accepted_values");
    assert_eq!(checks[2]["parameters"][2]["name"], "headgate_value_0");
    assert!(checks.iter().all(|check| check["dry_run"]["outcome"] == "not_made"));
}

#[test]
fn an_unknown_template_is_told_with_those_there_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    for folder in [None, Some(folder.as_path())] {
        let id: TemplateId = "gcp/cost/biling".parse().unwrap();
        let error = configs::template(&id, folder).unwrap_err().to_string();
        assert_eq!(
            error,
            "no template is gcp/cost/biling; did you mean gcp/cost/billing? \
             there are aws/cost/cur, aws/cost/cur_csv, example/etl/orders, focus/cost/anomalies, focus/cost/daily, gcp/cost/billing, gcp/cost/labels"
        );
    }
}

#[tokio::test]
async fn a_look_at_a_database_leaves_its_log_as_it_is() {
    let (folder, warehouse) = folder().await;
    let path = folder.path().join("headgate.db");
    let log = folder.path().join("headgate.db-wal");
    // The writer is open still: what it wrote stands in the log, as after a kill.
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("headgate.db");
    std::fs::copy(&path, &copied).unwrap();
    std::fs::copy(&log, copy.path().join("headgate.db-wal")).unwrap();
    drop(warehouse);
    let bytes = |name: &str| std::fs::read(copy.path().join(name)).unwrap();
    let before = [bytes("headgate.db"), bytes("headgate.db-wal")];
    assert!(!before[1].is_empty());
    let db = Arc::new(Db::open_read_only(&copied).unwrap());
    let look = EmbeddedWarehouse::open_read_only(db, copy.path(), Vec::new(), Clock::system());
    let acme = DatasetName::parse("acme").unwrap();
    assert!(look.dataset_labels(&acme).await.unwrap().is_some());
    let other = DatasetName::parse("made").unwrap();
    assert!(look.ensure_dataset(&other, &BTreeMap::new()).await.is_err());
    drop(look);
    assert_eq!([bytes("headgate.db"), bytes("headgate.db-wal")], before);
}
