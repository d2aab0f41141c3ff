//! What a template's statements read: the values they bind, and the tables they may name.

use std::collections::BTreeMap;

use super::{Statement, Template};
use crate::tenant::TenantId;
use crate::warehouse::{DatasetName, Param, Query, TableRef};

impl Statement {
    /// The statement over a dataset, with those of a run's resolved parameters bound that it names.
    pub fn bind(&self, params: &BTreeMap<String, Param>, dataset: &DatasetName) -> Query {
        let named = params.iter().filter(|(name, _)| self.params.contains(name));
        Query {
            sql: self.sql.clone(),
            params: named.map(|(name, param)| (name.clone(), param.clone())).collect(),
            default_dataset: Some(dataset.clone()),
        }
    }
}

impl Template {
    /// Whether a statement of a tenant's run may read a table: one of the tenant's dataset, or a declared source.
    pub fn may_read(&self, tenant: &TenantId, table: &TableRef) -> bool {
        let own = table.project.is_none() && table.dataset.as_str() == tenant.as_str();
        own || self.sources.contains(table)
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::parse;

    use super::*;

    #[test]
    fn a_table_is_the_tenants_own_or_a_declared_source() {
        let text = "description: x\nsources: [shared.rates, other-project.shared.codes]\nsteps:\n  \
                    - {id: a, type: sql, query: SELECT 1 AS x, target: {table: a}, mode: replace}\n";
        let template = parse::file("a/b/c.yml", text).unwrap();
        let tenant = TenantId::parse("acme").unwrap();
        for (table, allowed) in [
            ("acme.lines", true),
            ("acme.x_meta_step_logs", true),
            ("shared.rates", true),
            ("other-project.shared.codes", true),
            ("shared.codes", false),
            ("shared.rates2", false),
            ("other-project.acme.lines", false),
            ("other-project.shared.rates", false),
            ("acme2.lines", false),
            ("ACME.lines", false),
            ("tenants.tenant_api_keys", false),
        ] {
            assert_eq!(template.may_read(&tenant, &table.parse().unwrap()), allowed, "{table}");
        }
    }
}
