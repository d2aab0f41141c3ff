//! Hostile templates and values: none reads or writes outside of its tenant, and each refusal names what it
//! refused.

use common::run::{FailureKind, RunStatus};
use common::warehouse::{TableDefinition, View, Warehouse};
use serde_json::{Value as Json, json};

use super::world::{Outcome, World, catalog, first, none};

/// What `other` has, which nobody of `acme` may see or change.
async fn untouched(world: &World, told: &str) {
    assert_eq!(world.rows("SELECT secret FROM other.secrets").await, ["42"], "{told}");
    for table in ["x_meta_step_logs", "x_meta_dq_results", "x_meta_pipeline_runs"] {
        let rows = world.rows(&format!("SELECT COUNT(*) FROM other.{table}")).await;
        assert_eq!(rows, ["0"], "{told}");
    }
}

/// A template whose one step selects this.
fn selecting(query: &str) -> String {
    let query = Json::from(query);
    format!(
        "description: Reads.
steps:
  - {{id: read, type: sql, query: {query}, target: {{table: t}}, mode: replace}}
"
    )
}

/// The words of a refusal, wherever it comes from: the template's validation or the run.
async fn refusal(world: &World, template: &str, parameters: &Json) -> String {
    if let Err(found) = catalog(template) {
        return found;
    }
    let outcome = world.run(template, parameters).await;
    assert_eq!(outcome.status, RunStatus::Failed, "{template}: {outcome:?}");
    assert_eq!(outcome.steps[0].rows, 0);
    outcome.message
}

#[tokio::test]
async fn no_statement_reads_another_tenants_tables() {
    let world = World::new().await;
    world.fill("acme.own", "SELECT 1 AS n").await;
    let mut view = TableDefinition::of(Vec::new());
    view.view = Some(View { query: "SELECT secret AS n FROM other.secrets".to_owned() });
    view.schema.fields =
        vec![common::warehouse::Column::new("n", common::warehouse::ColumnType::Int64)];
    world.warehouse.ensure_table(&"acme.window".parse().unwrap(), &view).await.unwrap();
    for (query, named) in [
        ("SELECT secret AS n FROM other.secrets", "other.secrets"),
        ("SELECT secret AS n FROM `other.secrets`", "other.secrets"),
        ("SELECT secret AS n FROM `other`.`secrets`", "other.secrets"),
        ("SELECT secret AS n FROM other.secrets AS acme", "other.secrets"),
        ("SELECT secret AS n FROM /* acme. */ other.secrets -- acme", "other.secrets"),
        ("WITH own AS (SELECT secret AS n FROM other.secrets) SELECT n FROM own", "other.secrets"),
        ("SELECT n FROM (SELECT secret AS n FROM other.secrets) AS own", "other.secrets"),
        ("SELECT n FROM own UNION ALL SELECT secret FROM other.secrets", "other.secrets"),
        ("SELECT own.n FROM own JOIN other.secrets AS s ON s.secret > own.n", "other.secrets"),
        ("SELECT n FROM own WHERE n IN (SELECT secret FROM other.secrets)", "other.secrets"),
        ("SELECT n FROM own WHERE n < (SELECT MAX(secret) FROM other.secrets)", "other.secrets"),
        ("SELECT n FROM own WHERE EXISTS (SELECT 1 FROM other.secrets)", "other.secrets"),
        ("SELECT secret AS n FROM other.secrets, UNNEST([1]) AS x", "other.secrets"),
        ("SELECT n FROM `window`", "other.secrets"),
        ("SELECT n FROM acme.window", "other.secrets"),
        ("SELECT secret AS n FROM `other.secre*`", "secre"),
        ("SELECT secret AS n FROM OTHER.secrets", "OTHER.secrets"),
        ("SELECT secret AS n FROM local.other.secrets", "local.other.secrets"),
        ("SELECT secret AS n FROM `local.other.secrets`", "local.other.secrets"),
        ("SELECT COUNT(*) AS n FROM other.x_meta_pipeline_runs", "other.x_meta_pipeline_runs"),
        ("SELECT COUNT(*) AS n FROM tenants.tenant_api_keys", "tenants.tenant_api_keys"),
        ("SELECT COUNT(*) AS n FROM tenants.tenant_run_ledger", "tenants.tenant_run_ledger"),
        ("SELECT COUNT(*) AS n FROM tenants.tenant_usage_quotas", "tenants.tenant_"),
        ("SELECT COUNT(*) AS n FROM other.INFORMATION_SCHEMA.TABLES", "INFORMATION_SCHEMA"),
        ("SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES", "INFORMATION_SCHEMA"),
        ("SELECT COUNT(*) AS n FROM `region-eu`.INFORMATION_SCHEMA.JOBS", "INFORMATION_SCHEMA"),
        ("SELECT n FROM EXTERNAL_QUERY('eu.c', 'SELECT 1 AS n')", "EXTERNAL_QUERY"),
        ("SELECT other.reveal(1) AS n", "other.reveal"),
        ("SELECT n FROM other.rows_of(1)", "rows_of"),
        ("SELECT 1 AS n; DROP TABLE other.secrets", "';'"),
        ("DELETE FROM other.secrets WHERE TRUE", "DELETE"),
        ("INSERT INTO other.secrets SELECT 1", "INSERT"),
        ("DROP TABLE other.secrets", "DROP"),
        ("SELECT @@project_id AS n", "@@"),
        ("SELECT secret AS n FROM {{ tenant }}.secrets", "{{"),
        ("SELECT secret AS n FROM ${tenant}.secrets", "${"),
        ("SELECT secret AS n FROM @tenant_id", "@tenant_id"),
        ("SELECT n FROM own) UNION ALL (SELECT secret FROM other.secrets", "not closed"),
    ] {
        let said = refusal(&world, &selecting(query), &none()).await;
        assert!(said.contains(named), "{query}: {said}");
        untouched(&world, query).await;
    }
    let outcome = world.run(&selecting("SELECT n FROM own"), &none()).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
}

