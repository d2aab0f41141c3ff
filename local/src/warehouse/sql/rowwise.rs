//! Functions written one row at a time: how DataFusion calls them, and typed access to a row's arguments.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::warehouse::DataType;
use datafusion::arrow::array::{
    ArrayRef, BinaryViewBuilder, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder,
    Float64Builder, Int64Builder, ListArray, StringViewBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::refusal::evaluation;
use crate::warehouse::values::{arrow_type, list_field};

mod batch;

pub(crate) use batch::{Batch, Row};

/// What evaluates whole columns: the arguments, as long as the number of rows says.
pub(crate) type Evaluate = Arc<dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync>;

/// What evaluates one row; `Err` is the message of the failing statement.
pub(crate) type PerRow = Arc<dyn Fn(&Row<'_>) -> Result<Cell, String> + Send + Sync>;

/// The same over all rows at once, faster; `None` where a row fails, which is then found row by row.
pub(crate) type Whole = Arc<dyn Fn(&Batch<'_>) -> Option<ArrayRef> + Send + Sync>;

/// A function of one row's arguments.
#[derive(Clone)]
pub(crate) struct ByRow {
    /// For one row.
    pub(crate) run: PerRow,
    /// For all of them, where there is such a one.
    pub(crate) whole: Option<Whole>,
}

impl From<PerRow> for ByRow {
    fn from(run: PerRow) -> Self {
        Self { run, whole: None }
    }
}

#[derive(Clone)]
enum Run {
    Columns(Evaluate),
    Rows(DataType, ByRow),
}

/// A function that DataFusion runs for us. Two of the same name, result and salt are the same function.
#[derive(Clone)]
struct Native {
    name: String,
    salt: u64,
    result: ArrowType,
    signature: Signature,
    run: Run,
}

impl Native {
    fn new(name: impl Into<String>, salt: u64, result: ArrowType, args: usize, run: Run) -> Self {
        let signature = if args == 0 {
            Signature::nullary(Volatility::Immutable)
        } else {
            Signature::variadic_any(Volatility::Immutable)
        };
        Self { name: name.into(), salt, result, signature, run }
    }
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
        let answer = match &self.run {
            Run::Columns(evaluate) => {
                let arrays: Result<Vec<_>> = call.args.iter().map(|a| a.to_array(rows)).collect();
                evaluate(&arrays?, rows)?
            }
            Run::Rows(result, run) => by_rows(result, &call.args, rows, run)?,
        };
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
    let run = Run::Columns(evaluate);
    ScalarUDF::from(Native::new(name, salt, arrow_type(result), args.len(), run)).call(args)
}

/// A call of a function over one row's arguments, NULL wherever an argument is. `name` must tell it from every
/// other function of the statement.
pub(crate) fn per_row(
    name: impl Into<String>,
    result: &DataType,
    args: Vec<Expr>,
    run: impl Into<ByRow>,
) -> Expr {
    let run = Run::Rows(result.clone(), run.into());
    ScalarUDF::from(Native::new(name, 0, arrow_type(result), args.len(), run)).call(args)
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
        run: Run::Columns(Arc::new(|_, rows| Ok(Arc::new(BooleanArray::from(vec![true; rows]))))),
    };
    let same = Native {
        name: "OPAQUE".to_owned(),
        salt: 0,
        result: kind.clone(),
        signature: Signature::variadic_any(Volatility::Volatile),
        run: Run::Columns(Arc::new(|columns, _| Ok(Arc::clone(&columns[0])))),
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

/// Runs a row function over its arguments; a row with a NULL among them answers NULL.
fn by_rows(
    result: &DataType,
    arguments: &[ColumnarValue],
    rows: usize,
    function: &ByRow,
) -> Result<ArrayRef> {
    // Of a constant this is its one value; a column stays as it is.
    let columns = arguments.iter().map(|a| a.to_array(1)).collect::<Result<Vec<_>>>()?;
    let Some(batch) = Batch::of(&columns, arguments, rows)? else {
        return Ok(new_null_array(&arrow_type(result), rows));
    };
    if let Some(answer) = function.whole.as_ref().and_then(|whole| whole(&batch)) {
        return Ok(answer);
    }
    let cells = (0..rows).map(|at| match batch.row(at) {
        None => Ok(Cell::Null),
        Some(row) => (function.run)(&row).map_err(evaluation),
    });
    build(result, cells)
}

macro_rules! build_with {
    ($cells:expr, $builder:expr, $pattern:pat => $value:expr) => {{
        let mut builder = $builder;
        for cell in $cells {
            match cell? {
                $pattern => builder.append_value($value),
                _ => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }};
}

fn build(result: &DataType, cells: impl Iterator<Item = Result<Cell>>) -> Result<ArrayRef> {
    let rows = cells.size_hint().0;
    Ok(match result {
        DataType::Int64 => {
            build_with!(cells, Int64Builder::with_capacity(rows), Cell::Int(v) => v)
        }
        DataType::Float64 => {
            build_with!(cells, Float64Builder::with_capacity(rows), Cell::Float(v) => v)
        }
        DataType::Numeric => build_with!(
            cells,
            Decimal128Builder::with_capacity(rows).with_data_type(arrow_type(result)),
            Cell::Numeric(v) => v
        ),
        DataType::Bool => {
            build_with!(cells, BooleanBuilder::with_capacity(rows), Cell::Bool(v) => v)
        }
        DataType::String | DataType::Json => {
            build_with!(cells, StringViewBuilder::with_capacity(rows), Cell::Text(v) => v)
        }
        DataType::Bytes => {
            build_with!(cells, BinaryViewBuilder::with_capacity(rows), Cell::Bytes(v) => v)
        }
        DataType::Date => {
            build_with!(cells, Date32Builder::with_capacity(rows), Cell::Date(v) => v)
        }
        DataType::Time => build_with!(
            cells,
            Time64MicrosecondBuilder::with_capacity(rows),
            Cell::Micros(v) => v
        ),
        DataType::Timestamp | DataType::Datetime => build_with!(
            cells,
            TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(arrow_type(result)),
            Cell::Micros(v) => v
        ),
        DataType::Array(element) => {
            let (mut lengths, mut valid, mut items) = (Vec::new(), Vec::new(), Vec::new());
            for cell in cells {
                let elements = if let Cell::List(elements) = cell? { Some(elements) } else { None };
                valid.push(elements.is_some());
                let elements = elements.unwrap_or_default();
                lengths.push(elements.len());
                items.extend(elements);
            }
            let offsets = OffsetBuffer::from_lengths(lengths);
            let items = build(element, items.into_iter().map(Ok))?;
            Arc::new(ListArray::new(list_field(element), offsets, items, Some(valid.into())))
        }
        // Row functions answer no records; the registry has no entry of such a result.
        DataType::Struct(_) => new_null_array(&arrow_type(result), rows),
    })
}
