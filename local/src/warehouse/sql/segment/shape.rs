//! Which subqueries read arrays alone.

use datafusion::sql::sqlparser::ast::{
    self, Distinct, Ident, JoinConstraint, JoinOperator, ObjectNamePart, SetExpr, TableFactor,
};

use super::super::from::alias_of;
use super::super::scope::Place;
use super::super::select::has_extras;

/// An array in FROM as written.
pub(in super::super) struct Written<'q> {
    pub(super) array: ast::Expr,
    pub(super) alias: Option<String>,
    pub(super) offset: Option<String>,
    pub(super) on: Option<&'q ast::Expr>,
}

/// The SELECT of a subquery whose FROM names arrays alone, and these.
pub(in super::super) fn shape<'q>(
    query: &'q ast::Query,
    place: &Place<'_>,
) -> Option<(&'q ast::Select, Vec<Written<'q>>)> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let plain = query.with.is_none()
        && query.fetch.is_none()
        && query.pipe_operators.is_empty()
        && !matches!(select.distinct, Some(Distinct::On(_)))
        && select.qualify.is_none()
        && select.named_window.is_empty()
        && !has_extras(select);
    if !plain || select.from.is_empty() {
        return None;
    }
    let mut written = Vec::new();
    for from in &select.from {
        written.push(array_of(&from.relation, None, &written, place)?);
        for join in &from.joins {
            let on = match &join.join_operator {
                JoinOperator::CrossJoin(JoinConstraint::None) => None,
                JoinOperator::Join(JoinConstraint::On(on))
                | JoinOperator::Inner(JoinConstraint::On(on)) => Some(on),
                _ => return None,
            };
            written.push(array_of(&join.relation, on, &written, place)?);
        }
    }
    Some((select, written))
}

/// An UNNEST, or a path from a name in sight.
fn array_of<'q>(
    factor: &'q TableFactor,
    on: Option<&'q ast::Expr>,
    before: &[Written<'q>],
    place: &Place<'_>,
) -> Option<Written<'q>> {
    match factor {
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset,
            with_offset_alias,
            with_ordinality: false,
        } => {
            let [array] = &array_exprs[..] else { return None };
            let offset = with_offset.then(|| {
                with_offset_alias.as_ref().map_or_else(|| "offset".to_owned(), |n| n.value.clone())
            });
            let alias = alias_of(alias.as_ref()).ok()?.map(|a| a.value);
            Some(Written { array: array.clone(), alias, offset, on })
        }
        TableFactor::Table { name, alias, args: None, .. } if name.0.len() > 1 => {
            let mut path: Vec<Ident> = Vec::new();
            for part in &name.0 {
                let ObjectNamePart::Identifier(ident) = part else { return None };
                path.push(ident.clone());
            }
            let first = &path[0].value;
            let aliased =
                |w: &Written<'_>| w.alias.as_ref().is_some_and(|a| a.eq_ignore_ascii_case(first));
            if !before.iter().any(aliased) && !place.scope.names(first) {
                return None;
            }
            let last = path.last().map(|ident| ident.value.clone());
            let alias = alias_of(alias.as_ref()).ok()?.map(|a| a.value).or(last);
            let array = ast::Expr::CompoundIdentifier(path);
            Some(Written { array, alias, offset: None, on })
        }
        _ => None,
    }
}
