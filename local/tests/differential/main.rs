//! The embedded warehouse beside another program that answers GoogleSQL, the emulator `local-bigquery`: each
//! statement is answered alike, refused by us, or a known fault of the emulator's.
//!
//! A disagreement is settled by BigQuery's documentation, never by the emulator: `faults.rs` lists those that it
//! decides against the emulator.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use common::port::PortError;
use common::warehouse::{
    Column, DatasetName, Format, Load, Query, Rows, Value, Warehouse, WriteMode,
};
use futures::StreamExt;
use serde_json::Value as Json;

#[path = "../../../common/tests/gcp/judges.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the adapters' tests")]
mod judges;
#[path = "../support/warehouse.rs"]
mod support;

mod faults;
mod generated;

/// Equal answers; raised when there are more.
const EQUAL: usize = 580;
/// Statements to ask, at the least.
const ASKED: usize = 650;

const STATEMENTS: &[&str] = &[
    include_str!("statements/billing.sql"),
    include_str!("statements/clauses.sql"),
    include_str!("statements/values.sql"),
    include_str!("statements/windows.sql"),
    include_str!("statements/functions.sql"),
];

/// What both say of a statement.
#[derive(Debug)]
enum Verdict {
    Equal,
    /// Both refuse it.
    NeitherAnswers,
    /// We do, with our word for the construct.
    Refused(String),
    /// We answer so, or say so, and the emulator otherwise.
    Differ {
        ours: String,
        theirs: String,
    },
    /// One of them broke.
    Broken(String),
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_agree_with_another_implementation() {
    let statements: Vec<String> =
        STATEMENTS.iter().flat_map(|file| split(file)).chain(generated::statements()).collect();
    let ours = support::folder(&["billing", "ctl", "export"]).await;
    let emulator = judges::BigQueryEmulator::start().await;
    let theirs = emulator.warehouse().await;
    fill(&ours, &emulator, &theirs).await;

    let asked = futures::stream::iter(&statements).map(async |statement| {
        let query =
            Query { sql: statement.clone(), params: BTreeMap::new(), default_dataset: None };
        let mine = ours.warehouse.query(&query, None).await;
        let other = theirs.query(&query, None).await;
        (statement, judge(statement, mine, other))
    });
    let verdicts: Vec<_> = asked.buffered(4).collect().await;

    let (mut equal, mut neither, mut refused) = (0, 0, Vec::new());
    let (mut known, mut unknown) = (vec![0; faults::FAULTS.len()], Vec::new());
    for (statement, verdict) in &verdicts {
        match verdict {
            Verdict::Equal => equal += 1,
            Verdict::NeitherAnswers => neither += 1,
            Verdict::Refused(what) => refused.push(what),
            Verdict::Differ { ours, theirs } => {
                match faults::FAULTS.iter().position(|f| f.covers(statement)) {
                    Some(at) => known[at] += 1,
                    None => unknown.push(format!("{statement}\n    {ours}\n    {theirs}")),
                }
            }
            Verdict::Broken(how) => unknown.push(format!("{statement}\n    {how}")),
        }
    }
    refused.sort();
    println!(
        "{} statements: {equal} equal, {} refused by us, {neither} answered by neither, {} faults of the emulator's",
        statements.len(),
        refused.len(),
        known.iter().sum::<usize>()
    );
    println!("refused: {refused:#?}");
    for fault in faults::FAULTS {
        let faults::Fault { marks, emulator, documented, page } = fault;
        println!("fault: {marks}: {emulator}; BigQuery: {documented} ({}{page})", faults::PAGES);
    }
    assert!(unknown.is_empty(), "{} disagree:\n{}", unknown.len(), unknown.join("\n"));
    let stale = faults::FAULTS.iter().zip(&known).filter(|(_, hits)| **hits == 0);
    let stale: Vec<_> = stale.map(|(fault, _)| fault.marks).collect();
    assert!(stale.is_empty(), "these no longer differ, take them from the list: {stale:#?}");
    assert!(statements.len() >= ASKED, "{} statements", statements.len());
    assert!(equal >= EQUAL, "{equal} equal, fewer than {EQUAL}");
    settled(&verdicts);
}

/// What is not equal is as it was looked at: our answers where the emulator is wrong, and what is refused. Run with
/// `UPDATE=1` to write the file anew, and look at what changed.
fn settled(verdicts: &[(&String, Verdict)]) {
    let mut outcomes = String::new();
    for (statement, verdict) in verdicts {
        let outcome = match verdict {
            Verdict::Equal | Verdict::Broken(_) => continue,
            Verdict::NeitherAnswers => "wrong for both",
            Verdict::Refused(what) => &format!("refused: {what}"),
            Verdict::Differ { ours, .. } => &format!("the emulator differs from {ours}"),
        };
        for line in [statement.as_str(), "\n  ", outcome, "\n"] {
            outcomes.push_str(line);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/outcomes.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &outcomes).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let was: Vec<&str> = committed.lines().collect();
    let new: Vec<&str> = outcomes.lines().filter(|line| !was.contains(line)).collect();
    assert!(committed == outcomes, "not as in outcomes.txt; new lines: {new:#?}");
}

/// Loads the same files into both.
async fn fill(ours: &support::Folder, emulator: &judges::BigQueryEmulator, theirs: &dyn Warehouse) {
    let cases: Json = serde_json::from_str(include_str!("../googlesql/cases.json")).unwrap();
    let mut tables: Vec<(String, String, String)> = Vec::new();
    for (name, table) in cases["tables"].as_object().unwrap() {
        let rows = table["rows"].as_array().unwrap().iter().map(Json::to_string);
        let rows: Vec<String> = rows.collect();
        tables.push((name.clone(), table["columns"].to_string(), rows.join("\n")));
    }
    let sample = include_str!("../../../configs/samples/gcp_billing_export.ndjson");
    let some: Vec<&str> = sample.lines().step_by(5).take(120).collect();
    let schema = include_str!("../../../configs/samples/gcp_billing_export.schema.json");
    tables.push(("export.gcp".to_owned(), schema.to_owned(), some.join("\n")));
    tables.push((
        "export.odd".to_owned(),
        include_str!("odd.schema.json").to_owned(),
        include_str!("odd.ndjson").to_owned(),
    ));
    for dataset in ["billing", "ctl", "export"] {
        let name = DatasetName::parse(dataset).unwrap();
        theirs.ensure_dataset(&name, &BTreeMap::new()).await.unwrap();
    }
    for (table, schema, rows) in tables {
        ours.load(&table, &schema, Format::Ndjson, &rows).await;
        let uri = format!("gs://files/{table}.json");
        let file = emulator.file(&uri);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &rows).unwrap();
        let columns: Vec<Column> = serde_json::from_str(&schema).unwrap();
        let load = Load { uri, format: Format::Ndjson, columns, max_bad_records: 0 };
        let target = support::target(&table, WriteMode::Replace);
        let id = support::job(&format!("load-{}", table.replace('.', "-")));
        theirs.load(&load, &target, &id).await.unwrap_or_else(|e| panic!("{table}: {e}"));
    }
}

/// The statements of a file: each ends in a semicolon at the end of a line; `--` starts a note.
fn split(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: Vec<&str> = lines.collect();
    let statements = text.join("\n");
    let statements = statements.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned());
    statements.filter(|s| !s.is_empty()).collect()
}

