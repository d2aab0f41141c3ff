//! Names in sight: what a path such as `t.service.description` means.

use common::port::PortError;
use common::warehouse::DataType;
use datafusion::arrow::array::{Array, AsArray, make_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{Ident, NamedWindowDefinition};
use std::sync::Arc;

use super::Span;
use super::functions::call;
use super::records::record;
use super::refusal::{invalid, unsupported};
use super::rowwise::native;
use super::typed::Typed;

/// A name and what it stands for.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// As written at its definition; compared without case.
    pub(super) name: String,
    /// Its value.
    pub(super) value: Typed,
}

/// One item of FROM.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    /// The alias or table name.
    pub(super) alias: Option<String>,
    /// The columns, unnamed ones left out of resolution.
    pub(super) columns: Vec<Name>,
    /// The element itself, where the rows are an array's elements.
    pub(super) element: Option<Typed>,
    /// Columns that `*` does not show.
    pub(super) pseudo: Vec<Name>,
    /// Columns that a USING merged: only a qualified name reads them.
    pub(super) hidden: Vec<String>,
    /// Whether an outer join may have made its rows of NULLs.
    pub(super) padded: bool,
}

impl Range {
    /// Whether a bare name and `*` pass this column by.
    pub(super) fn hides(&self, column: &str) -> bool {
        self.hidden.iter().any(|name| same(name, column))
    }
}

/// A column that USING made of two.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    /// The range before which `*` shows it.
    pub(super) before: usize,
    /// Its name and value.
    pub(super) column: Name,
}

/// The names of a query's FROM, and of the queries around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'p> {
    /// In the order of FROM.
    pub(super) ranges: Vec<Range>,
    /// Columns that USING merged, in the order of `*`.
    pub(super) merged: Vec<Merged>,
    /// The query around this one, where its columns may be read.
    pub(super) outer: Option<&'p Scope<'p>>,
    /// Whether what is around it is in sight but cannot be read.
    pub(super) sealed: bool,
    /// Names that come first: select-list aliases in ORDER BY.
    pub(super) aliases: Vec<Name>,
    /// Whether its rows may be joined with what a subquery finds for them.
    pub(super) hosts: bool,
    /// Names that are a column and another alias: written bare, they are refused.
    pub(super) doubtful: Vec<String>,
}

/// What a path's first name was found to be.
enum Found<'s> {
    Value(&'s Typed),
    Range(&'s Range),
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

impl Scope<'_> {
    /// The value of a path of names.
    pub(super) fn resolve(&self, path: &[Ident]) -> Result<Typed, PortError> {
        let written: Vec<&str> = path.iter().map(|p| p.value.as_str()).collect();
        let span = path.first().map_or_else(super::Span::empty, |p| p.span);
        let mut level = Some(self);
        let mut sealed = false;
        while let Some(scope) = level {
            match scope.here(path)? {
                Some(_) if sealed => {
                    let what = format!(
                        "a subquery over tables that reads {} of the query around it",
                        written.join(".")
                    );
                    return Err(unsupported(what, span));
                }
                Some(value) => return Ok(value),
                None => {}
            }
            sealed |= scope.sealed;
            level = scope.outer;
        }
        Err(invalid(format!("the name {} is not in sight", written.join(".")), span))
    }

    /// Whether a name is one of FROM's or a column, here or around.
    pub(super) fn names(&self, name: &str) -> bool {
        let here = self.ranges.iter().any(|range| {
            range.alias.as_ref().is_some_and(|a| same(a, name))
                || range.columns.iter().any(|c| same(&c.name, name))
        });
        here || !self.sealed && self.outer.is_some_and(|outer| outer.names(name))
    }

    /// What a subquery that runs once sees of the query around it: names that it cannot read.
    pub(super) fn behind(&self) -> Scope<'_> {
        Scope { outer: Some(self), sealed: true, ..Scope::default() }
    }

    fn here(&self, path: &[Ident]) -> Result<Option<Typed>, PortError> {
        let Some(first) = path.first() else { return Ok(None) };
        if self.doubtful.iter().any(|name| same(name, &first.value)) {
            let message =
                format!("{} is a column and another alias: qualify it or rename one", first.value);
            return Err(invalid(message, first.span));
        }
        if let Some(alias) = self.aliases.iter().find(|n| same(&n.name, &first.value)) {
            return fields(alias.value.clone(), &path[1..]).map(Some);
        }
        let mut found: Vec<Found<'_>> = Vec::new();
        let merged = self.merged.iter().map(|m| &m.column);
        let shown = self.ranges.iter().filter(|range| !range.hides(&first.value));
        let columns =
            merged.chain(shown.flat_map(|range| range.columns.iter().chain(&range.pseudo)));
        found.extend(
            columns.filter(|n| same(&n.name, &first.value)).map(|n| Found::Value(&n.value)),
        );
        let named = |r: &&Range| r.alias.as_ref().is_some_and(|a| same(a, &first.value));
        found.extend(self.ranges.iter().filter(named).map(Found::Range));
        let mut values = Vec::new();
        let mut failure = None;
        for candidate in &found {
            match candidate.follow(path) {
                Ok(value) => values.push(value),
                Err(e) => failure = Some(e),
            }
        }
        values.dedup();
        match (values.len(), failure) {
            (1, _) => Ok(values.pop()),
            (0, Some(failure)) => Err(failure),
            (0, None) => Ok(None),
            _ => Err(invalid(
                format!("the name {} is ambiguous: qualify it or rename one", first.value),
                first.span,
            )),
        }
    }
}

