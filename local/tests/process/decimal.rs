//! Decimal numbers as whole billionths, read digit by digit: no float is in between.

/// The number in billionths; what goes beyond is rounded half away from zero, as NUMERIC is.
pub(crate) fn nanos(text: &str) -> i128 {
    let (text, sign) = text.strip_prefix('-').map_or((text, 1), |rest| (rest, -1));
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().unwrap()),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let unscaled: i128 = format!("{whole}{fraction}").parse().unwrap();
    let scale = 9 + exponent - i32::try_from(fraction.len()).unwrap();
    let power = 10_i128.pow(scale.unsigned_abs());
    sign * if scale >= 0 { unscaled * power } else { (unscaled + power / 2) / power }
}

#[test]
fn digits_are_kept_and_rounded_half_away_from_zero() {
    for (text, expected) in [
        ("0", 0),
        ("-1.5", -1_500_000_000),
        ("20.520227", 20_520_227_000),
        ("1e-7", 100),
        ("2.5E1", 25_000_000_000),
        ("0.0000000005", 1),
        ("-0.0000000005", -1),
        ("0.00000000049", 0),
    ] {
        assert_eq!(nanos(text), expected, "{text}");
    }
}
