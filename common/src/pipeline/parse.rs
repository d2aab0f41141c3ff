//! From a file's text to a [`Template`], or to everything that is wrong with it.

use serde_saphyr::{DuplicateKeyPolicy, Error, MessageFormatter, UserMessageFormatter};

use super::diagnostic::{Findings, Place};
use super::spec::TemplateSpec;
use super::{Diagnostic, Template, TemplateId, validate};

/// The largest template file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most YAML nodes of a template; a load of a wide table takes four a column.
const MAX_NODES: usize = 20_000;

/// Parses a template named by its path relative to `configs/`.
pub fn file(path: &str, text: &str) -> Result<Template, Vec<Diagnostic>> {
    let Some(id) = path.strip_suffix(".yml").and_then(|id| id.parse().ok()) else {
        let mut findings = Findings::new(path, text);
        findings.add_file(
            format!("'{path}' is not a template's path"),
            "name it <provider>/<domain>/<name>.yml below configs, each part [a-z][a-z0-9_]*",
        );
        return Err(findings.finish());
    };
    template(path, id, text)
}

/// Parses a template of this id; `file` is how findings name where it stands.
pub fn template(file: &str, id: TemplateId, text: &str) -> Result<Template, Vec<Diagnostic>> {
    let mut findings = Findings::new(file, text);
    if text.len() > MAX_BYTES {
        findings.add_file(
            format!("the file has {} bytes, more than the {MAX_BYTES} of a template", text.len()),
            "split it into several templates",
        );
        return Err(findings.finish());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: MAX_NODES, max_documents: 1, max_depth: 32 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<TemplateSpec>(text, options) {
        Ok(spec) => validate::template(id, spec, findings),
        Err(error) => {
            let at = error
                .location()
                .map_or(Place::START, |at| Place { line: at.line(), column: at.column() });
            let message = UserMessageFormatter.format_message(&error).into_owned();
            let hint = hint(&message);
            findings.add(at, message, hint);
            if let Error::SerdeUnknownField { field: word, expected, .. }
            | Error::SerdeUnknownVariant { variant: word, expected, .. } =
                error.without_snippet()
            {
                findings.suggest(word, expected.iter().copied());
            }
            Err(findings.finish())
        }
    }
}

fn hint(message: &str) -> &'static str {
    if message.contains("unknown field") || message.contains("unknown variant") {
        "check the spelling and the indentation against template.schema.json"
    } else if message.contains("missing field") {
        "add it; template.schema.json says what it holds"
    } else if message.contains("duplicate") {
        "remove one of the two"
    } else {
        "compare with template.schema.json and the shipped templates"
    }
}
