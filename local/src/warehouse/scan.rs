//! Reading a table's Parquet files: only the columns and the partitions that a statement asks for.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::object_store::{ObjectMeta, path::Path as StorePath};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;

use super::catalog::StoredFile;
use super::values::days;

/// One table's files as of one moment.
#[derive(Debug)]
pub(super) struct StoredTable {
    /// The data folder.
    pub(super) root: PathBuf,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    /// The files.
    pub(super) files: Vec<StoredFile>,
    /// The DATE column the files are cut by.
    pub(super) partition: Option<String>,
}

impl StoredTable {
    fn file(&self, file: &StoredFile) -> Result<PartitionedFile> {
        let location = StorePath::from_absolute_path(self.root.join(&file.path))?;
        let meta = ObjectMeta {
            location,
            // A listed file never changes.
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.bytes,
            e_tag: None,
            version: None,
        };
        Ok(PartitionedFile::new_from_meta(meta))
    }

    /// Whether a partition may hold a row that passes the filter.
    fn may_match(&self, day: NaiveDate, filter: &Expr) -> bool {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return true };
        if *op == Operator::And {
            return self.may_match(day, left) && self.may_match(day, right);
        }
        let (Expr::Column(column), Expr::Literal(ScalarValue::Date32(Some(limit)), _)) =
            (&**left, &**right)
        else {
            return true;
        };
        if self.partition.as_ref() != Some(&column.name) {
            return true;
        }
        let day = days(day);
        match op {
            Operator::Eq => day == *limit,
            Operator::Lt => day < *limit,
            Operator::LtEq => day <= *limit,
            Operator::Gt => day > *limit,
            Operator::GtEq => day >= *limit,
            _ => true,
        }
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Whole files are left out; the rows of the others are filtered again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = |file: &&StoredFile| match file.day {
            Some(day) => filters.iter().all(|filter| self.may_match(day, filter)),
            None => true,
        };
        let wanted: Vec<&StoredFile> = self.files.iter().filter(wanted).collect();
        let rows = wanted.iter().map(|file| file.rows).sum::<u64>();
        let files = wanted.into_iter().map(|f| self.file(f)).collect::<Result<Vec<_>>>()?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        // A join builds its table of the side with fewer rows.
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(usize::try_from(rows).unwrap_or(usize::MAX));
        let source = Arc::new(ParquetSource::new(Arc::clone(&self.schema)));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_group(files.into())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[cfg(test)]
mod tests {
    use common::warehouse::{Column, ColumnType};
    use datafusion::logical_expr::{col, lit};
    use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::warehouse::values::schema_of;

    #[tokio::test]
    async fn a_scan_tells_the_rows_of_the_files_it_reads() {
        let file = |day: u32, rows: u64| StoredFile {
            path: format!("tables/{day}"),
            rows,
            bytes: 1,
            day: NaiveDate::from_ymd_opt(2026, 1, day),
        };
        let columns = [Column::new("day", ColumnType::Date)];
        let table = StoredTable {
            root: PathBuf::from("/"),
            schema: schema_of(&columns),
            files: vec![file(1, 3), file(2, 40), file(3, 500)],
            partition: Some("day".to_owned()),
        };
        let second = ScalarValue::Date32(Some(days(NaiveDate::from_ymd_opt(2026, 1, 2).unwrap())));
        let session = SessionContext::new().state();
        for (filter, rows) in [(lit(true), 543), (col("day").gt_eq(lit(second)), 540)] {
            let scan = table.scan(&session, None, &[filter], None).await.unwrap();
            let args = StatisticsArgs::new();
            let told = StatisticsContext::new().compute(scan.as_ref(), &args).unwrap();
            assert_eq!(told.num_rows, Precision::Inexact(rows));
        }
    }
}
