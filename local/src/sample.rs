//! Generates the shipped sample of a billing export: thirty days of an invented company, the same each time.
//!
//! What it has on purpose: credits of several kinds and several a line, taxes without a project, a rounding
//! line, a correction of an earlier day, usage across midnight, labels and tags, six decimals of cost.

use std::io::{self, Write};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

mod company;

use company::{ACCOUNT, PROJECTS, Project, Sku, service_name};

/// The first usage day.
pub const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2025, 11, 1).unwrap();
/// How many days are covered.
pub const DAYS: u32 = 30;
/// The seed of the sample that is shipped.
pub const SEED: u64 = 20_251_101;

/// Writes the sample as NDJSON, usage by day and the invoice's own lines last, and answers how many rows.
/// What a row does not have is left out, which is NULL or an empty array.
pub fn write(out: &mut impl Write, seed: u64) -> io::Result<u64> {
    let mut rows = Vec::new();
    let mut dice = Dice(seed);
    let mut taxable = 0;
    for day in FIRST_DAY.iter_days().take(DAYS as usize) {
        for project in &PROJECTS {
            for sku in project.skus {
                for window in 0..sku.windows {
                    let (row, micros) = usage(&mut dice, day, project, sku, window);
                    taxable += micros;
                    rows.push(row);
                }
            }
        }
    }
    rows.extend(corrections());
    rows.extend(month_end(taxable));
    for row in &rows {
        writeln!(out, "{}", Value::Object(row.clone()))?;
    }
    Ok(rows.len() as u64)
}

type Row = Map<String, Value>;

/// `SplitMix64`: a generator of a dozen lines that no release of a crate can change.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// One line of metered use, and its cost after credits in millionths.
fn usage(dice: &mut Dice, day: NaiveDate, project: &Project, sku: &Sku, window: u32) -> (Row, i64) {
    let (start, end) = window_of(day, sku, window);
    // Units in thousandths, between 60 and 140 per cent of what is usual, so that no two days are alike.
    let thousandths = sku.units * i64::try_from(600 + dice.roll(801)).unwrap_or(1_000);
    let micros = sku.micros_per_unit * thousandths / 1_000;
    let mut row = line(start, end, Some(project), sku.service, (sku.id, sku.description), micros);
    let instance = dice.roll(u64::from(sku.instances));
    if sku.instances > 1 {
        let name = format!("{}-{instance}", sku.resource);
        let global = format!("//{}/projects/{}/{name}", sku.api, project.number);
        row.insert("resource".to_owned(), json!({"name": name, "global_name": global}));
    }
    if instance > 0 {
        row.insert("labels".to_owned(), project.labels(instance));
    }
    if let Some(machine) = sku.machine {
        let spec = json!([{"key": "compute.googleapis.com/machine_spec", "value": machine}]);
        row.insert("system_labels".to_owned(), spec);
    }
    if project.tagged {
        let tag = json!([{"key": "env", "value": "prod", "inherited": true, "namespace": "482910375566"}]);
        row.insert("tags".to_owned(), tag);
    }
    row.insert("location".to_owned(), sku.location());
    row.insert(
        "usage".to_owned(),
        json!({
            "amount": decimal(thousandths * sku.base_units, 1_000.0),
            "unit": sku.base_unit,
            "amount_in_pricing_units": decimal(thousandths, 1_000.0),
            "pricing_unit": sku.pricing_unit,
        }),
    );
    let credits = credits(dice, sku, micros);
    let credited: i64 = credits.iter().map(|(_, amount)| amount).sum();
    if !credits.is_empty() {
        let list = credits.into_iter().map(|(mut credit, amount)| {
            credit["amount"] = decimal(amount, 1e6);
            credit
        });
        row.insert("credits".to_owned(), list.collect());
    }
    (row, micros + credited)
}

/// The hours that a line covers. Those of the last window of a nightly SKU run past midnight.
fn window_of(day: NaiveDate, sku: &Sku, window: u32) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight = day.and_time(NaiveTime::MIN).and_utc();
    let length = i64::from(24 / sku.windows);
    let shift = if sku.nightly { 2 } else { 0 };
    let start = midnight + Duration::hours(i64::from(window) * length + shift);
    (start, start + Duration::hours(length))
}

