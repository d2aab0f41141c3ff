//! A plan as text. What templates and callers wrote stands behind a mark or between quotes, and is escaped, so
//! that no value passes for a line of the plan.

use std::fmt::Write;

use common::warehouse::Value;

use super::{Bound, Outcome, Plan, PlannedStatement, PlannedStep};
use crate::shown::{quoted, shown};

/// The whole plan.
pub fn render(plan: &Plan) -> String {
    let mut out = Vec::new();
    let tenant = plan.tenant.as_deref().map_or_else(String::new, |id| format!(" for {id}"));
    out.push(format!("plan of {}{tenant}", plan.template));
    out.push(format!("  {}", shown(plan.description.trim())));
    out.push(String::new());
    out.push("parameters".to_owned());
    out.extend(values(&plan.parameters, ""));
    if plan.parameters.is_empty() {
        out.push("  none".to_owned());
    }
    if !plan.sources.is_empty() {
        out.push(String::new());
        out.push("sources".to_owned());
        out.extend(plan.sources.iter().map(|source| format!("  {source}")));
    }
    out.push(String::new());
    out.extend(order(plan));
    for planned in &plan.steps {
        out.push(String::new());
        out.extend(step(planned));
    }
    out.push(String::new());
    out.extend(end(plan));
    out.iter().fold(String::new(), |mut text, line| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// The steps by layers: those of one number may run at the same time.
fn order(plan: &Plan) -> Vec<String> {
    let limit = match plan.max_parallel {
        1 => "one step at a time".to_owned(),
        most => format!("at most {most} steps at once"),
    };
    let longest = |of: fn(&PlannedStep) -> &str| {
        plan.steps.iter().map(|step| of(step).len()).max().unwrap_or_default()
    };
    let (ids, kinds) = (longest(|step| &step.id), longest(|step| step.kind));
    let mut lines = vec![format!("order, {limit}")];
    for (layer, steps) in plan.layers.iter().enumerate() {
        for step in plan.steps.iter().filter(|step| steps.contains(&step.id)) {
            let after = match step.depends_on.join(", ") {
                before if before.is_empty() => String::new(),
                before => match step.on {
                    "success" => format!(" after {before};"),
                    on => format!(" after {before}, on {on};"),
                },
            };
            let tries = if step.max_attempts == 1 { "try" } else { "tries" };
            lines.push(format!(
                "  {}  {:ids$}  {:kinds$} {after} {} {tries}, each at most {} s",
                layer + 1,
                step.id,
                step.kind,
                step.max_attempts,
                step.timeout_seconds,
            ));
        }
    }
    lines
}

fn step(step: &PlannedStep) -> Vec<String> {
    let mut lines = vec![format!("step {} ({})", step.id, step.kind)];
    if let Some(file) = &step.file {
        let (uri, bad) = (quoted(&file.uri), file.max_bad_records);
        let bad = if bad == 0 { String::new() } else { format!(", at most {bad} bad records") };
        lines.push(format!("  loads  {uri}, {}, {} columns{bad}", file.format, file.columns));
        lines.push("         if it lies below a source root that the operator allowed".to_owned());
    }
    if let Some(export) = &step.export {
        lines.push(format!("  exports {}, {}", quoted(&export.uri), export.format));
        lines.push("         if it lies below a root that the operator allowed".to_owned());
    }
    if let Some(notice) = &step.notice {
        lines.push(format!("  posts  {} to {}", quoted(&notice.message), quoted(&notice.url)));
        lines.push("         if its host is one that the operator allowed".to_owned());
    }
    if let Some(write) = &step.writes {
        let range = write.range.as_ref().map_or_else(String::new, |range| format!(" {range}"));
        let by = |what: &str, columns: &[String]| match columns {
            [] => String::new(),
            columns => format!(", {what} by {}", columns.join(", ")),
        };
        let partition: Vec<String> = write.partition_by.iter().cloned().collect();
        lines.push(format!(
            "  writes {}, {}{range}{}{}{}",
            write.table,
            write.mode,
            by("told apart", &write.keys),
            by("partitioned", &partition),
            by("clustered", &write.cluster_by),
        ));
    }
    if let Some(most) = step.max_bytes {
        lines.push(format!("  reads at most {most} bytes at a time"));
    }
    for planned in &step.statements {
        lines.extend(statement(planned));
    }
    lines
}

fn statement(statement: &PlannedStatement) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(check) = &statement.check {
        let blocking = if check.blocking { ", blocking" } else { "" };
        let (id, kind, severity) = (&check.id, check.kind, check.severity);
        let expected = &check.expected;
        lines.push(format!("  check {id}: {kind}, {severity}{blocking}, allowed {expected}"));
    }
    let sql = statement.sql.strip_suffix('\n').unwrap_or(&statement.sql);
    // A tab is left as it stands: it moves nothing but what follows it on its line.
    let lines_of_sql = sql.split('\n').map(|line| line.split('\t').map(shown).collect::<Vec<_>>());
    lines.extend(lines_of_sql.map(|parts| format!("  | {}", parts.join("\t"))));
    lines.extend(values(&statement.parameters, "@"));
    lines.extend(outcome(&statement.dry_run));
    lines
}

fn outcome(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::NotMade => None,
        Outcome::Reads { tables, bytes } => {
            let names = tables.iter().map(|read| {
                let refused = if read.allowed { "" } else { " (refused)" };
                let step = read.written_by.as_ref();
                let first = step.map(|step| format!(" (written by step {step} first)"));
                format!("{}{refused}{}", read.table, first.unwrap_or_default())
            });
            let names: Vec<String> = names.collect();
            let names = if names.is_empty() { "no table".to_owned() } else { names.join(", ") };
            Some(format!("  reads  {names}; as of now at most {bytes} bytes"))
        }
        Outcome::MadeBefore { table, step } => {
            Some(format!("  reads  {table}, made by step {step}: not there to be dry-run yet"))
        }
        Outcome::Failed { message } => Some(format!("  fails  {}", shown(message))),
    }
}

/// One line a value: its name, type and value.
fn values(values: &[Bound], sign: &str) -> Vec<String> {
    let names = values.iter().map(|bound| bound.name.len()).max().unwrap_or_default() + sign.len();
    let kinds = values.iter().map(|bound| bound.kind.len()).max().unwrap_or_default();
    let line = |bound: &Bound| {
        let name = format!("{sign}{}", bound.name);
        format!("  {name:names$}  {:kinds$}  {}", bound.kind, literal(&bound.value))
    };
    values.iter().map(line).collect()
}

/// A value as it is told apart from any other: texts are quoted, also within arrays.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Json(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(fields) => {
            let fields = fields.iter().map(|(name, v)| format!("{}: {}", quoted(name), literal(v)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int64(_)
        | Value::Float64(_)
        | Value::Numeric(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::Datetime(_)
        | Value::Time(_)
        | Value::Timestamp(_) => value.to_string(),
    }
}

fn end(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for refused in &plan.refused {
        let check =
            refused.check.as_ref().map_or_else(String::new, |check| format!(", check {check}"));
        lines.push(format!("error: step {}{check}: {}", refused.step, shown(&refused.message)));
    }
    if let Some(reason) = &plan.not_dry_run {
        lines.push(format!("no statement was dry-run: {}", shown(reason)));
    }
    if plan.is_sound() {
        lines.push(
            "nothing here refuses a run; the limits of a tenant are counted when it is triggered"
                .to_owned(),
        );
    }
    lines
}
