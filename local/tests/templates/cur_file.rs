//! A month of a Cost and Usage Report 2.0 that is made up here: every line item type, as CSV and as Parquet.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;

/// A line's texts by column; what is not there is NULL.
pub(crate) type Line = BTreeMap<&'static str, String>;

/// How a Parquet file keeps a column.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Double,
    Instant,
}

use Kind::{Double, Instant, Text};

/// The columns that the templates read, and one that they do not.
const COLUMNS: [(&str, Kind); 35] = [
    ("identity_line_item_id", Text),
    ("bill_billing_period_end_date", Instant),
    ("bill_billing_period_start_date", Instant),
    ("bill_invoicing_entity", Text),
    ("bill_payer_account_id", Text),
    ("bill_payer_account_name", Text),
    ("line_item_availability_zone", Text),
    ("line_item_currency_code", Text),
    ("line_item_legal_entity", Text),
    ("line_item_line_item_description", Text),
    ("line_item_line_item_type", Text),
    ("line_item_net_unblended_cost", Double),
    ("line_item_product_code", Text),
    ("line_item_resource_id", Text),
    ("line_item_unblended_cost", Double),
    ("line_item_usage_account_id", Text),
    ("line_item_usage_account_name", Text),
    ("line_item_usage_amount", Double),
    ("line_item_usage_end_date", Instant),
    ("line_item_usage_start_date", Instant),
    ("line_item_usage_type", Text),
    ("pricing_public_on_demand_cost", Double),
    ("pricing_public_on_demand_rate", Text),
    ("pricing_rate_code", Text),
    ("pricing_unit", Text),
    ("product_region_code", Text),
    ("product_sku", Text),
    ("reservation_effective_cost", Double),
    ("reservation_reservation_a_r_n", Text),
    ("reservation_unused_amortized_upfront_fee_for_billing_period", Double),
    ("reservation_unused_recurring_fee", Double),
    ("savings_plan_savings_plan_a_r_n", Text),
    ("savings_plan_savings_plan_effective_cost", Double),
    ("savings_plan_total_commitment_to_date", Double),
    ("savings_plan_used_commitment", Double),
];

/// Each type in turn; `Usage` and `Fee` stand twice, on demand and spot, of a reservation and of anything else.
const TYPES: [&str; 18] = [
    "Usage",
    "Usage",
    "DiscountedUsage",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "RIFee",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
    "Fee",
    "Fee",
    "Tax",
    "Credit",
    "Refund",
    "BundledDiscount",
    "Discount",
    "EdpDiscount",
    "PrivateRateDiscount",
    "RiVolumeDiscount",
];

/// So many rounds over all types.
pub(crate) const ROUNDS: usize = 25;

/// A month's lines: its first day and the month's after it, as `YYYY-MM`.
pub(crate) fn lines(month: &str, next: &str) -> Vec<Line> {
    (0..ROUNDS * TYPES.len()).map(|at| line(at, month, next)).collect()
}

/// Ten digits after the point, the last never 5: between two billionths, and never in the middle.
fn amount(at: usize, salt: usize) -> String {
    let digits = (at + 1) * (7_654_321_987 + salt * 1_234_567) % 90_000_000_000;
    let digits = if digits % 10 == 5 { digits + 1 } else { digits };
    format!("{}.{:010}", digits / 10_000_000_000, digits % 10_000_000_000)
}

