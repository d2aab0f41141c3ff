//! Functions written one row at a time: how DataFusion calls them, and typed access to a row's arguments.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, BooleanBuilder, Date32Builder,
    Decimal128Builder, Float64Builder, Int64Builder, ListArray, PrimitiveArray, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::refusal::evaluation;
use crate::warehouse::values::{arrow_type, list_field};

/// What evaluates whole columns: the arguments, as long as the number of rows says.
pub(crate) type Evaluate = Arc<dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync>;

/// A function that DataFusion runs for us. Two of the same name, result and salt are the same function.
#[derive(Clone)]
struct Native {
    name: String,
    salt: u64,
    result: ArrowType,
    signature: Signature,
    evaluate: Evaluate,
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.salt, &self.result) == (&other.name, other.salt, &other.result)
    }
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.salt).hash(state);
    }
}

impl ScalarUDFImpl for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = call.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { call.number_rows };
        let arrays: Result<Vec<_>> = call.args.iter().map(|a| a.to_array(rows)).collect();
        let answer = (self.evaluate)(&arrays?, rows)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

/// A call of a function over whole columns. `name` and `salt` together must tell it from every other function
/// of the statement.
pub(crate) fn native(
    name: impl Into<String>,
    salt: u64,
    result: &DataType,
    args: Vec<Expr>,
    evaluate: Evaluate,
) -> Expr {
    let signature = if args.is_empty() {
        Signature::nullary(Volatility::Immutable)
    } else {
        Signature::variadic_any(Volatility::Immutable)
    };
    let function =
        Native { name: name.into(), salt, result: arrow_type(result), signature, evaluate };
    ScalarUDF::from(function).call(args)
}

/// The same value, of which the optimizer knows nothing: not that it is constant, equal to another or ordered.
///
/// A constant on the padded side of an outer join is NULL in some rows, which DataFusion overlooks when it drops
/// a sort by it. The second argument, volatile and without arguments, is what it never takes for a constant.
pub(crate) fn opaque(value: Expr, kind: &ArrowType) -> Expr {
    let mark = Native {
        name: "MARK".to_owned(),
        salt: 0,
        result: ArrowType::Boolean,
        signature: Signature::nullary(Volatility::Volatile),
        evaluate: Arc::new(|_, rows| Ok(Arc::new(BooleanArray::from(vec![true; rows])))),
    };
    let same = Native {
        name: "OPAQUE".to_owned(),
        salt: 0,
        result: kind.clone(),
        signature: Signature::variadic_any(Volatility::Volatile),
        evaluate: Arc::new(|columns, _| Ok(Arc::clone(&columns[0]))),
    };
    ScalarUDF::from(same).call(vec![value, ScalarUDF::from(mark).call(Vec::new())])
}

/// What a function answers for one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// NULL.
    Null,
    /// INT64.
    Int(i64),
    /// FLOAT64.
    Float(f64),
    /// NUMERIC, scaled.
    Numeric(i128),
    /// BOOL.
    Bool(bool),
    /// STRING or JSON.
    Text(String),
    /// BYTES.
    Bytes(Vec<u8>),
    /// DATE, days since 1970.
    Date(i32),
    /// TIMESTAMP, DATETIME or TIME, microseconds.
    Micros(i64),
    /// An ARRAY's elements.
    List(Vec<Cell>),
}

/// One row's arguments; the caller knows their types and that none is NULL unless it asked for NULLs.
pub(crate) struct Row<'a> {
    columns: &'a [ArrayRef],
    at: usize,
}

impl<'a> Row<'a> {
    fn primitive<T: ArrowPrimitiveType>(&self, argument: usize) -> T::Native {
        let column: &PrimitiveArray<T> = self.columns[argument].as_primitive();
        column.value(self.at)
    }

    /// An INT64 argument.
    pub(crate) fn int(&self, argument: usize) -> i64 {
        self.primitive::<Int64Type>(argument)
    }

    /// A FLOAT64 argument.
    pub(crate) fn float(&self, argument: usize) -> f64 {
        self.primitive::<Float64Type>(argument)
    }

    /// A NUMERIC argument, scaled.
    pub(crate) fn numeric(&self, argument: usize) -> i128 {
        self.primitive::<Decimal128Type>(argument)
    }

