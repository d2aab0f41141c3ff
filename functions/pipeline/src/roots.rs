//! Where `load` steps may read and `export` steps may write: below the roots that the operator named, and
//! nowhere else.

use std::path::{Component, Path, PathBuf};

use common::tenant::TenantId;
use serde::{Deserialize, Serialize};

/// The place in a root where the tenant's id goes.
const TENANT: &str = "{tenant_id}";
/// Marks a root that all tenants share.
const SHARED: &str = "shared:";

/// The allowed roots; none allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    folders: Vec<Folder>,
    /// Each starts with `gs://`, ends with `/`, and holds [`TENANT`] unless it was marked shared.
    prefixes: Vec<String>,
}

/// A folder of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    /// Is there; absolute, without links and dots.
    base: PathBuf,
    /// What follows below it, [`TENANT`] among it unless all tenants share the root.
    below: PathBuf,
}

/// A root that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("root '{root}' {rule}")]
pub struct InvalidRoot {
    /// What was given.
    pub root: String,
    /// What it must be.
    pub rule: &'static str,
}

/// A file that may not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{uri}' {rule}")]
pub struct Refused {
    /// What was asked for.
    pub uri: String,
    /// Why not.
    pub rule: &'static str,
}

/// Whether a folder without the tenant's id needs to be marked as shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Allowed,
    Refused,
}

impl Roots {
    /// Reads the operator's roots for `load`: folders, and `gs://bucket/…` prefixes that hold `{tenant_id}` or
    /// are marked `shared:gs://…`. A folder may hold `{tenant_id}` as well.
    pub fn parse<T: AsRef<str>>(roots: impl IntoIterator<Item = T>) -> Result<Self, InvalidRoot> {
        Self::read(roots, Plain::Allowed)
    }

