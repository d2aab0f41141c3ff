//! Pipeline templates: YAML in, a validated and ordered [`Template`] out.
//!
//! A template's id is its path below `configs/`: `configs/gcp/cost/billing.yml` is `gcp/cost/billing`.
//! [`spec`] is the file's shape, [`parse`] turns a file into a [`Template`] or into diagnostics with lines,
//! [`params`] types what a caller sends, [`graph`] orders the steps and [`check`] compiles checks to SQL.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use std::collections::BTreeMap;

use crate::tenant::TenantId;
use crate::warehouse::{Column, Format, TableRef};

pub mod catalog;
pub mod check;
pub mod diagnostic;
pub mod graph;
pub mod params;
pub mod parse;
mod reads;
mod scan;
mod similar;
pub mod spec;
mod uri;
mod validate;

pub use catalog::Catalog;
pub use check::Check;
pub use diagnostic::Diagnostic;
pub use params::{ParamError, ParamType, Parameter};
pub use similar::nearest;
pub use uri::Uri;

/// A template's id: `<provider>/<domain>/<name>`, each part `[a-z][a-z0-9_]*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateId {
    provider: String,
    domain: String,
    name: String,
}

/// A text that is not a template's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a template id: it is provider/domain/name, each [a-z][a-z0-9_]*")]
pub struct InvalidTemplateId(pub String);

impl TemplateId {
    /// Parses the three parts. A part holds no `/`, `.` or `..`, so an id never leaves its folder.
    pub fn new(provider: &str, domain: &str, name: &str) -> Result<Self, InvalidTemplateId> {
        if [provider, domain, name].iter().all(|part| is_word(part)) {
            Ok(Self {
                provider: provider.to_owned(),
                domain: domain.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(InvalidTemplateId(format!("{provider}/{domain}/{name}")))
        }
    }

    /// The cloud or vendor, such as `gcp`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What it is about, such as `cost`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The template's own name, such as `billing`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl TemplateId {
    /// The id that a tenant sees: `{tenant_id}-{provider}-{domain}-{name}`.
    pub fn pipeline_id(&self, tenant: &TenantId) -> String {
        format!("{tenant}-{}-{}-{}", self.provider, self.domain, self.name)
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.domain, self.name)
    }
}

impl FromStr for TemplateId {
    type Err = InvalidTemplateId;

    fn from_str(text: &str) -> Result<Self, InvalidTemplateId> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [provider, domain, name] => Self::new(provider, domain, name),
            _ => Err(InvalidTemplateId(text.to_owned())),
        }
    }
}

/// Whether a text is `[a-z][a-z0-9_]*` of at most 64 bytes: template parts, step ids, parameters, check ids.
fn is_word(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A validated template.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// What it does, in a sentence.
    pub description: String,
    /// What a run may be given, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Tables beyond the tenant's dataset that its statements may read.
    pub sources: Vec<TableRef>,
    /// How many steps run at once.
    pub max_parallel: usize,
    /// How long a run may take, where the template says so.
    pub timeout: Option<Duration>,
    /// The steps; every dependency stands before its dependents.
    pub steps: Vec<Step>,
}

/// One step of a template.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id, unique in the template.
    pub id: String,
    /// Indices into [`Template::steps`] of the steps that must end first.
    pub depends_on: Vec<usize>,
    /// How they must have ended.
    pub on: On,
    /// After this one attempt is cancelled.
    pub timeout: Duration,
    /// What happens when an attempt fails for a reason that may pass.
    pub retries: Retries,
    /// What it does.
    pub action: Action,
}

/// When a step runs, by how the steps it depends on have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum On {
    /// All of them well.
    #[default]
    Success,
    /// One of them not well.
    Failure,
    /// However they did.
    Always,
}

impl On {
    /// The word of templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Always => "always",
        }
    }
}

/// How often and how soon a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The most that is waited before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// The most that is waited before any attempt.
    pub max_backoff: Duration,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Writes a query's rows.
    Sql(SqlAction),
    /// Loads a file.
    Load(LoadAction),
    /// Looks at data.
    Check(CheckAction),
    /// Writes a query's rows into a file.
    Export(ExportAction),
    /// Tells somebody about the run.
    Notify(NotifyAction),
}

impl Action {
    /// The step type's name, as templates and step logs have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Load(_) => "load",
            Self::Check(_) => "check",
            Self::Export(_) => "export",
            Self::Notify(_) => "notify",
        }
    }

    /// The table that it writes.
    pub fn target(&self) -> Option<&TargetTable> {
        match self {
            Self::Sql(sql) => Some(&sql.target),
            Self::Load(load) => Some(&load.target),
            Self::Check(_) | Self::Export(_) | Self::Notify(_) => None,
        }
    }

    /// Whether it runs as one warehouse job, which is ended before the step is.
    pub fn is_job(&self) -> bool {
        match self {
            Self::Sql(_) | Self::Load(_) | Self::Export(_) => true,
            Self::Check(_) | Self::Notify(_) => false,
        }
    }
}

/// A query and where its rows go.
#[derive(Debug, Clone)]
pub struct SqlAction {
    /// One SELECT.
    pub query: Statement,
    /// The most bytes it may read.
    pub max_bytes: Option<u64>,
    /// Where its rows go.
    pub target: TargetTable,
}

/// Checks of one table.
#[derive(Debug, Clone)]
pub struct CheckAction {
    /// The most bytes each query may read.
    pub max_bytes: Option<u64>,
    /// The checks.
    pub checks: Vec<Check>,
}

/// A query and the file its rows go to.
#[derive(Debug, Clone)]
pub struct ExportAction {
    /// One SELECT.
    pub query: Statement,
    /// The most bytes it may read.
    pub max_bytes: Option<u64>,
    /// The file.
    pub uri: Uri,
    /// Its format.
    pub format: Format,
}

/// A message to a webhook.
#[derive(Debug, Clone)]
pub struct NotifyAction {
    /// Where to; held against the operator's hosts when it is sent.
    pub url: Uri,
    /// What the template's author wants to say.
    pub message: String,
}

/// A file and where its rows go.
#[derive(Debug, Clone)]
pub struct LoadAction {
    /// The file.
    pub uri: Uri,
    /// Its format.
    pub format: Format,
    /// The target's columns.
    pub columns: Vec<Column>,
    /// How many bad records are left out before the load fails.
    pub max_bad_records: u64,
    /// The most bytes the file may have.
    pub max_bytes: Option<u64>,
    /// Where its rows go.
    pub target: TargetTable,
}

/// A table of the tenant's dataset that a step writes.
#[derive(Debug, Clone)]
pub struct TargetTable {
    /// Its name, without the dataset.
    pub table: String,
    /// The DATE column it is partitioned by.
    pub partition_by: Option<String>,
    /// The columns it is clustered by.
    pub cluster_by: Vec<String>,
    /// What a write changes.
    pub mode: Mode,
}

/// What a write changes, its range still named by parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The table holds the new rows and no others.
    Replace,
    /// The rows are added, also where they are there already.
    Append,
    /// The rows whose keys the table does not hold are added.
    AppendNew {
        /// The columns that make a row the same one.
        keys: Vec<String>,
    },
    /// The days between two DATE parameters are replaced, both included.
    OverwritePartition {
        /// The parameter of the first day.
        from: String,
        /// The parameter of the last day.
        to: String,
    },
    /// Rows whose keys the table holds take their places, others are added.
    Merge {
        /// The columns that make a row the same one.
        keys: Vec<String>,
    },
}

/// GoogleSQL with the parameters it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The names after its `@`s, sorted, without the `@`.
    pub params: Vec<String>,
}
