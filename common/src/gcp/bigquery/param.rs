//! Values as BigQuery's query parameters have them: everything is text on the wire, beside its type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use google_cloud_bigquery_v2::model::{
    QueryParameter, QueryParameterStructType, QueryParameterType, QueryParameterValue,
};

use crate::warehouse::{DataType, Param, Value};

/// A Rust type that stands for a GoogleSQL type.
pub(in crate::gcp) trait ToParam {
    /// The type, which speaks where the value is NULL.
    const KIND: DataType;
    /// The value.
    fn to_value(self) -> Value;
    /// Both.
    fn to_param(self) -> Param
    where
        Self: Sized,
    {
        Param { kind: Self::KIND, value: self.to_value() }
    }
}

macro_rules! params {
    ($($rust:ty => $kind:ident, |$it:ident| $value:expr;)+) => {
        $(impl ToParam for $rust {
            const KIND: DataType = DataType::$kind;
            fn to_value(self) -> Value {
                let $it = self;
                $value
            }
        })+
    };
}

params! {
    &str => String, |text| Value::String(text.to_owned());
    String => String, |text| Value::String(text);
    bool => Bool, |bool| Value::Bool(bool);
    i64 => Int64, |int| Value::Int64(int);
    u32 => Int64, |int| Value::Int64(i64::from(int));
    NaiveDate => Date, |date| Value::Date(date);
    DateTime<Utc> => Timestamp, |at| Value::Timestamp(at);
    Vec<u8> => Bytes, |bytes| Value::Bytes(bytes);
}

impl<T: ToParam + Copy> ToParam for &T {
    const KIND: DataType = T::KIND;
    fn to_value(self) -> Value {
        (*self).to_value()
    }
}

impl<T: ToParam> ToParam for Option<T> {
    const KIND: DataType = T::KIND;
    fn to_value(self) -> Value {
        self.map_or(Value::Null, T::to_value)
    }
}

/// A named parameter.
pub(in crate::gcp) fn parameter(name: &str, param: &Param) -> QueryParameter {
    QueryParameter::new()
        .set_name(name)
        .set_parameter_type(kind(&param.kind))
        .set_parameter_value(value(&param.value))
}

fn kind(of: &DataType) -> QueryParameterType {
    let kind_of = QueryParameterType::new();
    match of {
        DataType::Array(element) => kind_of.set_type("ARRAY").set_array_type(kind(element)),
        DataType::Struct(fields) => {
            let field = |(name, of): &(String, DataType)| {
                QueryParameterStructType::new().set_name(name).set_type(kind(of))
            };
            kind_of.set_type("STRUCT").set_struct_types(fields.iter().map(field))
        }
        DataType::Int64
        | DataType::Float64
        | DataType::Numeric
        | DataType::Bool
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Datetime
        | DataType::Time
        | DataType::Timestamp
        | DataType::Json => kind_of.set_type(of.to_string()),
    }
}

fn value(of: &Value) -> QueryParameterValue {
    let value_of = QueryParameterValue::new();
    match of {
        Value::Null => value_of,
        Value::Array(items) => value_of.set_array_values(items.iter().map(value)),
        Value::Struct(fields) => {
            value_of.set_struct_values(fields.iter().map(|(name, of)| (name.clone(), value(of))))
        }
        Value::Bytes(bytes) => value_of.set_value(STANDARD.encode(bytes)),
        Value::Bool(_)
        | Value::Int64(_)
        | Value::Float64(_)
        | Value::Numeric(_)
        | Value::String(_)
        | Value::Date(_)
        | Value::Datetime(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Json(_) => value_of.set_value(of.to_string()),
    }
}
