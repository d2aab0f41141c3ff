//! What an operator sets for scheduling.

use std::sync::Arc;

use common::env::Vars;
use common::pipeline::Catalog;
use common::settings::{self, BigQuery, Events, Jobs, Tokens};
use common::submit::Policy;

/// What the program on Cloud Run is told.
#[derive(Debug)]
pub struct Settings {
    /// Where the state is.
    pub bigquery: BigQuery,
    /// Where executions are started and asked after.
    pub jobs: Jobs,
    /// Where run requests go.
    pub events: Events,
    /// How callers are told.
    pub tokens: Tokens,
    /// Who operates the deployment.
    pub operators: Vec<String>,
    /// Who calls the tick, the queue and the reaper.
    pub schedulers: Vec<String>,
    /// Who pushes ends of runs.
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
        let events = Events::read(vars);
        let tokens = Tokens::read(vars);
        let operators = settings::accounts(vars, "OPERATOR_EMAILS");
        let schedulers = settings::accounts(vars, "SCHEDULER_EMAIL");
        let pushers = settings::accounts(vars, "PUSH_EMAIL");
        let configs = settings::configs(vars);
        let policy = settings::policy(vars);
        Some(Self {
            bigquery: bigquery?,
            jobs: jobs?,
            events: events?,
            tokens: tokens?,
            operators: operators?,
            schedulers: schedulers?,
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
    const GOOD: [(&str, &str); 10] = [
        ("GOOGLE_CLOUD_PROJECT", "my-project"),
        ("BIGQUERY_LOCATION", "EU"),
        ("CONFIGS_DIR", CONFIGS),
        ("OIDC_AUDIENCE", "https://scheduler.example.com"),
        ("PIPELINE_JOB", "projects/p/locations/europe-west1/jobs/pipeline"),
        ("RUN_REQUESTS_TOPIC", "projects/p/topics/run-requests"),
        ("RUN_EVENTS_TOPIC", "projects/p/topics/run-events"),
        ("OPERATOR_EMAILS", "ops@example.com"),
        ("SCHEDULER_EMAIL", "clock@p.iam.gserviceaccount.com"),
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
    fn each_route_has_its_own_callers() {
        let settings = read(GOOD).unwrap();
        let Settings { operators, schedulers, pushers, .. } = settings;
        let callers = [operators, schedulers, pushers].concat();
        assert_eq!(callers.len(), 3, "{callers:?}");
        assert!(callers[1].starts_with("clock@") && callers[2].starts_with("push@"), "{callers:?}");
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
            ("SCHEDULER_EMAIL", "clock"),
            ("RUN_EVENTS_TOPIC", "run-events"),
            ("PUBSUB_EMULATOR_HOST", "emulator:1"),
            ("MAX_RUNNING", "-1"),
            ("CONFIGS_DIR", "/nowhere"),
        ] {
            let others = GOOD.into_iter().filter(|(known, _)| *known != name);
            let Invalid(wrong) = read(others.chain([(name, bad)])).expect_err(name);
            assert_eq!(wrong.len(), 1, "{name}={bad}: {wrong:?}");
            assert!(wrong[0].to_string().starts_with(name), "{name}={bad}: {wrong:?}");
        }
    }
}
