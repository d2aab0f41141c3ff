//! Parameters as they are typed on a command line: each text read by its declared type, then as a run reads it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::pipeline::{ParamError, Template, nearest, params};
use common::warehouse::{DataType, Param};
use serde_json::{Map, Value as Json};

use crate::shown::{quoted, shown};

/// Why a parameter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// It has no name or no value.
    #[error("--param must be NAME=VALUE, such as date=2025-11-17, not {}", quoted(.0))]
    Form(String),
    /// A second value for one name.
    #[error("parameter {}: given once, not again as {}", shown(.name), quoted(.value))]
    Twice {
        /// The name.
        name: String,
        /// The second value.
        value: String,
    },
    /// The template does not take it.
    #[error("{}{}", shown(&.error.to_string()), asked(.meant.as_deref()))]
    Refused {
        /// Why.
        error: ParamError,
        /// The parameter that may have been meant.
        meant: Option<String>,
    },
}

fn asked(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Types what was given at `now`, with every default filled in. All errors are answered at once.
pub fn given(
    template: &Template,
    texts: &[String],
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, Param>, Vec<GivenError>> {
    let mut errors = Vec::new();
    let mut sent = Map::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            errors.push(GivenError::Form(text.clone()));
            continue;
        };
        let kind = template.parameters.get(name).map(|parameter| parameter.kind.data_type());
        if sent.insert(name.to_owned(), read(kind, value)).is_some() {
            let (name, value) = (name.to_owned(), value.to_owned());
            errors.push(GivenError::Twice { name, value });
        }
    }
    let resolved = params::resolve(template, &sent, now);
    match resolved {
        Ok(resolved) if errors.is_empty() => Ok(resolved),
        Ok(_) => Err(errors),
        Err(refused) => {
            errors.extend(refused.into_iter().map(|error| {
                let known = template.parameters.keys().map(String::as_str);
                // A declared name is its own nearest, which is none.
                let meant = nearest(&error.field, known).map(str::to_owned);
                GivenError::Refused { error, meant }
            }));
            Err(errors)
        }
    }
}

/// The text as the JSON that a caller would send for this type; what is none of it stays text, and is refused
/// by the type's own rule.
fn read(kind: Option<&DataType>, text: &str) -> Json {
    let as_json = match kind {
        Some(DataType::Int64 | DataType::Float64 | DataType::Bool | DataType::Array(_)) => true,
        // Their JSON is a text.
        Some(
            DataType::Numeric
            | DataType::String
            | DataType::Bytes
            | DataType::Date
            | DataType::Datetime
            | DataType::Time
            | DataType::Timestamp
            | DataType::Json
            | DataType::Struct(_),
        )
        | None => false,
    };
    let parsed = if as_json { serde_json::from_str(text).ok() } else { None };
    parsed.unwrap_or_else(|| Json::String(text.to_owned()))
}
