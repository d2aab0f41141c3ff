//! The SQL front: GoogleSQL parsed, bound name by name and type by type, and planned on DataFusion.
//!
//! Exact or refused: a construct is planned only where the code here names it, and every function is ours by
//! GoogleSQL's meaning. Inside a plan each column has a name of its own (`c17`), so that DataFusion resolves
//! nothing by GoogleSQL's names.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::port::PortError;
use common::warehouse::{Column, DataType, DatasetName, Param, Query, TableRef};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, Statement};
use datafusion::sql::sqlparser::dialect::BigQueryDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError, ParserOptions};
use datafusion::sql::sqlparser::tokenizer::{Span, Tokenizer};

mod aggregates;
mod calls;
mod collecting;
mod correlated;
mod expr;
mod from;
pub(crate) mod functions;
mod grouping;
mod joins;
mod literals;
mod nesting;
pub(super) mod operators;
mod pivot;
mod query;
mod records;
mod recursive;
pub mod reference;
pub(crate) mod refusal;
mod relation;
pub(crate) mod rowwise;
mod run;
mod scope;
mod segment;
mod select;
mod semijoin;
mod sets;
mod shards;
mod subquery;
mod tokens;
mod typed;
mod wildcard;
mod windows;

use refusal::{invalid, unsupported};
use relation::Relation;
pub(crate) use run::stream;

/// A table as the catalog knows it.
pub(crate) struct Source {
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Where its rows come from.
    pub(crate) content: Content,
    /// Bytes of its files.
    pub(crate) bytes: u64,
}

/// Where a table's rows come from.
pub(crate) enum Content {
    /// Stored rows.
    Rows(Arc<dyn TableProvider>),
    /// A view's GoogleSQL.
    View(String),
}

/// The tables a statement may read, as of one moment.
pub(crate) trait Tables {
    /// The table, `None` where there is none.
    fn table(&self, table: &TableRef) -> Result<Option<Source>, PortError>;

    /// The tables and views of a dataset whose names begin so, by name.
    fn beginning(&self, dataset: &DatasetName, prefix: &str) -> Result<Vec<TableRef>, PortError>;
}

/// A statement ready to run.
pub(crate) struct Prepared {
    /// The rows, in the result's columns.
    pub(crate) plan: LogicalPlan,
    /// What must run first, in order: the plan reads its answers.
    pub(crate) subqueries: Vec<subquery::Subquery>,
    /// The result's columns; names may repeat.
    pub(crate) columns: Vec<(String, DataType)>,
    /// Every table read, views' own tables included.
    pub(crate) tables: BTreeSet<TableRef>,
    /// The bytes of their files.
    pub(crate) bytes: u64,
}

/// Binds one statement to the tables; `now` is its `CURRENT_TIMESTAMP`.
pub(crate) fn prepare(
    query: &Query,
    tables: &dyn Tables,
    now: DateTime<Utc>,
) -> Result<Prepared, PortError> {
    let parsed = parse(&query.sql)?;
    let mut binder = Binder {
        tables,
        params: &query.params,
        default_dataset: query.default_dataset.clone(),
        now,
        next: 0,
        read: BTreeMap::new(),
        subqueries: Vec::new(),
        attached: Vec::new(),
        named: Vec::new(),
        views: Vec::new(),
        here: Span::empty(),
        written: BTreeMap::new(),
    };
    let relation = binder.query(&parsed, None)?.result()?;
    nesting::check_plan(&relation.plan)?;
    for subquery in &binder.subqueries {
        nesting::check_plan(&subquery.plan)?;
    }
    let mut columns = Vec::with_capacity(relation.columns.len());
    let mut unnamed = 0;
    for column in &relation.columns {
        let name = column.name.clone().unwrap_or_else(|| {
            let name = format!("f{unnamed}_");
            unnamed += 1;
            name
        });
        if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("_TABLE_")) {
            let message =
                format!("{name} is no name of a result's column: give it another with AS");
            return Err(PortError::InvalidQuery(message));
        }
        columns.push((name, column.kind.clone()));
    }
    Ok(Prepared {
        plan: relation.plan,
        subqueries: binder.subqueries,
        columns,
        bytes: binder.read.values().sum(),
        tables: binder.read.into_keys().collect(),
    })
}

