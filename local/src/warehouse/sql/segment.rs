//! A subquery over the arrays of one row, run for each row of a batch:
//! `(SELECT SUM(c.amount) FROM UNNEST(credits) AS c)`.
//!
//! The batch's elements are laid end to end with the number of their row beside them; each clause of the subquery
//! then runs once over all of them.

use std::sync::Arc;

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::SortOptions;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{self, Distinct, GroupByExpr};

use super::aggregates::{Call, call_of};
use super::from::element_range;
use super::grouping::collect;
use super::query::{group_key, sortable};
use super::records::record;
use super::refusal::{invalid, unsupported};
use super::relation::column;
use super::rowwise::native;
use super::scope::{Name, Place, Range, Scope};
use super::select::Item;
use super::typed::Typed;
use super::windows::has_windows;
use super::{Binder, Span};

mod laid;
mod shape;

pub(super) use laid::offsets;

use shape::Written;
pub(super) use shape::shape;

/// What becomes of a row's result rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// The one value; NULL without a row, an error with two.
    Scalar,
    /// Whether there is one.
    Exists,
    /// All of them.
    Array,
}

/// One array, whose elements stand beside those of the sources before it.
struct Source {
    array: Expr,
    element: String,
    offset: String,
}

/// A bound subquery over a row's arrays.
struct Segment {
    /// The columns around it that it reads, by the name they have inside.
    captured: Vec<String>,
    sources: Vec<Source>,
    filter: Option<Expr>,
    /// The names of the grouping's keys; `None` where nothing is grouped or aggregated.
    groups: Option<Vec<(String, Expr)>>,
    /// Aggregates with the name their value has behind the grouping.
    aggregates: Vec<(String, Call)>,
    having: Option<Expr>,
    output: Expr,
    distinct: bool,
    order: Vec<(Expr, SortOptions)>,
    skip: usize,
    fetch: Option<usize>,
    kind: DataType,
    term: Term,
}

