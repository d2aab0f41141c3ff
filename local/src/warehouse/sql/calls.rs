//! Function calls: plain ones, those with a date part, the conditionals, and the aggregates.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
};

use super::aggregates::AggregateKind;
use super::expr::choose;
use super::functions::zones::Zone;
use super::functions::{self, arrays, coalesced, dates, exists, extremes, formats, json};
use super::grouping::grouping;
use super::operators::compare;
use super::refusal::{invalid, unsupported};
use super::scope::Place;
use super::typed::{Origin, Typed};
use super::{Binder, Span, reference};

impl Binder<'_> {
    /// Binds a call by its GoogleSQL name.
    pub(super) fn function(
        &mut self,
        function: &ast::Function,
        place: &Place<'_>,
    ) -> Result<Typed, PortError> {
        let ast::Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            filter,
            null_treatment,
            over,
            within_group,
        } = function;
        let span = self.at(name);
        let (safe, called) = match &name.0[..] {
            [ObjectNamePart::Identifier(ident)] => (false, ident.value.to_ascii_uppercase()),
            [ObjectNamePart::Identifier(prefix), ObjectNamePart::Identifier(ident)]
                if prefix.value.eq_ignore_ascii_case("SAFE")
                    && functions::safe(&ident.value.to_ascii_uppercase()) =>
            {
                (true, ident.value.to_ascii_uppercase())
            }
            _ => return Err(unsupported(format!("the function {name}"), span)),
        };
        let odd = *uses_odbc_syntax
            || !matches!(parameters, FunctionArguments::None)
            || filter.is_some()
            || null_treatment.is_some()
            || !within_group.is_empty();
        if !reference::lists(&called) {
            return Err(unsupported(format!("the function {called}"), span));
        }
        if odd {
            return Err(unsupported(format!("this form of {called}"), span));
        }
        if let Some(over) = over {
            return self.window_call(&called, args, over, place, span);
        }
        if let (FunctionArguments::Subquery(query), "ARRAY") = (args, called.as_str()) {
            return self.array_subquery(query, place, span);
        }
        if matches!(called.as_str(), "ARRAY_AGG" | "STRING_AGG") {
            return self.collecting(&called, args, place, span);
        }
        if matches!(called.as_str(), "APPROX_QUANTILES" | "APPROX_TOP_COUNT") {
            return self.approximating(&called, args, place, span);
        }
        if matches!(called.as_str(), "MAX_BY" | "MIN_BY" | "ANY_VALUE")
            && let Some(value) = self.value_by(&called, args, place, span)?
        {
            return Ok(value);
        }
        let (distinct, args) = plain_args(&called, args, span)?;
        if let Some(kind) = AggregateKind::named(&called) {
            return self.aggregate(&called, kind, distinct, &args, place, span);
        }
        if distinct {
            return Err(invalid(format!("DISTINCT in {called}, which does not aggregate"), span));
        }
        let args = expressions(&called, &args, span)?;
        let stepped = matches!(args.last(), Some(ast::Expr::Interval(_)))
            && dates::SERIES.contains(&called.as_str());
        if stepped || dates::NAMES.contains(&called.as_str()) {
            return self.dated(&called, &args, place, span);
        }
        match called.as_str() {
            "CURRENT_TIMESTAMP" if args.is_empty() => {
                Typed::known(Value::Timestamp(self.now), DataType::Timestamp, span)
            }
            "CURRENT_DATE" | "CURRENT_DATETIME" | "CURRENT_TIME" if args.len() < 2 => {
                self.current(&called, args.first().copied(), place, span)
            }
            "GROUPING" => {
                let [key] = self.exactly(&called, &args, place, span)?;
                Ok(Typed::computed(grouping(&key), DataType::Int64))
            }
            "IF" => {
                let [test, yes, no] = self.exactly(&called, &args, place, span)?;
                let test = test.coerce(&DataType::Bool, span)?;
                choose(vec![test.expr], vec![yes, no], span)
            }
            "IFNULL" => {
                let [value, other] = self.exactly(&called, &args, place, span)?;
                coalesced::bind(vec![value, other], span)
            }
            "COALESCE" if !args.is_empty() => {
                let values = self.values(&args, place)?;
                coalesced::bind(values, span)
            }
            "NULLIF" => {
                let [value, other] = self.exactly(&called, &args, place, span)?;
                let equal = compare("=", value.clone(), other.clone(), span)?;
                let kind = super::typed::supertype(&[value.clone(), other], span)?;
                let value = value.coerce(&kind, span)?;
                choose(vec![equal.expr], vec![Typed::null(), value], span)
            }
            _ => {
                let values = self.values(&args, place)?;
                by_rows(&called, values, safe, span)
            }
        }
    }

    fn values(&mut self, args: &[&ast::Expr], place: &Place<'_>) -> Result<Vec<Typed>, PortError> {
        args.iter().map(|a| self.expr(a, place)).collect()
    }

    /// The day, time or both that a zone's clock shows.
    fn current(
        &mut self,
        called: &str,
        zone: Option<&ast::Expr>,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let zone = self.zone(zone, place, span)?;
        let ahead = zone.ahead(self.now.timestamp_micros()).map_err(|e| invalid(e, span))?;
        let now = (self.now + chrono::Duration::microseconds(ahead)).naive_utc();
        match called {
            "CURRENT_DATE" => Typed::known(Value::Date(now.date()), DataType::Date, span),
            "CURRENT_TIME" => Typed::known(Value::Time(now.time()), DataType::Time, span),
            _ => Typed::known(Value::Datetime(now), DataType::Datetime, span),
        }
    }

    fn exactly<const N: usize>(
        &mut self,
        called: &str,
        args: &[&ast::Expr],
        place: &Place<'_>,
        span: Span,
    ) -> Result<[Typed; N], PortError> {
        let count = args.len();
        self.values(args, place)?
            .try_into()
            .map_err(|_| invalid(format!("{called} takes {N} values, not {count}"), span))
    }

    /// The constant time zone of a call; UTC without one.
    pub(super) fn zone(
        &mut self,
        zone: Option<&ast::Expr>,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Zone, PortError> {
        let Some(zone) = zone else { return Ok(Zone::UTC) };
        match self.expr(zone, place)?.origin {
            Origin::Known(Value::String(zone)) => Zone::parse(&zone).map_err(|e| invalid(e, span)),
            _ => Err(unsupported(format!("the computed time zone {zone}"), span)),
        }
    }

    /// An INTERVAL's part and how many of it.
    pub(super) fn interval(
        &mut self,
        called: &str,
        interval: &ast::Interval,
        place: &Place<'_>,
        span: Span,
    ) -> Result<(dates::Part, Typed), PortError> {
        let ast::Interval {
            value: count,
            leading_field: Some(field),
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        } = interval
        else {
            return Err(unsupported(format!("the INTERVAL of {called}"), span));
        };
        Ok((part(&field.to_string(), called, span)?, self.expr(count, place)?))
    }

    /// A function with a date part: an INTERVAL's unit or the last word.
    fn dated(
        &mut self,
        called: &str,
        args: &[&ast::Expr],
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let wrong = |what: &str| invalid(format!("{called} {what}"), span);
        if let [values @ .., ast::Expr::Interval(interval)] = args {
            if called.ends_with("_DIFF") || called.ends_with("_TRUNC") || called == "LAST_DAY" {
                return Err(wrong("takes a date part, not an INTERVAL"));
            }
            let (part, count) = self.interval(called, interval, place, span)?;
            let bound: Result<Vec<_>, _> = values.iter().map(|v| self.expr(v, place)).collect();
            let mut bound = bound?;
            bound.push(count);
            return dates::bind(called, part, bound, Zone::UTC, span);
        }
        if called.ends_with("_ADD") || called.ends_with("_SUB") {
            return Err(wrong("takes a value and an INTERVAL"));
        }
        if called == "LAST_DAY" && args.len() == 1 {
            let value = self.expr(args[0], place)?;
            return dates::bind(called, dates::Part::Month, vec![value], Zone::UTC, span);
        }
        let values = if called.ends_with("_DIFF") { 2 } else { 1 };
        if args.len() <= values {
            return Err(wrong("takes a date part as its last argument"));
        }
        let name = args[values].to_string();
        let part = part(&name, called, span)?;
        if args.len() > values + 2 {
            return Err(wrong("has too many values"));
        }
        let zone = self.zone(args.get(values + 1).copied(), place, span)?;
        let bound: Result<Vec<_>, _> = args[..values].iter().map(|a| self.expr(a, place)).collect();
        dates::bind(called, part, bound?, zone, span)
    }

    fn aggregate(
        &mut self,
        called: &str,
        kind: AggregateKind,
        distinct: bool,
        args: &[&FunctionArgExpr],
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let inner = place.inside_aggregate(called, span)?;
        if let (AggregateKind::Count, false, [FunctionArgExpr::Wildcard]) = (kind, distinct, args) {
            return Ok(Typed::computed(AggregateKind::count_rows(), DataType::Int64));
        }
        let kind = if distinct {
            let what = || unsupported(format!("{called}(DISTINCT …)"), span);
            kind.distinct().ok_or_else(what)?
        } else {
            kind
        };
        let [arg] = expressions(called, args, span)?[..] else {
            return Err(invalid(format!("{called} takes one value"), span));
        };
        let value = self.expr(arg, &inner)?;
        if super::select::aggregates(&value.expr) {
            return Err(invalid(format!("{called} of an aggregate"), span));
        }
        if super::windows::has_windows(&value.expr) {
            return Err(invalid(format!("{called} of a window function"), span));
        }
        let Some(result) = kind.result(&value.kind) else {
            let name = value.kind_name();
            return Err(invalid(format!("no matching signature of {called} for ({name})"), span));
        };
        let call = kind.call(value.expr, &value.kind, &result);
        Ok(Typed::computed(call, result))
    }
}

