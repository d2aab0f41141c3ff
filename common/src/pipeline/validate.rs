//! The rules that a well-formed template must also keep; every broken one is found in one pass.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Findings, Place};
use super::graph::{Cycle, Node, topological_order, unreachable, waits_for};
use super::params::{ParamDefault, Parameter};
use super::spec::{OnSpec, ParameterSpec, StepSpec, TemplateSpec};
use super::{Action, Diagnostic, On, Step, Template, TemplateId, is_word};
use crate::warehouse::TableRef;

mod check;
mod parameter;
mod step;
mod target;

/// The most steps of a template.
const MAX_STEPS: usize = 300;
/// A run's timeout, in seconds: a minute to a day.
const RUN_TIMEOUTS: std::ops::RangeInclusive<u64> = 60..=86_400;

/// A template under validation: what steps are held against, and what is found.
struct Draft<'a> {
    parameters: BTreeMap<String, Parameter>,
    /// Declared, and refused for what they declare: what names them is not told as well.
    refused: BTreeSet<String>,
    sources: Vec<TableRef>,
    used: BTreeSet<String>,
    findings: Findings<'a>,
}

/// Turns a parsed file into a template.
pub(super) fn template(
    id: TemplateId,
    spec: TemplateSpec,
    findings: Findings<'_>,
) -> Result<Template, Vec<Diagnostic>> {
    let mut draft = Draft {
        parameters: BTreeMap::new(),
        refused: BTreeSet::new(),
        sources: Vec::new(),
        used: BTreeSet::new(),
        findings,
    };
    draft.parameters(&spec.parameters);
    draft.sources(&spec.sources);
    if spec.description.trim().is_empty() {
        draft.at_key(
            "description",
            "description is empty",
            "say in a sentence what the pipeline does",
        );
    }
    if !(1..=16).contains(&spec.max_parallel) {
        let message = format!("max_parallel is {}, which is not 1 to 16", spec.max_parallel);
        draft.at_key("max_parallel", &message, "leave it out for 4");
    }
    if let Some(seconds) = spec.timeout_seconds.filter(|s| !RUN_TIMEOUTS.contains(s)) {
        let message = format!("timeout_seconds is {seconds}, which is not 60 to 86400");
        draft.at_key("timeout_seconds", &message, "leave it out for the deployment's");
    }
    if spec.steps.is_empty() || spec.steps.len() > MAX_STEPS {
        let message = format!("there are {} steps, not 1 to {MAX_STEPS}", spec.steps.len());
        draft.at_key("steps", &message, "");
    }
    let places: Vec<Place> = spec
        .steps
        .iter()
        .map(|step| Place { line: step.referenced.line(), column: step.referenced.column() })
        .collect();
    let specs: Vec<StepSpec> = spec.steps.into_iter().map(|step| step.value).collect();
    let depends_on = draft.dependencies(&specs, &places);
    let order = draft.order(&specs, &places, &depends_on);
    let actions: Vec<Option<Action>> =
        specs.iter().zip(&places).map(|(spec, &at)| draft.action(spec, at)).collect();
    draft.writers(&specs, &places, &depends_on, &actions);
    draft.reach(&specs, &places, &depends_on, &order);
    draft.unused();
    let found = draft.findings.finish();
    if !found.is_empty() {
        return Err(found);
    }
    let mut steps: Vec<Option<Step>> = specs
        .iter()
        .zip(actions)
        .zip(&depends_on)
        .map(|((spec, action), before)| {
            let position = |node: &usize| order.iter().position(|placed| placed == node);
            let before = before.iter().filter_map(position).collect();
            Some(step::assemble(spec, action?, before))
        })
        .collect();
    Ok(Template {
        id,
        description: spec.description,
        parameters: draft.parameters,
        sources: draft.sources,
        max_parallel: usize::from(spec.max_parallel),
        timeout: spec.timeout_seconds.map(std::time::Duration::from_secs),
        steps: order.iter().filter_map(|&node| steps[node].take()).collect(),
    })
}

