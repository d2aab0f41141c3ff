//! What documents name exists: paths of ours, and tests.

use std::collections::HashSet;
use std::path::Path;

const OURS: [&str; 4] = ["common/", "functions/", "local/", "configs/"];

/// The names between single backquotes that stand for nothing.
pub(crate) fn dangling(root: &Path, functions: &HashSet<&str>, text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let gone = quoted.filter(|name| {
        if is_path(name) {
            !root.join(name).exists()
        } else {
            is_test(name) && !functions.contains(name)
        }
    });
    gone.map(str::to_owned).collect()
}

/// The names of a source's functions.
pub(crate) fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next())
}

fn is_path(name: &str) -> bool {
    OURS.iter().any(|ours| name.starts_with(ours))
        && !name.contains(['<', '{', '*', ' ', '…'])
        && !name.contains("::")
}

/// Tests are named by sentences.
fn is_test(name: &str) -> bool {
    name.matches('_').count() >= 3
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with("x_meta")
}

#[test]
fn a_name_that_stands_for_nothing_is_found() {
    let root = super::root();
    let functions = HashSet::from(["what_is_good_passes"]);
    let text = "`common/src/lib.rs` `what_is_good_passes` `x_meta_dq_results` `functions/*/src/main.rs` `a_b`";
    assert!(dangling(&root, &functions, text).is_empty());
    let text = "`common/src/gone.rs` and `what_is_bad_fails_too`";
    let found = dangling(&root, &functions, text);
    assert_eq!(found, ["common/src/gone.rs", "what_is_bad_fails_too"]);
}
