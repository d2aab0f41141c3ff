//! The shape of a template file. These types are its JSON Schema; [`super::parse`] makes sense of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::run::Severity;

mod step;
mod steps;

pub use step::StepSpec;
pub use steps::{CheckStep, CommonSpec, ExportStep, LoadStep, NotifyStep, SqlStep};

/// A pipeline template. Its id is its path below `configs`: `<provider>/<domain>/<name>.yml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// What the pipeline does, in a sentence.
    pub description: String,
    /// What a run may be given. Names are `[a-z][a-z0-9_]*`; `tenant_id` is never one.
    #[serde(default)]
    pub parameters: BTreeMap<String, ParameterSpec>,
    /// Tables outside the tenant's dataset that the steps may read, as `dataset.table` or
    /// `project.dataset.table`, without wildcards.
    #[serde(default)]
    pub sources: Vec<String>,
    /// How many steps run at once, 1 to 16; a tenant's plan may allow fewer.
    #[serde(default = "four")]
    pub max_parallel: u8,
    /// After this many seconds a run is stopped as `TIMED_OUT`, 60 to 86400; the deployment may allow less, and
    /// does where this is left out.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// The steps, in any order; `depends_on` decides what waits for what.
    #[schemars(with = "Vec<StepSpec>")]
    pub steps: Vec<Spanned<StepSpec>>,
}

fn four() -> u8 {
    4
}

/// A parameter. It is either `required` or has a `default`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterSpec {
    /// `STRING`, `INT64`, `FLOAT64`, `BOOL`, `DATE`, `TIMESTAMP`, `NUMERIC`, or `ARRAY<...>` of one of these.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value where a run gives none: a literal, `"@other"` for the value of another parameter of the same
    /// type, or, for a DATE, `today` or `yesterday` as of the run's admission.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// The IANA time zone whose `today` and `yesterday` are meant, such as `Europe/Vienna`; UTC unless given.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The only values allowed; of an array, the only elements.
    #[serde(default, rename = "enum")]
    pub allowed: Option<Vec<serde_json::Value>>,
    /// The least and the greatest value allowed; of an array, of each element.
    #[serde(default)]
    pub range: Option<BoundsSpec>,
    /// Whether a run must give it.
    #[serde(default)]
    pub required: bool,
    /// What it means.
    #[serde(default)]
    pub description: String,
}

/// The bounds of a parameter, both included; at least one is given. They are written as its values are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundsSpec {
    /// The least value.
    #[serde(default)]
    pub min: Option<serde_json::Value>,
    /// The greatest value.
    #[serde(default)]
    pub max: Option<serde_json::Value>,
}

/// When a step runs, by how the steps it depends on have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnSpec {
    /// All of them ended well. Once a step has failed, no such step starts any more, unless it waits for one
    /// that runs on failure or always.
    #[default]
    Success,
    /// At least one of them failed, or was not started because of a failure.
    Failure,
    /// All of them have ended, however.
    Always,
}

/// When a failed attempt is repeated. Only failures that may pass are: a wrong statement fails at once.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetriesSpec {
    /// Attempts in all, the first included, 1 to 10.
    pub max_attempts: u32,
    /// The most seconds before the second attempt; doubles with each further one, and a random part of it
    /// is waited.
    pub backoff_seconds: u64,
    /// The most seconds before any attempt, at most 600.
    pub max_backoff_seconds: u64,
}

impl Default for RetriesSpec {
    fn default() -> Self {
        Self { max_attempts: 3, backoff_seconds: 2, max_backoff_seconds: 60 }
    }
}

/// A table of the tenant's dataset that a step writes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The table's name, without a dataset; never one that starts with `x_meta_`.
    pub table: String,
    /// The DATE column it is partitioned by.
    #[serde(default)]
    pub partition_by: Option<String>,
    /// At most four columns it is clustered by.
    #[serde(default)]
    pub cluster_by: Vec<String>,
}

