//! The warehouse port: datasets, tables and statements, without saying whose.
//!
//! To add an adapter: implement [`Warehouse`], run [`contract`] against it, and say in its docs what it
//! cannot do. A construct it does not execute exactly as GoogleSQL defines it is refused with
//! [`PortError::InvalidQuery`], naming the construct and where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;

use crate::port::PortError;

#[cfg(feature = "test-util")]
pub mod contract;
mod table;
mod value;

pub use table::{
    Column, ColumnType, DatasetName, Fields, InvalidName, Mode, PartitionKind, TableDefinition,
    TableRef, TimePartitioning, View,
};
pub use value::{DataType, Value, hex};

/// The id of one statement or load, chosen by the caller: a second one of the same id never runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One SELECT with its bound parameters.
#[derive(Debug, Clone)]
pub struct Query {
    /// GoogleSQL, one SELECT statement; parameters are `@name`.
    pub sql: String,
    /// Values by name, without the `@`.
    pub params: BTreeMap<String, Param>,
    /// Where a table named without a dataset is looked for.
    pub default_dataset: Option<DatasetName>,
}

/// A typed parameter; the type speaks where the value is NULL or an empty array.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// The parameter's type.
    pub kind: DataType,
    /// Its value, of that type or NULL.
    pub value: Value,
}

/// What a statement that runs as a job carries beside its SQL.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// The job's id.
    pub id: JobId,
    /// `service`, `tenant`, `run_id`, `statement`.
    pub labels: BTreeMap<String, String>,
    /// The most bytes the statement may read; `None` for no limit.
    pub maximum_bytes: Option<u64>,
    /// After this the job is cancelled.
    pub timeout: Duration,
}

/// The rows of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The result's columns, in order.
    pub columns: Vec<(String, DataType)>,
    /// One vector a row, in the columns' order.
    pub rows: Vec<Vec<Value>>,
}

/// How a query's rows change their target; each is atomic for readers.
///
/// The last two go by keys: columns of INT64, NUMERIC, BOOL, STRING, BYTES, DATE, DATETIME, TIME or TIMESTAMP.
/// A NULL in a key, and a key that two rows of the result share, fail the whole write.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteMode {
    /// The target holds these rows and no others.
    Replace,
    /// The rows are added, also where they are there already.
    Append,
    /// Exactly the rows of `from..=to` of the partitioning column are replaced, also by nothing. A row of
    /// the result outside the range fails the write.
    OverwritePartition {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// The rows whose keys the target does not hold are added.
    AppendNew {
        /// The columns that make a row the same one.
        keys: Vec<String>,
    },
    /// A row whose keys the target holds takes that row's place, any other is added. A target that holds one
    /// of these keys twice fails the write.
    Merge {
        /// The columns that make a row the same one.
        keys: Vec<String>,
    },
}

/// Where rows are written: a table and what it is created as when it is not there.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table.
    pub table: TableRef,
    /// The DATE column it is partitioned by, if any.
    pub partition_by: Option<String>,
    /// The columns it is clustered by.
    pub cluster_by: Vec<String>,
    /// What changes.
    pub mode: WriteMode,
}

/// What a write, load or export did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows written: added or changed in a table, put into a file.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records that a load left out, at most its `max_bad_records`, with line and reason.
    pub bad_records: Vec<String>,
}

/// A file's format.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Comma-separated values, RFC 4180.
    Csv {
        /// Whether the first line names the columns; columns are then matched by name, others ignored.
        header: bool,
        /// One byte.
        delimiter: u8,
        /// An unquoted field that means NULL, beside the empty one.
        null_marker: Option<String>,
    },
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

/// A file to load into a typed table.
#[derive(Debug, Clone)]
pub struct Load {
    /// A `gs://` URI or an absolute path, already allowed by the caller.
    pub uri: String,
    /// How to read it.
    pub format: Format,
    /// The target's columns.
    pub columns: Vec<Column>,
    /// How many bad records may be left out before the load fails.
    pub max_bad_records: u64,
}

/// A file that a query's rows are written to.
#[derive(Debug, Clone)]
pub struct Export {
    /// A `gs://` URI or an absolute path, already allowed by the caller.
    pub uri: String,
    /// How to write it. NULL is an empty field of CSV, or its null marker.
    pub format: Format,
}

/// What a statement would read.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// Every table the statement reads, views' own tables included, sorted.
    pub tables: Vec<TableRef>,
    /// An upper estimate of the bytes read.
    pub bytes: u64,
    /// The result's columns.
    pub columns: Vec<(String, DataType)>,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// No job of this id was ever accepted.
    Unknown,
    /// Accepted, not ended.
    Running,
    /// Ended well; its effect is in place.
    Done(Written),
    /// Ended without effect.
    Failed(String),
}

/// Whether something was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It was made now.
    Created,
    /// It was there.
    Existed,
}

/// A warehouse that speaks GoogleSQL.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Makes the dataset with these labels. One that exists with other labels is a `Conflict`.
    async fn ensure_dataset(
        &self,
        dataset: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError>;

    /// The dataset's labels, `None` where there is no such dataset.
    async fn dataset_labels(
        &self,
        dataset: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError>;

    /// Makes the table. One that exists is left as it is.
    async fn ensure_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError>;

    /// Runs one SELECT and answers its rows. Without options it runs under an id and a limit of the adapter's own.
    async fn query(&self, query: &Query, job: Option<&JobOptions>) -> Result<Rows, PortError>;

    /// Runs one SELECT as a job and writes its rows. A job of this id that is `Done` answers what it did.
    async fn write(
        &self,
        query: &Query,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError>;

    /// Loads a file as a job. A job of this id that is `Done` answers what it did.
    async fn load(
        &self,
        load: &Load,
        target: &Target,
        job: &JobOptions,
    ) -> Result<Written, PortError>;

    /// Runs one SELECT as a job and writes its rows into one file, in the query's order, whole or not at all:
    /// a file of this name is replaced. A job of this id that is `Done` answers what it did.
    async fn export(
        &self,
        query: &Query,
        export: &Export,
        job: &JobOptions,
    ) -> Result<Written, PortError>;

    /// Resolves a statement without running it.
    async fn dry_run(&self, query: &Query) -> Result<DryRun, PortError>;

    /// What became of a job.
    async fn job(&self, id: &JobId) -> Result<JobState, PortError>;

    /// Cancels a job and waits until it has ended: afterwards it never takes effect.
    async fn cancel(&self, id: &JobId) -> Result<JobState, PortError>;
}
