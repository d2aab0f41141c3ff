//! Expressions: which nodes of the syntax tree are understood, and what they mean.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, lit, not};
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CaseWhen, CastKind, UnaryOperator,
};

use super::functions::cast::{castable, convert};
use super::functions::zones::Zone;
use super::functions::{call, dates};
use super::literals::data_type_of;
use super::operators::compare;
use super::refusal::{invalid, unsupported};
use super::scope::{Place, fields};
use super::subquery::in_array;
use super::typed::{Origin, Typed, one_kind, supertype};
use super::{Binder, Span};

/// What a refusal calls a node.
fn described(expr: &ast::Expr) -> String {
    let text = expr.to_string();
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        format!("the expression {short}…")
    } else {
        format!("the expression {short}")
    }
}

impl Binder<'_> {
    /// Binds an expression.
    #[expect(clippy::too_many_lines, reason = "one arm a node: the list of what is understood")]
    pub(super) fn expr(&mut self, expr: &ast::Expr, place: &Place<'_>) -> Result<Typed, PortError> {
        use ast::Expr as E;
        let span = self.at(expr);
        match expr {
            E::Identifier(name) if name.value.starts_with('@') && name.quote_style.is_none() => {
                self.parameter(&name.value, span)
            }
            E::Identifier(name) => place.scope.resolve(std::slice::from_ref(name)),
            E::CompoundIdentifier(path) => place.scope.resolve(path),
            E::CompoundFieldAccess { root, access_chain } => {
                let mut value = self.expr(root, place)?;
                for access in access_chain {
                    value = match access {
                        AccessExpr::Dot(E::Identifier(name)) => {
                            fields(value, std::slice::from_ref(name))?
                        }
                        AccessExpr::Dot(_) => return Err(unsupported(described(expr), span)),
                        AccessExpr::Subscript(subscript) => {
                            self.subscript(&value, subscript, place, span)?
                        }
                    };
                }
                Ok(value)
            }
            E::Nested(inner) => self.expr(inner, place),
            E::Value(value) => self.value(value),
            E::TypedString(typed) => self.typed_string(typed),
            E::IsNull(inner) => self.is_null(inner, place, span).map(|(e, _)| e),
            E::IsNotNull(inner) => {
                let (is_null, _) = self.is_null(inner, place, span)?;
                Ok(boolean(not(is_null.expr)))
            }
            E::IsTrue(inner) => self.truth(inner, place, Expr::is_true as fn(Expr) -> Expr),
            E::IsNotTrue(inner) => self.truth(inner, place, Expr::is_not_true),
            E::IsFalse(inner) => self.truth(inner, place, Expr::is_false),
            E::IsNotFalse(inner) => self.truth(inner, place, Expr::is_not_false),
            E::IsDistinctFrom(left, right) => self.distinct_from(left, right, place, span),
            E::IsNotDistinctFrom(left, right) => {
                let distinct = self.distinct_from(left, right, place, span)?;
                Ok(boolean(not(distinct.expr)))
            }
            E::InList { expr, list, negated } => self.in_list(expr, list, *negated, place, span),
            E::InUnnest { expr, array_expr, negated } => {
                let needle = self.expr(expr, place)?;
                let array = self.expr(array_expr, place)?;
                let found = in_array(needle, array, span)?;
                Ok(if *negated { boolean(not(found.expr)) } else { found })
            }
            E::InSubquery { expr, subquery, negated } => {
                self.in_subquery(expr, subquery, *negated, place, span)
            }
            E::Exists { subquery, negated } => {
                let exists = self.exists(subquery, place, span)?;
                Ok(if *negated { boolean(not(exists.expr)) } else { exists })
            }
            E::Subquery(query) => self.scalar_subquery(query, place, span),
            E::Between { expr, negated, low, high } => {
                self.between(expr, *negated, low, high, place, span)
            }
            E::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let args = vec![self.operand(expr, place)?, self.operand(pattern, place)?];
                let like = call("like", args, span)?;
                Ok(if *negated { boolean(not(like.expr)) } else { like })
            }
            E::Like { negated: false, any: true, expr, pattern, escape_char: None } => {
                self.like_any(expr, pattern, place, span)
            }
            E::BinaryOp { left, op, right } => self.binary(left, op, right, place, span),
            E::UnaryOp { op, expr } => self.unary(*op, expr, place, span),
            // What the tokens of `ARRAY<…>[…]` were made into.
            E::Cast { kind: CastKind::TryCast, expr, data_type, array: false, format: None } => {
                match (&**expr, data_type_of(data_type, span)?) {
                    (E::Array(array), DataType::Array(element)) => {
                        self.array(&array.elem, Some(&element), place, span)
                    }
                    _ => Err(unsupported(described(expr), span)),
                }
            }
            E::Cast { kind, expr, data_type, array: false, format: None } => {
                let safe = match kind {
                    CastKind::Cast => false,
                    CastKind::SafeCast => true,
                    CastKind::TryCast | CastKind::DoubleColon => {
                        return Err(unsupported("this cast; write CAST or SAFE_CAST", span));
                    }
                };
                let value = self.expr(expr, place)?;
                let to = data_type_of(data_type, span)?;
                cast(value, &to, safe, span)
            }
            E::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place, span)
            }
            E::Extract { field, syntax: ast::ExtractSyntax::From, expr } => {
                self.extract(field, expr, place, span)
            }
            E::Ceil {
                expr,
                field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime),
            } => {
                let value = self.expr(expr, place)?;
                call("CEIL", vec![value], span)
            }
            E::Floor {
                expr,
                field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime),
            } => {
                let value = self.expr(expr, place)?;
                call("FLOOR", vec![value], span)
            }
            E::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                special: true,
                shorthand: _,
            } => {
                let mut args = vec![self.expr(expr, place)?, self.expr(from, place)?];
                if let Some(length) = substring_for {
                    args.push(self.expr(length, place)?);
                }
                call("SUBSTR", args, span)
            }
            E::Trim { trim_where: None, trim_what: None, expr, trim_characters } => {
                let mut args = vec![self.expr(expr, place)?];
                for set in trim_characters.iter().flatten() {
                    args.push(self.expr(set, place)?);
                }
                call("TRIM", args, span)
            }
            E::Function(function) => self.function(function, place),
            E::Array(ast::Array { elem, named: false }) => self.array(elem, None, place, span),
            E::Struct { values, fields } => self.record(values, fields, place, span),
            E::Tuple(values) => self.tuple(values, place),
            // Everything else waits for its tests.
            _ => Err(unsupported(described(expr), span)),
        }
    }

    fn extract(
        &mut self,
        field: &ast::DateTimeField,
        expr: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let name = field.to_string();
        let Some(part) = dates::Part::parse(&name) else {
            return Err(unsupported(format!("EXTRACT({name})"), span));
        };
        let (value, zone) = match expr {
            ast::Expr::AtTimeZone { timestamp, time_zone } => {
                (self.expr(timestamp, place)?, self.zone(Some(time_zone), place, span)?)
            }
            other => (self.expr(other, place)?, Zone::UTC),
        };
        dates::bind("EXTRACT", part, vec![value], zone, span)
    }

    fn is_null(
        &mut self,
        inner: &ast::Expr,
        place: &Place<'_>,
        _span: Span,
    ) -> Result<(Typed, DataType), PortError> {
        let value = self.operand(inner, place)?;
        Ok((boolean(value.expr.is_null()), value.kind))
    }

    fn truth(
        &mut self,
        inner: &ast::Expr,
        place: &Place<'_>,
        test: fn(Expr) -> Expr,
    ) -> Result<Typed, PortError> {
        let span = self.at(inner);
        let value = self.operand(inner, place)?.coerce(&DataType::Bool, span)?;
        Ok(boolean(test(value.expr)))
    }

    fn unary(
        &mut self,
        op: UnaryOperator,
        inner: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        match op {
            UnaryOperator::Not => {
                let value = self.expr(inner, place)?.coerce(&DataType::Bool, span)?;
                Ok(boolean(not(value.expr)))
            }
            UnaryOperator::Plus => self.expr(inner, place),
            UnaryOperator::Minus => {
                // The least INT64 has no positive twin.
                if inner.to_string() == "9223372036854775808" {
                    return Typed::known(Value::Int64(i64::MIN), DataType::Int64, span);
                }
                let value = self.expr(inner, place)?;
                match value.origin {
                    Origin::Known(Value::Int64(i)) if i != i64::MIN => {
                        Typed::known(Value::Int64(-i), DataType::Int64, span)
                    }
                    Origin::Known(Value::Float64(x)) => {
                        Typed::known(Value::Float64(-x), DataType::Float64, span)
                    }
                    Origin::Known(_) | Origin::Computed | Origin::Record(_) | Origin::Null => {
                        call("negate", vec![value], span)
                    }
                }
            }
            UnaryOperator::BitwiseNot => {
                let value = self.expr(inner, place)?;
                call("~", vec![value], span)
            }
            other => Err(unsupported(format!("the operator {other}"), span)),
        }
    }

    /// An operand of a comparison or of IS: GoogleSQL does not chain them, and a parser that does may bind
    /// another way.
    pub(super) fn operand(
        &mut self,
        expr: &ast::Expr,
        place: &Place<'_>,
    ) -> Result<Typed, PortError> {
        use ast::Expr as E;
        let span = self.at(expr);
        let chained = match expr {
            E::BinaryOp { op, .. } => {
                comparison(op).is_some() || matches!(op, BinaryOperator::And | BinaryOperator::Or)
            }
            E::IsNull(_)
            | E::IsNotNull(_)
            | E::IsTrue(_)
            | E::IsNotTrue(_)
            | E::IsFalse(_)
            | E::IsNotFalse(_)
            | E::IsDistinctFrom(..)
            | E::IsNotDistinctFrom(..)
            | E::InList { .. }
            | E::InSubquery { .. }
            | E::InUnnest { .. }
            | E::Between { .. }
            | E::Like { .. }
            | E::UnaryOp { op: UnaryOperator::Not, .. } => true,
            _ => false,
        };
        if chained {
            let message = format!("{} as an operand needs parentheses", described(expr));
            return Err(invalid(message, span));
        }
        self.expr(expr, place)
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let operand = operand.map(|o| self.expr(o, place)).transpose()?;
        let (mut tests, mut values) = (Vec::new(), Vec::new());
        let mut compared = Vec::new();
        for CaseWhen { condition, result } in conditions {
            let condition = self.expr(condition, place)?;
            tests.push(match &operand {
                Some(operand) => {
                    compared.push(condition.clone());
                    compare("=", operand.clone(), condition, span)?.expr
                }
                None => condition.coerce(&DataType::Bool, span)?.expr,
            });
            values.push(self.expr(result, place)?);
        }
        if let Some(operand) = &operand {
            one_kind(operand, &compared, span)?;
        }
        values.push(otherwise.map_or_else(|| Ok(Typed::null()), |e| self.expr(e, place))?);
        choose(tests, values, span)
    }
}

