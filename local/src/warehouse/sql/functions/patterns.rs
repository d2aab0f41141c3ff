//! RE2's patterns in the words of the crate `regex`.
//!
//! The two differ in what `\d`, `\s`, `\w` and `\b` match, in what may stand inside brackets, in what flags there
//! are, in Unicode's classes and in loops over what may be empty. A pattern is read here piece by piece; what means
//! the same is written anew, anything else is refused.

use super::super::refusal::not_here;

/// A pattern in the other's words, and what a caller must know of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) text: String,
    /// How many groups capture.
    pub(super) groups: usize,
    /// Whether it may match the empty text.
    pub(super) empty: bool,
    /// Whether it asks what stands before or behind.
    pub(super) anchored: bool,
}

/// Reads a pattern; `Err` refuses it.
pub(super) fn translate(pattern: &str) -> Result<Pattern, String> {
    let mut reader = Reader {
        pattern,
        rest: pattern.chars().collect(),
        at: 0,
        text: String::with_capacity(pattern.len() + 16),
        groups: 0,
        anchored: false,
        folded: false,
        depth: 0,
    };
    let empty = reader.alternatives()?;
    if reader.at < reader.rest.len() {
        return Err(reader.refused("an unopened )"));
    }
    Ok(Pattern { text: reader.text, groups: reader.groups, empty, anchored: reader.anchored })
}

/// RE2's own limit.
const MOST_REPEATS: u32 = 1000;
/// Groups inside one another, which are read by recursion.
const DEEPEST: usize = 20;

const DIGIT: &str = "0-9";
const SPACE: &str = "\\t\\n\\x0C\\r ";
const WORD: &str = "0-9A-Za-z_";

struct Reader<'p> {
    pattern: &'p str,
    rest: Vec<char>,
    at: usize,
    text: String,
    groups: usize,
    anchored: bool,
    folded: bool,
    depth: usize,
}

