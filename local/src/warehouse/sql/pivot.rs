//! PIVOT and UNPIVOT: values as columns, and columns as rows.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, NullInclusion, ObjectName, PivotValueSource, TableFactor,
};

use super::aggregates::AggregateKind;
use super::from::{From, Item};
use super::grouping::Written;
use super::records::{listed, record};
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, filter, project};
use super::scope::{Name, Scope, field_at, same};
use super::typed::{Origin, Typed};
use super::{Binder, Span};

impl Binder<'_> {
    /// `table PIVOT(SUM(cost) FOR team IN ('core', 'data'))`: grouped by the columns it does not name.
    pub(super) fn pivot(
        &mut self,
        table: &TableFactor,
        aggregates: &[ExprWithAlias],
        key: &[ast::Expr],
        values: &PivotValueSource,
        outer: Option<&Scope<'_>>,
        span: Span,
    ) -> Result<Relation, PortError> {
        let (from, columns) = self.one_table(table, "PIVOT", outer, span)?;
        let ([key @ ast::Expr::Identifier(_)], PivotValueSource::List(values)) = (key, values)
        else {
            return Err(unsupported("a PIVOT of other than one column and a list of values", span));
        };
        let scope = from.scope(outer);
        let mut named = Vec::new();
        for value in values {
            let place = self.at(&value.expr);
            let constant = self.expr(&value.expr, &Scope::default().plain("PIVOT"))?;
            let label = match (&value.alias, constant.origin) {
                (_, Origin::Null) => return Err(unsupported("a PIVOT for NULL", place)),
                (Some(alias), Origin::Known(_)) => alias.value.clone(),
                (None, Origin::Known(Value::String(text))) if is_name(&text) => text,
                (None, Origin::Known(_)) => {
                    let what = "a PIVOT value that is no name: give it one with AS";
                    return Err(unsupported(what, place));
                }
                _ => return Err(invalid("PIVOT takes constants in IN", place)),
            };
            for aggregate in aggregates {
                let test = ast::Expr::BinaryOp {
                    left: Box::new(key.clone()),
                    op: BinaryOperator::Eq,
                    right: Box::new(value.expr.clone()),
                };
                let call = where_true(&aggregate.expr, test, span)?;
                let bound = self.expr(&call, &scope.windowing(None))?;
                let name = match &aggregate.alias {
                    Some(alias) => format!("{}_{label}", alias.value),
                    None if aggregates.len() == 1 => label.clone(),
                    None => {
                        let message = "several aggregates in a PIVOT need names: give each an AS";
                        return Err(invalid(message, span));
                    }
                };
                named.push((name, bound));
            }
        }
        let mut read: Vec<Expr> = vec![self.expr(key, &scope.plain("PIVOT"))?.expr];
        for (_, bound) in &named {
            let columns = bound.expr.column_refs().into_iter().cloned();
            read.extend(columns.map(Expr::Column));
        }
        let kept = columns.into_iter().filter(|c| !read.contains(&c.value.expr));
        let keys: Vec<Name> = kept.collect();
        let written = keys.iter().map(|c| ast::Expr::Identifier(Ident::with_quote('`', &c.name)));
        let group_by = GroupByExpr::Expressions(written.collect(), Vec::new());
        let mut items: Vec<(String, Typed)> =
            keys.into_iter().map(|c| (c.name, c.value)).chain(named).collect();
        let after = items.iter_mut().map(|(_, value)| value).collect();
        let written = Written { by: &group_by, projection: &[], items: 0 };
        let plan = self.grouped(from.plan, &written, &scope, after, None)?;
        self.projected(plan, items, span)
    }

    /// `table UNPIVOT(cost FOR kind IN (list_cost, net_cost))`: a row for each of the columns.
    #[expect(clippy::too_many_arguments, reason = "the clause's parts")]
    pub(super) fn unpivot(
        &mut self,
        table: &TableFactor,
        value: &ast::Expr,
        label: &Ident,
        listed_columns: &[ExprWithAlias],
        nulls: Option<&NullInclusion>,
        outer: Option<&Scope<'_>>,
        span: Span,
    ) -> Result<Relation, PortError> {
        let (from, columns) = self.one_table(table, "UNPIVOT", outer, span)?;
        let ast::Expr::Identifier(value) = value else {
            return Err(unsupported("an UNPIVOT of several columns at once", span));
        };
        let (mut left_out, mut elements, mut kind) = (Vec::new(), Vec::new(), None);
        for ExprWithAlias { expr, alias } in listed_columns {
            let ast::Expr::Identifier(name) = expr else {
                return Err(unsupported("an UNPIVOT of several columns at once", span));
            };
            let read = from.scope(None).resolve(std::slice::from_ref(name))?;
            let Some(column) = columns.iter().find(|c| c.value == read) else {
                return Err(invalid(format!("UNPIVOT of {name}, which is no column"), name.span));
            };
            let text = match alias {
                Some(Ident { value, quote_style: Some('\'' | '"'), .. })
                    if !value.contains('\\') =>
                {
                    value.clone()
                }
                None if column.name == name.value => name.value.clone(),
                _ => {
                    let message =
                        "UNPIVOT without a plain string as the column's label: write AS 'label'";
                    return Err(unsupported(message, name.span));
                }
            };
            if *kind.get_or_insert(read.kind.clone()) != read.kind {
                let message = "UNPIVOT of columns of several types: CAST them to one before it";
                return Err(invalid(message, name.span));
            }
            if left_out.contains(&column.value.expr) {
                return Err(unsupported("UNPIVOT of one column twice", name.span));
            }
            left_out.push(column.value.expr.clone());
            let label = Typed::known(Value::String(text), DataType::String, span)?;
            elements.push(record(vec![("value".to_owned(), read), ("label".to_owned(), label)]));
        }
        let Some(kind) = kind.filter(|k| !matches!(k, DataType::Array(_))) else {
            return Err(unsupported("an UNPIVOT of ARRAYs", span));
        };
        let element = elements[0].kind.clone();
        let array = Typed::computed(
            listed(&element, elements.into_iter().map(|e| e.expr).collect()),
            DataType::Array(Box::new(element)),
        );
        let unnested = self.unnest(from, array, None, None, false, span)?;
        let Some(Typed { expr: element, .. }) =
            unnested.ranges.last().and_then(|r| r.element.clone())
        else {
            return Err(unsupported("this UNPIVOT", span));
        };
        let amount = Typed::computed(field_at(element.clone(), 0, &kind), kind);
        let text = Typed::computed(field_at(element, 1, &DataType::String), DataType::String);
        let plan = match nulls {
            Some(NullInclusion::IncludeNulls) => unnested.plan,
            None | Some(NullInclusion::ExcludeNulls) => {
                filter(unnested.plan, amount.expr.clone().is_not_null())?
            }
        };
        let kept = columns.into_iter().filter(|c| !left_out.contains(&c.value.expr));
        let mut items: Vec<(String, Typed)> = kept.map(|c| (c.name, c.value)).collect();
        items.push((value.value.clone(), amount));
        items.push((label.value.clone(), text));
        self.projected(plan, items, span)
    }

    /// A table or subquery, and its columns.
    fn one_table(
        &mut self,
        table: &TableFactor,
        what: &str,
        outer: Option<&Scope<'_>>,
        span: Span,
    ) -> Result<(From, Vec<Name>), PortError> {
        let plain = matches!(table, TableFactor::Table { .. } | TableFactor::Derived { .. });
        match self.factor(table, None, outer)? {
            Item::Rows(from) if plain => {
                let columns = from.ranges.iter().flat_map(|r| r.columns.clone()).collect();
                Ok((from, columns))
            }
            _ => Err(unsupported(format!("{what} of other than a table or a subquery"), span)),
        }
    }

    fn projected(
        &mut self,
        plan: datafusion::logical_expr::LogicalPlan,
        items: Vec<(String, Typed)>,
        span: Span,
    ) -> Result<Relation, PortError> {
        let (mut exprs, mut columns): (Vec<Expr>, Vec<Output>) = (Vec::new(), Vec::new());
        for (name, value) in items {
            let twice = |o: &Output| o.name.as_ref().is_some_and(|other| same(other, &name));
            if columns.iter().any(twice) {
                return Err(invalid(format!("two columns would have the name {name}"), span));
            }
            let fresh = self.fresh(&name);
            exprs.push(value.expr.alias(&fresh));
            columns.push(Output { name: Some(name), kind: value.kind, column: fresh });
        }
        Ok(Relation { plan: project(plan, exprs)?, columns })
    }
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// An aggregate over the rows for which `test` is TRUE: all of them pass NULL by.
fn where_true(call: &ast::Expr, test: ast::Expr, span: Span) -> Result<ast::Expr, PortError> {
    let ast::Expr::Function(function) = call else {
        return Err(invalid("PIVOT takes calls of aggregate functions", span));
    };
    let called = function.name.to_string().to_ascii_uppercase();
    let passes_null = AggregateKind::named(&called).is_some() || called == "STRING_AGG";
    if !passes_null || function.over.is_some() {
        return Err(unsupported(format!("{called} in PIVOT"), span));
    }
    let mut function = function.clone();
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(invalid(format!("{called} without a value"), span));
    };
    match list.args.first_mut() {
        Some(FunctionArg::Unnamed(first @ FunctionArgExpr::Wildcard)) if called == "COUNT" => {
            *first = FunctionArgExpr::Expr(test);
            function.name = ObjectName::from(vec![Ident::new("COUNTIF")]);
        }
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) => {
            *value = ast::Expr::Case {
                case_token: ast::helpers::attached_token::AttachedToken::empty(),
                end_token: ast::helpers::attached_token::AttachedToken::empty(),
                operand: None,
                conditions: vec![ast::CaseWhen { condition: test, result: value.clone() }],
                else_result: None,
            };
        }
        _ => return Err(invalid(format!("{called} without a value"), span)),
    }
    Ok(ast::Expr::Function(function))
}
