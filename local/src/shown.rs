//! Text of others on a terminal: what would steer the terminal, pass for another line or reorder one is escaped.

/// The text on one line, with every character escaped that does more than stand there.
pub(crate) fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match escape(c) {
            Some(escaped) => shown.push_str(&escaped),
            None => shown.push(c),
        }
        shown
    })
}

/// The text between double quotes, so that it can be told from all that stands around it.
pub(crate) fn quoted(text: &str) -> String {
    shown(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// How a character is written that does more than stand there; `None` for one that may be shown.
pub(crate) fn escape(c: char) -> Option<String> {
    match c {
        '\n' => Some("\\n".to_owned()),
        '\r' => Some("\\r".to_owned()),
        '\t' => Some("\\t".to_owned()),
        // Characters without a width of their own, line separators, and those that turn the direction of text.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Some(c.escape_unicode().to_string()),
        c if c.is_control() => Some(c.escape_unicode().to_string()),
        _ => None,
    }
}

/// How many columns of a terminal a character takes: two for East Asian wide ones and pictures, none for
/// combining marks.
pub(crate) fn width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_the_rest_is_not() {
        for (text, expected) in [
            ("plain äöü 日本 'x' \\", "plain äöü 日本 'x' \\"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}\u{7f}\u{9b}31m", "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}31m"),
            ("a\u{202e}b\u{2066}c\u{2028}d\u{200b}e", "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{200b}e"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(quoted("it's \"x\"\\\n"), r#""it's \"x\"\\\n""#);
    }
}
