//! The rules of a declared parameter.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::super::nearest;
use super::super::params::{ParamDefault, ParamType, Parameter, Rules, compare, literal};
use super::super::spec::ParameterSpec;
use super::is_word;
use crate::warehouse::DataType;

/// What is wrong, and what to do about it.
type Refusal = (String, String);

/// A declared parameter, or why it is refused.
pub(super) fn parameter(
    specs: &BTreeMap<String, ParameterSpec>,
    name: &str,
    spec: &ParameterSpec,
) -> Result<Parameter, Refusal> {
    let refuse = |message: String, hint: &str| Err((message, hint.to_owned()));
    if name == "tenant_id" {
        return refuse(
            "the tenant comes from the API key and is never a parameter".to_owned(),
            "remove it: tables without a dataset are the tenant's already",
        );
    }
    if !is_word(name) || name.starts_with("headgate_") {
        return refuse(
            "a name is [a-z][a-z0-9_]*, at most 64 characters, not starting with headgate_"
                .to_owned(),
            "rename it",
        );
    }
    let kind: ParamType = match spec.kind.parse() {
        Ok(kind) => kind,
        Err(error) => {
            let upper = spec.kind.to_ascii_uppercase();
            let meant = upper.parse::<ParamType>().is_ok();
            let hint = if meant { format!("did you mean {upper}?") } else { String::new() };
            return Err((error.to_string(), hint));
        }
    };
    let default = match (&spec.default, spec.required) {
        (None, true) => ParamDefault::Required,
        (None, false) => {
            return refuse(
                "is neither required nor has a default".to_owned(),
                "set one of the two",
            );
        }
        (Some(_), true) => {
            return refuse("is required and has a default".to_owned(), "remove one of the two");
        }
        (Some(serde_json::Value::String(text)), false) if text.starts_with('@') => {
            let other = &text[1..];
            let Some(target) = specs.get(other) else {
                let names = specs.keys().map(String::as_str).filter(|known| *known != name);
                let hint = nearest(other, names).map_or_else(
                    || "declare it".to_owned(),
                    |name| format!("did you mean @{name}?"),
                );
                return refuse(format!("defaults to {text}, which is not declared"), &hint);
            };
            let refers = target.default.as_ref().and_then(|d| d.as_str());
            if refers.is_some_and(|text| text.starts_with('@')) {
                return refuse(
                    format!("defaults to {text}, which is itself a reference"),
                    "refer to a parameter that is required or has a literal default",
                );
            }
            if target.kind != spec.kind {
                let message = format!("is {} and defaults to {text}, a {}", spec.kind, target.kind);
                return refuse(message, "give both the same type");
            }
            ParamDefault::SameAs(other.to_owned())
        }
        (Some(serde_json::Value::String(text)), false)
            if kind.data_type() == &DataType::Date && relative(text).is_some() =>
        {
            let days_back = relative(text).unwrap_or_default();
            ParamDefault::DayOf { days_back, zone: zone(spec)? }
        }
        (Some(value), false) => match literal(&kind, value) {
            Ok(value) => ParamDefault::Literal(value),
            Err(rule) => return refuse(format!("the default {value} is not {rule}"), "correct it"),
        },
    };
    if spec.timezone.is_some() && !matches!(default, ParamDefault::DayOf { .. }) {
        return refuse(
            "has a timezone, which only a default of today or yesterday needs".to_owned(),
            "remove it, or let the default be today or yesterday",
        );
    }
    let parameter = Parameter {
        rules: rules(&kind, spec)?,
        kind,
        default,
        description: spec.description.clone(),
    };
    if let ParamDefault::Literal(value) = &parameter.default
        && let Err(rule) = parameter.rules.check(value)
    {
        return refuse(
            format!("the default {} is not {rule}", value.to_json()),
            "correct one of the two",
        );
    }
    Ok(parameter)
}

/// How many days before today a word means.
fn relative(text: &str) -> Option<u64> {
    match text {
        "today" => Some(0),
        "yesterday" => Some(1),
        _ => None,
    }
}

fn zone(spec: &ParameterSpec) -> Result<Tz, Refusal> {
    let Some(name) = &spec.timezone else { return Ok(Tz::UTC) };
    name.parse().map_err(|_| {
        let hint = "use an IANA name such as Europe/Vienna".to_owned();
        (format!("timezone '{name}' is no IANA time zone"), hint)
    })
}

/// The values allowed, typed as the parameter is.
fn rules(kind: &ParamType, spec: &ParameterSpec) -> Result<Rules, Refusal> {
    let element = kind.element();
    let typed = |what: &str, value: &serde_json::Value| {
        literal(&element, value)
            .map_err(|rule| (format!("{what} {value} is not {rule}"), "correct it".to_owned()))
    };
    let mut rules = Rules::default();
    if let Some(allowed) = &spec.allowed {
        if allowed.is_empty() {
            return Err(("enum is empty".to_owned(), "name the values, or remove it".to_owned()));
        }
        let values: Result<Vec<_>, _> =
            allowed.iter().map(|value| typed("the enum's", value)).collect();
        rules.allowed = Some(values?);
    }
    let Some(range) = &spec.range else { return Ok(rules) };
    if !matches!(
        element.data_type(),
        DataType::Int64
            | DataType::Float64
            | DataType::Numeric
            | DataType::Date
            | DataType::Timestamp
    ) {
        let hint = "a range is for INT64, FLOAT64, NUMERIC, DATE and TIMESTAMP";
        return Err((format!("has a range and is {kind}"), hint.to_owned()));
    }
    rules.min = range.min.as_ref().map(|bound| typed("the range's min", bound)).transpose()?;
    rules.max = range.max.as_ref().map(|bound| typed("the range's max", bound)).transpose()?;
    let empty = match (&rules.min, &rules.max) {
        (None, None) => true,
        (Some(min), Some(max)) => compare(min, max).is_none_or(std::cmp::Ordering::is_gt),
        _ => false,
    };
    if empty {
        let hint = "give min, max or both, min not above max".to_owned();
        return Err(("has a range that holds no value".to_owned(), hint));
    }
    Ok(rules)
}
