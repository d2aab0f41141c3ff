//! A check's GoogleSQL: plain counting over quoted names and bound values, nothing a warehouse may lack.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Check, Compiled, Expect, MAX_SAMPLE};
use crate::warehouse::{DatasetName, Param, Query};

impl Check {
    /// The statements of this check over a tenant's dataset, with the run's resolved parameters bound.
    pub fn compile(&self, dataset: &DatasetName, params: &BTreeMap<String, Param>) -> Compiled {
        let (observe, sample, threshold) = self.statements();
        let (mut named, bound) = (self.named(), self.bound());
        if let Expect::Sql { query } = &self.expect {
            named.extend(&query.params);
        }
        let params: BTreeMap<String, Param> = params
            .iter()
            .filter(|(name, _)| named.contains(name))
            .map(|(name, param)| (name.clone(), param.clone()))
            .chain(bound)
            .collect();
        let query =
            |sql| Query { sql, params: params.clone(), default_dataset: Some(dataset.clone()) };
        Compiled { observe: query(observe), sample: sample.map(query), threshold }
    }

    /// The observing statement, the sampling one, and the threshold in words.
    fn statements(&self) -> (String, Option<String>, String) {
        let table = quote(&self.table);
        match &self.expect {
            Expect::NotNull { columns } => {
                let nulls: Vec<_> =
                    columns.iter().map(|c| format!("{} IS NULL", quote(c))).collect();
                self.violations(&nulls.join(" OR "), &self.key)
            }
            Expect::Unique { columns } => {
                let groups = format!(
                    "SELECT {names} FROM {table}{} GROUP BY {names} HAVING COUNT(*) > 1",
                    self.filtered(None),
                    names = list(columns),
                );
                let sample = format!("{groups} ORDER BY {} LIMIT {MAX_SAMPLE}", list(columns));
                let observe = format!("SELECT COUNT(*) AS observed FROM ({groups}) AS twice");
                (observe, Some(sample), "no value twice".to_owned())
            }
            Expect::AcceptedValues { column, values } => {
                let names: Vec<_> =
                    (0..values.len()).map(|i| format!("@{}", value_name(i))).collect();
                let wrong = format!("{} NOT IN ({})", quote(column), names.join(", "));
                self.violations(&wrong, &self.key_or(column))
            }
            Expect::Range { column, min, max } => {
                let name = quote(column);
                let bounds: Vec<_> = [("<=", max), (">=", min)]
                    .iter()
                    .filter(|(_, bound)| bound.is_some())
                    .map(|(sign, _)| {
                        let bound = if *sign == "<=" { MAX } else { MIN };
                        format!("{name} {sign} @{bound}")
                    })
                    .collect();
                // NOT of the whole, so that NaN, which is on neither side of a bound, is found too.
                self.violations(&format!("NOT ({})", bounds.join(" AND ")), &self.key)
            }
            Expect::RowCount { min, max } => {
                let observe =
                    format!("SELECT COUNT(*) AS observed FROM {table}{}", self.filtered(None));
                let threshold = match (min, max) {
                    (Some(min), Some(max)) => format!("{min} to {max} rows"),
                    (Some(min), None) => format!("at least {min} rows"),
                    (None, Some(max)) => format!("at most {max} rows"),
                    (None, None) => "any number of rows".to_owned(),
                };
                (observe, None, threshold)
            }
            Expect::Relationships { column, to_table, to_column } => {
                self.relationships(column, to_table, to_column)
            }
            Expect::Freshness { column, max_age_hours } => {
                let observe = format!(
                    "SELECT MAX({}) AS observed FROM {table}{}",
                    quote(column),
                    self.filtered(None)
                );
                (observe, None, format!("at most {max_age_hours} hours old"))
            }
            Expect::Sql { query } => (
                format!("SELECT COUNT(*) AS observed FROM (\n{}\n) AS violations", query.sql),
                Some(format!("SELECT * FROM (\n{}\n) AS violations LIMIT {MAX_SAMPLE}", query.sql)),
                "no row".to_owned(),
            ),
        }
    }

