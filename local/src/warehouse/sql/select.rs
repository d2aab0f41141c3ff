//! One SELECT: its list, WHERE, grouping, DISTINCT and ORDER BY.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{
    self, Distinct, OrderByExpr, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::grouping::Written;
use super::query::{at_ordinal, distinct_rows, ordinal, sort};
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, column, filter, project};
use super::scope::{Name, Scope, Windows};
use super::typed::Typed;
use super::wildcard::{columns_of, every_column};
use super::windows::has_windows;
use super::{Binder, Span};

/// An item of the SELECT list.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name, written or implied.
    pub(super) name: Option<String>,
    /// Its value over FROM's columns.
    pub(super) value: Typed,
}

impl Binder<'_> {
    /// Binds a SELECT and the ORDER BY behind it.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<Relation, PortError> {
        let span = self.at(select);
        refuse_extras(select, false, span)?;
        let (mut plan, scope) = self.from(&select.from, outer)?;
        let scope = Scope { hosts: !select.from.is_empty(), ..scope };
        let before = self.attached.len();
        if let Some(condition) = &select.selection {
            plan = self.where_true(plan, condition, &scope)?;
        }
        self.check_windows(&select.named_window, &scope)?;
        let windows = Some(&select.named_window[..]);
        let mut items = self.items(&select.projection, &scope, windows)?;
        let mut keys = self.order_keys(order, &items, &scope, windows)?;
        let having = match &select.having {
            Some(having) => Some(self.condition(having, &items, &scope, None)?),
            None => None,
        };
        let mut qualify = match &select.qualify {
            Some(qualify) => Some(self.qualify(qualify, &items, &scope, windows)?),
            None => None,
        };
        plan = self.attach(plan, before)?;
        let written =
            Written { by: &select.group_by, projection: &select.projection, items: items.len() };
        let mut after: Vec<&mut Typed> = items.iter_mut().map(|i| &mut i.value).collect();
        after.extend(keys.iter_mut());
        after.extend(qualify.iter_mut());
        let alone = Scope { hosts: false, ..scope };
        plan = self.grouped(plan, &written, &alone, after, having)?;
        let mut after: Vec<&mut Typed> = items.iter_mut().map(|i| &mut i.value).collect();
        after.extend(keys.iter_mut());
        after.extend(qualify.iter_mut());
        plan = self.windowed(plan, after)?;
        if let Some(qualify) = qualify {
            plan = filter(plan, qualify.expr)?;
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(unsupported("DISTINCT ON", span)),
        };
        self.output(plan, &items, &keys, order, distinct, span)
    }

    /// Binds a SELECT list.
    pub(super) fn items(
        &mut self,
        projection: &[SelectItem],
        scope: &Scope<'_>,
        windows: Windows<'_>,
    ) -> Result<Vec<Item>, PortError> {
        let place = scope.windowing(windows);
        let mut items = Vec::new();
        for item in projection {
            let span = self.at(item);
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.expr(expr, &place)?;
                    items.push(Item { name: implied_name(expr), value });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let value = self.expr(expr, &place)?;
                    items.push(Item { name: Some(alias.value.clone()), value });
                }
                SelectItem::Wildcard(options) => {
                    let columns = every_column(scope, span)?;
                    items.extend(self.starred(columns, options, &place, span)?);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    let columns = columns_of(scope, name, span)?;
                    items.extend(self.starred(columns, options, &place, span)?);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::Expr(expr),
                    options,
                ) => {
                    let columns = self.fields_of(expr, &place)?;
                    items.extend(self.starred(columns, options, &place, span)?);
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(unsupported("several aliases", span));
                }
            }
        }
        Ok(items)
    }

    /// Binds ORDER BY, which sees the list's aliases before FROM's columns.
    pub(super) fn order_keys(
        &mut self,
        order: &[OrderByExpr],
        items: &[Item],
        scope: &Scope<'_>,
        windows: Windows<'_>,
    ) -> Result<Vec<Typed>, PortError> {
        let mut with_aliases = scope.clone();
        with_aliases.aliases = items
            .iter()
            .filter_map(|i| Some(Name { name: i.name.clone()?, value: i.value.clone() }))
            .collect();
        let mut keys = Vec::new();
        for item in order {
            let span = self.at(&item.expr);
            keys.push(match ordinal(&item.expr) {
                Some(at) => at_ordinal(items, at, "ORDER BY", span)?.value.clone(),
                None => self.expr(&item.expr, &with_aliases.windowing(windows))?,
            });
        }
        Ok(keys)
    }

    /// HAVING and QUALIFY see FROM's columns and the SELECT list's aliases; a name that is both must mean one
    /// thing.
    pub(super) fn condition(
        &mut self,
        condition: &ast::Expr,
        items: &[Item],
        scope: &Scope<'_>,
        windows: Windows<'_>,
    ) -> Result<Typed, PortError> {
        let span = self.at(condition);
        let aliases = items
            .iter()
            .filter_map(|i| Some(Name { name: i.name.clone()?, value: i.value.clone() }))
            .collect();
        let scope = scope.clone().with_lesser(aliases);
        let bound = self.expr(condition, &scope.windowing(windows))?;
        if windows.is_none() && has_windows(&bound.expr) {
            return Err(invalid("a window function is not allowed in HAVING", span));
        }
        bound.coerce(&DataType::Bool, span)
    }

    fn qualify(
        &mut self,
        qualify: &ast::Expr,
        items: &[Item],
        scope: &Scope<'_>,
        windows: Windows<'_>,
    ) -> Result<Typed, PortError> {
        let span = self.at(qualify);
        let bound = self.condition(qualify, items, scope, windows)?;
        let listed = items.iter().map(|i| &i.value.expr);
        if [&bound.expr].into_iter().chain(listed).any(has_windows) {
            return Ok(bound);
        }
        Err(invalid("QUALIFY without a window function in it or in the SELECT list", span))
    }

    /// Projects the list, then DISTINCT, then ORDER BY over it and over columns kept for it alone.
    fn output(
        &mut self,
        plan: datafusion::logical_expr::LogicalPlan,
        items: &[Item],
        keys: &[Typed],
        order: &[OrderByExpr],
        distinct: bool,
        span: Span,
    ) -> Result<Relation, PortError> {
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        for item in items {
            let name = self.fresh(item.name.as_deref().unwrap_or("an unnamed column"));
            exprs.push(item.value.expr.clone().alias(&name));
            let kind = item.value.kind.clone();
            columns.push(Output { name: item.name.clone(), kind, column: name });
        }
        let mut sorted = Vec::new();
        for (key, written) in keys.iter().zip(order) {
            let shown = items.iter().position(|i| i.value.expr == key.expr);
            let name = match shown {
                Some(at) => columns[at].column.clone(),
                None if distinct => {
                    let message = "ORDER BY after SELECT DISTINCT takes columns of the list alone";
                    return Err(invalid(message, self.at(&written.expr)));
                }
                None => {
                    let name = self.fresh("an ORDER BY key");
                    exprs.push(key.expr.clone().alias(&name));
                    name
                }
            };
            let key = Typed::computed(column(&name), key.kind.clone());
            sorted.push(self.sort_key(key, written)?);
        }
        let mut relation = Relation { plan: project(plan, exprs)?, columns };
        if distinct {
            relation = distinct_rows(relation, span)?;
        }
        if !sorted.is_empty() {
            let plan = sort(relation.plan, sorted)?;
            let keep = relation.columns.iter().map(|c| column(&c.column)).collect();
            relation.plan = project(plan, keep)?;
        }
        Ok(relation)
    }
}

