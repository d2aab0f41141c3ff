//! The shipped templates are valid, their schema is current, and what is wrong is found where it stands.

use std::path::Path;

use common::pipeline::{Action, Catalog, Diagnostic, Mode, Template, parse, spec};

fn configs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs"))
}

fn shipped(path: &str) -> Template {
    let text = std::fs::read_to_string(configs().join(path)).expect("a shipped template");
    parse::file(path, &text).unwrap_or_else(|found| panic!("{}", lines(&found)))
}

fn lines(found: &[Diagnostic]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_billing_template_replaces_its_range_and_checks_it() {
    let template = shipped("gcp/cost/billing.yml");
    assert_eq!(template.id.to_string(), "gcp/cost/billing");
    let Action::Sql(sql) = &template.steps[0].action else { panic!("a sql step comes first") };
    let range = Mode::OverwritePartition { from: "date".to_owned(), to: "end_date".to_owned() };
    assert_eq!(sql.target.mode, range);
    assert_eq!(sql.query.params, ["date", "end_date"]);
    let Action::Check(action) = &template.steps[1].action else { panic!("then a check step") };
    let checks = &action.checks;
    assert!(checks.iter().filter(|check| check.blocking).count() >= 3);
    assert!(checks.len() >= 5);
}

#[test]
fn the_focus_template_loads_before_it_sums() {
    let template = shipped("focus/cost/daily.yml");
    let kinds: Vec<_> = template.steps.iter().map(|step| step.action.kind()).collect();
    assert_eq!(kinds, ["load", "check", "sql", "check"]);
}

#[test]
fn every_shipped_template_may_run_again_and_reconciles_what_it_writes() {
    // What is shipped, and its steps in the order of the file.
    let shipped_ones = [
        ("aws/cost/cur", "load check sql check"),
        ("aws/cost/cur_csv", "load check sql check"),
        ("example/etl/orders", "load load sql sql check sql check"),
        ("focus/cost/anomalies", "sql check"),
        ("focus/cost/daily", "load check sql check"),
        ("gcp/cost/billing", "sql check"),
        ("gcp/cost/labels", "sql check"),
    ];
    for (id, kinds) in shipped_ones {
        let template = shipped(&format!("{id}.yml"));
        let steps: Vec<_> = template.steps.iter().map(|step| step.action.kind()).collect();
        assert_eq!(steps.join(" "), kinds, "{id}");
        let (mut checks, mut reconciling) = (0, 0);
        for step in &template.steps {
            if let Action::Check(of_step) = &step.action {
                checks += of_step.checks.len();
                reconciling += of_step
                    .checks
                    .iter()
                    .filter(|check| check.blocking && check.id.contains("reconciles"))
                    .count();
            }
            let Some(target) = step.action.target() else { continue };
            let again = matches!(
                target.mode,
                Mode::Replace
                    | Mode::OverwritePartition { .. }
                    | Mode::AppendNew { .. }
                    | Mode::Merge { .. }
            );
            assert!(again, "{id}: {} {:?}", step.id, target.mode);
        }
        assert!(checks >= 3 && reconciling > 0, "{id}: {checks} checks");
    }
}

/// Run with `UPDATE=1` to write the file anew.
#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = configs().join("template.schema.json");
    let generated = serde_json::to_string_pretty(&spec::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "template.schema.json is old: run this test with UPDATE=1");
}

#[test]
fn a_catalog_answers_by_parts_and_only_by_parts() {
    let path = "gcp/cost/billing.yml";
    let text = std::fs::read_to_string(configs().join(path)).unwrap();
    let catalog = Catalog::from_files([(path, text)]).unwrap();
    assert!(catalog.get("gcp", "cost", "billing").is_some());
    for (provider, domain, name) in [
        ("gcp", "cost", "daily"),
        ("gcp", "cost", "../cost/billing"),
        ("gcp", "..", "billing"),
        ("gcp", "cost", "billing.yml"),
        ("gcp/cost", "", "billing"),
        ("", "", ""),
        ("GCP", "cost", "billing"),
    ] {
        assert!(catalog.get(provider, domain, name).is_none(), "{provider} {domain} {name}");
    }
    let found = Catalog::from_files([("gcp/billing.yml", ""), ("../x/y.yml", "")]).unwrap_err();
    assert_eq!(found.len(), 2, "{}", lines(&found));
}

/// A valid template; each case changes one line of it.
const VALID: &str = r#"description: Copies a day.
parameters:
  day:
    type: DATE
    required: true
sources: [shared.rates]
steps:
  - id: copy
    type: sql
    query: |
      SELECT day, amount
      FROM lines
      WHERE day = @day
    target: {table: copied, partition_by: day}
    mode: {overwrite_partition: {from: "@day", to: "@day"}}
  - id: look
    type: check
    depends_on: [copy]
    table: copied
    where: day = @day
    checks:
      - id: rows
        severity: warn
        blocking: false
        expect: {row_count: {min: 1}}
"#;

