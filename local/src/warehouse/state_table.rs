//! The state's SQLite tables read as warehouse tables.

use std::sync::Arc;

use chrono::DateTime;
use common::port::PortError;
use common::warehouse::{Column, ColumnType, DataType, Mode, TableDefinition, TableRef, Value};
use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use rusqlite::Transaction;
use rusqlite::types::ValueRef;

use super::sql::functions::cast::parse_text;
use super::values::{array_of, schema_of};
use crate::db::failed;

/// A table of the state, readable in SQL under its own name.
#[derive(Debug, Clone)]
pub struct StateTable {
    /// The dataset it belongs to; `None` for one that every tenant's dataset has its rows of.
    pub dataset: Option<&'static str>,
    /// The table's name.
    pub name: String,
    /// Its columns, or the query of a view.
    pub definition: TableDefinition,
}

impl StateTable {
    /// Whether this is the table that `table` names.
    pub(super) fn is(&self, table: &TableRef) -> bool {
        let here = self.dataset.is_none_or(|dataset| dataset == table.dataset.as_str());
        here && self.name == table.table && table.project.is_none()
    }
}

/// The rows of a state table; of one that tenants share, those of the dataset's tenant.
pub(super) fn read(
    tx: &Transaction<'_>,
    state: &StateTable,
    table: &TableRef,
) -> Result<MemTable, PortError> {
    let columns = &state.definition.schema.fields;
    let names: Vec<String> = columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let stored = match state.dataset {
        Some(dataset) => format!("{dataset}.{}", state.name),
        None => state.name.clone(),
    };
    let mut sql = format!("SELECT {} FROM \"{stored}\"", names.join(", "));
    let mut tenant = Vec::new();
    if state.dataset.is_none() {
        sql.push_str(" WHERE tenant_id = ?1");
        tenant.push(table.dataset.as_str());
    }
    sql.push_str(" ORDER BY rowid");
    let mut statement = tx.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(rusqlite::params_from_iter(tenant)).map_err(failed)?;
    let mut cells: Vec<Vec<Value>> = vec![Vec::new(); columns.len()];
    while let Some(row) = rows.next().map_err(failed)? {
        for (at, column) in columns.iter().enumerate() {
            let raw = row.get_ref(at).map_err(failed)?;
            let value = value(raw, column).map_err(|e| {
                PortError::other(format!("the state table {stored}, column {}", column.name), e)
            })?;
            cells[at].push(value);
        }
    }
    let broken = |e: String| PortError::other(format!("the state table {stored}"), e);
    let mut arrays = Vec::with_capacity(columns.len());
    for (values, column) in cells.iter().zip(columns) {
        arrays.push(array_of(values, &column.data_type()).map_err(broken)?);
    }
    let schema = schema_of(columns);
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|e| broken(e.to_string()))?;
    MemTable::try_new(schema, vec![vec![batch]]).map_err(|e| broken(e.to_string()))
}

fn value(raw: ValueRef<'_>, column: &Column) -> Result<Value, String> {
    let kind = column.data_type();
    let nested = column.mode == Mode::Repeated || column.kind == ColumnType::Record;
    match (raw, &kind) {
        // An array is never NULL.
        (ValueRef::Null, DataType::Array(_)) => Ok(Value::Array(Vec::new())),
        (ValueRef::Null, _) => Ok(Value::Null),
        (ValueRef::Integer(i), DataType::Int64) => Ok(Value::Int64(i)),
        (ValueRef::Integer(i), DataType::Bool) => Ok(Value::Bool(i != 0)),
        (ValueRef::Integer(i), DataType::Timestamp) => {
            let instant = DateTime::from_timestamp_micros(i);
            instant.map(Value::Timestamp).ok_or_else(|| format!("{i} is no TIMESTAMP"))
        }
        (ValueRef::Real(x), DataType::Float64) => Ok(Value::Float64(x)),
        (ValueRef::Text(bytes), kind) => {
            let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
            if nested {
                let json = serde_json::from_str(text).map_err(|e| e.to_string())?;
                return super::load::json_value(&json, column);
            }
            parse_text(text, kind)
        }
        (ValueRef::Blob(bytes), DataType::Bytes) => Ok(Value::Bytes(bytes.to_vec())),
        (other, kind) => Err(format!("a {} is not stored as {}", kind, other.data_type())),
    }
}