impl Binder<'_> {
    /// Binds a subquery whose FROM names arrays alone; `None` where it names something else.
    pub(super) fn segment(
        &mut self,
        query: &ast::Query,
        term: Term,
        place: &Place<'_>,
    ) -> Result<Option<Typed>, PortError> {
        let Some((select, written)) = shape(query, place) else { return Ok(None) };
        let span = self.at(query);
        let mut scope = Scope { outer: Some(place.scope), ..Scope::default() };
        let mut sources = Vec::new();
        let mut filters = Vec::new();
        for (at, from) in written.iter().enumerate() {
            let clause = Some("UNNEST").filter(|_| at > 0).or(place.no_aggregates);
            let inner = Place { scope: &scope, no_aggregates: clause, windows: None };
            let array = self.expr(&from.array, &inner)?;
            sources.push(self.source(&mut scope, array, from, span)?);
            if let Some(on) = from.on {
                filters.push(self.expr(on, &scope.plain("ON"))?.coerce(&DataType::Bool, span)?);
            }
        }
        if let Some(condition) = &select.selection {
            let span = self.at(condition);
            let bound = self.expr(condition, &scope.plain("WHERE"))?;
            filters.push(bound.coerce(&DataType::Bool, span)?);
        }
        let filter = filters.into_iter().map(|f| f.expr).reduce(Expr::and);
        let items = self.items(&select.projection, &scope, None)?;
        let order = match &query.order_by {
            Some(ast::OrderBy {
                kind: ast::OrderByKind::Expressions(order),
                interpolate: None,
            }) => &order[..],
            Some(_) => return Err(unsupported("this ORDER BY", span)),
            None => &[],
        };
        let mut keys = self.order_keys(order, &items, &scope, None)?;
        let mut having = match &select.having {
            Some(having) => Some(self.condition(having, &items, &scope, None)?),
            None => None,
        };
        let mut items = items;
        let (groups, calls) = {
            let mut after: Vec<&mut Typed> = items.iter_mut().map(|i| &mut i.value).collect();
            after.extend(keys.iter_mut());
            after.extend(having.iter_mut());
            self.segment_groups(select, &scope, &sources, after, span)?
        };
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let mut output = output(&items, select, term, span)?;
        if distinct {
            if keys.iter().any(|k| k.expr != output.expr) {
                let message = "ORDER BY after SELECT DISTINCT takes columns of the list alone";
                return Err(invalid(message, span));
            }
            output.expr = group_key(output.clone(), span)?;
        }
        let mut sorted = Vec::new();
        for (key, item) in keys.into_iter().zip(order) {
            let descending = !item.options.asc.unwrap_or(true);
            let nulls_first = item.options.nulls_first.unwrap_or(!descending);
            let options = SortOptions { descending, nulls_first };
            let key = if distinct { Typed { expr: output.expr.clone(), ..key } } else { key };
            sorted.push((sortable(key, span)?, options));
        }
        let (skip, fetch) = self.limits(query.limit_clause.as_ref())?;
        let segment = Segment {
            captured: Vec::new(),
            sources,
            filter,
            groups,
            aggregates: calls,
            having: having.map(|h| h.expr),
            output: output.expr,
            distinct,
            order: sorted,
            skip,
            fetch,
            kind: output.kind,
            term,
        };
        self.finish(segment, span).map(Some)
    }

    /// Adds an array's names to the scope.
    fn source(
        &mut self,
        scope: &mut Scope<'_>,
        array: Typed,
        from: &Written<'_>,
        span: Span,
    ) -> Result<Source, PortError> {
        let DataType::Array(kind) = array.kind.clone() else {
            return Err(invalid(format!("UNNEST of a {}", array.kind_name()), span));
        };
        let element = self.fresh("an element of UNNEST");
        let offset = self.fresh("offset");
        let value = Typed::computed(column(&element), *kind);
        scope.ranges.push(element_range(from.alias.clone(), value));
        if let Some(name) = from.offset.clone() {
            let value = Typed::computed(column(&offset), DataType::Int64);
            scope.ranges.push(Range { columns: vec![Name { name, value }], ..Range::default() });
        }
        Ok(Source { array: array.expr, element, offset })
    }

    /// The keys and aggregates of the subquery, and `after` rewritten to read them.
    #[expect(clippy::type_complexity, reason = "two lists of named parts")]
    fn segment_groups(
        &mut self,
        select: &ast::Select,
        scope: &Scope<'_>,
        sources: &[Source],
        after: Vec<&mut Typed>,
        span: Span,
    ) -> Result<(Option<Vec<(String, Expr)>>, Vec<(String, Call)>), PortError> {
        let GroupByExpr::Expressions(written, modifiers) = &select.group_by else {
            return Err(unsupported("GROUP BY ALL over UNNEST", span));
        };
        if !modifiers.is_empty() {
            return Err(unsupported("a GROUP BY modifier", span));
        }
        let mut replaced: Vec<(Expr, Expr)> = Vec::new();
        let mut groups = Vec::new();
        for expr in written {
            let (key, value) = self.group_key(expr, scope, &after, &select.projection)?;
            let name = self.fresh("a GROUP BY key");
            groups.push((name.clone(), value));
            replaced.push((key.expr, column(&name)));
        }
        let mut calls = Vec::new();
        let mut odd = false;
        for typed in &after {
            odd |= has_windows(&typed.expr);
            collect(&typed.expr, &mut |call| {
                if replaced.iter().any(|(known, _)| known == call) {
                    return;
                }
                match call_of(call) {
                    Some(found) => {
                        let name = self.fresh("an aggregate");
                        replaced.push((call.clone(), column(&name)));
                        calls.push((name, found));
                    }
                    None => odd = true,
                }
            });
        }
        if odd {
            return Err(unsupported("this aggregate or window function over UNNEST", span));
        }
        if groups.is_empty() && calls.is_empty() {
            return match select.having {
                Some(_) => Err(invalid("HAVING without GROUP BY or an aggregate", span)),
                None => Ok((None, calls)),
            };
        }
        for typed in after {
            typed.expr = replace(&typed.expr, &replaced);
            let inner = |c: &&datafusion::common::Column| {
                sources.iter().any(|s| s.element == c.name || s.offset == c.name)
            };
            if typed.expr.column_refs().iter().any(inner) {
                let message = "an element of UNNEST beside an aggregate is not aggregated";
                return Err(invalid(message, span));
            }
        }
        Ok((Some(groups), calls))
    }

    /// The call that runs the segment over the columns it captures.
    fn finish(&mut self, mut segment: Segment, span: Span) -> Result<Typed, PortError> {
        let Segment { sources, filter, groups, aggregates, having, output, order, .. } = &segment;
        let made: Vec<&String> = sources
            .iter()
            .flat_map(|s| [&s.element, &s.offset])
            .chain(groups.iter().flatten().map(|(name, _)| name))
            .chain(aggregates.iter().map(|(name, _)| name))
            .collect();
        let within = sources[1..]
            .iter()
            .map(|s| &s.array)
            .chain(filter)
            .chain(groups.iter().flatten().map(|(_, key)| key))
            .chain(aggregates.iter().flat_map(|(_, call)| &call.args))
            .chain(having)
            .chain([output])
            .chain(order.iter().map(|(key, _)| key));
        let mut captured: Vec<String> = Vec::new();
        for expr in within {
            if has_windows(expr) {
                return Err(unsupported("a window function over UNNEST", span));
            }
            for read in expr.column_refs() {
                if !made.contains(&&read.name) && !captured.contains(&read.name) {
                    captured.push(read.name.clone());
                }
            }
        }
        captured.sort();
        let mut args = vec![sources[0].array.clone()];
        args.extend(captured.iter().map(|name| column(name)));
        let kind = match segment.term {
            Term::Scalar => segment.kind.clone(),
            Term::Exists => DataType::Bool,
            Term::Array => DataType::Array(Box::new(segment.kind.clone())),
        };
        if segment.term == Term::Array && matches!(segment.kind, DataType::Array(_)) {
            return Err(invalid("an array of arrays does not exist", span));
        }
        segment.captured = captured;
        let salt = self.salt();
        let evaluate = Arc::new(move |args: &[ArrayRef], rows: usize| segment.run(args, rows));
        Ok(Typed::computed(native("SEGMENT", salt, &kind, args, evaluate), kind))
    }
}

