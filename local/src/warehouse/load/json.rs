//! NDJSON: one object a line, its fields by BigQuery's JSON rules.

use std::io::BufRead;

use common::port::PortError;
use common::warehouse::{Column, ColumnType, Mode, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::{Bad, Record, Records, required, text_value};

/// A file of one object a line.
pub(super) struct Ndjson<R> {
    input: R,
    columns: Vec<Column>,
    line: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Ndjson<R> {
    /// Reads objects of these columns.
    pub(super) fn new(input: R, columns: Vec<Column>) -> Self {
        Self { input, columns, line: 0, text: Vec::new() }
    }

    fn object(&self) -> Result<Vec<Value>, String> {
        let Unique(json) =
            serde_json::from_slice(&self.text).map_err(|e| format!("not JSON: {e}"))?;
        record(&json, &self.columns, "")
    }
}

impl<R: BufRead + Send> Records for Ndjson<R> {
    fn next(&mut self) -> Result<Option<Record>, PortError> {
        loop {
            self.text.clear();
            let read = self.input.read_until(b'\n', &mut self.text);
            if read.map_err(|e| PortError::other("reading an NDJSON file", e))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(self.object().map_err(|reason| Bad { line: self.line, reason })));
        }
    }
}

/// A JSON value as a column's value; the message names the column, the value and the rule.
pub(crate) fn json_value(json: &Json, column: &Column) -> Result<Value, String> {
    nested(json, column, "")
}

fn record(json: &Json, columns: &[Column], path: &str) -> Result<Vec<Value>, String> {
    let Json::Object(fields) = json else {
        let what = if path.is_empty() { "the line" } else { path };
        return Err(format!("{what}: {json} is no object"));
    };
    for (at, name) in fields.keys().enumerate() {
        if fields.keys().take(at).any(|before| before.eq_ignore_ascii_case(name)) {
            return Err(format!("{path}{name}: the name stands twice in one object"));
        }
    }
    let known = |name: &String| columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
    if let Some(unknown) = fields.keys().find(|name| !known(name)) {
        return Err(format!("{path}{unknown}: no such column"));
    }
    let field = |column: &Column| {
        let exact = fields.get(&column.name);
        exact.or_else(|| {
            fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(&column.name)).map(|(_, v)| v)
        })
    };
    columns.iter().map(|c| nested(field(c).unwrap_or(&Json::Null), c, path)).collect()
}

fn nested(json: &Json, column: &Column, path: &str) -> Result<Value, String> {
    let here = format!("{path}{}", column.name);
    let value = match (column.mode, json) {
        (_, Json::Null) if column.kind != ColumnType::Json || column.mode == Mode::Repeated => {
            Value::Null
        }
        (Mode::Repeated, Json::Array(items)) => {
            let element = Column { mode: Mode::Required, ..column.clone() };
            let items: Result<_, _> = items.iter().map(|i| nested(i, &element, path)).collect();
            Value::Array(items?)
        }
        (Mode::Repeated, other) => return Err(format!("{here}: {other} is no array")),
        (Mode::Nullable | Mode::Required, json) => single(json, column, path, &here)?,
    };
    required(value, column).map_err(|e| format!("{path}{e}"))
}

fn single(json: &Json, column: &Column, path: &str, here: &str) -> Result<Value, String> {
    let prefixed = |e: String| format!("{path}{e}");
    match (column.kind, json) {
        (ColumnType::Record, json) => {
            let values = record(json, &column.fields, &format!("{here}."))?;
            let names = column.fields.iter().map(|f| f.name.clone());
            Ok(Value::Struct(names.zip(values).collect()))
        }
        (ColumnType::Json, Json::Null) => Ok(Value::Null),
        (ColumnType::Json, json) => Ok(Value::Json(json.to_string())),
        (ColumnType::Bool, Json::Bool(b)) => Ok(Value::Bool(*b)),
        (ColumnType::String, Json::Number(n)) if n.is_f64() => {
            Err(format!("{here}: the number {n} may be spelled otherwise: write it as a string"))
        }
        (ColumnType::Numeric, Json::Number(n)) if n.is_f64() && !exact(n) => {
            Err(format!("{here}: the number {n} may have lost digits: write it as a string"))
        }
        (ColumnType::Int64 | ColumnType::Float64 | ColumnType::Numeric, Json::Number(n)) => {
            text_value(&n.to_string(), column).map_err(prefixed)
        }
        (ColumnType::String, Json::Number(n)) => Ok(Value::String(n.to_string())),
        (
            ColumnType::String
            | ColumnType::Int64
            | ColumnType::Float64
            | ColumnType::Numeric
            | ColumnType::Bool
            | ColumnType::Date
            | ColumnType::Datetime
            | ColumnType::Time
            | ColumnType::Timestamp,
            Json::String(text),
        ) => text_value(text, column).map_err(prefixed),
        (_, other) => Err(format!("{here}: {other} is not a {}", column.data_type())),
    }
}

/// Whether the written number, which was read as a double, surely rounds to the NUMERIC that the double shows:
/// below 2^22 two doubles lie less than a NUMERIC's last place apart.
fn exact(number: &serde_json::Number) -> bool {
    let text = number.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let small = number.as_f64().is_some_and(|x| x.abs() < 4_194_304.0);
    small && decimals <= 9 && !text.contains(['e', 'E'])
}

/// JSON whose objects have each name once; of two, BigQuery does not say which counts.
struct Unique(Json);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Once).map(Self)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Json;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((name, Unique(value))) = fields.next_entry::<String, Unique>()? {
            if object.insert(name.clone(), value).is_some() {
                let message = format!("the name {name} stands twice in one object");
                return Err(serde::de::Error::custom(message));
            }
        }
        Ok(Json::Object(object))
    }
}
