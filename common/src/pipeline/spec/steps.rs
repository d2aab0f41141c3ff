//! The shape of each step type.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{CheckSpec, CsvSpec, FormatSpec, ModeSpec, OnSpec, RetriesSpec, TargetSpec};
use crate::warehouse::Column;

/// What every step has.
#[derive(Debug, Clone, Copy)]
pub struct CommonSpec<'a> {
    /// The step's id.
    pub id: &'a str,
    /// The ids it waits for.
    pub depends_on: &'a [String],
    /// Whether it runs after them.
    pub on: OnSpec,
    /// How long an attempt may take.
    pub timeout_seconds: u64,
    /// When a failed attempt is repeated.
    pub retries: RetriesSpec,
}

/// A step's fields, in front of them those that every step has.
macro_rules! step {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$field_about:meta])* $field:ident: $kind:ty,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The step's id, `[a-z][a-z0-9_]*`, unique in the template.
            pub id: String,
            /// Steps that must end before this one starts; `on` says how.
            #[serde(default)]
            pub depends_on: Vec<String>,
            /// Whether it runs when they have ended: on `success`, on `failure` or `always`.
            #[serde(default)]
            pub on: OnSpec,
            /// After this many seconds an attempt is cancelled, 1 to 86400.
            #[serde(default = "ten_minutes")]
            pub timeout_seconds: u64,
            /// When a failed attempt is repeated.
            #[serde(default)]
            pub retries: RetriesSpec,
            $($(#[$field_about])* pub $field: $kind,)*
        }

        impl $name {
            /// What every step has.
            pub fn common(&self) -> CommonSpec<'_> {
                CommonSpec {
                    id: &self.id,
                    depends_on: &self.depends_on,
                    on: self.on,
                    timeout_seconds: self.timeout_seconds,
                    retries: self.retries,
                }
            }
        }
    };
}

fn ten_minutes() -> u64 {
    600
}

step! {
    /// Writes the rows of one SELECT into a table of the tenant's dataset.
    SqlStep {
        /// One SELECT in GoogleSQL. A table without a dataset is the tenant's; parameters are `@name`.
        #[schemars(with = "String")]
        query: Spanned<String>,
        /// The most bytes the query may read; the plan's bytes bound all of a run's statements together.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// Where the rows go.
        target: TargetSpec,
        /// What the write changes.
        mode: ModeSpec,
    }
}

step! {
    /// Loads a file into a table of the tenant's dataset.
    LoadStep {
        /// The file: an absolute path or a `gs://` URI, or `"@name"` for a STRING parameter that holds one. It
        /// must lie below a root that the operator allowed. In the text, `{tenant_id}` stands for the tenant,
        /// `{name}` for the DATE parameter of this name.
        uri: String,
        /// The file's format.
        format: FormatSpec,
        /// How a CSV file is written.
        #[serde(default)]
        csv: Option<CsvSpec>,
        /// The target's columns, as BigQuery's schema JSON has them.
        columns: Vec<Column>,
        /// How many records may be left out as unreadable before the load fails, at most 10000. Those left
        /// out are told in the step's log.
        #[serde(default)]
        max_bad_records: u64,
        /// The most bytes the file may have.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// Where the rows go.
        target: TargetSpec,
        /// What the load changes.
        mode: ModeSpec,
    }
}

step! {
    /// Looks at data and records what it saw.
    CheckStep {
        /// The table that the checks look at, in the tenant's dataset.
        table: String,
        /// A GoogleSQL condition on the rows looked at, for every check but `sql`.
        #[serde(default, rename = "where")]
        filter: Option<String>,
        /// The most bytes each of its queries may read.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// The checks.
        #[schemars(with = "Vec<CheckSpec>")]
        checks: Vec<Spanned<CheckSpec>>,
    }
}

step! {
    /// Writes the rows of one SELECT into a file, whole or not at all; a file of this name is replaced.
    ExportStep {
        /// One SELECT in GoogleSQL; its order is the file's.
        #[schemars(with = "String")]
        query: Spanned<String>,
        /// The most bytes the query may read.
        #[serde(default)]
        max_bytes: Option<u64>,
        /// The file: an absolute path or a `gs://` URI, or `"@name"` for a STRING parameter that holds one. It
        /// must lie below a root that the operator allowed for exports. In the text, `{tenant_id}` stands for
        /// the tenant, `{name}` for the DATE parameter of this name.
        uri: String,
        /// The file's format.
        format: FormatSpec,
        /// How a CSV file is written.
        #[serde(default)]
        csv: Option<CsvSpec>,
    }
}

step! {
    /// Posts a signed message about the run to a webhook. It never changes the run's outcome.
    NotifyStep {
        /// Where to: an `https` URL, or `"@name"` for a STRING parameter that holds one. The operator allows
        /// its host.
        url: String,
        /// A text of at most 1000 characters that the message carries.
        #[serde(default)]
        message: String,
    }
}
