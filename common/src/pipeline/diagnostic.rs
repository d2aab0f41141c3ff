//! What is wrong with a template, where it stands and what to do about it.

use std::fmt;

use super::similar::nearest;

/// One finding in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// How many characters are marked from there on; 0 where it is about the file as a whole.
    pub length: u64,
    /// The line as it stands in the file; empty where it is about the file as a whole.
    pub text: String,
    /// What is wrong: the construct, its value and the rule.
    pub message: String,
    /// The known name that a wrong one comes near, if there is one.
    pub suggestion: Option<String>,
    /// What to do next; empty where the message says it all.
    pub hint: String,
}

impl Diagnostic {
    /// A finding about a file as a whole.
    pub fn of_file(
        file: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            length: 0,
            text: String::new(),
            message: message.into(),
            suggestion: None,
            hint: hint.into(),
        }
    }

    /// What helps: the name that may have been meant, and what to do next.
    pub fn helps(&self) -> impl Iterator<Item = String> + '_ {
        let meant = self.suggestion.iter().map(|name| format!("did you mean {name}?"));
        meant.chain((!self.hint.is_empty()).then(|| self.hint.clone()))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        self.helps().try_for_each(|help| write!(f, "\n  hint: {help}"))
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

    /// A finding at a place; what stands there is marked.
    pub(super) fn add(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(at, None, message.into(), hint.into());
    }

    /// A finding at the first place of `word` from `from` on, which is marked; at `from` where it is not found.
    pub(super) fn add_word(
        &mut self,
        from: Place,
        word: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let at = self.locate(from, word);
        let length = at.map(|_| word.chars().count() as u64);
        self.push(at.unwrap_or(from), length, message.into(), hint.into());
    }

    /// A finding about the file as a whole.
    pub(super) fn add_file(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Diagnostic::of_file(self.file, message, hint));
    }

    /// Has the last finding name the candidate that `word` comes near, if there is one.
    pub(super) fn suggest<'n>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'n str>,
    ) {
        if let Some(last) = self.found.last_mut() {
            last.suggestion = nearest(word, candidates).map(str::to_owned);
        }
    }

    fn push(&mut self, at: Place, length: Option<u64>, message: String, hint: String) {
        let (line, column) = (at.line.max(1), at.column.max(1));
        let nth = usize::try_from(line - 1).unwrap_or(usize::MAX);
        let text = self.source.lines().nth(nth).unwrap_or_default().to_owned();
        let length = length.filter(|&length| length > 0);
        self.found.push(Diagnostic {
            length: length.unwrap_or_else(|| token_length(&text, column)),
            ..Diagnostic { line, column, text, ..Diagnostic::of_file(self.file, message, hint) }
        });
    }

    /// The first place at or after `from` where `word` stands alone; `from` where it does not.
    pub(super) fn find(&self, from: Place, word: &str) -> Place {
        self.locate(from, word).unwrap_or(from)
    }

    fn locate(&self, from: Place, word: &str) -> Option<Place> {
        let first = usize::try_from(from.line.max(1) - 1).unwrap_or(usize::MAX);
        for (offset, line) in self.source.lines().enumerate().skip(first) {
            let skip =
                if offset == first { usize::try_from(from.column.max(1) - 1) } else { Ok(0) };
            let start: usize =
                line.chars().take(skip.unwrap_or(0)).map(char::len_utf8).sum::<usize>();
            if let Some(at) = find_word(&line[start..], word) {
                let column = line[..start + at].chars().count() as u64 + 1;
                return Some(Place { line: offset as u64 + 1, column });
            }
        }
        None
    }

    /// The findings in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.line, d.column));
        self.found
    }
}

/// How many characters what stands at a column has: a quoted text, a word, or one of any other.
fn token_length(line: &str, column: u64) -> u64 {
    let mut rest = line.chars().skip(usize::try_from(column - 1).unwrap_or(usize::MAX));
    let further = match rest.next() {
        Some(quote @ ('"' | '\'')) => {
            let rest: Vec<char> = rest.collect();
            rest.iter().position(|&c| c == quote).map_or(0, |end| end + 1)
        }
        Some(c) if is_part(c) || c == '@' => {
            rest.take_while(|&c| is_part(c) || matches!(c, '.' | '-')).count()
        }
        Some(_) | None => 0,
    };
    further as u64 + 1
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn find_word(line: &str, word: &str) -> Option<usize> {
    line.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined =
            |a: Option<char>, b: Option<char>| a.is_some_and(is_part) && b.is_some_and(is_part);
        !joined(before, word.chars().next()) && !joined(word.chars().next_back(), after)
    })
}
