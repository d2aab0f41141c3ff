//! Typed parameters: what a template declares, what a caller sends, and how a run's row keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::{Mode, TargetTable, Template};
use crate::warehouse::{DataType, Param, Value};

mod json;
mod rules;
mod slot;

pub(super) use json::numeric;
pub use json::{from_stored, to_stored};
pub use rules::Rules;
pub(super) use rules::compare;
pub use slot::at_slot;

/// The most days that one run may replace.
pub const MAX_RANGE_DAYS: i64 = 366;

/// A parameter's type: `STRING`, `INT64`, `FLOAT64`, `BOOL`, `DATE`, `TIMESTAMP`, `NUMERIC` or an array of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamType(DataType);

impl ParamType {
    /// The type as the warehouse names it.
    pub fn data_type(&self) -> &DataType {
        &self.0
    }

    /// The type of an array's elements; a scalar's own.
    pub(super) fn element(&self) -> Self {
        match &self.0 {
            DataType::Array(element) => Self((**element).clone()),
            _ => self.clone(),
        }
    }
}

impl fmt::Display for ParamType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a parameter's type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a parameter type: use STRING, INT64, FLOAT64, BOOL, DATE, TIMESTAMP, NUMERIC or ARRAY<one of these>"
)]
pub struct InvalidParamType(pub String);

impl FromStr for ParamType {
    type Err = InvalidParamType;

    fn from_str(text: &str) -> Result<Self, InvalidParamType> {
        let element = text.strip_prefix("ARRAY<").and_then(|rest| rest.strip_suffix('>'));
        let scalar = match element.unwrap_or(text) {
            "STRING" => DataType::String,
            "INT64" => DataType::Int64,
            "FLOAT64" => DataType::Float64,
            "BOOL" => DataType::Bool,
            "DATE" => DataType::Date,
            "TIMESTAMP" => DataType::Timestamp,
            "NUMERIC" => DataType::Numeric,
            _ => return Err(InvalidParamType(text.to_owned())),
        };
        Ok(Self(if element.is_some() { DataType::Array(Box::new(scalar)) } else { scalar }))
    }
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its type.
    pub kind: ParamType,
    /// Where its value comes from when a run gives none.
    pub default: ParamDefault,
    /// Which values it may have.
    pub rules: Rules,
    /// What it means.
    pub description: String,
}

/// Where an absent parameter's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamDefault {
    /// Nowhere: it is required.
    Required,
    /// A value of its type.
    Literal(Value),
    /// Another parameter of the same type, which is not itself such a reference.
    SameAs(String),
    /// The date in a zone when the run is asked for, or some days before it.
    DayOf {
        /// How many days before.
        days_back: u64,
        /// The zone.
        zone: Tz,
    },
}

/// [`ParamError::value`] where nothing was sent; no JSON text is this.
pub const ABSENT: &str = "absent";

/// Why a run's parameters are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter {field}: {rule}, not {value}")]
pub struct ParamError {
    /// The parameter's name.
    pub field: String,
    /// What was sent, as JSON, cut after 100 characters; [`ABSENT`] where nothing was.
    pub value: String,
    /// What it must be.
    pub rule: String,
}

impl ParamError {
    fn new(field: &str, value: Option<&Json>, rule: impl Into<String>) -> Self {
        let text = value.map_or_else(|| ABSENT.to_owned(), Json::to_string);
        let value = match text.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self { field: field.to_owned(), value, rule: rule.into() }
    }
}

/// Types what a caller sent at `now` against what the template declares, with every default filled in.
///
/// Strict: no text becomes a number, no number a text. All errors are answered at once.
pub fn resolve(
    template: &Template,
    given: &Map<String, Json>,
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, Param>, Vec<ParamError>> {
    let mut errors = Vec::new();
    for (name, value) in given {
        if !template.parameters.contains_key(name) {
            errors.push(ParamError::new(name, Some(value), unknown(template, name)));
        }
    }
    let mut resolved = BTreeMap::new();
    let mut references = Vec::new();
    for (name, declared) in &template.parameters {
        let kind = declared.kind.data_type().clone();
        let value = match (given.get(name), &declared.default) {
            (Some(sent), _) => match json::typed(&kind, sent) {
                Ok(value) => value,
                Err(rule) => {
                    errors.push(ParamError::new(name, Some(sent), rule));
                    continue;
                }
            },
            (None, ParamDefault::Literal(value)) => value.clone(),
            (None, ParamDefault::DayOf { days_back, zone }) => {
                let today = now.with_timezone(zone).date_naive();
                today.checked_sub_days(Days::new(*days_back)).map_or(Value::Null, Value::Date)
            }
            (None, ParamDefault::SameAs(other)) => {
                references.push((name, kind, other));
                continue;
            }
            (None, ParamDefault::Required) => {
                errors.push(ParamError::new(name, None, format!("required, of type {kind}")));
                continue;
            }
        };
        resolved.insert(name.clone(), Param { kind, value });
    }
    for (name, kind, other) in references {
        // Where the other one was refused, its own error says so.
        if let Some(param) = resolved.get(other) {
            let value = param.value.clone();
            resolved.insert(name.clone(), Param { kind, value });
        }
    }
    for (name, param) in &resolved {
        if let Err(rule) = template.parameters[name].rules.check(&param.value) {
            errors.push(ParamError::new(name, Some(&param.value.to_json()), rule));
        }
    }
    for step in &template.steps {
        let target = step.action.target();
        let error = target.and_then(|target| wrong_range(target, &resolved));
        errors.extend(error.filter(|error| !errors.contains(error)));
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

fn unknown(template: &Template, name: &str) -> String {
    if name == "tenant_id" {
        return "the tenant comes from the API key and is never a parameter".to_owned();
    }
    let names: Vec<&str> = template.parameters.keys().map(String::as_str).collect();
    let declared = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("not a parameter of {}, which takes {declared}", template.id)
}

fn wrong_range(target: &TargetTable, resolved: &BTreeMap<String, Param>) -> Option<ParamError> {
    let Mode::OverwritePartition { from, to } = &target.mode else {
        return None;
    };
    let (Value::Date(first), Value::Date(last)) =
        (&resolved.get(from)?.value, &resolved.get(to)?.value)
    else {
        return None;
    };
    let sent = Json::from(last.to_string());
    if last < first {
        return Some(ParamError::new(to, Some(&sent), format!("not before {from} ({first})")));
    }
    let days = (*last - *first).num_days() + 1;
    (days > MAX_RANGE_DAYS).then(|| {
        let rule = format!(
            "at most {MAX_RANGE_DAYS} days from {from} ({first}) on, both included; send the range in parts"
        );
        ParamError::new(to, Some(&sent), rule)
    })
}

/// Types a default that a template declares.
pub(super) fn literal(kind: &ParamType, value: &Json) -> Result<Value, String> {
    json::typed(kind.data_type(), value)
}

#[cfg(test)]
mod tests;
