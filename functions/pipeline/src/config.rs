//! What an operator sets for the job, and what its launcher tells it.

use std::sync::Arc;

use common::env::{Vars, items};
use common::keys::Secret;
use common::pipeline::Catalog;
use common::run::RunId;
use common::settings::{self, BigQuery, Events};
use common::tenant::TenantId;

use crate::{Assignment, Roots, Webhooks};

/// What the program on Cloud Run is told.
#[derive(Debug)]
pub struct Settings {
    /// Where statements run and the state is.
    pub bigquery: BigQuery,
    /// Where ends of runs go.
    pub events: Events,
    /// What can be run.
    pub templates: Arc<Catalog>,
    /// Where `load` steps may read.
    pub roots: Arc<Roots>,
    /// Where `export` steps may write.
    pub export_roots: Arc<Roots>,
    /// Where `notify` steps may send.
    pub webhooks: Arc<Webhooks>,
    /// The run of this execution.
    pub assignment: Assignment,
}

impl Settings {
    /// Reads the program's variables.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let bigquery = BigQuery::read(vars);
        let events = Events::read(vars);
        let configs = settings::configs(vars);
        let wanted = "gs:// prefixes with {tenant_id} among their folders, with commas between";
        let roots =
            vars.or("SOURCE_ROOTS", wanted, Roots::default(), |text| Roots::parse(items(text)));
        let export_roots = vars
            .or("EXPORT_ROOTS", wanted, Roots::default(), |text| Roots::parse_exports(items(text)));
        let webhooks = webhooks(vars);
        let assignment = assignment(vars);
        Some(Self {
            bigquery: bigquery?,
            events: events?,
            templates: Arc::new(configs?.templates),
            roots: Arc::new(roots?),
            export_roots: Arc::new(export_roots?),
            webhooks: Arc::new(webhooks?),
            assignment: assignment?,
        })
    }
}

fn webhooks(vars: &mut Vars<'_>) -> Option<Webhooks> {
    let wanted = "hosts such as hooks.example.com, with commas between";
    let hosts = vars.list("NOTIFY_HOSTS", wanted, |host| {
        Webhooks::new([host], Secret::new("")).map(|_| host.to_owned())
    });
    let key = settings::webhook_key(vars);
    Webhooks::new(hosts?, key?).ok()
}

/// The launcher sets the run, Cloud Run the execution.
fn assignment(vars: &mut Vars<'_>) -> Option<Assignment> {
    let run_id = vars.required("RUN_ID", "the id of the run to do", str::parse::<RunId>);
    let tenant_id = vars.required("TENANT_ID", "the id of the run's tenant", TenantId::parse);
    let attempt = vars.required("ATTEMPT", "the attempt that the launch is for", |text| {
        text.parse::<u32>().ok().filter(|attempt| *attempt > 0).ok_or("is not a number from 1 on")
    });
    let wanted = "the execution's id, as Cloud Run does by itself";
    let execution = vars.required("CLOUD_RUN_EXECUTION", wanted, settings::text);
    Some(Assignment {
        tenant_id: tenant_id?,
        run_id: run_id?,
        attempt: attempt?,
        execution: execution?,
    })
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
        ("RUN_REQUESTS_TOPIC", "projects/p/topics/run-requests"),
        ("RUN_EVENTS_TOPIC", "projects/p/topics/run-events"),
        ("WEBHOOK_KEY", "0123456789abcdef0123456789abcdef"),
        ("RUN_ID", "00000000-0000-0000-0000-000000000007"),
        ("TENANT_ID", "acme"),
        ("ATTEMPT", "2"),
        ("CLOUD_RUN_EXECUTION", "pipeline-x7k2p"),
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
    fn the_run_is_the_one_that_the_launcher_names() {
        let settings = read(GOOD).unwrap();
        let Assignment { tenant_id, run_id, attempt, execution } = settings.assignment;
        assert_eq!(tenant_id.as_str(), "acme");
        assert_eq!(run_id.to_string(), "00000000-0000-0000-0000-000000000007");
        assert_eq!((attempt, execution.as_str()), (2, "pipeline-x7k2p"));
        assert_eq!(settings.webhooks.hosts(), Vec::<String>::new());
        let set = [
            ("SOURCE_ROOTS", "gs://in/{tenant_id}/, gs://more/{tenant_id}/"),
            ("NOTIFY_HOSTS", "a.example, b.example:8443"),
        ];
        let settings = read(GOOD.into_iter().chain(set)).unwrap();
        assert_eq!(settings.webhooks.hosts(), ["a.example:443", "b.example:8443"]);
        let tenant = TenantId::parse("acme").unwrap();
        settings.roots.allow("gs://more/acme/x.csv", &tenant).unwrap();
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
            ("RUN_ID", "7"),
            ("TENANT_ID", "Acme"),
            ("ATTEMPT", "0"),
            ("ATTEMPT", "one"),
            ("SOURCE_ROOTS", "gs://in/"),
            ("EXPORT_ROOTS", "/nowhere/{tenant_id}/x"),
            ("NOTIFY_HOSTS", "https://a.example"),
            ("WEBHOOK_KEY", "short"),
            ("CONFIGS_DIR", "/nowhere"),
        ] {
            let others = GOOD.into_iter().filter(|(known, _)| *known != name);
            let Invalid(wrong) = read(others.chain([(name, bad)])).expect_err(name);
            assert_eq!(wrong.len(), 1, "{name}={bad}: {wrong:?}");
            assert!(wrong[0].to_string().starts_with(name), "{name}={bad}: {wrong:?}");
        }
    }
}