fn refuse_extras(select: &Select, records: bool, span: Span) -> Result<(), PortError> {
    // Every field is named, so that a new one of the parser's is a decision here.
    let Select {
        select_token: _,
        optimizer_hints,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    let refused = [
        (!optimizer_hints.is_empty(), "a hint"),
        (select_modifiers.is_some(), "a SELECT modifier"),
        (top.is_some(), "TOP"),
        (exclude.is_some(), "EXCLUDE"),
        (into.is_some(), "INTO"),
        (!lateral_views.is_empty(), "LATERAL VIEW"),
        (prewhere.is_some(), "PREWHERE"),
        (!connect_by.is_empty(), "CONNECT BY"),
        (!cluster_by.is_empty(), "CLUSTER BY"),
        (!distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!sort_by.is_empty(), "SORT BY"),
        (
            value_table_mode.is_some_and(|m| !records || m != ast::ValueTableMode::AsStruct),
            "SELECT AS STRUCT or AS VALUE here",
        ),
        (*flavor != SelectFlavor::Standard, "SELECT in this order"),
    ];
    match refused.iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(unsupported(what, span)),
        None => Ok(()),
    }
}

/// Whether a SELECT has a clause that is refused in a subquery over arrays.
pub(super) fn has_extras(select: &Select) -> bool {
    refuse_extras(select, true, Span::empty()).is_err()
}

/// The name a column has without an alias: the last of its path.
pub(super) fn implied_name(expr: &ast::Expr) -> Option<String> {
    match expr {
        // A parameter is no name.
        ast::Expr::Identifier(name) if name.value.starts_with('@') => None,
        ast::Expr::Identifier(name) => Some(name.value.clone()),
        ast::Expr::CompoundIdentifier(path) => path.last().map(|name| name.value.clone()),
        ast::Expr::CompoundFieldAccess { root: _, access_chain } => match access_chain.last() {
            Some(ast::AccessExpr::Dot(ast::Expr::Identifier(name))) => Some(name.value.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression aggregates.
pub(super) fn aggregates(expr: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    expr.exists(|e| Ok(matches!(e, Expr::AggregateFunction(_)))).unwrap_or(true)
}
