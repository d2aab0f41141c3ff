//! COALESCE, and IFNULL, which is the same of two.

use std::sync::Arc;

use common::port::PortError;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::interleave;
use datafusion::common::Result as Computed;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::expr::choose;
use super::super::rowwise::native;
use super::super::typed::{Typed, supertype};

/// Binds COALESCE: the first value that is not NULL.
pub(crate) fn bind(values: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let kind = supertype(&values, span)?;
    let mut coerced = Vec::with_capacity(values.len());
    for value in values {
        coerced.push(value.coerce(&kind, span)?);
    }
    if let [only] = &coerced[..] {
        return Ok(only.clone());
    }
    // What is only read cannot fail, so its evaluation need not wait for a NULL before it.
    let read = |value: &Typed| matches!(value.expr, Expr::Column(_) | Expr::Literal(..));
    if coerced[1..].iter().all(read) {
        let exprs = coerced.into_iter().map(|value| value.expr).collect();
        let call = native("COALESCE", 0, &kind, exprs, Arc::new(first_known));
        return Ok(Typed::computed(call, kind));
    }
    let tests = coerced[..coerced.len() - 1].iter().map(|v| v.expr.clone().is_not_null()).collect();
    choose(tests, coerced, span)
}

fn first_known(columns: &[ArrayRef], rows: usize) -> Computed<ArrayRef> {
    let nulls: Vec<_> = columns.iter().map(Array::logical_nulls).collect();
    let known = |row: usize| {
        let known = nulls.iter().position(|n| n.as_ref().is_none_or(|n| n.is_valid(row)));
        (known.unwrap_or(columns.len() - 1), row)
    };
    let places: Vec<(usize, usize)> = (0..rows).map(known).collect();
    let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&columns, &places)?)
}
