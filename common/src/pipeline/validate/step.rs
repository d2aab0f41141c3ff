//! The rules of one step: its statement, target, mode, file and limits.

use std::time::Duration;

use super::super::diagnostic::Place;
use super::super::scan::scan;
use super::super::spec::{
    CheckStep, CommonSpec, CsvSpec, ExportStep, FormatSpec, LoadStep, NotifyStep, SqlStep, StepSpec,
};
use super::super::{
    Action, CheckAction, ExportAction, LoadAction, NotifyAction, Retries, SqlAction, Statement,
    Step, Uri,
};
use super::Draft;
use crate::warehouse::{DataType, Format};

/// The most records a load may leave out: each is kept with its reason.
const MAX_BAD_RECORDS: u64 = 10_000;
/// The longest text of a notification, in characters.
const MAX_MESSAGE: usize = 1_000;

/// Puts a step together from its parts, all of them valid.
pub(super) fn assemble(spec: &StepSpec, action: Action, depends_on: Vec<usize>) -> Step {
    let CommonSpec { id, on, timeout_seconds, retries, .. } = spec.common();
    Step {
        id: id.to_owned(),
        depends_on,
        on: on.into(),
        timeout: Duration::from_secs(timeout_seconds),
        retries: Retries {
            max_attempts: retries.max_attempts,
            backoff: Duration::from_secs(retries.backoff_seconds),
            max_backoff: Duration::from_secs(retries.max_backoff_seconds),
        },
        action,
    }
}

