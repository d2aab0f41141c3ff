//! A JSON document: read strictly, walked by a path, and written as BigQuery writes it.

use std::fmt::Write;

use super::super::super::refusal::not_here;
use super::path::Step;

/// A JSON value; numbers keep their text, objects the order of their members.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Record(Vec<(String, Node)>),
}

/// Which of BigQuery's two kinds of JSON a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A STRING of JSON, whose text is kept.
    Text,
    /// A JSON value, of which the members have one order and the numbers one value.
    Value,
    /// A JSON value that becomes a STRING, where also its numbers have one spelling.
    Spelled,
}

/// The deepest nesting that is read, so that no document exhausts the stack.
const DEEPEST: usize = 200;

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.spaces();
    if reader.at < text.len() { Err(reader.wrong()) } else { Ok(node) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> String {
        format!("the text is not JSON from byte {} on", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.text[self.at..].starts_with(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err(not_here(format!("JSON of more than {DEEPEST} levels")));
        }
        self.spaces();
        match self.peek() {
            Some(b'{') => self.record(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Node::Null),
            _ if self.take("true") => Ok(Node::Bool(true)),
            _ if self.take("false") => Ok(Node::Bool(false)),
            _ => Err(self.wrong()),
        }
    }

    fn record(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut members = Vec::new();
        self.spaces();
        if self.take("}") {
            return Ok(Node::Record(members));
        }
        loop {
            self.spaces();
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            let name = self.string()?;
            self.spaces();
            if !self.take(":") {
                return Err(self.wrong());
            }
            members.push((name, self.value(depth + 1)?));
            self.spaces();
            if self.take("}") {
                return Ok(Node::Record(members));
            }
            if !self.take(",") {
                return Err(self.wrong());
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.spaces();
        if self.take("]") {
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.spaces();
            if self.take("]") {
                return Ok(Node::List(items));
            }
            if !self.take(",") {
                return Err(self.wrong());
            }
        }
    }

    /// A string; its escapes are a JSON library's business.
    fn string(&mut self) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.wrong()),
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at);
        let read = quoted.and_then(|quoted| serde_json::from_str(quoted).ok());
        read.ok_or_else(|| format!("the text is not JSON from byte {start} on"))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Node, String> {
        let start = self.at;
        self.take("-");
        let leading = self.peek();
        let whole = self.digits();
        let mut right = whole == 1 || (whole > 1 && leading != Some(b'0'));
        if self.take(".") {
            right &= self.digits() > 0;
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            right &= self.digits() > 0;
        }
        if right {
            Ok(Node::Number(self.text[start..self.at].to_owned()))
        } else {
            Err(self.wrong())
        }
    }
}

impl Node {
    /// The value at a path, if there is one.
    pub(super) fn find(&self, path: &[Step], kind: Kind) -> Result<Option<&Self>, String> {
        let mut node = self;
        for step in path {
            let found = match (node, step) {
                (Self::Record(_), Step::Key(name)) => node.member(name, kind)?,
                (Self::List(items), Step::Index(at)) => items.get(*at),
                (Self::Record(_), Step::Index(at)) => {
                    if node.member(&at.to_string(), kind)?.is_some() {
                        return Err(not_here(format!("the index {at} on a JSON object")));
                    }
                    None
                }
                _ => None,
            };
            let Some(found) = found else { return Ok(None) };
            node = found;
        }
        Ok(Some(node))
    }

    /// An object's member of this name. A JSON value has the first of several; in a STRING it may depend on
    /// what the path finds in them.
    pub(super) fn member(&self, name: &str, kind: Kind) -> Result<Option<&Self>, String> {
        let Self::Record(members) = self else { return Ok(None) };
        let mut found = members.iter().filter(|(key, _)| key == name);
        let first = found.next();
        if kind == Kind::Text && found.next().is_some() {
            return Err(not_here(format!("a JSON object with two members {name}")));
        }
        Ok(first.map(|(_, value)| value))
    }

    /// A scalar's text without quotes; `None` for null, arrays and objects.
    pub(super) fn scalar(&self, kind: Kind) -> Result<Option<String>, String> {
        match self {
            Self::Bool(value) => Ok(Some(value.to_string())),
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Number(text) if kind == Kind::Text => Ok(Some(text.clone())),
            Self::Number(text) => number(text, Kind::Spelled).map(Some),
            Self::Null | Self::List(_) | Self::Record(_) => Ok(None),
        }
    }

    /// The value as JSON without spaces.
    pub(super) fn written(&self, kind: Kind) -> Result<String, String> {
        let mut out = String::new();
        self.write(kind, &mut out)?;
        Ok(out)
    }

    fn write(&self, kind: Kind, out: &mut String) -> Result<(), String> {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(&number(text, kind)?),
            Self::Text(text) => write_text(text, kind, out)?,
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(kind, out)?;
                }
                out.push(']');
            }
            Self::Record(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if kind != Kind::Text {
                    // Of several members of one name the first is kept.
                    members.sort_by(|(a, _), (b, _)| a.cmp(b));
                    members.dedup_by(|(later, _), (earlier, _)| later == earlier);
                }
                out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(name, kind, out)?;
                    out.push(':');
                    value.write(kind, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

/// Text within JSON; where the two kinds of JSON or their versions differ in what they escape, it is refused.
fn write_text(text: &str, kind: Kind, out: &mut String) -> Result<(), String> {
    let special = |c: char| c < ' ' || matches!(c, '"' | '\\');
    if text.contains(['\u{2028}', '\u{2029}']) || (kind == Kind::Text && text.contains(special)) {
        return Err(not_here("JSON text with characters that are written with a backslash"));
    }
    out.push_str(&quoted(text));
    Ok(())
}

/// Text in quotes, as `TO_JSON_STRING` escapes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A number. One of a JSON value is a double unless it is whole: where those digits are not all a double's, or
/// where doubles are spelled in several ways, it is refused.
fn number(text: &str, kind: Kind) -> Result<String, String> {
    let whole = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    if kind == Kind::Text || (whole && text != "-0") {
        return Ok(text.to_owned());
    }
    let unsure = || not_here(format!("the JSON number {text}"));
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    let value: f64 = text.parse().map_err(|_| unsure())?;
    if significant > 15 || !value.is_finite() || (value == 0.0 && significant > 0) {
        return Err(unsure());
    }
    // Whether a double without a fraction shows one is told in two ways.
    let plain = value.fract() != 0.0 && (1e-4..1e15).contains(&value.abs());
    match kind {
        _ if plain => Ok(format!("{value:?}")),
        Kind::Spelled => Err(unsure()),
        Kind::Value | Kind::Text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_strictly() {
        for text in
            ["{}", " [1 , -2.5e3,\t\"a\\u00e9\\n\"] ", "{\"a\":{\"b\":[null,true,false]}}", "0"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["", "{", "[1,]", "01", "1.", "'a'", "{a:1}", "\"\\x\"", "\"a", "1 2", "-", "é"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_value_has_one_spelling() {
        let written = |text: &str, kind| parse(text).and_then(|node| node.written(kind));
        assert_eq!(
            written("{\"b\": [1.50, 25e-1], \"a\": \"\\n\", \"a\": 2}", Kind::Spelled).as_deref(),
            Ok("{\"a\":\"\\n\",\"b\":[1.5,2.5]}")
        );
        assert_eq!(
            written("{\"b\": 1.50, \"a\": 1}", Kind::Text).as_deref(),
            Ok("{\"b\":1.50,\"a\":1}")
        );
        for unsure in ["1e300", "0.1234567890123456789", "1.0", "0.0", "-0"] {
            assert!(written(unsure, Kind::Spelled).is_err(), "{unsure}");
        }
        assert_eq!(written("[1.0, 1e300]", Kind::Value).as_deref(), Ok("[1.0,1e300]"));
        assert!(written("0.1234567890123456789", Kind::Value).is_err());
        assert!(written("\"\\n\"", Kind::Text).is_err());
    }
}
