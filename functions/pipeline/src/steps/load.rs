//! The `load` step: one file, from below an allowed root, written to its target.

use common::pipeline::{LoadAction, Uri};
use common::warehouse::{JobOptions, Load, Value};

use super::{Done, Job, TryError};

impl Job<'_> {
    pub(super) async fn load(
        &self,
        load: &LoadAction,
        options: &JobOptions,
    ) -> Result<Done, TryError> {
        let uri = match &load.uri {
            Uri::Literal(uri) => uri,
            Uri::Parameter(name) => match self.params.get(name).map(|param| &param.value) {
                Some(Value::String(uri)) => uri,
                _ => {
                    return Err(TryError::Data(format!("has no text in parameter {name} to load")));
                }
            },
        };
        let context = self.recorder.context;
        let file = Load {
            uri: context.roots.allow(uri, &self.run.tenant_id)?,
            format: load.format.clone(),
            columns: load.columns.clone(),
            max_bad_records: load.max_bad_records,
        };
        let target = self.target(&load.target)?;
        let written =
            self.settled(context.warehouse.load(&file, &target, options), options).await?;
        Ok(Done { rows: written.rows, bytes: written.bytes, ..Done::default() })
    }
}
