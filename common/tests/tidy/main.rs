//! The workspace keeps its layout: who may import whom, where versions live, what every file has.
//!
//! A rule is a function from a file's path and text to what it finds wrong, so that [`BAD`] can show each
//! rule an example that it must refuse. Tests count as files: the ceiling of 400 lines is theirs too.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

mod documents;
mod manifests;
mod sources;

/// The line, from 1, and what is wrong there.
type Finding = (usize, String);
type Rule = fn(path: &str, text: &str) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("imports of a manifest", manifests::imports),
    ("versions in one place", manifests::versions),
    ("workspace lints", manifests::lints),
    ("google clients are optional", manifests::optional_clients),
    ("google adapters", sources::google_adapters),
    ("google clients", sources::google_clients),
    ("the domain does no I/O", sources::domain),
    ("one gate", sources::one_gate),
    ("main composes", sources::main_is_short),
    ("no mod.rs", sources::no_mod_rs),
    ("an opening sentence", sources::opening),
    ("length", sources::length),
    ("nothing unfinished", sources::finished),
];

/// What each rule must refuse.
const BAD: &[(&str, &str, &str)] = &[
    (
        "imports of a manifest",
        "functions/trigger/Cargo.toml",
        "[dependencies]\nonboard.workspace = true\n",
    ),
    (
        "imports of a manifest",
        "functions/trigger/Cargo.toml",
        "[dev-dependencies]\nlocal = { path = \"x\" }\n",
    ),
    ("imports of a manifest", "common/Cargo.toml", "[dependencies]\npipeline.workspace = true\n"),
    (
        "imports of a manifest",
        "functions/trigger/Cargo.toml",
        "[dependencies]\ngoogle-cloud-auth.workspace = true\n",
    ),
    (
        "imports of a manifest",
        "local/Cargo.toml",
        "[dependencies]\ncommon = { workspace = true, features = [\"gcp\"] }\n",
    ),
    ("versions in one place", "local/Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
    (
        "versions in one place",
        "local/Cargo.toml",
        "[target.'cfg(unix)'.dependencies]\nserde = \"1\"\n",
    ),
    ("versions in one place", "local/Cargo.toml", "[dependencies.serde]\nworkspace = true\n"),
    ("versions in one place", "local/Cargo.toml", "[package]\nversion = \"0.2.0\"\n"),
    ("workspace lints", "local/Cargo.toml", "[dependencies]\nserde.workspace = true\n"),
    ("workspace lints", "local/Cargo.toml", "[lints.clippy]\nworkspace = true\n"),
    (
        "google clients are optional",
        "common/Cargo.toml",
        "[dependencies]\ngoogle-cloud-auth.workspace = true\n",
    ),
    ("google adapters", "functions/trigger/src/lib.rs", "use common::gcp;\n"),
    ("google adapters", "functions/trigger/src/lib.rs", "use common::{\n    gcp, plan\n};\n"),
    ("google adapters", "local/src/serve.rs", "fn main() { common::gcp::start() }\n"),
    ("google adapters", "common/src/submit.rs", "use crate::gcp::kms;\n"),
    ("google clients", "functions/trigger/src/main.rs", "use google_cloud_auth::credentials;\n"),
    ("google clients", "common/src/keys.rs", "use google_cloud_kms_v1::client;\n"),
    ("the domain does no I/O", "common/src/quota.rs", "use tokio::sync::Mutex;\n"),
    ("the domain does no I/O", "common/src/submit/launch.rs", "    axum::Json(run)\n"),
    ("the domain does no I/O", "common/src/pipeline/parse.rs", "let text = std::fs::read(path);\n"),
    ("one gate", "functions/trigger/src/run.rs", "let change = Change::Admit { run_id };\n"),
    ("main composes", "functions/trigger/src/main.rs", LONG),
    ("no mod.rs", "functions/pipeline/src/steps/mod.rs", ""),
    ("an opening sentence", "common/src/lib.rs", "pub mod plan;\n"),
    ("length", "local/tests/state.rs", LONG),
    ("nothing unfinished", "local/src/lib.rs", concat!("#[ign", "ore]\nfn x() {}\n")),
    ("nothing unfinished", "local/src/lib.rs", concat!("to", "do!()\n")),
    ("nothing unfinished", "local/src/lib.rs", concat!("unimpl", "emented!(\"\")\n")),
    ("nothing unfinished", "configs/plans.yml", concat!("# TO", "DO: prices\n")),
    ("nothing unfinished", "local/src/lib.rs", concat!("// FIX", "ME\n")),
    ("nothing unfinished", "local/src/lib.rs", concat!("// For", " now one slot\n")),
];

/// What comes close and is allowed.
const GOOD: &[(&str, &str, &str)] = &[
    (
        "imports of a manifest",
        "functions/trigger/Cargo.toml",
        "[dependencies]\ncommon.workspace = true\n",
    ),
    ("imports of a manifest", "local/Cargo.toml", "[dependencies]\npipeline.workspace = true\n"),
    ("versions in one place", "Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
    (
        "google clients are optional",
        "common/Cargo.toml",
        "[dependencies]\ngoogle-cloud-auth = { workspace = true, optional = true }\n",
    ),
    ("google adapters", "functions/trigger/src/main.rs", "use common::gcp;\n"),
    ("google adapters", "common/src/gcp.rs", "use crate::gcp::kms;\n"),
    ("google adapters", "common/src/lib.rs", "pub mod gcp;\n"),
    ("google adapters", "local/src/sample.rs", "let id = \"gcp/cost/billing\";\n"),
    ("google clients", "common/src/gcp/kms.rs", "use google_cloud_kms_v1::client;\n"),
    ("the domain does no I/O", "common/src/http.rs", "use axum::Router;\n"),
    ("the domain does no I/O", "common/src/run.rs", "// what tokio spawns\n"),
];

/// Any text of thousands of lines.
const LONG: &str = include_str!("../../../Cargo.lock");

#[test]
fn the_workspace_is_tidy() {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &mut files).unwrap();
    assert!(files.len() > 100, "only {} files found below {}", files.len(), root.display());
    let mut findings = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        for (name, rule) in RULES {
            let found = rule(&path, &text).into_iter();
            findings.extend(found.map(|(line, what)| format!("{path}:{line}: {name}: {what}")));
        }
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn what_documents_name_exists() {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &mut files).unwrap();
    let sources: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let functions: HashSet<&str> = sources.iter().flat_map(|s| documents::functions(s)).collect();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap_or_default();
        let found = documents::dangling(&root, &functions, &text);
        assert!(found.is_empty(), "{document} names what is not there: {found:?}");
    }
}

