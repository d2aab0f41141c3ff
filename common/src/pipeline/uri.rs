//! Names of files and hooks: a parameter's value, or a template's text with places for the tenant and days.

use std::collections::BTreeMap;

use super::is_word;
use crate::warehouse::{Param, Value};

/// The place of the tenant's id.
const TENANT: &str = "tenant_id";

/// Where a file or hook is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// By this STRING parameter, whose value is taken as it is.
    Parameter(String),
    /// In the template.
    Literal(Vec<Part>),
}

/// A part of a template's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The tenant's id.
    Tenant,
    /// A DATE parameter's value, YYYY-MM-DD.
    Day(String),
}

impl Uri {
    /// Cuts a template's text at its places; `Err` is the place that is none.
    pub(super) fn literal(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, next) = after.split_once('}').ok_or_else(|| format!("{{{after}"))?;
            if before.contains('}') || !is_word(name) {
                return Err(format!("{{{name}}}"));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                TENANT => Part::Tenant,
                name => Part::Day(name.to_owned()),
            });
            rest = next;
        }
        if rest.contains('}') {
            return Err("}".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self::Literal(parts))
    }

    /// The parameters whose days the text has.
    pub(super) fn days(&self) -> Vec<&str> {
        match self {
            Self::Parameter(_) => Vec::new(),
            Self::Literal(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Day(name) => Some(name.as_str()),
                    Part::Text(_) | Part::Tenant => None,
                })
                .collect(),
        }
    }

    /// The name for one run; `Err` names the parameter that has no fitting value. A parameter's value is never
    /// looked at for places.
    pub fn resolve(
        &self,
        tenant: &str,
        params: &BTreeMap<String, Param>,
    ) -> Result<String, String> {
        let value = |name: &String| params.get(name).map(|param| &param.value);
        match self {
            Self::Parameter(name) => match value(name) {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err(name.clone()),
            },
            Self::Literal(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => Ok(text.clone()),
                    Part::Tenant => Ok(tenant.to_owned()),
                    Part::Day(name) => match value(name) {
                        Some(day @ Value::Date(_)) => Ok(day.to_string()),
                        _ => Err(name.clone()),
                    },
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::DataType;

    #[test]
    fn places_are_filled_in_the_template_and_never_in_a_value() {
        let text =
            |text: &str| Param { kind: DataType::String, value: Value::String(text.to_owned()) };
        let day = Param { kind: DataType::Date, value: Value::Date("2025-11-17".parse().unwrap()) };
        let params = BTreeMap::from([
            ("day".to_owned(), day),
            ("path".to_owned(), text("gs://b/{tenant_id}/{day}")),
        ]);
        let resolved = |uri: Uri| uri.resolve("acme", &params);
        let literal = Uri::literal("gs://b/{tenant_id}/{day}.csv").unwrap();
        assert_eq!(literal.days(), ["day"]);
        assert_eq!(resolved(literal), Ok("gs://b/acme/2025-11-17.csv".to_owned()));
        let value = Uri::Parameter("path".to_owned());
        assert_eq!(resolved(value), Ok("gs://b/{tenant_id}/{day}".to_owned()));
        for none in ["path", "gone"] {
            let literal = Uri::literal(&format!("x{{{none}}}")).unwrap();
            assert_eq!(resolved(literal), Err(none.to_owned()), "only a day has a place");
        }
        for wrong in ["a{", "a}b", "{}", "{{day}}", "{day", "x}{day}", "{Day}", "{a b}", "${day}}"]
        {
            assert!(Uri::literal(wrong).is_err(), "{wrong}");
        }
    }
}
