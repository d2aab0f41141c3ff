//! The definitions of the state's tables: one JSON file each under `configs/tables`, compiled in.

use crate::port::PortError;
use crate::warehouse::TableDefinition;

/// The dataset that holds all tenants' control tables.
pub const CONTROL_DATASET: &str = "tenants";

macro_rules! definitions {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../configs/tables/", $folder, "/", $name, ".json")))),+]
    };
}

const CONTROL: [(&str, &str); 6] = definitions!("tenants":
    "tenant_profiles",
    "tenant_api_keys",
    "tenant_subscriptions",
    "tenant_pipeline_configs",
    "tenant_run_ledger",
    "tenant_usage_quotas",
);

const TENANT: [(&str, &str); 5] = definitions!("tenant":
    "x_meta_pipeline_runs",
    "x_meta_step_logs",
    "x_meta_dq_results",
    "x_meta_scheduled_runs",
    "x_meta_pipeline_queue",
);

/// A state table's name and definition.
pub type Named = (&'static str, TableDefinition);

/// The tables of the control dataset.
pub fn control() -> Result<Vec<Named>, PortError> {
    parse(&CONTROL)
}

/// The tables that every tenant's dataset has.
pub fn tenant() -> Result<Vec<Named>, PortError> {
    parse(&TENANT)
}

fn parse(files: &[(&'static str, &str)]) -> Result<Vec<Named>, PortError> {
    let parse = |(name, json): &(&'static str, &str)| {
        let definition = serde_json::from_str(json)
            .map_err(|e| PortError::other(format!("the definition of {name}"), e))?;
        Ok((*name, definition))
    };
    files.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::{ColumnType, DatasetName, Mode};

    #[test]
    fn every_table_parses_and_names_its_tenant() {
        for (name, definition) in control().unwrap().into_iter().chain(tenant().unwrap()) {
            let column = |n: &str| definition.schema.fields.iter().find(|c| c.name == n);
            let tenant = column("tenant_id").unwrap_or_else(|| panic!("{name} lacks tenant_id"));
            assert_eq!(tenant.kind, ColumnType::String, "{name}");
            assert!(!definition.description.is_empty(), "{name} says nothing of itself");
            if let Some(partitioning) = &definition.time_partitioning {
                assert!(column(&partitioning.field).is_some(), "{name}");
            }
            for field in definition.clustering.iter().flat_map(|c| &c.fields) {
                assert!(column(field).is_some_and(|c| c.mode != Mode::Repeated), "{name}.{field}");
            }
            assert!(definition.schema.fields.iter().all(|c| !c.description.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_view_of_a_tenants_dataset_reads_that_dataset_alone() {
        let dataset = DatasetName::parse("acme").unwrap();
        let views = tenant().unwrap().into_iter().filter_map(|(name, definition)| {
            definition.in_dataset(&dataset).view.map(|view| (name, view.query))
        });
        let views: Vec<_> = views.collect();
        assert_eq!(
            views.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["x_meta_pipeline_queue"]
        );
        for (name, query) in views {
            let from = query.split("FROM ").skip(1);
            assert!(from.clone().all(|table| table.starts_with("`acme`.")), "{name}: {query}");
            assert!(from.count() > 0 && !query.contains('{'), "{name}: {query}");
        }
    }

    #[test]
    fn tables_about_runs_name_the_user() {
        for (name, definition) in tenant().unwrap() {
            assert!(definition.schema.fields.iter().any(|c| c.name == "user_id"), "{name}");
        }
    }
}
