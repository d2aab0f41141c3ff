//! `headgate plan`: what a run of a template would do, told without doing any of it.
//!
//! [`Plan::new`] puts the plan together from a template and its parameters, [`Plan::dry_run`] asks a warehouse
//! what each statement would read, and [`text`] shows the whole to a person. As JSON it is the value itself.

use std::collections::BTreeMap;

use common::pipeline::Template;
use common::pipeline::graph::waits_for;
use common::tenant::TenantId;
use common::warehouse::{Param, Query, Value};
use serde::{Serialize, Serializer};

mod dry_run;
mod given;
mod step;
pub mod text;

pub use given::{GivenError, given};

/// What a run would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The template's id.
    pub template: String,
    /// What it does.
    pub description: String,
    /// Whose run it would be; without one, tables are those of any tenant.
    pub tenant: Option<String>,
    /// The resolved parameters, by name.
    pub parameters: Vec<Bound>,
    /// Tables beyond the tenant's dataset that its statements may read.
    pub sources: Vec<String>,
    /// How many steps run at once.
    pub max_parallel: usize,
    /// The ids of the steps that wait for nothing, then of those that wait for one of these at most, and so on.
    pub layers: Vec<Vec<String>>,
    /// The steps, each after all that it waits for.
    pub steps: Vec<PlannedStep>,
    /// Why no statement was dry-run; `None` where they were.
    pub not_dry_run: Option<String>,
    /// What would end the run in a failure before it writes all.
    pub refused: Vec<Refused>,
}

/// A parameter and its value.
#[derive(Debug, Clone, Serialize)]
pub struct Bound {
    /// Its name, without the `@`.
    pub name: String,
    /// Its GoogleSQL type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value.
    #[serde(serialize_with = "as_json")]
    pub value: Value,
}

fn as_json<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}

/// One step.
#[derive(Debug, Serialize)]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// Its type, as templates have it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The steps that must end before it starts.
    pub depends_on: Vec<String>,
    /// How they must have ended: `success`, `failure` or `always`.
    pub on: &'static str,
    /// After this many seconds a try is cancelled.
    pub timeout_seconds: u64,
    /// Tries in all.
    pub max_attempts: u32,
    /// The most bytes that each of its statements may read, where the step says so.
    pub max_bytes: Option<u64>,
    /// What it sends, in order.
    pub statements: Vec<PlannedStatement>,
    /// The file that it reads.
    pub file: Option<PlannedFile>,
    /// The file that it writes.
    pub export: Option<PlannedExport>,
    /// Whom it tells.
    pub notice: Option<PlannedNotice>,
    /// What it writes.
    pub writes: Option<PlannedWrite>,
}

/// One statement, as it is sent.
#[derive(Debug, Serialize)]
pub struct PlannedStatement {
    /// The check whose observation it is.
    pub check: Option<PlannedCheck>,
    /// GoogleSQL.
    pub sql: String,
    /// The values that are bound beside it.
    pub parameters: Vec<Bound>,
    /// What it would read.
    pub dry_run: Outcome,
    #[serde(skip)]
    query: Query,
}

/// What a check expects.
#[derive(Debug, Serialize)]
pub struct PlannedCheck {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What a failure is called.
    pub severity: &'static str,
    /// Whether a failure ends the run.
    pub blocking: bool,
    /// What the observed value is held against.
    pub expected: String,
}

/// A file that is loaded. Whether it may be read is for the operator's source roots to say, when it is.
#[derive(Debug, Serialize)]
pub struct PlannedFile {
    /// Where it is.
    pub uri: String,
    /// Its format.
    pub format: &'static str,
    /// How many columns are taken from it.
    pub columns: usize,
    /// How many bad records are left out before the load fails.
    pub max_bad_records: u64,
}

/// A file that is written. Whether it may be is for the operator's export roots to say, when it is.
#[derive(Debug, Serialize)]
pub struct PlannedExport {
    /// Where it goes.
    pub uri: String,
    /// Its format.
    pub format: &'static str,
}

/// A message to a webhook. Whether it may go there is for the operator's hosts to say, when it does.
#[derive(Debug, Serialize)]
pub struct PlannedNotice {
    /// Where to.
    pub url: String,
    /// What the template's author wants to say.
    pub message: String,
}

