//! FROM: tables, names of WITH, subqueries, joins, and arrays unnested beside what stands left of them.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::{DataType, TableRef};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::{NullHandling, UnnestOptions};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Ident, Join, JoinOperator, ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins,
};

use super::joins::cross;
use super::query::as_struct;
use super::records::{self, holds_arrays};
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, column, project};
use super::scope::{Merged, Name, Range, Scope, field_at};
use super::segment::offsets;
use super::typed::Typed;
use super::{Binder, Content, Span, planned};

/// Each item widens the rows of all before it.
const MOST_ITEMS: usize = 32;

/// What FROM has bound so far.
pub(super) struct From {
    pub(super) plan: LogicalPlan,
    pub(super) ranges: Vec<Range>,
    pub(super) merged: Vec<Merged>,
}

/// One item of FROM.
pub(super) enum Item {
    Rows(From),
    /// An array's elements, for each row to the left.
    Elements {
        array: Typed,
        alias: Option<Ident>,
        offset: Option<Ident>,
    },
}

impl From {
    pub(super) fn scope<'p>(&self, outer: Option<&'p Scope<'p>>) -> Scope<'p> {
        Scope {
            ranges: self.ranges.clone(),
            merged: self.merged.clone(),
            outer,
            ..Scope::default()
        }
    }
}

