//! Between GoogleSQL values and Arrow: the type each GoogleSQL type is stored as, and single values both ways.

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, NaiveTime};
use common::port::PortError;
use common::warehouse::{Column, DataType, Value};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, StructArray, new_empty_array, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Field, FieldRef, Fields, Float64Type,
    Int64Type, Schema, SchemaRef, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::scalar::ScalarValue;

use super::numeric;

/// The Arrow type that holds a GoogleSQL type; JSON is its text.
pub(crate) fn arrow_type(kind: &DataType) -> ArrowType {
    match kind {
        DataType::Int64 => ArrowType::Int64,
        DataType::Float64 => ArrowType::Float64,
        DataType::Numeric => ArrowType::Decimal128(38, 9),
        DataType::Bool => ArrowType::Boolean,
        DataType::String | DataType::Json => ArrowType::Utf8View,
        DataType::Bytes => ArrowType::BinaryView,
        DataType::Date => ArrowType::Date32,
        DataType::Datetime => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time => ArrowType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Struct(fields) => ArrowType::Struct(struct_fields(fields)),
        DataType::Array(element) => ArrowType::List(list_field(element)),
    }
}

/// The field of an array's elements.
pub(crate) fn list_field(element: &DataType) -> FieldRef {
    Arc::new(Field::new_list_field(arrow_type(element), true))
}

/// A record's fields, all nullable.
pub(crate) fn struct_fields(fields: &[(String, DataType)]) -> Fields {
    fields.iter().map(|(name, kind)| Field::new(name, arrow_type(kind), true)).collect()
}

/// The Arrow schema of a table.
pub(crate) fn schema_of(columns: &[Column]) -> SchemaRef {
    let columns: Vec<_> = columns.iter().map(|c| (c.name.clone(), c.data_type())).collect();
    Arc::new(Schema::new(struct_fields(&columns)))
}

/// A date from days since 1970.
pub(crate) fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(days)
}

/// Days since 1970.
pub(crate) fn days(date: NaiveDate) -> i32 {
    date.to_epoch_days()
}

fn beyond(what: &str) -> PortError {
    PortError::InvalidQuery(format!("a {what} lies outside the years 0001 to 9999"))
}

/// One value of an array.
pub(crate) fn value_at(array: &dyn Array, row: usize, kind: &DataType) -> Result<Value, PortError> {
    if array.is_null(row) {
        // GoogleSQL shows a NULL array as an empty one.
        return Ok(if matches!(kind, DataType::Array(_)) {
            Value::Array(Vec::new())
        } else {
            Value::Null
        });
    }
    Ok(match kind {
        DataType::Int64 => Value::Int64(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Numeric => {
            Value::Numeric(numeric::format(array.as_primitive::<Decimal128Type>().value(row)))
        }
        DataType::Bool => Value::Bool(array.as_boolean().value(row)),
        DataType::String => Value::String(array.as_string_view().value(row).to_owned()),
        DataType::Json => Value::Json(array.as_string_view().value(row).to_owned()),
        DataType::Bytes => Value::Bytes(array.as_binary_view().value(row).to_vec()),
        DataType::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            Value::Date(date(days).ok_or_else(|| beyond("DATE"))?)
        }
        DataType::Datetime => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let instant =
                DateTime::from_timestamp_micros(micros).ok_or_else(|| beyond("DATETIME"))?;
            Value::Datetime(instant.naive_utc())
        }
        DataType::Timestamp => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Value::Timestamp(
                DateTime::from_timestamp_micros(micros).ok_or_else(|| beyond("TIMESTAMP"))?,
            )
        }
        DataType::Time => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            Value::Time(NaiveTime::MIN + Duration::microseconds(micros))
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            let mut values = Vec::with_capacity(fields.len());
            for (at, (name, kind)) in fields.iter().enumerate() {
                values.push((name.clone(), value_at(columns.column(at), row, kind)?));
            }
            Value::Struct(values)
        }
        DataType::Array(element) => {
            let items = array.as_list::<i32>().value(row);
            let values: Result<_, _> =
                (0..items.len()).map(|i| value_at(&items, i, element)).collect();
            Value::Array(values?)
        }
    })
}

/// A value as a typed Arrow scalar; `Err` says what the type cannot hold.
pub(crate) fn scalar(value: &Value, kind: &DataType) -> Result<ScalarValue, String> {
    let array = array_of(std::slice::from_ref(value), kind)?;
    ScalarValue::try_from_array(&array, 0).map_err(|e| e.to_string())
}

