//! FOCUS files: one that is made up here, and a reader of another shape than the product's.

use std::collections::HashMap;
use std::fmt::Write;

/// A line's texts by column; `None` is NULL.
pub(crate) type Record = HashMap<String, Option<String>>;

const COLUMNS: &str = "AvailabilityZone,BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,\
    BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,\
    ChargePeriodEnd,ChargePeriodStart,CommitmentDiscountCategory,CommitmentDiscountId,\
    CommitmentDiscountName,CommitmentDiscountStatus,CommitmentDiscountType,ConsumedQuantity,ConsumedUnit,\
    ContractedCost,ContractedUnitPrice,EffectiveCost,InvoiceIssuerName,ListCost,ListUnitPrice,\
    PricingCategory,PricingQuantity,PricingUnit,ProviderName,PublisherName,RegionId,RegionName,ResourceId,\
    ResourceName,ResourceType,ServiceCategory,ServiceName,SkuId,SkuPriceId,SubAccountId,SubAccountName,\
    Tags,x_Extra";

/// A file of so many charges over a week: quoted commas, doubled quotes, a line break within quotes, NULL
/// without and with quotes, eleven decimals, credits, and a column that the template does not know.
pub(crate) fn generated(charges: usize) -> String {
    let mut text =
        COLUMNS.split(',').map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    text.push_str("\r\n");
    for charge in 0..charges {
        let cells: Vec<String> = COLUMNS.split(',').map(|column| cell(column, charge)).collect();
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}

fn cell(column: &str, charge: usize) -> String {
    let day = 1 + charge % 7;
    let quoted = |value: &str| format!("\"{}\"", value.replace('"', "\"\""));
    match column {
        "BilledCost" if charge % 11 == 5 => format!("-{}.25", charge % 3),
        "BilledCost" => format!("{}.{:011}", charge % 4, charge * 7_654_321_987 % 100_000_000_000),
        "EffectiveCost" => format!("0.{:011}", charge * 1_234_567_891 % 100_000_000_000),
        "ContractedCost" | "ListCost" => "0.00000000000".to_owned(),
        "BillingCurrency" => quoted("EUR"),
        "ChargeCategory" => quoted(["Usage", "Tax", "Credit"][charge % 3]),
        "ChargeDescription" => quoted(
            [
                "$0.40 per million, first tier",
                "a \"reserved\" instance",
                "\"\"",
                "over two\nlines, quoted",
                "plain",
            ][charge % 5],
        ),
        "BillingPeriodStart" => quoted("2025-03-01 00:00:00"),
        "BillingPeriodEnd" => quoted("2025-04-01 00:00:00"),
        "ChargePeriodStart" => quoted(&format!("2025-03-{day:02} 23:00:00")),
        "ChargePeriodEnd" => quoted(&format!("2025-03-{:02} 00:00:00", day + 1)),
        "ConsumedQuantity" | "PricingQuantity" => "2.000000000000000".to_owned(),
        "ProviderName" => quoted("Cloud, Inc."),
        "ServiceName" => quoted(["Queue", "Storage \"cold\""][charge % 2]),
        "SubAccountId" if charge.is_multiple_of(4) => "NULL".to_owned(),
        "SubAccountId" => quoted(&format!("account-{}", charge % 3)),
        "SkuId" => quoted(&format!("SKU{charge:04}")),
        // In quotes it is a text of four letters.
        "ResourceName" if charge % 9 == 1 => quoted("NULL"),
        "Tags" => quoted(&format!("{{\"team\": \"t{}\", \"env\": \"prod\"}}", charge % 2)),
        "x_Extra" => "11472".to_owned(),
        _ => "NULL".to_owned(),
    }
}

/// Reads a whole file, character by character.
pub(crate) fn read(text: &str) -> Vec<Record> {
    let mut lines: Vec<Vec<Option<String>>> = vec![Vec::new()];
    let (mut cell, mut within, mut was_quoted) = (String::new(), false, false);
    let mut rest = text.chars().peekable();
    let end_cell = |lines: &mut Vec<Vec<_>>, cell: &mut String, was_quoted: &mut bool| {
        let null = !*was_quoted && (cell.is_empty() || cell == "NULL");
        let value = std::mem::take(cell);
        lines.last_mut().unwrap().push((!null).then_some(value));
        *was_quoted = false;
    };
    while let Some(c) = rest.next() {
        match c {
            '"' if within && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' => {
                within = !within;
                was_quoted = true;
            }
            ',' if !within => end_cell(&mut lines, &mut cell, &mut was_quoted),
            '\r' if !within => {}
            '\n' if !within => {
                end_cell(&mut lines, &mut cell, &mut was_quoted);
                lines.push(Vec::new());
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() {
        end_cell(&mut lines, &mut cell, &mut was_quoted);
    }
    let mut lines = lines.into_iter().filter(|line| !line.is_empty());
    let header: Vec<String> = lines.next().unwrap().into_iter().map(Option::unwrap).collect();
    lines
        .map(|line| {
            assert_eq!(line.len(), header.len(), "{line:?}");
            header.iter().cloned().zip(line).collect()
        })
        .collect()
}
