//! Checks: what must hold of a table, the GoogleSQL that looks, and the verdict on what it saw.

use chrono::{DateTime, NaiveTime, Utc};

use super::Statement;
use crate::run::Severity;
use crate::warehouse::{Param, Query, Rows, Value};

mod sql;

/// The most failing rows whose keys a result keeps.
pub const MAX_SAMPLE: usize = 5;

/// One check of a template.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its id, unique in its step.
    pub id: String,
    /// What a failure is called.
    pub severity: Severity,
    /// Whether a failure ends the run.
    pub blocking: bool,
    /// The table of the tenant's dataset that is looked at.
    pub table: String,
    /// GoogleSQL conditions on the rows looked at, all of which hold; checked for balance, not for sense.
    pub filters: Vec<Statement>,
    /// The columns that name a failing row in the result.
    pub key: Vec<String>,
    /// What must hold.
    pub expect: Expect,
}

/// What a check expects. Columns are validated names.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the template, documented in its schema")]
pub enum Expect {
    /// No NULL in any column.
    NotNull { columns: Vec<String> },
    /// No two rows agree in all columns.
    Unique { columns: Vec<String> },
    /// Only these values, or NULL.
    AcceptedValues { column: String, values: Vec<Param> },
    /// Within bounds, or NULL.
    Range { column: String, min: Option<Param>, max: Option<Param> },
    /// As many rows.
    RowCount { min: Option<u64>, max: Option<u64> },
    /// Values that another table's column has, or NULL. The table is one or more name parts.
    Relationships { column: String, to_table: Vec<String>, to_column: String },
    /// The newest value's age.
    Freshness { column: String, max_age_hours: u64 },
    /// No row is left by this query.
    Sql { query: Statement },
}

impl Expect {
    /// The check type's name, as templates and results have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::Unique { .. } => "unique",
            Self::AcceptedValues { .. } => "accepted_values",
            Self::Range { .. } => "range",
            Self::RowCount { .. } => "row_count",
            Self::Relationships { .. } => "relationships",
            Self::Freshness { .. } => "freshness",
            Self::Sql { .. } => "sql",
        }
    }
}

/// A check as statements.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// Answers one row of one column: the observed value.
    pub observe: Query,
    /// Answers at most [`MAX_SAMPLE`] failing rows, key columns only; for a check that failed.
    pub sample: Option<Query>,
    /// What the observed value is held against, in words.
    pub threshold: String,
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The observed value: a number of rows, or the newest instant; `NULL` where there is none.
    pub observed: String,
    /// Whether what was expected held.
    pub passed: bool,
}

/// A check's statement answered something that is not a check's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("check {check} answered {answer}, where {expected} was expected")]
pub struct StrangeAnswer {
    /// The check's id.
    pub check: String,
    /// What it answered.
    pub answer: String,
    /// What it should have.
    pub expected: &'static str,
}