/// The parser's complaint in our words: what stands where, without its own vocabulary.
fn syntax(message: &str) -> PortError {
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, place.replace(", Column: ", ":")),
        None => (message, String::new()),
    };
    let place = if place.is_empty() { place } else { format!(" at {place}") };
    let found = what.rsplit_once("found: ").map(|(_, found)| found);
    let near = match found {
        Some("EOF") => "the statement ends too early".to_owned(),
        Some(found) => format!("{found} is not expected here"),
        None => "this is not understood".to_owned(),
    };
    PortError::InvalidQuery(format!("syntax error{place}: {near}"))
}

fn parse(sql: &str) -> Result<ast::Query, PortError> {
    // Literals stay as written: GoogleSQL's escapes are read by our own hand.
    let options = ParserOptions::new().with_unescape(false).with_trailing_commas(true);
    let tokens = Tokenizer::new(&BigQueryDialect {}, sql)
        .with_unescape(options.unescape)
        .tokenize_with_location()
        .map_err(|e| syntax(&e.to_string()))?;
    nesting::check_text(&tokens)?;
    nesting::check_spelling(&tokens)?;
    let tokens = tokens::rewritten(tokens);
    let mut statements = Parser::new(&BigQueryDialect {})
        .with_options(options)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|e| match e {
            ParserError::RecursionLimitExceeded => {
                unsupported("a statement that nests this deep", Span::empty())
            }
            ParserError::ParserError(e) | ParserError::TokenizerError(e) => syntax(&e),
        })?;
    if statements.len() > 1 {
        return Err(unsupported("a script of several statements", Span::empty()));
    }
    match statements.pop() {
        Some(Statement::Query(query)) => Ok(*query),
        Some(other) => {
            let text = other.to_string();
            let verb: Vec<&str> = text.split_whitespace().take(2).collect();
            let message = format!("{} is not a SELECT; a query is one SELECT", verb.join(" "));
            Err(invalid(message, Span::empty()))
        }
        None => Err(invalid("the statement is empty", Span::empty())),
    }
}

/// A name of WITH, in sight of what stands after it.
struct Named {
    name: String,
    /// `None` where WITH RECURSIVE shows a name that is not bound yet.
    relation: Option<Rc<Relation>>,
    /// How often it was read.
    reads: usize,
}

impl Named {
    fn unbound(name: &str) -> Self {
        Self { name: name.to_owned(), relation: None, reads: 0 }
    }
}

/// Binds one statement.
struct Binder<'a> {
    tables: &'a dyn Tables,
    params: &'a BTreeMap<String, Param>,
    default_dataset: Option<DatasetName>,
    now: DateTime<Utc>,
    next: u32,
    read: BTreeMap<TableRef, u64>,
    subqueries: Vec<subquery::Subquery>,
    /// What the SELECT being bound is to be joined with.
    attached: Vec<correlated::Attached>,
    named: Vec<Named>,
    views: Vec<TableRef>,
    /// Where the binder last was, for nodes that carry no place of their own.
    here: Span,
    /// How each plan column was written, for errors.
    written: BTreeMap<String, String>,
}

impl Binder<'_> {
    /// A column name that the statement has not used.
    fn fresh(&mut self, written: &str) -> String {
        self.next += 1;
        let name = format!("c{}", self.next);
        self.written.insert(name.clone(), written.to_owned());
        name
    }

    /// A number that the statement has not used, to tell functions apart.
    fn salt(&mut self) -> u64 {
        self.next += 1;
        u64::from(self.next)
    }

    /// Remembers where we are; the last known place where the node has none.
    fn at(&mut self, node: &impl ast::Spanned) -> Span {
        let span = node.span();
        if span.start.line > 0 {
            self.here = span;
        }
        self.here
    }
}

/// A DataFusion planning error: the binder built a plan that does not hold together.
fn planned(error: datafusion::error::DataFusionError) -> PortError {
    match refusal::executed(error) {
        PortError::Other { .. } => {
            let what = "a statement that the embedded warehouse cannot plan";
            unsupported(what, Span::empty())
        }
        refused => refused,
    }
}
