//! STRUCT and ARRAY values that a statement builds, and the elements it takes out of arrays.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray, UInt64Array, new_empty_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{self, Subscript};

use super::functions::call;
use super::literals::data_type_of;
use super::refusal::{evaluation, invalid, unsupported};
use super::rowwise::native;
use super::scope::{Place, field_at};
use super::typed::{Origin, Typed, supertype};
use super::{Binder, Span};
use crate::warehouse::values::{arrow_type, list_field, struct_fields};

impl Binder<'_> {
    /// `STRUCT(…)` and `STRUCT<…>(…)`.
    pub(super) fn record(
        &mut self,
        values: &[ast::Expr],
        fields: &[ast::StructField],
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        if !fields.is_empty() && fields.len() != values.len() {
            let (f, v) = (fields.len(), values.len());
            return Err(invalid(format!("a STRUCT of {f} fields with {v} values"), span));
        }
        let mut named = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            let (value, alias) = match value {
                ast::Expr::Named { expr, name } => (&**expr, Some(name.value.clone())),
                other => (other, super::select::implied_name(other)),
            };
            let bound = self.expr(value, place)?;
            named.push(match fields.get(at) {
                Some(field) => {
                    let ast::StructField { field_name, field_type, options: None } = field else {
                        return Err(unsupported("OPTIONS in a STRUCT", span));
                    };
                    let kind = data_type_of(field_type, span)?;
                    let name = field_name.as_ref().map(|n| n.value.clone()).unwrap_or_default();
                    (name, bound.coerce(&kind, span)?)
                }
                None => (alias.unwrap_or_default(), bound),
            });
        }
        if named.is_empty() {
            return Err(unsupported("a STRUCT without fields", span));
        }
        Ok(record(named))
    }

    /// `(a, b)`, whose fields have no names.
    pub(super) fn tuple(
        &mut self,
        values: &[ast::Expr],
        place: &Place<'_>,
    ) -> Result<Typed, PortError> {
        let bound: Result<Vec<_>, _> =
            values.iter().map(|v| Ok((String::new(), self.expr(v, place)?))).collect();
        Ok(record(bound?))
    }

    /// `[a, b]`, and with `element` `ARRAY<…>[a, b]`.
    pub(super) fn array(
        &mut self,
        elements: &[ast::Expr],
        element: Option<&DataType>,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let bound: Result<Vec<_>, _> = elements.iter().map(|e| self.expr(e, place)).collect();
        let bound = bound?;
        let kind = match element {
            Some(element) => element.clone(),
            None => supertype(&bound, span)?,
        };
        if matches!(kind, DataType::Array(_)) {
            return Err(invalid("an array of arrays does not exist", span));
        }
        let list = DataType::Array(Box::new(kind.clone()));
        if bound.is_empty() {
            return Typed::known(Value::Array(Vec::new()), list, span);
        }
        let (mut exprs, mut values) = (Vec::new(), Vec::new());
        for element in bound {
            let written = element.origin.clone();
            let element = element.coerce(&kind, span)?;
            exprs.push(element.expr);
            match (element.origin, written) {
                (Origin::Known(value), _) => values.push(value),
                // A literal that widens keeps being one.
                (_, Origin::Known(Value::Int64(i))) if kind == DataType::Float64 => {
                    values.push(Value::Float64(super::functions::cast::int_to_f64(i)));
                }
                (_, Origin::Known(Value::Int64(i))) if kind == DataType::Numeric => {
                    values.push(Value::Numeric(i.to_string()));
                }
                _ => {}
            }
        }
        if values.len() == exprs.len() {
            return Typed::known(Value::Array(values), list, span);
        }
        Ok(Typed::computed(listed(&kind, exprs), list))
    }

    /// `array[OFFSET(n)]` and its siblings; a bare index counts from zero.
    pub(super) fn subscript(
        &mut self,
        value: &Typed,
        subscript: &Subscript,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let Subscript::Index { index } = subscript else {
            return Err(unsupported("a slice of an array", span));
        };
        if value.kind == DataType::Json {
            let at = self.expr(index, place)?;
            let of = if at.kind == DataType::Int64 { "JSON ELEMENT" } else { "JSON MEMBER" };
            return call(of, vec![value.clone(), at], span);
        }
        let DataType::Array(element) = &value.kind else {
            return Err(unsupported(format!("[] on a {}", value.kind_name()), span));
        };
        let (index, first, safe) = match position(index) {
            Some((index, first, safe)) => (index, first, safe),
            None => (index, 0, false),
        };
        let at = self.expr(index, place)?;
        if at.kind != DataType::Int64 {
            return Err(invalid(format!("an array's index is an INT64, not {}", at.kind), span));
        }
        let kind = (**element).clone();
        let evaluate =
            Arc::new(move |columns: &[ArrayRef], rows: usize| pick(columns, rows, first, safe));
        let name = format!("ELEMENT {first} {safe}");
        let expr = native(name, 0, &kind, vec![value.expr.clone(), at.expr], evaluate);
        Ok(Typed::computed(expr, kind))
    }
}