/// A BOOL.
pub(super) fn boolean(expr: Expr) -> Typed {
    Typed::computed(expr, DataType::Bool)
}

/// CAST and `SAFE_CAST`.
pub(super) fn cast(
    value: Typed,
    to: &DataType,
    safe: bool,
    span: Span,
) -> Result<Typed, PortError> {
    if value.origin == Origin::Null {
        return Ok(Typed { origin: Origin::Computed, ..value.coerce(to, span)? });
    }
    if !castable(&value.kind, to) {
        return Err(unsupported(format!("CAST of {} to {to}", value.kind), span));
    }
    Ok(Typed::computed(convert(value.expr, &value.kind, to, safe), to.clone()))
}

/// The first value whose test is TRUE; the last value has no test.
pub(super) fn choose(tests: Vec<Expr>, values: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let kind = supertype(&values, span)?;
    let bools = kind == DataType::Bool;
    let mut coerced = Vec::with_capacity(values.len());
    for value in values {
        let value = value.coerce(&kind, span)?.expr;
        // DataFusion rewrites a CASE of BOOLs with AND and OR, which evaluate every branch: this one is of INT64.
        let value =
            if bools { convert(value, &DataType::Bool, &DataType::Int64, false) } else { value };
        coerced.push(Box::new(value));
    }
    let otherwise = coerced.pop();
    let branches = tests.into_iter().map(Box::new).zip(coerced).collect();
    let case = Expr::Case(Case::new(None, branches, otherwise));
    let case = if bools { convert(case, &DataType::Int64, &DataType::Bool, false) } else { case };
    Ok(Typed::computed(case, kind))
}

/// A comparison's sign.
pub(super) fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "!=",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    })
}

/// TRUE.
pub(super) fn always() -> Expr {
    lit(true)
}