/// Values of one type as an array; `Err` says what the type cannot hold.
pub(crate) fn array_of(values: &[Value], kind: &DataType) -> Result<ArrayRef, String> {
    use datafusion::arrow::array::{
        BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    };
    macro_rules! collect {
        ($array:ty, $pattern:pat => $value:expr) => {{
            let mut cells = Vec::with_capacity(values.len());
            for value in values {
                cells.push(match value {
                    Value::Null => None,
                    $pattern => Some($value),
                    other => return Err(format!("{other} is not of type {kind}")),
                });
            }
            cells.into_iter().collect::<$array>()
        }};
    }
    Ok(match kind {
        DataType::Int64 => Arc::new(collect!(Int64Array, Value::Int64(i) => *i)),
        DataType::Float64 => Arc::new(collect!(Float64Array, Value::Float64(x) => *x)),
        DataType::Bool => Arc::new(collect!(BooleanArray, Value::Bool(b) => *b)),
        DataType::String => Arc::new(collect!(StringViewArray, Value::String(s) => s.as_str())),
        DataType::Json => Arc::new(collect!(StringViewArray, Value::Json(s) => s.as_str())),
        DataType::Bytes => Arc::new(collect!(BinaryViewArray, Value::Bytes(b) => b.as_slice())),
        DataType::Date => Arc::new(collect!(Date32Array, Value::Date(d) => days(*d))),
        DataType::Numeric => {
            let cells = collect!(Decimal128Array, Value::Numeric(text) =>
                numeric::parse(text).ok_or_else(|| format!("{text} is not a NUMERIC"))?);
            Arc::new(cells.with_precision_and_scale(38, 9).map_err(|e| e.to_string())?)
        }
        DataType::Datetime => Arc::new(
            collect!(TimestampMicrosecondArray, Value::Datetime(t) => t.and_utc().timestamp_micros()),
        ),
        DataType::Timestamp => Arc::new(
            collect!(TimestampMicrosecondArray, Value::Timestamp(t) => t.timestamp_micros())
                .with_timezone("UTC"),
        ),
        DataType::Time => Arc::new(collect!(Time64MicrosecondArray, Value::Time(t) =>
            t.signed_duration_since(NaiveTime::MIN).num_microseconds().unwrap_or_default())),
        DataType::Struct(fields) => struct_array(values, fields, kind)?,
        DataType::Array(element) => list_array(values, element, kind)?,
    })
}

fn struct_array(
    values: &[Value],
    fields: &[(String, DataType)],
    kind: &DataType,
) -> Result<ArrayRef, String> {
    let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(values.len()); fields.len()];
    let mut valid = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::Null => columns.iter_mut().for_each(|c| c.push(Value::Null)),
            Value::Struct(cells) if cells.len() == fields.len() => {
                for (column, (_, cell)) in columns.iter_mut().zip(cells) {
                    column.push(cell.clone());
                }
            }
            other => return Err(format!("{other} is not of type {kind}")),
        }
        valid.push(!matches!(value, Value::Null));
    }
    if fields.is_empty() {
        return Ok(new_null_array(&arrow_type(kind), values.len()));
    }
    let columns: Result<Vec<_>, _> =
        columns.iter().zip(fields).map(|(cells, (_, kind))| array_of(cells, kind)).collect();
    StructArray::try_new(struct_fields(fields), columns?, Some(valid.into()))
        .map(|a| Arc::new(a) as ArrayRef)
        .map_err(|e| e.to_string())
}

fn list_array(values: &[Value], element: &DataType, kind: &DataType) -> Result<ArrayRef, String> {
    let (mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Null => lengths.push(0),
            Value::Array(elements) => {
                lengths.push(elements.len());
                items.extend_from_slice(elements);
            }
            other => return Err(format!("{other} is not of type {kind}")),
        }
        valid.push(!matches!(value, Value::Null));
    }
    let items = if items.is_empty() {
        new_empty_array(&arrow_type(element))
    } else {
        array_of(&items, element)?
    };
    ListArray::try_new(
        list_field(element),
        OffsetBuffer::from_lengths(lengths),
        items,
        Some(valid.into()),
    )
    .map(|a| Arc::new(a) as ArrayRef)
    .map_err(|e| e.to_string())
}
