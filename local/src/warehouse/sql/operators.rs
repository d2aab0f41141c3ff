//! Operators: comparison, logic, arithmetic, IN and BETWEEN.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, not};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator};

use super::expr::{boolean, comparison};
use super::functions::call;
use super::functions::cast::convert;
use super::functions::dates::{self, Part};
use super::functions::zones::Zone;
use super::records::parts;
use super::refusal::{invalid, unsupported};
use super::scope::Place;
use super::typed::{Origin, Typed, comparable, one_kind};
use super::{Binder, Span};

/// More values make planning slow, and a parameter holds any number.
const LONGEST_LIST: usize = 500;

impl Binder<'_> {
    pub(super) fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        if let Some(sign) = comparison(op) {
            let left = self.operand(left, place)?;
            let right = self.operand(right, place)?;
            if left.origin == Origin::Null || right.origin == Origin::Null {
                return Err(invalid(format!("{sign} with a literal NULL: write IS NULL"), span));
            }
            return compare(sign, left, right, span);
        }
        let logic = match op {
            BinaryOperator::And => Some(Operator::And),
            BinaryOperator::Or => Some(Operator::Or),
            _ => None,
        };
        if let Some(logic) = logic {
            let left = self.expr(left, place)?.coerce(&DataType::Bool, span)?;
            let right = self.expr(right, place)?.coerce(&DataType::Bool, span)?;
            return Ok(boolean(binary_expr(left.expr, logic, right.expr)));
        }
        match (op, left, right) {
            (BinaryOperator::Plus, value, ast::Expr::Interval(interval))
            | (BinaryOperator::Plus, ast::Expr::Interval(interval), value) => {
                return self.moved(value, interval, false, place, span);
            }
            (BinaryOperator::Minus, value, ast::Expr::Interval(interval)) => {
                return self.moved(value, interval, true, place, span);
            }
            _ => {}
        }
        let sign = match op {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::BitwiseAnd => "&",
            BinaryOperator::BitwiseOr => "|",
            BinaryOperator::BitwiseXor => "^",
            other => return Err(unsupported(format!("the operator {other}"), span)),
        };
        // The parser may bind these another way than GoogleSQL.
        let bits = matches!(sign, "&" | "|" | "^");
        let mixed = |side: &ast::Expr| matches!(side, ast::Expr::BinaryOp { .. });
        if bits && (mixed(left) || mixed(right)) {
            let message = format!("another operator beside {sign} needs parentheses");
            return Err(invalid(message, span));
        }
        let args = vec![self.expr(left, place)?, self.expr(right, place)?];
        arithmetic(sign, args, span)
    }

    /// A value and an INTERVAL, of which a DATE makes a DATETIME.
    fn moved(
        &mut self,
        value: &ast::Expr,
        interval: &ast::Interval,
        less: bool,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let (part, count) = self.interval("+ or -", interval, place, span)?;
        let value = self.expr(value, place)?;
        let name = match (&value.kind, less) {
            (DataType::Timestamp, false) => "TIMESTAMP_ADD",
            (DataType::Timestamp, true) => "TIMESTAMP_SUB",
            (DataType::Date | DataType::Datetime, false) => "DATETIME_ADD",
            (DataType::Date | DataType::Datetime, true) => "DATETIME_SUB",
            (other, _) => {
                return Err(unsupported(format!("an INTERVAL beside a value of {other}"), span));
            }
        };
        let value = match value.kind {
            DataType::Date => {
                let expr = convert(value.expr, &DataType::Date, &DataType::Datetime, false);
                Typed::computed(expr, DataType::Datetime)
            }
            _ => value,
        };
        if matches!(part, Part::Microsecond | Part::Millisecond) {
            return Err(unsupported("an INTERVAL of this part with + or -", span));
        }
        dates::bind(name, part, vec![value, count], Zone::UTC, span)
    }

    /// `LIKE ANY (…)`: one of the patterns fits.
    pub(super) fn like_any(
        &mut self,
        expr: &ast::Expr,
        patterns: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let patterns = match patterns {
            ast::Expr::Tuple(patterns) => &patterns[..],
            ast::Expr::Nested(pattern) => std::slice::from_ref(&**pattern),
            other => return Err(unsupported(format!("LIKE ANY {other}"), span)),
        };
        let value = self.operand(expr, place)?;
        let mut any: Option<Expr> = None;
        for pattern in patterns {
            let pattern = self.expr(pattern, place)?;
            let like = call("like", vec![value.clone(), pattern], span)?.expr;
            any = Some(match any {
                Some(any) => any.or(like),
                None => like,
            });
        }
        any.map(boolean).ok_or_else(|| invalid("LIKE ANY () has no patterns", span))
    }

    pub(super) fn between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let value = self.operand(expr, place)?;
        let low = self.operand(low, place)?;
        let high = self.operand(high, place)?;
        one_kind(&value, &[low.clone(), high.clone()], span)?;
        let above = compare(">=", value.clone(), low, span)?;
        let below = compare("<=", value, high, span)?;
        let inside = binary_expr(above.expr, Operator::And, below.expr);
        Ok(boolean(if negated { not(inside) } else { inside }))
    }

    pub(super) fn in_list(
        &mut self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        let value = self.operand(expr, place)?;
        if list.len() > LONGEST_LIST {
            let what = format!("IN of more than {LONGEST_LIST} values; use IN UNNEST(@values)");
            return Err(unsupported(what, span));
        }
        let items: Result<Vec<_>, _> = list.iter().map(|i| self.operand(i, place)).collect();
        let items = items?;
        one_kind(&value, &items, span)?;
        let mut tests = Vec::with_capacity(list.len());
        for item in items {
            tests.push(compare("=", value.clone(), item, span)?.expr);
        }
        // A balanced tree: plans are walked by recursion.
        while tests.len() > 1 {
            let mut halves = Vec::with_capacity(tests.len() / 2 + 1);
            let mut pairs = tests.into_iter();
            while let Some(left) = pairs.next() {
                halves.push(match pairs.next() {
                    Some(right) => binary_expr(left, Operator::Or, right),
                    None => left,
                });
            }
            tests = halves;
        }
        let any = tests.pop();
        let any = any.ok_or_else(|| invalid("IN () has no values", span))?;
        Ok(boolean(if negated { not(any) } else { any }))
    }

    pub(super) fn distinct_from(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Typed, PortError> {
        // The parser takes everything after FROM, also past AND and OR: `operand` asks for parentheses.
        let left = self.operand(left, place)?;
        let right = self.operand(right, place)?;
        let (left, right, kind) = comparable(left, right, span)?;
        if !plainly_ordered(&kind) {
            return Err(unsupported(format!("IS DISTINCT FROM on {kind}"), span));
        }
        Ok(boolean(binary_expr(left.expr, Operator::IsDistinctFrom, right.expr)))
    }
}