/// The index within OFFSET, ORDINAL and their SAFE forms, where it starts, and whether it may miss.
fn position(index: &ast::Expr) -> Option<(&ast::Expr, i64, bool)> {
    let ast::Expr::Function(ast::Function { name, args, over: None, .. }) = index else {
        return None;
    };
    let (first, safe) = match name.to_string().to_ascii_uppercase().as_str() {
        "OFFSET" => (0, false),
        "ORDINAL" => (1, false),
        "SAFE_OFFSET" => (0, true),
        "SAFE_ORDINAL" => (1, true),
        _ => return None,
    };
    let ast::FunctionArguments::List(list) = args else { return None };
    match &list.args[..] {
        [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(index))] => {
            Some((index, first, safe))
        }
        _ => None,
    }
}

fn pick(columns: &[ArrayRef], rows: usize, first: i64, safe: bool) -> DfResult<ArrayRef> {
    let lists = columns[0].as_list::<i32>();
    let indexes = columns[1].as_primitive::<Int64Type>();
    let mut picked = Vec::with_capacity(rows);
    for row in 0..rows {
        if lists.is_null(row) || indexes.is_null(row) {
            picked.push(None);
            continue;
        }
        let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
        let index = indexes.value(row);
        let at = index.checked_sub(first).and_then(|at| at.checked_add(i64::from(start)));
        match at.filter(|at| (i64::from(start)..i64::from(end)).contains(at)) {
            Some(at) => picked.push(u64::try_from(at).ok()),
            None if safe => picked.push(None),
            None => {
                let message = format!("the index {index} is outside an array of {}", end - start);
                return Err(evaluation(message));
            }
        }
    }
    Ok(take(lists.values(), &UInt64Array::from(picked), None)?)
}

/// A STRUCT of named values; an empty name is none.
pub(super) fn record(fields: Vec<(String, Typed)>) -> Typed {
    let kinds: Vec<_> = fields.iter().map(|(name, v)| (name.clone(), v.kind.clone())).collect();
    let kind = DataType::Struct(kinds.clone());
    let values: Vec<Typed> = fields.into_iter().map(|(_, value)| value).collect();
    let evaluate = Arc::new(move |columns: &[ArrayRef], _: usize| {
        let record = StructArray::try_new(struct_fields(&kinds), columns.to_vec(), None)?;
        Ok(Arc::new(record) as ArrayRef)
    });
    let exprs = values.iter().map(|v| v.expr.clone()).collect();
    let expr = native(format!("NEW {kind}"), 0, &kind, exprs, evaluate);
    Typed { expr, kind, origin: Origin::Record(values) }
}

/// The same value under other names of its STRUCTs' fields.
pub(super) fn renamed(value: Expr, target: &DataType) -> Expr {
    let kind = target.clone();
    let evaluate = Arc::new(move |columns: &[ArrayRef], _: usize| relabelled(&columns[0], &kind));
    native(format!("AS {target}"), 0, target, vec![value], evaluate)
}

fn relabelled(values: &ArrayRef, kind: &DataType) -> DfResult<ArrayRef> {
    match kind {
        DataType::Array(element) => {
            let lists = values.as_list::<i32>();
            let items = relabelled(lists.values(), element)?;
            let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(list_field(element), offsets, items, nulls)?))
        }
        DataType::Struct(fields) => {
            let record = values.as_struct();
            let columns: DfResult<Vec<_>> =
                record.columns().iter().zip(fields).map(|(c, (_, k))| relabelled(c, k)).collect();
            let nulls = record.nulls().cloned();
            Ok(Arc::new(StructArray::try_new(struct_fields(fields), columns?, nulls)?))
        }
        _ => Ok(Arc::clone(values)),
    }
}

