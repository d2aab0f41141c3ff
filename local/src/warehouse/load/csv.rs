//! CSV by RFC 4180: quoted fields may hold the delimiter, line breaks and doubled quotes.

use std::io::{BufRead, BufReader};

use common::port::PortError;
use common::warehouse::{Column, Value};

use super::{Bad, Record, Records, required, text_value};

/// How the file is written.
pub(super) struct Options {
    pub(super) header: bool,
    pub(super) delimiter: u8,
    pub(super) null_marker: Option<String>,
}

struct Field {
    text: String,
    quoted: bool,
}

/// A CSV file.
pub(super) struct Csv<R> {
    input: R,
    options: Options,
    columns: Vec<Column>,
    /// Where each column stands in a record.
    places: Vec<usize>,
    /// How many fields a record has.
    width: usize,
    line: u64,
}

impl<R: std::io::Read + Send> Csv<BufReader<R>> {
    /// Reads the header, if the file has one.
    pub(super) fn open(
        input: BufReader<R>,
        options: Options,
        columns: Vec<Column>,
        name: &str,
    ) -> Result<Self, PortError> {
        let places = (0..columns.len()).collect();
        let width = columns.len();
        let mut csv = Self { input, options, columns, places, width, line: 0 };
        if csv.options.header {
            let (_, header) = csv.record()?.ok_or_else(|| {
                PortError::InvalidQuery(format!("{name} is empty: a header line is expected"))
            })?;
            let header =
                header.map_err(|reason| PortError::InvalidQuery(format!("{name}: {reason}")))?;
            csv.width = header.len();
            csv.places = csv
                .columns
                .iter()
                .map(|column| place(&header, &column.name, name))
                .collect::<Result<_, _>>()?;
        }
        Ok(csv)
    }
}

fn place(header: &[Field], column: &str, name: &str) -> Result<usize, PortError> {
    let mut found = header.iter().enumerate().filter(|(_, f)| f.text.eq_ignore_ascii_case(column));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => {
            Err(PortError::InvalidQuery(format!("{name}: the header has no column {column}")))
        }
        (Some(_), Some(_)) => Err(PortError::InvalidQuery(format!(
            "{name}: the header has the column {column} twice"
        ))),
    }
}

impl<R: BufRead> Csv<R> {
    /// One record with the line it begins on; the inner error is a record that is no CSV.
    #[expect(clippy::type_complexity, reason = "a line and its fields or what is wrong with it")]
    fn record(&mut self) -> Result<Option<(u64, Result<Vec<Field>, String>)>, PortError> {
        let unreadable = |e| PortError::other("reading a CSV file", e);
        let mut raw = Vec::new();
        let begin = self.line + 1;
        let mut inside = false;
        loop {
            let before = raw.len();
            let read = self.input.read_until(b'\n', &mut raw).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            self.line += 1;
            // A quote opens, closes or, doubled, does both.
            for byte in &raw[before..] {
                inside ^= *byte == b'"';
            }
            if !inside {
                break;
            }
        }
        if raw.is_empty() {
            return Ok(None);
        }
        if inside {
            return Ok(Some((begin, Err("a quoted field does not end".to_owned()))));
        }
        while raw.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            raw.pop();
        }
        let Ok(mut text) = String::from_utf8(raw) else {
            return Ok(Some((begin, Err("the text is not UTF-8".to_owned()))));
        };
        if begin == 1 && text.starts_with('\u{feff}') {
            text.remove(0);
        }
        Ok(Some((begin, split(&text, char::from(self.options.delimiter)))))
    }

    fn value(&self, field: &Field, column: &Column) -> Result<Value, String> {
        let marked = self.options.null_marker.as_ref().is_some_and(|m| *m == field.text);
        let null = !field.quoted && (field.text.is_empty() || marked);
        let value = if null { Value::Null } else { text_value(&field.text, column)? };
        required(value, column)
    }
}

impl<R: BufRead + Send> Records for Csv<R> {
    fn next(&mut self) -> Result<Option<Record>, PortError> {
        loop {
            let Some((line, fields)) = self.record()? else { return Ok(None) };
            let bad = |reason: String| Ok(Some(Err(Bad { line, reason })));
            let fields = match fields {
                Ok(fields) => fields,
                Err(reason) => return bad(reason),
            };
            // An empty line is no record, unless one empty field is all there is.
            if self.width != 1
                && fields.len() == 1
                && fields[0].text.is_empty()
                && !fields[0].quoted
            {
                continue;
            }
            if fields.len() != self.width {
                return bad(format!("{} fields instead of {}", fields.len(), self.width));
            }
            let values: Result<Vec<_>, _> = self
                .columns
                .iter()
                .zip(&self.places)
                .map(|(column, at)| self.value(&fields[*at], column))
                .collect();
            return match values {
                Ok(values) => Ok(Some(Ok(values))),
                Err(reason) => bad(reason),
            };
        }
    }
}

fn split(text: &str, delimiter: char) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = rest.find(delimiter).unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return Err("a quote inside an unquoted field".to_owned());
            }
            (Field { text: rest[..end].to_owned(), quoted: false }, &rest[end..])
        };
        fields.push(field);
        if after.is_empty() {
            return Ok(fields);
        }
        rest = after
            .strip_prefix(delimiter)
            .ok_or_else(|| "text after a quoted field's end".to_owned())?;
    }
}

fn unquote(quoted: &str) -> Result<(Field, &str), String> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"').ok_or("a quoted field does not end")?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                text.push('"');
                rest = after;
            }
            None => return Ok((Field { text, quoted: true }, rest)),
        }
    }
}
