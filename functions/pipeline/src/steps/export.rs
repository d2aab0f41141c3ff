//! The `export` step: one SELECT, written to a file below an allowed root.

use common::pipeline::ExportAction;
use common::warehouse::{Export, JobOptions};

use super::{Done, Job, TryError};

impl Job<'_> {
    pub(super) async fn export(
        &self,
        export: &ExportAction,
        options: &JobOptions,
    ) -> Result<Done, TryError> {
        let context = self.recorder.context;
        let uri = self.named(&export.uri)?;
        let file = Export {
            uri: context.export_roots.allow_new(&uri, &self.run.tenant_id)?,
            format: export.format.clone(),
        };
        let query = export.query.bind(self.params, &self.run.tenant_id.dataset());
        let reserved = self.admitted(&query, export.max_bytes).await?;
        let written =
            self.settled(context.warehouse.export(&query, &file, options), options).await?;
        reserved.spend();
        Ok(Done { rows: written.rows, bytes: written.bytes, ..Done::default() })
    }
}