fn judge(
    statement: &str,
    ours: Result<Rows, PortError>,
    theirs: Result<Rows, PortError>,
) -> Verdict {
    let answered = |error: &PortError| {
        matches!(
            error,
            PortError::InvalidQuery(_) | PortError::NotFound(_) | PortError::Other { .. }
        )
    };
    match (ours, theirs) {
        (_, Err(broken)) if !answered(&broken) => Verdict::Broken(format!("theirs: {broken:?}")),
        (Err(PortError::InvalidQuery(message)), theirs) => {
            if let Some((what, _)) = message.split_once(" is not supported by the embedded") {
                return Verdict::Refused(what.to_owned());
            }
            match theirs {
                Err(_) => Verdict::NeitherAnswers,
                Ok(theirs) => Verdict::Differ { ours: message, theirs: format!("{theirs:?}") },
            }
        }
        (Err(PortError::NotFound(_)), Err(_)) => Verdict::NeitherAnswers,
        (Err(broken), _) => Verdict::Broken(format!("ours: {broken:?}")),
        (Ok(ours), theirs) => {
            let rows = |rows: &Rows| {
                let mut shown = shown(&rows.rows);
                if !in_order(statement) {
                    shown.sort();
                }
                format!("{:?} {shown:?}", rows.columns)
            };
            let ours = rows(&ours);
            match theirs.map(|theirs| rows(&theirs)) {
                Err(theirs) => Verdict::Differ { ours, theirs: theirs.to_string() },
                Ok(theirs) if theirs == ours => Verdict::Equal,
                Ok(theirs) => Verdict::Differ { ours, theirs },
            }
        }
    }
}

/// Whether ORDER BY gives the whole result its order.
fn in_order(statement: &str) -> bool {
    let (mut depth, mut found) = (0_i32, false);
    for (at, letter) in statement.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ if depth == 0 && statement[at..].starts_with("ORDER BY") => found = true,
            _ => {}
        }
    }
    found
}

fn shown(rows: &[Vec<Value>]) -> Vec<String> {
    let row = |row: &Vec<Value>| row.iter().map(cell).collect::<Vec<_>>().join(" | ");
    rows.iter().map(row).collect()
}

/// A value as text; doubles by their first 12 digits, for sums may add in another order and logarithms and powers
/// are as exact as the platform's.
fn cell(value: &Value) -> String {
    match value {
        Value::Float64(x) if x.is_finite() => {
            format!("{:e}", format!("{x:.11e}").parse::<f64>().unwrap())
        }
        Value::Float64(x) => x.to_string(),
        Value::Json(text) => {
            serde_json::from_str::<Json>(text).map_or(text.clone(), |j| j.to_string())
        }
        Value::Struct(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", cell(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
