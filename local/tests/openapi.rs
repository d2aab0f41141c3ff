//! The committed OpenAPI document is the generated one, and says of every route who may call it.

use std::collections::HashSet;

use local::openapi;

/// Run with `UPDATE=1` to write the file anew.
#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let generated = openapi::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == generated, "docs/openapi.json is old: run this test with UPDATE=1");
}

#[test]
fn every_operation_has_its_id_its_key_and_described_responses() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let (mut keys, mut ids) = (Vec::new(), HashSet::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"][0].as_object();
            let names: Vec<&String> = security.into_iter().flat_map(|s| s.keys()).collect();
            let [key] = names[..] else { panic!("{method} {path} takes {names:?}") };
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let stated = parameters.filter(|p| p["name"] == **key).count();
            assert_eq!(stated, 0, "{method} {path} names {key} as a parameter too");
            assert!(!document["components"]["securitySchemes"][key].is_null(), "{key}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                assert!(
                    response["description"].is_string(),
                    "{method} {path} {status} says nothing"
                );
            }
            ids.insert(operation["operationId"].as_str().unwrap().to_owned());
            keys.push(key.clone());
        }
    }
    assert_eq!(ids.len(), keys.len(), "two operations share an id");
    for key in ["X-Admin-Key", "X-API-Key"] {
        assert!(keys.iter().filter(|k| *k == key).count() >= 4, "{keys:?}");
    }
}