/// The fields of a STRUCT as values of their own.
pub(super) fn parts(record: &Typed) -> Option<Vec<Typed>> {
    if let Origin::Record(values) = &record.origin {
        return Some(values.clone());
    }
    let DataType::Struct(fields) = &record.kind else { return None };
    let part = |(at, (_, kind)): (usize, &(String, DataType))| {
        Typed::computed(field_at(record.expr.clone(), at, kind), kind.clone())
    };
    Some(fields.iter().enumerate().map(part).collect())
}

/// An ARRAY of one value of each expression, all of type `element`.
pub(super) fn listed(element: &DataType, exprs: Vec<Expr>) -> Expr {
    let kind = element.clone();
    let evaluate = Arc::new(move |columns: &[ArrayRef], rows: usize| {
        let values = if rows == 0 {
            new_empty_array(&arrow_type(&kind))
        } else {
            let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
            let places: Vec<(usize, usize)> =
                (0..rows).flat_map(|row| (0..columns.len()).map(move |c| (c, row))).collect();
            interleave(&columns, &places)?
        };
        let lengths = OffsetBuffer::from_repeated_length(columns.len(), rows);
        Ok(Arc::new(ListArray::try_new(list_field(&kind), lengths, values, None)?) as ArrayRef)
    });
    let list = DataType::Array(Box::new(element.clone()));
    native(format!("LIST {element}"), 0, &list, exprs, evaluate)
}

/// Whether a type holds an ARRAY.
pub(super) fn holds_arrays(kind: &DataType) -> bool {
    match kind {
        DataType::Array(_) => true,
        DataType::Struct(fields) => fields.iter().any(|(_, kind)| holds_arrays(kind)),
        _ => false,
    }
}

/// A column as a table or a result holds it: a NULL array is an empty one, and no array has a NULL element.
pub(super) fn stored(value: Expr, kind: &DataType) -> Expr {
    let of = kind.clone();
    let evaluate = Arc::new(move |columns: &[ArrayRef], _: usize| settled(&columns[0], &of));
    native("STORED", 0, kind, vec![value], evaluate)
}

fn settled(values: &ArrayRef, kind: &DataType) -> DfResult<ArrayRef> {
    match kind {
        DataType::Array(element) => {
            let lists = values.as_list::<i32>();
            let lists = if lists.null_count() == 0 { lists.clone() } else { without_nulls(lists)? };
            let (start, end) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            let (start, end) = (start.unsigned_abs() as usize, end.unsigned_abs() as usize);
            if lists.values().slice(start, end - start).logical_null_count() > 0 {
                let message = "an array of the result has a NULL element: leave it out, for example with IGNORE NULLS or a WHERE";
                return Err(evaluation(message));
            }
            if !holds_arrays(element) {
                return Ok(Arc::new(lists));
            }
            let items = settled(lists.values(), element)?;
            let list =
                ListArray::try_new(list_field(element), lists.offsets().clone(), items, None)?;
            Ok(Arc::new(list))
        }
        DataType::Struct(fields) if holds_arrays(kind) => {
            let record = values.as_struct();
            let columns: DfResult<Vec<_>> =
                record.columns().iter().zip(fields).map(|(c, (_, k))| settled(c, k)).collect();
            let nulls = record.nulls().cloned();
            Ok(Arc::new(StructArray::try_new(struct_fields(fields), columns?, nulls)?))
        }
        _ => Ok(Arc::clone(values)),
    }
}

/// NULL lists as empty ones.
fn without_nulls(lists: &ListArray) -> DfResult<ListArray> {
    let ends = lists.value_offsets();
    let mut places: Vec<i64> = Vec::new();
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let before = places.len();
        if lists.is_valid(row) {
            places.extend((ends[row]..ends[row + 1]).map(i64::from));
        }
        lengths.push(places.len() - before);
    }
    let items = take(lists.values(), &Int64Array::from(places), None)?;
    let field = match lists.data_type() {
        datafusion::arrow::datatypes::DataType::List(field) => Arc::clone(field),
        other => return Err(evaluation(format!("a list of the type {other}"))),
    };
    Ok(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, None)?)
}