impl Reader<'_> {
    fn refused(&self, what: &str) -> String {
        not_here(format!("{what} in the pattern '{}'", self.pattern))
    }

    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn takes(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// `a|b|c`; whether one of them may be empty.
    fn alternatives(&mut self) -> Result<bool, String> {
        let mut empty = self.sequence()?;
        while self.takes('|') {
            self.text.push('|');
            empty |= self.sequence()?;
        }
        Ok(empty)
    }

    fn sequence(&mut self) -> Result<bool, String> {
        let mut empty = true;
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            empty &= self.repeated()?;
        }
        Ok(empty)
    }

    /// One piece and how often it comes.
    fn repeated(&mut self) -> Result<bool, String> {
        let empty = self.piece()?;
        let (sign, optional) = match self.peek() {
            Some('*') => ("*".to_owned(), true),
            Some('+') => ("+".to_owned(), false),
            Some('?') => ("?".to_owned(), true),
            Some('{') => {
                let (sign, least) = self.counted()?;
                (sign, least == 0)
            }
            _ => return Ok(empty),
        };
        if empty {
            return Err(self.refused("a repetition of what may be empty"));
        }
        self.text.push_str(&sign);
        if !sign.starts_with('{') {
            self.at += 1;
        }
        if self.takes('?') {
            self.text.push('?');
        }
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err(self.refused("a repetition of a repetition"));
        }
        Ok(optional)
    }

    /// `{n}`, `{n,}` or `{n,m}`.
    fn counted(&mut self) -> Result<(String, u32), String> {
        self.at += 1;
        let least = self.number().ok_or_else(|| self.refused("a { that counts nothing"))?;
        let mut sign = format!("{{{least}");
        if self.takes(',') {
            sign.push(',');
            if let Some(most) = self.number() {
                if most < least {
                    return Err(self.refused("a repetition of more to fewer times"));
                }
                sign.push_str(&most.to_string());
            }
        }
        if !self.takes('}') {
            return Err(self.refused("a { that counts nothing"));
        }
        sign.push('}');
        Ok((sign, least))
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.rest[start..self.at].iter().collect();
        digits.parse().ok().filter(|n| *n <= MOST_REPEATS)
    }

    /// A character, class, group or anchor; whether it may be empty.
    fn piece(&mut self) -> Result<bool, String> {
        match self.next() {
            Some('(') => self.group(),
            Some('[') => self.class(),
            Some('\\') => self.escape(),
            Some('.') => Ok(self.written(".")),
            Some(anchor @ ('^' | '$')) => {
                self.anchored = true;
                self.text.push(anchor);
                Ok(true)
            }
            Some('*' | '+' | '?' | '{') | None => Err(self.refused("a repetition of nothing")),
            Some(c) => self.literal(c),
        }
    }

    fn written(&mut self, text: &str) -> bool {
        self.text.push_str(text);
        false
    }

    fn literal(&mut self, c: char) -> Result<bool, String> {
        if self.folded && !c.is_ascii() {
            return Err(self.refused("other than ASCII without case"));
        }
        self.text.push_str(&spelled(c));
        Ok(false)
    }

    fn group(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.refused("so many groups inside one another"));
        }
        self.text.push('(');
        let folded = self.folded;
        if self.takes('?') {
            self.text.push('?');
            let mut closed = false;
            loop {
                match self.next() {
                    Some(flag @ ('i' | 'm' | 's')) => {
                        self.folded |= flag == 'i';
                        self.text.push(flag);
                    }
                    Some(':') => {
                        self.text.push(':');
                        break;
                    }
                    Some(')') if self.text.ends_with(['i', 'm', 's']) => {
                        closed = true;
                        break;
                    }
                    _ => return Err(self.refused("this kind of group")),
                }
            }
            if closed {
                // Flags for the rest of the group around: read as being on from here to the pattern's end.
                self.depth -= 1;
                self.text.push(')');
                return Ok(true);
            }
        } else {
            self.groups += 1;
        }
        let empty = self.alternatives()?;
        if !self.takes(')') {
            return Err(self.refused("an unclosed ("));
        }
        self.text.push(')');
        self.folded = folded;
        self.depth -= 1;
        Ok(empty)
    }

    fn escape(&mut self) -> Result<bool, String> {
        match self.next() {
            Some('d') => Ok(self.written(&format!("[{DIGIT}]"))),
            Some('D') => Ok(self.written(&format!("[^{DIGIT}]"))),
            Some('s') => Ok(self.written(&format!("[{SPACE}]"))),
            Some('S') => Ok(self.written(&format!("[^{SPACE}]"))),
            Some('w' | 'W') if self.folded => Err(self.refused("\\w without case")),
            Some('w') => Ok(self.written(&format!("[{WORD}]"))),
            Some('W') => Ok(self.written(&format!("[^{WORD}]"))),
            Some(anchor @ ('A' | 'z')) => {
                self.anchored = true;
                self.text.push('\\');
                self.text.push(anchor);
                Ok(true)
            }
            Some('b') => {
                self.anchored = true;
                self.text.push_str("(?-u:\\b)");
                Ok(true)
            }
            Some(c) => {
                let c = self.escaped(c)?;
                self.literal(c)
            }
            None => Err(self.refused("a \\ at the end")),
        }
    }

    /// The character of an escape that means one.
    fn escaped(&mut self, c: char) -> Result<char, String> {
        match c {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            c if c.is_ascii_punctuation() && c != '_' => Ok(c),
            c => Err(self.refused(&format!("\\{c}"))),
        }
    }

    /// What stands in brackets, each character spelled so that it means itself.
    fn class(&mut self) -> Result<bool, String> {
        self.text.push('[');
        if self.takes('^') {
            self.text.push('^');
        }
        let mut first = true;
        loop {
            match self.next() {
                None => return Err(self.refused("an unclosed [")),
                Some(']') if !first => break,
                Some('[') if self.peek() == Some(':') => self.named()?,
                Some('\\') => match self.next() {
                    Some('d') => self.text.push_str(DIGIT),
                    Some('s') => self.text.push_str(SPACE),
                    Some('w') if !self.folded => self.text.push_str(WORD),
                    Some(c) => {
                        let c = self.escaped(c)?;
                        self.range(c)?;
                    }
                    None => return Err(self.refused("an unclosed [")),
                },
                Some(c) => self.range(c)?,
            }
            first = false;
        }
        self.text.push(']');
        Ok(false)
    }

    /// `[:alpha:]` and its siblings, which are of ASCII in both.
    fn named(&mut self) -> Result<(), String> {
        let rest: String = self.rest[self.at..].iter().take(12).collect();
        let known = ["alnum", "alpha", "digit", "lower", "upper", "punct", "space", "xdigit"];
        let Some(name) = known.iter().find(|name| rest.starts_with(&format!(":{name}:]"))) else {
            return Err(self.refused("this class of characters"));
        };
        if self.folded {
            return Err(self.refused("a class of characters without case"));
        }
        for piece in ["[:", name, ":]"] {
            self.text.push_str(piece);
        }
        self.at += name.len() + 3;
        Ok(())
    }

    fn range(&mut self, from: char) -> Result<(), String> {
        self.literal(from)?;
        let ranges = self.peek() == Some('-') && self.rest.get(self.at + 1) != Some(&']');
        if !ranges {
            return Ok(());
        }
        self.at += 1;
        let to = match self.next() {
            Some('\\') => match self.next() {
                Some(c) => self.escaped(c)?,
                None => return Err(self.refused("an unclosed [")),
            },
            Some('[') | None => return Err(self.refused("this range of characters")),
            Some(c) => c,
        };
        if to < from {
            return Err(self.refused("a range of characters backwards"));
        }
        self.text.push('-');
        self.literal(to).map(|_| ())
    }
}

/// The character as both understand it, inside brackets and outside.
fn spelled(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:X}}}", u32::from(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_written_anew() {
        for (pattern, text, groups, empty) in [
            (r"^proj-(\d+)$", r"^proj\x{2D}([0-9]+)$", 1, false),
            (r"(?i)a|b*?", r"(?i)a|b*?", 0, true),
            (r"[^\]a-c&&-]{2,3}", r"[^\x{5D}a-c\x{26}\x{26}\x{2D}]{2,3}", 0, false),
            (r"(?:x\.)+\b", r"(?:x\x{2E})+(?-u:\b)", 0, false),
            ("[]a]", r"[\x{5D}a]", 0, false),
            ("[a-z-.9]", r"[a-z\x{2D}\x{2E}9]", 0, false),
        ] {
            let read = translate(pattern).unwrap();
            assert_eq!((read.text.as_str(), read.groups, read.empty), (text, groups, empty));
            assert!(regex::Regex::new(&read.text).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn what_differs_is_refused() {
        let patterns = r"\pL \B \1 \_ (a*)* a** a{1001} a{,2} (?U)a (?x)a (?P<n>a) (?=a) [a (a a) *a \
            (?i)ß (?i)\w [\D] \Qa\E [z-a] \x41 [[:word:]]";
        for pattern in patterns.split_whitespace() {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