/// Up to three credits, amounts in millionths and negative; none of them makes a line cheaper than nothing.
fn credits(dice: &mut Dice, sku: &Sku, micros: i64) -> Vec<(Value, i64)> {
    let mut credits = Vec::new();
    let mut left = micros;
    let mut give = |credit: Value, share: i64| {
        let amount = left * share / 100;
        if amount > 0 {
            left -= amount;
            credits.push((credit, -amount));
        }
    };
    if sku.sustained {
        let name = "Sustained Usage Discount";
        give(credit(name, name, "sud", "SUSTAINED_USAGE_DISCOUNT"), 20);
    }
    if sku.committed && dice.roll(3) > 0 {
        let (name, full) =
            ("Committed Usage Discount: CPU", "Committed use discount, 1 year, us-central1");
        give(credit(name, full, "cud-58120", "COMMITTED_USAGE_DISCOUNT"), 37);
    }
    if dice.roll(12) == 0 {
        let (name, full) = ("Startup program", "Startup program 2025, first year");
        give(credit(name, full, "promo-7731", "PROMOTION"), 50);
    }
    if sku.free_tier && dice.roll(4) == 0 {
        let name = "Free tier";
        give(credit(name, "Monthly free usage", "free-tier", "FREE_TIER"), 100);
    }
    credits
}

fn credit(name: &str, full_name: &str, id: &str, kind: &str) -> Value {
    json!({"name": name, "amount": 0, "full_name": full_name, "id": id, "type": kind})
}

/// What every line has.
fn line(
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    project: Option<&Project>,
    service: &str,
    (sku, description): (&str, &str),
    micros: i64,
) -> Row {
    let export = end + Duration::minutes(287);
    let row = json!({
        "billing_account_id": ACCOUNT,
        "service": {"id": service, "description": service_name(service)},
        "sku": {"id": sku, "description": description},
        "usage_start_time": instant(start),
        "usage_end_time": instant(end),
        "export_time": instant(export),
        "cost": decimal(micros, 1e6),
        "currency": "USD",
        "currency_conversion_rate": 1.0,
        "invoice": {"month": start.format("%Y%m").to_string()},
        "cost_type": "regular",
    });
    let mut row = match row {
        Value::Object(row) => row,
        _ => Row::new(),
    };
    if let Some(project) = project {
        row.insert("project".to_owned(), project.json());
    }
    row
}

/// What is taken back from two projects, in millionths.
const CORRECTED: [i64; 2] = [-4_718_205, -1_030_964];

/// Two storage lines of 12 November were metered twice; half of each is taken back a week later.
fn corrections() -> Vec<Row> {
    let hour = |day: u32, hour: u32| {
        NaiveDate::from_ymd_opt(2025, 11, day)
            .and_then(|day| day.and_hms_opt(hour, 0, 0))
            .unwrap_or_default()
            .and_utc()
    };
    let correct = |project: &Project, micros: i64| {
        let sku = ("F4B2-7C10-93AD", "Standard Storage US Multi-region");
        let mut row = line(hour(12, 0), hour(12, 12), Some(project), company::STORAGE, sku, micros);
        row.insert("cost_type".to_owned(), "adjustment".into());
        row.insert("export_time".to_owned(), instant(hour(19, 6)).into());
        row.insert("location".to_owned(), json!({"location": "us", "country": "US"}));
        let info = json!({
            "id": "adj-20251119-0042",
            "description": "Storage metered twice",
            "mode": "PARTIAL_CORRECTION",
            "type": "USAGE_CORRECTION",
        });
        row.insert("adjustment_info".to_owned(), info);
        row
    };
    vec![correct(&PROJECTS[0], CORRECTED[0]), correct(&PROJECTS[2], CORRECTED[1])]
}

