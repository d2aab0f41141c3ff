//! What an operator sets for onboarding.

use std::collections::BTreeSet;

use common::configs::Configs;
use common::env::Vars;
use common::keys::Secret;
use common::pipeline::Catalog;
use common::plan::Plans;
use common::settings::{self, BigQuery, Kms, Tokens};

/// Plans, and names that no tenant gets.
#[derive(Debug, Clone)]
pub struct Config {
    /// What a subscription may be for.
    pub plans: Plans,
    /// Tenant ids that are refused beside the reserved ones, such as the names of datasets that the project has
    /// for other ends.
    pub denied: BTreeSet<String>,
}

impl Config {
    /// The plans, and nothing denied.
    pub fn new(plans: Plans) -> Self {
        Self { plans, denied: BTreeSet::new() }
    }

    /// Denies the datasets that templates read: a tenant named like one would be read by everybody.
    #[must_use]
    pub fn deny_sources(mut self, templates: &Catalog) -> Self {
        let sources = templates.iter().flat_map(|template| &template.sources);
        self.denied.extend(sources.map(|table| table.dataset.as_str().to_owned()));
        self
    }
}

/// What the program on Cloud Run is told.
#[derive(Debug)]
pub struct Settings {
    /// Where the state and the tenants' datasets are.
    pub bigquery: BigQuery,
    /// What API keys are encrypted under.
    pub kms: Kms,
    /// How operators are told.
    pub tokens: Tokens,
    /// Who they are.
    pub operators: Vec<String>,
    /// Who may write the datasets of tenants, by e-mail address.
    pub writers: Vec<String>,
    /// What webhooks are signed with.
    pub webhook_key: Secret,
    /// Plans, and names that no tenant gets.
    pub config: Config,
}

impl Settings {
    /// Reads the program's variables.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let bigquery = BigQuery::read(vars);
        let kms = Kms::read(vars);
        let tokens = Tokens::read(vars);
        let operators = settings::accounts(vars, "OPERATOR_EMAILS");
        let writers = settings::dataset_writers(vars);
        let webhook_key = settings::webhook_key(vars);
        let configs = settings::configs(vars);
        let wanted = "names of datasets that are no tenant's, with commas between";
        let reserved = vars.list("RESERVED_TENANT_IDS", wanted, |name| {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if plain { Ok(name.to_owned()) } else { Err("holds what is no dataset's name") }
        });
        let Configs { plans, templates, .. } = configs?;
        let mut config = Config::new(plans).deny_sources(&templates);
        config.denied.extend(reserved?);
        Some(Self {
            bigquery: bigquery?,
            kms: kms?,
            tokens: tokens?,
            operators: operators?,
            writers: writers?,
            webhook_key: webhook_key?,
            config,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::env::{Env, Invalid};

    use super::*;

    const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    const GOOD: [(&str, &str); 7] = [
        ("GOOGLE_CLOUD_PROJECT", "my-project"),
        ("BIGQUERY_LOCATION", "EU"),
        ("CONFIGS_DIR", CONFIGS),
        ("OIDC_AUDIENCE", "https://onboard.example.com"),
        ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
        ("KMS_KEY", "projects/p/locations/eu/keyRings/r/cryptoKeys/k"),
        ("OPERATOR_EMAILS", "ops@example.com"),
    ];

    fn read(
        variables: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Result<Settings, Invalid> {
        let env = Env::of(variables);
        let mut vars = Vars::of(&env);
        let settings = Settings::read(&mut vars);
        vars.finish(settings)
    }

    #[test]
    fn what_no_tenant_may_be_named_is_what_is_set_and_what_templates_read() {
        let set = GOOD.into_iter().chain([("RESERVED_TENANT_IDS", "billing_export, finance")]);
        let settings = read(set).unwrap();
        assert!(settings.writers.is_empty());
        let denied = ["billing_export", "finance"].map(str::to_owned);
        assert_eq!(settings.config.denied, denied.into());
        assert!(settings.config.plans.get("STARTER").is_some());

        let template = "description: x\nsources: [shared.rates]\nsteps:\n  - id: one\n    type: sql\n    query: SELECT 1 AS a\n    target: {table: t}\n    mode: replace\n";
        let templates = Catalog::from_files([("a/b/c.yml", template)]).unwrap();
        let config = Config::new(settings.config.plans).deny_sources(&templates);
        assert_eq!(config.denied, ["shared".to_owned()].into());
    }

    #[test]
    fn each_variable_that_is_missing_or_bad_is_named() {
        let told = read([]).unwrap_err().to_string();
        for (name, _) in GOOD {
            assert!(
                told.contains(&format!("{name} is ")) || told.contains(&format!("{name}, ")),
                "{name}: {told}"
            );
        }
        for (name, bad) in [
            ("KMS_KEY", "key"),
            ("OPERATOR_EMAILS", "ops"),
            ("DATASET_WRITERS", "trigger"),
            ("WEBHOOK_KEY", "short"),
            ("OIDC_JWKS_URL", "https://example.com/jwks"),
            ("CONFIGS_DIR", "/nowhere"),
            ("BIGQUERY_ENDPOINT", "http://example.com"),
            ("RESERVED_TENANT_IDS", "Not A Dataset"),
        ] {
            let others = GOOD.into_iter().filter(|(known, _)| *known != name);
            let Invalid(wrong) = read(others.chain([(name, bad)])).expect_err(name);
            assert_eq!(wrong.len(), 1, "{name}={bad}: {wrong:?}");
            assert!(wrong[0].to_string().starts_with(name), "{name}={bad}: {wrong:?}");
        }
    }
}
