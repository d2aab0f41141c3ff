//! What a statement may read: its tenant's dataset and the declared sources, within the step's and the plan's
//! bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use common::pipeline::Template;
use common::tenant::TenantId;
use common::warehouse::{DryRun, TableRef};

/// What statements of a run are held against.
pub(crate) struct Guard<'a> {
    tenant: &'a TenantId,
    template: &'a Template,
    /// Bytes that the statements of the run may read together.
    max_bytes: u64,
    /// Of those, the bytes of statements that have ended well or are running.
    spent: AtomicU64,
}

/// A statement that may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    #[error(
        "reads {0}, which is neither in the tenant's dataset nor a source of the template: declare it under sources"
    )]
    Table(TableRef),
    #[error(
        "would read {estimate} bytes, more than the step's max_bytes of {limit}: read less, or raise it"
    )]
    Step { estimate: u64, limit: u64 },
    #[error(
        "would read {estimate} bytes, more than the {left} left of the plan's {limit} for a run: read fewer days at once"
    )]
    Run { estimate: u64, left: u64, limit: u64 },
}

/// Bytes set aside for a statement; given back unless it ends well.
#[derive(Debug)]
pub(crate) struct Reserved<'g> {
    spent: &'g AtomicU64,
    bytes: u64,
}

impl<'a> Guard<'a> {
    /// Nothing is spent yet.
    pub(crate) fn new(tenant: &'a TenantId, template: &'a Template, max_bytes: u64) -> Self {
        Self { tenant, template, max_bytes, spent: AtomicU64::new(0) }
    }

    /// Judges a dry run and sets its bytes aside. Every table it names must be allowed; the adapter names them
    /// all or fails.
    pub(crate) fn admit(
        &self,
        dry_run: &DryRun,
        step_limit: Option<u64>,
    ) -> Result<Reserved<'_>, Forbidden> {
        let mut tables = dry_run.tables.iter();
        if let Some(table) = tables.find(|table| !self.template.may_read(self.tenant, table)) {
            return Err(Forbidden::Table(table.clone()));
        }
        let (estimate, limit) = (dry_run.bytes, self.max_bytes);
        if let Some(limit) = step_limit.filter(|limit| estimate > *limit) {
            return Err(Forbidden::Step { estimate, limit });
        }
        let fits = |spent: u64| spent.checked_add(estimate).filter(|sum| *sum <= limit);
        match self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Reserved { spent: &self.spent, bytes: estimate }),
            Err(spent) => {
                Err(Forbidden::Run { estimate, left: limit.saturating_sub(spent), limit })
            }
        }
    }

    /// The most bytes that a step's statement may be billed.
    pub(crate) fn most(&self, step_limit: Option<u64>) -> u64 {
        step_limit.map_or(self.max_bytes, |limit| limit.min(self.max_bytes))
    }
}

impl Reserved<'_> {
    /// The statement has ended well: its bytes are spent. Answers how many.
    pub(crate) fn spend(self) -> u64 {
        let bytes = self.bytes;
        std::mem::forget(self);
        bytes
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.spent.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
