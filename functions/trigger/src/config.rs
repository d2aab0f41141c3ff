//! What an operator sets for triggering.

use std::sync::Arc;

use common::env::Vars;
use common::pipeline::Catalog;
use common::settings::{self, BigQuery, Jobs, Tokens};
use common::submit::Policy;

/// What the program on Cloud Run is told.
#[derive(Debug)]
pub struct Settings {
    /// Where the state is.
    pub bigquery: BigQuery,
    /// Where executions are started.
    pub jobs: Jobs,
    /// How pushers are told.
    pub tokens: Tokens,
    /// Who pushes run requests.
    pub pushers: Vec<String>,
    /// What can be run.
    pub templates: Arc<Catalog>,
    /// How long things may take.
    pub policy: Policy,
}

impl Settings {
    /// Reads the program's variables.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let bigquery = BigQuery::read(vars);
        let jobs = Jobs::read(vars);
        let tokens = Tokens::read(vars);
        let pushers = settings::accounts(vars, "PUSH_EMAIL");
        let configs = settings::configs(vars);
        let policy = settings::policy(vars);
        Some(Self {
            bigquery: bigquery?,
            jobs: jobs?,
            tokens: tokens?,
            pushers: pushers?,
            templates: Arc::new(configs?.templates),
            policy: policy?,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::env::{Env, Invalid};

    use super::*;

    const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    const GOOD: [(&str, &str); 6] = [
        ("GOOGLE_CLOUD_PROJECT", "my-project"),
        ("BIGQUERY_LOCATION", "EU"),
        ("CONFIGS_DIR", CONFIGS),
        ("OIDC_AUDIENCE", "https://trigger.example.com"),
        ("PIPELINE_JOB", "projects/p/locations/europe-west1/jobs/pipeline"),
        ("PUSH_EMAIL", "push@p.iam.gserviceaccount.com"),
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
    fn what_is_set_is_taken() {
        let settings = read(GOOD).unwrap();
        assert_eq!(settings.jobs.container, "pipeline");
        assert_eq!(settings.pushers, ["push@p.iam.gserviceaccount.com"]);
        assert!(settings.templates.get("gcp", "cost", "billing").is_some());
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
            ("PIPELINE_JOB", "pipeline"),
            ("PUSH_EMAIL", "push"),
            ("MAX_RUNNING", "all"),
            ("RUN_ENDPOINT", "http://example.com"),
            ("CONFIGS_DIR", "/nowhere"),
        ] {
            let others = GOOD.into_iter().filter(|(known, _)| *known != name);
            let Invalid(wrong) = read(others.chain([(name, bad)])).expect_err(name);
            assert_eq!(wrong.len(), 1, "{name}={bad}: {wrong:?}");
            assert!(wrong[0].to_string().starts_with(name), "{name}={bad}: {wrong:?}");
        }
    }
}
