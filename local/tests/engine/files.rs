//! Files in and out: what is exported is loaded again without loss, and bad records are told.

use common::run::{FailureKind, RunStatus};
use serde_json::json;

use super::world::{World, none};

const ROWS: &str = "SELECT 1 AS id, 'plain' AS name, CAST('12.5' AS NUMERIC) AS cost, 0.1 AS ratio, TRUE AS flag,
    DATE '2025-11-17' AS day, TIMESTAMP '2025-11-17 08:00:00.25' AS at
    UNION ALL SELECT 2, 'a \"quote\", a comma', CAST('-0.000000001' AS NUMERIC), -2.5, FALSE, DATE '0001-01-01', TIMESTAMP '1970-01-01 00:00:00'
    UNION ALL SELECT 3, '', {nulls}
    UNION ALL SELECT 4, CAST(NULL AS STRING), {nulls}
    UNION ALL SELECT 5, 'NIL', {nulls}
    UNION ALL SELECT 6, 'two\\nlines', {nulls}";

/// What [`ROWS`] holds in place of a value of each type.
const NULLS: &str = "CAST(NULL AS NUMERIC), CAST(NULL AS FLOAT64), CAST(NULL AS BOOL), CAST(NULL AS DATE), CAST(NULL AS TIMESTAMP)";

const COLUMNS: &str = "[{name: id, type: INT64}, {name: name, type: STRING}, {name: cost, type: NUMERIC},
      {name: ratio, type: FLOAT64}, {name: flag, type: BOOL}, {name: day, type: DATE}, {name: at, type: TIMESTAMP}]";

fn round_trip(format: &str) -> String {
    format!(
        "description: Out and in again.
parameters:
  path: {{type: STRING, required: true}}
steps:
  - id: out
    type: export
    query: SELECT id, name, cost, ratio, flag, day, at FROM t ORDER BY id
    uri: \"@path\"
    {format}
  - id: back
    type: load
    depends_on: [out]
    uri: \"@path\"
    {format}
    columns: {COLUMNS}
    target: {{table: back}}
    mode: replace
"
    )
}

