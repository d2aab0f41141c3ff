//! Which values a parameter may have beyond its type.

use std::cmp::Ordering;

use crate::warehouse::Value;

/// The values a parameter may have; of an array, each element. Nothing is forbidden by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// These and no others.
    pub allowed: Option<Vec<Value>>,
    /// The least.
    pub min: Option<Value>,
    /// The greatest.
    pub max: Option<Value>,
}

impl Rules {
    /// Holds a value against the rules; `Err` is the rule it breaks, such as `at least 1`.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        if let Value::Array(elements) = value {
            let each = |rule: String| format!("an array, each element {rule}");
            return elements.iter().try_for_each(|element| self.check(element)).map_err(each);
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|other| compare(value, other) == Some(Ordering::Equal))
        {
            let shown: Vec<String> = allowed.iter().map(|v| v.to_json().to_string()).collect();
            return Err(format!("one of {}", shown.join(", ")));
        }
        if let Some(min) = &self.min
            && !compare(value, min).is_some_and(Ordering::is_ge)
        {
            return Err(format!("at least {min}"));
        }
        if let Some(max) = &self.max
            && !compare(value, max).is_some_and(Ordering::is_le)
        {
            return Err(format!("at most {max}"));
        }
        Ok(())
    }
}

/// The order of two values of one scalar type; `None` for others.
pub(in crate::pipeline) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int64(a), Value::Int64(b)) => Some(a.cmp(b)),
        (Value::Float64(a), Value::Float64(b)) => a.partial_cmp(b),
        (Value::Numeric(a), Value::Numeric(b)) => Some(billionths(a)?.cmp(&billionths(b)?)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A NUMERIC's text in units of its last place: 38 digits, which an i128 holds.
fn billionths(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_against_the_list_and_the_bounds() {
        let text = |text: &str| Value::String(text.to_owned());
        let number = |text: &str| Value::Numeric(text.to_owned());
        let list = Rules { allowed: Some(vec![text("a"), text("b")]), ..Rules::default() };
        let range = Rules { min: Some(number("-0.5")), max: Some(number("10")), allowed: None };
        let day = |text: &str| Value::Date(text.parse().unwrap());
        let days = Rules { min: Some(day("2025-01-01")), ..Rules::default() };
        let cases = [
            (&list, text("a"), Ok(())),
            (&list, text("c"), Err("one of \"a\", \"b\"")),
            (&list, Value::Array(vec![text("b"), text("a")]), Ok(())),
            (
                &list,
                Value::Array(vec![text("a"), text("x")]),
                Err("an array, each element one of \"a\", \"b\""),
            ),
            (&list, Value::Array(vec![]), Ok(())),
            (&range, number("-0.5"), Ok(())),
            (&range, number("-0.500000001"), Err("at least -0.5")),
            (&range, number("9.999999999"), Ok(())),
            (&range, number("10"), Ok(())),
            (&range, number("10.000000001"), Err("at most 10")),
            (&range, number("-99999999999999999999999999999.999999999"), Err("at least -0.5")),
            (&days, day("2025-01-01"), Ok(())),
            (&days, day("2024-12-31"), Err("at least 2025-01-01")),
        ];
        for (rules, value, expected) in cases {
            assert_eq!(rules.check(&value), expected.map_err(str::to_owned), "{value}");
        }
    }
}
