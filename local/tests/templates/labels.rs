//! `gcp/cost/labels`: over each key the values and the unlabelled lines add up to the export.

use std::collections::BTreeMap;
use std::fmt::Write;

use local::{configs, sample};
use serde_json::{Value as Json, json};

use super::decimal::nanos;
use super::world::{Edit, World};

const TEMPLATE: &str = "gcp/cost/labels";
const KEYS: [&str; 3] = ["shard", "team", "cost-centre"];

/// Day, key, whether it is labelled, value, service, currency.
type Place = (String, String, bool, String, String, String);
/// Net cost in billionths, lines, lines with several values.
type Sums = (i128, i64, i64);

/// The first ten days of the shipped sample.
fn shipped() -> String {
    let mut text = Vec::new();
    sample::write(&mut text, sample::SEED).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.split_inclusive('\n')
        .filter(|line| number(line, "usage_start_time") < "\"2025-11-11")
        .collect()
}

/// A line of 2 November in euros, of 0.100000001 less a credit of 0.000000001, with these labels.
fn line(labels: &str) -> String {
    format!(
        "{{\"service\":{{\"id\":\"S-1\",\"description\":\"Relay\"}},\
         \"usage_start_time\":\"2025-11-02T23:30:00Z\",\"cost\":0.100000001,\"currency\":\"EUR\",\
         \"labels\":{labels},\"credits\":[{{\"name\":\"c\",\"amount\":-0.000000001}}]}}\n"
    )
}

/// Labels as a careless writer leaves them.
fn odd() -> String {
    let labels = [
        "[]",
        r#"[{"key":"team","value":"b"},{"key":"team","value":"a"}]"#,
        r#"[{"key":"team","value":"a"},{"key":"team","value":"a"}]"#,
        r#"[{"key":"team","value":""}]"#,
        r#"[{"key":"team","value":null}]"#,
        r#"[{"key":"team","value":"(unlabelled)"}]"#,
        r#"[{"key":"Team","value":"a"},{"key":"shard","value":"é"}]"#,
    ];
    labels.iter().map(|labels| line(labels)).collect()
}

/// The number that stands behind a key, as it is written. The lines have no spaces.
fn number<'a>(text: &'a str, key: &str) -> &'a str {
    let rest = text.split_once(&format!("\"{key}\":")).unwrap().1;
    &rest[..rest.find([',', '}']).unwrap()]
}

/// What the table must hold, from the lines' own text.
fn expected(text: &str, days: &std::ops::RangeInclusive<&str>) -> BTreeMap<Place, Sums> {
    let mut sums = BTreeMap::<Place, Sums>::new();
    for line in text.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let day = &row["usage_start_time"].as_str().unwrap()[..10];
        if !days.contains(&day) {
            continue;
        }
        let (before, credits) = line.split_once("\"credits\":[").unwrap_or((line, ""));
        let credits = credits
            .split("\"amount\":")
            .skip(1)
            .map(|rest| nanos(&rest[..rest.find([',', '}']).unwrap()]));
        let net = nanos(number(before, "cost")) + credits.sum::<i128>();
        for key in KEYS {
            let empty = Vec::new();
            let labels = row["labels"].as_array().unwrap_or(&empty);
            let values: std::collections::BTreeSet<&str> = labels
                .iter()
                .filter(|label| label["key"] == key)
                .map(|label| label["value"].as_str().unwrap_or_default())
                .collect();
            let place = (
                day.to_owned(),
                key.to_owned(),
                !values.is_empty(),
                values.first().map_or("(unlabelled)", |value| value).to_owned(),
                row["service"]["id"].as_str().unwrap().to_owned(),
                row["currency"].as_str().unwrap().to_owned(),
            );
            let at = sums.entry(place).or_default();
            *at = (at.0 + net, at.1 + 1, at.2 + i64::from(values.len() > 1));
        }
    }
    sums
}

async fn written(world: &World) -> BTreeMap<Place, Sums> {
    let sql = "SELECT usage_date, label_key, labelled, label_value, service_id, currency, net_cost, \
               line_items, ambiguous_lines FROM gcp_cost_labels";
    let rows = world.rows(sql).await;
    let count = rows.len();
    let table: BTreeMap<Place, Sums> = rows
        .into_iter()
        .map(|row| {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            let place = (text(0), text(1), row[2].as_bool().unwrap(), text(3), text(4), text(5));
            (place, (nanos(&text(6)), row[7].as_i64().unwrap(), row[8].as_i64().unwrap()))
        })
        .collect();
    assert_eq!(table.len(), count, "no place twice");
    table
}

