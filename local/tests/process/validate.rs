//! `headgate validate` and refused queries: what is wrong is said with its place and a way out.

use super::process::{headgate, repository};
use super::server::Server;

#[tokio::test]
async fn the_shipped_templates_are_valid() {
    let configs = repository("configs");
    let ended = headgate(["validate", configs.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:?}");
    for id in ["ok focus/cost/daily ", "ok gcp/cost/billing "] {
        assert!(lines.iter().any(|line| line.starts_with(id)), "{lines:?}");
    }
}

#[tokio::test]
async fn what_breaks_a_template_is_found_where_it_stands() {
    let shipped = std::fs::read_to_string(repository("configs/gcp/cost/billing.yml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("billing.yml");
    for (good, bad, place, named) in [
        ("type: sql\n", "type: sqll\n", "type: sqll", "sqll"),
        ("query: |\n", "querry: |\n", "querry: |", "querry"),
        ("type: DATE\n    required", "type: DAY\n    required", "date:\n", "DAY"),
        ("from: \"@date\"", "from: \"@start\"", "\"@start\"", "start"),
        ("[daily_cost]", "[daily]", "daily]", "daily"),
        ("severity: error\n", "severity: fatal\n", "severity: fatal", "fatal"),
        (
            "table: gcp_cost_daily\n",
            "table: x_meta_step_logs\n",
            "x_meta_step_logs",
            "x_meta_step_logs",
        ),
    ] {
        let broken = shipped.replacen(good, bad, 1);
        let line = broken[..broken.find(place).unwrap()].matches('\n').count() + 1;
        std::fs::write(&file, &broken).unwrap();
        let ended = headgate(["validate", file.to_str().unwrap()]).await;
        assert_eq!(ended.code, Some(65), "{bad}: {ended:?}");
        let place = format!("--> {}:{line}:", file.display());
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let at = lines.iter().position(|l| l.trim_start().starts_with(&place));
        let at = at.unwrap_or_else(|| panic!("{bad}: line {line}: {}", ended.stdout));
        let message = lines[at - 1].strip_prefix("error: ").unwrap();
        assert!(message.contains(named), "{message}");
        let (_, column) = lines[at].rsplit_once(':').unwrap();
        assert!(column.parse::<usize>().is_ok_and(|column| column > 1), "{}", lines[at]);
        let shown = lines[at + 2].split_once(" | ").unwrap().1;
        assert_eq!(shown, broken.lines().nth(line - 1).unwrap());
        let marks = lines[at + 3].split_once(" | ").unwrap().1;
        assert_eq!(marks.find('^').unwrap() + 1, column.parse::<usize>().unwrap(), "{marks}");
        assert!(lines[at + 4..].iter().any(|l| l.trim_start().starts_with("= help: ")), "{bad}");
        assert_eq!(lines.last(), Some(&"error: 1 template is wrong, 0 are right"), "{bad}");
        assert!(!ended.stdout.contains('\u{1b}'), "colour without a terminal");
    }
    let ended = headgate(["validate", file.to_str().unwrap(), "--format", "json"]).await;
    assert_eq!(ended.code, Some(65), "{ended:?}");
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(found[0]["line"].is_u64() && found[0]["hint"].is_string(), "{found}");
}

#[tokio::test]
async fn a_refused_statement_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    drop(Server::start(folder.path(), &[]).await);
    for (sql, named) in [
        ("SELECT 1,\n  NET.HOST('x')", "NET.HOST at 2:3"),
        ("SELECT *\nFROM tenants.tenant_profiles TABLESAMPLE SYSTEM (1 PERCENT)", "TABLESAMPLE"),
        ("SELECT\n  x FROM tenants.tenant_profiles", "x is not in sight at 2:3"),
        ("SELECT * FROM acme.none", "acme.none, read at 1:15"),
        ("DELETE FROM tenants.tenant_profiles WHERE TRUE", "DELETE FROM is not a SELECT"),
        ("SELECT 1; SELECT 2", "a script of several statements"),
    ] {
        let ended = headgate(["query", sql, "--data-dir", folder.path().to_str().unwrap()]).await;
        assert!(ended.code.is_some_and(|code| code != 0), "{sql}: {ended:?}");
        assert!(ended.stderr.contains(named), "{sql}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{sql}: {ended:?}");
    }
}

#[tokio::test]
async fn a_folder_without_data_is_not_made_by_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let ended = headgate(["query", "SELECT 1", "--data-dir", none.to_str().unwrap()]).await;
    assert!(ended.code != Some(0) && ended.stderr.contains("holds no data"), "{ended:?}");
    assert!(!none.exists());
}
