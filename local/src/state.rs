//! The state port on SQLite: the tables of `configs/tables`, laid out in the data folder's database.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::plan::{Limits, steps_at_once};
use common::port::PortError;
use common::state::tables::{self, CONTROL_DATASET};
use common::tenant::{Subscription, TenantId};
use common::warehouse::Column;
use rusqlite::types::{FromSql, FromSqlError};
use rusqlite::{OptionalExtension, Row, Transaction};

use crate::db::{Db, column_definition, create_table, failed};

mod ledger;
mod runs;
mod schedules;
mod slots;
mod tenants;

/// What makes a row the only one: SQLite has the unique keys that BigQuery lacks.
const UNIQUE: [(&str, &str); 10] = [
    ("tenant_profiles", "PRIMARY KEY (tenant_id)"),
    ("tenant_api_keys", "PRIMARY KEY (api_key_id), UNIQUE (api_key_hash)"),
    ("tenant_subscriptions", "PRIMARY KEY (tenant_id)"),
    ("tenant_pipeline_configs", "PRIMARY KEY (config_id)"),
    ("tenant_run_ledger", "PRIMARY KEY (tenant_id)"),
    ("scheduler_ticks", "PRIMARY KEY (tick)"),
    ("x_meta_pipeline_runs", "PRIMARY KEY (tenant_id, pipeline_logging_id)"),
    ("x_meta_step_logs", "UNIQUE (tenant_id, pipeline_logging_id, step_id, attempt, try_number)"),
    ("x_meta_dq_results", "UNIQUE (tenant_id, pipeline_logging_id, step_id, check_id, checked_at)"),
    ("x_meta_scheduled_runs", "PRIMARY KEY (tenant_id, config_id, slot, attempt)"),
];

const INDEXES: &str = r#"
    CREATE INDEX IF NOT EXISTS runs_by_time
        ON x_meta_pipeline_runs (tenant_id, created_at DESC, pipeline_logging_id DESC);
    CREATE INDEX IF NOT EXISTS unfinished_runs
        ON x_meta_pipeline_runs (tenant_id) WHERE status IN ('QUEUED', 'RUNNING');
    CREATE INDEX IF NOT EXISTS schedules_by_tenant
        ON "tenants.tenant_pipeline_configs" (tenant_id, created_at, config_id);
    CREATE INDEX IF NOT EXISTS open_slots
        ON x_meta_scheduled_runs (tenant_id) WHERE state IN ('PENDING', 'SUBMITTED');
    CREATE INDEX IF NOT EXISTS checks_by_run
        ON x_meta_dq_results (tenant_id, pipeline_logging_id);
"#;

/// The state of one data folder.
pub struct SqliteState {
    db: Arc<Db>,
    clock: Clock,
}

impl SqliteState {
    /// Makes the tables that are not there yet.
    pub fn open(db: Arc<Db>, clock: Clock) -> Result<Self, PortError> {
        let control = tables::control()?.into_iter().map(|t| (format!("{CONTROL_DATASET}."), t));
        let tenant = tables::tenant()?.into_iter().map(|t| (String::new(), t));
        db.write(|tx| {
            for (prefix, (name, definition)) in control.chain(tenant) {
                let unique = UNIQUE.iter().find(|(table, _)| *table == name);
                let constraint = unique.map_or("", |(_, constraint)| constraint);
                let name = format!("{prefix}{name}");
                if definition.view.is_some() {
                    // An older release may have laid out an empty table where there is a view now.
                    tx.execute_batch(&format!("DROP TABLE IF EXISTS \"{name}\""))
                        .map_err(failed)?;
                    continue;
                }
                let columns = &definition.schema.fields;
                tx.execute_batch(&create_table(&name, columns, constraint)).map_err(failed)?;
                add_missing(tx, &name, columns)?;
            }
            tx.execute_batch(INDEXES).map_err(failed)
        })?;
        Ok(Self { db, clock })
    }
}

