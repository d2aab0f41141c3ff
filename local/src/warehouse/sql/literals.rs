//! Literals, parameters and type names.

use common::port::PortError;
use common::warehouse::{DataType, Value};
use datafusion::sql::sqlparser::ast::{self, TypedString, ValueWithSpan};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::Binder;
use super::functions::cast::parse_text;
use super::functions::json::canonical;
use super::refusal::{invalid, unsupported};
use super::typed::Typed;

impl Binder<'_> {
    /// A literal or a parameter.
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Result<Typed, PortError> {
        use ast::Value as V;
        let span = self.at(value);
        match &value.value {
            V::Number(text, false) => number(text, span),
            V::Boolean(b) => Typed::known(Value::Bool(*b), DataType::Bool, span),
            V::Null => Ok(Typed::null()),
            V::SingleQuotedString(_)
            | V::DoubleQuotedString(_)
            | V::TripleSingleQuotedString(_)
            | V::TripleDoubleQuotedString(_)
            | V::SingleQuotedRawStringLiteral(_)
            | V::DoubleQuotedRawStringLiteral(_) => {
                let text = string(&value.value, span)?;
                Typed::known(Value::String(text), DataType::String, span)
            }
            V::SingleQuotedByteStringLiteral(raw) => bytes(raw, Some('\''), span),
            V::DoubleQuotedByteStringLiteral(raw) => bytes(raw, Some('"'), span),
            V::TripleSingleQuotedByteStringLiteral(raw)
            | V::TripleDoubleQuotedByteStringLiteral(raw) => bytes(raw, None, span),
            V::Placeholder(name) => self.parameter(name, span),
            other => Err(unsupported(format!("the literal {other}"), span)),
        }
    }

    /// `@name`, bound as a typed literal.
    pub(super) fn parameter(&self, placeholder: &str, span: Span) -> Result<Typed, PortError> {
        let Some(name) = placeholder.strip_prefix('@') else {
            return Err(unsupported(format!("the positional parameter {placeholder}"), span));
        };
        // GoogleSQL's parameters have no case.
        let found = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        let Some((_, param)) = found else {
            return Err(invalid(format!("the parameter @{name} has no value"), span));
        };
        Typed::known(param.value.clone(), param.kind.clone(), span)
            .map_err(|e| invalid(format!("the parameter @{name}: {e}"), Span::empty()))
    }

    /// `DATE '…'` and its siblings.
    pub(super) fn typed_string(&mut self, typed: &TypedString) -> Result<Typed, PortError> {
        let TypedString { data_type, value, uses_odbc_syntax } = typed;
        let span = self.at(value);
        if *uses_odbc_syntax {
            return Err(unsupported("the ODBC literal", span));
        }
        let kind = data_type_of(data_type, span)?;
        match kind {
            DataType::Date
            | DataType::Timestamp
            | DataType::Datetime
            | DataType::Time
            | DataType::Numeric => {
                let text = string(&value.value, span)?;
                let value = parse_text(&text, &kind).map_err(|e| invalid(e, span))?;
                Typed::known(value, kind, span)
            }
            DataType::Json => {
                let text = string(&value.value, span)?;
                let text = canonical(&text).map_err(|e| invalid(e, span))?;
                Typed::known(Value::Json(text), kind, span)
            }
            other => Err(unsupported(format!("the {other} literal"), span)),
        }
    }
}

fn number(text: &str, span: Span) -> Result<Typed, PortError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let value =
            text.parse().map_err(|_| invalid(format!("{text} is out of range for INT64"), span))?;
        return Typed::known(Value::Int64(value), DataType::Int64, span);
    }
    let value: f64 = text.parse().map_err(|_| unsupported(format!("the number {text}"), span))?;
    if !value.is_finite() {
        return Err(invalid(format!("{text} is out of range for FLOAT64"), span));
    }
    Typed::known(Value::Float64(value), DataType::Float64, span)
}

/// A string literal's text.
pub(super) fn string(value: &ast::Value, span: Span) -> Result<String, PortError> {
    use ast::Value as V;
    match value {
        V::SingleQuotedString(raw) => unescape(raw, Some('\''), span),
        V::DoubleQuotedString(raw) => unescape(raw, Some('"'), span),
        V::TripleSingleQuotedString(raw) | V::TripleDoubleQuotedString(raw) => {
            unescape(raw, None, span)
        }
        V::SingleQuotedRawStringLiteral(raw) | V::DoubleQuotedRawStringLiteral(raw) => {
            Ok(raw.clone())
        }
        other => Err(invalid(format!("a string literal is expected, not {other}"), span)),
    }
}

