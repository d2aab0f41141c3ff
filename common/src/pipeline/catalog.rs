//! All templates of a deployment, by id.

use std::collections::BTreeMap;

use super::{Diagnostic, Template, TemplateId, parse};

/// The templates of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Catalog(BTreeMap<TemplateId, Template>);

impl Catalog {
    /// Parses files by their paths relative to `configs/`, with `/` between the parts.
    ///
    /// Every file must be `<provider>/<domain>/<name>.yml`; all findings of all files are answered at once.
    pub fn from_files<P: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut templates = BTreeMap::new();
        let mut found = Vec::new();
        for (path, text) in files {
            match parse::file(path.as_ref(), text.as_ref()) {
                Ok(template) => {
                    templates.insert(template.id.clone(), template);
                }
                Err(diagnostics) => found.extend(diagnostics),
            }
        }
        if found.is_empty() { Ok(Self(templates)) } else { Err(found) }
    }

    /// The template of these parts; `None` for parts that name none, whatever they hold.
    pub fn get(&self, provider: &str, domain: &str, name: &str) -> Option<&Template> {
        self.0.get(&TemplateId::new(provider, domain, name).ok()?)
    }

    /// The template of this id.
    pub fn by_id(&self, id: &TemplateId) -> Option<&Template> {
        self.0.get(id)
    }

    /// All templates in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.0.values()
    }
}
