//! Findings in templates as a person is shown them, line and marks as a compiler does, and as JSON.

use std::fmt;

use common::pipeline::Diagnostic;
use serde_json::{Value as Json, json};

use crate::shown::{escape, shown, width};

/// How many columns a tab takes.
const TAB: &str = "    ";
/// The columns of a line that are shown: of a longer one, those around what is marked.
const WINDOW: usize = 120;
/// How much of a longer line stands before what is marked.
const BEFORE: usize = 40;

/// One finding, as text of several lines that ends in one.
pub(crate) struct Report<'a> {
    /// The finding.
    pub(crate) finding: &'a Diagnostic,
    /// Whether it is shown in colour.
    pub(crate) colour: bool,
}

/// What is told apart by colour.
#[derive(Clone, Copy)]
enum Role {
    Error,
    Strong,
    Frame,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { file, line, column, length, text, message, .. } = self.finding;
        let paint = |role, text: &str| paint(self.colour, role, text);
        writeln!(
            f,
            "{}{}",
            paint(Role::Error, "error"),
            paint(Role::Strong, &format!(": {}", shown(message)))
        )?;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let arrow = paint(Role::Frame, "-->");
        let bar = paint(Role::Frame, "|");
        if *length == 0 {
            writeln!(f, "{gutter}{arrow} {}", shown(file))?;
        } else {
            let Excerpt { text, before, marked } = excerpt(text, *column, *length);
            let marks = " ".repeat(before) + &paint(Role::Error, &"^".repeat(marked));
            writeln!(f, "{gutter}{arrow} {}:{line}:{column}", shown(file))?;
            writeln!(f, "{gutter} {bar}")?;
            writeln!(f, "{} {bar} {text}", paint(Role::Frame, &number))?;
            writeln!(f, "{gutter} {bar} {marks}")?;
        }
        for help in self.finding.helps() {
            let sign = paint(Role::Frame, "=");
            writeln!(f, "{gutter} {sign} {}: {}", paint(Role::Strong, "help"), shown(&help))?;
        }
        Ok(())
    }
}

/// What all findings come to.
pub(crate) fn summary(wrong: usize, right: usize, colour: bool) -> String {
    let counted = |n: usize, what: &str| {
        let verb = if n == 1 { "is" } else { "are" };
        format!("{n}{what} {verb}")
    };
    let templates = if wrong == 1 { " template" } else { " templates" };
    let text = format!(": {} wrong, {} right", counted(wrong, templates), counted(right, ""));
    paint(colour, Role::Error, "error") + &paint(colour, Role::Strong, &text)
}

/// All findings as one array of objects.
pub(crate) fn json(found: &[Diagnostic]) -> Json {
    let object = |d: &Diagnostic| {
        json!({
            "file": d.file,
            "line": d.line,
            "column": d.column,
            "length": d.length,
            "message": d.message,
            "suggestion": d.suggestion,
            "hint": d.hint,
        })
    };
    found.iter().map(object).collect()
}

fn paint(colour: bool, role: Role, text: &str) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match role {
        Role::Error => "1;31",
        Role::Strong => "1",
        Role::Frame => "1;34",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A line as it is shown, and where its marks stand, in columns of the terminal.
#[derive(Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    before: usize,
    marked: usize,
}