/// What is replaced in [`VALID`], by what, and what is found: line, column, a part of the message.
const WRONG: &[(&str, &str, u64, u64, &str)] = &[
    ("description: Copies a day.", "descripton: x", 1, 1, "descripton"),
    ("    required: true", "    requird: true", 5, 5, "requird"),
    ("    type: DATE", "    type: DAY", 3, 3, "'DAY' is not a parameter type"),
    ("    required: true", "    default: 7", 3, 3, "the default 7 is not"),
    ("    required: true", "    default: \"@other\"", 3, 3, "not declared"),
    ("  day:", "  tenant_id:", 3, 3, "comes from the API key"),
    ("WHERE day = @day\n    target", "WHERE day = @dy\n    target", 13, 19, "@dy is not declared"),
    ("FROM lines", "FROM {{ dataset }}.lines", 12, 12, "placeholder"),
    ("FROM lines", "FROM lines;", 12, 17, "';' has no place"),
    ("SELECT day, amount", "DELETE lines WHERE true", 11, 7, "starts with 'DELETE'"),
    ("FROM lines", "FROM lines)", 11, 7, "not closed"),
    ("table: copied, p", "table: x_meta_step_logs, p", 14, 14, "x_meta_step_logs"),
    ("table: copied, p", "table: other.copied, p", 14, 14, "other.copied"),
    (", partition_by: day", "", 15, 12, "needs target.partition_by"),
    ("from: \"@day\"", "from: \"2025-01-01\"", 15, 41, "not a declared DATE parameter"),
    (
        "mode: {overwrite_partition: {from: \"@day\", to: \"@day\"}}",
        "mode: {append: {allow_duplicates: false}}",
        15,
        12,
        "either a dedup_key or allow_duplicates",
    ),
    (
        "mode: {overwrite_partition: {from: \"@day\", to: \"@day\"}}",
        "mode: {append: {dedup_key: [day], allow_duplicates: true}}",
        15,
        12,
        "either a dedup_key or allow_duplicates",
    ),
    (
        "mode: {overwrite_partition: {from: \"@day\", to: \"@day\"}}",
        "mode: {merge: {keys: []}}",
        15,
        20,
        "1 to 16 of them",
    ),
    (
        "mode: {overwrite_partition: {from: \"@day\", to: \"@day\"}}",
        "mode: {merge: {keys: [day, Day]}}",
        15,
        32,
        "'Day' is not a column's name, or stands twice",
    ),
    (
        "mode: {overwrite_partition: {from: \"@day\", to: \"@day\"}}",
        "mode: {upsert: {keys: [day]}}",
        15,
        12,
        "upsert",
    ),
    ("    required: true", "    default: tomorrow", 3, 3, "the default \"tomorrow\" is not"),
    (
        "    required: true",
        "    default: today\n    timezone: Europe/Wien",
        3,
        3,
        "no IANA time zone",
    ),
    (
        "    required: true",
        "    required: true\n    timezone: UTC",
        3,
        3,
        "which only a default of today or yesterday needs",
    ),
    (
        "    required: true",
        "    required: true\n    enum: [2025-11-31]",
        3,
        3,
        "the enum's \"2025-11-31\" is not",
    ),
    (
        "    required: true",
        "    required: true\n    range: {min: 2025-02-01, max: 2025-01-01}",
        3,
        3,
        "a range that holds no value",
    ),
    (
        "    required: true",
        "    default: 2025-01-31\n    range: {min: 2025-02-01}",
        3,
        3,
        "the default \"2025-01-31\" is not at least 2025-02-01",
    ),
    ("depends_on: [copy]", "on: failure", 18, 5, "depends on nothing: it never starts"),
    ("depends_on: [copy]", "on: sometimes", 18, 9, "unknown variant `sometimes`"),
    ("    table: copied\n", "    table: copied\n    max_bytes: 0\n", 20, 5, "max_bytes is 0"),
    ("sources: [shared.rates]", "timeout_seconds: 5", 6, 1, "timeout_seconds is 5"),
    ("depends_on: [copy]", "depends_on: [cpy]", 18, 18, "depends on cpy"),
    ("depends_on: [copy]", "depends_on: [look]", 18, 5, "look -> look"),
    ("id: look", "id: copy", 16, 9, "taken by the step of line 8"),
    ("type: check", "type: chek", 17, 11, "unknown variant `chek`"),
    ("    type: check", "    kind: check", 21, 5, "missing field `type`"),
    ("    where: day = @day", "    where: day = @day) OR (TRUE", 20, 5, "not closed"),
    ("    where: day = @day", "    where: day = @day -- all", 20, 5, "comment"),
    ("    where: day = @day", "    uri: x", 20, 5, "unknown field `uri`"),
    ("severity: warn", "severity: fatal", 23, 19, "fatal"),
    ("blocking: false", "blocking: true", 23, 9, "blocking and only warns"),
    ("blocking: false", "blocking: no", 24, 19, "bool"),
    ("row_count: {min: 1}", "row_count: {}", 25, 18, "needs min, max or both"),
    ("row_count: {min: 1}", "not_null: {columns: [\"a`b\"]}", 25, 40, "'a`b' is not"),
    (
        "row_count: {min: 1}",
        "relationships: {column: a, to_table: other.x, to_column: b}",
        25,
        55,
        "neither a table",
    ),
    ("[shared.rates]", "[\"shared.rates_*\"]", 6, 12, "shared.rates_*"),
    ("[shared.rates]", "[tenants.tenant_api_keys]", 6, 11, "control plane"),
    ("sources: [shared.rates]", "max_parallel: 40", 6, 1, "max_parallel is 40"),
    ("sources: [shared.rates]", "description: again", 6, 1, "duplicate"),
];

