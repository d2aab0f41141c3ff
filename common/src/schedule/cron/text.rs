//! Which texts are cron expressions, and what is wrong with those that are not.
//!
//! `croner` reads more than crontab(5) knows (`L`, `W`, `#`, `?`, `+`, seconds, years, empty items in a list,
//! names anywhere in a word) and its errors do not say which field they are about. So what reaches it are five
//! fields of plain numbers that it can read in one way only.

/// The longest text: 60 minutes written out are longer, and better a range.
const LONGEST: usize = 100;

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    /// The text is too long.
    #[error(
        "cron has {bytes} bytes, but may have {LONGEST} at most: write ranges and steps for long lists"
    )]
    Long {
        /// Its length.
        bytes: usize,
    },
    /// It has more or fewer than five fields.
    #[error(
        "cron is {text:?}, but must have five fields, minute hour day-of-month month day-of-week, not {found}: \
         {advice}"
    )]
    Fields {
        /// The text.
        text: String,
        /// How many fields it has.
        found: usize,
        /// What to do.
        advice: &'static str,
    },
    /// It begins with `@` and is no nickname.
    #[error(
        "cron is {text:?}, but the nicknames are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and \
         @annually: write one of them, or five fields"
    )]
    Nickname {
        /// The text.
        text: String,
    },
    /// A field breaks a rule.
    #[error("{field} has {value:?}, but {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// The part of it that is wrong.
        value: String,
        /// What has to be there.
        rule: String,
    },
    /// No day is ever as the fields say.
    #[error("cron is {text:?}, but never fires: no month that it names has such a day")]
    Never {
        /// The text.
        text: String,
    },
    /// The parser below refuses it.
    #[error("cron is {text:?}, but cannot be read: {rule}")]
    Unread {
        /// The text.
        text: String,
        /// Its reason.
        rule: String,
    },
}

/// What a field may hold.
struct Field {
    name: &'static str,
    lowest: u32,
    highest: u32,
    /// Names of the numbers from `lowest` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", lowest: 0, highest: 59, names: &[] },
    Field { name: "hour", lowest: 0, highest: 23, names: &[] },
    Field { name: "day-of-month", lowest: 1, highest: 31, names: &[] },
    Field { name: "month", lowest: 1, highest: 12, names: &MONTHS },
    Field { name: "day-of-week", lowest: 0, highest: SUNDAY_AGAIN, names: &WEEKDAYS },
];

/// Sunday's other number, which lets a range end on it.
const SUNDAY_AGAIN: u32 = 7;

/// The five fields of an expression, names and nicknames resolved to numbers.
pub(super) fn fields(text: &str) -> Result<[String; 5], InvalidCron> {
    if text.len() > LONGEST {
        return Err(InvalidCron::Long { bytes: text.len() });
    }
    let trimmed = text.trim_matches(BLANKS);
    let plain = if trimmed.starts_with('@') {
        let known = NICKNAMES.iter().find(|(name, _)| trimmed.eq_ignore_ascii_case(name));
        known.ok_or_else(|| InvalidCron::Nickname { text: text.to_owned() })?.1
    } else {
        trimmed
    };
    let words: Vec<&str> = plain.split(BLANKS).filter(|word| !word.is_empty()).collect();
    if words.len() != FIELDS.len() {
        let advice = match words.len() {
            6 | 7 => "seconds and years cannot be given, leave them out",
            _ => "write `*` for a field that does not matter",
        };
        return Err(InvalidCron::Fields { text: text.to_owned(), found: words.len(), advice });
    }
    let mut fields = <[String; 5]>::default();
    for ((plain, field), word) in fields.iter_mut().zip(&FIELDS).zip(words) {
        *plain = field.plain(word)?;
    }
    Ok(fields)
}

const BLANKS: [char; 2] = [' ', '\t'];

impl Field {
    /// The field in numbers.
    fn plain(&self, value: &str) -> Result<String, InvalidCron> {
        if value == "*" {
            return Ok(value.to_owned());
        }
        let items: Result<Vec<String>, InvalidCron> =
            value.split(',').map(|item| self.item(item)).collect();
        Ok(items?.join(","))
    }

    /// One item of the field's list.
    fn item(&self, item: &str) -> Result<String, InvalidCron> {
        let (span, step) = match item.split_once('/') {
            Some((span, step)) => (span, Some(step)),
            None => (item, None),
        };
        let plain = match (span.split_once('-'), step) {
            (Some((from, to)), _) => self.range(item, from, to)?,
            (None, Some(_)) if span == "*" => span.to_owned(),
            (None, Some(step)) => {
                let number = self.number(span)?;
                let rule = format!(
                    "a step needs `*` or a range before it: write {number}-{}/{step}",
                    self.highest
                );
                return Err(self.wrong(item, rule));
            }
            (None, None) if span == "*" => {
                let rule = "`*` stands alone or with a step: leave the rest of the list out";
                return Err(self.wrong(item, rule.to_owned()));
            }
            (None, None) => self.number(span)?.to_string(),
        };
        let Some(step) = step else { return Ok(plain) };
        match digits(step) {
            Some(number) if (1..=self.highest).contains(&number) => Ok(format!("{plain}/{number}")),
            _ => {
                let rule = format!("a step must be a number from 1 to {}", self.highest);
                Err(self.wrong(item, rule))
            }
        }
    }

    fn range(&self, item: &str, from: &str, to: &str) -> Result<String, InvalidCron> {
        let (first, mut last) = (self.number(from)?, self.number(to)?);
        // `FRI-SUN` is the end of a week; `5-0` is left to its writer.
        if self.highest == SUNDAY_AGAIN && to.eq_ignore_ascii_case(WEEKDAYS[0]) && first > 0 {
            last = SUNDAY_AGAIN;
        }
        if first > last {
            let Self { lowest, highest, .. } = self;
            let rule =
                format!("a range must go up: write two, {first}-{highest} and {lowest}-{last}");
            return Err(self.wrong(item, rule));
        }
        Ok(format!("{first}-{last}"))
    }

    fn number(&self, text: &str) -> Result<u32, InvalidCron> {
        let mut named = self.names.iter().zip(self.lowest..);
        let named = named.find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, at)| at);
        let number = named.or_else(|| digits(text));
        if let Some(number) = number.filter(|number| (self.lowest..=self.highest).contains(number))
        {
            return Ok(number);
        }
        let or_name = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!(" or a name from {first} to {last}"),
            _ => String::new(),
        };
        let rule = format!(
            "must be a number from {} to {}{or_name}, alone or with `*` `,` `-` `/`",
            self.lowest, self.highest
        );
        Err(self.wrong(text, rule))
    }

    fn wrong(&self, value: &str, rule: String) -> InvalidCron {
        InvalidCron::Field { field: self.name, value: value.to_owned(), rule }
    }
}

/// A number written in digits alone: `parse` would take a sign as well.
fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