fn excerpt(line: &str, column: u64, length: u64) -> Excerpt {
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let first = position(column - 1);
    let end = first.saturating_add(position(length));
    let cells: Vec<(String, usize)> = line.trim_end().chars().map(cell).collect();
    let columns = |from: usize, to: usize| -> usize {
        let to = to.min(cells.len());
        cells.get(from..to).map_or(0, |cells| cells.iter().map(|(_, width)| width).sum())
    };
    let (before, marked) = (columns(0, first), columns(first, end).max(1));
    if columns(0, cells.len()) <= WINDOW {
        let text = cells.iter().map(|(cell, _)| cell.as_str()).collect();
        return Excerpt { text, before, marked };
    }
    let skipped = before.saturating_sub(BEFORE);
    let (mut at, mut text, mut cut) = (0, String::new(), 0);
    for (cell, width) in &cells {
        if at < skipped {
            cut = at + width;
        } else if at + width <= skipped + WINDOW {
            text.push_str(cell);
        }
        at += width;
    }
    let head = if cut > 0 { "…" } else { "" };
    let tail = if at > skipped + WINDOW { "…" } else { "" };
    let before = before - cut + head.chars().count();
    Excerpt { text: format!("{head}{text}{tail}"), before, marked: marked.min(WINDOW - BEFORE) }
}

/// A character as it is shown, and the columns it takes.
fn cell(c: char) -> (String, usize) {
    match escape(c) {
        _ if c == '\t' => (TAB.to_owned(), TAB.len()),
        Some(escaped) => (escaped.clone(), escaped.len()),
        None => (c.to_string(), width(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(text: &str, word: &str) -> Diagnostic {
        let at = text.find(word).unwrap();
        Diagnostic {
            line: 7,
            column: text[..at].chars().count() as u64 + 1,
            length: word.chars().count() as u64,
            text: text.to_owned(),
            ..Diagnostic::of_file("x.yml", "wrong", "")
        }
    }

    #[test]
    fn the_marks_stand_below_the_word_whatever_stands_before_it() {
        for (text, shown, marks) in [
            ("a: bad", "a: bad", "   ^^^"),
            ("\ta:\tbad", "    a:    bad", "          ^^^"),
            ("日本: bad", "日本: bad", "      ^^^"),
            ("e\u{301}: bad", "e\u{301}: bad", "   ^^^"),
            ("\u{1b}[2Jbad", "\\u{1b}[2Jbad", "         ^^^"),
            ("bad  ", "bad", "^^^"),
        ] {
            let report = Report { finding: &finding(text, "bad"), colour: false }.to_string();
            let expected =
                format!("error: wrong\n --> x.yml:7:{}\n  |\n7 | {shown}\n  | {marks}\n", {
                    finding(text, "bad").column
                });
            assert_eq!(report, expected, "{text:?}");
        }
        let wide = finding("日本語 x", "日本語");
        assert!(Report { finding: &wide, colour: false }.to_string().ends_with("| ^^^^^^\n"));
    }

    #[test]
    fn of_a_long_line_the_part_with_the_word_is_shown() {
        for (before, after) in [(0, 500), (500, 0), (300, 300), (39, 500), (10, 100_000)] {
            let text = format!("{}bad{}", "x".repeat(before), "y".repeat(after));
            let Excerpt { text, before, marked } = excerpt(&text, before as u64 + 1, 3);
            let shown: String = text.chars().skip(before).take(marked).collect();
            assert_eq!(shown, "bad");
            assert!(text.chars().count() <= WINDOW + 2, "{text}");
        }
        // What is marked may be long itself, or past the end of its line.
        assert_eq!(excerpt(&"z".repeat(500), 1, 500).marked, WINDOW - BEFORE);
        let past = Excerpt { text: "ab".to_owned(), before: 2, marked: 1 };
        assert_eq!(excerpt("ab", 9, 1), past);
    }

    #[test]
    fn colour_changes_no_character_that_is_shown() {
        let finding = finding("a: bad", "bad");
        let [plain, coloured] =
            [false, true].map(|colour| Report { finding: &finding, colour }.to_string());
        let mut stripped = coloured.clone();
        for code in ["1;31", "1;34", "1", "0"] {
            stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(stripped, plain);
        assert_ne!(coloured, plain);
    }

    #[test]
    fn numbers_agree_with_their_verbs() {
        assert_eq!(summary(1, 5, false), "error: 1 template is wrong, 5 are right");
        assert_eq!(summary(2, 1, false), "error: 2 templates are wrong, 1 is right");
    }
}