/// An operator of arithmetic; a DATE and an INT64 make another DATE.
fn arithmetic(sign: &str, mut args: Vec<Typed>, span: Span) -> Result<Typed, PortError> {
    let name = match (sign, &args[0].kind, &args[1].kind) {
        ("+", DataType::Date, DataType::Int64) | ("+", DataType::Int64, DataType::Date) => {
            Some("DATE_ADD")
        }
        ("-", DataType::Date, DataType::Int64) => Some("DATE_SUB"),
        _ => None,
    };
    if let Some(name) = name {
        args.sort_by_key(|arg| arg.kind != DataType::Date);
        return dates::bind(name, Part::Day, args, Zone::UTC, span);
    }
    if args.iter().any(|a| a.kind == DataType::Date) {
        let message = format!("{sign} on a DATE; write DATE_ADD, DATE_SUB or DATE_DIFF");
        return Err(unsupported(message, span));
    }
    call(sign, args, span)
}

fn binary_expr(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Types whose Arrow order and equality are GoogleSQL's.
pub(in crate::warehouse) fn plainly_ordered(kind: &DataType) -> bool {
    match kind {
        DataType::Int64
        | DataType::Numeric
        | DataType::Bool
        | DataType::String
        | DataType::Bytes
        | DataType::Date
        | DataType::Datetime
        | DataType::Time
        | DataType::Timestamp => true,
        DataType::Float64 | DataType::Json | DataType::Struct(_) | DataType::Array(_) => false,
    }
}

/// A comparison in the sides' common type.
pub(super) fn compare(
    sign: &'static str,
    left: Typed,
    right: Typed,
    span: Span,
) -> Result<Typed, PortError> {
    let kinds = (left.kind_name(), right.kind_name());
    let (left, right, kind) = comparable(left, right, span).map_err(|_| {
        let (l, r) = kinds;
        invalid(format!("no matching signature of {sign} for the types ({l}, {r}); CAST one"), span)
    })?;
    if let (DataType::Struct(_), "=" | "!=") = (&kind, sign) {
        return same_fields(sign, &left, &right, span);
    }
    if kind == DataType::Float64 {
        return call(sign, vec![left, right], span);
    }
    if !plainly_ordered(&kind) {
        return Err(unsupported(format!("{sign} on {kind}"), span));
    }
    let op = match sign {
        "=" => Operator::Eq,
        "!=" => Operator::NotEq,
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        _ => Operator::GtEq,
    };
    Ok(boolean(binary_expr(left.expr, op, right.expr)))
}

/// `=` and `!=` of STRUCTs: of their fields in order, whatever their names; unlike fields outweigh a NULL.
fn same_fields(sign: &str, left: &Typed, right: &Typed, span: Span) -> Result<Typed, PortError> {
    let (lefts, rights) = (parts(left).unwrap_or_default(), parts(right).unwrap_or_default());
    let mut equal: Option<Expr> = None;
    for (l, r) in lefts.into_iter().zip(rights) {
        let field = compare("=", l, r, span)?.expr;
        equal = Some(match equal {
            Some(before) => binary_expr(before, Operator::And, field),
            None => field,
        });
    }
    let equal = equal.ok_or_else(|| unsupported("= on a STRUCT without fields", span))?;
    Ok(boolean(if sign == "=" { equal } else { not(equal) }))
}
