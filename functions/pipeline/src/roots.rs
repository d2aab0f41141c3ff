//! Where `load` steps may read: below the roots that the operator named, and nowhere else.

use std::path::{Component, Path, PathBuf};

use common::tenant::TenantId;
use serde::{Deserialize, Serialize};

/// The place in a root where the tenant's id goes.
const TENANT: &str = "{tenant_id}";
/// Marks a cloud root that all tenants read.
const SHARED: &str = "shared:";

/// The allowed roots; none allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// Absolute, without links and dots.
    folders: Vec<PathBuf>,
    /// Each starts with `gs://`, ends with `/`, and holds [`TENANT`] unless it was marked shared.
    prefixes: Vec<String>,
}

/// A root that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source root '{root}' {rule}")]
pub struct InvalidRoot {
    /// What was given.
    pub root: String,
    /// What it must be.
    pub rule: &'static str,
}

/// A file that may not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{uri}' {rule}")]
pub struct Refused {
    /// What was asked for.
    pub uri: String,
    /// Why not.
    pub rule: &'static str,
}

impl Roots {
    /// Reads the operator's setting: folders, and `gs://bucket/…` prefixes that hold `{tenant_id}` or
    /// are marked `shared:gs://…`.
    pub fn parse<T: AsRef<str>>(roots: impl IntoIterator<Item = T>) -> Result<Self, InvalidRoot> {
        let mut parsed = Self::default();
        for root in roots {
            let root = root.as_ref();
            let invalid = |rule| InvalidRoot { root: root.to_owned(), rule };
            let (uri, shared) = match root.strip_prefix(SHARED) {
                Some(uri) => (uri, true),
                None => (root, false),
            };
            if uri.starts_with("gs://") {
                let prefix = format!("{}/", uri.trim_end_matches('/'));
                if !is_plain(&prefix.replace(TENANT, "t")) {
                    return Err(invalid(
                        "must be gs://bucket/folder/ without wildcards, '.' and '..'",
                    ));
                }
                // In the bucket's place the id would name buckets of people we know nothing of.
                let folder =
                    prefix["gs://".len()..].split_once('/').map_or("", |(_, folder)| folder);
                if !shared && !folder.split('/').any(|part| part == TENANT) {
                    return Err(invalid(
                        "must have {tenant_id} as one of its folders, or be marked shared:gs://…",
                    ));
                }
                parsed.prefixes.push(prefix);
            } else {
                let folder = Path::new(root).canonicalize().ok().filter(|folder| folder.is_dir());
                let Some(folder) = folder else {
                    return Err(invalid("must be a folder that is there, or a gs:// prefix"));
                };
                parsed.folders.push(folder);
            }
        }
        Ok(parsed)
    }

    /// The file to read for `uri`, links and dots resolved, if it lies below a root.
    ///
    /// A file that is not there and one that is not allowed are refused in the same words, so that a tenant
    /// learns nothing of what lies elsewhere.
    pub fn allow(&self, uri: &str, tenant: &TenantId) -> Result<String, Refused> {
        let refused = |rule| Refused { uri: uri.to_owned(), rule };
        if uri.contains(['*', '?', '[', ']']) || uri.chars().any(char::is_control) {
            return Err(refused("names one file without wildcards: *, ? and brackets are refused"));
        }
        if uri.starts_with("gs://") {
            let below = |prefix: &String| {
                uri.strip_prefix(&prefix.replace(TENANT, tenant.as_str()))
                    .is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'))
            };
            return if is_plain(uri) && self.prefixes.iter().any(below) {
                Ok(uri.to_owned())
            } else {
                Err(refused("is not an object below a source root that the operator allowed"))
            };
        }
        let path = Path::new(uri);
        if !path.is_absolute() || uri.contains("://") {
            return Err(refused("is neither an absolute path nor a gs:// URI"));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(refused("has '..' in it: write the path without"));
        }
        let file = path.canonicalize().ok().filter(|file| file.is_file());
        let below = |file: &PathBuf| {
            // Compared part by part: /data does not allow /database.
            self.folders.iter().any(|root| file.starts_with(root))
        };
        file.filter(below)
            .and_then(|file| file.to_str().map(str::to_owned))
            .ok_or_else(|| refused("is not a file below a source root that the operator allowed"))
    }
}

