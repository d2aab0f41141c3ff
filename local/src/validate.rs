//! `headgate validate`: every template read as the functions read it, and everything that is wrong with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use common::configs::{ROOT_MARK, collect};
use common::pipeline::{Diagnostic, Template, TemplateId, parse};

use crate::findings::{self, Report};
use crate::shown::shown;

/// Where templates are looked for when no path is given.
const DEFAULT: &str = "configs";

/// How findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For a person: `ok <id> (<file>)`, or the line that is wrong with what is wrong marked.
    Text {
        /// Whether in colour.
        colour: bool,
    },
    /// For editors and other programs: one array of objects, one a finding.
    Json,
}

/// Validates files, and the YAML files of folders; answers whether every one is valid.
///
/// A file outside a root of templates is judged by what it holds, whatever its name.
pub fn run(paths: &[PathBuf], style: Style, out: &mut impl Write) -> io::Result<bool> {
    let default = [PathBuf::from(DEFAULT)];
    let paths = if paths.is_empty() { &default[..] } else { paths };
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    let (mut found, mut right) = (Vec::new(), 0);
    for file in &files {
        match (template(file), style) {
            (Ok(template), Style::Text { .. }) => {
                right += 1;
                writeln!(out, "ok {} ({})", template.id, shown(&file.display().to_string()))?;
            }
            (Ok(_), Style::Json) => right += 1,
            (Err(more), Style::Text { colour }) => {
                for finding in &more {
                    writeln!(out, "{}", Report { finding, colour })?;
                }
                found.extend(more);
            }
            (Err(more), Style::Json) => found.extend(more),
        }
    }
    if files.is_empty() {
        let hint = "give a file, or a folder with .yml files";
        let none = |path: &PathBuf| {
            Diagnostic::of_file(path.display().to_string(), "no template found", hint)
        };
        found.extend(paths.iter().map(none));
    }
    match style {
        Style::Json => writeln!(out, "{:#}", findings::json(&found))?,
        Style::Text { colour } if files.is_empty() => {
            for finding in &found {
                write!(out, "{}", Report { finding, colour })?;
            }
        }
        Style::Text { colour } if !found.is_empty() => {
            writeln!(out, "{}", findings::summary(files.len() - right, right, colour))?;
        }
        Style::Text { .. } => {}
    }
    Ok(found.is_empty())
}

/// The template of a file, or everything that is wrong with it.
pub(crate) fn template(file: &Path) -> Result<Template, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let finding =
        |message: String, hint: &str| vec![Diagnostic::of_file(name.clone(), message, hint)];
    let text = std::fs::read_to_string(file)
        .map_err(|error| finding(format!("cannot be read: {error}"), "check the path"))?;
    let id = match placed(file) {
        Some(relative) => {
            relative.strip_suffix(".yml").and_then(|id| id.parse().ok()).ok_or_else(|| {
                let hint = "name it <provider>/<domain>/<name>.yml, each part [a-z][a-z0-9_]*";
                finding(format!("'{relative}' is not a template's path"), hint)
            })?
        }
        None => unplaced(file)
            .ok_or_else(|| finding("has no name to make an id of".to_owned(), "rename it"))?,
    };
    parse::template(&name, id, &text)
}

