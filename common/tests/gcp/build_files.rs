//! The Dockerfile and the files of Cloud Build: what Google's discovery document and the repository say of them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::fakes::discovery::Document;

const BUILDS: [&str; 2] = ["cloudbuild.yaml", "cloudbuild.apply.yaml"];
const PROGRAMS: [&str; 4] = ["onboard", "trigger", "scheduler", "pipeline"];
/// What Cloud Build sets for every build, by hand or by a trigger.
const SET_FOR_ALL: [&str; 4] = ["PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION"];

type Names = BTreeSet<String>;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn build(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_build_is_what_the_discovery_document_describes() {
    let document = Document::read("cloudbuild.v1");
    for name in BUILDS {
        assert_eq!(document.wrong("Build", &build(name)), Vec::<String>::new(), "{name}");
    }
    for (change, wrong) in [
        (json!({"timeout": "1h"}), "Build.timeout"),
        (json!({"options": {"logging": "CLOUD"}}), "Build.options.logging"),
        (json!({"steps": [{"name": "x", "scripts": "y"}]}), "Build.steps[0].scripts"),
        (json!({"artifacts": {"objects": {"paths": "plan"}}}), "Build.artifacts.objects.paths"),
    ] {
        let found = document.wrong("Build", &change);
        assert!(found.len() == 1 && found[0].starts_with(wrong), "{change}: {found:?}");
    }
}

#[test]
fn each_substitution_is_declared_or_asked_for_and_explained() {
    for name in BUILDS {
        let build = build(name);
        let used: Names = texts(&build).into_iter().flat_map(variables).collect();
        let (own, set): (Names, Names) = used.into_iter().partition(|name| name.starts_with('_'));
        let unknown: Vec<_> = set.iter().filter(|n| !SET_FOR_ALL.contains(&n.as_str())).collect();
        assert!(unknown.is_empty(), "{name}: not every build has {unknown:?}");
        assert_eq!(own, explained(&read(name)), "{name}: used, and explained at its top");
        let declared: Names = build["substitutions"].as_object().unwrap().keys().cloned().collect();
        assert!(declared.is_subset(&own), "{name}: {declared:?} of {own:?}");
    }
}

/// Cloud Build puts no substitution into a script: it sees the variables of its step.
#[test]
fn a_script_reads_what_its_step_is_told() {
    for name in BUILDS {
        let build = build(name);
        for step in build["steps"].as_array().unwrap() {
            let env = [&step["env"], &build["options"]["env"]].into_iter();
            let env = env.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
            let told: Names =
                env.filter_map(|one| Some(one.split_once('=')?.0.to_owned())).collect();
            let reads: Names = variables(step["script"].as_str().unwrap()).collect();
            assert!(reads.is_subset(&told), "{name}, {}: {reads:?} of {told:?}", step["id"]);
        }
    }
}

#[test]
fn a_build_has_an_account_of_its_own_and_logs_without_a_bucket() {
    for (name, account) in BUILDS.into_iter().zip(["headgate-build", "headgate-apply"]) {
        let build = build(name);
        let account = format!("{account}@$PROJECT_ID.iam.gserviceaccount.com");
        let account = format!("projects/$PROJECT_ID/serviceAccounts/{account}");
        assert_eq!(build["serviceAccount"], account, "{name}");
        assert_eq!(build["options"]["logging"], "CLOUD_LOGGING_ONLY", "{name}");
    }
}

#[test]
fn every_program_is_a_target_and_every_image_is_pushed() {
    let dockerfile = read("Dockerfile");
    let build = build("cloudbuild.yaml");
    let images = build["images"].as_array().unwrap();
    assert_eq!(images.len(), PROGRAMS.len());
    for program in PROGRAMS {
        let stage = format!(
            "\nFROM base AS {program}\nCOPY --from=build /src/target/release/{program} /{program}\nENTRYPOINT [\"/{program}\"]\n"
        );
        assert!(dockerfile.contains(&stage), "the Dockerfile lacks {stage}");
        let tagged = format!("/headgate/{program}:$BUILD_ID");
        assert!(images.iter().any(|i| i.as_str().unwrap().ends_with(&tagged)), "{tagged}");
    }
}

#[test]
fn images_are_compiled_by_the_toolchain_of_the_repository() {
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next());
    let image = format!("rust:{}-bookworm", version.unwrap());
    assert!(read("Dockerfile").contains(&format!("\nFROM {image} AS toolchain\n")), "{image}");
    assert_eq!(build("cloudbuild.yaml")["steps"][0]["name"], image);
}

/// All texts but scripts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "script");
            fields.flat_map(|(_, value)| texts(value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The names in capitals after a `$` or `${`: a script's own variables are in small letters.
fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split('$').skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let ends = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let name = &rest[..ends.unwrap_or(rest.len())];
        name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_').then(|| name.to_owned())
    })
}

/// What the comment at the top explains: `#   _NAME  what it is`.
fn explained(text: &str) -> Names {
    let top = text.lines().take_while(|line| line.starts_with('#'));
    let names = top.filter_map(|line| line.strip_prefix("#   ")?.split_whitespace().next());
    names.filter(|name| name.starts_with('_')).map(str::to_owned).collect()
}