/// The one value of the list, or the STRUCT of all.
fn output(
    items: &[Item],
    select: &ast::Select,
    term: Term,
    span: Span,
) -> Result<Typed, PortError> {
    let named = || items.iter().map(|i| (i.name.clone().unwrap_or_default(), i.value.clone()));
    match (items, select.value_table_mode, term) {
        ([only], None, _) => Ok(only.value.clone()),
        // EXISTS asks for no value, but all of the list must mean something.
        (_, Some(ast::ValueTableMode::AsStruct), _) | (_, None, Term::Exists) => {
            Ok(record(named().collect()))
        }
        (_, None, _) => Err(invalid("a subquery as a value has one column", span)),
        (_, Some(_), _) => Err(unsupported("SELECT AS VALUE", span)),
    }
}

/// The expression with others in place of parts.
pub(super) fn replace(expr: &Expr, replaced: &[(Expr, Expr)]) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
    let rewritten = expr.clone().transform_down(|e| {
        Ok(match replaced.iter().find(|(known, _)| *known == e) {
            Some((_, with)) => Transformed::new(with.clone(), true, TreeNodeRecursion::Jump),
            None => Transformed::no(e),
        })
    });
    // The rewriting never fails.
    rewritten.map_or_else(|_| expr.clone(), |t| t.data)
}
