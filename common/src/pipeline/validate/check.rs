//! The rules of a check step.

use std::collections::BTreeSet;

use serde_json::{Number, Value as Json};

use super::super::check::{Check, Expect};
use super::super::diagnostic::Place;
use super::super::params::numeric;
use super::super::scan::scan;
use super::super::spec::{CheckSpec, CheckStep, ExpectSpec};
use super::super::{Statement, is_word};
use super::Draft;
use super::step::is_name;
use crate::run::Severity;
use crate::warehouse::{DataType, Param, TableRef, Value};

/// The most values of an `accepted_values`.
const MAX_VALUES: usize = 200;
/// The greatest age of a `freshness`, ten years in hours.
const MAX_AGE_HOURS: u64 = 87_600;

impl Draft<'_> {
    /// The step's checks; `None` where a finding says why there are none.
    pub(super) fn checks(&mut self, step: &CheckStep, at: Place) -> Option<Vec<Check>> {
        let mut sound = self.names(at, [&step.table]);
        if step.checks.is_empty() {
            self.at(at, "checks", "a check step needs a check", "add one, or remove the step");
            sound = false;
        }
        let shared = match &step.filter {
            Some(filter) => self.condition(filter, at).map(|filter| vec![filter]),
            None => Some(Vec::new()),
        };
        let mut ids = BTreeSet::new();
        let mut checks = Vec::new();
        for spec in &step.checks {
            let at = Place { line: spec.referenced.line(), column: spec.referenced.column() };
            let spec = &spec.value;
            if !is_word(&spec.id) || !ids.insert(&spec.id) {
                let message =
                    format!("check id '{}' is not [a-z][a-z0-9_]*, or stands twice", spec.id);
                self.at(at, &spec.id, message, "give each check of the step an id of its own");
                sound = false;
            }
            checks.push(self.check(step, spec, shared.as_deref(), at));
        }
        sound.then_some(())?;
        checks.into_iter().collect()
    }

    fn check(
        &mut self,
        step: &CheckStep,
        spec: &CheckSpec,
        shared: Option<&[Statement]>,
        at: Place,
    ) -> Option<Check> {
        let own = spec.filter.as_ref().map(|filter| self.condition(filter, at));
        let is_sql = matches!(spec.expect, ExpectSpec::Sql { .. });
        if is_sql && (spec.filter.is_some() || !spec.key.is_empty()) {
            let message = "a sql check has neither where nor key";
            self.at(
                at,
                &spec.id,
                message,
                "filter in the query, and let it select the key columns only",
            );
            return None;
        }
        if spec.blocking && spec.severity == Severity::Warn {
            let message = format!("check {} is blocking and only warns", spec.id);
            self.at(at, "severity", message, "a blocking check has severity: error");
            return None;
        }
        let sound = self.names(at, &spec.key);
        let expect = self.expect(&spec.expect, at);
        let mut filters = if is_sql { Vec::new() } else { shared?.to_vec() };
        if let Some(own) = own {
            filters.push(own?);
        }
        sound.then_some(())?;
        Some(Check {
            id: spec.id.clone(),
            severity: spec.severity,
            blocking: spec.blocking,
            table: step.table.clone(),
            filters,
            key: spec.key.clone(),
            expect: expect?,
        })
    }

    /// A condition that is spliced between brackets: it may not end what stands around it.
    fn condition(&mut self, sql: &str, at: Place) -> Option<Statement> {
        let from = self.findings.find(at, "where");
        if scan(sql).comment {
            self.findings.add(
                from,
                "a where holds a comment",
                "put the comment into YAML, after a #",
            );
            return None;
        }
        self.statement(sql, from)
    }

    fn names<'n>(&mut self, at: Place, names: impl IntoIterator<Item = &'n String>) -> bool {
        let mut sound = true;
        for name in names {
            if !is_name(name) {
                let hint = "use letters, digits and _, not starting with a digit";
                self.at(at, name, format!("'{name}' is not a column's or table's name"), hint);
                sound = false;
            }
        }
        sound
    }

    fn expect(&mut self, spec: &ExpectSpec, at: Place) -> Option<Expect> {
        match spec {
            ExpectSpec::NotNull { columns } | ExpectSpec::Unique { columns } => {
                if columns.is_empty() {
                    self.at(at, "columns", "columns is empty", "name at least one");
                    return None;
                }
                self.names(at, columns).then_some(())?;
                let columns = columns.clone();
                Some(match spec {
                    ExpectSpec::Unique { .. } => Expect::Unique { columns },
                    _ => Expect::NotNull { columns },
                })
            }
            ExpectSpec::AcceptedValues { column, values } => {
                self.names(at, [column]).then_some(())?;
                let values = self.accepted(values, at)?;
                Some(Expect::AcceptedValues { column: column.clone(), values })
            }
            ExpectSpec::Range { column, min, max } => {
                self.names(at, [column]).then_some(())?;
                if min.is_none() && max.is_none() {
                    self.at(at, "range", "a range needs min, max or both", "");
                    return None;
                }
                let min = min.as_ref().map(|bound| self.bound(bound, at));
                let max = max.as_ref().map(|bound| self.bound(bound, at));
                let (min, max) = (transpose(min)?, transpose(max)?);
                Some(Expect::Range { column: column.clone(), min, max })
            }
            ExpectSpec::RowCount { min, max } => {
                let empty = min.is_some_and(|min| max.is_some_and(|max| min > max));
                if empty || (min.is_none() && max.is_none()) {
                    self.at(at, "row_count", "row_count needs min, max or both, min <= max", "");
                    return None;
                }
                Some(Expect::RowCount { min: *min, max: *max })
            }
            ExpectSpec::Relationships { column, to_table, to_column } => {
                let to_table = self.other_table(to_table, at);
                self.names(at, [column, to_column]).then_some(())?;
                Some(Expect::Relationships {
                    column: column.clone(),
                    to_table: to_table?,
                    to_column: to_column.clone(),
                })
            }
            ExpectSpec::Freshness { column, max_age_hours } => {
                self.names(at, [column]).then_some(())?;
                if !(1..=MAX_AGE_HOURS).contains(max_age_hours) {
                    let message =
                        format!("max_age_hours is {max_age_hours}, not 1 to {MAX_AGE_HOURS}");
                    self.at(at, "max_age_hours", message, "");
                    return None;
                }
                Some(Expect::Freshness { column: column.clone(), max_age_hours: *max_age_hours })
            }
            ExpectSpec::Sql { query } => {
                let from =
                    Place { line: query.referenced.line(), column: query.referenced.column() };
                Some(Expect::Sql { query: self.query(&query.value, from)? })
            }
        }
    }

    fn accepted(&mut self, values: &[Json], at: Place) -> Option<Vec<Param>> {
        let typed: Option<Vec<Param>> = values.iter().map(accepted_value).collect();
        let sound = typed.filter(|typed| {
            (1..=MAX_VALUES).contains(&typed.len()) && typed.iter().all(|v| v.kind == typed[0].kind)
        });
        if sound.is_none() {
            let message = format!(
                "values are 1 to {MAX_VALUES} texts, whole numbers or booleans of one kind"
            );
            self.at(at, "values", message, "put texts between quotes");
        }
        sound
    }

    fn bound(&mut self, bound: &Number, at: Place) -> Option<Param> {
        if let Some(whole) = bound.as_i64() {
            return Some(Param { kind: DataType::Int64, value: Value::Int64(whole) });
        }
        let text = bound.as_f64().map(|x| x.to_string()).unwrap_or_default();
        match numeric(&text) {
            Ok(text) => Some(Param { kind: DataType::Numeric, value: Value::Numeric(text) }),
            Err(rule) => {
                self.at(at, "range", format!("a bound is {rule}, not {bound}"), "");
                None
            }
        }
    }

    /// The parts of a table of the tenant's dataset, or of a declared source.
    fn other_table(&mut self, name: &str, at: Place) -> Option<Vec<String>> {
        if is_name(name) {
            return Some(vec![name.to_owned()]);
        }
        let declared = name.parse::<TableRef>().is_ok_and(|table| self.sources.contains(&table));
        if declared {
            return Some(name.split('.').map(str::to_owned).collect());
        }
        let message = format!("to_table {name} is neither a table's name nor a declared source");
        self.at(at, name, message, "declare it under sources by its full name");
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        self.findings.suggest(name, sources.iter().map(String::as_str));
        None
    }
}

fn accepted_value(value: &Json) -> Option<Param> {
    let (kind, value) = match value {
        Json::String(text) => (DataType::String, Value::String(text.clone())),
        Json::Bool(flag) => (DataType::Bool, Value::Bool(*flag)),
        Json::Number(number) => (DataType::Int64, Value::Int64(number.as_i64()?)),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    Some(Param { kind, value })
}

/// `None` only for a bound that was refused.
#[expect(clippy::option_option, reason = "absent and refused are two things here")]
fn transpose(bound: Option<Option<Param>>) -> Option<Option<Param>> {
    match bound {
        None => Some(None),
        Some(bound) => bound.map(Some),
    }
}
