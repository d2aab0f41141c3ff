//! `aws/cost/cur` and its CSV twin: a report's lines in FOCUS columns, nothing lost, nothing guessed.

use serde_json::{Value as Json, json};

use super::cur_expected::{Row, rows};
use super::cur_file::{Line, ROUNDS, csv, lines, parquet};
use super::decimal::nanos;
use super::world::{Edit, Outcome, World, text_of};

/// A template, its file's ending, and what writes the file.
type Twin = (&'static str, &'static str, fn(&[Line]) -> Vec<u8>);

const PARQUET: Twin = ("aws/cost/cur", "parquet", parquet);
const CSV: Twin = ("aws/cost/cur_csv", "csv", csv);

async fn run(world: &World, (template, ending, write): Twin, lines: &[Line]) -> Outcome {
    let path = world.file(&format!("report.{ending}"), write(lines));
    world.run(template, json!({"path": path, "billing_period": "2025-10-01"})).await
}

fn october() -> Vec<Line> {
    lines("2025-10", "2025-11")
}

async fn written(world: &World, month: &str) -> Vec<Row> {
    let sql = format!(
        "SELECT x_line_item_type, BilledCost, EffectiveCost, ListCost, ChargePeriodStart, \
         ChargeCategory, ChargeFrequency, PricingCategory, CommitmentDiscountCategory, \
         CommitmentDiscountId, CommitmentDiscountStatus, CommitmentDiscountType, \
         ChargeDescription, ServiceName, SubAccountId, RegionId, ResourceId, SkuId, ConsumedUnit \
         FROM aws_focus_export WHERE x_billing_month = DATE '{month}'"
    );
    let row = |row: Vec<Json>| {
        let text = |at: usize| row[at].as_str().map(str::to_owned);
        Row {
            line_type: text(0).unwrap(),
            billed: nanos(&text(1).unwrap()),
            effective: nanos(&text(2).unwrap()),
            list: text(3).as_deref().map(nanos),
            start: text(4).unwrap()[..19].replace(' ', "T"),
            words: std::array::from_fn(|at| text(5 + at)),
            texts: std::array::from_fn(|at| text(12 + at)),
        }
    };
    let mut rows: Vec<Row> = world.rows(&sql).await.into_iter().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn every_line_of_either_file_becomes_what_its_type_says() {
    let report = october();
    let expected = rows(&report);
    assert_eq!(expected.len(), report.len() + 2 * ROUNDS, "a row more for each recurring fee");
    for twin in [PARQUET, CSV] {
        let world = World::new().await;
        for _ in 0..2 {
            run(&world, twin, &report).await.completed(&[]);
            let written = written(&world, "2025-10-01").await;
            for (written, expected) in written.iter().zip(&expected) {
                assert_eq!(written, expected, "{}", twin.0);
            }
            assert_eq!(written.len(), expected.len(), "{}", twin.0);
        }
    }
}

#[tokio::test]
async fn a_month_that_comes_again_replaces_itself_and_no_other() {
    let world = World::new().await;
    let november = lines("2025-11", "2025-12");
    let path = world.file("november.csv", csv(&november));
    let month = json!({"path": path, "billing_period": "2025-11-01"});
    world.run(CSV.0, month).await.completed(&[]);
    run(&world, PARQUET, &october()).await.completed(&[]);
    let shorter = &october()[..36];
    run(&world, CSV, shorter).await.completed(&[]);
    assert_eq!(written(&world, "2025-10-01").await, rows(shorter));
    assert_eq!(written(&world, "2025-11-01").await, rows(&november));
}

/// What follows the load is one text in two files; a change of the one is a change of the other.
#[test]
fn the_twins_differ_in_their_load_alone() {
    let [parquet, csv] = [PARQUET, CSV].map(|(template, ..)| text_of(template));
    let after_load = |text: &str| {
        let rest = &text[text.find("  - id: verify_lines").unwrap()..];
        rest.replace("aws_cur_csv_lines", "aws_cur_lines")
    };
    assert!(after_load(&parquet) == after_load(&csv), "aws/cost/cur and aws/cost/cur_csv");
    let columns = |text: &str| -> Vec<String> {
        let columns = text.lines().filter_map(|line| line.trim().strip_prefix("- {name: "));
        columns.map(|column| column.split_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(columns(&parquet), columns(&csv));
}

#[tokio::test]
async fn a_report_that_cannot_be_converted_exactly_is_refused_before_it_is() {
    let change = |line_type: &str, column: &'static str, value: Option<&str>| {
        let mut report = october();
        let of_type = |line: &&mut Line| line["line_item_line_item_type"] == line_type;
        let line = report.iter_mut().find(of_type).unwrap();
        match value {
            Some(value) => line.insert(column, value.to_owned()),
            None => line.remove(column),
        };
        report
    };
    let without_discounts: Vec<Line> = october()
        .into_iter()
        .filter(|line| !line["line_item_line_item_type"].ends_with("Discount"))
        .collect();
    let unused = "reservation_unused_recurring_fee";
    let cases = [
        ("lines_exist", Vec::new()),
        ("mandatory_present", change("Tax", "line_item_unblended_cost", None)),
        ("mandatory_present", change("Usage", "line_item_currency_code", None)),
        ("line_item_type_known", change("Tax", "line_item_line_item_type", Some("Toll"))),
        ("commitment_costs_present", change("DiscountedUsage", "reservation_effective_cost", None)),
        ("commitment_costs_present", change("RIFee", unused, None)),
        (
            "commitment_costs_present",
            change("SavingsPlanRecurringFee", "savings_plan_used_commitment", None),
        ),
        (
            "one_billing_period",
            change("Usage", "bill_billing_period_start_date", Some("2025-09-01T00:00:00.000Z")),
        ),
        ("discounts_are_lines", without_discounts),
    ];
    let world = World::new().await;
    run(&world, PARQUET, &october()).await.completed(&[]);
    for (check, report) in cases {
        run(&world, CSV, &report).await.refused_by(check);
        assert_eq!(written(&world, "2025-10-01").await.len(), october().len() + 2 * ROUNDS);
    }
    let plan = change("SavingsPlanNegation", "line_item_unblended_cost", Some("-1"));
    run(&world, CSV, &plan).await.completed(&["savings_plans_are_negated"]);
}

#[tokio::test]
async fn what_does_not_reconcile_fails_the_run() {
    for (old, new) in [
        // What is unused of savings plans is lost.
        (
            "WHERE line_type IN ('RIFee', 'SavingsPlanRecurringFee')\n",
            "WHERE line_type = 'RIFee'\n",
        ),
        // A fee that is spread over its usage counts once more.
        ("WHEN line_type = 'Fee' AND of_reservation THEN 0\n", "\n"),
        // Covered usage counts as if it were on demand.
        ("WHEN line_type = 'SavingsPlanCoveredUsage' THEN savings_plan_cost\n", "\n"),
        // A line's cost is the net one.
        (
            "CAST(line_item_unblended_cost AS NUMERIC) AS unblended_cost",
            "CAST(line_item_net_unblended_cost AS NUMERIC) AS unblended_cost",
        ),
    ] {
        let broken = World::edited(&Edit { template: CSV.0, old, new }).await;
        run(&broken, CSV, &october()).await.refused_by("reconciles_with_report");
    }
}
