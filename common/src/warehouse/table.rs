//! Table names and definitions, in the shape of BigQuery's own JSON.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::DataType;

/// A dataset's name: letters, digits and `_`, not starting with a digit, at most 1,024 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetName(String);

/// A table's full name. `project` is `None` for the deployment's own project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableRef {
    /// Another Google Cloud project, for a source that lives outside the deployment's.
    pub project: Option<String>,
    /// The dataset.
    pub dataset: DatasetName,
    /// The table, of the same form as a dataset's name.
    pub table: String,
}

/// A name that is not a dataset's or table's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is not a {what}: use letters, digits and _, not starting with a digit")]
pub struct InvalidName {
    /// What was expected.
    pub what: &'static str,
    /// What was given.
    pub name: String,
}

fn is_name(text: &str) -> bool {
    let head = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    head && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl DatasetName {
    /// Parses a dataset's name.
    pub fn parse(name: &str) -> Result<Self, InvalidName> {
        if is_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName { what: "dataset name", name: name.to_owned() })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A table of this dataset.
    pub fn table(&self, table: &str) -> Result<TableRef, InvalidName> {
        if is_name(table) {
            Ok(TableRef { project: None, dataset: self.clone(), table: table.to_owned() })
        } else {
            Err(InvalidName { what: "table name", name: table.to_owned() })
        }
    }
}

impl std::fmt::Display for DatasetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TableRef {
    type Err = InvalidName;

    /// Parses `dataset.table` or `project.dataset.table`.
    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName { what: "table name (dataset.table)", name: name.to_owned() };
        let parts: Vec<&str> = name.split('.').collect();
        let (project, dataset, table) = match parts[..] {
            [dataset, table] => (None, dataset, table),
            [project, dataset, table] => (Some(project), dataset, table),
            _ => return Err(invalid()),
        };
        let is_project = |p: &str| {
            !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if project.is_some_and(|p| !is_project(p)) {
            return Err(invalid());
        }
        let mut table =
            DatasetName::parse(dataset).and_then(|d| d.table(table)).map_err(|_| invalid())?;
        table.project = project.map(str::to_owned);
        Ok(table)
    }
}

impl std::fmt::Display for TableRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}.")?;
        }
        write!(f, "{}.{}", self.dataset, self.table)
    }
}

/// A column's type as BigQuery's schema JSON names it. `RECORD` has its fields beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "BigQuery's own type names")]
pub enum ColumnType {
    #[serde(alias = "INTEGER")]
    Int64,
    #[serde(alias = "FLOAT")]
    Float64,
    Numeric,
    #[serde(alias = "BOOLEAN")]
    Bool,
    String,
    Bytes,
    Date,
    Datetime,
    Time,
    Timestamp,
    Json,
    #[serde(alias = "STRUCT")]
    Record,
}

/// Whether a column may be NULL or is an array.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// May be NULL.
    #[default]
    Nullable,
    /// Must have a value.
    Required,
    /// An array.
    Repeated,
}

/// One column of BigQuery's schema JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Nullable unless said otherwise.
    #[serde(default)]
    pub mode: Mode,
    /// The fields of a RECORD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Column>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Column {
    /// A nullable column without a description.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self {
            name: name.into(),
            kind,
            mode: Mode::Nullable,
            fields: Vec::new(),
            description: String::new(),
        }
    }

    /// The GoogleSQL type of the column's values.
    pub fn data_type(&self) -> DataType {
        let element = match self.kind {
            ColumnType::Int64 => DataType::Int64,
            ColumnType::Float64 => DataType::Float64,
            ColumnType::Numeric => DataType::Numeric,
            ColumnType::Bool => DataType::Bool,
            ColumnType::String => DataType::String,
            ColumnType::Bytes => DataType::Bytes,
            ColumnType::Date => DataType::Date,
            ColumnType::Datetime => DataType::Datetime,
            ColumnType::Time => DataType::Time,
            ColumnType::Timestamp => DataType::Timestamp,
            ColumnType::Json => DataType::Json,
            ColumnType::Record => DataType::Struct(
                self.fields.iter().map(|f| (f.name.clone(), f.data_type())).collect(),
            ),
        };
        match self.mode {
            Mode::Repeated => DataType::Array(Box::new(element)),
            Mode::Nullable | Mode::Required => element,
        }
    }
}

/// How a table's rows are cut into partitions: by day, on one DATE or TIMESTAMP column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimePartitioning {
    /// Always `DAY`.
    #[serde(rename = "type")]
    pub kind: PartitionKind,
    /// The partitioning column.
    pub field: String,
}

/// The granularity of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PartitionKind {
    /// One partition a day.
    Day,
}

/// The columns of a table or of a clustering, as BigQuery nests them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields<T> {
    /// In order.
    pub fields: Vec<T>,
}

/// A table as BigQuery's `tables` resource has it: schema, partitioning, clustering; or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableDefinition {
    /// What the table holds.
    #[serde(default)]
    pub description: String,
    /// Its columns.
    pub schema: Fields<Column>,
    /// Its partitioning, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_partitioning: Option<TimePartitioning>,
    /// Its clustering, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clustering: Option<Fields<String>>,
    /// The query of a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

impl TableDefinition {
    /// A table of these columns without partitioning or clustering.
    pub fn of(columns: Vec<Column>) -> Self {
        Self {
            description: String::new(),
            schema: Fields { fields: columns },
            time_partitioning: None,
            clustering: None,
            view: None,
        }
    }

    /// The definition in a dataset: what a view's query names `{dataset}` is that dataset.
    #[must_use]
    pub fn in_dataset(mut self, dataset: &DatasetName) -> Self {
        if let Some(view) = &mut self.view {
            view.query = view.query.replace("{dataset}", dataset.as_str());
        }
        self
    }
}

/// A view's query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// GoogleSQL, in which `{dataset}` stands for the dataset that the view is made in.
    pub query: String,
}