/// A table that is written.
#[derive(Debug, Serialize)]
pub struct PlannedWrite {
    /// Its full name.
    pub table: String,
    /// What the write changes, as templates name it.
    pub mode: &'static str,
    /// The part of the table that it changes, such as `2025-11-01..2025-11-30`.
    pub range: Option<String>,
    /// The columns that make a row the same one.
    pub keys: Vec<String>,
    /// The column it is partitioned by.
    pub partition_by: Option<String>,
    /// The columns it is clustered by.
    pub cluster_by: Vec<String>,
}

/// What a dry run said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// None was made.
    NotMade,
    /// It would read these.
    Reads {
        /// The tables.
        tables: Vec<Read>,
        /// At most so many bytes, of the tables as they are now.
        bytes: u64,
    },
    /// It reads a table that is not there yet.
    MadeBefore {
        /// The table.
        table: String,
        /// The step that makes it, for which this one waits.
        step: String,
    },
    /// It cannot run as things are.
    Failed {
        /// Why.
        message: String,
    },
}

/// A table that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// Its full name.
    pub table: String,
    /// Whether it is the tenant's own or a declared source.
    pub allowed: bool,
    /// The step that writes it before it is read: its bytes are others then.
    pub written_by: Option<String>,
}

/// Why a step would fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The step.
    pub step: String,
    /// The check, where it is one's statement.
    pub check: Option<String>,
    /// Why.
    pub message: String,
}

impl Plan {
    /// The plan of a run with these resolved parameters; nothing is dry-run yet.
    pub fn new(
        template: &Template,
        params: &BTreeMap<String, Param>,
        tenant: Option<&TenantId>,
    ) -> Self {
        let steps = template.steps.iter().map(|step| step::planned(template, step, params, tenant));
        Self {
            template: template.id.to_string(),
            description: template.description.clone(),
            tenant: tenant.map(ToString::to_string),
            parameters: bound(params),
            sources: template.sources.iter().map(ToString::to_string).collect(),
            max_parallel: template.max_parallel,
            layers: layers(template),
            steps: steps.collect(),
            not_dry_run: None,
            refused: Vec::new(),
        }
    }

    /// Whether nothing was found that would make a run fail.
    pub fn is_sound(&self) -> bool {
        self.refused.is_empty()
    }

    /// The steps other than `node` that write a table, in order, and whether `node` waits for each.
    fn writers<'a>(
        &'a self,
        template: &Template,
        node: usize,
        is_table: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = Writer<'a>> + 'a {
        let depends_on: Vec<Vec<usize>> =
            template.steps.iter().map(|step| step.depends_on.clone()).collect();
        let others = self.steps.iter().enumerate().filter(move |(other, _)| *other != node);
        others.filter_map(move |(other, step)| {
            let table = &step.writes.as_ref()?.table;
            let first = waits_for(&depends_on, node, other);
            is_table(table).then_some(Writer { table, step: &step.id, first })
        })
    }
}

/// A step that writes a table which another reads.
struct Writer<'a> {
    table: &'a str,
    step: &'a str,
    /// Whether the reader waits for it.
    first: bool,
}

fn bound(params: &BTreeMap<String, Param>) -> Vec<Bound> {
    let bound = |(name, param): (&String, &Param)| Bound {
        name: name.clone(),
        kind: param.kind.to_string(),
        value: param.value.clone(),
    };
    params.iter().map(bound).collect()
}

/// The steps by how many must end one after the other before each.
fn layers(template: &Template) -> Vec<Vec<String>> {
    let mut depths: Vec<usize> = Vec::new();
    let mut layers: Vec<Vec<String>> = Vec::new();
    for step in &template.steps {
        // Dependencies stand before their dependents.
        let depth = step.depends_on.iter().filter_map(|&before| depths.get(before)).max();
        let depth = depth.map_or(0, |before| before + 1);
        depths.push(depth);
        if layers.len() <= depth {
            layers.resize(depth + 1, Vec::new());
        }
        layers[depth].push(step.id.clone());
    }
    layers
}

#[cfg(test)]
mod tests;