impl Found<'_> {
    fn follow(&self, path: &[Ident]) -> Result<Typed, PortError> {
        let first = &path[0];
        match self {
            Self::Value(value) => fields((*value).clone(), &path[1..]),
            Self::Range(Range { element: Some(element), .. }) => {
                fields(element.clone(), &path[1..])
            }
            Self::Range(range) => {
                let Some(second) = path.get(1) else {
                    if range.padded {
                        let what = format!("the table {} of an outer join as a value", first.value);
                        return Err(unsupported(what, first.span));
                    }
                    let fields = range.columns.iter().map(|c| (c.name.clone(), c.value.clone()));
                    return Ok(record(fields.collect()));
                };
                let columns = range.columns.iter().chain(&range.pseudo);
                let mut columns = columns.filter(|n| same(&n.name, &second.value));
                let Some(column) = columns.next() else {
                    let message = format!("{} has no column {}", first.value, second.value);
                    return Err(invalid(message, second.span));
                };
                if columns.next().is_some() {
                    let message = format!("{}.{} is ambiguous", first.value, second.value);
                    return Err(invalid(message, second.span));
                }
                fields(column.value.clone(), &path[2..])
            }
        }
    }
}

/// Follows field names into a STRUCT.
pub(super) fn fields(value: Typed, path: &[Ident]) -> Result<Typed, PortError> {
    path.iter().try_fold(value, |value, name| field(&value, name))
}

fn field(value: &Typed, name: &Ident) -> Result<Typed, PortError> {
    if value.kind == DataType::Json {
        // A JSON object's members have case, and a missing one is NULL.
        let member = Typed::known(
            common::warehouse::Value::String(name.value.clone()),
            DataType::String,
            name.span,
        )?;
        return call("JSON MEMBER", vec![value.clone(), member], name.span);
    }
    let DataType::Struct(fields) = &value.kind else {
        let message = format!("a {} has no field {}", value.kind_name(), name.value);
        return Err(invalid(message, name.span));
    };
    let mut found = fields.iter().enumerate().filter(|(_, (n, _))| same(n, &name.value));
    let Some((at, (_, kind))) = found.next() else {
        return Err(invalid(format!("{} has no field {}", value.kind, name.value), name.span));
    };
    if found.next().is_some() {
        return Err(invalid(format!("the field {} is ambiguous", name.value), name.span));
    }
    Ok(Typed::computed(field_at(value.expr.clone(), at, kind), kind.clone()))
}

/// The field at a place of a STRUCT; NULL where the STRUCT is.
pub(super) fn field_at(record: Expr, at: usize, kind: &DataType) -> Expr {
    let evaluate = Arc::new(move |columns: &[datafusion::arrow::array::ArrayRef], _| {
        let record = columns[0].as_struct();
        let field = record.column(at);
        let nulls = NullBuffer::union(record.nulls(), field.nulls());
        if field.data_type() == &datafusion::arrow::datatypes::DataType::Null {
            return Ok(Arc::clone(field));
        }
        Ok(make_array(field.to_data().into_builder().nulls(nulls).build()?))
    });
    native(format!("FIELD {at}"), 0, kind, vec![record], evaluate)
}

/// Where an expression stands: the names in sight, and whether it may aggregate.
#[derive(Clone, Copy)]
pub(super) struct Place<'s> {
    /// The names.
    pub(super) scope: &'s Scope<'s>,
    /// The clause, where aggregate functions are not allowed in it.
    pub(super) no_aggregates: Option<&'static str>,
    /// The query's named windows; `None` where window functions are not allowed.
    pub(super) windows: Windows<'s>,
}

/// The named windows in sight, where there may be window functions.
pub(super) type Windows<'s> = Option<&'s [NamedWindowDefinition]>;

impl Place<'_> {
    /// Where the values of the aggregate `called` stand; refused where it may not stand itself.
    pub(super) fn inside_aggregate(&self, called: &str, span: Span) -> Result<Self, PortError> {
        if let Some(clause) = self.no_aggregates {
            let message = format!("the aggregate {called} is not allowed in {clause}");
            return Err(invalid(message, span));
        }
        Ok(Self { scope: self.scope, no_aggregates: Some("another aggregate"), windows: None })
    }
}

impl Scope<'_> {
    /// A clause without aggregate functions.
    pub(super) fn plain(&self, clause: &'static str) -> Place<'_> {
        Place { scope: self, no_aggregates: Some(clause), windows: None }
    }

    /// A clause with aggregate and, where `windows` says so, window functions.
    pub(super) fn windowing<'s>(&'s self, windows: Windows<'s>) -> Place<'s> {
        Place { scope: self, no_aggregates: None, windows }
    }

    /// Adds names that give way to FROM's columns: written bare, a name that is both and not the same value is
    /// refused.
    pub(super) fn with_lesser(mut self, names: Vec<Name>) -> Self {
        for lesser in names {
            match self.resolve(&[Ident::new(&lesser.name)]) {
                Err(_) => self.aliases.push(lesser),
                Ok(read) if read == lesser.value => {}
                Ok(_) => self.doubtful.push(lesser.name),
            }
        }
        self
    }
}
