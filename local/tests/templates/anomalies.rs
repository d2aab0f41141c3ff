//! `focus/cost/anomalies`: each service beside its own earlier days, recomputed from the file's text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use chrono::{Days, NaiveDate};
use serde_json::{Value as Json, json};

use super::decimal::nanos;
use super::focus_file::{Record, generated, read};
use super::world::{Edit, World};

const TEMPLATE: &str = "focus/cost/anomalies";
const ONE: i128 = 1_000_000_000;

/// Day, provider, service, currency.
type Place = (NaiveDate, String, String, String);

/// A cost beside an earlier one, amounts in billionths.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    before: Option<i128>,
    by: Option<i128>,
    ratio: Option<i128>,
    kind: Option<String>,
    anomaly: bool,
}

/// What a run is told, amounts in billionths.
#[derive(Clone, Copy)]
struct Rules {
    min_change: i128,
    ratio: i128,
    cost: &'static str,
}

const DEFAULT: Rules = Rules { min_change: 10 * ONE, ratio: ONE / 4, cost: "EffectiveCost" };

impl Change {
    fn of(cost: i128, before: Option<i128>, rules: Rules) -> Self {
        let Some(earlier) = before else {
            return Self { before, by: None, ratio: None, kind: None, anomaly: false };
        };
        let change = cost - earlier;
        let ratio = (earlier != 0).then(|| {
            let (base, size) = (earlier.abs(), change.abs());
            // Half away from zero.
            let rounded = (2 * size * ONE + base) / (2 * base);
            if change < 0 { -rounded } else { rounded }
        });
        let kind = match (change.signum(), earlier, cost) {
            (0, _, _) => "same",
            (_, 0, _) => "new",
            (_, _, 0) => "vanished",
            (1, _, _) => "rise",
            _ => "fall",
        };
        let large = change != 0 && change.abs() >= rules.min_change;
        let anomaly = large && ratio.is_none_or(|ratio| ratio.abs() >= rules.ratio);
        Self { before, by: Some(change), ratio, kind: Some(kind.to_owned()), anomaly }
    }
}

type Table = BTreeMap<Place, (i128, Change, Change)>;

fn expected(records: &[Record], days: [NaiveDate; 2], rules: Rules) -> Table {
    let mut costs = BTreeMap::<NaiveDate, BTreeMap<[String; 3], i128>>::new();
    for record in records {
        let of = |name: &str| record[name].clone().unwrap();
        let day = of("ChargePeriodStart")[..10].parse().unwrap();
        let service = ["ProviderName", "ServiceName", "BillingCurrency"].map(of);
        *costs.entry(day).or_default().entry(service).or_default() += nanos(&of(rules.cost));
    }
    let mut table = Table::new();
    for day in days[0].iter_days().take_while(|day| *day <= days[1]) {
        let Some(today) = costs.get(&day) else { continue };
        let earlier = [1, 7].map(|back| costs.get(&(day - Days::new(back))));
        let services: BTreeSet<_> =
            earlier.into_iter().flatten().chain([today]).flat_map(BTreeMap::keys).collect();
        for service in services {
            let cost = today.get(service).copied().unwrap_or(0);
            let [day_before, week_before] = earlier.map(|known| {
                let before = known.map(|known| known.get(service).copied().unwrap_or(0));
                Change::of(cost, before, rules)
            });
            let [provider, name, currency] = service.clone();
            table.insert((day, provider, name, currency), (cost, day_before, week_before));
        }
    }
    table
}

async fn written(world: &World) -> Table {
    let sql = "SELECT charge_date, provider_name, service_name, billing_currency, cost, \
               previous_day_cost, day_change, day_ratio, day_kind, day_anomaly, \
               previous_week_cost, week_change, week_ratio, week_kind, week_anomaly \
               FROM focus_cost_anomalies";
    let rows = world.rows(sql).await;
    let count = rows.len();
    let change = |row: &[Json]| {
        let amount = |at: usize| row[at].as_str().map(nanos);
        Change {
            before: amount(0),
            by: amount(1),
            ratio: amount(2),
            kind: row[3].as_str().map(str::to_owned),
            anomaly: row[4].as_bool().unwrap(),
        }
    };
    let table: Table = rows
        .iter()
        .map(|row| {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            let place = (text(0).parse().unwrap(), text(1), text(2), text(3));
            (place, (nanos(&text(4)), change(&row[5..10]), change(&row[10..15])))
        })
        .collect();
    assert_eq!(table.len(), count, "no place twice");
    table
}

