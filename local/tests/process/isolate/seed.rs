//! A small deployment for tests that end executions: a table that is quickly loaded, and templates whose runs
//! are long enough to be met.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::process::{headgate, repository};
use crate::server::{Server, Tenant};

/// How many rows the table `seed` has, spread over [`DAYS`].
pub(crate) const ROWS: u32 = 1000;
/// From the first of November on.
pub(crate) const DAYS: u32 = 10;

/// A folder of templates `gcp/cost/<name>`.
pub(crate) fn configs(folder: &Path, templates: &[(&str, String)]) -> PathBuf {
    let configs = folder.join("configs");
    std::fs::create_dir_all(configs.join("gcp/cost")).unwrap();
    std::fs::copy(repository("configs/plans.yml"), configs.join("plans.yml")).unwrap();
    for (name, text) in templates {
        std::fs::write(configs.join(format!("gcp/cost/{name}.yml")), text).unwrap();
    }
    configs
}

/// A template whose run does not end by itself while a test waits, over `seed`.
pub(crate) fn endless() -> (&'static str, String) {
    let template = "description: Joins the seed with itself, three times.
steps:
  - id: join
    type: sql
    query: SELECT SUM(a.n * b.n + c.n * d.n) AS total FROM seed AS a CROSS JOIN seed AS b CROSS JOIN seed AS c CROSS JOIN seed AS d
    target: {table: joined}
    mode: replace
";
    ("endless", template.to_owned())
}

/// Onboards a tenant of one slot and as many runs as a test wants, with its table `seed(day, n)`.
pub(crate) async fn tenant(server: &Server, folder: &Path, id: &'static str) -> Tenant {
    let tenant = server.onboard(id, "STARTER").await;
    let limits = serde_json::json!({"daily_limit": 500, "monthly_limit": 500});
    let (status, answer) = server.allow(&tenant, limits).await;
    assert_eq!(status, 200, "{answer}");
    let mut rows = String::new();
    for n in 0..ROWS {
        writeln!(rows, "{{\"day\": \"2025-11-{:02}\", \"n\": {n}}}", n % DAYS + 1).unwrap();
    }
    let (file, schema) = (folder.join("seed.ndjson"), folder.join("seed.json"));
    std::fs::write(&file, rows).unwrap();
    let columns = r#"[{"name": "day", "type": "DATE"}, {"name": "n", "type": "INTEGER"}]"#;
    std::fs::write(&schema, columns).unwrap();
    let (table, data) = (format!("{id}.seed"), folder.join("data"));
    let [file, schema, data] = [&file, &schema, &data].map(|path| path.to_str().unwrap());
    let ended = headgate(["load", &table, file, "--schema", schema, "--data-dir", data]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    tenant
}
