//! The rules of one step: its statement, target, mode, file and limits.

use std::time::Duration;

use super::super::diagnostic::Place;
use super::super::scan::scan;
use super::super::spec::{
    CsvSpec, FormatSpec, LoadStep, ModeSpec, RetriesSpec, SqlStep, StepSpec, TargetSpec,
};
use super::super::{
    Action, LoadAction, Mode, Parameter, Retries, SqlAction, Statement, Step, TargetTable, Uri,
    is_word,
};
use super::{Draft, is_meta};
use crate::warehouse::{Column, ColumnType, DataType, Format, Mode as ColumnMode};

/// Puts a step together from its parts, all of them valid.
pub(super) fn assemble(spec: &StepSpec, action: Action, depends_on: Vec<usize>) -> Step {
    let (timeout, retries) = limits(spec);
    Step {
        id: spec.id().to_owned(),
        depends_on,
        timeout: Duration::from_secs(timeout),
        retries: Retries {
            max_attempts: retries.max_attempts,
            backoff: Duration::from_secs(retries.backoff_seconds),
            max_backoff: Duration::from_secs(retries.max_backoff_seconds),
        },
        action,
    }
}

fn limits(spec: &StepSpec) -> (u64, RetriesSpec) {
    match spec {
        StepSpec::Sql(step) => (step.timeout_seconds, step.retries),
        StepSpec::Load(step) => (step.timeout_seconds, step.retries),
        StepSpec::Check(step) => (step.timeout_seconds, step.retries),
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
        let (timeout, retries) = limits(spec);
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
            StepSpec::Check(step) => self.checks(step, at).map(Action::Check),
        }
    }

    fn sql(&mut self, step: &SqlStep, at: Place) -> Option<SqlAction> {
        let from =
            Place { line: step.query.referenced.line(), column: step.query.referenced.column() };
        let query = self.query(&step.query.value, from);
        let target = self.target(&step.target, &step.mode, at);
        Some(SqlAction { query: query?, target: target? })
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

    fn target(&mut self, target: &TargetSpec, mode: &ModeSpec, at: Place) -> Option<TargetTable> {
        let from = self.findings.find(at, "target");
        let mut sound = true;
        if !is_word(&target.table) || is_meta(&target.table) {
            let message = format!("target table '{}' is not allowed", target.table);
            let hint = "a name is [a-z][a-z0-9_]*, without a dataset, and not x_meta*";
            self.at(from, "table", message, hint);
            sound = false;
        }
        for column in target.partition_by.iter().chain(&target.cluster_by) {
            if !is_name(column) {
                self.at(from, column, format!("'{column}' is not a column's name"), "");
                sound = false;
            }
        }
        if target.cluster_by.len() > 4 {
            self.at(from, "cluster_by", "a table is clustered by at most four columns", "");
            sound = false;
        }
        let mode = self.mode(target, mode, at);
        sound.then_some(())?;
        Some(TargetTable {
            table: target.table.clone(),
            partition_by: target.partition_by.clone(),
            cluster_by: target.cluster_by.clone(),
            mode: mode?,
        })
    }

    fn mode(&mut self, target: &TargetSpec, mode: &ModeSpec, at: Place) -> Option<Mode> {
        let from = self.findings.find(at, "mode");
        match mode {
            ModeSpec::Replace => Some(Mode::Replace),
            ModeSpec::Append { allow_duplicates: true } => Some(Mode::Append),
            ModeSpec::Append { allow_duplicates: false } => {
                let message = "append needs allow_duplicates: true";
                self.at(
                    from,
                    "append",
                    message,
                    "a second run adds its rows again: say that it may",
                );
                None
            }
            ModeSpec::OverwritePartition { from: first, to } => {
                if target.partition_by.is_none() {
                    let message = "overwrite_partition needs target.partition_by";
                    self.at(
                        from,
                        "overwrite_partition",
                        message,
                        "name the DATE column of the range",
                    );
                }
                let first = self.reference(first, &DataType::Date, from);
                let to = self.reference(to, &DataType::Date, from);
                target.partition_by.as_ref()?;
                Some(Mode::OverwritePartition { from: first?, to: to? })
            }
        }
    }

    /// The parameter that `"@name"` names, of this type.
    fn reference(&mut self, text: &str, kind: &DataType, from: Place) -> Option<String> {
        let name = text.strip_prefix('@').unwrap_or_default();
        if self.parameters.get(name).is_some_and(|parameter| parameter.kind.data_type() == kind) {
            self.used.insert(name.to_owned());
            return Some(name.to_owned());
        }
        if self.refused.contains(name) {
            return None;
        }
        let message = format!("'{text}' is not a declared {kind} parameter");
        self.at(from, text, message, format!("write \"@name\" of a parameter of type {kind}"));
        let fits = |(_, parameter): &(&String, &Parameter)| parameter.kind.data_type() == kind;
        let names = self.parameters.iter().filter(fits).map(|(name, _)| format!("@{name}"));
        let names: Vec<String> = names.collect();
        self.findings.suggest(text, names.iter().map(String::as_str));
        None
    }

    fn load(&mut self, step: &LoadStep, at: Place) -> Option<LoadAction> {
        let uri = if step.uri.starts_with('@') {
            let from = self.findings.find(at, "uri");
            self.reference(&step.uri, &DataType::String, from).map(Uri::Parameter)
        } else {
            Some(Uri::Literal(step.uri.clone()))
        };
        let format = self.format(step.format, step.csv.as_ref(), at);
        let columns_sound = self.columns(step, at);
        let target = self.target(&step.target, &step.mode, at);
        columns_sound.then_some(())?;
        Some(LoadAction {
            uri: uri?,
            format: format?,
            columns: step.columns.clone(),
            max_bad_records: step.max_bad_records,
            target: target?,
        })
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
                Format::Csv { header: csv.header, delimiter, null_marker: csv.null_marker }
            }
        })
    }

    fn columns(&mut self, step: &LoadStep, at: Place) -> bool {
        let from = self.findings.find(at, "columns");
        let mut sound = true;
        let mut refuse = |draft: &mut Self, word: &str, message: String, hint: &str| {
            draft.at(from, word, message, hint);
            sound = false;
        };
        if step.columns.is_empty() {
            refuse(
                self,
                "columns",
                "a load needs its columns".to_owned(),
                "list name and type of each",
            );
        }
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        for (i, column) in step.columns.iter().enumerate() {
            if !is_name(&column.name) {
                refuse(self, &column.name, format!("'{}' is not a column's name", column.name), "");
            }
            if step.columns[..i].iter().any(|other| same(&other.name, &column.name)) {
                let message = format!("column {} stands twice", column.name);
                refuse(self, &column.name, message, "names are compared without case");
            }
        }
        let named = |name: &String| -> Option<&Column> {
            step.columns.iter().find(|column| same(&column.name, name))
        };
        if let Some(name) = &step.target.partition_by {
            let is_date = |c: &Column| c.kind == ColumnType::Date && c.mode != ColumnMode::Repeated;
            if !named(name).is_some_and(is_date) {
                let message = format!("partition_by {name} is not a DATE column of this load");
                refuse(self, name, message, "partition by a DATE column");
                let dates = step.columns.iter().filter(|column| is_date(column));
                self.findings.suggest(name, dates.map(|column| column.name.as_str()));
            }
        }
        for name in &step.target.cluster_by {
            if named(name).is_none() {
                refuse(self, name, format!("cluster_by {name} is not a column of this load"), "");
                let known = step.columns.iter().map(|column| column.name.as_str());
                self.findings.suggest(name, known);
            }
        }
        sound
    }
}