/// Loads a file by `focus/cost/daily` and compares all of its days with one another.
async fn compare_all(text: &str, rules: Rules, parameters: &Json) -> Table {
    let world = World::new().await;
    let path = world.file("focus.csv", text);
    world.run("focus/cost/daily", json!({"path": path})).await.completed(&[]);
    let records = read(text);
    let starts = records.iter().map(|record| record["ChargePeriodStart"].as_deref().unwrap());
    let days: BTreeSet<NaiveDate> =
        starts.map(|start| start[..10].parse::<NaiveDate>().unwrap()).collect();
    let ends = [*days.first().unwrap(), *days.last().unwrap()];
    let mut parameters = parameters.clone();
    parameters["date"] = json!(ends[0]);
    parameters["end_date"] = json!(ends[1]);

    let expected = expected(&records, ends, rules);
    let mut warned = Vec::new();
    if usize::try_from((ends[1] - ends[0]).num_days() + 1).unwrap() != days.len() {
        warned.push("days_known");
    }
    if expected.values().any(|(_, day, week)| day.anomaly || week.anomaly) {
        warned.push("no_anomaly");
    }
    for _ in 0..2 {
        world.run(TEMPLATE, parameters.clone()).await.completed(&warned);
        assert_eq!(written(&world).await, expected);
    }
    expected
}

/// The generated week and the same a week later, a little dearer and without one of its days.
fn fortnight() -> String {
    let first = generated(120);
    let mut text = first.clone();
    for line in first.split_inclusive("\r\n").skip(1) {
        if line.contains("\"2025-03-04 23") || !line.contains("2025-03-0") {
            continue;
        }
        let mut later = line.to_owned();
        for day in (1..=8).rev() {
            later = later.replace(&format!("2025-03-0{day}"), &format!("2025-03-{:02}", day + 7));
        }
        text.push_str(&later.replace("0.0", "0.1"));
    }
    text
}

#[tokio::test]
async fn a_files_days_are_compared_as_its_text_says() {
    let low = Rules { min_change: ONE / 2, ratio: ONE / 10, ..DEFAULT };
    let given = json!({"min_change": "0.5", "ratio": "0.1"});
    let table = compare_all(&fortnight(), low, &given).await;
    assert!(table.len() > 20 && table.values().any(|(_, day, _)| day.anomaly), "{table:?}");
    let billed = Rules { cost: "BilledCost", ..DEFAULT };
    let table = compare_all(&fortnight(), billed, &json!({"billed": true})).await;
    assert!(table.values().any(|(_, _, week)| week.before.is_some()));
}

/// Where `FOCUS_SAMPLE` names a file, a file that others made, it is held to the same.
#[tokio::test]
async fn a_real_export_is_compared_as_its_text_says() {
    if let Some(file) = std::env::var_os("FOCUS_SAMPLE") {
        let text = std::fs::read_to_string(Path::new(&file)).unwrap();
        for (rules, given) in [
            (DEFAULT, json!({})),
            (Rules { min_change: ONE / 100, ..DEFAULT }, json!({"min_change": "0.01"})),
        ] {
            let table = compare_all(&text, rules, &given).await;
            let mut of_days = BTreeMap::<NaiveDate, (usize, usize, usize)>::new();
            for ((day, ..), (_, yesterday, last_week)) in &table {
                let counts = of_days.entry(*day).or_default();
                counts.0 += 1;
                counts.1 += usize::from(yesterday.anomaly);
                counts.2 += usize::from(last_week.anomaly);
            }
            println!("services, anomalies by day and by week, {given}: {of_days:?}");
        }
    }
}

const DAILY: &str = r#"[{"name": "charge_date", "type": "DATE"},
    {"name": "provider_name", "type": "STRING"}, {"name": "service_name", "type": "STRING"},
    {"name": "sub_account_id", "type": "STRING"}, {"name": "billing_currency", "type": "STRING"},
    {"name": "billed_cost", "type": "NUMERIC"}, {"name": "effective_cost", "type": "NUMERIC"}]"#;

