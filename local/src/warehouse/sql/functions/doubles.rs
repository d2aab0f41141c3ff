//! FLOAT64 as text: fifteen digits where they are enough.

use super::super::refusal::not_here;

/// The text of a double: of `%.15g`, or of the shortest digits that are read back as it where seventeen
/// digits are the same.
pub(crate) fn double(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(not_here(format!("the text of the FLOAT64 {value}")));
    }
    if value == 0.0 {
        return Ok("0".to_owned());
    }
    let fifteen = format!("{value:.14e}");
    if fifteen.parse() == Ok(value) {
        return general(&fifteen, 15);
    }
    let (seventeen, shortest) = (format!("{value:.16e}"), format!("{value:e}"));
    // How many digits follow is not written down; where all ways agree there is nothing to know.
    if general(&seventeen, 17)? != general(&shortest, 17)? {
        return Err(not_here(format!(
            "the text of the FLOAT64 {value}, such as 0.1 + 0.2: ROUND it,"
        )));
    }
    general(&seventeen, 17)
}

/// `d.ddde±x` as C's `%g` of so many digits writes it.
fn general(scientific: &str, digits: i32) -> Result<String, String> {
    let wrong = || format!("{scientific} is no number");
    let (mantissa, exponent) = scientific.split_once('e').ok_or_else(wrong)?;
    let exponent: i32 = exponent.parse().map_err(|_| wrong())?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let all = all.trim_end_matches('0');
    let point = |whole: &str, rest: &str| {
        if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
    };
    if !(-4..digits).contains(&exponent) {
        let (first, rest) = all.split_at(1);
        let mark = if exponent < 0 { '-' } else { '+' };
        return Ok(format!("{}e{mark}{:02}", point(first, rest), exponent.abs()));
    }
    let Ok(places) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        return Ok(point("0", &format!("{}{all}", "0".repeat(zeros))));
    };
    if all.len() <= places {
        return Ok(point(&format!("{all:0<width$}", width = places + 1), ""));
    }
    Ok(point(&all[..=places], &all[places + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_in_fifteen_digits() {
        for (value, text) in [
            (1.0, "1"),
            (-2.5, "-2.5"),
            (100.0, "100"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (-1.5e300, "-1.5e+300"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.30000000000000004"),
        ] {
            assert_eq!(double(value).as_deref(), Ok(text));
        }
        assert!(double(1.0 / 3.0).is_err());
    }
}