/// Taxes of the month by kind, and the line that makes the invoice a whole number of cents: no project's.
fn month_end(taxable: i64) -> Vec<Row> {
    let last = FIRST_DAY + Duration::days(i64::from(DAYS) - 1);
    let start = last.and_time(NaiveTime::MIN).and_utc();
    let account = |sku, micros, kind: &str| {
        let mut row = line(start, start + Duration::hours(24), None, company::INVOICE, sku, micros);
        row.insert("cost_type".to_owned(), kind.into());
        row
    };
    let state = taxable / 1_000 * 62 + 517;
    let city = taxable / 1_000 * 18 + 93;
    let beyond = (taxable + CORRECTED.iter().sum::<i64>() + state + city).rem_euclid(10_000);
    vec![
        account(("6F81-5844-456A", "Sales tax: state"), state, "tax"),
        account(("6F81-5844-456B", "Sales tax: city"), city, "tax"),
        account(("A1C5-2B0E-77F0", "Rounding error"), -beyond, "rounding_error"),
    ]
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A whole number of small units as a JSON number, such as 1234567 millionths as 1.234567.
fn decimal(units: i64, per_one: f64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "below 2^53, and division rounds to the nearest"
    )]
    let number = units as f64 / per_one;
    number.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Run with `UPDATE=1` to write the file anew.
    #[test]
    fn the_shipped_sample_is_the_generated_one() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/samples/gcp_billing_export.ndjson");
        let mut generated = Vec::new();
        let rows = write(&mut generated, SEED).unwrap();
        assert!(rows >= 5_000, "{rows}");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let shipped = std::fs::read(Path::new(path)).unwrap_or_default();
        assert!(shipped == generated, "the sample is old: run this test with UPDATE=1");
    }

    #[test]
    fn it_has_what_a_template_must_cope_with() {
        let mut generated = Vec::new();
        write(&mut generated, SEED).unwrap();
        let rows: Vec<Value> = generated
            .split(|&b| b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        let distinct = |pointer: &str| {
            rows.iter()
                .filter_map(|row| row.pointer(pointer))
                .map(Value::to_string)
                .collect::<BTreeSet<_>>()
                .len()
        };
        let day = |row: &Value, key: &str| row[key].as_str().map(|text| text[..10].to_owned());
        assert_eq!(
            rows.iter()
                .filter_map(|row| day(row, "usage_start_time"))
                .collect::<BTreeSet<_>>()
                .len(),
            DAYS as usize
        );
        assert!(distinct("/project/id") >= 5);
        assert!(distinct("/service/id") >= 6);
        assert_eq!(distinct("/cost_type"), 4);
        assert!(rows.iter().any(|row| row["project"].is_null()));
        assert!(rows.iter().any(|row| row["credits"].as_array().is_some_and(|c| c.len() >= 2)));
        assert!(rows.iter().any(|row| row["credits"].is_null()));
        assert!(rows.iter().any(|row| row["cost"].as_f64().is_some_and(|cost| cost < 0.0)
            && row["adjustment_info"].is_object()));
        let crosses = |row: &&Value| {
            row["usage_end_time"].as_str().is_some_and(|end| !end.ends_with("T00:00:00Z"))
                && day(row, "usage_start_time") != day(row, "usage_end_time")
        };
        assert!(rows.iter().filter(crosses).count() > 100);
        assert!(
            rows.iter().any(|row| row["cost"]
                .to_string()
                .split_once('.')
                .is_some_and(|(_, d)| d.len() == 6))
        );
    }

    #[test]
    fn every_row_has_the_export_schema() {
        let schema = include_str!("../../configs/samples/gcp_billing_export.schema.json");
        let columns: Vec<common::warehouse::Column> = serde_json::from_str(schema).unwrap();
        let mut generated = Vec::new();
        write(&mut generated, SEED).unwrap();
        for line in generated.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            let row: Row = serde_json::from_slice(line).unwrap();
            fits(&columns, &row);
        }
    }

    fn fits(columns: &[common::warehouse::Column], row: &Row) {
        for (name, value) in row {
            let column = columns.iter().find(|column| &column.name == name);
            let column = column.unwrap_or_else(|| panic!("{name} is not in the schema"));
            let one = |value: &Value| {
                if let Value::Object(fields) = value {
                    fits(&column.fields, fields);
                }
            };
            match value {
                Value::Array(items) => items.iter().for_each(one),
                other => one(other),
            }
        }
    }
}
