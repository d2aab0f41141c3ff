//! NUMERIC as a scaled 128-bit integer: 38 digits, 9 of them after the point, halves rounded away from zero.

/// Digits after the point.
pub(crate) const SCALE: u32 = 9;
/// One, scaled.
pub(crate) const ONE: i128 = 1_000_000_000;
/// The largest NUMERIC, scaled: 38 nines.
const MAX: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// The value if it is a NUMERIC.
pub(crate) fn in_range(scaled: i128) -> Option<i128> {
    (-MAX..=MAX).contains(&scaled).then_some(scaled)
}

/// `value / divisor`, halves away from zero; the divisor is not zero.
pub(crate) fn divide_rounding(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    let away = if (value < 0) == (divisor < 0) { 1 } else { -1 };
    // |rest| >= |divisor| - |rest| says "at least a half" without doubling, which could overflow.
    let half = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    if rest != 0 && half { quotient + away } else { quotient }
}

/// Parses decimal text such as `-12.5` or `1.5e3`; more than nine decimals are rounded. `None` where it is no
/// number or is out of range.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    // Where the next digit stands, counted in powers of ten of the scaled value.
    let mut place = i32::try_from(whole.len()).ok()? + exponent.clamp(-1000, 1000) + 9;
    let mut next: Option<u8> = None;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        place -= 1;
        if place >= 0 {
            value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        } else if place == -1 {
            next = Some(byte);
        }
    }
    for _ in 0..place {
        value = value.checked_mul(10)?;
    }
    if next.is_some_and(|digit| digit >= b'5') {
        value += 1;
    }
    in_range(if negative { -value } else { value })
}

/// The shortest exact text: no trailing zeros after the point.
pub(crate) fn format(scaled: i128) -> String {
    let magnitude = scaled.unsigned_abs();
    let one = ONE.unsigned_abs();
    let sign = if scaled < 0 { "-" } else { "" };
    let fraction = format!("{:09}", magnitude % one);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", magnitude / one)
}

/// Rounds to `digits` places after the point (before it where negative).
pub(crate) fn round(scaled: i128, digits: i64) -> Option<i128> {
    if digits >= i64::from(SCALE) {
        return Some(scaled);
    }
    // Thirty-nine digits hold every NUMERIC: coarser than that, all rounds to zero.
    let drop = u32::try_from(i64::from(SCALE).saturating_sub(digits)).ok().filter(|d| *d <= 38);
    let Some(unit) = drop.and_then(|d| 10_i128.checked_pow(d)) else { return Some(0) };
    divide_rounding(scaled, unit).checked_mul(unit).and_then(in_range)
}

/// A double as NUMERIC, rounded at the ninth place. `None` for NaN, infinities and what is out of range.
pub(crate) fn from_f64(value: f64) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    // Forty places tell every double from the halves at the tenth, so the rounding below is the only one.
    parse(&format!("{value:.40}"))
}

/// The nearest double.
pub(crate) fn to_f64(scaled: i128) -> f64 {
    // A decimal literal is read as the double nearest to it.
    format(scaled).parse().unwrap_or(f64::NAN)
}

/// `a * b`, rounded at the ninth place.
pub(crate) fn multiply(a: i128, b: i128) -> Option<i128> {
    let one = ONE.unsigned_abs();
    let (x, y) = (a.unsigned_abs(), b.unsigned_abs());
    // Schoolbook on the whole and fractional parts: each partial product fits 128 bits or the result does not.
    let (x1, x0, y1, y0) = (x / one, x % one, y / one, y % one);
    let high = x1.checked_mul(y1)?.checked_mul(one)?;
    let middle = x1.checked_mul(y0)?.checked_add(x0.checked_mul(y1)?)?;
    let low = (x0 * y0 + one / 2) / one;
    let magnitude = i128::try_from(high.checked_add(middle)?.checked_add(low)?).ok()?;
    in_range(if (a < 0) == (b < 0) { magnitude } else { -magnitude })
}

/// `a / b`, rounded at the ninth place; `None` where it is out of range. `b` is not zero.
pub(crate) fn divide(a: i128, b: i128) -> Option<i128> {
    let divisor = b.unsigned_abs();
    let mut quotient = a.unsigned_abs() / divisor;
    let mut rest = a.unsigned_abs() % divisor;
    // Nine more decimal digits by long division; the rest stays below the divisor.
    for _ in 0..SCALE {
        quotient = quotient.checked_mul(10)?;
        let (digit, left) = times_ten(rest, divisor);
        quotient = quotient.checked_add(digit)?;
        rest = left;
    }
    if rest != 0 && rest >= divisor - rest {
        quotient = quotient.checked_add(1)?;
    }
    let magnitude = i128::try_from(quotient).ok()?;
    in_range(if (a < 0) == (b < 0) { magnitude } else { -magnitude })
}

/// `rest * 10` as quotient and rest by the divisor, without overflow.
fn times_ten(rest: u128, divisor: u128) -> (u128, u128) {
    let (mut digit, mut left) = (0, 0_u128);
    for _ in 0..10 {
        left += rest;
        if left >= divisor {
            left -= divisor;
            digit += 1;
        }
    }
    (digit, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_rounds() {
        for (text, expected) in [
            ("12.5", Some("12.5")),
            ("-0.0000000005", Some("-0.000000001")),
            ("0.00000000049", Some("0")),
            ("1.5e3", Some("1500")),
            ("15e-1", Some("1.5")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            (
                "99999999999999999999999999999.999999999",
                Some("99999999999999999999999999999.999999999"),
            ),
            ("100000000000000000000000000000", None),
            ("", None),
            ("-", None),
            ("1.2.3", None),
            ("1,5", None),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn products_and_quotients_round_half_away() {
        let n = |text: &str| parse(text).unwrap();
        for (a, b, product, quotient) in [
            ("0.000000001", "0.5", "0.000000001", "0.000000002"),
            ("-0.000000001", "0.5", "-0.000000001", "-0.000000002"),
            ("1", "3", "3", "0.333333333"),
            ("2", "3", "6", "0.666666667"),
            ("12345678901234567890", "1.5", "18518518351851851835", "8230452600823045260"),
            (
                "99999999999999999999999999999",
                "1",
                "99999999999999999999999999999",
                "99999999999999999999999999999",
            ),
        ] {
            assert_eq!(multiply(n(a), n(b)).map(format).as_deref(), Some(product), "{a} * {b}");
            assert_eq!(divide(n(a), n(b)).map(format).as_deref(), Some(quotient), "{a} / {b}");
        }
        assert_eq!(multiply(n("1e28"), n("1e28")), None);
        assert_eq!(divide(n("1e28"), n("0.01")), None);
    }

    #[test]
    fn doubles_round_at_the_ninth_place_exactly() {
        for (value, expected) in [
            (0.1, Some("0.1")),
            (2.5e-9, Some("0.000000003")),
            (1e30, None),
            (f64::NAN, None),
            (-72.75, Some("-72.75")),
        ] {
            assert_eq!(from_f64(value).map(format).as_deref(), expected, "{value}");
        }
    }
}