/// Whether a `gs://` URI has a bucket and no empty, `.` or `..` part, and no wildcard.
fn is_plain(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("gs://") else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    !rest.contains(['*', '?', '[', ']', '{', '}', '\\'])
        && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    #[test]
    fn only_files_below_a_root_are_read_links_and_dots_resolved() {
        let area = tempfile::tempdir().unwrap();
        let area = area.path().canonicalize().unwrap();
        let (root, beside) = (area.join("data"), area.join("database"));
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::create_dir(&beside).unwrap();
        for file in [root.join("in/a.csv"), beside.join("b.csv")] {
            std::fs::write(file, "x").unwrap();
        }
        std::os::unix::fs::symlink(beside.join("b.csv"), root.join("out.csv")).unwrap();
        std::os::unix::fs::symlink(&beside, root.join("out")).unwrap();
        std::os::unix::fs::symlink(root.join("in/a.csv"), root.join("same.csv")).unwrap();
        let roots = Roots::parse([root.to_str().unwrap()]).unwrap();
        let at = |path: &str| area.join(path).to_str().unwrap().to_owned();
        let real = Ok(at("data/in/a.csv"));
        assert_eq!(roots.allow(&at("data/in/a.csv"), &tenant()), real);
        assert_eq!(roots.allow(&at("data/./in//a.csv"), &tenant()), real);
        assert_eq!(roots.allow(&at("data/same.csv"), &tenant()), real);
        for refused in [
            "data/out.csv",
            "data/out/b.csv",
            "data/in/../../database/b.csv",
            "data/in/../in/a.csv",
            "database/b.csv",
            "data",
            "data/in",
            "data/in/*.csv",
            "data/in/none.csv",
        ] {
            assert!(roots.allow(&at(refused), &tenant()).is_err(), "{refused}");
        }
        for refused in ["a.csv", "in/a.csv", "", "file:///etc/passwd", "http://x/y", "/etc/passwd"]
        {
            assert!(roots.allow(refused, &tenant()).is_err(), "{refused}");
        }
        assert!(Roots::default().allow(&at("data/in/a.csv"), &tenant()).is_err());
        // What is not there and what is not allowed sound alike.
        let rule = |path: &str| roots.allow(&at(path), &tenant()).unwrap_err().rule;
        assert_eq!(rule("database/b.csv"), rule("database/none.csv"));
    }

    #[test]
    fn cloud_roots_are_the_tenants_own_unless_they_are_shared() {
        let roots =
            Roots::parse(["gs://in/tenants/{tenant_id}", "shared:gs://rates/2025/"]).unwrap();
        for allowed in
            ["gs://in/tenants/acme/a.csv", "gs://in/tenants/acme/x/b.csv", "gs://rates/2025/c.csv"]
        {
            assert_eq!(roots.allow(allowed, &tenant()).as_deref(), Ok(allowed));
        }
        for refused in [
            "gs://in/tenants/acme2/a.csv",
            "gs://in/tenants/other/a.csv",
            "gs://in/tenants/{tenant_id}/a.csv",
            "gs://in/tenants/acme/",
            "gs://in/tenants/acme",
            "gs://in/tenants/acme/../other/a.csv",
            "gs://in/tenants/acme//a.csv",
            "gs://in/tenants/acme/*.csv",
            "gs://rates/2024/c.csv",
            "gs://rates2025/c.csv",
            "GS://in/tenants/acme/a.csv",
        ] {
            assert!(roots.allow(refused, &tenant()).is_err(), "{refused}");
        }
        for invalid in [
            "gs://in/",
            "gs://{tenant_id}/x",
            "gs://",
            "gs://in/a*/{tenant_id}",
            "gs://in/x{tenant_id}y/",
            "/nowhere/at/all",
            "",
        ] {
            assert!(Roots::parse([invalid]).is_err(), "{invalid}");
        }
    }
}
