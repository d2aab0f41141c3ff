//! `headgate validate`: every template read as the functions read it, and everything that is wrong with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use common::pipeline::{Diagnostic, TemplateId, parse};

/// Where templates are looked for when no path is given.
const DEFAULT: &str = "configs";
/// A folder that holds this file is a root: templates lie in `<provider>/<domain>/` below it.
const ROOT_MARK: &str = "plans.yml";

/// Validates files, and the YAML files of folders; answers whether every one is valid.
///
/// Prints `ok <id>` for a valid template, and for each finding `file:line:column: message` and a hint. A file
/// outside a root of templates is judged by what it holds, whatever its name.
pub fn run(paths: &[PathBuf], out: &mut impl Write) -> io::Result<bool> {
    let default = [PathBuf::from(DEFAULT)];
    let mut files = Vec::new();
    let mut valid = true;
    for path in if paths.is_empty() { &default[..] } else { paths } {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        writeln!(out, "no template found\n  hint: give a file, or a folder with .yml files")?;
        return Ok(false);
    }
    files.sort();
    files.dedup();
    for file in files {
        match check(&file) {
            Ok(id) => writeln!(out, "ok {id}")?,
            Err(found) => {
                valid = false;
                for diagnostic in found {
                    writeln!(out, "{diagnostic}")?;
                }
            }
        }
    }
    Ok(valid)
}

/// The YAML files below a folder, but those that lie in a root itself: they are no templates.
pub(crate) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let is_root = folder.join(ROOT_MARK).is_file();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if !is_root && path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

fn check(file: &Path) -> Result<String, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let finding = |message: String, hint: &str| {
        vec![Diagnostic { file: name.clone(), line: 1, column: 1, message, hint: hint.to_owned() }]
    };
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
    parse::template(&name, id, &text).map(|template| format!("{} ({name})", template.id))
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
        let valid = run(&paths, &mut out).unwrap();
        (valid, String::from_utf8(out).unwrap())
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
        assert!(out.starts_with(&format!("{}:5:5: ", file.display())), "{out}");
        assert!(out.contains("querry") && out.contains("\n  hint: "), "{out}");
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
