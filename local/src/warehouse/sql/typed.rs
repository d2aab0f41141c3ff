//! A bound expression with its GoogleSQL type, and the implicit coercions GoogleSQL has.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::functions::cast::{convert, parse_text};
use super::records::{parts, record, renamed};
use super::refusal::{invalid, unsupported};
use crate::warehouse::values::{arrow_type, scalar};

/// Where a value comes from: literals and parameters coerce more widely than expressions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// Computed from rows.
    Computed,
    /// The bare NULL, which has any type.
    Null,
    /// A literal or a parameter.
    Known(Value),
    /// A STRUCT built in place, of these.
    Record(Vec<Typed>),
}

/// An expression over the current plan's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    /// As DataFusion evaluates it.
    pub(crate) expr: Expr,
    /// Its GoogleSQL type; of the bare NULL, INT64.
    pub(crate) kind: DataType,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Above it, neighbouring doubles are too coarse to tell NUMERICs of nine decimals apart.
const FINE: f64 = 1_048_576.0;

impl Typed {
    /// A computed expression.
    pub(crate) fn computed(expr: Expr, kind: DataType) -> Self {
        Self { expr, kind, origin: Origin::Computed }
    }

    /// A typed constant.
    pub(crate) fn known(value: Value, kind: DataType, span: Span) -> Result<Self, PortError> {
        let expr = lit(scalar(&value, &kind).map_err(|e| invalid(e, span))?);
        Ok(Self { expr, kind, origin: Origin::Known(value) })
    }

    /// The bare NULL.
    pub(crate) fn null() -> Self {
        Self { expr: lit(ScalarValue::Int64(None)), kind: DataType::Int64, origin: Origin::Null }
    }

    /// The type's name as an error shows it.
    pub(crate) fn kind_name(&self) -> String {
        match self.origin {
            Origin::Null => "NULL".to_owned(),
            Origin::Computed | Origin::Known(_) | Origin::Record(_) => self.kind.to_string(),
        }
    }

    /// Whether GoogleSQL gives this a value of `target` without a CAST.
    pub(crate) fn coerces_to(&self, target: &DataType) -> bool {
        if self.kind == *target || self.origin == Origin::Null {
            return true;
        }
        match (&self.kind, target) {
            (DataType::Int64, DataType::Numeric | DataType::Float64)
            | (DataType::Numeric, DataType::Float64) => true,
            (
                DataType::String,
                DataType::Date | DataType::Timestamp | DataType::Datetime | DataType::Time,
            ) => {
                matches!(self.origin, Origin::Known(_))
            }
            // An empty array literal takes the other side's elements.
            (DataType::Array(_), DataType::Array(_)) => {
                matches!(&self.origin, Origin::Known(Value::Array(items)) if items.is_empty())
            }
            (DataType::Struct(from), DataType::Struct(to)) => match &self.origin {
                Origin::Record(fields) => {
                    fields.len() == to.len()
                        && fields.iter().zip(to).all(|(field, (_, kind))| field.coerces_to(kind))
                }
                _ => from.len() == to.len() && from.iter().zip(to).all(|((_, a), (_, b))| a == b),
            },
            _ => false,
        }
    }

    /// The same value as `target`, where GoogleSQL coerces it.
    pub(crate) fn coerce(self, target: &DataType, span: Span) -> Result<Self, PortError> {
        if self.kind == *target && self.origin != Origin::Null {
            return Ok(self);
        }
        if !self.coerces_to(target) {
            let from = self.kind_name();
            return Err(invalid(
                format!("a value of type {from} is not a {target}; CAST it"),
                span,
            ));
        }
        match self.origin {
            Origin::Null => {
                let null = ScalarValue::try_from(&arrow_type(target));
                let null = null.map_err(|e| PortError::other("a typed NULL", e))?;
                Ok(Self { expr: lit(null), kind: target.clone(), origin: Origin::Null })
            }
            Origin::Known(Value::String(text)) => {
                let value = parse_text(&text, target).map_err(|e| invalid(e, span))?;
                Self::known(value, target.clone(), span)
            }
            Origin::Known(Value::Array(items)) if items.is_empty() => {
                Self::known(Value::Array(items), target.clone(), span)
            }
            Origin::Record(fields) => {
                let DataType::Struct(to) = target else {
                    return Err(invalid(format!("a STRUCT is not a {target}"), span));
                };
                let fields = fields.into_iter().zip(to);
                let fields: Result<_, _> = fields
                    .map(|(field, (name, kind))| Ok((name.clone(), field.coerce(kind, span)?)))
                    .collect();
                Ok(record(fields?))
            }
            Origin::Known(_) | Origin::Computed if matches!(target, DataType::Struct(_)) => {
                Ok(Self::computed(renamed(self.expr, target), target.clone()))
            }
            Origin::Known(_) | Origin::Computed => {
                Ok(Self::computed(convert(self.expr, &self.kind, target, false), target.clone()))
            }
        }
    }