fn line(at: usize, month: &str, next: &str) -> Line {
    let (kind, place) = (TYPES[at % TYPES.len()], at % TYPES.len());
    let hour = |hour: usize| format!("{month}-{:02}T{hour:02}:00:00.000Z", 1 + at % 28);
    let cost = match kind {
        // Takes back the line before it.
        "SavingsPlanNegation" => format!("-{}", amount(at - 1, 0)),
        "Credit" | "Refund" => format!("-{}", amount(at, 0)),
        discount if discount.ends_with("Discount") => format!("-0.{:010}", at * 30 + 1),
        "DiscountedUsage" => "0".to_owned(),
        _ => amount(at, 0),
    };
    let mut line = Line::from([
        ("identity_line_item_id", format!("line-{at}")),
        ("bill_billing_period_start_date", format!("{month}-01T00:00:00.000Z")),
        ("bill_billing_period_end_date", format!("{next}-01T00:00:00.000Z")),
        ("bill_invoicing_entity", "Amazon Web Services EMEA SARL".to_owned()),
        ("bill_payer_account_id", "111122223333".to_owned()),
        ("bill_payer_account_name", "Acme".to_owned()),
        ("line_item_currency_code", "USD".to_owned()),
        ("line_item_legal_entity", "Amazon Web Services, Inc.".to_owned()),
        ("line_item_line_item_description", format!("$0.10 per \"unit\", line {at}")),
        ("line_item_line_item_type", kind.to_owned()),
        ("line_item_product_code", ["AmazonEC2", "AmazonRDS", "AmazonS3"][at % 3].to_owned()),
        ("line_item_unblended_cost", cost.clone()),
        ("line_item_usage_account_id", format!("44445555{:04}", at % 4)),
        ("line_item_usage_account_name", format!("Account {}", at % 4)),
        ("line_item_usage_amount", format!("{}.25", at % 7)),
        ("line_item_usage_start_date", hour(at % 23)),
        ("line_item_usage_end_date", hour(at % 23 + 1)),
        ("line_item_usage_type", "EUW1-BoxUsage:m5.large".to_owned()),
        ("product_region_code", "eu-west-1".to_owned()),
        ("product_sku", format!("SKU{:03}", at % 40)),
    ]);
    let mut set = |name: &'static str, value: String| line.insert(name, value);
    match kind {
        "Usage" | "DiscountedUsage" | "SavingsPlanCoveredUsage" => {
            set("pricing_public_on_demand_cost", amount(at, 1));
            set("pricing_public_on_demand_rate", "0.1070000000".to_owned());
            set("pricing_rate_code", format!("SKU{:03}.JRTCKXETXF.6YS6EN2CT7", at % 40));
            set("pricing_unit", "Hrs".to_owned());
            set("line_item_resource_id", format!("i-{at:017x}"));
            set("line_item_availability_zone", "eu-west-1b".to_owned());
        }
        // What a negation takes back has a list price of its own.
        "SavingsPlanNegation" => {
            set("pricing_public_on_demand_cost", format!("-{}", amount(at - 1, 1)));
        }
        "Tax" => {
            set("product_region_code", String::new());
            set("pricing_public_on_demand_rate", String::new());
        }
        _ => {}
    }
    if place == 1 {
        set("line_item_usage_type", "EUW1-SpotUsage:c5.xlarge".to_owned());
    }
    // Discounts are lines of their own here, so a net cost may differ.
    set("line_item_net_unblended_cost", if place == 0 { amount(at, 2) } else { cost });
    // An empty text and NULL both mean that there is none.
    if at.is_multiple_of(2) {
        set("reservation_reservation_a_r_n", String::new());
        set("savings_plan_savings_plan_a_r_n", String::new());
    }
    if kind == "DiscountedUsage" || kind == "RIFee" || place == 8 {
        set(
            "reservation_reservation_a_r_n",
            "arn:aws:ec2:eu-west-1:1:reserved-instances/r1".to_owned(),
        );
    }
    if kind.starts_with("SavingsPlan") {
        set("savings_plan_savings_plan_a_r_n", format!("arn:aws:savingsplans::1:p{}", at / 90));
    }
    match kind {
        "DiscountedUsage" => {
            set("reservation_effective_cost", amount(at, 3));
        }
        "SavingsPlanCoveredUsage" => {
            set("savings_plan_savings_plan_effective_cost", amount(at, 4));
        }
        "RIFee" => {
            set("reservation_unused_amortized_upfront_fee_for_billing_period", amount(at, 5));
            set("reservation_unused_recurring_fee", amount(at, 6));
        }
        "SavingsPlanRecurringFee" => {
            set("savings_plan_total_commitment_to_date", amount(at, 7));
            set("savings_plan_used_commitment", amount(at, 8));
        }
        _ => {}
    }
    line
}

/// The lines as CSV: texts in quotes, NULL as nothing.
pub(crate) fn csv(lines: &[Line]) -> Vec<u8> {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut text = names.join(",");
    for line in lines {
        text.push('\n');
        let cells = COLUMNS.iter().map(|(name, kind)| match (line.get(name), kind) {
            (None, _) => String::new(),
            (Some(value), Text) => format!("\"{}\"", value.replace('"', "\"\"")),
            (Some(value), Double | Instant) => value.clone(),
        });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
    }
    text.into_bytes()
}

/// The lines as Parquet: costs as doubles, instants in milliseconds, UTC.
pub(crate) fn parquet(lines: &[Line]) -> Vec<u8> {
    let columns = COLUMNS.iter().map(|(name, kind)| {
        let texts = lines.iter().map(|line| line.get(name).map(String::as_str));
        let array: ArrayRef = match kind {
            Text => Arc::new(texts.collect::<StringArray>()),
            Double => {
                let number = |text: Option<&str>| text.map(|text| text.parse::<f64>().unwrap());
                Arc::new(texts.map(number).collect::<Float64Array>())
            }
            Instant => {
                let millis = |text: Option<&str>| {
                    text.map(|text| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
                };
                let array = texts.map(millis).collect::<TimestampMillisecondArray>();
                Arc::new(array.with_timezone("UTC"))
            }
        };
        (*name, array, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}
