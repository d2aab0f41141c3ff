//! Rules over source files.

use std::path::Path;

use super::Finding;

const LONGEST: usize = 400;
const LONGEST_MAIN: usize = 40;

/// The parts of `common` that decide without touching anything.
const DOMAIN: [&str; 8] =
    ["tenant", "plan", "api_key", "quota", "run", "schedule", "pipeline", "submit"];

/// Only a program's `main.rs` names the Google adapters; they are composed there and nowhere else.
pub(crate) fn google_adapters(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || is_main(path) || is_gcp(path) {
        return Vec::new();
    }
    let direct =
        lines_with(text, |code| code.contains("common::gcp") || code.contains("crate::gcp"));
    // `use common::{gcp, ..}`, over as many lines as it takes.
    let grouped = text.split(';').scan(1, |line, statement| {
        let at = *line + leading_lines(statement);
        *line += statement.matches('\n').count();
        Some((at, statement))
    });
    let grouped = grouped.filter(|(_, statement)| {
        statement.trim_start().starts_with("use common::{") && words(statement).any(|w| w == "gcp")
    });
    let lines = direct.chain(grouped.map(|(line, _)| line));
    lines.map(|line| (line, "only a main.rs names common::gcp".into())).collect()
}

/// Only the Google adapters name Google's client crates.
pub(crate) fn google_clients(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || is_gcp(path) {
        return Vec::new();
    }
    lines_with(text, |code| words(code).any(|word| word.starts_with("google_cloud_")))
        .map(|line| (line, "driver types stay inside common/src/gcp".into()))
        .collect()
}

/// The domain has no runtime, no web framework and no files: the ports are its only way out.
pub(crate) fn domain(path: &str, text: &str) -> Vec<Finding> {
    let Some(module) = path.strip_prefix("common/src/") else { return Vec::new() };
    let module = module.split(['/', '.']).next().unwrap_or(module);
    if !DOMAIN.contains(&module) {
        return Vec::new();
    }
    let does_io = |code: &str| {
        words(code).any(|word| word == "tokio" || word == "axum")
            || ["std::fs", "std::net", "std::process", "std::env"]
                .iter()
                .any(|io| code.contains(io))
    };
    lines_with(text, does_io)
        .map(|line| (line, format!("{module} is domain: take a port or a value instead")))
        .collect()
}

/// Only the gate asks the ledger to admit a run; the ledger's own code and tests know the request.
pub(crate) fn one_gate(path: &str, text: &str) -> Vec<Finding> {
    // The last says in SQL what it is asked to admit.
    let known = [
        "common/src/submit.rs",
        "common/src/quota",
        "common/src/state/contract/",
        "common/src/gcp/state/ledger/",
    ];
    if !is_rust(path) || path.contains("/tests/") || known.iter().any(|of| path.starts_with(of)) {
        return Vec::new();
    }
    lines_with(text, |code| code.contains("Change::Admit"))
        .map(|line| (line, "a run comes to exist through common::submit alone".into()))
        .collect()
}

/// A function's `main.rs` composes and decides nothing.
pub(crate) fn main_is_short(path: &str, text: &str) -> Vec<Finding> {
    if is_main_of_function(path) { at_most(LONGEST_MAIN, text) } else { Vec::new() }
}

/// One concept a file.
pub(crate) fn length(path: &str, text: &str) -> Vec<Finding> {
    if is_rust(path) { at_most(LONGEST, text) } else { Vec::new() }
}

/// `foo.rs` stands beside `foo/`.
pub(crate) fn no_mod_rs(path: &str, _: &str) -> Vec<Finding> {
    let Some(folder) = path.strip_suffix("/mod.rs") else { return Vec::new() };
    vec![(1, format!("name it {folder}.rs"))]
}

/// A file says what it owns. A module's own unit tests in `tests.rs` need no sentence: their subject is the
/// module.
pub(crate) fn opening(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || path.ends_with("/tests.rs") || text.starts_with("//! ") {
        return Vec::new();
    }
    vec![(1, "open with a `//!` sentence that says what the file owns".into())]
}

/// What is committed is done. The words are put together here so that this file passes its own rule.
pub(crate) fn finished(_: &str, text: &str) -> Vec<Finding> {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("for", " now"),
        concat!("For", " now"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ign", "ore"),
    ];
    let found = text.lines().enumerate().flat_map(|(at, line)| {
        words.iter().filter(|word| line.contains(**word)).map(move |word| (at + 1, word))
    });
    found.map(|(line, word)| (line, format!("`{word}`: finish it, or take it out"))).collect()
}

fn at_most(lines: usize, text: &str) -> Vec<Finding> {
    let found = text.lines().count();
    if found <= lines {
        return Vec::new();
    }
    vec![(lines + 1, format!("{found} lines, of {lines} at most: cut it where the concepts part"))]
}

/// The numbers of the lines whose code, comments left out, is as `wrong` says.
fn lines_with(text: &str, wrong: impl Fn(&str) -> bool) -> impl Iterator<Item = usize> {
    text.lines().enumerate().filter_map(move |(at, line)| {
        let code = line.split("//").next().unwrap_or(line);
        wrong(code).then_some(at + 1)
    })
}

fn leading_lines(text: &str) -> usize {
    text.chars().take_while(|c| c.is_whitespace()).filter(|c| *c == '\n').count()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// The Google adapters, and the tests beside them in their own crate.
fn is_gcp(path: &str) -> bool {
    path == "common/src/gcp.rs"
        || path.starts_with("common/src/gcp/")
        || path.starts_with("common/tests/")
}

fn is_main(path: &str) -> bool {
    is_main_of_function(path) || path == "local/src/main.rs"
}

fn is_main_of_function(path: &str) -> bool {
    path.starts_with("functions/") && path.ends_with("/src/main.rs")
}
