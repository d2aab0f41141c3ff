//! Tables as BigQuery's `tables` resource has them.

use google_cloud_bigquery_v2::model::{
    Clustering, JobConfigurationQuery, Table, TableFieldSchema, TableReference, TableSchema,
    TimePartitioning, ViewDefinition,
};

use crate::state::tables::CONTROL_DATASET;
use crate::warehouse::{Column, ColumnType, Mode, TableDefinition, Target};

/// A table, or a view whose names are those of the deployment's project.
pub(super) fn of(reference: TableReference, definition: &TableDefinition, project: &str) -> Table {
    let dataset = reference.dataset_id.clone();
    let table =
        Table::new().set_table_reference(reference).set_description(definition.description.clone());
    if let Some(view) = &definition.view {
        let query = in_project(&view.query, project, [dataset.as_str(), CONTROL_DATASET]);
        let view = ViewDefinition::new().set_query(query).set_use_legacy_sql(false);
        return table.set_view(view);
    }
    let schema = TableSchema::new().set_fields(definition.schema.fields.iter().map(field));
    let mut table = table.set_schema(schema);
    if let Some(partitioning) = &definition.time_partitioning {
        table = table.set_time_partitioning(by_day(&partitioning.field));
    }
    if let Some(clustering) = &definition.clustering {
        table = table.set_clustering(Clustering::new().set_fields(clustering.fields.clone()));
    }
    table
}

/// A view's query with the project before the datasets that it names after `FROM` and `JOIN`.
fn in_project(query: &str, project: &str, datasets: [&str; 2]) -> String {
    let mut named = query.to_owned();
    for dataset in datasets {
        for keyword in ["FROM", "JOIN"] {
            for written in [format!("`{dataset}`."), format!("{dataset}.")] {
                named = named.replace(
                    &format!("{keyword} {written}"),
                    &format!("{keyword} `{project}`.`{dataset}`."),
                );
            }
        }
    }
    named
}

pub(super) fn field(column: &Column) -> TableFieldSchema {
    let kind = match column.kind {
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
    };
    let mode = match column.mode {
        Mode::Nullable => "NULLABLE",
        Mode::Required => "REQUIRED",
        Mode::Repeated => "REPEATED",
    };
    let field = TableFieldSchema::new()
        .set_name(&column.name)
        .set_type(kind)
        .set_mode(mode)
        .set_fields(column.fields.iter().map(field));
    if column.description.is_empty() {
        field
    } else {
        field.set_description(column.description.clone())
    }
}

fn by_day(field: &str) -> TimePartitioning {
    TimePartitioning::new().set_type("DAY").set_field(field.to_owned())
}

pub(super) fn partitioning(target: &Target) -> Option<TimePartitioning> {
    target.partition_by.as_deref().map(by_day)
}

pub(super) fn clustering(target: &Target) -> Option<Clustering> {
    let fields = &target.cluster_by;
    (!fields.is_empty()).then(|| Clustering::new().set_fields(fields.clone()))
}

/// A query whose rows take the place of a table's, whole.
pub(super) fn replacing(
    query: JobConfigurationQuery,
    table: TableReference,
    target: &Target,
) -> JobConfigurationQuery {
    let mut query = query
        .set_destination_table(table)
        .set_create_disposition("CREATE_IF_NEEDED")
        .set_write_disposition("WRITE_TRUNCATE");
    if let Some(partitioning) = partitioning(target) {
        query = query.set_time_partitioning(partitioning);
    }
    if let Some(clustering) = clustering(target) {
        query = query.set_clustering(clustering);
    }
    query
}
