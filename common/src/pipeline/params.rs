//! Typed parameters: what a template declares, what a caller sends, and how a run's row keeps them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

use super::{Action, Mode, TargetTable, Template};
use crate::warehouse::{DataType, Param, Value};

mod json;

pub(super) use json::numeric;
pub use json::{from_stored, to_stored};

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

/// Types what a caller sent against what the template declares, with every default filled in.
///
/// Strict: no text becomes a number, no number a text. All errors are answered at once.
pub fn resolve(
    template: &Template,
    given: &Map<String, Json>,
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
    for step in &template.steps {
        let error = target(&step.action).and_then(|target| wrong_range(target, &resolved));
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

fn target(action: &Action) -> Option<&TargetTable> {
    match action {
        Action::Sql(sql) => Some(&sql.target),
        Action::Load(load) => Some(&load.target),
        Action::Check(_) => None,
    }
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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::pipeline::parse;

    fn template(parameters: &str) -> Template {
        let text = format!(
            "description: x\nparameters:\n{parameters}steps:\n  - id: a\n    type: sql\n    query: SELECT @date, @end_date\n    \
             target: {{table: a, partition_by: day}}\n    mode: {{overwrite_partition: {{from: \"@date\", to: \"@end_date\"}}}}\n"
        );
        parse::file("a/b/c.yml", &text).unwrap_or_else(|found| panic!("{found:?}"))
    }

    fn daily() -> Template {
        template(
            "  date: {type: DATE, required: true}\n  end_date: {type: DATE, default: \"@date\"}\n",
        )
    }

    fn given(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_default_follows_the_other_parameter() {
        let resolved = resolve(&daily(), &given(json!({"date": "2025-11-17"}))).unwrap();
        assert_eq!(resolved["end_date"], resolved["date"]);
        assert_eq!(resolved["date"].value.to_string(), "2025-11-17");
    }

    #[test]
    fn every_wrong_parameter_is_named_with_its_value_and_rule() {
        let cases = [
            (json!({}), "parameter date: required, of type DATE, not absent"),
            (json!({"date": 20_251_117}), "YYYY-MM-DD, not 20251117"),
            (json!({"date": "2025-11-31"}), "YYYY-MM-DD, not \"2025-11-31\""),
            (json!({"date": "2025-1-1"}), "YYYY-MM-DD"),
            (json!({"date": "2025-11-17' OR TRUE --"}), "YYYY-MM-DD"),
            (json!({"date": null}), "a date, YYYY-MM-DD, not null"),
            (
                json!({"date": "2025-11-17", "region": "eu"}),
                "not a parameter of a/b/c, which takes date, end_date",
            ),
            (
                json!({"date": "2025-11-17", "tenant_id": "other"}),
                "the tenant comes from the API key",
            ),
            (
                json!({"date": "2025-11-17", "end_date": "2025-11-16"}),
                "end_date: not before date (2025-11-17)",
            ),
            (json!({"date": "2024-01-01", "end_date": "2025-01-01"}), "at most 366 days"),
        ];
        for (sent, expected) in cases {
            let errors = resolve(&daily(), &given(sent.clone())).unwrap_err();
            assert!(errors.iter().any(|e| e.to_string().contains(expected)), "{sent}: {errors:?}");
        }
        let many = given(json!({"date": 1, "end_date": 2, "x": "y".repeat(1_000)}));
        let errors = resolve(&daily(), &many).unwrap_err();
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|error| error.value.len() < 200));
    }

    #[test]
    fn numbers_are_taken_exactly_or_not_at_all() {
        let accepted = [
            ("12.50", "12.5"),
            ("-0.000000001", "-0.000000001"),
            ("007", "7"),
            ("-0.0", "0"),
            ("99999999999999999999999999999.999999999", "99999999999999999999999999999.999999999"),
        ];
        for (text, exact) in accepted {
            assert_eq!(numeric(text).as_deref(), Ok(exact));
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e3",
            "+1",
            " 1",
            "1_0",
            "0.0000000001",
            "100000000000000000000000000000",
        ] {
            assert!(numeric(text).is_err(), "{text}");
        }
    }

    fn scalar() -> impl Strategy<Value = (&'static str, Json)> {
        prop_oneof![
            ".{0,40}".prop_map(|text| ("STRING", json!(text.replace('\0', "")))),
            any::<i64>().prop_map(|n| ("INT64", json!(n))),
            any::<f64>()
                .prop_filter("finite", |x| x.is_finite())
                .prop_map(|x| ("FLOAT64", json!(x))),
            any::<bool>().prop_map(|b| ("BOOL", json!(b))),
            (1..=9999, 1..=12_u32, 1..=28_u32)
                .prop_map(|(y, m, d)| ("DATE", json!(format!("{y:04}-{m:02}-{d:02}")))),
            (-62_135_596_800_000_000_i64..253_402_300_800_000_000).prop_map(|micros| {
                let instant = chrono::DateTime::from_timestamp_micros(micros).unwrap();
                ("TIMESTAMP", json!(instant.to_rfc3339()))
            }),
            (any::<i64>(), 0..1_000_000_000_u32)
                .prop_map(|(whole, nano)| ("NUMERIC", json!(format!("{whole}.{nano:09}")))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_stored_without_loss((kind, value) in scalar(), count in 0..3_usize) {
            for (kind, value) in
                [(kind.to_owned(), value.clone()), (format!("ARRAY<{kind}>"), json!(vec![value; count]))]
            {
                let kind: ParamType = kind.parse().unwrap();
                let value = literal(&kind, &value).map_err(TestCaseError::fail)?;
                let param = Param { kind: kind.data_type().clone(), value };
                let params = BTreeMap::from([("p".to_owned(), param)]);
                let text = to_stored(&params).to_string();
                prop_assert_eq!(from_stored(&serde_json::from_str(&text).unwrap()), Ok(params));
            }
        }

        #[test]
        fn a_value_of_another_type_is_refused((kind, value) in scalar(), (other, _) in scalar()) {
            // A STRING takes every text, NUMERIC and FLOAT64 take whole numbers: those are not wrong.
            let fits = kind == other
                || (other == "STRING" && value.is_string())
                || (kind == "INT64" && ["NUMERIC", "FLOAT64"].contains(&other))
                || kind == "STRING"
                || (kind == "FLOAT64" && value.as_i64().is_some());
            let array = format!("ARRAY<{other}>").parse().unwrap();
            prop_assert!(literal(&array, &value).is_err());
            let nested = json!([value]);
            let other: ParamType = other.parse().unwrap();
            prop_assert!(fits || literal(&other, &value).is_err(), "{} as {}", value, other);
            prop_assert!(literal(&other, &Json::Null).is_err());
            prop_assert!(literal(&other, &nested).is_err());
        }
    }
}