    /// A BOOL argument.
    pub(crate) fn bool(&self, argument: usize) -> bool {
        self.columns[argument].as_boolean().value(self.at)
    }

    /// A STRING or JSON argument.
    pub(crate) fn text(&self, argument: usize) -> &'a str {
        self.columns[argument].as_string::<i32>().value(self.at)
    }

    /// A BYTES argument.
    pub(crate) fn bytes(&self, argument: usize) -> &'a [u8] {
        self.columns[argument].as_binary::<i32>().value(self.at)
    }

    /// A DATE argument, days since 1970.
    pub(crate) fn date(&self, argument: usize) -> i32 {
        self.primitive::<Date32Type>(argument)
    }

    /// A TIMESTAMP or DATETIME argument, microseconds.
    pub(crate) fn micros(&self, argument: usize) -> i64 {
        self.primitive::<TimestampMicrosecondType>(argument)
    }

    /// A TIME argument, microseconds since midnight.
    pub(crate) fn time(&self, argument: usize) -> i64 {
        self.primitive::<Time64MicrosecondType>(argument)
    }

    /// How many arguments there are.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }
}

/// What evaluates one row; `Err` is the message of the failing statement.
pub(crate) type PerRow = Arc<dyn Fn(&Row<'_>) -> Result<Cell, String> + Send + Sync>;

/// Runs a row function over columns. A strict one is NULL wherever an argument is.
pub(crate) fn per_row(result: &DataType, strict: bool, run: PerRow) -> Evaluate {
    let result = result.clone();
    Arc::new(move |columns, rows| {
        let mut cells = Vec::with_capacity(rows);
        for at in 0..rows {
            let row = Row { columns, at };
            let null = strict && columns.iter().any(|c| c.is_null(at));
            cells.push(if null { Cell::Null } else { run(&row).map_err(evaluation)? });
        }
        Ok(build(&result, cells))
    })
}

macro_rules! build_with {
    ($cells:expr, $builder:expr, $pattern:pat => $value:expr) => {{
        let mut builder = $builder;
        for cell in $cells {
            match cell {
                $pattern => builder.append_value($value),
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }};
}

fn build(result: &DataType, cells: Vec<Cell>) -> ArrayRef {
    match result {
        DataType::Int64 => build_with!(cells, Int64Builder::new(), Cell::Int(v) => v),
        DataType::Float64 => build_with!(cells, Float64Builder::new(), Cell::Float(v) => v),
        DataType::Numeric => build_with!(
            cells,
            Decimal128Builder::new().with_data_type(arrow_type(result)),
            Cell::Numeric(v) => v
        ),
        DataType::Bool => build_with!(cells, BooleanBuilder::new(), Cell::Bool(v) => v),
        DataType::String | DataType::Json => {
            build_with!(cells, StringBuilder::new(), Cell::Text(v) => v)
        }
        DataType::Bytes => build_with!(cells, BinaryBuilder::new(), Cell::Bytes(v) => v),
        DataType::Date => build_with!(cells, Date32Builder::new(), Cell::Date(v) => v),
        DataType::Time => build_with!(cells, Time64MicrosecondBuilder::new(), Cell::Micros(v) => v),
        DataType::Timestamp | DataType::Datetime => build_with!(
            cells,
            TimestampMicrosecondBuilder::new().with_data_type(arrow_type(result)),
            Cell::Micros(v) => v
        ),
        DataType::Array(element) => {
            let (mut lengths, mut valid, mut items) = (Vec::new(), Vec::new(), Vec::new());
            for cell in cells {
                let elements = if let Cell::List(elements) = cell { Some(elements) } else { None };
                valid.push(elements.is_some());
                let elements = elements.unwrap_or_default();
                lengths.push(elements.len());
                items.extend(elements);
            }
            let offsets = OffsetBuffer::from_lengths(lengths);
            let items = build(element, items);
            Arc::new(ListArray::new(list_field(element), offsets, items, Some(valid.into())))
        }
        // Row functions answer no records; the registry has no entry of such a result.
        DataType::Struct(_) => {
            datafusion::arrow::array::new_null_array(&arrow_type(result), cells.len())
        }
    }
}