impl Draft<'_> {
    /// A finding at the first place of a top-level key.
    fn at_key(&mut self, key: &str, message: &str, hint: &str) {
        self.findings.add_word(Place::START, key, message, hint);
    }

    /// A finding at the first place of `word` from `from` on.
    fn at(&mut self, from: Place, word: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.add_word(from, word, message, hint);
    }

    fn parameters(&mut self, specs: &BTreeMap<String, ParameterSpec>) {
        let section = self.findings.find(Place::START, "parameters");
        let mut parameters = BTreeMap::new();
        for (name, spec) in specs {
            match parameter::parameter(specs, name, spec) {
                Ok(parameter) => {
                    parameters.insert(name.clone(), parameter);
                }
                Err((message, hint)) => {
                    self.refused.insert(name.clone());
                    self.at(section, name, format!("parameter {name}: {message}"), hint);
                }
            }
        }
        self.parameters = parameters;
    }

    fn sources(&mut self, names: &[String]) {
        let section = self.findings.find(Place::START, "sources");
        for name in names {
            match name.parse::<TableRef>() {
                Ok(table) if table.dataset.as_str().eq_ignore_ascii_case("tenants") => {
                    let message =
                        format!("source {name}: the control plane's tables are no source");
                    self.at(section, name, message, "remove it");
                }
                Ok(table) if table.dataset.as_str().eq_ignore_ascii_case("information_schema") => {
                    let message = format!("source {name}: an INFORMATION_SCHEMA shows all tenants");
                    self.at(section, name, message, "remove it");
                }
                Ok(table) if is_meta(&table.table) => {
                    let message = format!("source {name}: a tenant's x_meta tables are no source");
                    self.at(
                        section,
                        name,
                        message,
                        "remove it; a tenant's own need no declaration",
                    );
                }
                Ok(table) => self.sources.push(table),
                Err(error) => {
                    let hint = "write dataset.table or project.dataset.table, without wildcards";
                    self.at(section, name, format!("source {error}"), hint);
                }
            }
        }
    }

    /// The steps' dependencies as indices; findings for ids that are wrong, double or unknown.
    fn dependencies(&mut self, specs: &[StepSpec], places: &[Place]) -> Vec<Vec<usize>> {
        let mut index = BTreeMap::new();
        for (node, spec) in specs.iter().enumerate() {
            if !is_word(spec.id()) {
                let message = format!("step id '{}' is not [a-z][a-z0-9_]*", spec.id());
                self.at(places[node], spec.id(), message, "rename it");
            }
            if let Some(first) = index.insert(spec.id(), node) {
                let line = places[first].line;
                let message = format!("step id {} is taken by the step of line {line}", spec.id());
                self.at(places[node], spec.id(), message, "give each step an id of its own");
            }
        }
        let known: Vec<&str> = index.keys().copied().collect();
        let known = known.join(", ");
        let mut depends_on = Vec::new();
        for (node, spec) in specs.iter().enumerate() {
            let mut before = Vec::new();
            for id in spec.common().depends_on {
                let Some(&other) = index.get(id.as_str()) else {
                    let from = self.findings.find(places[node], "depends_on");
                    let message = format!("step {} depends on {id}, which no step is", spec.id());
                    self.at(from, id, message, format!("the steps are {known}"));
                    let others = index.keys().copied().filter(|other| *other != spec.id());
                    self.findings.suggest(id, others);
                    continue;
                };
                before.push(other);
            }
            depends_on.push(before);
        }
        depends_on
    }

    fn order(&mut self, specs: &[StepSpec], at: &[Place], depends_on: &[Vec<usize>]) -> Vec<usize> {
        topological_order(depends_on).unwrap_or_else(|Cycle(nodes)| {
            let ids: Vec<&str> = nodes.iter().map(|&node| specs[node].id()).collect();
            let message = format!("steps wait for each other: {} -> {}", ids.join(" -> "), ids[0]);
            self.at(at[nodes[0]], "depends_on", message, "remove one of these dependencies");
            Vec::new()
        })
    }

    /// Every step must be able to start.
    fn reach(
        &mut self,
        specs: &[StepSpec],
        places: &[Place],
        depends_on: &[Vec<usize>],
        order: &[usize],
    ) {
        let node = |(spec, before): (&StepSpec, &Vec<usize>)| Node {
            depends_on: before.clone(),
            on: spec.common().on.into(),
        };
        let nodes: Vec<Node> = specs.iter().zip(depends_on).map(node).collect();
        // A notification that fails is logged and nothing else.
        let may_fail: Vec<bool> =
            specs.iter().map(|spec| !matches!(spec, StepSpec::Notify(_))).collect();
        for at in unreachable(&nodes, &may_fail, order) {
            let id = specs[at].id();
            let (message, hint) = match nodes[at].on {
                On::Failure if depends_on[at].is_empty() => (
                    format!("step {id} runs on failure and depends on nothing: it never starts"),
                    "name in depends_on the steps whose failure it is for",
                ),
                On::Failure => (
                    format!("step {id} runs on failure of what cannot fail: it never starts"),
                    "let it depend on a step that can fail, or run it always",
                ),
                On::Success | On::Always => (
                    format!(
                        "step {id} waits for a step to end well and for one that runs on its failure: it never starts"
                    ),
                    "run it always, or let it depend on one of the two",
                ),
            };
            let word = if nodes[at].on == On::Failure { "on" } else { "depends_on" };
            self.at(places[at], word, message, hint);
        }
    }

    /// Two steps that write one table must have an order.
    fn writers(
        &mut self,
        specs: &[StepSpec],
        places: &[Place],
        depends_on: &[Vec<usize>],
        actions: &[Option<Action>],
    ) {
        let target = |action: &Option<Action>| Some(action.as_ref()?.target()?.table.clone());
        let targets: Vec<Option<String>> = actions.iter().map(target).collect();
        for (second, table) in targets.iter().enumerate() {
            let Some(table) = table else { continue };
            for first in 0..second {
                let ordered =
                    waits_for(depends_on, second, first) || waits_for(depends_on, first, second);
                if targets[first].as_ref() == Some(table) && !ordered {
                    let (id, other) = (specs[second].id(), specs[first].id());
                    let message =
                        format!("steps {other} and {id} both write {table} at the same time");
                    self.at(
                        places[second],
                        "table",
                        message,
                        format!("let {id} depend on {other}"),
                    );
                }
            }
        }
    }

    fn unused(&mut self) {
        let section = self.findings.find(Place::START, "parameters");
        let references =
            self.parameters.values().filter_map(|parameter| match &parameter.default {
                ParamDefault::SameAs(other) => Some(other.clone()),
                ParamDefault::Required | ParamDefault::Literal(_) | ParamDefault::DayOf { .. } => {
                    None
                }
            });
        self.used.extend(references.collect::<Vec<_>>());
        let unused: Vec<String> =
            self.parameters.keys().filter(|name| !self.used.contains(*name)).cloned().collect();
        for name in unused {
            let message = format!("parameter {name} is declared and never used");
            self.at(section, &name, message, format!("use @{name} in a step, or remove it"));
        }
    }
}

/// Whether a table is one of Headgate's own.
fn is_meta(table: &str) -> bool {
    table.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("x_meta"))
}

impl From<OnSpec> for On {
    fn from(on: OnSpec) -> Self {
        match on {
            OnSpec::Success => Self::Success,
            OnSpec::Failure => Self::Failure,
            OnSpec::Always => Self::Always,
        }
    }
}
