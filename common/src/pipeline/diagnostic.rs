//! What is wrong with a template, where it stands and what to do about it.

use std::fmt;

/// One finding in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// What is wrong: the construct, its value and the rule.
    pub message: String,
    /// What to do next; empty where the message says it all.
    pub hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// Gathers the findings of one file.
pub(super) struct Findings<'a> {
    file: &'a str,
    source: &'a str,
    found: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(file: &'a str, source: &'a str) -> Self {
        Self { file, source, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Diagnostic {
            file: self.file.to_owned(),
            line: at.line.max(1),
            column: at.column.max(1),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// The first place at or after `from` where `word` stands alone; `from` where it does not.
    pub(super) fn find(&self, from: Place, word: &str) -> Place {
        let first = usize::try_from(from.line.max(1) - 1).unwrap_or(usize::MAX);
        for (offset, line) in self.source.lines().enumerate().skip(first) {
            let skip =
                if offset == first { usize::try_from(from.column.max(1) - 1) } else { Ok(0) };
            let start: usize =
                line.chars().take(skip.unwrap_or(0)).map(char::len_utf8).sum::<usize>();
            if let Some(at) = find_word(&line[start..], word) {
                let column = line[..start + at].chars().count() as u64 + 1;
                return Place { line: offset as u64 + 1, column };
            }
        }
        from
    }

    /// The findings in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.line, d.column));
        self.found
    }
}

fn find_word(line: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined =
            |a: Option<char>, b: Option<char>| a.is_some_and(is_part) && b.is_some_and(is_part);
        !joined(before, word.chars().next()) && !joined(word.chars().next_back(), after)
    })
}