/// Gives a table of an older release the columns that came since; those are never REQUIRED.
fn add_missing(tx: &Transaction<'_>, table: &str, columns: &[Column]) -> Result<(), PortError> {
    let mut known = tx.prepare("SELECT name FROM pragma_table_info(?1)").map_err(failed)?;
    let names = known.query_map([table], |row| row.get::<_, String>(0)).map_err(failed)?;
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(failed)?;
    for column in columns.iter().filter(|column| !names.contains(&column.name)) {
        let sql = format!("ALTER TABLE \"{table}\" ADD COLUMN {}", column_definition(column));
        tx.execute_batch(&sql).map_err(failed)?;
    }
    Ok(())
}

fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// A stored value that its own writer could not have written.
fn corrupt(column: &str, error: impl std::fmt::Display) -> PortError {
    PortError::other(format!("column {column}"), error.to_string())
}

/// Reads typed columns out of a row by name.
struct Columns<'a>(&'a Row<'a>);

impl Columns<'_> {
    fn get<T: FromSql>(&self, name: &str) -> Result<T, PortError> {
        self.0.get(name).map_err(failed)
    }

    fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<T, PortError>
    where
        T::Err: std::fmt::Display,
    {
        self.get::<String>(name)?.parse().map_err(|e| corrupt(name, e))
    }

    fn parse_opt<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, PortError>
    where
        T::Err: std::fmt::Display,
    {
        let text: Option<String> = self.get(name)?;
        text.map(|t| t.parse().map_err(|e| corrupt(name, e))).transpose()
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<T, PortError> {
        T::try_from(self.get::<i64>(name)?).map_err(|_| corrupt(name, "out of range"))
    }

    /// NULL where a row is older than the column.
    fn max_parallel(&self) -> Result<u32, PortError> {
        let steps: Option<u32> = self.get("max_parallel")?;
        Ok(steps.unwrap_or_else(steps_at_once))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, PortError> {
        serde_json::from_str(&self.get::<String>(name)?).map_err(|e| corrupt(name, e))
    }

    fn json_opt<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, PortError> {
        let text: Option<String> = self.get(name)?;
        text.map(|t| serde_json::from_str(&t).map_err(|e| corrupt(name, e))).transpose()
    }

    fn time(&self, name: &str) -> Result<DateTime<Utc>, PortError> {
        self.time_opt(name)?.ok_or_else(|| corrupt(name, FromSqlError::InvalidType))
    }

    fn time_opt(&self, name: &str) -> Result<Option<DateTime<Utc>>, PortError> {
        let at: Option<i64> = self.get(name)?;
        at.map(|us| DateTime::from_timestamp_micros(us).ok_or_else(|| corrupt(name, us)))
            .transpose()
    }

    fn tenant(&self) -> Result<TenantId, PortError> {
        TenantId::parse(&self.get::<String>("tenant_id")?).map_err(|e| corrupt("tenant_id", e))
    }
}

/// Every row of a query, read by `read`.
fn all<T>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Columns<'_>) -> Result<T, PortError>,
) -> Result<Vec<T>, PortError> {
    let mut statement = tx.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(&Columns(row))?);
    }
    Ok(found)
}

/// The first row of a query, if any.
fn first<T>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Columns<'_>) -> Result<T, PortError>,
) -> Result<Option<T>, PortError> {
    let mut statement = tx.prepare_cached(sql).map_err(failed)?;
    statement
        .query_row(params, |row| Ok(read(&Columns(row))))
        .optional()
        .map_err(failed)?
        .transpose()
}

/// How many rows a change touched.
fn change(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize, PortError> {
    tx.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(failed)
}

const SUBSCRIPTION: &str = "SELECT * FROM \"tenants.tenant_subscriptions\" WHERE tenant_id = ?1";

fn subscription(
    tx: &Transaction<'_>,
    tenant: &TenantId,
) -> Result<Option<Subscription>, PortError> {
    first(tx, SUBSCRIPTION, [tenant.as_str()], |row| {
        Ok(Subscription {
            subscription_id: row.get("subscription_id")?,
            tenant_id: row.tenant()?,
            plan_name: row.get("plan_name")?,
            status: row.parse("status")?,
            limits: Limits {
                daily_limit: row.number("daily_limit")?,
                monthly_limit: row.number("monthly_limit")?,
                concurrent_limit: row.number("concurrent_limit")?,
                max_queued: row.number("max_queued")?,
                max_bytes: row.number("max_bytes")?,
                max_parallel: row.max_parallel()?,
            },
            updated_at: row.time("updated_at")?,
        })
    })
}