impl Check {
    /// Judges what [`Compiled::observe`] answered at `now`.
    pub fn judge(&self, rows: &Rows, now: DateTime<Utc>) -> Result<Verdict, StrangeAnswer> {
        let strange = |expected| StrangeAnswer {
            check: self.id.clone(),
            answer: format!("{:?}", rows.rows),
            expected,
        };
        let [row] = &rows.rows[..] else {
            return Err(strange("one row"));
        };
        let [observed] = &row[..] else {
            return Err(strange("one column"));
        };
        let passed = match (&self.expect, observed) {
            (Expect::Freshness { .. }, Value::Null) => false,
            (Expect::Freshness { max_age_hours, .. }, newest) => {
                let newest = instant(newest).ok_or_else(|| strange("a TIMESTAMP or DATE"))?;
                // A template's hours are at most a few years: validated, so this does not overflow.
                (now - newest).num_seconds()
                    <= i64::try_from(*max_age_hours * 3600).unwrap_or(i64::MAX)
            }
            (Expect::RowCount { min, max }, Value::Int64(count)) => {
                let count = u64::try_from(*count).map_err(|_| strange("a number of rows"))?;
                min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max)
            }
            (
                Expect::NotNull { .. }
                | Expect::Unique { .. }
                | Expect::AcceptedValues { .. }
                | Expect::Range { .. }
                | Expect::Relationships { .. }
                | Expect::Sql { .. },
                Value::Int64(violations),
            ) => *violations == 0,
            _ => return Err(strange("a number of rows")),
        };
        Ok(Verdict { observed: observed.to_string(), passed })
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Timestamp(instant) => Some(*instant),
        Value::Date(day) => Some(day.and_time(NaiveTime::MIN).and_utc()),
        Value::Datetime(local) => Some(local.and_utc()),
        Value::Null
        | Value::Bool(_)
        | Value::Int64(_)
        | Value::Float64(_)
        | Value::Numeric(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Time(_)
        | Value::Json(_)
        | Value::Struct(_)
        | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pipeline::{Action, parse};
    use crate::warehouse::{DataType, DatasetName};

    fn check(expect: &str) -> Check {
        let text = format!(
            "description: x\nparameters:\n  day: {{type: DATE, default: \"2025-11-17\"}}\nsources: [ref.codes]\n\
             steps:\n  - id: c\n    type: check\n    table: t\n    where: d = @day OR d IS NULL\n    checks:\n      \
             - {{id: k, severity: error, blocking: true, expect: {expect}}}\n"
        );
        let mut template =
            parse::file("a/b/c.yml", &text).unwrap_or_else(|found| panic!("{found:?}"));
        match template.steps.remove(0).action {
            Action::Check(mut action) => action.checks.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_check_counts_what_is_wrong_under_quoted_names_and_bound_values() {
        let filter = "(d = @day OR d IS NULL)";
        let cases = [
            (
                "{not_null: {columns: [a, b]}}",
                format!(
                    "SELECT COUNT(*) AS observed FROM `t` WHERE {filter} AND (`a` IS NULL OR `b` IS NULL)"
                ),
            ),
            (
                "{unique: {columns: [a, b]}}",
                format!(
                    "SELECT COUNT(*) AS observed FROM (SELECT `a`, `b` FROM `t` WHERE {filter} GROUP BY `a`, `b` HAVING COUNT(*) > 1) AS twice"
                ),
            ),
            (
                "{accepted_values: {column: a, values: [x, y]}}",
                format!(
                    "SELECT COUNT(*) AS observed FROM `t` WHERE {filter} AND (`a` NOT IN (@headgate_value_0, @headgate_value_1))"
                ),
            ),
            (
                "{range: {column: a, min: -1, max: 2.5}}",
                format!(
                    "SELECT COUNT(*) AS observed FROM `t` WHERE {filter} AND (NOT (`a` <= @headgate_max AND `a` >= @headgate_min))"
                ),
            ),
            (
                "{row_count: {min: 1}}",
                format!("SELECT COUNT(*) AS observed FROM `t` WHERE {filter}"),
            ),
            (
                "{relationships: {column: a, to_table: ref.codes, to_column: code}}",
                format!(
                    "SELECT COUNT(*) AS observed FROM (SELECT `a` FROM `t` WHERE {filter} AND (`a` IS NOT NULL)) AS child LEFT JOIN (SELECT DISTINCT `code` AS headgate_key FROM `ref`.`codes`) AS parent ON child.`a` = parent.headgate_key WHERE parent.headgate_key IS NULL"
                ),
            ),
            (
                "{freshness: {column: a, max_age_hours: 24}}",
                format!("SELECT MAX(`a`) AS observed FROM `t` WHERE {filter}"),
            ),
        ];
        let day = Param { kind: DataType::Date, value: Value::Date("2025-11-17".parse().unwrap()) };
        let unused = Param { kind: DataType::Bool, value: Value::Bool(true) };
        let params = BTreeMap::from([("day".to_owned(), day), ("unused".to_owned(), unused)]);
        for (expect, sql) in cases {
            let compiled = check(expect).compile(&DatasetName::parse("acme").unwrap(), &params);
            assert_eq!(compiled.observe.sql, sql);
            assert!(compiled.observe.params.contains_key("day"));
            assert!(!compiled.observe.params.contains_key("unused"));
        }
    }

    #[test]
    fn a_verdict_is_about_the_one_value_that_was_asked_for() {
        let now: DateTime<Utc> = "2025-11-17T12:00:00Z".parse().unwrap();
        let at = |text: &str| Value::Timestamp(text.parse().unwrap());
        let cases = [
            ("{not_null: {columns: [a]}}", Value::Int64(0), Some(true)),
            ("{not_null: {columns: [a]}}", Value::Int64(3), Some(false)),
            ("{not_null: {columns: [a]}}", Value::Null, None),
            ("{row_count: {min: 1, max: 2}}", Value::Int64(2), Some(true)),
            ("{row_count: {min: 1, max: 2}}", Value::Int64(3), Some(false)),
            ("{row_count: {min: 1}}", Value::Int64(0), Some(false)),
            ("{freshness: {column: a, max_age_hours: 2}}", at("2025-11-17T10:00:00Z"), Some(true)),
            ("{freshness: {column: a, max_age_hours: 2}}", at("2025-11-17T09:59:59Z"), Some(false)),
            ("{freshness: {column: a, max_age_hours: 2}}", Value::Null, Some(false)),
            (
                "{freshness: {column: a, max_age_hours: 12}}",
                Value::Date("2025-11-17".parse().unwrap()),
                Some(true),
            ),
            ("{freshness: {column: a, max_age_hours: 2}}", Value::String("now".to_owned()), None),
        ];
        for (expect, observed, passed) in cases {
            let rows = Rows { columns: Vec::new(), rows: vec![vec![observed.clone()]] };
            let verdict = check(expect).judge(&rows, now).ok().map(|verdict| verdict.passed);
            assert_eq!(verdict, passed, "{expect} {observed}");
        }
        let empty = Rows { columns: Vec::new(), rows: Vec::new() };
        assert!(check("{row_count: {min: 1}}").judge(&empty, now).is_err());
    }
}