impl Binder<'_> {
    /// Binds FROM; without one, a single row without columns.
    pub(super) fn from<'p>(
        &mut self,
        from: &[TableWithJoins],
        outer: Option<&'p Scope<'p>>,
    ) -> Result<(LogicalPlan, Scope<'p>), PortError> {
        if from.len() > MOST_ITEMS {
            let what = format!("a query of more than {MOST_ITEMS} items in FROM");
            return Err(unsupported(what, self.here));
        }
        let mut so_far: Option<From> = None;
        for item in from {
            so_far = Some(self.comma_item(item, so_far, outer)?);
        }
        let from = match so_far {
            Some(from) => from,
            None => nothing()?,
        };
        let scope = from.scope(outer);
        Ok((from.plan, scope))
    }

    fn comma_item(
        &mut self,
        item: &TableWithJoins,
        left: Option<From>,
        outer: Option<&Scope<'_>>,
    ) -> Result<From, PortError> {
        let TableWithJoins { relation, joins } = item;
        let span = self.at(relation);
        let first = self.factor(relation, left.as_ref(), outer)?;
        let (mut joined, waiting) = match (first, left) {
            (Item::Rows(from), left) => (from, left),
            (Item::Elements { array, alias, offset }, left) => {
                let outside = |j: &Join| {
                    matches!(
                        j.join_operator,
                        JoinOperator::Right(_)
                            | JoinOperator::RightOuter(_)
                            | JoinOperator::FullOuter(_)
                    )
                };
                if left.is_some() && joins.iter().any(outside) {
                    return Err(unsupported("RIGHT or FULL JOIN after a comma and UNNEST", span));
                }
                let left = left.map_or_else(nothing, Ok)?;
                (self.unnest(left, array, alias, offset, false, span)?, None)
            }
        };
        for join in joins {
            joined = self.join(joined, join, outer)?;
        }
        match waiting {
            Some(left) => cross(left, joined),
            None => Ok(joined),
        }
    }

    /// A table, subquery, join in parentheses or array.
    pub(super) fn factor(
        &mut self,
        factor: &TableFactor,
        left: Option<&From>,
        outer: Option<&Scope<'_>>,
    ) -> Result<Item, PortError> {
        let span = self.at(factor);
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref(), left, outer, span)
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                Err(unsupported(format!("the table function {name}"), span))
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let (subquery, _) = as_struct(subquery);
                let relation = self.query(&subquery, outer)?;
                let alias = alias_of(alias.as_ref())?;
                Ok(Item::Rows(rows(relation, alias.map(|a| a.value))))
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset,
                with_offset_alias,
                with_ordinality: false,
            } => {
                let [array] = &array_exprs[..] else {
                    return Err(unsupported("UNNEST of several arrays", span));
                };
                let scope =
                    left.map_or_else(|| Scope { outer, ..Scope::default() }, |l| l.scope(outer));
                let array = self.expr(array, &scope.plain("UNNEST"))?;
                let offset = with_offset
                    .then(|| with_offset_alias.clone().unwrap_or_else(|| Ident::new("offset")));
                Ok(Item::Elements { array, alias: alias_of(alias.as_ref())?, offset })
            }
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null: None,
                alias,
            } => {
                let functions = &aggregate_functions[..];
                let relation =
                    self.pivot(table, functions, value_column, value_source, outer, span)?;
                Ok(Item::Rows(rows(relation, alias_of(alias.as_ref())?.map(|a| a.value))))
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                let nulls = null_inclusion.as_ref();
                let relation = self.unpivot(table, value, name, columns, nulls, outer, span)?;
                Ok(Item::Rows(rows(relation, alias_of(alias.as_ref())?.map(|a| a.value))))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.comma_item(table_with_joins, None, outer).map(Item::Rows)
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                Err(unsupported(format!("{text} in FROM"), span))
            }
        }
    }

    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        left: Option<&From>,
        outer: Option<&Scope<'_>>,
        span: Span,
    ) -> Result<Item, PortError> {
        let alias = alias_of(alias)?;
        let mut parts: Vec<Ident> = Vec::new();
        for part in &name.0 {
            let ObjectNamePart::Identifier(ident) = part else {
                return Err(unsupported(format!("the table name {name}"), span));
            };
            // A quoted name may hold the whole path.
            let pieces = ident.value.split('.');
            parts.extend(pieces.map(|piece| Ident { value: piece.to_owned(), ..ident.clone() }));
        }
        if let (Some(left), true) = (left, parts.len() > 1) {
            let first = &parts[0].value;
            let named = |r: &Range| r.alias.as_ref().is_some_and(|a| a.eq_ignore_ascii_case(first));
            if left.ranges.iter().any(named) {
                let array = left.scope(outer).resolve(&parts)?;
                let alias = alias.or_else(|| parts.last().cloned());
                return Ok(Item::Elements { array, alias, offset: None });
            }
        }
        if let [single] = &parts[..] {
            let mut with = self.named.iter_mut().rev();
            if let Some(named) = with.find(|n| n.name.eq_ignore_ascii_case(&single.value)) {
                named.reads += 1;
                let Some(relation) = named.relation.clone() else {
                    let what = format!("{single}, which WITH RECURSIVE has not bound yet,");
                    return Err(unsupported(what, span));
                };
                let relation = self.again(&relation)?;
                let alias = alias.unwrap_or_else(|| single.clone());
                return Ok(Item::Rows(rows(relation, Some(alias.value))));
            }
        }
        if parts.last().is_some_and(|p| p.value.contains('*')) {
            return self.shards(&parts, alias.map(|a| a.value), span).map(Item::Rows);
        }
        let table = self.table_ref(&parts, span)?;
        let alias = alias.map_or_else(|| table.table.clone(), |a| a.value);
        let relation = self.stored(&table, span)?;
        Ok(Item::Rows(rows(relation, Some(alias))))
    }

    fn table_ref(&self, parts: &[Ident], span: Span) -> Result<TableRef, PortError> {
        let text: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
        let written = text.join(".");
        if written.to_ascii_uppercase().contains("INFORMATION_SCHEMA") {
            return Err(unsupported(format!("{written}: INFORMATION_SCHEMA"), span));
        }
        let invalid_name = |e: common::warehouse::InvalidName| invalid(e, span);
        match (&text[..], &self.default_dataset) {
            ([table], Some(dataset)) => dataset.table(table).map_err(invalid_name),
            ([table], None) => {
                Err(invalid(format!("the table {table} is named without a dataset"), span))
            }
            _ => written.parse().map_err(invalid_name),
        }
    }

    /// A table of the catalog, or a view's query.
    fn stored(&mut self, table: &TableRef, span: Span) -> Result<Relation, PortError> {
        let missing = || {
            PortError::NotFound(format!(
                "the table {table}, read at {}:{},",
                span.start.line, span.start.column
            ))
        };
        let source = self.tables.table(table)?.ok_or_else(missing)?;
        self.read.insert(table.clone(), source.bytes);
        match source.content {
            Content::Rows(provider) => self.scanned(table, provider, &source.columns),
            Content::View(sql) => self.view(table, &sql),
        }
    }

    /// The rows of a table, under names of the plan.
    pub(super) fn scanned(
        &mut self,
        table: &TableRef,
        provider: Arc<dyn TableProvider>,
        columns: &[common::warehouse::Column],
    ) -> Result<Relation, PortError> {
        let alias = self.fresh(&table.to_string());
        let reference = TableReference::bare(alias.as_str());
        let plan = LogicalPlanBuilder::scan(reference.clone(), provider_as_source(provider), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        let (mut exprs, mut outputs) = (Vec::new(), Vec::new());
        for stored in columns {
            let name = self.fresh(&stored.name);
            let read = datafusion::common::Column::new(Some(reference.clone()), &stored.name);
            let kind = stored.data_type();
            let read = Expr::Column(read);
            let read = if holds_arrays(&kind) { records::stored(read, &kind) } else { read };
            exprs.push(read.alias(&name));
            outputs.push(Output { name: Some(stored.name.clone()), kind, column: name });
        }
        Ok(Relation { plan: project(plan, exprs)?, columns: outputs })
    }

    fn view(&mut self, view: &TableRef, sql: &str) -> Result<Relation, PortError> {
        if self.views.contains(view) {
            return Err(invalid(format!("the view {view} reads itself"), self.here));
        }
        self.views.push(view.clone());
        // A view sees its own dataset and none of the statement's names.
        let named = std::mem::take(&mut self.named);
        let dataset = self.default_dataset.replace(view.dataset.clone());
        let here = self.here;
        let relation = super::parse(sql).and_then(|query| self.query(&query, None));
        self.here = here;
        self.default_dataset = dataset;
        self.named = named;
        self.views.pop();
        relation.map_err(|e| match e {
            PortError::InvalidQuery(message) => {
                PortError::InvalidQuery(format!("in the view {view}: {message}"))
            }
            other => other,
        })
    }

    /// An array's elements beside each row of `left`; with `keep`, a row without elements stays.
    pub(super) fn unnest(
        &mut self,
        left: From,
        array: Typed,
        alias: Option<Ident>,
        offset: Option<Ident>,
        keep: bool,
        span: Span,
    ) -> Result<From, PortError> {
        let DataType::Array(kind) = array.kind.clone() else {
            return Err(invalid(
                format!("UNNEST of a {}, which is no array", array.kind_name()),
                span,
            ));
        };
        let alias = alias.map(|a| a.value);
        let element = self.fresh(alias.as_deref().unwrap_or("an element of UNNEST"));
        let at = self.fresh("offset");
        let mut exprs: Vec<Expr> =
            left.plan.schema().columns().into_iter().map(Expr::Column).collect();
        let mut lists = vec![datafusion::common::Column::new_unqualified(element.as_str())];
        if offset.is_some() {
            exprs.push(offsets(array.expr.clone()).alias(&at));
            lists.push(datafusion::common::Column::new_unqualified(at.as_str()));
        }
        exprs.push(array.expr.alias(&element));
        let null_handling =
            if keep { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
        let options = UnnestOptions { null_handling, recursions: Vec::new() };
        let plan = LogicalPlanBuilder::from(project(left.plan, exprs)?)
            .unnest_columns_with_options(lists, options)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planned)?;
        let mut ranges = left.ranges;
        ranges.push(element_range(alias, Typed::computed(column(&element), *kind)));
        if let Some(offset) = offset {
            let value = Typed::computed(column(&at), DataType::Int64);
            let columns = vec![Name { name: offset.value, value }];
            ranges.push(Range { columns, ..Range::default() });
        }
        Ok(From { plan, ranges, merged: left.merged })
    }
}