/// A literal of BYTES: text is its UTF-8, and an escape of two hexadecimal digits is a byte.
fn bytes(raw: &str, quote: Option<char>, span: Span) -> Result<Typed, PortError> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        bytes.extend(unescape(&rest[..at], quote, span)?.into_bytes());
        let escape: String = rest[at..].chars().take(2).collect();
        let after = &rest[at + escape.len()..];
        rest = after;
        if matches!(escape.as_str(), "\\x" | "\\X") {
            let digits = after.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let wrong = || invalid(format!("{escape} takes two hexadecimal digits"), span);
            bytes.push(byte.ok_or_else(wrong)?);
            rest = &after[2..];
        } else if matches!(escape.as_str(), "\\u" | "\\U") {
            return Err(invalid(format!("the escape {escape} in a literal of BYTES"), span));
        } else {
            bytes.extend(unescape(&escape, quote, span)?.into_bytes());
        }
    }
    bytes.extend(unescape(rest, quote, span)?.into_bytes());
    Typed::known(Value::Bytes(bytes), DataType::Bytes, span)
}

/// Reads GoogleSQL's backslash escapes.
fn unescape(raw: &str, quote: Option<char>, span: Span) -> Result<String, PortError> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if quote.is_some() && (c == '\n' || c == '\r') {
            return Err(invalid("a line break inside a literal of one line is written \\n", span));
        }
        if Some(c) == quote {
            return Err(invalid(format!("a {c} inside a literal is written \\{c}"), span));
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        let escape = rest.next().unwrap_or(' ');
        let mut code = |digits: usize, radix: u32| -> Option<char> {
            let number: String = rest.by_ref().take(digits).collect();
            if number.len() != digits || !number.chars().all(|c| c.is_digit(radix)) {
                return None;
            }
            char::from_u32(u32::from_str_radix(&number, radix).ok()?)
        };
        let read = match escape {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '?' | '"' | '\'' | '`' => Some(escape),
            'x' | 'X' => code(2, 16),
            'u' => code(4, 16),
            'U' => code(8, 16),
            _ => None,
        };
        let Some(read) = read else {
            return Err(unsupported(format!("the escape \\{escape} of a string literal"), span));
        };
        text.push(read);
    }
    Ok(text)
}

/// A type's name.
pub(super) fn data_type_of(kind: &ast::DataType, span: Span) -> Result<DataType, PortError> {
    use ast::DataType as T;
    use ast::{ExactNumberInfo, TimezoneInfo};
    Ok(match kind {
        T::Int64
        | T::Int(None)
        | T::Integer(None)
        | T::BigInt(None)
        | T::SmallInt(None)
        | T::TinyInt(None) => DataType::Int64,
        T::Float64 => DataType::Float64,
        T::Numeric(ExactNumberInfo::None) | T::Decimal(ExactNumberInfo::None) => DataType::Numeric,
        T::Bool | T::Boolean => DataType::Bool,
        T::String(None) => DataType::String,
        T::Bytes(None) => DataType::Bytes,
        T::Date => DataType::Date,
        T::Datetime(None) => DataType::Datetime,
        T::Time(None, TimezoneInfo::None) => DataType::Time,
        T::Timestamp(None, TimezoneInfo::None) => DataType::Timestamp,
        T::JSON => DataType::Json,
        T::Array(ast::ArrayElemTypeDef::AngleBracket(element)) => {
            match data_type_of(element, span)? {
                DataType::Array(_) => {
                    return Err(invalid("an array of arrays does not exist", span));
                }
                element => DataType::Array(Box::new(element)),
            }
        }
        T::Struct(fields, ast::StructBracketKind::AngleBrackets) => {
            let named = fields.iter().map(|field| {
                let name = field.field_name.as_ref().map(|n| n.value.clone());
                Ok((name.unwrap_or_default(), data_type_of(&field.field_type, span)?))
            });
            DataType::Struct(named.collect::<Result<_, PortError>>()?)
        }
        other => return Err(unsupported(format!("the type {other}"), span)),
    })
}
