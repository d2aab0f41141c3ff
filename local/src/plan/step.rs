//! One step as a run would do it: what each type of step sends, reads and writes.

use std::collections::BTreeMap;

use common::pipeline::{Action, Check, LoadAction, Mode, Step, TargetTable, Template, Uri};
use common::run::Severity;
use common::tenant::TenantId;
use common::warehouse::{DatasetName, Format, Param, Query, Value};

use super::{
    Outcome, PlannedCheck, PlannedFile, PlannedStatement, PlannedStep, PlannedWrite, bound,
};

/// Stands for the tenant where none is named.
const ANY_TENANT: &str = "<tenant>";

/// What an action comes to.
#[derive(Default)]
struct Work {
    statements: Vec<PlannedStatement>,
    file: Option<PlannedFile>,
    writes: Option<PlannedWrite>,
}

/// A step of a template.
pub(super) fn planned(
    template: &Template,
    step: &Step,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedStep {
    let Work { statements, file, writes } = work(&step.action, params, tenant);
    PlannedStep {
        id: step.id.clone(),
        kind: step.action.kind(),
        depends_on: step.depends_on.iter().map(|&node| template.steps[node].id.clone()).collect(),
        timeout_seconds: step.timeout.as_secs(),
        max_attempts: step.retries.max_attempts,
        statements,
        file,
        writes,
    }
}

/// The one place that knows what each type of step is made of.
fn work(action: &Action, params: &BTreeMap<String, Param>, tenant: Option<&TenantId>) -> Work {
    let writes = |target| Some(write(target, params, tenant));
    match action {
        Action::Sql(sql) => Work {
            statements: vec![statement(sql.query.bind(params, &dataset(tenant)), None)],
            writes: writes(&sql.target),
            ..Work::default()
        },
        Action::Load(load) => {
            Work { file: Some(file(load, params)), writes: writes(&load.target), ..Work::default() }
        }
        Action::Check(checks) => Work {
            statements: checks.iter().map(|check| observation(check, params, tenant)).collect(),
            ..Work::default()
        },
    }
}

fn statement(query: Query, check: Option<PlannedCheck>) -> PlannedStatement {
    PlannedStatement {
        check,
        sql: query.sql.clone(),
        parameters: bound(&query.params),
        dry_run: Outcome::NotMade,
        query,
    }
}

/// What a check looks at first; it samples failing rows only once it has failed.
fn observation(
    check: &Check,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedStatement {
    let compiled = check.compile(&dataset(tenant), params);
    let planned = PlannedCheck {
        id: check.id.clone(),
        kind: check.expect.kind(),
        severity: match check.severity {
            Severity::Warn => "warn",
            Severity::Error => "error",
        },
        blocking: check.blocking,
        expected: compiled.threshold,
    };
    statement(compiled.observe, Some(planned))
}

fn file(load: &LoadAction, params: &BTreeMap<String, Param>) -> PlannedFile {
    let uri = match &load.uri {
        Uri::Literal(uri) => uri.clone(),
        Uri::Parameter(name) => value(params, name),
    };
    let format = match load.format {
        Format::Csv { .. } => "csv",
        Format::Ndjson => "ndjson",
        Format::Parquet => "parquet",
    };
    let max_bad_records = load.max_bad_records;
    PlannedFile { uri, format, columns: load.columns.len(), max_bad_records }
}

fn write(
    target: &TargetTable,
    params: &BTreeMap<String, Param>,
    tenant: Option<&TenantId>,
) -> PlannedWrite {
    let (mode, range) = match &target.mode {
        Mode::Replace => ("replace", None),
        Mode::Append => ("append", None),
        Mode::OverwritePartition { from, to } => {
            let range = format!("{}..{}", value(params, from), value(params, to));
            ("overwrite_partition", Some(range))
        }
    };
    let dataset = tenant.map_or(ANY_TENANT, TenantId::as_str);
    PlannedWrite {
        table: format!("{dataset}.{}", target.table),
        mode,
        range,
        partition_by: target.partition_by.clone(),
        cluster_by: target.cluster_by.clone(),
    }
}

/// A parameter's value as text. Every parameter that a template names is resolved.
fn value(params: &BTreeMap<String, Param>, name: &str) -> String {
    params.get(name).map_or_else(
        || format!("@{name}"),
        |param| match &param.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    )
}

/// The dataset of unqualified tables; without a tenant no statement gets as far as being looked up in it.
#[expect(clippy::expect_used, reason = "the stand-in is a dataset's name")]
fn dataset(tenant: Option<&TenantId>) -> DatasetName {
    tenant.map_or_else(
        || DatasetName::parse("any_tenant").expect("a dataset's name"),
        TenantId::dataset,
    )
}