#[tokio::test]
async fn no_check_export_or_declaration_reaches_further_than_a_statement() {
    let world = World::new().await;
    world.fill("acme.own", "SELECT 1 AS n").await;
    let check = |expect: &str, filter: &str| {
        format!(
            "description: Looks.
steps:
  - id: look
    type: check
    table: own
    where: {}
    checks: [{{id: c, severity: error, blocking: true, expect: {{{expect}}}}}]
",
            Json::from(filter)
        )
    };
    let export = format!(
        "description: Out.
steps:
  - {{id: out, type: export, query: SELECT secret FROM other.secrets, uri: \"{}/acme/a.csv\", format: csv}}
",
        world.path("out")
    );
    let target = |table: &str| selecting("SELECT 1 AS n").replace("{table: t}", table);
    let sourced = |source: &str| {
        selecting("SELECT 1 AS n").replace("steps:", &format!("sources: [\"{source}\"]\nsteps:"))
    };
    let own = "n > 0";
    for (template, named) in [
        (check("sql: {query: SELECT secret FROM other.secrets}", own), "other.secrets"),
        (check("row_count: {min: 1}", "n IN (SELECT secret FROM other.secrets)"), "other.secrets"),
        (check("row_count: {min: 1}", "TRUE) OR (TRUE"), "closes nothing"),
        (check("row_count: {min: 1}", "TRUE) --"), "comment"),
        (
            check("relationships: {column: n, to_table: other.secrets, to_column: secret}", own),
            "other.secrets",
        ),
        (check("not_null: {columns: [\"n` IS NULL OR `n\"]}", own), "n` IS NULL"),
        (check("sql: {query: DELETE FROM own}", own), "DELETE"),
        (export, "other.secrets"),
        (target("{table: x_meta_step_logs}"), "x_meta_step_logs"),
        (target("{table: X_META_pipeline_runs}"), "X_META_pipeline_runs"),
        (target("{table: other.secrets}"), "other.secrets"),
        (target("{table: \"secrets` AS x\"}"), "secrets` AS x"),
        (target("{table: ../other/secrets}"), "../other/secrets"),
        (target("{table: t, partition_by: \"n) AS SELECT\"}"), "n) AS SELECT"),
        (target("{table: t, cluster_by: [\"n`, `m\"]}"), "n`, `m"),
        (
            selecting("SELECT 1 AS n")
                .replace("mode: replace", "mode: {merge: {keys: [\"n` = 1 OR `n\"]}}"),
            "n` = 1 OR `n",
        ),
        (sourced("tenants.tenant_api_keys"), "tenants.tenant_api_keys"),
        (sourced("other.x_meta_step_logs"), "other.x_meta_step_logs"),
        (sourced("other.*"), "other.*"),
        (sourced("other.INFORMATION_SCHEMA.TABLES"), "INFORMATION_SCHEMA"),
    ] {
        let said = refusal(&world, &template, &none()).await;
        assert!(said.contains(named), "{template}: {said}");
        untouched(&world, &template).await;
    }
    assert!(!std::path::Path::new(&world.path("out/acme/a.csv")).exists());
}

#[tokio::test]
async fn a_value_stays_a_value() {
    let world = World::new().await;
    let template = "description: Keeps.
parameters:
  v: {type: STRING, required: true}
  n: {type: INT64, default: 1}
steps:
  - {id: keep, type: sql, query: \"SELECT @v AS v, @n AS n\", target: {table: kept}, mode: replace}
  - id: look
    type: check
    depends_on: [keep]
    table: kept
    where: v = @v
    checks: [{id: c, severity: error, blocking: true, expect: {row_count: {min: 1, max: 1}}}]
";
    for value in [
        "' OR '1' = '1",
        "\"; DROP TABLE other.secrets; --",
        "`other`.`secrets`",
        "{tenant_id}",
        "{{ slot_date }} ${HOME}",
        "@n",
        "*/ UNION ALL SELECT secret FROM other.secrets /*",
        "\\' \\\\ \\n",
        "two\nlines\tand a tab",
        "\u{202e}desrever \u{1f600} \u{feff}",
        "",
    ] {
        let outcome = world.run(template, &json!({"v": value})).await;
        assert_eq!(outcome.status, RunStatus::Completed, "{value:?}: {outcome:?}");
        assert_eq!(world.rows("SELECT v FROM acme.kept").await, [value]);
        untouched(&world, value).await;
    }
    let catalog = catalog(template).unwrap();
    for (sent, rule) in [
        (json!({"v": "a\u{0}b"}), "NUL"),
        (json!({"v": 1}), "a JSON string"),
        (json!({"v": ["a"]}), "a JSON string"),
        (json!({"v": {"$ne": ""}}), "a JSON string"),
        (json!({"v": "x", "tenant_id": "other"}), "the tenant comes from the API key"),
        (json!({"v": "x", "@v": "y"}), "not a parameter"),
        (json!({"v": "x", "n": "1 OR TRUE"}), "a JSON number"),
        (json!({"v": "x".repeat(9_000)}), "at most 8192 bytes"),
    ] {
        let now = super::world::NOW.parse().unwrap();
        let sent = sent.as_object().unwrap();
        let errors = common::pipeline::params::resolve(first(&catalog), sent, now).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|e| e.contains(rule)), "{said:?}");
    }
}

fn refused_by_guard(outcome: &Outcome, value: &str) {
    let guard = (RunStatus::Failed, Some(FailureKind::Guard));
    assert_eq!((outcome.status, outcome.failure), guard, "{value}: {outcome:?}");
    assert!(outcome.message.contains(&format!("'{value}'")), "{value}: {}", outcome.message);
}

#[tokio::test]
async fn no_path_leaves_its_root() {
    let world = World::new().await;
    for folder in ["in/a", "in-beside", "out/other", "out/acme"] {
        std::fs::create_dir_all(world.path(folder)).unwrap();
    }
    for file in ["in/a/x.csv", "in-beside/x.csv", "out/other/x.csv", "x.csv"] {
        std::fs::write(world.path(file), "n\n1\n").unwrap();
    }
    for (to, link) in
        [("x.csv", "in/link.csv"), ("in-beside", "in/linked"), ("out/other", "out/acme/linked")]
    {
        std::os::unix::fs::symlink(world.path(to), world.path(link)).unwrap();
    }
    let step = |step: &str| {
        format!(
            "description: Moves.\nparameters:\n  path: {{type: STRING, required: true}}\nsteps:\n  - {{id: move, uri: \"@path\", format: csv, {step}}}\n"
        )
    };
    let load =
        step("type: load, columns: [{name: n, type: INT64}], target: {table: t}, mode: replace");
    let export = step("type: export, query: SELECT 1 AS n");
    let anywhere = [
        "gs://bucket/acme/x.csv",
        "gs://bucket/../x",
        "file:///etc/passwd",
        "https://example.com/x.csv",
        "/etc/passwd",
        "x.csv",
        "../x.csv",
        "",
    ];
    let inside = [
        "in-beside/x.csv",
        "in/../x.csv",
        "in/a/../../x.csv",
        "in/link.csv",
        "in/linked/x.csv",
        "in/a/*.csv",
        "in/a/",
        "in/{tenant_id}/x.csv",
    ];
    let own = inside.map(|path| world.path(path));
    for path in own.iter().map(String::as_str).chain(anywhere) {
        refused_by_guard(&world.run(&load, &json!({"path": path})).await, path);
    }
    let outside = [
        "out/x.csv",
        "out/other/x.csv",
        "out/other/new.csv",
        "out/acme/../other/x.csv",
        "out/acme/linked/x.csv",
        "out/acme2/x.csv",
        "out/{tenant_id}/x.csv",
        "out/acme",
        "out/acme/",
        "in/a/x.csv",
        "data/headgate.db",
    ];
    let own = outside.map(|path| world.path(path));
    for path in own.iter().map(String::as_str).chain(anywhere) {
        refused_by_guard(&world.run(&export, &json!({"path": path})).await, path);
    }
    assert_eq!(std::fs::read_to_string(world.path("out/other/x.csv")).unwrap(), "n\n1\n");
    assert_eq!(std::fs::read_dir(world.path("out/other")).unwrap().count(), 1);
    let outcome = world.run(&load, &json!({"path": world.path("in/a/x.csv")})).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
}

#[tokio::test]
async fn no_message_goes_to_a_host_that_is_not_allowed() {
    let world = World::new().await;
    let template = "description: Tells.
parameters:
  url: {type: STRING, required: true}
steps:
  - {id: tell, type: notify, url: \"@url\"}
";
    for (url, named) in [
        ("http://hooks.example.com/x", "https"),
        ("https://localhost/x", "localhost"),
        ("https://127.0.0.1/x", "127.0.0.1"),
        ("https://127.1/x", "127.1"),
        ("https://2130706433/x", "2130706433"),
        ("https://[::1]/x", "::1"),
        ("https://169.254.169.254/computeMetadata/v1/", "169.254.169.254"),
        ("https://metadata.google.internal/computeMetadata/v1/", "metadata.google.internal"),
        ("https://10.0.0.1/x", "10.0.0.1"),
        ("https://hooks.example.com.evil.example/x", "evil.example"),
        ("https://evil-hooks.example.com/x", "evil-hooks.example.com"),
        ("https://hooks.example.com:444/x", "444"),
        ("https://hooks.example.com@evil.example/x", "evil.example"),
        ("https://user:secret@hooks.example.com/x", "user"),
        ("file:///etc/passwd", "file"),
        ("//hooks.example.com/x", "https://"),
        ("", ""),
    ] {
        let outcome = world.run(template, &json!({"url": url})).await;
        assert_eq!(outcome.status, RunStatus::Completed, "{url}: {outcome:?}");
        let [step] = &outcome.steps[..] else { panic!("{outcome:?}") };
        assert_eq!(step.error_kind.as_deref(), Some("GUARD"), "{url}: {step:?}");
        let said = step.message.clone().unwrap_or_default();
        assert!(said.contains(named), "{url}: {said}");
        assert!(!said.contains("secret@"), "{said}");
    }
}