/// What a write changes: `replace`, or a mapping of one of the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModeSpec {
    /// The table holds the new rows and no others.
    Replace,
    /// The rows are added. Needs one of the two.
    Append {
        /// Columns that make a row the same one: a row whose key the table holds is left out. No key is NULL.
        #[serde(default)]
        dedup_key: Vec<String>,
        /// Says that a second run may add the same rows again.
        #[serde(default)]
        allow_duplicates: bool,
    },
    /// Exactly the days of a range are replaced, also by nothing. Needs `target.partition_by`.
    OverwritePartition {
        /// `"@name"` of the DATE parameter of the first day.
        from: String,
        /// `"@name"` of the DATE parameter of the last day.
        to: String,
    },
    /// A row whose keys the table holds takes that row's place, any other is added.
    Merge {
        /// Columns that make a row the same one. No key is NULL, and the table holds none twice.
        keys: Vec<String>,
    },
}

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FormatSpec {
    /// Comma-separated values, RFC 4180.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// How a CSV file is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvSpec {
    /// Whether the first line names the columns; they are then matched by name and others ignored.
    pub header: bool,
    /// One ASCII character.
    pub delimiter: char,
    /// An unquoted field that means NULL, beside the empty one.
    pub null_marker: Option<String>,
}

impl Default for CsvSpec {
    fn default() -> Self {
        Self { header: true, delimiter: ',', null_marker: None }
    }
}

/// One check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// The check's id, `[a-z][a-z0-9_]*`, unique in its step.
    pub id: String,
    /// What a failure is called: `warn` or `error`.
    pub severity: Severity,
    /// Whether a failure ends the run and keeps further steps from starting; only with severity `error`.
    pub blocking: bool,
    /// A condition on the rows looked at, beside the step's.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
    /// Columns whose values name a failing row in the result. Five rows are kept, of these columns only.
    #[serde(default)]
    pub key: Vec<String>,
    /// What must hold.
    pub expect: ExpectSpec,
}

/// What a check expects: exactly one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ExpectSpec {
    /// No row has NULL in any of the columns.
    NotNull {
        /// The columns.
        columns: Vec<String>,
    },
    /// No two rows agree in all of the columns; NULL agrees with NULL.
    Unique {
        /// The columns.
        columns: Vec<String>,
    },
    /// Every value that is not NULL is one of these.
    AcceptedValues {
        /// The column.
        column: String,
        /// Texts, whole numbers or booleans, all of one kind.
        values: Vec<serde_json::Value>,
    },
    /// Every value that is not NULL lies between the bounds, both included.
    Range {
        /// A numeric column.
        column: String,
        /// The least value.
        #[serde(default)]
        min: Option<serde_json::Number>,
        /// The greatest value.
        #[serde(default)]
        max: Option<serde_json::Number>,
    },
    /// The number of rows lies between the bounds, both included.
    RowCount {
        /// The fewest rows.
        #[serde(default)]
        min: Option<u64>,
        /// The most rows.
        #[serde(default)]
        max: Option<u64>,
    },
    /// Every value that is not NULL is a value of another table's column.
    Relationships {
        /// The column.
        column: String,
        /// The other table, in the tenant's dataset, or a declared source by its full name.
        to_table: String,
        /// The other table's column.
        to_column: String,
    },
    /// The newest value is not older than this.
    Freshness {
        /// A TIMESTAMP or DATE column; a day counts from its start, UTC.
        column: String,
        /// The greatest age in hours.
        max_age_hours: u64,
    },
    /// A query of one's own that answers the rows that are wrong: none must be left. What it selects is what
    /// a result keeps of the first five.
    Sql {
        /// One SELECT in GoogleSQL.
        #[schemars(with = "String")]
        query: Spanned<String>,
    },
}

/// The JSON Schema of a template file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(TemplateSpec).to_value()
}
