//! A statement of our own, and what it did.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_bigquery_v2::model::{JobConfiguration, JobConfigurationQuery};

use crate::gcp::bigquery::param::{ToParam, parameter};
use crate::warehouse::{DataType, Param, Rows, Value};

/// One GoogleSQL statement of our own.
#[derive(Debug, Clone)]
pub(in crate::gcp) struct Statement {
    pub(super) name: &'static str,
    labels: BTreeMap<String, String>,
    query: JobConfigurationQuery,
    pub(super) timeout: Duration,
    pub(super) patience: Duration,
}

impl Statement {
    /// A statement. `name` is its label: lower-case letters, digits, `_`.
    pub(in crate::gcp) fn new(name: &'static str, sql: impl Into<String>) -> Self {
        let query = JobConfigurationQuery::new()
            .set_query(sql)
            .set_use_legacy_sql(false)
            .set_use_query_cache(false)
            .set_parameter_mode("NAMED");
        Self {
            name,
            labels: BTreeMap::new(),
            query,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(45),
        }
    }

    /// Binds a parameter.
    pub(in crate::gcp) fn bind(self, name: &str, value: impl ToParam) -> Self {
        self.bind_param(name, &value.to_param())
    }

    /// Binds a parameter of a type that no Rust type stands for.
    pub(in crate::gcp) fn bind_param(
        mut self,
        name: &str,
        param: &crate::warehouse::Param,
    ) -> Self {
        self.query.query_parameters.push(parameter(name, param));
        self
    }

    /// Binds an array of STRING.
    pub(in crate::gcp) fn bind_list(self, name: &str, items: impl Iterator<Item = String>) -> Self {
        let kind = DataType::Array(Box::new(DataType::String));
        let value = Value::Array(items.map(Value::String).collect());
        self.bind_param(name, &Param { kind, value })
    }

    /// Adds a label beside `service`, `statement` and `call`, such as `tenant` and `run_id`.
    pub(in crate::gcp) fn label(mut self, name: &str, value: &impl ToString) -> Self {
        self.labels.insert(name.to_owned(), value.to_string());
        self
    }

    /// After this BigQuery ends the job; 30 s unless said.
    pub(in crate::gcp) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to try in all; 45 s unless said.
    pub(in crate::gcp) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The job that runs it, for `service`, marked as `call`'s.
    pub(super) fn configuration(&self, service: &str, call: &str) -> JobConfiguration {
        let own = [("service", service), ("statement", self.name), ("call", call)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        JobConfiguration::new()
            .set_labels(self.labels.clone().into_iter().chain(own))
            .set_job_timeout_ms(super::millis(self.timeout))
            .set_query(self.query.clone())
    }
}

/// What a statement did.
#[derive(Debug, Clone)]
pub(in crate::gcp) struct Ran {
    /// The rows that it answered.
    pub rows: Rows,
    /// The rows that it inserted, updated or deleted.
    pub changed: u64,
}

/// What became of a statement that may run once.
#[derive(Debug)]
pub(in crate::gcp) struct Once {
    /// What it did.
    pub ran: Ran,
    /// Whether this call made it run; otherwise an earlier or concurrent one did.
    pub mine: bool,
    /// The number of its job's id.
    pub number: u32,
}
