//! Calls of the aggregates that keep their values: `ARRAY_AGG` and `STRING_AGG`, with DISTINCT, IGNORE NULLS, ORDER BY and LIMIT in their parentheses,
//! and the approximate ones, which are exact here.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArgumentClause as Clause, FunctionArguments, HavingBound, HavingBoundKind,
    NullTreatment,
};

use super::aggregates::{Collection, Direction, Finish};
use super::calls::{expressions, plain_args};
use super::functions::{arrays, call};
use super::refusal::{invalid, unsupported};
use super::scope::Place;
use super::select::aggregates;
use super::typed::{Origin, Typed};
use super::windows::has_windows;
use super::{Binder, Span};
use crate::warehouse::values::arrow_type;

/// The most elements of an array that an approximate aggregate makes.
const MOST_ELEMENTS: usize = 100_000;

impl Binder<'_> {
    /// Binds a call of `ARRAY_AGG` or `STRING_AGG`.
    pub(super) fn collecting(
        &mut self,
        called: &str,
        args: &FunctionArguments,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let inner = place.inside_aggregate(called, span)?;
        let FunctionArguments::List(list) = args else {
            return Err(invalid(format!("{called} without a value"), span));
        };
        let (bare, clauses) = without_clauses(list);
        let (distinct, args) = plain_args(called, &bare, span)?;
        let args = expressions(called, &args, span)?;
        let texts = called == "STRING_AGG";
        let (value, delimiter) = match (&args[..], texts) {
            ([value], _) => (self.expr(value, &inner)?, texts.then(|| ",".to_owned())),
            ([value, delimiter], true) => {
                let Origin::Known(Value::String(text)) = self.expr(delimiter, &inner)?.origin
                else {
                    return Err(unsupported("STRING_AGG with a computed delimiter", span));
                };
                (self.expr(value, &inner)?, Some(text))
            }
            _ => return Err(invalid(format!("{called} of {} values", args.len()), span)),
        };
        let value = if texts { value.coerce(&DataType::String, span)? } else { value };
        if matches!(value.kind, DataType::Array(_)) {
            return Err(invalid("ARRAY_AGG of an ARRAY: there is no array of arrays", span));
        }
        if distinct {
            super::query::group_key(value.clone(), span)?;
        }
        let mut collection = Collection {
            kind: value.kind.clone(),
            finish: delimiter.map_or(Finish::Array, Finish::Text),
            distinct,
            ignore_nulls: texts,
            keys: Vec::new(),
            limit: None,
        };
        let mut inputs = vec![value.expr.clone()];
        for clause in &clauses {
            match clause {
                Clause::IgnoreOrRespectNulls(nulls) if !texts => {
                    collection.ignore_nulls = *nulls == NullTreatment::IgnoreNulls;
                }
                Clause::OrderBy(order) => {
                    for item in order {
                        let key = self.collected_key(item, &value, distinct, &inner)?;
                        collection.keys.push((key.1, key.2));
                        inputs.push(key.0);
                    }
                }
                Clause::Limit(limit) => {
                    let span = self.at(limit);
                    let limit = match self.expr(limit, &inner)?.origin {
                        Origin::Known(Value::Int64(n)) => {
                            usize::try_from(n).ok().filter(|n| *n > 0)
                        }
                        _ => None,
                    };
                    let message = "LIMIT takes a constant INT64 of at least 1";
                    collection.limit = Some(limit.ok_or_else(|| invalid(message, span))?);
                }
                other => return Err(unsupported(format!("{called} with {other}"), span)),
            }
        }
        if inputs.iter().any(|e| aggregates(e) || has_windows(e)) {
            return Err(invalid(format!("{called} of an aggregate or a window function"), span));
        }
        let result = collection.result();
        Ok(Typed::computed(collection.call(inputs), result))
    }

    /// Binds a call of `APPROX_QUANTILES` or `APPROX_TOP_COUNT`.
    pub(super) fn approximating(
        &mut self,
        called: &str,
        args: &FunctionArguments,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let inner = place.inside_aggregate(called, span)?;
        let (distinct, args) = plain_args(called, args, span)?;
        let args = expressions(called, &args, span)?;
        let [value, number] = args[..] else {
            return Err(invalid(format!("{called} takes a value and a number"), span));
        };
        let value = self.expr(value, &inner)?;
        let number = match self.expr(number, &inner)?.origin {
            Origin::Known(Value::Int64(n)) => usize::try_from(n).ok().filter(|n| *n > 0),
            _ => None,
        };
        let message = format!("the number of {called} is a constant INT64 of at least 1");
        let number = number.ok_or_else(|| invalid(message, span))?;
        if number > MOST_ELEMENTS {
            return Err(unsupported(format!("{called} with more than {MOST_ELEMENTS}"), span));
        }
        let quantiles = called == "APPROX_QUANTILES";
        let sorted = super::query::sortable(value.clone(), span)?;
        if !quantiles && distinct {
            return Err(invalid(format!("DISTINCT in {called}"), span));
        }
        if aggregates(&value.expr) || has_windows(&value.expr) {
            return Err(invalid(format!("{called} of an aggregate or a window function"), span));
        }
        let key = super::query::sort_type(&value.kind);
        let collection = Collection {
            kind: value.kind,
            finish: if quantiles { Finish::Quantiles(number) } else { Finish::Frequent(number) },
            distinct,
            ignore_nulls: quantiles,
            keys: vec![(key, Direction { ascending: true, nulls_first: true })],
            limit: None,
        };
        let result = collection.result();
        Ok(Typed::computed(collection.call(vec![value.expr, sorted]), result))
    }

    /// Binds `MAX_BY`, `MIN_BY` or `ANY_VALUE` with HAVING MAX or MIN; `None` for a plain `ANY_VALUE`.
    pub(super) fn value_by(
        &mut self,
        called: &str,
        args: &FunctionArguments,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Option<Typed>, PortError> {
        let FunctionArguments::List(list) = args else { return Ok(None) };
        let (bare, clauses) = without_clauses(list);
        let (distinct, args) = plain_args(called, &bare, span)?;
        let args = expressions(called, &args, span)?;
        let (value, key, greatest) = match (called, &args[..], &clauses[..]) {
            ("MAX_BY", [value, key], []) => (*value, *key, true),
            ("MIN_BY", [value, key], []) => (*value, *key, false),
            ("ANY_VALUE", [value], [Clause::Having(HavingBound(bound, key))]) => {
                (*value, key, *bound == HavingBoundKind::Max)
            }
            ("ANY_VALUE", ..) => return Ok(None),
            _ => return Err(invalid(format!("{called} takes a value and a key"), span)),
        };
        if distinct {
            return Err(unsupported(format!("{called}(DISTINCT …)"), span));
        }
        let inner = place.inside_aggregate(called, span)?;
        let (value, key) = (self.expr(value, &inner)?, self.expr(key, &inner)?);
        if [&value, &key].iter().any(|v| aggregates(&v.expr) || has_windows(&v.expr)) {
            return Err(invalid(format!("{called} of an aggregate or a window function"), span));
        }
        if matches!(value.kind, DataType::Array(_)) {
            return Err(unsupported(format!("{called} of an ARRAY"), span));
        }
        let first = Direction { ascending: !greatest, nulls_first: false };
        let known = Direction { ascending: true, nulls_first: false };
        let collection = Collection {
            kind: value.kind.clone(),
            finish: Finish::Array,
            distinct: false,
            ignore_nulls: false,
            keys: vec![
                (super::query::sort_type(&key.kind), first),
                (arrow_type(&DataType::Bool), known),
            ],
            limit: Some(1),
        };
        let null = value.expr.clone().is_null();
        let sorted = match &key.kind {
            DataType::Float64 => call("EXTREME KEY", vec![key], span)?.expr,
            _ => super::query::sortable(key, span)?,
        };
        let result = collection.result();
        let one = Typed::computed(collection.call(vec![value.expr, sorted, null]), result);
        arrays::bind("ARRAY_FIRST", vec![one], span).map(Some)
    }

    fn collected_key(
        &mut self,
        item: &ast::OrderByExpr,
        value: &Typed,
        distinct: bool,
        place: &Place<'_>,
    ) -> Result<
        (datafusion::logical_expr::Expr, datafusion::arrow::datatypes::DataType, Direction),
        PortError,
    > {
        let ast::OrderByExpr { expr, options, with_fill: None } = item else {
            return Err(unsupported("WITH FILL", self.here));
        };
        let span = self.at(expr);
        let key = self.expr(expr, place)?;
        if key.origin != Origin::Computed {
            return Err(unsupported("a constant in an aggregate's ORDER BY", span));
        }
        if distinct && key != *value {
            let message = "ORDER BY beside DISTINCT in an aggregate takes its value alone";
            return Err(invalid(message, span));
        }
        let kind = super::query::sort_type(&key.kind);
        let ascending = options.asc.unwrap_or(true);
        let nulls_first = options.nulls_first.unwrap_or(ascending);
        let sorted = super::query::sortable(key, span)?;
        Ok((sorted, kind, Direction { ascending, nulls_first }))
    }
}

/// The arguments alone, and the clauses that stood behind them.
fn without_clauses(list: &ast::FunctionArgumentList) -> (FunctionArguments, Vec<Clause>) {
    let mut bare = list.clone();
    let clauses = std::mem::take(&mut bare.clauses);
    (FunctionArguments::List(bare), clauses)
}
