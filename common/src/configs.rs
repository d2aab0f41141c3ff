//! Plans and templates of a deployment, read from a folder that is laid out as `configs/` is.

use std::io;
use std::path::{Path, PathBuf};

use crate::pipeline::{Catalog, Diagnostic};
use crate::plan::{Plans, PlansError};

/// A folder that holds this file is a root: templates lie in `<provider>/<domain>/` below it.
pub const ROOT_MARK: &str = "plans.yml";

/// What an operator sets in files.
#[derive(Debug, Clone)]
pub struct Configs {
    /// What subscriptions are for.
    pub plans: Plans,
    /// What can be run.
    pub templates: Catalog,
    /// The files of the templates: path below the folder, and text.
    pub files: Vec<(String, String)>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The plans are wrong.
    #[error(transparent)]
    Plans(#[from] PlansError),
    /// Templates are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Templates(Vec<Diagnostic>),
}

impl Configs {
    /// Those of a folder.
    pub fn read(folder: &Path) -> Result<Self, ConfigsError> {
        let unread = |path: &Path, source| ConfigsError::Read { path: path.to_owned(), source };
        let text = |path: &Path| std::fs::read_to_string(path).map_err(|e| unread(path, e));
        let plans = text(&folder.join(ROOT_MARK))?;
        let mut paths = Vec::new();
        collect(folder, &mut paths).map_err(|e| unread(folder, e))?;
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            files.push((name, text(&path)?));
        }
        Self::of(&plans, files)
    }

    /// Those of the text of `plans.yml` and of the templates' files.
    pub fn of(plans: &str, files: Vec<(String, String)>) -> Result<Self, ConfigsError> {
        let plans = Plans::parse(plans)?;
        let named = files.iter().map(|(name, text)| (name, text));
        let templates = Catalog::from_files(named).map_err(ConfigsError::Templates)?;
        Ok(Self { plans, templates, files })
    }
}

/// The YAML files below a folder, but those that lie in a root itself: they are no templates.
pub fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_whole_or_refused_by_the_name_of_what_is_wrong() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let configs = Configs::read(&shipped).unwrap();
        assert_eq!(configs.templates.iter().count(), configs.files.len());
        assert!(configs.files.iter().any(|(name, _)| name == "gcp/cost/billing.yml"));

        let folder = tempfile::tempdir().unwrap();
        let refused = Configs::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("plans.yml"), "{refused}");
        std::fs::copy(shipped.join(ROOT_MARK), folder.path().join(ROOT_MARK)).unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/c.yml"), "steps: 1").unwrap();
        let refused = Configs::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("a/b/c.yml"), "{refused}");
    }
}