/// Whether a text is a column's or table's name: letters, digits and `_`, not starting with a digit.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 300
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Draft<'_> {
    /// The step's action; `None` where a finding says why there is none.
    pub(super) fn action(&mut self, spec: &StepSpec, at: Place) -> Option<Action> {
        let CommonSpec { timeout_seconds: timeout, retries, .. } = spec.common();
        if !(1..=86_400).contains(&timeout) {
            let message = format!("timeout_seconds is {timeout}, which is not 1 to 86400");
            self.at(at, "timeout_seconds", message, "leave it out for 600");
        }
        let sound = (1..=10).contains(&retries.max_attempts)
            && retries.backoff_seconds <= retries.max_backoff_seconds
            && retries.max_backoff_seconds <= 600;
        if !sound {
            self.at(
                at,
                "retries",
                "retries take max_attempts of 1 to 10 and backoff_seconds <= max_backoff_seconds <= 600",
                "leave retries out for 3 attempts from 2 s on",
            );
        }
        match spec {
            StepSpec::Sql(step) => self.sql(step, at).map(Action::Sql),
            StepSpec::Load(step) => self.load(step, at).map(Action::Load),
            StepSpec::Check(step) => self.check_step(step, at).map(Action::Check),
            StepSpec::Export(step) => self.export(step, at).map(Action::Export),
            StepSpec::Notify(step) => self.notify(step, at).map(Action::Notify),
        }
    }

    fn check_step(&mut self, step: &CheckStep, at: Place) -> Option<CheckAction> {
        let max_bytes = self.bytes(step.max_bytes, at);
        let checks = self.checks(step, at);
        Some(CheckAction { max_bytes: max_bytes?, checks: checks? })
    }

    /// A step's own limit of bytes; `None` where it is refused.
    #[expect(clippy::option_option, reason = "absent and refused are two things here")]
    fn bytes(&mut self, limit: Option<u64>, at: Place) -> Option<Option<u64>> {
        if limit == Some(0) {
            self.at(at, "max_bytes", "max_bytes is 0", "leave it out for the plan's");
            return None;
        }
        Some(limit)
    }

    fn sql(&mut self, step: &SqlStep, at: Place) -> Option<SqlAction> {
        let from =
            Place { line: step.query.referenced.line(), column: step.query.referenced.column() };
        let query = self.query(&step.query.value, from);
        let max_bytes = self.bytes(step.max_bytes, at);
        let target = self.target(&step.target, &step.mode, at);
        Some(SqlAction { query: query?, max_bytes: max_bytes?, target: target? })
    }

    /// One SELECT whose parameters are declared.
    pub(super) fn query(&mut self, sql: &str, from: Place) -> Option<Statement> {
        let found = scan(sql);
        if found.balanced && !matches!(found.first_word.as_str(), "SELECT" | "WITH") {
            let message =
                format!("a query is one SELECT, and this one starts with '{}'", found.first_word);
            let hint = "a step's target and mode write its rows; the query only selects them";
            self.findings.add(from, message, hint);
            return None;
        }
        self.statement(sql, from)
    }

    /// GoogleSQL, whole or an expression, whose parameters are declared; a comment is allowed.
    pub(super) fn statement(&mut self, sql: &str, from: Place) -> Option<Statement> {
        let found = scan(sql);
        if !found.balanced {
            let message = "a bracket, string or comment is not closed, or closes nothing";
            self.findings.add(from, message, "close each one in this text itself");
            return None;
        }
        if found.placeholder {
            let word = if sql.contains("{{") { "{{" } else { "${" };
            let hint = "values are bound as @name, and a table without a dataset is the tenant's";
            self.at(
                from,
                word,
                format!("'{word}' is a placeholder, which templates do not have"),
                hint,
            );
            return None;
        }
        if let Some(sign) = found.foreign {
            let hint = match sign {
                ";" => "write one statement without a semicolon",
                "?" => "name parameters: @name",
                _ => "system variables are not available; use a parameter",
            };
            self.at(from, sign, format!("'{sign}' has no place in a template's SQL"), hint);
            return None;
        }
        let mut sound = true;
        for name in &found.params {
            if self.parameters.contains_key(name) {
                self.used.insert(name.clone());
                continue;
            }
            sound = false;
            if self.refused.contains(name) {
                continue;
            }
            let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let hint = match (name.as_str(), names.join(", ")) {
                ("tenant_id", _) => "a table without a dataset is the tenant's already".to_owned(),
                (_, names) if names.is_empty() => "declare it under parameters".to_owned(),
                (_, names) => format!("declare it under parameters; declared are {names}"),
            };
            self.at(from, &format!("@{name}"), format!("@{name} is not declared"), hint);
            let names: Vec<String> =
                self.parameters.keys().map(|name| format!("@{name}")).collect();
            self.findings.suggest(&format!("@{name}"), names.iter().map(String::as_str));
        }
        sound.then(|| Statement { sql: sql.to_owned(), params: found.params.into_iter().collect() })
    }

    fn load(&mut self, step: &LoadStep, at: Place) -> Option<LoadAction> {
        let uri = self.uri(&step.uri, "uri", at);
        let format = self.format(step.format, step.csv.as_ref(), at);
        let max_bytes = self.bytes(step.max_bytes, at);
        if step.max_bad_records > MAX_BAD_RECORDS {
            let message =
                format!("max_bad_records is {}, more than {MAX_BAD_RECORDS}", step.max_bad_records);
            self.at(at, "max_bad_records", message, "mend the file, or load it as STRINGs");
        }
        let columns_sound = self.columns(step, at);
        let target = self.target(&step.target, &step.mode, at);
        columns_sound.then_some(())?;
        Some(LoadAction {
            uri: uri?,
            format: format?,
            columns: step.columns.clone(),
            max_bad_records: step.max_bad_records,
            max_bytes: max_bytes?,
            target: target?,
        })
    }

    fn export(&mut self, step: &ExportStep, at: Place) -> Option<ExportAction> {
        let from =
            Place { line: step.query.referenced.line(), column: step.query.referenced.column() };
        let query = self.query(&step.query.value, from);
        let max_bytes = self.bytes(step.max_bytes, at);
        let uri = self.uri(&step.uri, "uri", at);
        let format = self.format(step.format, step.csv.as_ref(), at);
        Some(ExportAction { query: query?, max_bytes: max_bytes?, uri: uri?, format: format? })
    }

    fn notify(&mut self, step: &NotifyStep, at: Place) -> Option<NotifyAction> {
        let url = self.uri(&step.url, "url", at);
        if let Some(Uri::Literal(_)) = &url
            && !step.url.starts_with("https://")
        {
            let message = format!("url '{}' is not https", step.url);
            self.at(at, "url", message, "write https://host/path, of a host the operator allowed");
            return None;
        }
        if step.message.chars().count() > MAX_MESSAGE {
            let message = format!("message is longer than {MAX_MESSAGE} characters");
            self.at(at, "message", message, "shorten it");
            return None;
        }
        Some(NotifyAction { url: url?, message: step.message.clone() })
    }

    /// A name that a parameter or the template gives.
    fn uri(&mut self, text: &str, field: &str, at: Place) -> Option<Uri> {
        let from = self.findings.find(at, field);
        if text.starts_with('@') {
            return self.reference(text, &DataType::String, from).map(Uri::Parameter);
        }
        let uri = match Uri::literal(text) {
            Ok(uri) if !text.is_empty() => uri,
            Ok(_) => {
                self.at(from, field, format!("{field} is empty"), "");
                return None;
            }
            Err(place) => {
                let message = format!("'{place}' is no place of a {field}");
                let hint = "places are {tenant_id} and {name} of a DATE parameter";
                self.at(from, &place, message, hint);
                return None;
            }
        };
        let days: Vec<String> = uri.days().into_iter().map(str::to_owned).collect();
        let declared: Vec<Option<String>> = days
            .iter()
            .map(|name| self.reference(&format!("@{name}"), &DataType::Date, from))
            .collect();
        declared.iter().all(Option::is_some).then_some(uri)
    }

    fn format(&mut self, format: FormatSpec, csv: Option<&CsvSpec>, at: Place) -> Option<Format> {
        if format != FormatSpec::Csv && csv.is_some() {
            self.at(at, "csv", "csv options stand beside another format", "remove them");
            return None;
        }
        Some(match format {
            FormatSpec::Ndjson => Format::Ndjson,
            FormatSpec::Parquet => Format::Parquet,
            FormatSpec::Csv => {
                let csv = csv.cloned().unwrap_or_default();
                let delimiter = u8::try_from(csv.delimiter)
                    .ok()
                    .filter(|b| b.is_ascii() && !b"\"\r\n".contains(b));
                let Some(delimiter) = delimiter else {
                    let message =
                        format!("delimiter '{}' is not one ASCII character", csv.delimiter);
                    self.at(at, "delimiter", message, "use ',', ';', '|' or \"\\t\"");
                    return None;
                };
                let broken = |c: char| c == csv.delimiter || "\"\r\n".contains(c);
                if let Some(marker) = csv.null_marker.as_ref().filter(|m| m.contains(broken)) {
                    let message = format!(
                        "null_marker '{}' holds a delimiter, quote or line end",
                        marker.escape_debug()
                    );
                    self.at(at, "null_marker", message, "use a word such as NULL");
                    return None;
                }
                Format::Csv { header: csv.header, delimiter, null_marker: csv.null_marker }
            }
        })
    }
}
