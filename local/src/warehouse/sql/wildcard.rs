//! `*` in a SELECT list: every column, a table's, a STRUCT's fields, with EXCEPT and REPLACE.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::sql::sqlparser::ast::{
    self, Ident, ObjectName, ObjectNamePart, WildcardAdditionalOptions,
};

use super::refusal::{invalid, unsupported};
use super::scope::{Name, Place, Range, Scope, field_at, same};
use super::select::Item;
use super::typed::Typed;
use super::{Binder, Span};

impl Binder<'_> {
    /// `* EXCEPT (…) REPLACE (…)` over the columns that `*` shows.
    pub(super) fn starred(
        &mut self,
        columns: Vec<Item>,
        options: &WildcardAdditionalOptions,
        place: &Place<'_>,
        span: Span,
    ) -> Result<Vec<Item>, PortError> {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike: None,
            opt_exclude: None,
            opt_except,
            opt_replace,
            opt_rename: None,
            opt_alias: None,
        } = options
        else {
            return Err(unsupported("* with other words than EXCEPT and REPLACE", span));
        };
        let named = |item: &Item, name: &Ident| {
            item.name.as_ref().is_some_and(|shown| same(shown, &name.value))
        };
        let mut left_out: Vec<&Ident> = Vec::new();
        for name in opt_except
            .iter()
            .flat_map(|e| [&e.first_element].into_iter().chain(&e.additional_elements))
        {
            known(&columns, name, "EXCEPT", &left_out)?;
            left_out.push(name);
        }
        let mut items: Vec<Item> =
            columns.into_iter().filter(|i| !left_out.iter().any(|name| named(i, name))).collect();
        if items.is_empty() {
            return Err(invalid("* EXCEPT leaves no column", span));
        }
        let mut replaced: Vec<&Ident> = Vec::new();
        for element in opt_replace.iter().flat_map(|r| &r.items) {
            let ast::ReplaceSelectElement { expr, column_name, as_keyword } = &**element;
            if !as_keyword {
                return Err(invalid("REPLACE without AS", column_name.span));
            }
            known(&items, column_name, "REPLACE", &replaced)?;
            replaced.push(column_name);
            let value = self.expr(expr, place)?;
            let mut meant = items.iter_mut().filter(|i| named(i, column_name));
            if let Some(item) = meant.next() {
                item.value = value;
            }
            if meant.next().is_some() {
                let message =
                    format!("REPLACE of {}, the name of several columns", column_name.value);
                return Err(invalid(message, column_name.span));
            }
        }
        Ok(items)
    }

    /// `(expression).*`: the fields of a STRUCT.
    pub(super) fn fields_of(
        &mut self,
        expr: &ast::Expr,
        place: &Place<'_>,
    ) -> Result<Vec<Item>, PortError> {
        let span = self.at(expr);
        struct_items(&self.expr(expr, place)?, span)
    }
}

/// Checks that a name of EXCEPT or REPLACE is a column's, and written once.
fn known(items: &[Item], name: &Ident, word: &str, before: &[&Ident]) -> Result<(), PortError> {
    if before.iter().any(|other| same(&other.value, &name.value)) {
        return Err(invalid(format!("{word} names {} twice", name.value), name.span));
    }
    if items.iter().any(|i| i.name.as_ref().is_some_and(|shown| same(shown, &name.value))) {
        return Ok(());
    }
    Err(invalid(format!("{word} names {}, which is no column of *", name.value), name.span))
}

fn item(name: &Name) -> Item {
    let shown = (!name.name.is_empty()).then(|| name.name.clone());
    Item { name: shown, value: name.value.clone() }
}

/// The columns of `*`.
pub(super) fn every_column(scope: &Scope<'_>, span: Span) -> Result<Vec<Item>, PortError> {
    if scope.ranges.is_empty() {
        return Err(invalid("SELECT * without FROM", span));
    }
    let mut items = Vec::new();
    for (at, range) in scope.ranges.iter().enumerate() {
        let merged = scope.merged.iter().filter(|m| m.before == at);
        items.extend(merged.map(|m| item(&m.column)));
        let shown = |i: &Item| i.name.as_ref().is_none_or(|name| !range.hides(name));
        items.extend(range_items(range).into_iter().filter(shown));
    }
    Ok(items)
}

fn range_items(range: &Range) -> Vec<Item> {
    match &range.element {
        Some(element) if !matches!(element.kind, DataType::Struct(_)) => {
            vec![Item { name: range.alias.clone(), value: element.clone() }]
        }
        Some(_) | None => range.columns.iter().map(item).collect(),
    }
}

fn struct_items(value: &Typed, span: Span) -> Result<Vec<Item>, PortError> {
    let DataType::Struct(fields) = &value.kind else {
        return Err(invalid(format!(".* of a {}, which has no fields", value.kind_name()), span));
    };
    let fields = fields.iter().enumerate().map(|(at, (name, kind))| Item {
        name: (!name.is_empty()).then(|| name.clone()),
        value: Typed::computed(field_at(value.expr.clone(), at, kind), kind.clone()),
    });
    Ok(fields.collect())
}

/// The columns of `name.*`: a table's of FROM, or the fields of the STRUCT that the path means.
pub(super) fn columns_of(
    scope: &Scope<'_>,
    name: &ObjectName,
    span: Span,
) -> Result<Vec<Item>, PortError> {
    let mut path = Vec::new();
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => path.push(ident.clone()),
            ObjectNamePart::Function(_) => return Err(unsupported(format!("{name}.*"), span)),
        }
    }
    let [alias] = &path[..] else {
        return struct_items(&scope.resolve(&path)?, span);
    };
    let mut tables = scope
        .ranges
        .iter()
        .filter(|r| r.element.is_none() && r.alias.as_ref().is_some_and(|a| same(a, &alias.value)));
    match (tables.next(), tables.next()) {
        (Some(range), None) => {
            let columns = scope.merged.iter().map(|m| &m.column);
            let mut columns = columns.chain(scope.ranges.iter().flat_map(|r| &r.columns));
            if columns.any(|c| same(&c.name, &alias.value)) {
                let message = format!("the name {} is a table and a column", alias.value);
                return Err(invalid(message, alias.span));
            }
            Ok(range_items(range))
        }
        (Some(_), Some(_)) => {
            Err(invalid(format!("the name {} is ambiguous", alias.value), alias.span))
        }
        (None, _) => struct_items(&scope.resolve(&path)?, span),
    }
}
