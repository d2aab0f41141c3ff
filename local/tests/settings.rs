//! The variables of the programs for Google Cloud are those that the documentation lists, and no others.

use std::collections::{BTreeMap, BTreeSet};

use common::env::{Env, Vars};
use common::settings::{self, Listen};

const DOCUMENT: &str = include_str!("../../docs/google-cloud.md");

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