async fn world(export: &str) -> World {
    let world = World::new().await;
    world.load("gcp_billing_export", configs::BILLING_SCHEMA, export.as_bytes()).await;
    world
}

fn ten_days() -> Json {
    json!({"date": "2025-11-01", "end_date": "2025-11-10", "label_keys": KEYS})
}

#[tokio::test]
async fn each_key_divides_the_whole_cost_of_each_day() {
    let export = shipped() + &odd();
    let world = world(&export).await;
    let warned = ["one_value_a_line", "keys_are_used"];
    world.run(TEMPLATE, ten_days()).await.completed(&warned);
    let first = written(&world).await;
    assert_eq!(first, expected(&export, &("2025-11-01"..="2025-11-10")));

    // The keys were not equal by having nothing in them: labelled and unlabelled lines are there.
    let places = |key: &str, labelled| {
        first.keys().filter(|place| place.1 == key && place.2 == labelled).count()
    };
    assert!(places("team", true) > 50 && places("team", false) > 30);
    assert!(places("shard", true) > 20 && places("cost-centre", true) == 0);
    let total: i128 = first.iter().filter(|(p, _)| p.1 == "team").map(|(_, sums)| sums.0).sum();
    for key in ["shard", "cost-centre"] {
        let of_key = first.iter().filter(|(p, _)| p.1 == key).map(|(_, sums)| sums.0);
        assert_eq!(of_key.sum::<i128>(), total, "{key}");
    }

    world.run(TEMPLATE, ten_days()).await.completed(&warned);
    assert_eq!(written(&world).await, first, "a second run leaves the same rows");
}

#[tokio::test]
async fn a_key_that_a_line_bears_twice_counts_once_and_is_told() {
    let world = world(&odd()).await;
    let warned = ["one_value_a_line"];
    let day = json!({"date": "2025-11-02", "label_keys": ["team", "team", "shard"]});
    world.run(TEMPLATE, day).await.completed(&warned);
    let of_team: Vec<_> = written(&world)
        .await
        .into_iter()
        .filter(|(place, _)| place.1 == "team")
        .map(|(place, sums)| (place.2, place.3, sums))
        .collect();
    let tenth = 100_000_000;
    assert_eq!(
        of_team,
        [
            (false, "(unlabelled)".to_owned(), (2 * tenth, 2, 0)),
            (true, String::new(), (2 * tenth, 2, 0)),
            (true, "(unlabelled)".to_owned(), (tenth, 1, 0)),
            (true, "a".to_owned(), (2 * tenth, 2, 1)),
        ]
    );
}

#[tokio::test]
async fn a_day_is_replaced_and_the_others_stay() {
    let before = shipped();
    let world = world(&before).await;
    world.run(TEMPLATE, ten_days()).await.completed(&["keys_are_used"]);
    let mut after = String::new();
    for line in before.lines().filter(|line| !line.contains("_start_time\":\"2025-11-09")) {
        let _ = writeln!(after, "{line}");
    }
    world.load("gcp_billing_export", configs::BILLING_SCHEMA, after.as_bytes()).await;
    let day = json!({"date": "2025-11-09", "label_keys": KEYS});
    world.run(TEMPLATE, day).await.completed(&["lines_exist"]);
    assert_eq!(written(&world).await, expected(&after, &("2025-11-01"..="2025-11-10")));
}

#[tokio::test]
async fn what_does_not_reconcile_fails_the_run() {
    let export = shipped() + &odd();
    let nameless = export.clone() + &line("[]").replace("\"id\":\"S-1\",", "");
    world(&nameless).await.run(TEMPLATE, ten_days()).await.refused_by("keys_present");
    for (old, new) in [
        // The unlabelled are lost.
        ("FROM labelled_lines\n", "FROM labelled_lines WHERE labelled\n"),
        // A line counts as often as it has labels.
        (
            "FROM lines CROSS JOIN keys\n",
            "FROM lines CROSS JOIN keys LEFT JOIN UNNEST(labels) AS extra\n",
        ),
        // Credits are forgotten.
        ("SUM(line_cost + line_credits) AS net_cost", "SUM(line_cost) AS net_cost"),
    ] {
        let broken = World::edited(&Edit { template: TEMPLATE, old, new }).await;
        broken.load("gcp_billing_export", configs::BILLING_SCHEMA, export.as_bytes()).await;
        let days = json!({"date": "2025-11-01", "end_date": "2025-11-02", "label_keys": KEYS});
        broken.run(TEMPLATE, days).await.refused_by("each_key_reconciles_with_export");
    }
}
