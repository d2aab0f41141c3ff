//! Statements as teams write them over a billing export, each with the rows that BigQuery's documentation gives:
//! answered so or refused, never answered otherwise.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use common::port::PortError;
use common::warehouse::{DataType, Format, Param, Query, Value};
use serde::Deserialize;
use serde_json::Value as Json;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

/// How many are answered. It only grows.
const EXACT: usize = 39;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    tables: BTreeMap<String, Table>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    columns: Json,
    rows: Vec<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    about: String,
    sql: String,
    #[serde(default)]
    params: BTreeMap<String, Json>,
    /// The rows, in order.
    rows: Option<Json>,
    /// Several answers of which each is right.
    any: Option<Vec<Json>>,
    /// Whether the statement must fail.
    #[serde(default)]
    fails: bool,
}

/// A parameter: `{"$date": …}` and `{"$ts": …}` say their type, STRING says it by itself.
fn param(value: &Json) -> Param {
    if let Some(day) = value.get("$date").and_then(Json::as_str) {
        return Param { kind: DataType::Date, value: Value::Date(day.parse().unwrap()) };
    }
    if let Some(instant) = value.get("$ts").and_then(Json::as_str) {
        let instant = format!("{instant}Z").parse().unwrap();
        return Param { kind: DataType::Timestamp, value: Value::Timestamp(instant) };
    }
    let text = value.as_str().unwrap_or_else(|| panic!("the parameter {value}"));
    Param { kind: DataType::String, value: Value::String(text.to_owned()) }
}

/// Numbers by value, whether as numbers or as the text of a NUMERIC.
fn same(answer: &Json, expected: &Json) -> bool {
    match (answer, expected) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((an, a), (bn, b))| an == bn && same(a, b))
        }
        (a, Json::Number(b)) => {
            let a = a.as_f64().or_else(|| a.as_str().and_then(|text| text.parse().ok()));
            a.zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() < 1e-9)
        }
        (a, b) => a == b,
    }
}

#[tokio::test]
async fn statements_are_answered_exactly_or_refused() {
    let Cases { tables, cases } =
        serde_json::from_str(include_str!("googlesql/cases.json")).unwrap();
    let folder = folder(&["billing", "ctl"]).await;
    for (name, Table { columns, rows }) in &tables {
        let rows: Vec<String> = rows.iter().map(Json::to_string).collect();
        folder.load(name, &columns.to_string(), Format::Ndjson, &rows.join("\n")).await;
    }
    let (mut exact, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for case in &cases {
        let named = format!("{} {}", case.id, case.about);
        let query = Query {
            sql: case.sql.clone(),
            params: case.params.iter().map(|(name, value)| (name.clone(), param(value))).collect(),
            default_dataset: None,
        };
        match folder.rows(&query).await {
            Ok(rows) => {
                let rows = rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
                let rows = Json::Array(rows);
                let mut right = case.rows.iter().chain(case.any.iter().flatten());
                if !case.fails && right.any(|right| same(&rows, right)) {
                    exact += 1;
                } else {
                    wrong.push(format!("{named}: {rows}"));
                }
            }
            Err(PortError::InvalidQuery(message)) if case.fails => {
                assert!(!message.contains("not supported"), "{named}: {message}");
                exact += 1;
            }
            Err(PortError::InvalidQuery(message)) => refused.push(format!("{named}: {message}")),
            Err(other) => wrong.push(format!("{named}: {other:?}")),
        }
    }
    println!("{exact} exact, {} refused: {refused:#?}", refused.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(exact >= EXACT, "{exact} exact; refused: {refused:#?}");
}
