//! Dates relative to a slot, as a schedule's parameters may hold them: `{{ slot_date - 1 day }}`.

use chrono::{Days, NaiveDate};
use serde_json::{Map, Value as Json};

use super::{ParamError, Template};
use crate::warehouse::DataType;

/// The parameters with every relative date in its place, as the text of the date that it stands for.
///
/// `{{ slot_date }}`, `{{ slot_date - N days }}` and `{{ slot_date + N days }}` are for DATE and ARRAY<DATE>
/// parameters. Anything else that looks like a placeholder is refused.
pub fn at_slot(
    template: &Template,
    given: &Map<String, Json>,
    slot_date: NaiveDate,
) -> Result<Map<String, Json>, Vec<ParamError>> {
    let mut errors = Vec::new();
    let mut resolved = Map::new();
    for (name, value) in given {
        let kind = template.parameters.get(name).map(|declared| declared.kind.data_type());
        let takes_dates = match kind {
            Some(DataType::Date) => true,
            Some(DataType::Array(element)) => **element == DataType::Date,
            _ => false,
        };
        match place(value, takes_dates, slot_date) {
            Ok(value) => {
                resolved.insert(name.clone(), value);
            }
            Err(rule) => errors.push(ParamError::new(name, Some(value), rule)),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

fn place(value: &Json, takes_dates: bool, slot_date: NaiveDate) -> Result<Json, &'static str> {
    match value {
        Json::String(text) if text.contains("{{") => {
            if !takes_dates {
                return Err(
                    "without a placeholder: a date relative to the slot is for DATE parameters",
                );
            }
            let date = relative(text, slot_date).ok_or(
                "a date, or one relative to the slot such as {{ slot_date }} or {{ slot_date - 1 day }}",
            )?;
            Ok(date.to_string().into())
        }
        Json::Array(items) => {
            items.iter().map(|item| place(item, takes_dates, slot_date)).collect()
        }
        other => Ok(other.clone()),
    }
}

/// The date that the whole text stands for.
fn relative(text: &str, slot_date: NaiveDate) -> Option<NaiveDate> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let rest = inside.strip_prefix("slot_date")?;
    if rest.is_empty() {
        return Some(slot_date);
    }
    let rest = rest.trim_start();
    let (sign, rest) = (rest.chars().next()?, rest.get(1..)?);
    let (number, unit) = rest.trim_start().split_once(' ')?;
    // Digits alone, as many as a year of days has.
    if !(1..=3).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if !matches!(unit.trim(), "day" | "days") {
        return None;
    }
    let days = Days::new(number.parse().ok()?);
    match sign {
        '-' => slot_date.checked_sub_days(days),
        '+' => slot_date.checked_add_days(days),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_relative_date_is_the_whole_text_and_nothing_else_is_one() {
        let slot: NaiveDate = "2024-03-01".parse().unwrap();
        for (text, date) in [
            ("{{ slot_date }}", Some("2024-03-01")),
            ("{{slot_date}}", Some("2024-03-01")),
            ("{{ slot_date - 1 day }}", Some("2024-02-29")),
            ("{{ slot_date -1 day }}", Some("2024-02-29")),
            ("{{slot_date - 366 days}}", Some("2023-03-01")),
            ("{{ slot_date + 7 days }}", Some("2024-03-08")),
            ("{{ slot_date - 0 days }}", Some("2024-03-01")),
            ("{{ slot_date - 1 }}", None),
            ("{{ slot_date - 1 month }}", None),
            ("{{ slot_date 1 day }}", None),
            ("{{ slot_date - -1 day }}", None),
            ("{{ slot_date - 1000 days }}", None),
            ("{{ slot_date - ٣ days }}", None),
            ("{{ slot_date - 1 day", None),
            ("{{ slot_date }} {{ slot_date }}", None),
            ("{{ slot_dates }}", None),
            ("{{ tenant_id }}", None),
            ("{{}}", None),
            ("on {{ slot_date }}", None),
            ("{{ slot_date é 1 day }}", None),
        ] {
            assert_eq!(relative(text, slot).map(|d| d.to_string()).as_deref(), date, "{text}");
        }
    }

    #[test]
    fn placeholders_are_for_dates_alone() {
        let slot: NaiveDate = "2024-03-01".parse().unwrap();
        assert_eq!(
            place(&json!(["{{ slot_date }}", "2024-01-01"]), true, slot).unwrap(),
            json!(["2024-03-01", "2024-01-01"])
        );
        assert_eq!(place(&json!("no {braces}"), false, slot).unwrap(), json!("no {braces}"));
        assert!(place(&json!("{{ slot_date }}"), false, slot).is_err());
        assert!(place(&json!(["{{ slot_dat }}"]), true, slot).is_err());
    }
}
