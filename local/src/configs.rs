//! Templates and plans: those that ship with the binary, or an operator's own folder.

use std::io;
use std::path::{Path, PathBuf};

use common::configs::{Configs, ConfigsError as FilesError, collect};
use common::pipeline::{Template, TemplateId, nearest, parse};

const PLANS: &str = include_str!("../../configs/plans.yml");
const TEMPLATES: [(&str, &str); 7] = [
    ("aws/cost/cur.yml", include_str!("../../configs/aws/cost/cur.yml")),
    ("aws/cost/cur_csv.yml", include_str!("../../configs/aws/cost/cur_csv.yml")),
    ("example/etl/orders.yml", include_str!("../../configs/example/etl/orders.yml")),
    ("focus/cost/anomalies.yml", include_str!("../../configs/focus/cost/anomalies.yml")),
    ("focus/cost/daily.yml", include_str!("../../configs/focus/cost/daily.yml")),
    ("gcp/cost/billing.yml", include_str!("../../configs/gcp/cost/billing.yml")),
    ("gcp/cost/labels.yml", include_str!("../../configs/gcp/cost/labels.yml")),
];
/// The columns of the export that `gcp/cost/billing` reads, as BigQuery schema JSON.
pub const BILLING_SCHEMA: &str =
    include_str!("../../configs/samples/gcp_billing_export.schema.json");

/// Why a template or a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigsError {
    /// The folder's files are wrong.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is no template of this id.
    #[error("no template is {id}; {hint}")]
    Unknown {
        /// The id.
        id: TemplateId,
        /// The templates there are, and the one that may have been meant.
        hint: String,
    },
}

/// The configuration of a folder laid out as `configs/` is, or the shipped one.
pub fn read(folder: Option<&Path>) -> Result<Configs, FilesError> {
    if let Some(folder) = folder {
        return Configs::read(folder);
    }
    let files = TEMPLATES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Configs::of(PLANS, files.to_vec())
}

/// One template of a folder laid out as `configs/` is, or of the shipped ones; the others may be wrong.
pub fn template(id: &TemplateId, folder: Option<&Path>) -> Result<Template, ConfigsError> {
    let path = format!("{id}.yml");
    let (name, text) = match folder {
        None => {
            let shipped = TEMPLATES.iter().find(|(shipped, _)| *shipped == path);
            (path, shipped.map(|(_, text)| (*text).to_owned()))
        }
        Some(folder) => {
            let file = folder.join(path);
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(source) => return Err(FilesError::Read { path: file, source }.into()),
            };
            (file.display().to_string(), text)
        }
    };
    let Some(text) = text else { return Err(unknown(id, folder)) };
    parse::template(&name, id.clone(), &text).map_err(|found| FilesError::Templates(found).into())
}

fn unknown(id: &TemplateId, folder: Option<&Path>) -> ConfigsError {
    let mut paths: Vec<String> = TEMPLATES.iter().map(|(path, _)| (*path).to_owned()).collect();
    if let Some(folder) = folder {
        let mut files = Vec::new();
        // A folder that cannot be listed has no names to tell.
        drop(collect(folder, &mut files));
        let below = |file: &PathBuf| Some(file.strip_prefix(folder).ok()?.display().to_string());
        paths = files.iter().filter_map(below).collect();
    }
    let ids = paths.iter().filter_map(|path| path.strip_suffix(".yml"));
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let meant = nearest(&id.to_string(), ids.iter().copied());
    let hint = meant.map_or_else(String::new, |meant| format!("did you mean {meant}? "));
    let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
    ConfigsError::Unknown { id: id.clone(), hint: format!("{hint}there are {known}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_carries_every_shipped_template() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let ids = |configs: Configs| {
            configs.templates.iter().map(|t| t.id.to_string()).collect::<Vec<_>>()
        };
        let shipped = ids(read(None).unwrap());
        assert_eq!(shipped, ids(read(Some(&folder)).unwrap()));
        assert!(shipped.contains(&"gcp/cost/billing".to_owned()));
    }
}
