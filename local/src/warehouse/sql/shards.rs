//! Wildcard tables: `FROM dataset.prefix_*`, all tables whose names begin so, with `_TABLE_SUFFIX`.

use common::port::PortError;
use common::warehouse::{DataType, DatasetName, Value};
use datafusion::sql::sqlparser::ast::Ident;

use super::from::{From, rows};
use super::refusal::{invalid, unsupported};
use super::relation::{Output, Relation, below, column, project};
use super::scope::Name;
use super::typed::Typed;
use super::{Binder, Content, Source, Span};

/// The pseudo column of a wildcard table: what of a row's table name the `*` stands for.
pub(super) const SUFFIX: &str = "_TABLE_SUFFIX";

/// The most tables that one name may stand for.
const MOST_TABLES: usize = 400;

impl Binder<'_> {
    /// The rows of all tables of a name that ends in `*`, which have the same columns.
    pub(super) fn shards(
        &mut self,
        parts: &[Ident],
        alias: Option<String>,
        span: Span,
    ) -> Result<From, PortError> {
        let (dataset, name) = match (parts, &self.default_dataset) {
            ([name], Some(dataset)) => (dataset.clone(), &name.value),
            ([dataset, name], _) => {
                let dataset = DatasetName::parse(&dataset.value).map_err(|e| invalid(e, span))?;
                (dataset, &name.value)
            }
            _ => return Err(unsupported("this form of a wildcard table's name", span)),
        };
        let prefix = match name.strip_suffix('*') {
            Some(prefix) if !prefix.contains('*') => prefix,
            _ => return Err(invalid(format!("{name}: a wildcard's * is the last sign"), span)),
        };
        let tables = self.tables.beginning(&dataset, prefix)?;
        if tables.is_empty() {
            return Err(invalid(format!("no table of {dataset} begins with {prefix}"), span));
        }
        if tables.len() > MOST_TABLES {
            let (count, most) = (tables.len(), MOST_TABLES);
            let what = format!("{dataset}.{name}, which is {count} tables, more than {most}");
            return Err(unsupported(what, span));
        }
        let mut first: Option<Vec<common::warehouse::Column>> = None;
        let (mut plans, mut outputs): (_, Vec<Output>) = (Vec::new(), Vec::new());
        let suffix = self.fresh(SUFFIX);
        for table in &tables {
            let Some(Source { columns: its, content: Content::Rows(provider), bytes }) =
                self.tables.table(table)?
            else {
                return Err(unsupported(format!("{dataset}.{name} with the view {table}"), span));
            };
            let columns = first.get_or_insert_with(|| its.clone());
            let alike = |(a, b): (&common::warehouse::Column, &common::warehouse::Column)| {
                a.name == b.name && a.mode == b.mode && a.data_type() == b.data_type()
            };
            if columns.len() != its.len() || !columns.iter().zip(&its).all(alike) {
                let what = format!(
                    "{dataset}.{name}: the columns of {table} are not those of {}",
                    tables[0]
                );
                return Err(unsupported(what, span));
            }
            self.read.insert(table.clone(), bytes);
            let Relation { plan, columns } = self.scanned(table, provider, &its)?;
            if outputs.is_empty() {
                for output in &columns {
                    let column = self.fresh(output.name.as_deref().unwrap_or_default());
                    outputs.push(Output { column, ..output.clone() });
                }
            }
            let pairs = columns.iter().zip(&outputs);
            let mut exprs: Vec<_> =
                pairs.map(|(c, o)| column(&c.column).alias(&o.column)).collect();
            let part = Value::String(table.table[prefix.len()..].to_owned());
            exprs.push(Typed::known(part, DataType::String, span)?.expr.alias(&suffix));
            plans.push(project(plan, exprs)?);
        }
        let plan = below(plans)?;
        let mut from = rows(Relation { plan, columns: outputs }, alias);
        let value = Typed::computed(column(&suffix), DataType::String);
        let pseudo = Name { name: SUFFIX.to_owned(), value };
        from.ranges[0].pseudo.push(pseudo);
        Ok(from)
    }
}