/// The path below the root that the file lies in, with `/`; `None` outside of one.
fn placed(file: &Path) -> Option<String> {
    let file = file.canonicalize().ok()?;
    let root = file.ancestors().skip(1).find(|folder| folder.join(ROOT_MARK).is_file())?;
    let parts = file.strip_prefix(root).ok()?.components();
    Some(parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

/// An id for a file outside a root: its own name, as far as an id can hold it.
fn unplaced(file: &Path) -> Option<TemplateId> {
    let stem = file.file_stem()?.to_string_lossy().to_ascii_lowercase();
    let word: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
    TemplateId::new("file", "file", &word)
        .or_else(|_| TemplateId::new("file", "file", &format!("t{word}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(paths: &[&Path]) -> (bool, String) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        let mut out = Vec::new();
        let valid = run(&paths, Style::Text { colour: false }, &mut out).unwrap();
        (valid, String::from_utf8(out).unwrap())
    }

    /// A template whose wrong line a case gives, below a root, and what is printed about it.
    const VALID: &str = r#"description: Copies a day.
parameters:
  day: {type: DATE, required: true}
steps:
  - id: copy
    type: sql
    query: |
      SELECT day, amount
      FROM lines
      WHERE day = @day
    target: {table: copied, partition_by: day}
    mode: {overwrite_partition: {from: "@day", to: "@day"}}
  - id: look
    type: check
    depends_on: [copy]
    table: copied
    checks:
      - {id: rows, severity: warn, blocking: false, expect: {row_count: {min: 1}}}
"#;

    fn broken(good: &str, bad: &str) -> (tempfile::TempDir, PathBuf) {
        let text = VALID.replacen(good, bad, 1);
        assert_ne!(text, VALID, "{good}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.yml");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    #[test]
    fn a_finding_shows_its_line_marks_what_is_wrong_and_asks_what_was_meant() {
        let cases = [
            (
                "WHERE day = @day",
                "WHERE day = @dy",
                "error: @dy is not declared
  --> FILE:10:19
   |
10 |       WHERE day = @dy
   |                   ^^^
   = help: did you mean @day?
   = help: declare it under parameters; declared are day

error: 1 template is wrong, 0 are right
",
            ),
            (
                "depends_on: [copy]",
                "depends_on: [cpy]",
                "error: step look depends on cpy, which no step is
  --> FILE:15:18
   |
15 |     depends_on: [cpy]
   |                  ^^^
   = help: did you mean copy?
   = help: the steps are copy, look

error: 1 template is wrong, 0 are right
",
            ),
            (
                "{type: DATE, required: true}",
                "{type: DATE, requird: true}",
                "error: unknown field `requird`, expected one of type, default, timezone, enum, range, required, description
 --> FILE:3:21
  |
3 |   day: {type: DATE, requird: true}
  |                     ^^^^^^^
  = help: did you mean required?
  = help: check the spelling and the indentation against template.schema.json

error: 1 template is wrong, 0 are right
",
            ),
            (
                "amount\n      FROM lines",
                "'日本' AS name\n      FROM {{ x }}.lines",
                "error: '{{' is a placeholder, which templates do not have
 --> FILE:9:12
  |
9 |       FROM {{ x }}.lines
  |            ^^
  = help: values are bound as @name, and a table without a dataset is the tenant's

error: 1 template is wrong, 0 are right
",
            ),
        ];
        for (good, bad, expected) in cases {
            let (_folder, file) = broken(good, bad);
            let (valid, out) = validate(&[&file]);
            assert!(!valid);
            assert_eq!(out.replace(&file.display().to_string(), "FILE"), expected);
        }
    }

    #[test]
    fn a_near_name_is_asked_after_and_a_far_one_is_not() {
        let cases = [
            ("type: sql", "type: sqll", Some("sql")),
            ("query: |", "querry: |", Some("query")),
            ("severity: warn", "severity: wrn", Some("warn")),
            ("severity: warn", "severity: fatal", None),
            ("from: \"@day\"", "from: \"@dya\"", Some("@day")),
            ("from: \"@day\"", "from: \"@first\"", None),
            ("[copy]", "[copyy]", Some("copy")),
            ("[copy]", "[lock]", None),
            ("row_count", "row_cont", Some("row_count")),
            ("type: DATE", "type: date", Some("DATE")),
        ];
        for (good, bad, suggestion) in cases {
            let (_folder, file) = broken(good, bad);
            let (_, out) = validate(&[&file]);
            let asked = out.split_once("did you mean ").map(|(_, rest)| rest.split_once("?\n"));
            assert_eq!(asked.map(|asked| asked.unwrap().0), suggestion, "{bad}: {out}");
        }
    }

    #[test]
    fn json_is_one_array_with_an_object_a_finding() {
        let (_folder, file) = broken("WHERE day = @day", "WHERE day = @dy");
        let mut out = Vec::new();
        assert!(!run(std::slice::from_ref(&file), Style::Json, &mut out).unwrap());
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!([{
            "file": file.display().to_string(), "line": 10, "column": 19, "length": 3,
            "message": "@dy is not declared", "suggestion": "@day",
            "hint": "declare it under parameters; declared are day",
        }]);
        assert_eq!(found, expected);
        std::fs::write(&file, VALID).unwrap();
        let mut out = Vec::new();
        assert!(run(&[file], Style::Json, &mut out).unwrap());
        assert_eq!(out, b"[]\n");
    }

    #[test]
    fn what_a_file_holds_cannot_forge_a_line() {
        let (_folder, file) = broken("[copy]", "[\"x\\nok gcp/cost/billing\\e[2J\"]");
        let (valid, out) = validate(&[&file]);
        assert!(!valid);
        assert!(
            !out.contains('\u{1b}') && !out.lines().any(|line| line.starts_with("ok ")),
            "{out}"
        );
    }

    #[test]
    fn the_shipped_templates_are_valid() {
        let configs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs"));
        let (valid, out) = validate(&[configs]);
        assert!(valid, "{out}");
        assert!(
            out.contains("ok gcp/cost/billing") && out.contains("ok focus/cost/daily"),
            "{out}"
        );
    }

    #[test]
    fn a_broken_file_is_named_with_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Broken-1.yml");
        std::fs::write(
            &file,
            "description: x\nsteps:\n  - id: a\n    type: sql\n    querry: SELECT 1\n",
        )
        .unwrap();
        let (valid, out) = validate(&[&file]);
        assert!(!valid);
        assert!(out.contains(&format!("\n --> {}:5:5\n", file.display())), "{out}");
        assert!(out.contains("querry") && out.contains("\n  = help: "), "{out}");
    }

    #[test]
    fn a_misplaced_file_a_missing_one_and_an_empty_folder_are_not_valid() {
        let folder = tempfile::tempdir().unwrap();
        let (valid, out) = validate(&[folder.path()]);
        assert!(!valid && out.contains("no template found"), "{out}");
        std::fs::write(folder.path().join(ROOT_MARK), "").unwrap();
        std::fs::create_dir(folder.path().join("gcp")).unwrap();
        std::fs::write(folder.path().join("gcp/billing.yml"), "description: x").unwrap();
        let (valid, out) = validate(&[folder.path()]);
        assert!(!valid && out.contains("'gcp/billing.yml' is not a template's path"), "{out}");
        let (valid, out) = validate(&[&folder.path().join("none.yml")]);
        assert!(!valid && out.contains("cannot be read"), "{out}");
    }
}