#[test]
fn a_wrong_line_is_found_where_it_stands() {
    parse::file("a/b/c.yml", VALID).unwrap_or_else(|found| panic!("{}", lines(&found)));
    let mut missed = Vec::new();
    for &(old, new, line, column, message) in WRONG {
        let text = VALID.replacen(old, new, 1);
        assert_ne!(text, VALID, "{old}");
        let found = parse::file("a/b/c.yml", &text).unwrap_err();
        let hit = found
            .iter()
            .any(|d| (d.line, d.column) == (line, column) && d.message.contains(message));
        if !hit {
            missed.push(format!(
                "{new}: expected {line}:{column} {message}, found\n{}",
                lines(&found)
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_wrong_file_or_hook_is_found_where_it_stands() {
    let text = |step: &str| {
        format!(
            "description: x\nparameters:\n  day: {{type: DATE, default: today}}\n  where: {{type: STRING, default: x}}\nsteps:\n{step}"
        )
    };
    let export = |uri: &str, format: &str| {
        text(&format!(
            "  - id: out\n    type: export\n    query: SELECT @day AS d, @where AS w\n    uri: \"{uri}\"\n    {format}\n"
        ))
    };
    let notify = |url: &str| {
        text(&format!(
            "  - id: look\n    type: check\n    table: t\n    where: w = @where AND d = @day\n    checks:\n      - {{id: a, severity: warn, blocking: false, expect: {{row_count: {{min: 1}}}}}}\n  - id: tell\n    type: notify\n    on: always\n    url: \"{url}\"\n"
        ))
    };
    for valid in [
        export("gs://out/{tenant_id}/{day}.csv", "format: csv"),
        export("@where", "{format: parquet}".trim_matches(['{', '}'])),
        notify("https://hooks.example.com/x"),
        notify("@where"),
    ] {
        parse::file("a/b/c.yml", &valid)
            .unwrap_or_else(|found| panic!("{valid}\n{}", lines(&found)));
    }
    for (wrong, line, message) in [
        (export("", "format: csv"), 9, "uri is empty"),
        (
            export("gs://out/{where}/x", "format: csv"),
            9,
            "'@where' is not a declared DATE parameter",
        ),
        (
            export("gs://out/{month}/x", "format: csv"),
            9,
            "'@month' is not a declared DATE parameter",
        ),
        (export("gs://out/{{day}}/x", "format: csv"), 9, "is no place of a uri"),
        (export("gs://out/{day", "format: csv"), 9, "is no place of a uri"),
        (export("@day", "format: csv"), 9, "'@day' is not a declared STRING parameter"),
        (export("/out/x", "format: csv\n    csv: {null_marker: \"a,b\"}"), 11, "holds a delimiter"),
        (export("/out/x", "format: xlsx"), 10, "unknown variant `xlsx`"),
        (export("/out/x", "format: ndjson\n    csv: {header: true}"), 11, "beside another format"),
        (notify("http://hooks.example.com/x"), 15, "is not https"),
        (notify("hooks.example.com"), 15, "is not https"),
    ] {
        let found = parse::file("a/b/c.yml", &wrong).unwrap_err();
        let hit = found.iter().any(|d| d.line == line && d.message.contains(message));
        assert!(hit, "expected {line}: {message}, found\n{}", lines(&found));
    }
}

#[test]
fn an_unused_parameter_and_an_unordered_second_writer_are_refused() {
    let text = VALID.replace("sources:", "  spare: {type: STRING, default: x}\nsources:")
        + r"  - id: again
    type: sql
    query: SELECT 1 AS day
    target: {table: copied}
    mode: replace
";
    let found = lines(&parse::file("a/b/c.yml", &text).unwrap_err());
    assert!(found.contains(":6:3: parameter spare is declared and never used"), "{found}");
    assert!(found.contains("steps copy and again both write copied at the same time"), "{found}");
}

#[test]
fn large_and_deep_files_are_refused() {
    let long = format!("{VALID}# {}", "x".repeat(parse::MAX_BYTES));
    assert!(lines(&parse::file("a/b/c.yml", &long).unwrap_err()).contains("bytes"));
    let deep = format!("description: {}", "[".repeat(5_000));
    assert_eq!(parse::file("a/b/c.yml", &deep).unwrap_err().len(), 1);
    let wide = format!("sources: [{}]", "a,".repeat(30_000));
    assert_eq!(parse::file("a/b/c.yml", &wide).unwrap_err().len(), 1);
    let bomb = "sources: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n";
    assert_eq!(parse::file("a/b/c.yml", bomb).unwrap_err().len(), 1);
}