#[tokio::test]
async fn what_is_exported_is_loaded_again_without_loss() {
    let read = |table: &str| format!("SELECT * FROM acme.{table} ORDER BY id");
    for (name, format) in [
        ("a.csv", "format: csv"),
        ("b.csv", "format: csv\n    csv: {header: false, delimiter: \";\", null_marker: NIL}"),
        ("c.ndjson", "format: ndjson"),
        ("d.parquet", "format: parquet"),
    ] {
        let world = World::new().await;
        world.fill("acme.t", &ROWS.replace("{nulls}", NULLS)).await;
        // One folder to write to and to read from.
        std::fs::create_dir_all(world.path("out/acme")).unwrap();
        std::fs::create_dir_all(world.path("in")).unwrap();
        std::os::unix::fs::symlink(world.path("out/acme"), world.path("in/exported")).unwrap();
        let path = world.path(&format!("out/acme/2025/{name}"));
        let template = round_trip(format);
        let outcome = world.run(&template, &json!({"path": path})).await;
        // The file lies below the export root, which is no root to load from.
        assert_eq!(outcome.failure, Some(FailureKind::Guard), "{outcome:?}");
        let (out, back) = template.split_once("  - id: back").unwrap();
        let first = world.run(out, &json!({"path": path})).await;
        assert_eq!(first.status, RunStatus::Completed, "{name}: {first:?}");
        assert_eq!(first.steps[0].rows, 6);
        let written = std::fs::read(&path).unwrap();
        let into = world.path(&format!("in/{name}"));
        std::fs::copy(&path, &into).unwrap();
        let back = format!(
            "{}  - id: back{}",
            out.split_once("  - id: out").unwrap().0,
            back.replace("    depends_on: [out]\n", "")
        );
        let outcome = world.run(&back, &json!({"path": into})).await;
        assert_eq!(outcome.status, RunStatus::Completed, "{name}: {outcome:?}");
        assert_eq!(world.rows(&read("back")).await, world.rows(&read("t")).await, "{name}");
        // The same again is the same file, and nothing else lies beside it.
        world.run(out, &json!({"path": path})).await;
        assert_eq!(std::fs::read(&path).unwrap(), written, "{name}");
        assert_eq!(std::fs::read_dir(world.path("out/acme/2025")).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn an_export_that_fails_leaves_the_file_that_is_there() {
    let world = World::new().await;
    world.fill("acme.t", "SELECT 1 AS n UNION ALL SELECT 0").await;
    std::fs::create_dir_all(world.path("out/acme")).unwrap();
    std::fs::write(world.path("out/acme/a.csv"), "old").unwrap();
    let template = |query: &str| {
        format!(
            "description: Out.
steps:
  - {{id: out, type: export, query: \"{query}\", uri: \"{}/{{tenant_id}}/a.csv\", format: csv}}
",
            world.path("out")
        )
    };
    for (query, said) in [
        ("SELECT DIV(1, n) AS n FROM t", "zero"),
        ("SELECT [1, 2] AS n FROM t", "the column n is ARRAY<INT64>, which CSV cannot hold"),
        ("SELECT secret FROM other.secrets", "reads other.secrets"),
    ] {
        let outcome = world.run(&template(query), &none()).await;
        assert_eq!(outcome.status, RunStatus::Failed, "{outcome:?}");
        assert!(outcome.message.contains(said), "{}", outcome.message);
        assert_eq!(std::fs::read_to_string(world.path("out/acme/a.csv")).unwrap(), "old");
        assert_eq!(std::fs::read_dir(world.path("out/acme")).unwrap().count(), 1);
    }
    let outcome = world.run(&template("SELECT n FROM t ORDER BY n DESC"), &none()).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
    let written = std::fs::read_to_string(world.path("out/acme/a.csv")).unwrap();
    assert_eq!(written, "n\n1\n0\n");
}

#[tokio::test]
async fn what_a_killed_export_left_goes_with_the_next_one() {
    let world = World::new().await;
    std::fs::create_dir_all(world.path("out/acme")).unwrap();
    let now: chrono::DateTime<chrono::Utc> = super::world::NOW.parse().unwrap();
    for (name, age) in [
        (".a.csv.17.partial", 120),
        (".a.csv.18.partial", 10),
        (".a.csv.x.partial", 120),
        (".b.csv.19.partial", 120),
    ] {
        let left = std::fs::File::create(world.path(&format!("out/acme/{name}"))).unwrap();
        left.set_modified((now - chrono::TimeDelta::minutes(age)).into()).unwrap();
    }
    let template = format!(
        "description: Out.
steps:
  - {{id: out, type: export, query: SELECT 1 AS n, uri: \"{}/acme/a.csv\", format: csv}}
",
        world.path("out")
    );
    let outcome = world.run(&template, &none()).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
    let left = std::fs::read_dir(world.path("out/acme")).unwrap();
    let mut left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, [".a.csv.18.partial", ".a.csv.x.partial", "a.csv"]);
}

#[tokio::test]
async fn records_that_a_load_left_out_are_told_in_its_log() {
    let world = World::new().await;
    std::fs::create_dir_all(world.path("in")).unwrap();
    std::fs::write(world.path("in/a.csv"), "n\n1\ntwo\n3\n4,5\n").unwrap();
    let template = |bad: u32, more: &str| {
        format!(
            "description: In.
steps:
  - id: load
    type: load
    uri: {}
    format: csv
    columns: [{{name: n, type: INT64}}]
    max_bad_records: {bad}
    {more}
    target: {{table: t}}
    mode: {{merge: {{keys: [n]}}}}
",
            world.path("in/a.csv")
        )
    };
    let outcome = world.run(&template(2, "timeout_seconds: 60"), &none()).await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
    let note = outcome.steps[0].message.clone().unwrap_or_default();
    assert!(note.starts_with("left out 2 bad records: line 3: n: 'two' is not a"), "{note}");
    assert!(note.contains("line 5: 2 fields instead of 1"), "{note}");
    assert_eq!(world.rows("SELECT n FROM acme.t ORDER BY n").await, ["1", "3"]);

    let outcome = world.run(&template(1, "timeout_seconds: 60"), &none()).await;
    assert_eq!(outcome.status, RunStatus::Failed);
    assert!(outcome.message.contains("more than 1 bad records: line 3"), "{}", outcome.message);
    let outcome = world.run(&template(2, "max_bytes: 5"), &none()).await;
    assert!(outcome.message.contains("more than the 5 bytes allowed"), "{}", outcome.message);
    assert_eq!(world.rows("SELECT COUNT(*) FROM acme.t").await, ["2"]);
}
