//! `example/etl/orders`: the shipped samples, told apart line by line, and files that are refused.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::decimal::nanos;
use super::focus_file::{Record, read};
use super::world::{Edit, Outcome, World, in_repository};

const TEMPLATE: &str = "example/etl/orders";

fn sample(name: &str) -> String {
    std::fs::read_to_string(in_repository(&format!("configs/samples/example_{name}.csv"))).unwrap()
}

async fn run(world: &World, orders: &str, parameters: Json) -> Outcome {
    let mut parameters = parameters;
    parameters["orders"] = json!(world.file("orders.csv", orders));
    parameters["customers"] = json!(world.file("customers.csv", sample("customers")));
    world.run(TEMPLATE, parameters).await
}

/// An order's latest line: when it was updated, its day, currency, status, and amount in billionths.
type Order = (String, String, String, String, i128);

fn instant(text: Option<&String>) -> Option<String> {
    let at = chrono::DateTime::parse_from_rfc3339(text?).ok()?;
    Some(at.to_utc().format("%Y-%m-%dT%H:%M:%S").to_string())
}

/// A line as an order, if it is one. An amount is plain digits in these files.
fn order(line: &Record) -> Option<(String, Order)> {
    let amount = line["amount"].as_ref()?;
    if !amount.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-') {
        return None;
    }
    let ordered_at = instant(line["ordered_at"].as_ref())?;
    let order = (
        instant(line["updated_at"].as_ref())?,
        ordered_at[..10].to_owned(),
        line["currency"].as_ref()?.trim().to_uppercase(),
        line["status"].as_ref()?.trim().to_lowercase(),
        nanos(amount),
    );
    Some((line["order_id"].clone()?, order))
}

/// By day and currency: orders, those sold, and the revenue in billionths.
type Revenue = BTreeMap<(String, String), (i64, i64, i128)>;

/// The revenue of a file's orders, and how many of its lines are no order.
fn expected(text: &str) -> (Revenue, usize) {
    let (lines, mut rejects) = (read(text), 0);
    let mut latest = BTreeMap::<String, Order>::new();
    for line in &lines {
        let Some((id, order)) = order(line) else {
            rejects += 1;
            continue;
        };
        // The instant of the update is the first of an order's fields.
        let kept = latest.entry(id).or_insert_with(|| order.clone());
        if *kept < order {
            *kept = order;
        }
    }
    let mut days = Revenue::new();
    for (_, day, currency, status, amount) in latest.into_values() {
        let sums = days.entry((day, currency)).or_default();
        let sold = status == "paid" || status == "shipped";
        *sums = (sums.0 + 1, sums.1 + i64::from(sold), sums.2 + if sold { amount } else { 0 });
    }
    (days, rejects)
}

async fn revenue(world: &World) -> Revenue {
    let sql = "SELECT order_date, currency, orders, sold, revenue FROM example_revenue_daily";
    let row = |row: Vec<Json>| {
        let text = |at: usize| row[at].as_str().unwrap().to_owned();
        let sums = (row[2].as_i64().unwrap(), row[3].as_i64().unwrap(), nanos(&text(4)));
        ((text(0), text(1)), sums)
    };
    world.rows(sql).await.into_iter().map(row).collect()
}

#[tokio::test]
async fn the_samples_lines_are_orders_or_rejects_and_the_revenue_is_theirs() {
    let orders = sample("orders");
    let (days, rejects) = expected(&orders);
    assert!(days.len() >= 8 && rejects == 4, "{days:?} {rejects}");
    let world = World::new().await;
    for _ in 0..2 {
        run(&world, &orders, json!({})).await.completed(&[]);
        assert_eq!(revenue(&world).await, days);
        let reasons = world
            .rows("SELECT reason, order_id FROM example_order_rejects ORDER BY reason, order_id");
        assert_eq!(
            reasons.await,
            [
                [json!("amount is no number"), json!("O-1011")],
                [json!("amount is no number"), json!("O-1015")],
                [json!("order_id is missing"), Json::Null],
                [json!("ordered_at is no instant"), json!("O-1010")],
            ]
        );
    }
    let order = world
        .rows("SELECT status, currency, amount FROM example_orders WHERE order_id = 'O-1007'")
        .await;
    assert_eq!(order, [[json!("paid"), json!("EUR"), json!("210.333")]]);
}

#[tokio::test]
async fn a_later_file_is_the_whole_truth() {
    let world = World::new().await;
    run(&world, &sample("orders"), json!({})).await.completed(&[]);
    let header = "order_id,customer_id,ordered_at,status,currency,amount,updated_at\n";
    let one = format!("{header}O-1,C-01,2025-11-17T10:00:00Z,paid,EUR,5,2025-11-17T10:00:00Z\n");
    run(&world, &one, json!({})).await.completed(&[]);
    assert_eq!(revenue(&world).await, expected(&one).0);
    let old = one.replace("2025-11-17T10", "2025-11-15T10");
    run(&world, &old, json!({})).await.completed(&["orders_are_recent"]);
    let stranger = one.replace("C-01", "C-99");
    run(&world, &stranger, json!({})).await.completed(&["customer_known"]);
    let debt = one.replace(",5,", ",-5,");
    run(&world, &debt, json!({})).await.completed(&["amount_not_negative"]);
}

#[tokio::test]
async fn files_that_do_not_fit_are_refused_before_any_revenue_is_written() {
    let orders = sample("orders");
    let world = World::new().await;
    run(&world, &orders, json!({})).await.completed(&[]);
    let before = revenue(&world).await;
    let last = orders.lines().last().unwrap().to_owned();
    let cases = [
        // Two lines of one order at one instant, of different amounts.
        ("one_row_an_order", orders.clone() + &last.replace("27.40", "27.41") + "\n", json!({})),
        ("status_known", orders.replace("refunded", "returned"), json!({})),
        ("mandatory_present", orders.replace("GBP", ""), json!({})),
        ("rejects_are_few", orders.clone(), json!({"max_rejects": 3})),
    ];
    for (check, orders, parameters) in cases {
        run(&world, &orders, parameters).await.refused_by(check);
        assert_eq!(revenue(&world).await, before, "{check}");
    }
}

#[tokio::test]
async fn what_does_not_reconcile_fails_the_run() {
    for (old, new, check) in [
        // Lines stand twice.
        (
            "SELECT *\n        FROM typed\n",
            "SELECT *\n        FROM typed\n        WHERE status != 'placed'\n        UNION ALL SELECT * FROM typed\n",
            "one_row_an_order",
        ),
        (
            "WHERE order_id IS NOT NULL\n      ),",
            "WHERE order_id > 'O-1004'\n      ),",
            "every_line_is_accounted_for",
        ),
        (
            "OR SAFE_CAST(amount AS NUMERIC) IS NULL\n    target",
            "\n    target",
            "every_line_is_accounted_for",
        ),
        (
            "SUM(IF(status IN ('paid', 'shipped'), amount, 0))",
            "SUM(amount)",
            "reconciles_with_orders",
        ),
        (
            "FROM example_orders\n      GROUP BY DATE",
            "FROM example_orders\n      WHERE status != 'cancelled'\n      GROUP BY DATE",
            "reconciles_with_orders",
        ),
    ] {
        let broken = World::edited(&Edit { template: TEMPLATE, old, new }).await;
        run(&broken, &sample("orders"), json!({})).await.refused_by(check);
    }
}
