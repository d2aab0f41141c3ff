//! The variables of the programs for Google Cloud are those that the documentation lists, and no others.

use std::collections::{BTreeMap, BTreeSet};

use common::env::{Env, Vars};
use common::settings::{self, Listen};

const DOCUMENT: &str = include_str!("../../docs/google-cloud.md");
const TERRAFORM: &str = include_str!("../../terraform/programs.tf");
/// What Cloud Run or a launch sets, and what is for emulators alone.
const NOT_DEPLOYED: [&str; 12] = [
    "PORT",
    "CLOUD_RUN_EXECUTION",
    "RUN_ID",
    "TENANT_ID",
    "ATTEMPT",
    "BIGQUERY_ENDPOINT",
    "KMS_ENDPOINT",
    "RUN_ENDPOINT",
    "PUBSUB_ENDPOINT",
    "PUBSUB_EMULATOR_HOST",
    "OIDC_ISSUER",
    "OIDC_JWKS_URL",
];

/// The variables that the document's table gives each program.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut documented: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in DOCUMENT.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for program in cells[2].split(", ") {
            let added = documented.entry(program).or_default().insert(cells[1].trim_matches('`'));
            assert!(added, "{} is listed twice for {program}", cells[1]);
        }
    }
    documented
}

/// The variables that a program asks for.
fn asked<S>(read: impl FnOnce(&mut Vars<'_>) -> Option<S>, serves: bool) -> BTreeSet<&'static str> {
    let env = Env::default();
    let mut vars = Vars::of(&env);
    settings::log_filter(&mut vars);
    if serves {
        Listen::read(&mut vars);
    }
    assert!(read(&mut vars).is_none());
    vars.asked().iter().copied().collect()
}

/// The variables that Terraform gives each program.
fn deployed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let programs = TERRAFORM.split("\nmodule \"").skip(1).map(|block| {
        let (program, block) = block.split_once('"').expect("a name");
        let words = block.split([' ', '\n', '{']).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let set = words.windows(2).filter(|pair| is_name(pair[0]) && pair[1] == "=");
        (program, set.map(|pair| pair[0]).collect())
    });
    programs.collect()
}

#[test]
fn terraform_sets_each_variable_that_a_program_reads() {
    let mut read = documented();
    for variables in read.values_mut() {
        variables.retain(|name| !NOT_DEPLOYED.contains(name));
    }
    assert_eq!(deployed(), read);
}

#[test]
fn the_document_lists_each_variable_that_a_program_reads() {
    let read = BTreeMap::from([
        ("onboard", asked(onboard::config::Settings::read, true)),
        ("trigger", asked(trigger::config::Settings::read, true)),
        ("scheduler", asked(scheduler::config::Settings::read, true)),
        ("pipeline", asked(pipeline::config::Settings::read, false)),
    ]);
    assert_eq!(documented(), read);
}
