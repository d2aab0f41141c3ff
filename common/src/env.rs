//! Settings from environment variables: typed, and all that is wrong with them told at once.
//!
//! `main` takes an [`Env`] and hands it down, so that tests give a map. A program reads its settings through one
//! [`Vars`], which notes what is missing or wrong and answers `None` for it; [`Vars::finish`] tells all of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};

use crate::keys::Secret;

/// Environment variables. One that is empty counts as not set.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Those of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn system() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Those given.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The project as it is set, for the log, which begins before the settings are judged.
    pub(crate) fn project(&self) -> Option<String> {
        self.get("GOOGLE_CLOUD_PROJECT")?.to_str().map(str::to_owned)
    }

    fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(OsString::from(name).as_os_str()).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env(hidden)")
    }
}

/// A variable that a program cannot begin with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is needed and not there.
    #[error("{name} is not set; set it to {wanted}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it is to be.
        wanted: &'static str,
    },
    /// It is there, and cannot be used.
    #[error("{name} is '{value}' and {rule}; set it to {wanted}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it is.
        value: String,
        /// The rule that it breaks.
        rule: String,
        /// What it is to be.
        wanted: &'static str,
    },
    /// It is there, cannot be used, and is nobody's to read.
    #[error("{name}, whose value is not shown, {rule}; set it to {wanted}")]
    InvalidSecret {
        /// The variable.
        name: &'static str,
        /// The rule that it breaks.
        rule: String,
        /// What it is to be.
        wanted: &'static str,
    },
}

/// All that is wrong with the settings of a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Invalid(pub Vec<Wrong>);

fn lines(wrong: &[Wrong]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A program's reading of its variables.
pub struct Vars<'e> {
    env: &'e Env,
    asked: Vec<&'static str>,
    wrong: Vec<Wrong>,
}

impl<'e> Vars<'e> {
    /// Begins to read.
    pub fn of(env: &'e Env) -> Self {
        Self { env, asked: Vec::new(), wrong: Vec::new() }
    }

    /// A variable that must be there; `wanted` says what it is to be, as in "the id of the project".
    pub fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.optional(name, wanted, parse) {
            Some(None) => {
                self.wrong.push(Wrong::Missing { name, wanted });
                None
            }
            Some(read) => read,
            None => None,
        }
    }

    /// A variable that may be left out: `Some(None)` where it is.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        self.asked.push(name);
        let Some(value) = self.env.get(name) else { return Some(None) };
        let parsed = value
            .to_str()
            .ok_or_else(|| "is not UTF-8".to_owned())
            .and_then(|text| parse(text).map_err(|rule| rule.to_string()));
        match parsed {
            Ok(parsed) => Some(Some(parsed)),
            Err(rule) => {
                let value = value.to_string_lossy().into_owned();
                self.wrong.push(Wrong::Invalid { name, value, rule, wanted });
                None
            }
        }
    }

    /// A variable with a value of its own where it is left out.
    pub fn or<T, E: Display>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.optional(name, wanted, parse).map(|read| read.unwrap_or(default))
    }

    /// Items between commas, blanks around them left out; none where the variable is left out.
    pub fn list<T, E: Display>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let read =
            self.optional(name, wanted, |text| items(text).map(parse).collect::<Result<_, _>>());
        read.map(Option::unwrap_or_default)
    }

    /// The same, with one item at least.
    pub fn some<T, E: Display>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = self.list(name, wanted, parse)?;
        if items.is_empty() {
            self.wrong.push(Wrong::Missing { name, wanted });
            return None;
        }
        Some(items)
    }

    /// A secret of at least so many characters, which no message quotes.
    pub fn secret(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        shortest: usize,
    ) -> Option<Secret> {
        self.asked.push(name);
        let Some(value) = self.env.get(name) else {
            self.wrong.push(Wrong::Missing { name, wanted });
            return None;
        };
        let rule = match value.to_str() {
            None => "is not UTF-8".to_owned(),
            Some(text) if text.trim() != text => "begins or ends with a blank".to_owned(),
            Some(text) if text.chars().count() < shortest => {
                format!("has less than {shortest} characters")
            }
            Some(text) => return Some(Secret::new(text)),
        };
        self.wrong.push(Wrong::InvalidSecret { name, rule, wanted });
        None
    }

    /// Notes what is wrong between variables that are each well.
    pub fn refuse(&mut self, wrong: Wrong) {
        self.wrong.push(wrong);
    }

    /// The variables that were asked for.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// The settings, where nothing was wrong.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, Invalid> {
        match settings {
            Some(settings) if self.wrong.is_empty() => Ok(settings),
            _ => Err(Invalid(self.wrong)),
        }
    }
}

/// What stands between the commas of a value.
pub fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests;