/// Rows of `focus_cost_daily`: day of November, service, effective cost.
fn daily(rows: &[(u32, &str, &str)]) -> String {
    rows.iter().fold(String::new(), |mut text, (day, service, cost)| {
        let service = match *service {
            "" => "null".to_owned(),
            name => format!("\"{name}\""),
        };
        let _ = writeln!(
            text,
            "{{\"charge_date\":\"2025-11-{day:02}\",\"provider_name\":\"P\",\"service_name\":{service},\
             \"sub_account_id\":\"a\",\"billing_currency\":\"EUR\",\"billed_cost\":\"1\",\
             \"effective_cost\":\"{cost}\"}}"
        );
        text
    })
}

const NOVEMBER: [(u32, &str, &str); 15] = [
    (3, "steady", "40"),
    (3, "weekly", "3"),
    (9, "steady", "40"),
    (9, "gone", "12.5"),
    (9, "small", "0.5"),
    (9, "credit", "-20"),
    (9, "third", "3"),
    (10, "steady", "30"),
    (10, "steady", "10"),
    (10, "fresh", "10"),
    (10, "small", "5"),
    (10, "credit", "5"),
    (10, "third", "5"),
    (10, "weekly", "30"),
    (12, "steady", "1"),
];

#[tokio::test]
async fn each_kind_of_change_is_called_by_its_name() {
    let world = World::new().await;
    world.load("focus_cost_daily", DAILY, daily(&NOVEMBER).as_bytes()).await;
    let days = json!({"date": "2025-11-10", "end_date": "2025-11-12"});
    let outcome = world.run(TEMPLATE, days).await;
    outcome.completed(&["days_known", "no_anomaly"]);
    let rows = world
        .rows(
            "SELECT CONCAT(CAST(EXTRACT(DAY FROM charge_date) AS STRING), ' ', service_name), cost, \
             previous_day_cost, day_change, day_ratio, day_kind, day_anomaly, \
             previous_week_cost, week_ratio, week_kind, week_anomaly \
             FROM focus_cost_anomalies ORDER BY charge_date, service_name",
        )
        .await;
    let rows: Vec<Json> = rows.into_iter().map(Json::Array).collect();
    assert_eq!(
        rows,
        [
            json!(["10 credit", "5", "-20", "25", "1.25", "rise", true, "0", null, "new", false]),
            json!(["10 fresh", "10", "0", "10", null, "new", true, "0", null, "new", true]),
            json!([
                "10 gone", "0", "12.5", "-12.5", "-1", "vanished", true, "0", null, "same", false
            ]),
            json!(["10 small", "5", "0.5", "4.5", "9", "rise", false, "0", null, "new", false]),
            json!(["10 steady", "40", "40", "0", "0", "same", false, "40", "0", "same", false]),
            json!([
                "10 third",
                "5",
                "3",
                "2",
                "0.666666667",
                "rise",
                false,
                "0",
                null,
                "new",
                false
            ]),
            json!(["10 weekly", "30", "0", "30", null, "new", true, "3", "9", "rise", true]),
            // The eleventh is not known and has no rows; the twelfth has no day to be compared with.
            json!(["12 steady", "1", null, null, null, null, false, null, null, null, false]),
        ]
    );
}

#[tokio::test]
async fn what_does_not_reconcile_fails_the_run() {
    let day = json!({"date": "2025-11-10"});
    let world = World::new().await;
    world.load("focus_cost_daily", DAILY, daily(&[(10, "", "1")]).as_bytes()).await;
    world.run(TEMPLATE, day.clone()).await.refused_by("keys_present");
    for (old, new) in [
        // What has vanished is lost.
        ("FROM changes\n", "FROM changes WHERE cost != 0\n"),
        // The week is eight days long.
        ("DATE_ADD(charge_date, INTERVAL 7 DAY)", "DATE_ADD(charge_date, INTERVAL 8 DAY)"),
        // One sub-account stands for all.
        (
            "SUM(IF(@billed, billed_cost, effective_cost))",
            "MAX(IF(@billed, billed_cost, effective_cost))",
        ),
    ] {
        let broken = World::edited(&Edit { template: TEMPLATE, old, new }).await;
        broken.load("focus_cost_daily", DAILY, daily(&NOVEMBER).as_bytes()).await;
        broken.run(TEMPLATE, day.clone()).await.refused_by("reconciles_with_daily");
    }
}
