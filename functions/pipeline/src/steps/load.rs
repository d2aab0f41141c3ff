//! The `load` step: one file, from below an allowed root, written to its target.

use common::pipeline::{LoadAction, Uri};
use common::warehouse::{JobOptions, Load};

use super::{Done, Job, TryError};

/// How many bad records a step's log shows.
const MAX_SHOWN: usize = 20;

impl Job<'_> {
    pub(super) async fn load(
        &self,
        load: &LoadAction,
        options: &JobOptions,
    ) -> Result<Done, TryError> {
        let uri = self.named(&load.uri)?;
        let context = self.recorder.context;
        let file = Load {
            uri: context.roots.allow(&uri, &self.run.tenant_id)?,
            format: load.format.clone(),
            columns: load.columns.clone(),
            max_bad_records: load.max_bad_records,
        };
        let target = self.target(&load.target)?;
        let written =
            self.settled(context.warehouse.load(&file, &target, options), options).await?;
        let note = left_out(&written.bad_records);
        Ok(Done { rows: written.rows, bytes: written.bytes, note, ..Done::default() })
    }

    /// The name that a parameter or the template gives, for this run.
    pub(super) fn named(&self, uri: &Uri) -> Result<String, TryError> {
        uri.resolve(self.run.tenant_id.as_str(), self.params).map_err(|parameter| {
            TryError::Data(format!("has no fitting value in parameter {parameter}"))
        })
    }
}

/// The records that were left out, the first of them with line and reason.
fn left_out(records: &[String]) -> Option<String> {
    if records.is_empty() {
        return None;
    }
    let shown = records.iter().take(MAX_SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = records.len().saturating_sub(MAX_SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Some(format!("left out {} bad records: {shown}{more}", records.len()))
}
