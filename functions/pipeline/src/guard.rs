//! What a statement may read: its tenant's dataset and the declared sources, within the plan's bytes.

use common::pipeline::Template;
use common::tenant::TenantId;
use common::warehouse::{DryRun, TableRef};

/// What statements of a run are held against.
pub(crate) struct Guard<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) template: &'a Template,
    pub(crate) max_bytes: u64,
}

/// A statement that may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error(
        "reads {0}, which is neither in the tenant's dataset nor a source of the template: declare it under sources"
    )]
    Table(TableRef),
    #[error("would read {estimate} bytes, more than the plan's {limit}: read fewer days at once")]
    Bytes { estimate: u64, limit: u64 },
}

impl Guard<'_> {
    /// Judges a dry run. Every table it names must be allowed; the adapter names them all or fails.
    pub(crate) fn check(&self, dry_run: &DryRun) -> Result<(), Forbidden> {
        if let Some(table) =
            dry_run.tables.iter().find(|table| !self.template.may_read(self.tenant, table))
        {
            return Err(Forbidden::Table(table.clone()));
        }
        if dry_run.bytes > self.max_bytes {
            return Err(Forbidden::Bytes { estimate: dry_run.bytes, limit: self.max_bytes });
        }
        Ok(())
    }
}
