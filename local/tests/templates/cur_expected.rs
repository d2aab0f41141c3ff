//! What a report's lines are in FOCUS, by a table and whole numbers.

use super::cur_file::Line;
use super::decimal::nanos;

/// Where a line's effective cost is.
#[derive(Clone, Copy)]
enum Effective {
    Unblended,
    Column(&'static str),
    /// Nothing here; a row of its own has the first amount plus, or less, the second.
    Unused(&'static str, i128, &'static str),
    Nothing,
}

use Effective::{Column, Nothing, Unblended, Unused};

/// Line item type, category, frequency, effective cost.
const MAPPING: [(&str, &str, &str, Effective); 16] = [
    ("Usage", "Usage", "Usage-Based", Unblended),
    ("DiscountedUsage", "Usage", "Usage-Based", Column("reservation_effective_cost")),
    (
        "SavingsPlanCoveredUsage",
        "Usage",
        "Usage-Based",
        Column("savings_plan_savings_plan_effective_cost"),
    ),
    ("SavingsPlanNegation", "Usage", "Usage-Based", Nothing),
    (
        "RIFee",
        "Purchase",
        "Recurring",
        Unused(
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            1,
            "reservation_unused_recurring_fee",
        ),
    ),
    (
        "SavingsPlanRecurringFee",
        "Purchase",
        "Recurring",
        Unused("savings_plan_total_commitment_to_date", -1, "savings_plan_used_commitment"),
    ),
    ("SavingsPlanUpfrontFee", "Purchase", "One-Time", Nothing),
    ("Fee", "Purchase", "One-Time", Unblended),
    ("Tax", "Tax", "One-Time", Unblended),
    ("Credit", "Credit", "One-Time", Unblended),
    ("Refund", "Adjustment", "One-Time", Unblended),
    ("BundledDiscount", "Usage", "Usage-Based", Unblended),
    ("Discount", "Usage", "Usage-Based", Unblended),
    ("EdpDiscount", "Usage", "Usage-Based", Unblended),
    ("PrivateRateDiscount", "Usage", "Usage-Based", Unblended),
    ("RiVolumeDiscount", "Usage", "Usage-Based", Unblended),
];

/// A row of `aws_focus_export` in part; amounts in billionths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) line_type: String,
    pub(crate) billed: i128,
    pub(crate) effective: i128,
    pub(crate) list: Option<i128>,
    /// Category, frequency, pricing category, then of the commitment: category, id, status, type.
    pub(crate) words: [Option<String>; 7],
    /// Description, service, sub-account, region, resource, SKU, unit.
    pub(crate) texts: [Option<String>; 7],
    pub(crate) start: String,
}

/// The rows of a report, in order.
pub(crate) fn rows(lines: &[Line]) -> Vec<Row> {
    let mut rows: Vec<Row> = lines.iter().flat_map(of_line).collect();
    rows.sort();
    rows
}

fn of_line(line: &Line) -> Vec<Row> {
    let text = |name: &str| line.get(name).filter(|text| !text.is_empty()).cloned();
    let amount = |name: &str| nanos(&line[name]);
    let line_type = line["line_item_line_item_type"].clone();
    let (_, category, frequency, effective) =
        *MAPPING.iter().find(|(name, ..)| *name == line_type).unwrap();
    let reservation = text("reservation_reservation_a_r_n");
    let plan = text("savings_plan_savings_plan_a_r_n");
    let billed = amount("line_item_unblended_cost");
    let used = matches!(
        line_type.as_str(),
        "DiscountedUsage" | "SavingsPlanCoveredUsage" | "SavingsPlanNegation"
    );
    let metered =
        matches!(line_type.as_str(), "Usage" | "DiscountedUsage" | "SavingsPlanCoveredUsage");
    let spot = line["line_item_usage_type"].contains("SpotUsage");
    let pricing = match (metered, used, spot) {
        (false, ..) => None,
        (_, true, _) => Some("Committed"),
        (_, _, true) => Some("Dynamic"),
        (_, _, false) => Some("Standard"),
    };
    let of_commitment = |of_reservation: &str, of_plan: &str| {
        let plan = plan.as_ref().map(|_| of_plan.to_owned());
        reservation.as_ref().map(|_| of_reservation.to_owned()).or(plan)
    };
    let words = |category: &str, frequency: &str, pricing: Option<&str>, status: Option<&str>| {
        [
            Some(category.to_owned()),
            Some(frequency.to_owned()),
            pricing.map(str::to_owned),
            of_commitment("Usage", "Spend"),
            reservation.clone().or(plan.clone()),
            status.map(str::to_owned),
            of_commitment("Reserved Instance", "Savings Plan"),
        ]
    };
    let row = Row {
        billed,
        effective: match effective {
            Unblended if line_type == "Fee" && reservation.is_some() => 0,
            Unblended => billed,
            Column(name) => amount(name),
            Unused(..) | Nothing => 0,
        },
        list: match line_type.as_str() {
            "SavingsPlanNegation" => Some(0),
            _ => text("pricing_public_on_demand_cost").as_deref().map(nanos),
        },
        words: words(category, frequency, pricing, used.then_some("Used")),
        texts: [
            text("line_item_line_item_description"),
            text("line_item_product_code"),
            text("line_item_usage_account_id"),
            text("product_region_code"),
            text("line_item_resource_id"),
            text("product_sku"),
            text("pricing_unit").filter(|_| metered),
        ],
        start: line["line_item_usage_start_date"].replace(".000Z", ""),
        line_type,
    };
    let Unused(whole, sign, part) = effective else { return vec![row] };
    let unused = Row {
        billed: 0,
        effective: amount(whole) + sign * amount(part),
        list: Some(0),
        words: words("Usage", "Usage-Based", None, Some("Unused")),
        ..row.clone()
    };
    vec![row, unused]
}