/// A call of what needs its values only.
fn by_rows(called: &str, values: Vec<Typed>, safe: bool, span: Span) -> Result<Typed, PortError> {
    if called == "FORMAT" {
        return functions::printing::bind(values, span);
    }
    if json::NAMES.contains(&called) {
        return json::bind(called, values, span);
    }
    if extremes::NAMES.contains(&called) {
        return extremes::bind(called, values, span);
    }
    if arrays::NAMES.contains(&called) {
        return arrays::bind(called, values, span);
    }
    if !exists(called) {
        return Err(unsupported(format!("the function {called}"), span));
    }
    if let [Typed { origin: Origin::Known(Value::String(format)), .. }, ..] = &values[..]
        && formats::NAMES.contains(&called)
        && let Some(element) = formats::unknown(format, called)
    {
        return Err(unsupported(format!("the element %{element} of {called}"), span));
    }
    functions::called(called, values, safe, span)
}

fn part(name: &str, called: &str, span: Span) -> Result<dates::Part, PortError> {
    dates::Part::parse(name)
        .ok_or_else(|| unsupported(format!("{called} with the part {name}"), span))
}

/// The arguments of a call without ORDER BY, LIMIT and the like.
pub(super) fn plain_args<'e>(
    called: &str,
    args: &'e FunctionArguments,
    span: Span,
) -> Result<(bool, Vec<&'e FunctionArgExpr>), PortError> {
    let list = match args {
        FunctionArguments::None => return Ok((false, Vec::new())),
        FunctionArguments::Subquery(_) => {
            return Err(unsupported(format!("{called}(SELECT …)"), span));
        }
        FunctionArguments::List(list) => list,
    };
    if let Some(clause) = list.clauses.first() {
        return Err(unsupported(format!("{called} with {clause}"), span));
    }
    let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let mut plain = Vec::new();
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(arg) => plain.push(arg),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return Err(unsupported(format!("a named argument of {called}"), span));
            }
        }
    }
    Ok((distinct, plain))
}

/// The arguments as expressions.
pub(super) fn expressions<'e>(
    called: &str,
    args: &[&'e FunctionArgExpr],
    span: Span,
) -> Result<Vec<&'e ast::Expr>, PortError> {
    let expression = |arg: &&'e FunctionArgExpr| match arg {
        FunctionArgExpr::Expr(expr) => Ok(expr),
        FunctionArgExpr::QualifiedWildcard(_)
        | FunctionArgExpr::Wildcard
        | FunctionArgExpr::WildcardWithOptions(_) => {
            Err(unsupported(format!("{called} with *"), span))
        }
    };
    args.iter().map(expression).collect()
}
