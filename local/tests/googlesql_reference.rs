//! `docs/googlesql.md` is what the code says, and what it says of the code is so.

use std::collections::BTreeMap;

use common::port::PortError;
use common::warehouse::{DataType, Format, Param, Query, Value};
use local::warehouse::reference::{
    AGGREGATES, ANSWERED, REFUSED, SPECIAL, Special, WINDOWS, document, functions,
};
use serde_json::Value as Json;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

/// Run with `UPDATE=1` to write the file anew.
#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/googlesql.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == document(), "docs/googlesql.md is old: run this test with UPDATE=1");
}

#[tokio::test]
async fn each_example_does_what_the_document_says() {
    let cases: Json = serde_json::from_str(include_str!("googlesql/cases.json")).unwrap();
    let folder = folder(&["billing", "ctl"]).await;
    for (name, table) in cases["tables"].as_object().unwrap() {
        let rows: Vec<String> =
            table["rows"].as_array().unwrap().iter().map(Json::to_string).collect();
        folder.load(name, &table["columns"].to_string(), Format::Ndjson, &rows.join("\n")).await;
    }
    let run = Param { kind: DataType::String, value: Value::String("r1".to_owned()) };
    let query = |sql: &str| Query {
        sql: sql.to_owned(),
        params: BTreeMap::from([("run".to_owned(), run.clone())]),
        default_dataset: None,
    };
    let mut wrong = Vec::new();
    let specials = [SPECIAL, AGGREGATES, WINDOWS].into_iter().flatten();
    let constructs = ANSWERED.iter().flat_map(|chapter| chapter.constructs);
    let answered = constructs.map(|c| c.example).chain(specials.map(|s: &Special| s.example));
    for example in answered {
        if let Err(error) = folder.rows(&query(example)).await {
            wrong.push(format!("{example}: {error}"));
        }
    }
    for (construct, says) in REFUSED {
        match folder.rows(&query(construct.example)).await {
            Err(PortError::InvalidQuery(message)) if message.contains(says) => {}
            other => wrong.push(format!("{}: {other:?}", construct.example)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A function without a test is a claim.
#[test]
fn each_function_stands_in_a_test() {
    let mut texts = String::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    let called = |name: &str| texts.contains(&format!("{name}("));
    let untried: Vec<&str> = functions().into_keys().filter(|name| !called(name)).collect();
    assert!(untried.is_empty(), "in no test: {untried:?}");
}
