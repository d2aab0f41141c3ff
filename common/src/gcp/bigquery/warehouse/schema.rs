//! Tables as BigQuery's resources have them, to and from ours.

use google_cloud_bigquery_v2::model::{
    Clustering, Table, TableFieldSchema, TableReference, TableSchema, TimePartitioning,
    ViewDefinition,
};

use super::BigQuery;
use super::words;
use crate::gcp::bigquery::record;
use crate::port::PortError;
use crate::warehouse::{
    Column, ColumnType, DataType, DatasetName, Mode, TableDefinition, TableRef,
};

/// A table that is there.
#[derive(Debug, Clone)]
pub(super) struct Existing {
    pub columns: Vec<(String, DataType)>,
    pub schema: TableSchema,
    pub partitioning: Option<TimePartitioning>,
    pub clustering: Option<Clustering>,
    /// Whether its fields are no more than what the rows of a query can have.
    pub is_plain: bool,
    /// Whether there is more to it than fields, partitioning by day and clustering.
    pub has_more: bool,
}

impl Existing {
    /// The column that the table is partitioned by.
    pub(super) fn partition_column(&self) -> Option<&str> {
        self.partitioning.as_ref().and_then(|partitioning| partitioning.field.as_deref())
    }
}

impl BigQuery {
    /// The table as BigQuery has it; `None` where there is none. A view is refused: it is not written.
    pub(super) async fn existing(&self, table: &TableRef) -> Result<Option<Existing>, PortError> {
        let Some(found) = self.table(table).await? else { return Ok(None) };
        if found.r#type != "TABLE" {
            let kind = found.r#type.to_ascii_lowercase();
            return Err(PortError::InvalidQuery(format!("{table} is a {kind} and is not written")));
        }
        let schema = found.schema.clone().unwrap_or_default();
        let columns = record::columns(&schema.fields)?;
        let is_plain = schema.fields.iter().all(is_plain);
        let has_more = found.table_constraints.is_some()
            || found.range_partitioning.is_some()
            || found.default_collation.is_some();
        let (partitioning, clustering) = (found.time_partitioning, found.clustering);
        Ok(Some(Existing { columns, schema, partitioning, clustering, is_plain, has_more }))
    }

    /// A reference to a table; without a project it is one of the deployment's.
    pub(super) fn table_reference(&self, table: &TableRef) -> TableReference {
        let project = table.project.as_ref().unwrap_or(&self.client.place().project);
        TableReference::new()
            .set_project_id(project)
            .set_dataset_id(table.dataset.as_str())
            .set_table_id(&table.table)
    }

    /// A table's name as SQL has it.
    pub(super) fn quoted(&self, table: &TableRef) -> String {
        let project = table.project.as_ref().unwrap_or(&self.client.place().project);
        format!("`{project}`.`{}`.`{}`", table.dataset, table.table)
    }

    /// A table's name as ours.
    pub(super) fn table_name(&self, of: &TableReference) -> Option<TableRef> {
        let mut table = DatasetName::parse(&of.dataset_id).ok()?.table(&of.table_id).ok()?;
        if !of.project_id.is_empty() && of.project_id != self.client.place().project {
            table.project = Some(of.project_id.clone());
        }
        Some(table)
    }

    /// The resource that makes a table or a view.
    pub(super) fn resource(&self, table: &TableRef, definition: &TableDefinition) -> Table {
        let made = Table::new()
            .set_table_reference(self.table_reference(table))
            .set_or_clear_description(text(&definition.description));
        if let Some(view) = &definition.view {
            // BigQuery takes the columns from the query. A name without a project would be looked for in the
            // project of whoever asks.
            let query = words::in_project(&view.query, &self.client.place().project);
            let view = ViewDefinition::new().set_query(query).set_use_legacy_sql(false);
            return made.set_view(view);
        }
        let partitioning = definition.time_partitioning.as_ref().map(|by| by_day(&by.field));
        let clustering = definition.clustering.as_ref().map(|by| by_columns(&by.fields));
        made.set_schema(TableSchema::new().set_fields(fields(&definition.schema.fields)))
            .set_or_clear_time_partitioning(partitioning)
            .set_or_clear_clustering(clustering)
    }
}

/// One partition a day of a column.
pub(super) fn by_day(column: &str) -> TimePartitioning {
    TimePartitioning::new().set_type("DAY").set_field(column)
}

/// Clustered by columns.
pub(super) fn by_columns(columns: &[String]) -> Clustering {
    Clustering::new().set_fields(columns)
}

/// A schema's fields.
pub(super) fn fields(columns: &[Column]) -> Vec<TableFieldSchema> {
    let field = |column: &Column| {
        TableFieldSchema::new()
            .set_name(&column.name)
            .set_type(type_name(column.kind))
            .set_mode(mode_name(column.mode))
            .set_fields(fields(&column.fields))
            .set_or_clear_description(text(&column.description))
    };
    columns.iter().map(field).collect()
}

fn text(description: &str) -> Option<String> {
    Some(description).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A column's type and mode in DDL.
pub(super) fn ddl(column: &Column) -> String {
    let element = match column.kind {
        ColumnType::Record => {
            let field = |field: &Column| format!("`{}` {}", field.name, ddl(field));
            format!("STRUCT<{}>", column.fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        _ => Column { mode: Mode::Nullable, ..column.clone() }.data_type().to_string(),
    };
    match column.mode {
        Mode::Nullable => element,
        Mode::Required => format!("{element} NOT NULL"),
        Mode::Repeated => format!("ARRAY<{element}>"),
    }
}

/// The names that BigQuery answers, so that a schema of ours equals its own.
fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Int64 => "INTEGER",
        ColumnType::Float64 => "FLOAT",
        ColumnType::Numeric => "NUMERIC",
        ColumnType::Bool => "BOOLEAN",
        ColumnType::String => "STRING",
        ColumnType::Bytes => "BYTES",
        ColumnType::Date => "DATE",
        ColumnType::Datetime => "DATETIME",
        ColumnType::Time => "TIME",
        ColumnType::Timestamp => "TIMESTAMP",
        ColumnType::Json => "JSON",
        ColumnType::Record => "RECORD",
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Nullable => "NULLABLE",
        Mode::Required => "REQUIRED",
        Mode::Repeated => "REPEATED",
    }
}

/// Whether a field is no more than a name, a type and a mode that the rows of a query can have.
fn is_plain(field: &TableFieldSchema) -> bool {
    let bare = TableFieldSchema::new()
        .set_name(&field.name)
        .set_type(&field.r#type)
        .set_mode(&field.mode)
        .set_fields(field.fields.clone());
    *field == bare && field.mode != "REQUIRED" && field.fields.iter().all(is_plain)
}
