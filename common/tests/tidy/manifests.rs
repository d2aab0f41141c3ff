//! Rules over `Cargo.toml`: read line by line, since every dependency of ours is one line.

use std::collections::HashSet;

use super::Finding;

/// The crates below `functions/`.
pub(crate) const FUNCTIONS: [&str; 4] = ["onboard", "trigger", "pipeline", "scheduler"];

/// Functions depend on `common` alone, `common` on none of ours, `local` on all but the Google adapters.
pub(crate) fn imports(path: &str, text: &str) -> Vec<Finding> {
    let Some(crate_folder) = member(path) else { return Vec::new() };
    let is_local = crate_folder == "local";
    let ours = |name: &str| name == "local" || FUNCTIONS.contains(&name);
    dependencies(text)
        .filter_map(|(line, name, value)| {
            if ours(name) && !is_local {
                Some((line, format!("{crate_folder} depends on {name}: share it through common")))
            } else if name == "common" && is_local && value.contains("\"gcp\"") {
                Some((
                    line,
                    "local takes common's feature gcp: it stands on embedded adapters".into(),
                ))
            } else if name.starts_with("google-cloud") && crate_folder != "common" {
                Some((line, format!("{crate_folder} depends on {name}: only common::gcp may")))
            } else {
                None
            }
        })
        .collect()
}

/// Members take every version from the root's `[workspace.dependencies]` and `[workspace.package]`.
pub(crate) fn versions(path: &str, text: &str) -> Vec<Finding> {
    if member(path).is_none() {
        return Vec::new();
    }
    let inherited =
        |line: &str| line.contains(".workspace = true") || line.contains("{ workspace = true");
    sectioned(text)
        .filter_map(|(number, section, line)| {
            if line.starts_with('[') {
                let of_one = section.contains("dependencies.");
                return of_one.then(|| (number, format!("{line}: give a dependency one line")));
            }
            let is_version = section.ends_with("dependencies")
                || (section == "package" && line.starts_with("version"));
            let name = line.split(['=', '.']).next().unwrap_or(line).trim();
            (is_version && !inherited(line)).then(|| {
                (number, format!("{name} has a version here: move it to the root's Cargo.toml"))
            })
        })
        .collect()
}

/// Every crate keeps the workspace's lints.
pub(crate) fn lints(path: &str, text: &str) -> Vec<Finding> {
    let kept = || {
        sectioned(text).any(|(_, section, line)| section == "lints" && line == "workspace = true")
    };
    if member(path).is_none() || kept() {
        return Vec::new();
    }
    vec![(1, "write `[lints]` and `workspace = true`".into())]
}

/// Google's client crates come with `common`'s feature `gcp` and not without.
pub(crate) fn optional_clients(path: &str, text: &str) -> Vec<Finding> {
    if path != "common/Cargo.toml" {
        return Vec::new();
    }
    dependencies(text)
        .filter(|(_, name, value)| {
            name.starts_with("google-cloud") && !value.contains("optional = true")
        })
        .map(|(line, name, _)| (line, format!("{name} must be optional, behind the feature gcp")))
        .collect()
}

/// The versions of the workspace's manifest that no member takes, and those that the README gives no reason for.
pub(crate) fn idle_versions<'a>(root: &'a str, members: &[&str], readme: &str) -> Vec<&'a str> {
    let taken: HashSet<&str> =
        members.iter().flat_map(|text| dependencies(text)).map(|(_, name, _)| name).collect();
    let versions = dependencies(root).filter(|(_, _, value)| !value.contains("path ="));
    let idle = versions
        .filter(|(_, name, _)| !taken.contains(name) || !readme.contains(&format!("`{name}`")));
    idle.map(|(_, name, _)| name).collect()
}

#[test]
fn an_idle_version_is_found() {
    let root =
        "[workspace.dependencies]\nserde = \"1\"\nregex = \"1\"\ncommon = { path = \"common\" }\n";
    let member = "[dependencies]\nserde.workspace = true\n";
    assert_eq!(idle_versions(root, &[member], "`serde` `regex`"), ["regex"]);
    assert_eq!(idle_versions(root, &[member], "`regex`"), ["serde", "regex"]);
}

/// The folder of the crate whose manifest this is; `None` for the workspace's own and for other files.
fn member(path: &str) -> Option<&str> {
    path.strip_suffix("/Cargo.toml")
}

/// Line, name and the rest of each dependency of any kind.
fn dependencies(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    sectioned(text).filter_map(|(number, section, line)| {
        if !section.ends_with("dependencies") || line.starts_with('[') {
            return None;
        }
        let end = line.find(['.', ' ', '='])?;
        Some((number, &line[..end], &line[end..]))
    })
}

/// Each line that says something, with its number and the section it stands in.
fn sectioned(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    text.lines().map(str::trim).enumerate().filter_map(move |(at, line)| {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((at + 1, section, line))
    })
}