    /// Counts the rows that are `wrong`, and samples them where there is a key to name them by.
    fn violations(&self, wrong: &str, key: &[String]) -> (String, Option<String>, String) {
        let from = format!("FROM {}{}", quote(&self.table), self.filtered(Some(wrong)));
        let sample = (!key.is_empty()).then(|| {
            let names = list(key);
            format!("SELECT DISTINCT {names} {from} ORDER BY {names} LIMIT {MAX_SAMPLE}")
        });
        (format!("SELECT COUNT(*) AS observed {from}"), sample, "no row".to_owned())
    }

    fn relationships(
        &self,
        column: &str,
        to_table: &[String],
        to_column: &str,
    ) -> (String, Option<String>, String) {
        let key = self.key_or(column);
        let mut selected: Vec<String> = key.clone();
        if !selected.iter().any(|name| name == column) {
            selected.push(column.to_owned());
        }
        let name = quote(column);
        let orphans = format!(
            "FROM (SELECT {} FROM {}{}) AS child \
             LEFT JOIN (SELECT DISTINCT {} AS headgate_key FROM {}) AS parent \
             ON child.{name} = parent.headgate_key WHERE parent.headgate_key IS NULL",
            list(&selected),
            quote(&self.table),
            self.filtered(Some(&format!("{name} IS NOT NULL"))),
            quote(to_column),
            to_table.iter().map(|part| quote(part)).collect::<Vec<_>>().join("."),
        );
        let keys: Vec<_> = key.iter().map(|k| format!("child.{}", quote(k))).collect();
        let keys = keys.join(", ");
        let sample = format!("SELECT DISTINCT {keys} {orphans} ORDER BY {keys} LIMIT {MAX_SAMPLE}");
        (format!("SELECT COUNT(*) AS observed {orphans}"), Some(sample), "no row".to_owned())
    }

    /// ` WHERE …` of the filters and one more condition; empty where there is none.
    fn filtered(&self, and: Option<&str>) -> String {
        let mut clause = String::new();
        let filters = self.filters.iter().map(|filter| filter.sql.trim());
        for condition in filters.chain(and) {
            let word = if clause.is_empty() { " WHERE" } else { " AND" };
            // Writing to a String does not fail.
            let _ = write!(clause, "{word} ({condition})");
        }
        clause
    }

    fn key_or(&self, column: &str) -> Vec<String> {
        if self.key.is_empty() { vec![column.to_owned()] } else { self.key.clone() }
    }

    /// The run's parameters that the filters name.
    fn named(&self) -> BTreeSet<&String> {
        self.filters.iter().flat_map(|filter| &filter.params).collect()
    }

    /// The check's own values, under names that no template's parameter can have.
    fn bound(&self) -> Vec<(String, Param)> {
        match &self.expect {
            Expect::AcceptedValues { values, .. } => {
                values.iter().enumerate().map(|(i, v)| (value_name(i), v.clone())).collect()
            }
            Expect::Range { min, max, .. } => [(MIN, min), (MAX, max)]
                .into_iter()
                .filter_map(|(name, bound)| Some((name.to_owned(), bound.clone()?)))
                .collect(),
            Expect::NotNull { .. }
            | Expect::Unique { .. }
            | Expect::RowCount { .. }
            | Expect::Relationships { .. }
            | Expect::Freshness { .. }
            | Expect::Sql { .. } => Vec::new(),
        }
    }
}

const MIN: &str = "headgate_min";
const MAX: &str = "headgate_max";

fn value_name(index: usize) -> String {
    format!("headgate_value_{index}")
}

/// A validated name between backticks; it holds none itself.
fn quote(name: &str) -> String {
    format!("`{name}`")
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}