    /// Whether this FLOAT64 constant compares with every NUMERIC the same way as doubles and as decimals.
    fn fine_constant(&self) -> bool {
        matches!(self.origin, Origin::Known(Value::Float64(x))
            if x.abs() < FINE && (x * 1e9).fract().abs() < 1e-6)
    }
}

/// The common type of several values, as for CASE, COALESCE, IN and set operations.
pub(crate) fn supertype(values: &[Typed], span: Span) -> Result<DataType, PortError> {
    let typed = || values.iter().filter(|v| v.origin != Origin::Null);
    let Some(first) = typed().next() else { return Ok(DataType::Int64) };
    let mut candidates: Vec<&DataType> = typed().map(|v| &v.kind).collect();
    candidates.push(&first.kind);
    if mixes_decimals(values) {
        return Err(mixed(span));
    }
    if let DataType::Struct(names) = &first.kind
        && typed().any(|v| v.kind != first.kind)
    {
        return record_type(names, &typed().collect::<Vec<_>>(), span);
    }
    for candidate in candidates {
        if typed().all(|v| v.coerces_to(candidate)) {
            return Ok(candidate.clone());
        }
    }
    let kinds: Vec<_> = values.iter().map(Typed::kind_name).collect();
    Err(invalid(format!("no common type for {}; CAST them to one", kinds.join(", ")), span))
}

/// The common type of STRUCTs, field by field, with the names of the first.
fn record_type(
    names: &[(String, DataType)],
    records: &[&Typed],
    span: Span,
) -> Result<DataType, PortError> {
    let fields: Option<Vec<Vec<Typed>>> = records.iter().map(|r| parts(r)).collect();
    let fields = fields.filter(|all| all.iter().all(|f| f.len() == names.len()));
    let Some(fields) = fields else {
        return Err(invalid("no common type for these STRUCTs; CAST their fields", span));
    };
    let mut kinds = Vec::with_capacity(names.len());
    for (at, (name, _)) in names.iter().enumerate() {
        let column: Vec<Typed> = fields.iter().map(|f| f[at].clone()).collect();
        kinds.push((name.clone(), supertype(&column, span)?));
    }
    Ok(DataType::Struct(kinds))
}

/// GoogleSQL reads a FLOAT64 literal beside a NUMERIC by rules of its own; where they may matter we ask.
fn mixes_decimals(values: &[Typed]) -> bool {
    let known_float =
        |v: &Typed| v.kind == DataType::Float64 && matches!(v.origin, Origin::Known(_));
    values.iter().any(known_float) && values.iter().any(|v| v.kind == DataType::Numeric)
}

/// The refusal of a NUMERIC beside a FLOAT64 literal.
pub(crate) fn mixed(span: Span) -> PortError {
    unsupported(
        "NUMERIC beside a FLOAT64 literal (write it as NUMERIC '…' or CAST one of them)",
        span,
    )
}

/// Refuses a value compared with several where one comparison would be of doubles and another would not:
/// GoogleSQL takes one type for all of them.
pub(crate) fn one_kind(value: &Typed, others: &[Typed], span: Span) -> Result<(), PortError> {
    let typed = || others.iter().filter(|t| t.origin != Origin::Null);
    let doubles = typed().filter(|t| t.kind == DataType::Float64).count();
    if value.kind == DataType::Float64 || doubles == 0 || doubles == typed().count() {
        return Ok(());
    }
    let kind = value.kind_name();
    Err(invalid(
        format!("{kind} and others beside FLOAT64 in one list: CAST them to one type"),
        span,
    ))
}

/// Two sides of a comparison in their common type.
pub(crate) fn comparable(
    left: Typed,
    right: Typed,
    span: Span,
) -> Result<(Typed, Typed, DataType), PortError> {
    let (left, right) = match (&left.kind, &right.kind) {
        (DataType::Numeric, DataType::Float64) if right.fine_constant() => {
            (left, as_numeric(right, span)?)
        }
        (DataType::Float64, DataType::Numeric) if left.fine_constant() => {
            (as_numeric(left, span)?, right)
        }
        _ => (left, right),
    };
    let kind = supertype(&[left.clone(), right.clone()], span)?;
    let left = left.coerce(&kind, span)?;
    let right = right.coerce(&kind, span)?;
    Ok((left, right, kind))
}

fn as_numeric(constant: Typed, span: Span) -> Result<Typed, PortError> {
    let Origin::Known(Value::Float64(x)) = constant.origin else { return Ok(constant) };
    let text = crate::warehouse::numeric::from_f64(x).map(crate::warehouse::numeric::format);
    let text = text.ok_or_else(|| invalid(format!("{x} is not a NUMERIC"), span))?;
    Typed::known(Value::Numeric(text), DataType::Numeric, span)
}