/// The names an array's element brings: itself by the alias, and a STRUCT's fields.
pub(super) fn element_range(alias: Option<String>, element: Typed) -> Range {
    let mut columns = Vec::new();
    if let DataType::Struct(fields) = &element.kind {
        for (at, (name, kind)) in fields.iter().enumerate() {
            let value = Typed::computed(field_at(element.expr.clone(), at, kind), kind.clone());
            columns.push(Name { name: name.clone(), value });
        }
    }
    Range { alias, columns, element: Some(element), ..Range::default() }
}

fn nothing() -> Result<From, PortError> {
    let plan = LogicalPlanBuilder::empty(true).build().map_err(planned)?;
    Ok(From { plan, ranges: Vec::new(), merged: Vec::new() })
}

pub(super) fn rows(relation: Relation, alias: Option<String>) -> From {
    let columns = relation.columns.into_iter().map(|o| Name {
        name: o.name.unwrap_or_default(),
        value: Typed::computed(column(&o.column), o.kind),
    });
    let range = Range { alias, columns: columns.collect(), ..Range::default() };
    From { plan: relation.plan, ranges: vec![range], merged: Vec::new() }
}

/// The name of an alias, which names no columns.
pub(super) fn alias_of(alias: Option<&TableAlias>) -> Result<Option<Ident>, PortError> {
    let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return Ok(None) };
    if !columns.is_empty() || at.is_some() {
        return Err(unsupported("an alias with column names", name.span));
    }
    Ok(Some(name.clone()))
}
