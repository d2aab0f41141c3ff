//! Reads a step by its `type` without buffering what follows, so that every error keeps its line.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor,
    value::MapAccessDeserializer,
};

use super::{CheckStep, CommonSpec, ExportStep, LoadStep, NotifyStep, SqlStep};

/// One step of a pipeline, told apart by `type`.
#[derive(Debug, JsonSchema)]
#[schemars(tag = "type", rename_all = "lowercase")]
pub enum StepSpec {
    /// Writes the rows of one SELECT.
    Sql(SqlStep),
    /// Loads a file.
    Load(LoadStep),
    /// Checks data.
    Check(CheckStep),
    /// Writes a file.
    Export(ExportStep),
    /// Tells somebody.
    Notify(NotifyStep),
}

impl StepSpec {
    /// What every step has.
    pub fn common(&self) -> CommonSpec<'_> {
        match self {
            Self::Sql(step) => step.common(),
            Self::Load(step) => step.common(),
            Self::Check(step) => step.common(),
            Self::Export(step) => step.common(),
            Self::Notify(step) => step.common(),
        }
    }

    /// The step's id.
    pub fn id(&self) -> &str {
        self.common().id
    }
}

impl<'de> Deserialize<'de> for StepSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StepVisitor)
    }
}

/// The `type` of a step.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sql,
    Load,
    Check,
    Export,
    Notify,
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = StepSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step: a mapping with `id` and `type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepSpec, A::Error> {
        let mut before = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != "type" {
                before.push((key, map.next_value::<serde_json::Value>()?));
                continue;
            }
            let kind: Kind = map.next_value()?;
            let rest =
                MapAccessDeserializer::new(Replay { before: before.into_iter(), value: None, map });
            return match kind {
                Kind::Sql => SqlStep::deserialize(rest).map(StepSpec::Sql),
                Kind::Load => LoadStep::deserialize(rest).map(StepSpec::Load),
                Kind::Check => CheckStep::deserialize(rest).map(StepSpec::Check),
                Kind::Export => ExportStep::deserialize(rest).map(StepSpec::Export),
                Kind::Notify => NotifyStep::deserialize(rest).map(StepSpec::Notify),
            };
        }
        Err(A::Error::missing_field("type"))
    }
}

/// The entries that stood before `type`, then the rest of the mapping as it is read.
struct Replay<A> {
    before: std::vec::IntoIter<(String, serde_json::Value)>,
    value: Option<serde_json::Value>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Replay<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some((key, value)) = self.before.next() else {
            return self.map.next_key_seed(seed);
        };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}