#[test]
fn every_version_is_taken_and_the_readme_says_why() {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &mut files).unwrap();
    let workspace = root.join("Cargo.toml");
    let members = files.iter().filter(|file| file.ends_with("Cargo.toml") && **file != workspace);
    let members: Vec<String> = members.map(|file| fs::read_to_string(file).unwrap()).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let versions = fs::read_to_string(&workspace).unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let idle = manifests::idle_versions(&versions, &members, &readme);
    assert!(idle.is_empty(), "no member takes, or the README's table lacks: {idle:?}");
}

#[test]
fn the_embedded_binary_is_built_without_google_clients() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "local", "--edges", "normal,build", "--prefix", "none"])
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().any(|line| line.starts_with("common v")), "{tree}");
    let named: Vec<&str> = tree.lines().filter(|l| l.starts_with("google-cloud")).collect();
    assert!(named.is_empty(), "local depends on {named:?}: leave common's feature gcp off");
}

#[test]
fn every_function_is_known_to_the_rules() {
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let folders = folders.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    let mut known = manifests::FUNCTIONS;
    known.sort_unstable();
    assert_eq!(names, known, "name the new crate in FUNCTIONS");
}

#[test]
fn each_rule_refuses_its_bad_examples_and_only_those() {
    for (name, path, text) in BAD {
        assert!(!rule(name)(path, text).is_empty(), "{name} allows {path}: {text:.80}");
    }
    for (name, path, text) in GOOD {
        assert_eq!(rule(name)(path, text), [], "{name} refuses {path}: {text}");
    }
    for (name, _) in RULES {
        assert!(BAD.iter().any(|(of, ..)| of == name), "no bad example for: {name}");
    }
}

#[test]
fn a_file_may_have_as_many_lines_as_the_ceiling_says() {
    for (name, path, ceiling) in
        [("length", "local/src/db.rs", 400), ("main composes", "functions/trigger/src/main.rs", 40)]
    {
        assert_eq!(rule(name)(path, &"x\n".repeat(ceiling)), []);
        assert_eq!(rule(name)(path, &"x\n".repeat(ceiling + 1))[0].0, ceiling + 1);
    }
}

fn rule(name: &str) -> Rule {
    RULES.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no rule {name}")).1
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Every file of ours that a rule may look at.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type()?.is_dir() {
            if name != "target" && name != ".git" {
                collect(&path, files)?;
            }
        } else if let Some(extension) = path.extension()
            && ["rs", "toml", "yml", "sql"].iter().any(|known| extension == *known)
        {
            files.push(path);
        }
    }
    Ok(())
}
