//! The rules of what a step writes: its table, its mode, the columns of a load.

use super::super::diagnostic::Place;
use super::super::spec::{LoadStep, ModeSpec, TargetSpec};
use super::super::{Mode, Parameter, TargetTable, is_word};
use super::step::is_name;
use super::{Draft, is_meta};
use crate::warehouse::{Column, ColumnType, DataType, Mode as ColumnMode};

/// The most columns of a key.
const MAX_KEYS: usize = 16;

impl Draft<'_> {
    /// The table that a step writes.
    pub(super) fn target(
        &mut self,
        target: &TargetSpec,
        mode: &ModeSpec,
        at: Place,
    ) -> Option<TargetTable> {
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
            ModeSpec::Append { dedup_key, allow_duplicates } => {
                match (dedup_key.is_empty(), allow_duplicates) {
                    (true, true) => return Some(Mode::Append),
                    (false, false) => {
                        let keys = self.keys(dedup_key, from)?;
                        return Some(Mode::AppendNew { keys });
                    }
                    (true, false) | (false, true) => {}
                }
                let message = "append needs either a dedup_key or allow_duplicates: true";
                let hint = "a second run adds its rows again: name the columns that tell, or say that it may";
                self.at(from, "append", message, hint);
                None
            }
            ModeSpec::Merge { keys } => Some(Mode::Merge { keys: self.keys(keys, from)? }),
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

    /// The columns that make a row the same one.
    fn keys(&mut self, keys: &[String], from: Place) -> Option<Vec<String>> {
        let mut sound = !keys.is_empty();
        for (at, key) in keys.iter().enumerate() {
            let again = keys[..at].iter().any(|other| other.eq_ignore_ascii_case(key));
            if again || !is_name(key) {
                self.at(from, key, format!("'{key}' is not a column's name, or stands twice"), "");
                return None;
            }
        }
        if keys.len() > MAX_KEYS {
            sound = false;
        }
        if !sound {
            let message = format!("a write by keys has 1 to {MAX_KEYS} of them");
            self.at(from, "keys", message, "name the columns that make a row the same one");
        }
        sound.then(|| keys.to_vec())
    }

    /// The parameter that `"@name"` names, of this type.
    pub(super) fn reference(&mut self, text: &str, kind: &DataType, from: Place) -> Option<String> {
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

    /// A load's columns, and that partitioning, clustering and keys are among them.
    pub(super) fn columns(&mut self, step: &LoadStep, at: Place) -> bool {
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
        let keys = match &step.mode {
            ModeSpec::Append { dedup_key: keys, .. } | ModeSpec::Merge { keys } => &keys[..],
            ModeSpec::Replace | ModeSpec::OverwritePartition { .. } => &[],
        };
        for name in keys.iter().filter(|name| named(name).is_none()) {
            refuse(self, name, format!("the key {name} is not a column of this load"), "");
            let known = step.columns.iter().map(|column| column.name.as_str());
            self.findings.suggest(name, known);
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
