//! Each type of check on a table where it holds, where it does not, as a warning, and on no rows.

use common::run::{FailureKind, RunStatus};

use super::world::{World, none};

/// A table of three rows: `good` keeps every rule below, `bad` breaks each.
const GOOD: &str =
    "SELECT 1 AS id, 'a' AS kind, 5 AS amount, 1 AS owner, TIMESTAMP '2025-11-18 05:00:00' AS at
    UNION ALL SELECT 2, 'b', 6, 2, TIMESTAMP '2025-11-17 05:00:00'
    UNION ALL SELECT 3, 'a', 7, CAST(NULL AS INT64), TIMESTAMP '2025-11-16 05:00:00'";
const BAD: &str =
    "SELECT 1 AS id, 'a' AS kind, 5 AS amount, 1 AS owner, TIMESTAMP '2025-11-10 05:00:00' AS at
    UNION ALL SELECT 1, 'x', 60, 9, TIMESTAMP '2025-11-11 05:00:00'
    UNION ALL SELECT CAST(NULL AS INT64), 'b', 6, 2, CAST(NULL AS TIMESTAMP)";

struct Case {
    expect: &'static str,
    /// What is seen in the good rows, in the bad ones and in none.
    observed: [&'static str; 3],
    /// Whether no rows are fine.
    empty_passes: bool,
    /// The keys of the failing rows among the bad ones.
    keys: &'static [&'static str],
}

const CASES: [Case; 8] = [
    Case {
        expect: "not_null: {columns: [id]}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["amount=6"],
    },
    Case {
        expect: "unique: {columns: [id]}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["id=1"],
    },
    Case {
        expect: "accepted_values: {column: kind, values: [a, b]}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["amount=60"],
    },
    Case {
        expect: "range: {column: amount, min: 5, max: 7}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["amount=60"],
    },
    Case {
        expect: "row_count: {min: 3, max: 3}",
        observed: ["3", "3", "0"],
        empty_passes: false,
        keys: &[],
    },
    Case {
        expect: "relationships: {column: owner, to_table: owners, to_column: id}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["amount=60"],
    },
    Case {
        expect: "freshness: {column: at, max_age_hours: 2}",
        observed: ["2025-11-18T05:00:00Z", "2025-11-11T05:00:00Z", "NULL"],
        empty_passes: false,
        keys: &[],
    },
    Case {
        expect: "sql: {query: SELECT amount FROM t WHERE amount > 50}",
        observed: ["0", "1", "0"],
        empty_passes: true,
        keys: &["amount=60"],
    },
];

fn template(expect: &str, severity: &str, blocking: bool) -> String {
    let key = if expect.starts_with("sql") { "" } else { "key: [amount], " };
    format!(
        "description: Looks.
steps:
  - id: look
    type: check
    table: t
    checks:
      - {{id: c, severity: {severity}, blocking: {blocking}, {key}expect: {{{expect}}}}}
  - {{id: after, type: sql, depends_on: [look], query: SELECT 1 AS n, target: {{table: after}}, mode: replace}}
"
    )
}

#[tokio::test]
async fn each_check_passes_fails_warns_and_judges_no_rows() {
    for case in CASES {
        let world = World::new().await;
        world.fill("acme.owners", "SELECT 1 AS id UNION ALL SELECT 2").await;
        let no_rows = format!("SELECT * FROM ({GOOD}) AS rows WHERE amount < 0");
        for (rows, observed, passes) in [
            (GOOD, case.observed[0], true),
            // Three rows are as many as the count wants.
            (BAD, case.observed[1], case.expect.starts_with("row_count")),
            (&no_rows, case.observed[2], case.empty_passes),
        ] {
            world.fill("acme.t", rows).await;
            let told = format!("{}: {observed}", case.expect);
            for (severity, blocking) in [("error", true), ("error", false), ("warn", false)] {
                let outcome = world.run(&template(case.expect, severity, blocking), &none()).await;
                let [check] = &outcome.checks[..] else { panic!("{told}: {outcome:?}") };
                assert_eq!((check.passed, check.observed.as_str()), (passes, observed), "{told}");
                assert_eq!((check.severity.as_str(), check.blocking), (severity, blocking));
                assert!(!check.threshold.is_empty());
                if passes || !blocking {
                    assert_eq!(outcome.status, RunStatus::Completed, "{told}: {outcome:?}");
                } else {
                    let failed = (RunStatus::Failed, Some(FailureKind::DataQuality));
                    assert_eq!((outcome.status, outcome.failure), failed, "{told}");
                    assert!(outcome.message.contains("c ("), "{}", outcome.message);
                }
                let keys = if passes || rows != BAD { &[] } else { case.keys };
                assert_eq!(check.failing_keys, keys, "{told}");
            }
        }
    }
}

#[tokio::test]
async fn at_most_five_keys_of_failing_rows_are_kept() {
    let world = World::new().await;
    world
        .fill(
            "acme.t",
            "SELECT n AS amount, 'secret' AS name FROM UNNEST([1, 2, 3, 4, 5, 6, 7, 8, 9]) AS n",
        )
        .await;
    let expect = "range: {column: amount, max: 0}";
    let outcome = world.run(&template(expect, "error", true), &none()).await;
    let [check] = &outcome.checks[..] else { panic!("{outcome:?}") };
    assert_eq!(check.observed, "9");
    assert_eq!(check.failing_keys, ["amount=1", "amount=2", "amount=3", "amount=4", "amount=5"]);
}