    /// Reads the operator's roots for `export`: folders and prefixes that hold `{tenant_id}` or are marked
    /// `shared:…`, so that no tenant writes over another's files unless the operator said so.
    pub fn parse_exports<T: AsRef<str>>(
        roots: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidRoot> {
        Self::read(roots, Plain::Refused)
    }

    fn read<T: AsRef<str>>(
        roots: impl IntoIterator<Item = T>,
        plain: Plain,
    ) -> Result<Self, InvalidRoot> {
        let mut parsed = Self::default();
        for root in roots {
            let root = root.as_ref();
            let invalid = |rule| InvalidRoot { root: root.to_owned(), rule };
            let (uri, shared) = match root.strip_prefix(SHARED) {
                Some(uri) => (uri, true),
                None => (root, false),
            };
            if uri.starts_with("gs://") {
                parsed.prefixes.push(prefix(uri, shared).map_err(invalid)?);
                continue;
            }
            let folder = folder(uri)
                .ok_or_else(|| invalid("must be a folder that is there, or a gs:// prefix"))?;
            if plain == Plain::Refused && !shared && !has_tenant(&folder.below) {
                return Err(invalid(
                    "must have {tenant_id} as one of its folders, or be marked shared:…",
                ));
            }
            parsed.folders.push(folder);
        }
        Ok(parsed)
    }

    /// The file to read for `uri`, links and dots resolved, if it lies below a root.
    ///
    /// A file that is not there and one that is not allowed are refused in the same words, so that a tenant
    /// learns nothing of what lies elsewhere.
    pub fn allow(&self, uri: &str, tenant: &TenantId) -> Result<String, Refused> {
        self.judge(uri, tenant, "is not a file below a root that the operator allowed", |path| {
            path.canonicalize().ok().filter(|file| file.is_file())
        })
    }

    /// The file to write for `uri`, links and dots resolved as far as it is there, if it lies below a root.
    pub fn allow_new(&self, uri: &str, tenant: &TenantId) -> Result<String, Refused> {
        self.judge(
            uri,
            tenant,
            "is not a file below a root that the operator allowed for exports",
            |path| resolved(path).filter(|file| !file.is_dir()),
        )
    }

    fn judge(
        &self,
        uri: &str,
        tenant: &TenantId,
        rule: &'static str,
        resolve: impl Fn(&Path) -> Option<PathBuf>,
    ) -> Result<String, Refused> {
        let refused = |rule| Refused { uri: uri.to_owned(), rule };
        if uri.contains(['*', '?', '[', ']']) || uri.chars().any(char::is_control) {
            return Err(refused("names one file without wildcards: *, ? and brackets are refused"));
        }
        if uri.ends_with('/') {
            return Err(refused("names a folder: name a file"));
        }
        if uri.starts_with("gs://") {
            let below = |prefix: &String| {
                uri.strip_prefix(&prefix.replace(TENANT, tenant.as_str()))
                    .is_some_and(|rest| !rest.is_empty())
            };
            let allowed = is_plain(uri) && self.prefixes.iter().any(below);
            return if allowed { Ok(uri.to_owned()) } else { Err(refused(rule)) };
        }
        let path = Path::new(uri);
        if !path.is_absolute() || uri.contains("://") {
            return Err(refused("is neither an absolute path nor a gs:// URI"));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(refused("has '..' in it: write the path without"));
        }
        let below = |file: &PathBuf| {
            // Compared part by part: /data does not allow /database.
            self.folders
                .iter()
                .filter_map(|folder| folder.of(tenant))
                .any(|root| file.starts_with(&root) && *file != root)
        };
        resolve(path)
            .filter(below)
            .and_then(|file| file.to_str().map(str::to_owned))
            .ok_or_else(|| refused(rule))
    }
}

impl Folder {
    /// The root of one tenant, links resolved as far as it is there.
    fn of(&self, tenant: &TenantId) -> Option<PathBuf> {
        let below = self.below.to_str()?.replace(TENANT, tenant.as_str());
        let root = resolved(&self.base.join(below))?;
        // The operator's folder holds it, whatever a link in it says.
        root.starts_with(&self.base).then_some(root)
    }
}

/// Cuts a root at the first part that holds the tenant's id.
fn folder(root: &str) -> Option<Folder> {
    let path = Path::new(root);
    let is_tenant = |part: &Component<'_>| part.as_os_str() == TENANT;
    let base: PathBuf = path.components().take_while(|part| !is_tenant(part)).collect();
    let below: PathBuf = path.components().skip_while(|part| !is_tenant(part)).collect();
    let sound = !below.components().any(|part| part == Component::ParentDir)
        && !base.to_string_lossy().contains(['{', '}'])
        && !below.to_string_lossy().replace(TENANT, "").contains(['{', '}']);
    let base = base.canonicalize().ok().filter(|base| sound && base.is_dir())?;
    Some(Folder { base, below })
}

fn has_tenant(below: &Path) -> bool {
    below.components().any(|part| part.as_os_str() == TENANT)
}

/// A `gs://` root with its last `/`.
fn prefix(uri: &str, shared: bool) -> Result<String, &'static str> {
    let prefix = format!("{}/", uri.trim_end_matches('/'));
    if !is_plain(&prefix.replace(TENANT, "t")) {
        return Err("must be gs://bucket/folder/ without wildcards, '.' and '..'");
    }
    // In the bucket's place the id would name buckets of people we know nothing of.
    let folder = prefix["gs://".len()..].split_once('/').map_or("", |(_, folder)| folder);
    if !shared && !folder.split('/').any(|part| part == TENANT) {
        return Err("must have {tenant_id} as one of its folders, or be marked shared:gs://…");
    }
    Ok(prefix)
}

/// A path whose links are resolved as far as it is there; what is not there yet follows as it is written. `None`
/// for a link to nowhere.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        match at.canonicalize() {
            Ok(real) => return Some(missing.iter().rev().fold(real, |path, part| path.join(part))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if at.symlink_metadata().is_ok() {
                    return None;
                }
                missing.push(at.file_name()?);
                at = at.parent()?;
            }
            Err(_) => return None,
        }
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
mod tests;
