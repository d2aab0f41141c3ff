//! Reads just enough of GoogleSQL to find what stands outside strings, comments and quoted names.

use std::collections::BTreeSet;

/// What a statement's text is made of, as far as a template's rules need it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The names after `@`, without it.
    pub(super) params: BTreeSet<String>,
    /// Whether every bracket is closed, none closes before it opens, and every string and comment ends.
    pub(super) balanced: bool,
    /// Whether there is a comment.
    pub(super) comment: bool,
    /// A `;`, a `?` parameter or a `@@` system variable, if there is one.
    pub(super) foreign: Option<&'static str>,
    /// Whether a `{{` or `${` stands there: a placeholder of another template language.
    pub(super) placeholder: bool,
    /// The first bare word, in upper case.
    pub(super) first_word: String,
}

/// Scans one statement or expression.
pub(super) fn scan(sql: &str) -> Scan {
    let mut found = Scan { balanced: true, ..Scan::default() };
    let bytes = sql.as_bytes();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        match rest[0] {
            b'\'' | b'"' | b'`' => {
                match end_of_quoted(rest) {
                    Some(length) => at += length,
                    None => return Scan { balanced: false, ..found },
                }
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                found.comment = true;
                at += line_length(rest);
                continue;
            }
            b'#' => {
                found.comment = true;
                at += line_length(rest);
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                found.comment = true;
                match find(&rest[2..], b"*/") {
                    Some(length) => at += length + 4,
                    None => return Scan { balanced: false, ..found },
                }
                continue;
            }
            b'(' | b'[' | b'{' => {
                found.placeholder |= rest.starts_with(b"{{");
                open.push(rest[0]);
            }
            b')' | b']' | b'}' => {
                let opener = match rest[0] {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                if open.pop() != Some(opener) {
                    found.balanced = false;
                }
            }
            b'$' => found.placeholder |= rest.starts_with(b"${"),
            b';' => found.foreign = Some(";"),
            b'?' => found.foreign = Some("?"),
            b'@' if rest.starts_with(b"@@") => {
                found.foreign = Some("@@");
                at += 2;
                continue;
            }
            b'@' => {
                let name = word(&rest[1..]);
                found.params.insert(name.to_owned());
                at += 1 + name.len();
                continue;
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let name = word(rest);
                if found.first_word.is_empty() {
                    found.first_word = name.to_ascii_uppercase();
                }
                at += name.len();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found.balanced &= open.is_empty();
    found
}

/// The length of the quoted text that `rest` starts with, quotes included. A backslash keeps a quote from
/// ending a text, also a raw one.
fn end_of_quoted(rest: &[u8]) -> Option<usize> {
    let quote = rest[0];
    let triple = [quote; 3];
    let end: &[u8] =
        if quote != b'`' && rest.starts_with(&triple) { &triple } else { &triple[..1] };
    let mut at = end.len();
    while at < rest.len() {
        if rest[at] == b'\\' {
            at += 2;
        } else if rest[at..].starts_with(end) {
            return Some(at + end.len());
        } else if rest[at] == b'\n' && end.len() == 1 {
            return None;
        } else {
            at += 1;
        }
    }
    None
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// The ASCII word that `rest` starts with, empty where there is none.
fn word(rest: &[u8]) -> &str {
    let length = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
    std::str::from_utf8(&rest[..length.unwrap_or(rest.len())]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_outside_strings_comments_and_quoted_names_only() {
        let cases: [(&str, &[&str]); 12] = [
            ("SELECT @a, @b_2 + @a", &["a", "b_2"]),
            ("SELECT '@x', \"@y\", `@z`", &[]),
            ("SELECT 'it\\'s @x', @a", &["a"]),
            ("SELECT r'\\d @x' , @a", &["a"]),
            ("SELECT r'\\' @x', @a", &["a"]),
            ("SELECT '''one ' @x ''', @a", &["a"]),
            ("SELECT 1 -- @x\n, @a", &["a"]),
            ("SELECT 1 # @x\n, @a", &["a"]),
            ("SELECT 1 /* @x\n */, @a", &["a"]),
            ("SELECT 'unfinished @x", &[]),
            ("SELECT x.r@a", &["a"]),
            ("SELECT @", &[""]),
        ];
        for (sql, params) in cases {
            let found: Vec<_> = scan(sql).params.into_iter().collect();
            assert_eq!(found, params, "{sql}");
        }
    }

    #[test]
    fn brackets_and_quotes_must_close() {
        for sql in ["(a)) OR ((b)", "(a", "a)", "(a]", "'a", "'a\nb'", "/* a", "\"\"\"a\"\""] {
            assert!(!scan(sql).balanced, "{sql}");
        }
        for sql in
            ["(a) OR (b[0])", "')'", "`(`", "'a\\'b'", "-- (", "/* ( */ 1", "\"\"\"a\nb\"\"\""]
        {
            assert!(scan(sql).balanced, "{sql}");
        }
    }

    #[test]
    fn what_a_template_may_not_hold_is_seen() {
        assert_eq!(scan("SELECT 1; DROP TABLE x").foreign, Some(";"));
        assert_eq!(scan("SELECT @@project_id").foreign, Some("@@"));
        assert_eq!(scan("SELECT ';', \"?\"").foreign, None);
        assert!(scan("SELECT * FROM {{ dataset }}.x").placeholder);
        assert!(scan("SELECT ${x}").placeholder);
        assert!(!scan("SELECT '{{ x }}'").placeholder);
        assert_eq!(scan("/* x */ (select 1)").first_word, "SELECT");
    }
}
